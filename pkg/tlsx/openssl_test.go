package tlsx_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/need"
)

// freePort finds a port that nobody uses.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// opensslServer runs "openssl s_server" until the test ends, and returns its
// address.
func opensslServer(t *testing.T, dir string, args ...string) string {
	t.Helper()
	port := freePort(t)
	cmd := exec.Command(need.Tool(t, "openssl"), append([]string{"s_server", "-accept", "127.0.0.1:" + port}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OPENSSL_CONF=/dev/null")
	in, err := cmd.StdinPipe() // s_server ends with its stdin
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	waitFor(t, out, "ACCEPT", "openssl "+strings.Join(args, " "))
	return "127.0.0.1:" + port
}

// waitFor reads until a line with text comes, and reads on in the background.
func waitFor(t *testing.T, out io.Reader, text, who string) {
	t.Helper()
	found := make(chan string, 1)
	go func() {
		var seen strings.Builder
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadString('\n')
			seen.WriteString(line)
			if strings.Contains(line, text) {
				found <- ""
				io.Copy(io.Discard, r)
				return
			}
			if err != nil {
				found <- seen.String()
				return
			}
		}
	}()
	select {
	case bad := <-found:
		if bad != "" {
			t.Fatalf("%s: %s", who, bad)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s does not start", who)
	}
}
