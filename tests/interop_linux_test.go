package tests

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A netcat is a program that joins a TCP connection to its stdin and stdout.
type netcat struct {
	name    string
	listen  func(port string) []string
	connect func(port string) []string
}

func netcats() []netcat {
	return []netcat{
		{"brio",
			func(port string) []string { return []string{"brio", "listen", "127.0.0.1:" + port} },
			func(port string) []string { return []string{"brio", "connect", "127.0.0.1:" + port} }},
		{"ncat",
			func(port string) []string { return []string{"ncat", "-l", "127.0.0.1", port} },
			func(port string) []string { return []string{"ncat", "127.0.0.1", port} }},
		{"nc.openbsd",
			func(port string) []string { return []string{"nc.openbsd", "-N", "-l", "127.0.0.1", port} },
			func(port string) []string { return []string{"nc.openbsd", "-N", "127.0.0.1", port} }},
		{"nc.traditional",
			func(port string) []string {
				return []string{"nc.traditional", "-q", "9", "-l", "-s", "127.0.0.1", "-p", port}
			},
			func(port string) []string { return []string{"nc.traditional", "-q", "9", "127.0.0.1", port} }},
		{"socat",
			func(port string) []string {
				return []string{"socat", "TCP4-LISTEN:" + port + ",bind=127.0.0.1,reuseaddr", "-"}
			},
			func(port string) []string { return []string{"socat", "-", "TCP4:127.0.0.1:" + port} }},
	}
}

// connectTo is connect for listener. Other listeners than brio leave when they see
// a half-close, with what they had still to send: brio must be told to send none.
func (n netcat) connectTo(listener netcat, port string) []string {
	argv := n.connect(port)
	if listener.name != "brio" {
		argv = append(argv, "--half-close", "never")
	}
	return argv
}

// awaitListening waits until somebody listens on port, without connecting.
func awaitListening(t *testing.T, port string) {
	t.Helper()
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		text, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), fmt.Sprintf(":%04X 00000000:0000 0A", n)) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("nobody listens on port %s", port)
}

// pairs runs test for all pairs of listener and client with brio on one side at
// least.
func pairs(t *testing.T, test func(t *testing.T, listener, client netcat)) {
	for _, l := range netcats() {
		for _, c := range netcats() {
			if l.name != "brio" && c.name != "brio" {
				continue
			}
			t.Run(l.name+" from "+c.name, func(t *testing.T) {
				t.Parallel()
				test(t, l, c)
			})
		}
	}
}

// withStdin feeds text to a program after a delay.
func withStdin(delay time.Duration, text string) func(*exec.Cmd) {
	return func(c *exec.Cmd) { c.Stdin = &lateReader{delay: delay, Reader: strings.NewReader(text)} }
}

type lateReader struct {
	delay time.Duration
	io.Reader
}

func (r *lateReader) Read(b []byte) (int, error) {
	time.Sleep(r.delay)
	r.delay = 0
	return r.Reader.Read(b)
}

// The listener's stdin is the null device, and the client sends a second after
// it has connected. Most pairs of other tools lose the text with both statuses 0.
func TestInteropLateData(t *testing.T) {
	pairs(t, func(t *testing.T, listener, client netcat) {
		port := strconv.Itoa(freePort(t))
		l := startProgram(t, nil, listener.listen(port)...)
		awaitListening(t, port)
		c := startProgram(t, withStdin(time.Second, "LATE\n"), client.connect(port)...)
		checkPair(t, listener, client, l, c, l.stdout.String, "LATE\n")
	})
}

// Both sides send much at the same time, and everything arrives.
func TestInteropBothWays(t *testing.T) {
	there, back := randomText(3<<20), randomText(2<<20)
	pairs(t, func(t *testing.T, listener, client netcat) {
		port := strconv.Itoa(freePort(t))
		l := startProgram(t, stdinText(back), listener.listen(port)...)
		awaitListening(t, port)
		c := startProgram(t, stdinText(there), client.connectTo(listener, port)...)
		if client.name != "nc.traditional" { // which stops sending when the listener has ended
			checkPair(t, listener, client, l, c, l.stdout.String, there)
		}
		checkPair(t, listener, client, l, c, c.stdout.String, back)
	})
}

// The listener answers a second after the end of the request.
func TestInteropLateReply(t *testing.T) {
	pairs(t, func(t *testing.T, listener, client netcat) {
		port := strconv.Itoa(freePort(t))
		l := startProgram(t, withStdin(time.Second, "REPLY\n"), listener.listen(port)...)
		awaitListening(t, port)
		c := startProgram(t, stdinText("request\n"), client.connectTo(listener, port)...)
		checkPair(t, listener, client, l, c, c.stdout.String, "REPLY\n")
	})
}

func randomText(n int) string {
	b := make([]byte, n)
	r := rand.New(rand.NewSource(int64(n)))
	for i := range b {
		b[i] = byte('a' + r.Intn(26))
	}
	return string(b)
}

// checkPair fails when text was lost although both programs say that all is
// well, and when brio met itself and it was lost at all.
func checkPair(t *testing.T, listener, client netcat, l, c *program, got func() string, want string) {
	t.Helper()
	ls, cs := l.status(), c.status()
	lost := !bytes.Equal([]byte(got()), []byte(want))
	t.Logf("%s (%d) from %s (%d): lost %v", listener.name, ls, client.name, cs, lost)
	switch {
	case lost && ls == 0 && cs == 0:
		t.Errorf("%d of %d bytes arrived, and both statuses are 0", len(got()), len(want))
	case listener.name == client.name && (lost || ls != 0 || cs != 0):
		t.Errorf("brio and brio: %d of %d bytes, statuses %d and %d: %s%s", len(got()), len(want), ls, cs, l.stderr.String(), c.stderr.String())
	}
}
