package dnsq

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockFile waits for the lock of the file path, which it makes when needed. The
// system gives the lock back when the process dies.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, new(windows.Overlapped))
	if err != nil {
		_ = f.Close() // the first error counts
		return nil, os.NewSyscallError("LockFileEx", err)
	}
	return func() { _ = f.Close() }, nil // closing gives the lock back
}
