package socket

import (
	"context"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// aheadMin is how much a read must have brought to be written by a goroutine of
// its own while the next one is made.
const aheadMin = 256 << 10

// copyAhead copies a connection to a file that cannot be spliced into. Reading
// and writing copy the bytes once each, which two processors do at the same
// time: what has come is read while what came before it is written.
func (p *pump) copyAhead(ctx context.Context, src descriptor) error {
	buf, next := make([]byte, fileCopySize), make([]byte, fileCopySize)
	n, err := 0, error(nil) // what is in buf, and what came after it
	for n > 0 || err == nil && !p.full() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if n == 0 {
			p.reading()
			n, err = p.src.Read(buf[:p.room(len(buf))])
		}
		ahead := next[:0]
		if n >= aheadMin && err == nil {
			ahead = next[:p.room(n+len(next))-n]
		}
		n, err = p.writeAndRead(buf[:n], src, ahead, err)
		if failed, ok := err.(*PumpError); ok {
			return failed
		}
		buf, next = next, buf
	}
	if err == io.EOF {
		return nil
	}
	return p.fail(ReadSide, err)
}

// writeAndRead writes b, and meanwhile reads into ahead, unless that is empty,
// what has come by now. A failure to write is a [*PumpError]; the end of src
// stays err once it has one.
func (p *pump) writeAndRead(b []byte, src descriptor, ahead []byte, err error) (n int, _ error) {
	if len(ahead) == 0 {
		if werr := p.write(p.dst, b); werr != nil {
			return 0, werr
		}
		return 0, err
	}
	written := make(chan error, 1)
	go func() { written <- p.write(p.dst, b) }()
	n, err = readNow(src, ahead)
	if werr := <-written; werr != nil {
		return 0, werr
	}
	return n, err
}

// readNow reads what has come, and waits for nothing.
func readNow(src descriptor, b []byte) (n int, err error) {
	var errno syscall.Errno
	err = src.raw.Control(func(fd uintptr) {
		n, errno = ignoreEINTR(func() (int, error) { return unix.Read(int(fd), b) })
	})
	switch {
	case err != nil:
		return 0, err
	case errno == unix.EAGAIN:
		return 0, nil
	case errno != 0:
		return 0, os.NewSyscallError("read", errno)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
