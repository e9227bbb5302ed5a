package socket

import (
	"context"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// descriptorKind is what the kernel can do with a descriptor.
type descriptorKind uint8

const (
	otherKind  descriptorKind = iota
	fileKind                  // regular file, block device
	deviceKind                // character device that is not a terminal
	pipeKind
	streamKind // connected stream
	ttyKind
)

// A descriptor is an end of a pump as the kernel sees it.
type descriptor struct {
	raw      syscall.RawConn
	kind     descriptorKind
	polled   bool // the runtime waits for it, so it never blocks
	appended bool // O_APPEND: the kernel refuses to splice into it
}

// describe returns the descriptor below end. Only bare connections and files
// have one: what wraps them wants to see the bytes.
func describe(end any) (d descriptor, ok bool) {
	var err error
	switch e := end.(type) {
	case *net.TCPConn:
		d = descriptor{kind: streamKind, polled: true}
		d.raw, err = e.SyscallConn()
	case *net.UnixConn:
		d.polled = true
		d.raw, err = e.SyscallConn()
		d.look()
	case *os.File:
		d.polled = e.SetDeadline(time.Time{}) == nil
		d.raw, err = e.SyscallConn()
		d.look()
	default:
		return d, false
	}
	return d, err == nil && d.kind != otherKind
}

// look finds out the kind of d.
func (d *descriptor) look() {
	if d.raw == nil {
		return
	}
	_ = d.raw.Control(func(fd uintptr) { // a closed descriptor stays otherKind
		var st unix.Stat_t
		if unix.Fstat(int(fd), &st) != nil {
			return
		}
		d.kind = kindOf(int(fd), st.Mode)
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		d.appended = err == nil && flags&unix.O_APPEND != 0
	})
}

func kindOf(fd int, mode uint32) descriptorKind {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFBLK:
		return fileKind
	case unix.S_IFIFO:
		return pipeKind
	case unix.S_IFCHR:
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
			return ttyKind
		}
		return deviceKind
	case unix.S_IFSOCK:
		if t, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && t == unix.SOCK_STREAM {
			return streamKind
		}
	}
	return otherKind
}

// growPipes enlarges the ends that are pipes, so that their other ends have to
// be waited for less often.
func (p *pump) growPipes() {
	p.roomy = growPipeOf(p.src) >= pipeSize
	growPipeOf(p.dst)
}

// growPipeOf returns the size of the pipe end after it has been enlarged, 0 when
// it is no pipe.
func growPipeOf(end any) (size int) {
	f, ok := end.(*os.File)
	if !ok {
		return 0
	}
	if d, ok := describe(f); ok && d.kind == pipeKind {
		_ = d.raw.Control(func(fd uintptr) { size = growPipe(int(fd)) }) // a small pipe works too
	}
	return size
}

// moveInKernel moves the bytes without bringing them into this process. It
// reports false when the kernel cannot for this pair of ends; no byte has been
// taken then that has not been moved.
func (p *pump) moveInKernel(ctx context.Context) (bool, error) {
	src, ok := describe(p.src)
	dst, ok2 := describe(p.dst)
	if !ok || !ok2 {
		return false, nil
	}
	switch {
	case (src.kind == fileKind || src.kind == deviceKind) && dst.kind == streamKind:
		return p.sendfile(ctx, dst, src)
	case spliceable(src, dst):
		return p.splice(ctx, dst, src)
	case dst.kind == fileKind && src.polled && (src.kind == streamKind || src.kind == pipeKind):
		return true, p.copyAhead(ctx, src)
	}
	return false, nil
}

// spliceable reports whether a private pipe between the two moves bytes: one of
// them is a socket or a pipe, and neither is known to refuse.
func spliceable(src, dst descriptor) bool {
	from := src.kind == streamKind || src.kind == pipeKind
	to := dst.kind == streamKind || dst.kind == pipeKind || dst.kind == fileKind || dst.kind == deviceKind
	return from && to && !dst.appended
}

// sendfileMax is how much one sendfile is asked to move. A socket takes less;
// the bound is for the counter.
const sendfileMax = 16 << 20

// sendfile moves a file into a socket.
func (p *pump) sendfile(ctx context.Context, dst, src descriptor) (bool, error) {
	for !p.full() {
		if ctx.Err() != nil {
			return true, context.Cause(ctx)
		}
		p.writing()
		n, errno, err := sendfile1(dst, src, p.room(sendfileMax))
		p.count(int64(n))
		switch {
		case p.moved == 0 && refused(errno):
			return false, nil
		case errno == unix.EIO:
			return true, p.fail(ReadSide, os.NewSyscallError("sendfile", errno))
		case errno != 0:
			return true, p.fail(WriteSide, os.NewSyscallError("sendfile", errno))
		case err != nil:
			return true, p.fail(WriteSide, err)
		case n == 0:
			return true, nil
		}
	}
	return true, nil
}

// sendfile1 calls sendfile once dst takes bytes.
func sendfile1(dst, src descriptor, size int) (n int, errno syscall.Errno, err error) {
	cerr := src.raw.Control(func(from uintptr) {
		err = dst.raw.Write(func(to uintptr) bool {
			n, errno = ignoreEINTR(func() (int, error) {
				return unix.Sendfile(int(to), int(from), nil, size)
			})
			return errno != unix.EAGAIN
		})
	})
	if cerr != nil {
		err = cerr
	}
	return max(n, 0), errno, err
}

// refused reports whether a system call said that it cannot be used here.
func refused(errno syscall.Errno) bool {
	switch errno {
	case unix.EINVAL, unix.ENOSYS, unix.EPERM, unix.EOPNOTSUPP:
		return true
	}
	return false
}

// ignoreEINTR calls f until no signal interrupts it.
func ignoreEINTR(f func() (int, error)) (int, syscall.Errno) {
	for {
		n, err := f()
		if errno := errnoOf(err); errno != unix.EINTR {
			return n, errno
		}
	}
}

// errnoOf returns the number of the error of a system call, which is nothing
// else; 0 for nil.
func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	return unix.EIO
}
