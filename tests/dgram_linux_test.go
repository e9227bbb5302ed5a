package tests

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/need"
)

// activated starts brio with a datagram socket of its own as the only one of a
// socket activation, and returns a client of that socket.
func activated(t *testing.T, argv ...string) (*program, net.Conn) {
	t.Helper()
	s, err := net.ListenPacket("udp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := s.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := net.Dial("udp", s.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.Write([]byte("early\n")) // it waits before brio starts
	return startProgram(t, func(c *exec.Cmd) {
		c.ExtraFiles = []*os.File{f}
		c.Env = append(c.Env, "LISTEN_FDS=1")
	}, argv...), c
}

func answered(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, 100)
	c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(b); err != nil || string(b[:n]) != want {
		t.Errorf("the answer is %q, %v; want %q", b[:n], err, want)
	}
}

func TestDgramIsActivatedBySystemd(t *testing.T) {
	p, _ := activated(t, "brio", "dgram", "recv", "--count", "1")
	p.ends(0, "early\n", "")
	p, _ = activated(t, "brio", "dgram", "recv", "--count", "1", "fd:3")
	p.ends(0, "early\n", "")

	p, c := activated(t, "brio", "dgram", "echo", "--count", "1")
	answered(t, c, "early\n")
	p.ends(0, "", "")

	p, c = activated(t, "brio", "dgram", "pipe", "--listen", "--no-stdin", "--count", "1")
	p.ends(0, "early\n", "")
	c.Close()

	p, _ = activated(t, "brio", "listen")
	p.ends(2, "", "brio listen: fd:3: it is a UDP socket: not supported")
}

func TestDgramRefusesAListener(t *testing.T) {
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := startProgram(t, func(c *exec.Cmd) { c.ExtraFiles = []*os.File{f} }, "brio", "dgram", "recv", "fd:3")
	p.ends(2, "", "brio dgram recv: fd:3: it is a TCP socket: not supported")
}

func TestDgramNotifiesTheSupervisor(t *testing.T) {
	environ, next := supervisor(t)
	p := startProgram(t, func(c *exec.Cmd) { c.Env = append(c.Env, environ) }, "brio", "dgram", "recv", "--wait", "50ms", anyPort)
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		if state := next(); state != want {
			t.Errorf("the supervisor was told %q, want %q", state, want)
		}
	}
	p.ends(5, "", "nothing came in 50ms")
}

// A name with several addresses: whichever is served gets everything.
func TestDgramTriesEveryAddress(t *testing.T) {
	need.Tool(t, "unshare")
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.2 name.example\n127.0.0.3 name.example\n127.0.0.4 name.example\n::1 name.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	script := `set -e
mount --bind ` + hosts + ` /etc/hosts
ip link set lo up
brio dgram echo --count 3 --port-file echo 127.0.0.4:7500 &
while [ ! -s echo ]; do sleep 0.02; done
printf 'a\nb\n' | brio dgram pipe --framing lines --print lines --count 2 name.example:7500
brio dgram send --data c --wait 5s name.example:7500
wait $!
printf d | brio dgram pipe --timeout 10 name.example:7500 2>&1 || echo " $?"
brio dgram send --data e name.example:7500 2>&1 || echo " $?"
`
	argv := []string{"-n", "-m", "bash", "-c", script}
	if os.Geteuid() != 0 {
		argv = append([]string{"-r"}, argv...)
	}
	c := exec.Command("unshare", argv...)
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), "PATH="+brioDir(t)+":"+os.Getenv("PATH"), "BRIO_CONFIG=none")
	out, err := c.CombinedOutput()
	if err != nil && strings.Contains(string(out), "unshare failed") {
		need.Missing(t, "no namespaces here: %s", out)
	}
	want := "a\nb\nc" +
		"brio dgram pipe: name.example:7500: connection refused\n 4\n" +
		"brio dgram send: name.example:7500: connection refused\n 4\n"
	if err != nil || string(out) != want {
		t.Errorf("%v: %s", err, out)
	}
}
