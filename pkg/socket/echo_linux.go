package socket

import (
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// An EchoServer sends back what its connections send, as [Echo] does, to very
// many of them: a connection that waits has neither a goroutine nor a buffer.
// The poller of the runtime would need a goroutine for each, whose stack is most
// of the memory that an idle connection costs.
type EchoServer struct {
	fd  int             // epoll(7)
	f   *os.File        // owns fd
	raw syscall.RawConn // of f, which the runtime waits for in turn

	mu      sync.Mutex
	slots   []*echo
	free    []int32
	stopped bool
}

// NewEchoServer returns a server without connections. The caller closes it.
func NewEchoServer() (*EchoServer, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	_ = unix.SetNonblock(fd, true) // cannot fail; without it the runtime does not poll fd
	s := &EchoServer{fd: fd, f: os.NewFile(uintptr(fd), "epoll")}
	if s.raw, err = s.f.SyscallConn(); err != nil {
		_ = s.f.Close()
		return nil, err
	}
	go s.run()
	return s, nil
}

// Close ends the server, which must have no connections any more.
func (s *EchoServer) Close() error { return s.f.Close() }

// Serve starts to serve conn, a bare connection, and calls done at its end from
// another goroutine. Until then nobody else may close conn; done must, which
// also tells the peer that no more comes.
func (s *EchoServer) Serve(conn net.Conn, done func(n int64, err error)) {
	keepOOB(conn)
	e := &echo{s: s, conn: conn, done: done}
	if err := e.open(); err != nil {
		go done(0, &PumpError{Side: ReadSide, Err: err})
	}
}

// Stop ends all connections, and those to come, as if their peers had.
func (s *EchoServer) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, e := range s.slots {
		if e != nil {
			_ = unix.Shutdown(int(e.fd), unix.SHUT_RD) // fails where the peer has gone
		}
	}
}

// run starts a turn of every connection that is ready, until Close.
func (s *EchoServer) run() {
	var events [128]unix.EpollEvent
	for {
		n := 0
		err := s.raw.Read(func(fd uintptr) bool {
			n, _ = ignoreEINTR(func() (int, error) { return unix.EpollWait(int(fd), events[:], 0) })
			return n > 0
		})
		if err != nil {
			return
		}
		for _, ev := range events[:n] {
			go s.at(ev.Fd).turn()
		}
	}
}

// at returns the connection in a slot.
func (s *EchoServer) at(slot int32) *echo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots[slot]
}

// add gives e a slot and calls turn, once, when there is something to read. It
// is one call: a connection that is reset already is reported whatever is waited
// for, and waiting again would report it twice.
func (s *EchoServer) add(e *echo) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		e.slot, s.free = s.free[n-1], s.free[:n-1]
	} else {
		e.slot = int32(len(s.slots))
		s.slots = append(s.slots, nil)
	}
	s.slots[e.slot] = e
	if s.stopped {
		_ = unix.Shutdown(int(e.fd), unix.SHUT_RD) // as Stop does
	}
	err := s.control(unix.EPOLL_CTL_ADD, e, untilReadable)
	if err != nil {
		s.forget(e)
	}
	return err
}

// remove forgets e. Its descriptor has been reported, so that it is not waited
// for any more, and leaves the poller when it is closed.
func (s *EchoServer) remove(e *echo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(e)
}

// forget frees the slot of e. The lock is held.
func (s *EchoServer) forget(e *echo) {
	s.slots[e.slot] = nil
	s.free = append(s.free, e.slot)
}

// untilReadable waits once for bytes or the end of a connection.
const untilReadable = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT

// control changes what the poller does for e. The lock is held.
func (s *EchoServer) control(op int, e *echo, events uint32) error {
	err := unix.EpollCtl(s.fd, op, int(e.fd), &unix.EpollEvent{Events: events, Fd: e.slot})
	return os.NewSyscallError("epoll_ctl", err)
}

// An echo is one connection of a server.
type echo struct {
	s    *EchoServer
	conn net.Conn
	done func(n int64, err error)
	n    int64
	fd   int32
	slot int32
}

// open finds the descriptor, which stays valid until done has been called.
func (e *echo) open() error {
	c, ok := e.conn.(syscall.Conn)
	if !ok {
		return ErrNotSupported
	}
	fd, err := osFD(c)
	if err != nil {
		return err
	}
	e.fd = int32(fd)
	return e.s.add(e)
}

// wait lets the server call turn, once, when there is something to read.
func (e *echo) wait() {
	e.s.mu.Lock() // so that the next turn sees what this one has done
	err := e.s.control(unix.EPOLL_CTL_MOD, e, untilReadable)
	e.s.mu.Unlock()
	if err != nil {
		go e.finish(&PumpError{Side: ReadSide, Err: err})
	}
}

// turn echoes what there is and waits again, unless that was the end.
func (e *echo) turn() {
	more, err := e.echoNow()
	switch {
	case more:
		e.wait()
	case err != nil:
		e.finish(err)
	default:
		e.finish(nil)
	}
}

func (e *echo) finish(err error) {
	e.s.remove(e)
	e.done(e.n, err)
}

// echoBuffers are lent to connections that have something to say.
var echoBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// echoNow echoes until there is nothing more to read for the moment. It reports
// false at the end.
func (e *echo) echoNow() (more bool, err error) {
	buf := echoBuffers.Get().(*[64 << 10]byte)
	defer echoBuffers.Put(buf)
	for {
		n, errno := ignoreEINTR(func() (int, error) { return unix.Read(int(e.fd), buf[:]) })
		switch {
		case errno == unix.EAGAIN:
			return true, nil
		case errno != 0:
			return false, &PumpError{Side: ReadSide, Err: os.NewSyscallError("read", errno)}
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
