//go:build unix

package socket_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

func TestInheritListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first := listen(t, "unix", path, socket.ListenConfig{})
	l, err := socket.InheritListener(inheritedFD(t, first), socket.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	dial(t, l, socket.Config{})
	accept(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the path of the starter was removed: %v", err)
	}
}

func TestInheritConn(t *testing.T) {
	c, s := pair(t, "tcp")
	fd := inheritedFD(t, c)
	c.Close()
	child, err := socket.InheritConn(fd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(child, "from the child"); err != nil {
		t.Fatal(err)
	}
	child.Close()
	if b, err := io.ReadAll(s); err != nil || string(b) != "from the child" {
		t.Errorf("read %q, %v", b, err)
	}
}

func TestInheritedKeepAliveIsKept(t *testing.T) {
	for _, on := range []bool{false, true} {
		first := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{Options: socket.Options{KeepAlive: new(on), KeepAliveIdle: new(99 * time.Second)}})
		l, err := socket.InheritListener(inheritedFD(t, first), socket.ListenConfig{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		dial(t, l, socket.Config{})
		o, err := socket.ReadOptions(accept(t, l))
		if err != nil || *o.KeepAlive != on || *o.KeepAliveIdle != 99*time.Second {
			t.Errorf("keepalive %v became %s (%v)", on, asJSON(t, o), err)
		}
	}
}

// inheritedFD returns a descriptor of c as a child would have it. It belongs to
// the caller.
func inheritedFD(t *testing.T, c syscall.Conn) int {
	t.Helper()
	rc, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd, derr := -1, error(nil)
	if err := errors.Join(rc.Control(func(n uintptr) { fd, derr = syscall.Dup(int(n)) }), derr); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestInheritPacket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, tt := range []struct{ network, address string }{{"udp4", "127.0.0.1:0"}, {"udp", "[::]:0"}, {"unixgram", path}} {
		first := receiver(t, tt.network, tt.address, socket.PacketConfig{})
		s, err := socket.InheritPacket(inheritedFD(t, first), socket.PacketConfig{Options: socket.Options{SendBuffer: new(100_000)}})
		if err != nil {
			t.Fatalf("%s: %v", tt.network, err)
		}
		to := first.LocalAddr().String()
		if tt.network == "udp" {
			to = "127.0.0.1:" + strconv.Itoa(int(first.LocalPort()))
		}
		network := strings.TrimSuffix(tt.network, "4")
		client := sender(t, network, to, socket.PacketConfig{})
		if _, err := client.SendTo([]byte("question"), socket.PacketAddr{}); err != nil {
			t.Fatal(err)
		}
		got, from := receive(t, s)
		if got != "question" || s.LocalAddr() != first.LocalAddr() {
			t.Errorf("%s: received %q at %v", tt.network, got, s.LocalAddr())
		}
		if _, err := s.SendTo([]byte("answer"), from); err != nil {
			t.Errorf("%s: %v", tt.network, err)
		}
		if got, _ := receive(t, client); got != "answer" {
			t.Errorf("%s: the reply is %q", tt.network, got)
		}
		if o, err := socket.ReadOptions(s); err != nil || *o.SendBuffer < 100_000 {
			t.Errorf("%s: options %s, %v", tt.network, asJSON(t, o), err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the path of the starter was removed: %v", err)
	}
}

// What is no socket of the right type is refused, and named.
func TestInheritOtherType(t *testing.T) {
	dir := t.TempDir()
	for _, network := range []string{"udp4", "unixgram"} {
		d := receiver(t, network, map[string]string{"udp4": "127.0.0.1:0", "unixgram": filepath.Join(dir, "d")}[network], socket.PacketConfig{})
		if _, err := socket.InheritListener(inheritedFD(t, d), socket.ListenConfig{}); !errors.Is(err, socket.ErrNotSupported) {
			t.Errorf("a %s socket as a listener: %v", network, err)
		}
	}
	for _, network := range []string{"tcp", "unix"} {
		l := listen(t, network, map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(dir, "l")}[network], socket.ListenConfig{})
		if _, err := socket.InheritPacket(inheritedFD(t, l), socket.PacketConfig{}); !errors.Is(err, socket.ErrNotSupported) {
			t.Errorf("a %s listener as a datagram socket: %v", network, err)
		}
	}
}

func TestInheritNothing(t *testing.T) {
	if _, err := socket.InheritListener(-1, socket.ListenConfig{}); err == nil {
		t.Error("descriptor -1 was inherited")
	}
	if _, err := socket.InheritPacket(-1, socket.PacketConfig{}); err == nil {
		t.Error("descriptor -1 was inherited")
	}
	if _, err := socket.InheritConn(-1); err == nil {
		t.Error("descriptor -1 was inherited")
	}
}
