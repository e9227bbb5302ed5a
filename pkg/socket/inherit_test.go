//go:build unix

package socket_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

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
