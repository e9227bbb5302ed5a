package tests

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/dnstest"
	"github.com/brio-net/brio/internal/need"
)

// The rows of the README's comparison that tell statuses are what the tools do.
func TestReadmeComparison(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: waits for time-outs")
	}
	t.Parallel()
	for _, tool := range []string{"nc.openbsd", "ncat", "socat", "dig", "openssl"} {
		need.Tool(t, tool)
	}
	table := comparisonTable(t)
	reset, silent, late := comparedServers(t)
	name := dnstest.Server{UDP: answerBadly}.Start(t)
	dnsHost, dnsPort, _ := net.SplitHostPort(name)
	ca, expired := expiredServer(t)

	row := "connection reset in the middle"
	table.check(t, row, "brio", status, "brio", "connect", reset)
	table.check(t, row, "nc", status, nc("nc.openbsd", reset)...)
	table.check(t, row, "ncat", status, nc("ncat", reset)...)
	table.check(t, row, "socat", status, "socat", "-", "TCP4:"+reset)

	row = "time-out asked for and reached"
	table.check(t, row, "brio", status, "brio", "connect", "--idle-timeout", "1", silent)
	table.check(t, row, "nc", status, nc("nc.openbsd", silent, "-w", "1")...)
	table.check(t, row, "ncat", status, nc("ncat", silent, "-i", "1s")...)
	table.check(t, row, "socat", status, "socat", "-T1", "-", "TCP4:"+silent)
	_, port, _ := net.SplitHostPort(silent)
	table.check(t, row, "dig", status, "dig", "@127.0.0.1", "-p", port, "+time=1", "+tries=1", "example.com")

	row = "reply a second after stdin ended"
	table.check(t, row, "brio", arrival, "brio", "connect", late)
	table.check(t, row, "nc", arrival, nc("nc.openbsd", late)...)
	table.check(t, row, "ncat", arrival, nc("ncat", late)...)
	table.check(t, row, "socat", arrival, "socat", "-", "TCP4:"+late)

	row = "NXDOMAIN, SERVFAIL"
	both := func(argv ...string) []string {
		line := strings.Join(argv, " ")
		return []string{"sh", "-c", line + " nx.example >&2; a=$?; " + line + " servfail.example >&2; echo \"$a, $?\""}
	}
	table.check(t, row, "brio", output, both("brio", "dns-query", "@"+name)...)
	table.check(t, row, "dig", output, both("dig", "@"+dnsHost, "-p", dnsPort)...)

	row = "expired certificate"
	table.check(t, row, "brio", status, "brio", "tls-client", "--handshake-only", "--ca-file", ca, expired)
	table.check(t, row, "ncat", status, nc("ncat", expired, "--ssl-verify", "--ssl-trustfile", ca)...)
	table.check(t, row, "socat", status, "socat", "-", "OPENSSL:"+expired+",cafile="+ca)
	table.check(t, row, "openssl", status, "openssl", "s_client", "-CAfile", ca, "-connect", expired)
}

func nc(tool, address string, flags ...string) []string {
	host, port, _ := net.SplitHostPort(address)
	return append(append([]string{tool}, flags...), host, port)
}

// A comparison holds the cells of the table by row and column.
type comparison map[string]map[string]string

func comparisonTable(t *testing.T) comparison {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## Beside other tools\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	var columns []string
	table := comparison{}
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if columns == nil {
			columns = cells
		}
		table[cells[0]] = map[string]string{}
		for i, c := range cells {
			table[cells[0]][columns[i]] = c
		}
	}
	return table
}

// check runs a tool and compares what came of it, in words, with the cell.
func (c comparison) check(t *testing.T, row, tool string, words func(status int, stdout, stderr string) string, argv ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	run := exec.CommandContext(ctx, argv[0], argv[1:]...)
	run.Env = append(os.Environ(), "PATH="+brioDir(t)+":"+os.Getenv("PATH"))
	if argv[0] == "brio" {
		run.Path = filepath.Join(brioDir(t), "brio")
		run.Err = nil
	}
	run.Stdin = strings.NewReader("question\n")
	var stdout, stderr bytes.Buffer
	run.Stdout, run.Stderr = &stdout, &stderr
	_ = run.Run() // the status says it
	got := words(exitStatus(run.ProcessState), stdout.String(), stderr.String())
	cell := c[row][tool]
	if _, quoted, ok := strings.Cut(cell, `, "`); ok {
		if !strings.Contains(stderr.String(), strings.TrimSuffix(quoted, `"`)) {
			t.Errorf("%s: %s says %q; the README has %s", row, tool, stderr.String(), cell)
		}
		cell, _, _ = strings.Cut(cell, ",")
	}
	if got != cell {
		t.Errorf("%s: of %s comes %q (%q); the README has %q", row, tool, got, stderr.String(), cell)
	}
}

// status, arrival and output put what came of a run into the words of the table.
func status(status int, _, stderr string) string {
	if status == 0 && stderr == "" {
		return "0, silent"
	}
	return fmt.Sprint(status)
}

func arrival(status int, stdout, _ string) string {
	if strings.Contains(stdout, "answer") {
		return "arrives"
	}
	return fmt.Sprintf("lost, %d", status)
}

func output(_ int, stdout, _ string) string { return strings.TrimSpace(stdout) }

// comparedServers are a server that resets each connection in the middle of its
// answer, one that says nothing, over UDP neither, and one that is late.
func comparedServers(t *testing.T) (reset, silent, late string) {
	serve := func(handle func(net.Conn)) string {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		go acceptAll(ln, handle)
		return ln.Addr().String()
	}
	reset = serve(func(c net.Conn) {
		io.WriteString(c, "half an ans")
		time.Sleep(200 * time.Millisecond)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	})
	late = serve(func(c net.Conn) {
		defer c.Close()
		c.Read(make([]byte, 100))
		time.Sleep(time.Second)
		io.WriteString(c, "answer\n")
	})
	silent = serve(func(c net.Conn) {
		<-t.Context().Done()
		c.Close()
	})
	pc, err := net.ListenPacket("udp4", silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return reset, silent, late
}

func answerBadly(q *dns.Msg) [][]byte {
	m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
	if strings.HasPrefix(q.Question[0].Name, "servfail") {
		m.Rcode = dns.RcodeServerFailure
	}
	wire, err := m.Pack()
	if err != nil {
		return nil
	}
	return [][]byte{wire}
}

// expiredServer starts a TLS server whose certificate has expired and is its own
// authority, which is in the file ca.
func expiredServer(t *testing.T) (ca, address string) {
	t.Helper()
	cert := selfSigned(t, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
		c.BasicConstraintsValid, c.IsCA = true, true
	})
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o644); err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go acceptAll(ln, func(c net.Conn) {
		c.Read(make([]byte, 100))
		c.Close()
	})
	return ca, ln.Addr().String()
}
