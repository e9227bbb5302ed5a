package socket

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// An oobWatch tells of the out-of-band bytes of one TCP connection. A read that
// passes one destroys it, so that reading goes through the watch as well.
type oobWatch struct {
	raw    syscall.RawConn
	tell   func(b byte, inline bool)
	inline bool // the bytes stand in the stream; they are told of when they are read

	poller *os.File // epoll(7); nil with inline
	done   chan struct{}
}

// watchOOB tells of every out-of-band byte that comes on conn, from any
// goroutine, until close. It returns nil for connections without such bytes.
func watchOOB(conn net.Conn, tell func(b byte, inline bool)) *oobWatch {
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	w := &oobWatch{raw: raw, tell: tell}
	_ = raw.Control(func(fd uintptr) { // a closed connection has nothing to tell
		v, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_OOBINLINE)
		if w.inline = v != 0; !w.inline {
			err = w.open(int(fd))
		}
	})
	if err != nil {
		return nil
	}
	return w
}

// open starts to wait for a byte, which the poller of the runtime does not.
func (w *oobWatch) open(fd int) error {
	poller, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	_ = unix.SetNonblock(poller, true) // cannot fail; without it the runtime does not poll it
	w.poller = os.NewFile(uintptr(poller), "epoll")
	err = unix.EpollCtl(poller, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLPRI | unix.EPOLLET})
	raw, rerr := w.poller.SyscallConn()
	if err != nil || rerr != nil {
		_ = w.poller.Close() // the connection can do without
		return ErrNotSupported
	}
	w.done = make(chan struct{})
	go w.run(raw)
	return nil
}

func (w *oobWatch) run(poller syscall.RawConn) {
	defer close(w.done)
	var events [1]unix.EpollEvent
	for {
		err := poller.Read(func(fd uintptr) bool {
			n, _ := ignoreEINTR(func() (int, error) { return unix.EpollWait(int(fd), events[:], 0) })
			return n > 0
		})
		if err != nil {
			return
		}
		_ = w.raw.Control(w.fetch) // fails when the connection has been closed
	}
}

// close ends the watch; nothing is told after it.
func (w *oobWatch) close() {
	if w == nil || w.poller == nil {
		return
	}
	_ = w.poller.Close() // nothing was written
	<-w.done
}

// fetch takes the byte that has come, if there is one.
func (w *oobWatch) fetch(fd uintptr) {
	var b [1]byte
	n, errno := ignoreEINTR(func() (int, error) {
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_OOB|unix.MSG_DONTWAIT)
		return n, err
	})
	if errno == 0 && n == 1 {
		w.tell(b[0], false)
	}
}

// Read reads from the connection, and tells of a byte before it reads past it.
func (w *oobWatch) Read(b []byte) (n int, err error) {
	var errno syscall.Errno
	rerr := w.raw.Read(func(fd uintptr) bool {
		// What is readable now stands before bytes that come later: a read does
		// not pass the mark of one that is not here yet.
		if !readable(int(fd)) {
			return false
		}
		marked := w.inline && atMark(int(fd))
		if !w.inline {
			w.fetch(fd)
		}
		if n, errno = ignoreEINTR(func() (int, error) { return unix.Read(int(fd), b) }); errno == unix.EAGAIN {
			return false
		}
		if marked && n > 0 {
			w.tell(b[0], true)
		}
		return true
	})
	switch {
	case rerr != nil:
		return 0, rerr
	case errno != 0:
		return 0, os.NewSyscallError("read", errno)
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// atMark reports whether the next byte to read is, or was, an out-of-band one.
func atMark(fd int) bool {
	at, err := unix.IoctlGetInt(fd, siocatmark)
	return err == nil && at != 0
}
