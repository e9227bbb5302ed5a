//go:build unix

package socket_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

func TestInheritListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first := listen(t, "unix", path, socket.ListenConfig{})
	f, err := first.File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(f.Fd()))
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	l, err := socket.InheritListener(fd, socket.ListenConfig{})
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
	f, err := c.NetConn().(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(f.Fd()))
	f.Close()
	c.Close()
	if err != nil {
		t.Fatal(err)
	}
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
		f, err := first.File()
		if err != nil {
			t.Fatal(err)
		}
		fd, err := syscall.Dup(int(f.Fd()))
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		l, err := socket.InheritListener(fd, socket.ListenConfig{})
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

func TestInheritNothing(t *testing.T) {
	if _, err := socket.InheritListener(-1, socket.ListenConfig{}); err == nil {
		t.Error("descriptor -1 was inherited")
	}
	if _, err := socket.InheritConn(-1); err == nil {
		t.Error("descriptor -1 was inherited")
	}
}
