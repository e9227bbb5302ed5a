package ftpx

import (
	"bytes"
	"errors"
	"io"
)

// LineEnd is what ends a line in a local file.
type LineEnd int

const (
	// LF ends lines as Unix does.
	LF LineEnd = iota
	// CRLF ends lines as Windows and the wire do.
	CRLF
	// KeepLineEnd leaves what the server sent.
	KeepLineEnd
)

// A textDecoder turns CR LF into the local line end. A CR that no LF follows is
// data and stays. A pair may be split over two reads.
type textDecoder struct {
	r       io.Reader
	eol     LineEnd
	pending bool // the last byte read was CR
	err     error
	out     []byte // converted, not yet read
	in, mem []byte
}

func newTextDecoder(r io.Reader, eol LineEnd) io.Reader {
	if eol == LF {
		return &textDecoder{r: r, eol: eol, in: make([]byte, 64<<10)}
	}
	return r // the wire has CR LF already
}

func (t *textDecoder) Read(p []byte) (int, error) {
	for len(t.out) == 0 {
		if t.err != nil {
			return 0, t.err
		}
		n, err := t.r.Read(t.in)
		t.err = err
		t.out = t.decode(t.in[:n], errors.Is(err, io.EOF))
	}
	n := copy(p, t.out)
	t.out = t.out[n:]
	return n, nil
}

// decode converts b, after the CR that may be pending; last says that nothing
// follows.
func (t *textDecoder) decode(b []byte, last bool) []byte {
	out := t.mem[:0]
	if t.pending && (len(b) > 0 || last) {
		t.pending = false
		if len(b) == 0 || b[0] != '\n' {
			out = append(out, '\r')
		}
	}
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\r')
		if i < 0 {
			out = append(out, b...)
			break
		}
		out = append(out, b[:i]...)
		b = b[i+1:]
		switch {
		case len(b) == 0 && !last:
			t.pending = true
		case len(b) == 0 || b[0] != '\n':
			out = append(out, '\r')
		}
	}
	t.mem = out
	return out
}

// A textEncoder turns lone LF into CR LF and leaves CR LF alone.
type textEncoder struct {
	afterCR bool
	mem     []byte
}

// encode returns b as the wire has it, valid until the next call.
func (t *textEncoder) encode(b []byte) []byte {
	out := t.mem[:0]
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			out = append(out, b...)
			t.afterCR = b[len(b)-1] == '\r'
			break
		}
		out = append(out, b[:i]...)
		crBefore := i > 0 && b[i-1] == '\r' || i == 0 && t.afterCR
		if !crBefore {
			out = append(out, '\r')
		}
		out = append(out, '\n')
		b, t.afterCR = b[i+1:], false
	}
	t.mem = out
	return out
}
