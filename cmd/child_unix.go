//go:build unix

package cmd

import (
	"net"
	"os"
	"syscall"
)

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// connFile is conn as a file for a child, in blocking mode as programs expect
// their standard input. The mode belongs to the open socket, not to the
// descriptor: after this brio itself must not read or write conn. The caller
// closes the file, and conn.
func connFile(conn net.Conn) (*os.File, error) {
	c, ok := conn.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, nil
	}
	f, err := c.File()
	if err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(int(f.Fd()), false); err != nil {
		_ = f.Close()
		return nil, os.NewSyscallError("fcntl", err)
	}
	return f, nil
}
