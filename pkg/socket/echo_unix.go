//go:build unix

package socket

import (
	"context"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// echoBuffers are lent to connections that have something to say.
var echoBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// echo copies from a bare connection to itself, with a buffer only while there
// are bytes. Any other connection is copied as usual.
func (p *pump) echo(ctx context.Context) error {
	c, ok := p.src.(syscall.Conn)
	if !ok || p.opt.filtered() {
		return p.copy(ctx)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return p.fail(ReadSide, err)
	}
	for !p.full() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.reading()
		buf, n, err := p.borrow(raw)
		if err != nil {
			return p.fail(ReadSide, err)
		}
		if n == 0 {
			return nil
		}
		err = p.write(p.dst, buf[:n])
		echoBuffers.Put(buf)
		if err != nil {
			return err
		}
	}
	return nil
}

// borrow waits for bytes and returns them in a buffer of echoBuffers; at the end
// there are none, and no buffer.
func (p *pump) borrow(raw syscall.RawConn) (buf *[64 << 10]byte, n int, err error) {
	rerr := raw.Read(func(fd uintptr) bool {
		buf = echoBuffers.Get().(*[64 << 10]byte)
		for {
			n, err = unix.Read(int(fd), buf[:p.room(len(buf))])
			if err != unix.EINTR {
				break
			}
		}
		if n > 0 {
			return true
		}
		echoBuffers.Put(buf)
		buf = nil
		return err != unix.EAGAIN
	})
	switch {
	case rerr != nil:
		return nil, 0, rerr
	case err != nil:
		return nil, 0, os.NewSyscallError("read", err)
	}
	return buf, n, nil
}

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
