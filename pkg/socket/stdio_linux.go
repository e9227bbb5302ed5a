package socket

import (
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// nullDevice is the device number of /dev/null.
const nullDevice = 1<<8 | 3

func classify(f *os.File) InputClass {
	raw, err := f.SyscallConn()
	if err != nil {
		return NoInput
	}
	class := NoInput
	_ = raw.Control(func(fd uintptr) { // a closed descriptor is no input
		var st unix.Stat_t
		if unix.Fstat(int(fd), &st) != nil {
			return
		}
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		switch kind := kindOf(int(fd), st.Mode); {
		case err != nil || flags&unix.O_ACCMODE == unix.O_WRONLY:
		case kind == ttyKind:
			class = TerminalInput
		case kind == deviceKind && st.Rdev == nullDevice:
		default:
			class = DataInput
		}
	})
	return class
}

func openInput(f *os.File) (io.ReadCloser, error) {
	return reopen(f, unix.O_RDONLY)
}

func openOutput(f *os.File) (io.WriteCloser, error) {
	return reopen(f, unix.O_WRONLY)
}

// An interruptible is a descriptor of our own that can be read or written.
type interruptible interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// reopen opens f again where waiting for it is possible at all. A pipe or
// terminal opened through /proc has a file description of its own, which may be
// non-blocking without anybody else noticing. What cannot be opened, such as a
// socket, is polled; files never wait, so a duplicate will do.
func reopen(f *os.File, mode int) (interruptible, error) {
	fd, kind, err := duplicate(f)
	if err != nil {
		return nil, err
	}
	dup := os.NewFile(uintptr(fd), f.Name())
	if kind == fileKind || kind == deviceKind {
		return dup, nil
	}
	own, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(fd), mode|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	switch {
	case err == nil:
		_ = dup.Close() // nothing was written to it
		return own, nil
	case errors.Is(err, unix.ENXIO) && kind == pipeKind:
		_ = dup.Close()
		return nil, &PumpError{Side: WriteSide, Local: true, Err: unix.EPIPE} // no reader
	}
	return newPolled(dup, kind)
}

// duplicate returns a duplicate of f. Unlike [os.File.Fd] it leaves the flags of
// f alone.
func duplicate(f *os.File) (fd int, kind descriptorKind, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, otherKind, err
	}
	cerr := raw.Control(func(old uintptr) {
		var st unix.Stat_t
		if err = unix.Fstat(int(old), &st); err != nil {
			return
		}
		kind = kindOf(int(old), st.Mode)
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3)
	})
	if cerr != nil {
		err = cerr
	}
	return fd, kind, err
}

func replaceWithNull(f *os.File) error {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	defer unix.Close(null)
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) { err = unix.Dup3(null, int(fd), 0) })
	if cerr != nil {
		return cerr
	}
	return os.NewSyscallError("dup3", err)
}

// watchOutput calls gone when nobody reads out any more. It needs no write to
// notice: the kernel reports an error on the writing end of a pipe once the
// last reader has left.
func watchOutput(out io.Writer, gone func()) (stop func()) {
	switch o := out.(type) {
	case *os.File:
		if d, ok := describe(o); ok && d.polled && d.kind == pipeKind {
			return watchPipe(o, d, gone)
		}
	case *polledFile:
		return o.watch(gone)
	}
	return func() {}
}

// watchPipe waits in the poller of the runtime, where it costs no thread. The
// reading half of a writing end never becomes readable; it wakes up only for
// errors.
func watchPipe(o *os.File, d descriptor, gone func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := d.raw.Read(func(fd uintptr) bool { return hungUp(int(fd)) })
		if err == nil {
			gone()
		}
	}()
	return func() {
		_ = o.SetReadDeadline(past())
		<-done
	}
}

// hungUp reports whether the other end of fd has gone.
func hungUp(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}
