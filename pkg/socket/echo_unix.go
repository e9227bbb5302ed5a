//go:build unix

package socket

import (
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// EchoAsync sends back what conn, a bare connection, sends, as [Echo] does, but
// returns at once and calls done at the end. A connection that waits costs as
// little memory as it can: it has a goroutine with the smallest stack, which
// does nothing else, and no buffer. To stop it set a deadline in the past.
func EchoAsync(conn net.Conn, done func(n int64, err error)) {
	e := &echo{conn: conn, done: done}
	if err := e.open(); err != nil {
		go done(0, &PumpError{Side: ReadSide, Err: err})
		return
	}
	go e.wait()
}

// An echo is one connection of [EchoAsync].
type echo struct {
	conn   net.Conn
	raw    syscall.RawConn
	ready  func(fd uintptr) bool // the method isReady: made once, not for every wait
	waited bool
	n      int64
	done   func(n int64, err error)
}

func (e *echo) open() (err error) {
	c, ok := e.conn.(syscall.Conn)
	if !ok {
		return ErrNotSupported
	}
	e.ready = e.isReady
	e.raw, err = c.SyscallConn()
	return err
}

// wait runs in a goroutine of its own and calls little: a stack that has grown
// once stays large. Everything else happens in turn.
func (e *echo) wait() {
	e.waited = false
	err := e.raw.Read(e.ready)
	go e.turn(err)
}

// isReady reports whether there is something to read: when it is asked first,
// as the system says, then because the poller has said so.
func (e *echo) isReady(fd uintptr) bool {
	if e.waited {
		return true
	}
	e.waited = true
	return readable(int(fd))
}

// turn echoes what there is and waits again, unless that was the end.
func (e *echo) turn(err error) {
	more := false
	if err == nil {
		more, err = e.echoNow()
	} else {
		err = &PumpError{Side: ReadSide, Err: err}
	}
	switch {
	case more:
		go e.wait()
	case err != nil:
		e.done(e.n, err)
	default:
		e.done(e.n, e.close())
	}
}

func (e *echo) close() error {
	if c, ok := e.conn.(halfCloser); ok {
		if err := c.CloseWrite(); err != nil && ErrorID(err) != NotConnected {
			return &PumpError{Side: WriteSide, Err: err}
		}
	}
	return nil
}

// echoBuffers are lent to connections that have something to say.
var echoBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// echoNow echoes until there is nothing more to read for the moment. It reports
// false at the end.
func (e *echo) echoNow() (more bool, err error) {
	buf := echoBuffers.Get().(*[64 << 10]byte)
	defer echoBuffers.Put(buf)
	for {
		n, err := e.readNow(buf[:])
		switch {
		case err == unix.EAGAIN:
			return true, nil
		case err != nil:
			return false, &PumpError{Side: ReadSide, Err: err}
		case n == 0:
			return false, nil
		}
		m, err := e.conn.Write(buf[:n])
		e.n += int64(m)
		if err != nil {
			return false, &PumpError{Side: WriteSide, Err: err}
		}
		if n < len(buf) {
			return true, nil // most likely all; the poller knows better
		}
	}
}

// readNow reads without waiting.
func (e *echo) readNow(b []byte) (n int, err error) {
	cerr := e.raw.Control(func(fd uintptr) {
		for {
			if n, err = unix.Read(int(fd), b); err != unix.EINTR {
				return
			}
		}
	})
	if cerr != nil {
		return 0, cerr
	}
	return n, err
}

// readable reports whether a read of fd would not wait.
func readable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return n > 0 || err != nil
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
