//go:build unix

package socket

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// restoreNonblock undoes what a child process needed that had conn as its
// standard input: with blocking calls no deadline holds.
func restoreNonblock(conn any) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.SetNonblock(int(fd), true) }) // fails on a closed connection only
}
