package socket

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"
)

// CRLF returns a writer to dst that ends lines with CR LF. A line that does so
// already is left alone, wherever writes cut it.
func CRLF(dst io.Writer) io.Writer { return &crlfWriter{dst: dst} }

type crlfWriter struct {
	dst   io.Writer
	buf   []byte
	wasCR bool // the last byte written was CR
}

func (c *crlfWriter) Write(b []byte) (int, error) {
	c.buf = c.buf[:0]
	for rest := b; len(rest) > 0; {
		line, end := rest, bytes.IndexByte(rest, '\n')
		if end < 0 {
			c.buf = append(c.buf, line...)
			c.wasCR = line[len(line)-1] == '\r'
			break
		}
		line, rest = rest[:end], rest[end+1:]
		if end > 0 {
			c.wasCR = line[end-1] == '\r'
		}
		c.buf = append(c.buf, line...)
		if !c.wasCR {
			c.buf = append(c.buf, '\r')
		}
		c.buf = append(c.buf, '\n')
		c.wasCR = false
	}
	if _, err := c.dst.Write(c.buf); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Tee returns a writer to dst that writes to record what dst has taken. A
// failure of record is one of the local output.
func Tee(dst, record io.Writer) io.Writer { return &teeWriter{dst, record} }

type teeWriter struct{ dst, record io.Writer }

func (t *teeWriter) Write(b []byte) (int, error) {
	n, err := t.dst.Write(b)
	if _, rerr := t.record.Write(b[:n]); rerr != nil && err == nil {
		err = &PumpError{Side: WriteSide, Local: true, Err: rerr}
	}
	return n, err
}

// A HexDump writes what passes through its taps to one writer, as hexadecimal
// numbers and text, each line with the mark of its tap and the offset in it.
type HexDump struct {
	mu sync.Mutex
	w  io.Writer
}

// NewHexDump returns a HexDump to w.
func NewHexDump(w io.Writer) *HexDump { return &HexDump{w: w} }

// Tap returns a writer to dst whose bytes are dumped with mark before each line.
func (h *HexDump) Tap(dst io.Writer, mark string) io.Writer {
	return Tee(dst, &hexTap{h: h, mark: mark})
}

type hexTap struct {
	h      *HexDump
	mark   string
	offset int64
}

// Write dumps b in lines of 16 bytes.
func (t *hexTap) Write(b []byte) (int, error) {
	var out bytes.Buffer
	for line := range chunksOf(b, 16) {
		fmt.Fprintf(&out, "%s %08x  %-24s %-24s |%s|\n", t.mark, t.offset,
			hexOf(line[:min(8, len(line))]), hexOf(line[min(8, len(line)):]), printable(line))
		t.offset += int64(len(line))
	}
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	if _, err := t.h.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// chunksOf yields b in pieces of n bytes.
func chunksOf(b []byte, n int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			m := min(n, len(b))
			if !yield(b[:m]) {
				return
			}
			b = b[m:]
		}
	}
}

func hexOf(b []byte) string { return fmt.Sprintf("% x", b) }

// printable returns b with a dot for what is not printable ASCII.
func printable(b []byte) string {
	out := bytes.Clone(b)
	for i, x := range out {
		if x < ' ' || x > '~' {
			out[i] = '.'
		}
	}
	return string(out)
}

// Rate returns a writer to dst that lets through bytesPerSecond on average. It
// stops waiting when ctx ends.
func Rate(ctx context.Context, dst io.Writer, bytesPerSecond int64) io.Writer {
	return &rateWriter{ctx: ctx, dst: dst, rate: bytesPerSecond}
}

type rateWriter struct {
	ctx  context.Context
	dst  io.Writer
	rate int64
	next time.Time // when what has been written is paid for
}

// piecesPerSecond is into how many pieces what a rate lets through is cut.
const piecesPerSecond = 50

func (r *rateWriter) Write(b []byte) (written int, err error) {
	piece := int(min(max(1, r.rate/piecesPerSecond), 1<<30))
	for part := range chunksOf(b, piece) {
		if err := r.wait(); err != nil {
			return written, err
		}
		n, err := r.dst.Write(part)
		written += n
		if err != nil {
			return written, err
		}
		r.next = r.next.Add(time.Duration(n) * time.Second / time.Duration(r.rate))
	}
	return written, nil
}

// wait waits until what has been written is paid for.
func (r *rateWriter) wait() error {
	now := time.Now()
	if r.next.Before(now) {
		r.next = now
		return nil
	}
	select {
	case <-time.After(r.next.Sub(now)):
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

// expectWindow is how far back an [Expect] looks for a match.
const expectWindow = 64 << 10

// An Expect looks for a pattern in a stream, however it is cut. An expression
// that asks for the end of the text finds it wherever the stream pauses.
type Expect struct {
	re      *regexp.Regexp
	matched func(match []byte)
	window  []byte
	cut     bool // window does not begin with the stream
	found   bool
}

// NewExpect returns an Expect that calls matched, once, with the first match of
// re. A match is found within 64 KiB.
func NewExpect(re *regexp.Regexp, matched func(match []byte)) *Expect {
	return &Expect{re: re, matched: matched}
}

// Found reports whether the pattern has been seen.
func (e *Expect) Found() bool { return e.found }

// Tap returns a writer to dst in whose bytes the pattern is looked for.
func (e *Expect) Tap(dst io.Writer) io.Writer { return Tee(dst, e) }

// Write looks for the pattern in b and what came before it.
func (e *Expect) Write(b []byte) (int, error) {
	if e.found {
		return len(b), nil
	}
	e.window = append(e.window, b...)
	if m := e.find(); m != nil {
		e.found = true
		e.matched(bytes.Clone(m))
		e.window = nil
		return len(b), nil
	}
	if over := len(e.window) - expectWindow; over > 0 {
		e.window, e.cut = append(e.window[:0], e.window[over:]...), true
	}
	return len(b), nil
}

// find returns the first match in the window. Where the window begins the stream
// need not, nor a line or a word: a match there is none.
func (e *Expect) find() []byte {
	if !e.cut {
		return e.re.Find(e.window)
	}
	for _, at := range e.re.FindAllIndex(e.window, 2) {
		if at[0] > 0 {
			return e.window[at[0]:at[1]]
		}
	}
	return nil
}
