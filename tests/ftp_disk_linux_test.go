package tests

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/ftpx"
)

// TestDiskFull fetches a file that does not fit: what came is kept, and the next
// attempt goes on when there is room.
func TestDiskFull(t *testing.T) {
	s := startVsftpd(t)
	data := randomData(3 << 20)
	writeFile(t, filepath.Join(s.dir, "data"), data)
	where := t.TempDir()
	if err := unix.Mount("none", where, "tmpfs", 0, "size=1m"); err != nil {
		need.Missing(t, "mount: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(where, unix.MNT_DETACH) })
	dir, err := os.OpenRoot(where)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c := ftpDial(t, s.config(way{ftpx.DataPassive, "127.0.0.1", ftpx.Plain, 0}))
	r, err := c.Get(t.Context(), s.prefix+"data", dir, "data", ftpx.GetOptions{})
	var local *ftpx.LocalError
	if !errors.As(err, &local) || !errors.Is(err, unix.ENOSPC) || r.Partial != "data.part" {
		t.Fatalf("Get = %+v, %v", r, err)
	}
	if part, _ := dir.ReadFile("data.part"); len(part) == 0 || !bytes.Equal(part, data[:len(part)]) {
		t.Errorf("the part holds %d bytes", len(part))
	}
	if err := unix.Mount("none", where, "tmpfs", unix.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	session := &ftpx.Session{Config: s.config(way{ftpx.DataPassive, "127.0.0.1", ftpx.Plain, 0})}
	defer session.Close()
	c, err = session.Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err = c.Get(t.Context(), s.prefix+"data", dir, "data", ftpx.GetOptions{Resume: true})
	if err != nil || r.Resumed == 0 {
		t.Errorf("Get again = %+v, %v", r, err)
	}
	if got, _ := dir.ReadFile("data"); !bytes.Equal(got, data) {
		t.Errorf("the file holds %d bytes", len(got))
	}
}
