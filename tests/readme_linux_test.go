package tests

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// readmeBlocks returns the indented blocks of a section of the README, without
// the indentation.
func readmeBlocks(t *testing.T, section string) []string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("the README has no section %q", section)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	var blocks []string
	for part := range strings.SplitSeq(rest, "\n\n") {
		part = strings.Trim(part, "\n")
		if strings.HasPrefix(part, "    ") {
			blocks = append(blocks, strings.ReplaceAll(part[4:], "\n    ", "\n"))
		}
	}
	return blocks
}

// What the README shows of the first minute is what brio prints.
func TestReadmeFirstMinute(t *testing.T) { inWorld(t, insideFirstMinute) }

func insideFirstMinute(t *testing.T) {
	w := makeWorld(t)
	w.serveFirstMinute(t)
	dir := w.directory(t)
	n := 0
	for _, block := range readmeBlocks(t, "The first minute") {
		for part := range strings.SplitSeq(strings.TrimPrefix(block, "$ "), "\n$ ") {
			command, want, _ := strings.Cut(part, "\n")
			_, got := w.runScript(t, dir, command, nil, false)
			got = strings.TrimSuffix(got, "\n")
			if volatile(got) != volatile(want) {
				t.Errorf("$ %s\nprints:\n%s\nthe README shows:\n%s", command, got, want)
			}
			n++
		}
	}
	if n < 9 {
		t.Errorf("only %d commands found", n)
	}
}

// volatile takes out what differs from one day and run to the next.
func volatile(s string) string {
	for pattern, with := range map[string]string{`\d{4}-\d\d-\d\d`: "DATE", `\b[\d.]+ ms`: "N ms"} {
		s = regexp.MustCompile(pattern).ReplaceAllString(s, with)
	}
	return s
}

// serveFirstMinute starts what the first minute of the README meets besides the
// servers of every world, and makes its files.
func (w *world) serveFirstMinute(t *testing.T) {
	t.Helper()
	cert := selfSigned(t, func(*x509.Certificate) {})
	w.files["server.pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	w.files["ftp.part"] = content("/pub/motd")
	go talk(listenLocal(t, 7007), "")
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	go acceptAll(tls.NewListener(listenLocal(t, 8443), config), func(c net.Conn) {
		io.Copy(io.Discard, c)
		c.Close()
	})
	for port, data := range map[int]string{5301: "192.0.2.11", 5302: "192.0.2.12"} {
		pc, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			m.Answer = []dns.RR{record(q.Question[0].Name + " 300 A " + data)}
			rw.WriteMsg(m)
		})}
		go s.ActivateAndServe()
		t.Cleanup(func() { s.Shutdown() })
	}
}

func listenLocal(t *testing.T, port int) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// The lines of the cookbook work. A server and its client, on two lines, are one
// script here.
func TestReadmeCookbook(t *testing.T) { inWorld(t, insideCookbook) }

func insideCookbook(t *testing.T) {
	w := makeWorld(t)
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	app, err := net.Listen("unix", "/run/app.sock")
	if err != nil {
		t.Fatal(err)
	}
	go talk(app, "")
	for name, text := range map[string]string{
		"run-tests": "#!/bin/sh\n", "file": "text\n", "names.txt": "www.example.com\nmail.example.com\n",
	} {
		w.files[name] = []byte(text)
	}
	w.files["chain.pem"], w.files["bundle.pem"] = w.files["cert.pem"], w.files["ca.pem"]
	n := 0
	for _, block := range readmeBlocks(t, "Cookbook") {
		for _, script := range cookbookScripts(block) {
			n++
			t.Run(strings.Join(strings.Fields(script)[:2], "-"), func(t *testing.T) { w.runRecipe(t, script) })
		}
	}
	if n < 25 {
		t.Errorf("only %d recipes found", n)
	}
}

// cookbookScripts are the scripts in a block: its lines, but for those that
// belong together.
func cookbookScripts(block string) []string {
	switch {
	case strings.Contains(block, "& server=$!"):
		return []string{block + "; s=$?; kill $server; exit $s"}
	case strings.HasPrefix(block, "brio listen :9000 > received"):
		return []string{strings.Replace(block, "> received", "> received & until grep -q :2328.*:0000 /proc/net/tcp6; do sleep 0.05; done", 1) + "\nwait; cmp file received"}
	}
	return strings.Split(block, "\n")
}

// recipeStatus are the recipes that show a failure in the world of the tests.
func recipeStatus(script string) int {
	for part, status := range map[string]int{
		"8000-8010":               16, // nobody is there
		"1-1024":                  16, // nor at most of these
		"--validate":              13, // nothing in this world is signed
		"--expires-within 30d -q": 16, // *.pem holds keys, and one that has expired
	} {
		if strings.Contains(script, part) {
			return status
		}
	}
	return 0
}

// runRecipe is runExample, with something on stdin.
func (w *world) runRecipe(t *testing.T, script string) {
	defer w.around(t, script)()
	dir := w.directory(t)
	if err := os.Chmod(filepath.Join(dir, "run-tests"), 0o755); err != nil {
		t.Fatal(err)
	}
	server := isServer.MatchString(script) && !strings.Contains(script, "\n")
	got, out := w.runScript(t, dir, script, strings.NewReader("line\n"), server)
	if want := recipeStatus(script); got != want {
		t.Errorf("%s\nends with status %d, not %d:\n%s", script, got, want, out)
	}
}
