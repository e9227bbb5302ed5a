package tests

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/tests/faults"
)

// sayer is the address of a server that sends text to each connection and closes
// it.
func sayer(t *testing.T, text string) string {
	t.Helper()
	l, err := faults.Greet(text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func streamProxy(t *testing.T, target string, cfg faults.Stream) string {
	t.Helper()
	p, err := faults.NewStream(target, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p.Addr()
}

// A stream that breaks is told by the status, and everything that arrived
// before is on stdout.
func TestConnectThroughBrokenNetworks(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 4096)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(text), text)
	for name, tt := range map[string]struct {
		said    string
		fault   faults.Stream
		flags   []string
		status  int
		stdout  string
		message string
	}{
		"delayed and cut in pieces": {text, faults.Stream{Piece: 4000, Delay: time.Millisecond}, nil, 0, text, ""},
		"chunked in pieces":         {chunked, faults.Stream{Piece: 3, After: 600, Fault: faults.None}, []string{"--chunked-in"}, 0, text, ""},
		"chunked and truncated":     {chunked, faults.Stream{After: 20000, Fault: faults.Truncate}, []string{"--chunked-in"}, 7, text[:20000-len("10000\r\n")], "ended"},
		"stalled":                   {text, faults.Stream{After: 100, Fault: faults.Stall}, []string{"--idle-timeout", "300ms"}, 5, text[:100], "idle"},
		"stalled for good":          {text, faults.Stream{After: 100, Fault: faults.Stall}, []string{"--timeout", "500ms"}, 5, text[:100], "time-out of the whole run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := streamProxy(t, sayer(t, tt.said), tt.fault)
			argv := append([]string{"brio", "connect", "--no-stdin", addr}, tt.flags...)
			startProgram(t, nil, argv...).ends(tt.status, tt.stdout, tt.message)
		})
	}
}

// A reset may take bytes with it, but never without a word.
func TestConnectReset(t *testing.T) {
	addr := streamProxy(t, sayer(t, strings.Repeat("x", 100000)), faults.Stream{After: 50000, Fault: faults.Reset})
	p := startProgram(t, nil, "brio", "connect", "--no-stdin", addr)
	if s := p.status(); s != 7 || !strings.Contains(p.stderr.String(), "connection reset by peer") {
		t.Errorf("status %d, stderr %q", s, p.stderr.String())
	}
}

// TLS that ends without close_notify is truncated, whatever the TCP below says.
func TestTLSTruncated(t *testing.T) {
	openssl := need.Tool(t, "openssl")
	dir := t.TempDir()
	cert := dir + "/cert.pem"
	if out, err := exec.Command(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", cert+".key", "-out", cert).CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	port := dir + "/port"
	server := startProgram(t, func(c *exec.Cmd) { c.Stdin = bytes.NewReader(bytes.Repeat([]byte("y\n"), 100000)) },
		"brio", "tls-server", "127.0.0.1:0", "--port-file", port, "--certificate", cert, "--key", cert+".key", "-qq")
	server.portFile = port
	target := "127.0.0.1:" + server.place()
	addr := streamProxy(t, target, faults.Stream{After: 60000, Fault: faults.Truncate})
	p := startProgram(t, nil, "brio", "tls-client", addr, "--ca-file", cert, "--no-stdin")
	if s := p.status(); s != 7 {
		t.Errorf("status %d, want 7; stderr %q", s, p.stderr.String())
	}
	if n := len(p.stdout.String()); n == 0 || n > 60000 {
		t.Errorf("%d bytes arrived of the 60000 that passed", n)
	}
}

// A client that ends TLS without close_notify gets the echo of all it had sent
// and then the end: no reset, which could overtake it.
func TestTLSTruncatedEcho(t *testing.T) {
	port := t.TempDir() + "/port"
	server := startProgram(t, nil, "brio", "tls-server", "127.0.0.1:0", "--echo", "--port-file", port)
	server.portFile = port
	raw, err := net.Dial("tcp", "127.0.0.1:"+server.place())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(patience)) // fails only on a closed connection
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	sent := bytes.Repeat([]byte("echo\n"), 8000)
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := raw.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	s := server.status() // only now is the echo read
	got, err := io.ReadAll(conn)
	if !bytes.Equal(got, sent) || err != nil {
		t.Errorf("%d of %d bytes came back, then %v; want all and the end", len(got), len(sent), err)
	}
	if s != 7 || !strings.Contains(server.stderr.String(), "without close_notify") {
		t.Errorf("status %d, want 7; stderr %q", s, server.stderr.String())
	}
}

// Every name is answered, rightly and once, through a network that loses,
// doubles, swaps and truncates.
func TestDNSThroughBrokenNetworks(t *testing.T) {
	var names, want strings.Builder
	zone := map[string]string{}
	for i := range 300 {
		name, addr := fmt.Sprintf("n%d.example.", i), fmt.Sprintf("192.0.2.%d", i%250)
		zone[name] = addr
		fmt.Fprintln(&names, name)
		fmt.Fprintln(&want, addr)
	}
	server := nameServer(t, zone)
	for name, cfg := range map[string]faults.Datagrams{
		"loss":      {Drop: 12, DropQuery: 15},
		"doubles":   {Double: 2},
		"swaps":     {Swap: 3},
		"truncated": {Truncate: 6},
		"all":       {Drop: 17, Double: 5, Swap: 11, Truncate: 23, Delay: 100 * time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy, err := faults.NewDatagram(server, cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { proxy.Close() })
			startProgram(t, stdinText(names.String()), "brio", "dns-query", "@"+proxy.Addr(), "--short", "-f", "-", "--try-timeout", "1", "--repeat", "10").
				ends(0, want.String(), "")
		})
	}
}

// nameServer answers for the addresses of zone over UDP.
func nameServer(t *testing.T, zone map[string]string) string {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := answerA(buf[:n], zone); reply != nil {
				_, _ = c.WriteTo(reply, from) // a lost reply is a lost reply
			}
		}
	}()
	return c.LocalAddr().String()
}
