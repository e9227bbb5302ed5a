package socket

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeSize is the size asked for private pipes; with the 64 KiB of a fresh pipe
// the processor time doubles.
const pipeSize = 1 << 20

// A privatePipe holds bytes inside the kernel on their way between two
// descriptors. Splicing straight from or into the user's own pipe would hold
// that pipe's lock while the socket is waited for: its other end could neither
// run nor be killed.
type privatePipe struct {
	r, w int
	size int
}

// newPrivatePipe makes a pipe, as large as the system grants.
func newPrivatePipe() (*privatePipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	return &privatePipe{r: fds[0], w: fds[1], size: growPipe(fds[0])}, nil
}

// growPipe makes the pipe fd as large as [pipeSize] where the system grants it,
// and returns its size.
func growPipe(fd int) int {
	if n, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize); err == nil {
		return n
	}
	n, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return 64 << 10
	}
	return n
}

func (pp *privatePipe) close() {
	_ = unix.Close(pp.r)
	_ = unix.Close(pp.w)
}

// sparePipes keeps empty pipes for the next pump: a relay that waits holds none.
// A channel and not a sync.Pool, which would drop descriptors unclosed.
var sparePipes = make(chan *privatePipe, 16)

// takePipe returns an empty pipe.
func takePipe() (*privatePipe, error) {
	select {
	case pp := <-sparePipes:
		return pp, nil
	default:
		return newPrivatePipe()
	}
}

// give puts an empty pipe back.
func (pp *privatePipe) give() {
	select {
	case sparePipes <- pp:
	default:
		pp.close()
	}
}

// A splicer moves bytes from src to dst through a private pipe, which it holds
// only while bytes are there to move.
type splicer struct {
	p        *pump
	dst, src descriptor

	pipe   *privatePipe
	inPipe int // bytes in pipe
	last   int // bytes that the last fill brought

	// What the calls in the hands of the poller leave behind. The functions are
	// made once: a relay waits twice for every message.
	fillCall, drainCall func(fd uintptr) bool
	waited              bool
	n                   int
	errno               syscall.Errno
	err                 error
}

// splice moves the bytes of a socket or pipe.
func (p *pump) splice(ctx context.Context, dst, src descriptor) (bool, error) {
	s := &splicer{p: p, dst: dst, src: src}
	s.fillCall, s.drainCall = s.tryFill, s.tryDrain
	defer s.close()
	return s.run(ctx)
}

// close gives the pipe back, or destroys it with the bytes that dst did not take.
func (s *splicer) close() {
	switch {
	case s.pipe == nil:
	case s.inPipe > 0:
		s.pipe.close()
	default:
		s.pipe.give()
	}
	s.pipe = nil
}

func (s *splicer) run(ctx context.Context) (handled bool, err error) {
	for !s.p.full() {
		if ctx.Err() != nil {
			return true, context.Cause(ctx)
		}
		s.p.reading()
		errno, err := s.fill()
		switch {
		case refused(errno) || tooManyFiles(err):
			return false, nil
		case s.inPipe == 0 && err == nil && s.src.kind == streamKind && (errno == 0 || errno == unix.EAGAIN):
			if more, err := s.readOver(); !more {
				return true, err
			}
			continue
		case errno != 0:
			return true, s.p.fail(ReadSide, os.NewSyscallError("splice", errno))
		case err != nil:
			return true, s.p.fail(ReadSide, err)
		case s.inPipe == 0:
			return true, nil
		}
		if handled, err := s.drain(); err != nil || !handled {
			return handled, err
		}
	}
	return true, nil
}

// readOver reads and writes once. The kernel does not splice over the mark of
// an out-of-band byte: it says that there is nothing, or that this is the end,
// although bytes follow. It reports false at the real end, and after a failure.
func (s *splicer) readOver() (more bool, err error) {
	buf := make([]byte, 4<<10) // most often this is the end
	n, err := s.p.source().Read(buf[:s.p.room(len(buf))])
	if werr := s.p.write(s.p.dst, buf[:n]); werr != nil {
		return false, werr
	}
	if err == io.EOF {
		return false, nil
	}
	return err == nil, s.p.fail(ReadSide, err)
}

// fill waits for bytes and takes them into the pipe. It leaves the pipe empty
// at the end of src, and where [splicer.readOver] must help.
func (s *splicer) fill() (errno syscall.Errno, err error) {
	s.waited, s.errno, s.err = false, 0, nil
	if err := s.src.raw.Read(s.fillCall); err != nil {
		return 0, err
	}
	return s.errno, s.err
}

// tryFill reports whether fill has come to an end. A pipe is only taken when
// there is something to put into it.
func (s *splicer) tryFill(fd uintptr) bool {
	if s.pipe == nil {
		if !s.waited && s.src.polled && !readable(int(fd)) {
			s.waited = true
			return false
		}
		if s.pipe, s.err = takePipe(); s.err != nil {
			return true
		}
	}
	if s.waited && s.p.roomy && s.last >= bulk {
		pause()
	}
	s.waited = true
	s.errno = s.fillNow(int(fd))
	if s.errno == unix.EAGAIN && s.src.polled {
		s.close() // hold no pipe while waiting
		return s.src.kind == streamKind && readable(int(fd))
	}
	s.last = s.inPipe
	return true
}

// bulk is what tells a stream of data from messages: no message is paused for.
const bulk = 64 << 10

// pause gives the writer of a pipe, which has just begun to fill it again, the
// time to go on. Taking its bytes at once would make both wait for the lock of
// the pipe, spinning; the pause takes a third off the processor time of sending.
// The pipe is large enough that the writer does not have to stop meanwhile.
func pause() {
	_ = unix.Nanosleep(&unix.Timespec{Nsec: 50_000}, nil) // a signal may end it early
}

// fillNow takes what is there. The pipe is empty, so that EAGAIN means that
// there is nothing.
func (s *splicer) fillNow(fd int) syscall.Errno {
	for {
		n, errno := splice(fd, s.pipe.w, s.p.room(s.pipe.size), s.src.polled)
		s.inPipe = n
		if errno != unix.EAGAIN || s.src.polled {
			return errno
		}
		// Somebody made an inherited descriptor non-blocking.
		if errno := waitFor(fd, unix.POLLIN); errno != 0 {
			return errno
		}
	}
}

// splice moves at most size bytes between two descriptors, one of them a pipe.
func splice(from, to, size int, nonblock bool) (int, syscall.Errno) {
	flags := 0
	if nonblock {
		flags = unix.SPLICE_F_NONBLOCK
	}
	for {
		n, err := unix.Splice(from, nil, to, nil, size, flags)
		if errno := errnoOf(err); errno != unix.EINTR {
			return int(max(n, 0)), errno
		}
	}
}

// drain moves all that is in the pipe to dst.
func (s *splicer) drain() (handled bool, err error) {
	for s.inPipe > 0 {
		s.p.writing()
		n, errno, err := s.drainNow()
		s.inPipe -= n
		s.p.count(int64(n))
		switch {
		case refused(errno):
			err := s.rescue()
			return err != nil, err
		case errno != 0:
			return true, s.p.fail(WriteSide, os.NewSyscallError("splice", errno))
		case err != nil:
			return true, s.p.fail(WriteSide, err)
		}
	}
	return true, nil
}

// drainNow moves to dst as much as it takes, once it takes any.
func (s *splicer) drainNow() (n int, errno syscall.Errno, err error) {
	s.n, s.errno = 0, 0
	err = s.dst.raw.Write(s.drainCall)
	return s.n, s.errno, err
}

// tryDrain reports whether drainNow has come to an end.
func (s *splicer) tryDrain(fd uintptr) bool {
	for {
		s.n, s.errno = splice(s.pipe.r, int(fd), s.inPipe, s.dst.polled)
		if s.errno != unix.EAGAIN {
			return true
		}
		if s.dst.polled {
			return false
		}
		if s.errno = waitFor(int(fd), unix.POLLOUT); s.errno != 0 {
			return true
		}
	}
}

// rescue copies to dst the bytes that are in the pipe when dst turns out not to
// be spliced into.
func (s *splicer) rescue() error {
	buf := make([]byte, min(s.inPipe, copySize))
	for s.inPipe > 0 {
		n, errno := ignoreEINTR(func() (int, error) { return unix.Read(s.pipe.r, buf) })
		if errno != 0 || n <= 0 {
			return s.p.fail(WriteSide, io.ErrShortWrite)
		}
		s.inPipe -= n
		if err := s.p.write(s.p.dst, buf[:n]); err != nil {
			return err
		}
	}
	return nil
}

// readable reports whether a read of fd would not wait.
func readable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return n > 0 || err != nil
}

// waitFor waits until fd is ready for events.
func waitFor(fd int, events int16) syscall.Errno {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	_, errno := ignoreEINTR(func() (int, error) { return unix.Poll(fds, -1) })
	return errno
}

// tooManyFiles reports whether no pipe could be made; copying needs none.
func tooManyFiles(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}
