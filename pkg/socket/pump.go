package socket

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Side names one end of a [Pump].
type Side uint8

// The sides.
const (
	ReadSide  Side = iota + 1 // where the bytes come from
	WriteSide                 // where they go
)

// String returns "read" or "write".
func (s Side) String() string {
	if s == WriteSide {
		return "write"
	}
	return "read"
}

// A PumpError tells which end of a pump failed. What [io.Copy] returns does
// not, so that no exit status could be derived from it.
type PumpError struct {
	Side  Side
	Local bool  // the end is a file or an inherited descriptor, not a connection
	Err   error // the cause; for a time-out one of [ErrIdleTimeout] and its kin
}

// Error returns the cause, after the name of the end when it is local.
func (e *PumpError) Error() string {
	switch {
	case e.Local && e.Side == WriteSide:
		return "local output: " + rootReason(e.Err)
	case e.Local:
		return "local input: " + rootReason(e.Err)
	}
	return rootReason(e.Err)
}

// Unwrap returns the cause.
func (e *PumpError) Unwrap() error { return e.Err }

// rootReason returns the text of err without the names of system calls,
// descriptors and addresses around it, which say nothing to a user here.
func rootReason(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	return Reason(err)
}

// The time-outs of a pump. Each is an [os.ErrDeadlineExceeded].
var (
	ErrIdleTimeout  error = &stallError{"idle time-out"}
	ErrReadTimeout  error = &stallError{"read time-out"}
	ErrWriteTimeout error = &stallError{"write time-out"}
	ErrPeerTimeout  error = &stallError{"the peer did not end in time"}
)

// A stallError is a time-out without progress.
type stallError struct{ text string }

func (e *stallError) Error() string        { return e.text }
func (e *stallError) Timeout() bool        { return true }
func (e *stallError) Temporary() bool      { return false }
func (e *stallError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// PumpOptions bound and observe a [Pump]. The zero value moves everything,
// without a limit of time.
type PumpOptions struct {
	// Idle, Read and Write are how long nothing may move at all, while waiting
	// for src, and while waiting for dst. 0 means for ever. They are checked by
	// sampling, so they may pass an eighth late.
	Idle, Read, Write time.Duration

	// Limit is how many bytes to move at most; 0 means all.
	Limit int64

	// Counter, when not nil, is increased as bytes reach dst, so that another
	// goroutine can show progress.
	Counter *atomic.Int64

	// Copy makes the bytes pass through a buffer of this process although the
	// kernel could move them alone.
	Copy bool

	// Source and Sink, when not nil, put something between the pump and an end
	// that must see or change the bytes; they imply Copy. When what Sink
	// returns is an [io.Closer] it is closed after the last byte, which must
	// not close dst. See [CRLF], [HexDump] and the other filters.
	Source func(src io.Reader) io.Reader
	Sink   func(dst io.Writer) io.Writer
}

// filtered reports whether the bytes must be seen by this process.
func (o *PumpOptions) filtered() bool { return o.Source != nil || o.Sink != nil }

// Pump moves bytes from src to dst until src ends, and returns how many reached
// dst. Where the system can, it moves them inside the kernel: sendfile from a
// file to a socket, splice through a private pipe between sockets, pipes and
// files. That needs the bare connections and [*os.File]s; a wrapper costs a
// factor of two to three.
//
// Failures are of type [*PumpError]. When ctx ends, Pump stops at once and
// returns the cause of ctx; bytes in flight are lost then, unless they were
// counted. Inherited descriptors can only be interrupted when they come from
// [OpenInput] or [OpenOutput]. While it runs Pump owns the read deadline of src
// and the write deadline of dst. It closes neither.
func Pump(ctx context.Context, dst io.Writer, src io.Reader, opt PumpOptions) (int64, error) {
	p := newPump(dst, src, opt)
	ctx, stop := p.watch(ctx)
	defer stop()
	return p.run(ctx)
}

// A pump is the state of one call of [Pump].
type pump struct {
	dst io.Writer
	src io.Reader
	opt PumpOptions

	moved int64         // bytes that reached dst
	ops   atomic.Uint64 // changes with every step; even while reading, odd while writing

	stopped atomic.Bool // src is not to be read any more
	roomy   bool        // src is a pipe with room for much
	oob     *oobWatch   // of src; nil when nobody wants to know
}

func newPump(dst io.Writer, src io.Reader, opt PumpOptions) *pump {
	return &pump{dst: dst, src: src, opt: opt}
}

// run moves the bytes. The end of ctx interrupts it.
func (p *pump) run(ctx context.Context) (int64, error) {
	defer p.interruptAtEnd(ctx)()
	err := p.move(ctx)
	if err != nil && ctx.Err() != nil {
		err = causeOf(ctx, err)
	}
	return p.moved, err
}

// move takes the fastest way for this pair of ends.
func (p *pump) move(ctx context.Context) error {
	p.growPipes()
	if !p.opt.Copy && !p.opt.filtered() {
		if done, err := p.moveInKernel(ctx); done {
			return err
		}
	}
	return p.copy(ctx)
}

// causeOf returns why ctx ended, at the end of the connection where err arose.
func causeOf(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	var pe, told *PumpError
	if errors.As(cause, &told) || !errors.As(err, &pe) {
		return cause
	}
	if _, ok := errors.AsType[*stallError](cause); !ok {
		return cause
	}
	return &PumpError{Side: pe.Side, Local: pe.Local, Err: cause}
}

// fail returns err as that of one end, nil for nil.
func (p *pump) fail(side Side, err error) error {
	if err == nil {
		return nil
	}
	if pe, ok := errors.AsType[*PumpError](err); ok {
		return pe
	}
	end := any(p.src)
	if side == WriteSide {
		end = p.dst
	}
	return &PumpError{Side: side, Local: isLocal(end), Err: err}
}

// isLocal reports whether end belongs to this machine's user: all but
// connections, which are known by their addresses.
func isLocal(end any) bool {
	_, remote := end.(addressed)
	return !remote
}

// reading and writing note what the pump waits for.
func (p *pump) reading() { p.step(0) }
func (p *pump) writing() { p.step(1) }

func (p *pump) step(phase uint64) {
	if n := p.ops.Load(); n&1 == phase {
		p.ops.Store(n + 2)
	} else {
		p.ops.Store(n + 1)
	}
}

// count notes that n more bytes have reached dst.
func (p *pump) count(n int64) {
	p.moved += n
	if p.opt.Counter != nil {
		p.opt.Counter.Add(n)
	}
}

// room returns how many of at most n bytes may still be moved.
func (p *pump) room(n int) int {
	if left := p.opt.Limit - p.moved; p.opt.Limit > 0 && left < int64(n) {
		return int(left)
	}
	return n
}

// full reports whether no more is to be moved.
func (p *pump) full() bool {
	return p.opt.Limit > 0 && p.moved >= p.opt.Limit || p.stopped.Load()
}

const (
	copySize = 256 << 10
	// sliceSize is what is written at once while a time-out runs: a slow but
	// moving peer must be seen to move.
	sliceSize = 16 << 10
)

// copyBuffers holds buffers of copySize.
var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// fileCopySize is the size of the buffer before a file, where each write costs
// more than the cache that a large buffer spoils.
const fileCopySize = 1 << 20

// buffer returns a buffer for this pair of ends.
func (p *pump) buffer() (buf []byte, release func()) {
	if isFile(p.dst) {
		return make([]byte, fileCopySize), func() {}
	}
	b := copyBuffers.Get().(*[copySize]byte)
	return b[:], func() { copyBuffers.Put(b) }
}

// isFile reports whether end is a regular file.
func isFile(end any) bool {
	f, ok := end.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode().IsRegular()
}

// copy moves the bytes through a buffer.
func (p *pump) copy(ctx context.Context) error {
	buf, release := p.buffer()
	defer release()
	src, dst := p.filters()
	for !p.full() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.reading()
		n, err := src.Read(buf[:p.room(len(buf))])
		if werr := p.write(dst, buf[:n]); werr != nil {
			return werr
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return p.fail(ReadSide, err)
		}
	}
	return p.closeSink(dst)
}

// source is what to read src through.
func (p *pump) source() io.Reader {
	if p.oob != nil {
		return p.oob
	}
	return p.src
}

// filters returns the ends with what Source and Sink put before them.
func (p *pump) filters() (io.Reader, io.Writer) {
	src, dst := p.source(), p.dst
	if p.opt.Source != nil {
		src = p.opt.Source(errReader{p})
	}
	if p.opt.Sink != nil {
		dst = p.opt.Sink(errWriter{p})
	}
	return src, dst
}

// closeSink ends the filter before dst: a filter may have a last word, such as
// a terminal chunk.
func (p *pump) closeSink(dst io.Writer) error {
	if c, ok := dst.(io.Closer); ok && p.opt.Sink != nil {
		p.writing()
		return p.fail(WriteSide, c.Close())
	}
	return nil
}

// write writes all of b to dst.
func (p *pump) write(dst io.Writer, b []byte) error {
	for len(b) > 0 {
		p.writing()
		n, err := dst.Write(b[:p.slice(len(b))])
		p.count(int64(n))
		if err != nil {
			return p.fail(WriteSide, err)
		}
		b = b[n:]
	}
	return nil
}

// slice returns how many of n bytes to write at once.
func (p *pump) slice(n int) int {
	if p.opt.Idle > 0 || p.opt.Write > 0 {
		return min(n, sliceSize)
	}
	return n
}

// errReader and errWriter are the bare ends below filters; they say of an error
// which end made it, before a filter can hide that, and count every step: a
// filter such as [Rate] makes many of what is one to the pump.
type (
	errReader struct{ p *pump }
	errWriter struct{ p *pump }
)

func (r errReader) Read(b []byte) (int, error) {
	r.p.reading()
	n, err := r.p.source().Read(b)
	if err != nil && err != io.EOF {
		err = r.p.fail(ReadSide, err)
	}
	return n, err
}

func (w errWriter) Write(b []byte) (int, error) {
	w.p.writing()
	n, err := w.p.dst.Write(b)
	return n, w.p.fail(WriteSide, err)
}
