//go:build !linux

package socket

import (
	"io"
	"os"
	"sync"
	"time"
)

func classify(f *os.File) InputClass {
	st, err := f.Stat()
	switch {
	case err != nil:
		return NoInput
	case st.Mode()&os.ModeCharDevice == 0:
		return DataInput
	case isNull(st):
		return NoInput
	}
	return TerminalInput
}

// isNull reports whether st describes the null device.
func isNull(st os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(st, null)
}

func openInput(f *os.File) (io.ReadCloser, error) {
	return &handedFile{f: f, read: newHandOver(f.Read)}, nil
}

func openOutput(f *os.File) (io.WriteCloser, error) {
	return &handedFile{f: f, write: newHandOver(f.Write)}, nil
}

// replaceWithNull does nothing: the reader downstream sees the end when the
// process ends.
func replaceWithNull(*os.File) error { return nil }

// watchOutput notices nothing until something is written.
func watchOutput(io.Writer, func()) (stop func()) { return func() {} }

// A handedFile is an inherited descriptor whose calls run in another goroutine,
// so that the caller can stop waiting for one. A call that never returns stays
// behind until the process ends.
type handedFile struct {
	f           *os.File
	read, write *handOver
}

func (h *handedFile) Read(b []byte) (int, error)  { return h.read.do(b) }
func (h *handedFile) Write(b []byte) (int, error) { return h.write.do(b) }

// SetReadDeadline interrupts reading when t is past.
func (h *handedFile) SetReadDeadline(t time.Time) error { return h.read.interrupt(!t.IsZero()) }

// SetWriteDeadline interrupts writing when t is past.
func (h *handedFile) SetWriteDeadline(t time.Time) error { return h.write.interrupt(!t.IsZero()) }

// Close leaves the inherited descriptor open.
func (h *handedFile) Close() error { return nil }

// A handOver runs one blocking call at a time, on a buffer of its own: the
// caller may leave while the call goes on.
type handOver struct {
	call func([]byte) (int, error)
	buf  []byte
	rest []byte // read after the caller had left, and not yet taken

	mu      sync.Mutex
	stopped chan struct{}     // closed while interrupted
	pending chan handedResult // of the call under way
}

type handedResult struct {
	n   int
	err error
}

func newHandOver(call func([]byte) (int, error)) *handOver {
	return &handOver{call: call, stopped: make(chan struct{})}
}

// do runs the call with b, or takes up the one that was left behind.
func (h *handOver) do(b []byte) (int, error) {
	if len(h.rest) > 0 {
		n := copy(b, h.rest)
		h.rest = h.rest[n:]
		return n, nil
	}
	if h.pending == nil {
		h.pending = make(chan handedResult, 1)
		h.buf = append(h.buf[:0], b...)
		go func(c chan<- handedResult) {
			n, err := h.call(h.buf)
			c <- handedResult{n, err}
		}(h.pending)
	}
	h.mu.Lock()
	stopped := h.stopped
	h.mu.Unlock()
	select {
	case r := <-h.pending:
		h.pending = nil
		n := copy(b, h.buf[:r.n])
		h.rest = h.buf[n:r.n]
		return n, r.err
	case <-stopped:
		return 0, os.ErrDeadlineExceeded
	}
}

// interrupt ends the wait of do, or lets it wait again.
func (h *handOver) interrupt(on bool) error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.stopped:
		if !on {
			h.stopped = make(chan struct{})
		}
	default:
		if on {
			close(h.stopped)
		}
	}
	return nil
}
