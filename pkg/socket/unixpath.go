package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// A unixPath is the file of a socket that this process made. It is removed
// only while it is still that file.
type unixPath struct {
	name string
	made fs.FileInfo
}

// maxUnixPath is the longest path that fits in a socket address with its final
// zero byte.
func maxUnixPath() int {
	if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
		return 107
	}
	return 103
}

// checkUnixName refuses names that the system would cut short or take for
// something else.
func checkUnixName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("an empty path: %w", syscall.EINVAL)
	case len(name) > maxUnixPath():
		return &net.AddrError{Err: fmt.Sprintf("path of %d bytes is longer than the %d a UNIX socket can have", len(name), maxUnixPath()), Addr: name}
	case isAbstract(name) && runtime.GOOS != "linux":
		return fmt.Errorf("abstract name %s: %w", name, ErrNotSupported)
	case strings.IndexByte(name, 0) >= 0:
		return &net.AddrError{Err: "path with a zero byte", Addr: name}
	}
	return nil
}

// isAbstract reports whether name lies in the abstract name space of Linux and
// not in the file system.
func isAbstract(name string) bool { return strings.HasPrefix(name, "@") }

// claimUnixPath makes way for a new socket at path. A file that is not a
// socket is never touched, nor is a socket that answers; one that nobody
// listens on any more is removed if replaceStale is set.
func claimUnixPath(ctx context.Context, network, path string, replaceStale bool) error {
	found, err := os.Lstat(path)
	if err != nil {
		return nil // none there; bind tells of other trouble
	}
	if found.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("a file that is not a socket is there: %w", syscall.EADDRINUSE)
	}
	if !replaceStale {
		return fmt.Errorf("a socket is there: %w", syscall.EADDRINUSE)
	}
	stale, err := isStale(ctx, network, path)
	if err != nil || !stale {
		return fmt.Errorf("a socket in use is there: %w", syscall.EADDRINUSE)
	}
	return removeSame(path, found)
}

// isStale reports whether the socket at path refuses connections, which it
// does only when no process has it open. It asks with a socket of another type,
// which a living one turns away (EPROTOTYPE) without hearing of it: a listener
// for one connection must not take the question for that.
func isStale(ctx context.Context, network, path string) (bool, error) {
	d := net.Dialer{Timeout: 2 * time.Second}
	other := "unixgram"
	if network == other {
		other = "unix"
	}
	c, err := d.DialContext(ctx, other, path)
	if err == nil {
		return false, c.Close()
	}
	return ErrorID(err) == ConnectionRefused, nil
}

// removeSame removes path while it is still the file that found tells of. File
// systems give the number of a file that is gone to the next one: the time tells
// them apart.
func removeSame(path string, found fs.FileInfo) error {
	now, err := os.Lstat(path)
	if err != nil || !os.SameFile(now, found) || !now.ModTime().Equal(found.ModTime()) {
		return nil // somebody else was there in the meantime
	}
	return os.Remove(path)
}

// lockUnixPath keeps other processes that replace stale sockets away from the
// directory of path until the caller has bound his: between finding a socket
// stale and removing it, the new one of another process could take its place. It
// waits for a moment only, and does without where locks are not to be had.
func lockUnixPath(ctx context.Context, path string) (unlock func()) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return func() {}
	}
	for range 200 {
		err := tryLock(dir.Fd())
		if ctx.Err() != nil || !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return func() { dir.Close() } // which gives the lock back
}

// ownUnixPath remembers the file at name, which the caller has just made, and
// gives it its mode. An abstract name has no file: the result is nil.
func ownUnixPath(name string, mode fs.FileMode) (*unixPath, error) {
	if name == "" || isAbstract(name) {
		return nil, nil
	}
	made, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	p := &unixPath{name: name, made: made}
	if mode == 0 || made.Mode().Perm() == mode.Perm() {
		return p, nil
	}
	if err := os.Chmod(name, mode.Perm()); err != nil {
		_ = p.remove() // the socket is given up anyway
		return nil, err
	}
	return p, nil
}

// remove removes the file if it is still the one that was made. A nil path
// has nothing to remove.
func (p *unixPath) remove() error {
	if p == nil {
		return nil
	}
	return removeSame(p.name, p.made)
}
