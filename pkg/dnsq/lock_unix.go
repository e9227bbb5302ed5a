//go:build unix

package dnsq

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile waits for the lock of the file path, which it makes when needed. The
// system gives the lock back when the process dies.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		_ = f.Close() // the first error counts
		return nil, os.NewSyscallError("flock", err)
	}
	return func() { _ = f.Close() }, nil // closing gives the lock back
}
