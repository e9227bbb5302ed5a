package socket

import (
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A polledFile is an inherited descriptor that cannot be opened again: a socket,
// or a pipe of another user. Every wait is a poll(2) in a thread of its own,
// together with a descriptor that interrupts it, so that the descriptor itself
// may stay blocking.
type polledFile struct {
	f           *os.File
	fd          int
	kind        descriptorKind
	read, write *interrupt
}

func newPolled(f *os.File, kind descriptorKind) (*polledFile, error) {
	p := &polledFile{f: f, fd: int(f.Fd()), kind: kind}
	var err error
	if p.read, err = newInterrupt(); err == nil {
		p.write, err = newInterrupt()
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// Read implements [io.Reader].
func (p *polledFile) Read(b []byte) (int, error) {
	for {
		if err := p.read.wait(p.fd, unix.POLLIN); err != nil {
			return 0, err
		}
		n, errno := ignoreEINTR(func() (int, error) {
			if p.kind == streamKind {
				n, _, err := unix.Recvfrom(p.fd, b, unix.MSG_DONTWAIT)
				return n, err
			}
			return unix.Read(p.fd, b)
		})
		switch {
		case errno == unix.EAGAIN:
			continue
		case errno != 0:
			return 0, os.NewSyscallError("read", errno)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// Write implements [io.Writer].
func (p *polledFile) Write(b []byte) (written int, err error) {
	for written < len(b) {
		if err := p.write.wait(p.fd, unix.POLLOUT); err != nil {
			return written, err
		}
		n, errno := ignoreEINTR(func() (int, error) { return p.writeSome(b[written:]) })
		if errno != 0 && errno != unix.EAGAIN {
			return written, os.NewSyscallError("write", errno)
		}
		written += max(n, 0)
	}
	return written, nil
}

// writeSome writes what fits without waiting: a writable pipe has room for a
// page.
func (p *polledFile) writeSome(b []byte) (int, error) {
	if p.kind == streamKind {
		return unix.SendmsgN(p.fd, b, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	}
	return unix.Write(p.fd, b[:min(len(b), os.Getpagesize())])
}

// SetReadDeadline interrupts reading when t is past, and takes that back
// otherwise; nothing else is needed here.
func (p *polledFile) SetReadDeadline(t time.Time) error { return p.read.set(!t.IsZero()) }

// SetWriteDeadline is [polledFile.SetReadDeadline] for writing.
func (p *polledFile) SetWriteDeadline(t time.Time) error { return p.write.set(!t.IsZero()) }

// Close closes the duplicate.
func (p *polledFile) Close() error {
	p.read.close()
	p.write.close()
	return p.f.Close()
}

// watch calls gone when the other end has gone.
func (p *polledFile) watch(gone func()) (stop func()) {
	done := make(chan struct{})
	i, err := newInterrupt()
	if err != nil {
		return func() {} // it will be noticed when something is written
	}
	go func() {
		defer close(done)
		if i.wait(p.fd, 0) == nil {
			gone()
		}
	}()
	return func() {
		_ = i.set(true)
		<-done
		i.close()
	}
}

// An interrupt ends the waits of one direction while it is set.
type interrupt struct {
	mu    sync.Mutex
	fd    int // eventfd(2), readable while set
	isSet bool
}

func newInterrupt() (*interrupt, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &interrupt{fd: fd}, nil
}

func (i *interrupt) close() {
	if i != nil {
		_ = unix.Close(i.fd)
	}
}

// set sets or takes back the interrupt.
func (i *interrupt) set(on bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if on == i.isSet {
		return nil
	}
	i.isSet = on
	var b [8]byte
	if !on {
		_, err := unix.Read(i.fd, b[:])
		return os.NewSyscallError("read", err)
	}
	b[0], b[7] = 1, 1 // not zero in either byte order
	_, err := unix.Write(i.fd, b[:])
	return os.NewSyscallError("write", err)
}

// wait waits until fd is ready for events or the interrupt is set.
func (i *interrupt) wait(fd int, events int16) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: int32(i.fd), Events: unix.POLLIN}}
	_, errno := ignoreEINTR(func() (int, error) { return unix.Poll(fds, -1) })
	switch {
	case errno != 0:
		return os.NewSyscallError("poll", errno)
	case fds[1].Revents != 0:
		return os.ErrDeadlineExceeded
	}
	return nil
}
