//go:build linux || darwin

package socket

import (
	"errors"
	"io/fs"
	"math"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// setBacklog calls listen again: the second call changes the backlog. The net
// package has no way to choose it (golang.org/issue/39000).
func setBacklog(fd uintptr, n int) error {
	return os.NewSyscallError("listen", unix.Listen(int(fd), min(n, math.MaxInt32)))
}

// limitMode takes permissions away from the file that bind will make, so that
// it is never open to more users than asked. The mode itself is set after bind,
// because the umask applies. Where the system does not let a socket have a mode
// before it has a file, that second step has to do.
func limitMode(fd uintptr, mode fs.FileMode) { _ = unix.Fchmod(int(fd), uint32(mode.Perm())) }

// tryLock locks an open file for this process, or reports EWOULDBLOCK.
func tryLock(fd uintptr) error { return unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) }

// acceptNow accepts a connection that waits already, or returns nil. A deadline
// in the past would not do: with one, the net package never asks the kernel.
func acceptNow(l bareListener) (net.Conn, error) {
	var fd int
	err := control(l, func(lfd uintptr) (err error) {
		fd, err = acceptCloexec(int(lfd))
		return err
	})
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ECONNABORTED):
		return nil, nil
	case err != nil:
		return nil, os.NewSyscallError("accept", err)
	}
	return fileConn(fd)
}

// fileConn makes a connection of a descriptor, which it takes over.
func fileConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	if f == nil {
		return nil, os.NewSyscallError("dup", unix.EBADF)
	}
	defer f.Close()
	ka, kaErr := getInt(uintptr(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	// FileConn turns keepalive on whatever the socket had.
	if t, ok := c.(*net.TCPConn); ok && kaErr == nil && ka == 0 {
		err = t.SetKeepAlive(false)
	}
	return c, err
}
