package socket

import (
	"bufio"
	"io"
	"strings"
)

// ChunkLimits bounds what a peer may send around its data. Zero fields have
// useful values.
type ChunkLimits struct {
	// Line is the longest line that starts a chunk, in bytes with its end. Zero
	// means 4096.
	Line int

	// Extensions is the total length of chunk extensions that is skipped beyond
	// one byte for each byte of data. Zero means 16 KiB.
	Extensions int64

	// Trailer is the largest trailer section, in bytes. Zero means 64 KiB.
	Trailer int
}

func (l ChunkLimits) withDefaults() ChunkLimits {
	if l.Line == 0 {
		l.Line = 4096
	}
	if l.Extensions == 0 {
		l.Extensions = 16 << 10
	}
	if l.Trailer == 0 {
		l.Trailer = 64 << 10
	}
	return l
}

// chunkState is the part of the grammar of RFC 9112 section 7.1 that the next
// byte belongs to.
type chunkState uint8

const (
	inSize      chunkState = iota // chunk-size
	afterSize                     // blanks before a chunk-ext or the line end
	inExtension                   // chunk-ext
	afterSizeCR                   // LF of the chunk line
	inData                        // chunk-data
	afterData                     // CR after chunk-data
	afterDataCR                   // LF after chunk-data
	inTrailer                     // a line of the trailer section
	afterTrailerCR
)

// A ChunkReader takes the framing of the HTTP/1.1 chunked coding off a stream.
// It takes its bytes from a bufio.Reader and not one too many, so that what
// follows the last chunk can be read from there. A Read that fails because of a
// deadline can be repeated.
type ChunkReader struct {
	r      *bufio.Reader
	limits ChunkLimits

	state   chunkState
	at      int64  // bytes taken
	size    uint64 // of the chunk, while in its line
	digits  int    // of the size, leading zeros aside; -1 before the first digit
	line    int    // bytes of the line so far
	left    uint64 // bytes of the chunk still to come
	data    int64  // bytes of data in all chunks
	skipped int64  // bytes of extensions in all chunks
	field   []byte // the trailer line so far
	trailer int    // bytes of the trailer section
	end     ChunkEOF
	err     error // for good
}

// NewChunkReader returns a reader of the chunked stream that starts at the next
// byte of r. Nobody else may read from r before the ChunkReader has returned a
// [*ChunkEOF].
func NewChunkReader(r *bufio.Reader, limits ChunkLimits) *ChunkReader {
	return &ChunkReader{r: r, limits: limits.withDefaults(), digits: -1}
}

// Read reads data. After the last byte it returns a [*ChunkEOF], now and on
// every later call. A stream that is malformed, too large in its framing or cut
// off gives a [*ChunkError] for good; other errors are those of the connection.
func (c *ChunkReader) Read(p []byte) (n int, err error) {
	for n < len(p) && c.err == nil {
		if n > 0 && c.r.Buffered() == 0 {
			return n, nil // what is here goes first, the peer may take its time
		}
		if c.state == inData {
			m, err := c.readData(p[n:])
			n += m
			if err != nil {
				return n, c.failed(err)
			}
			continue
		}
		b, err := c.r.ReadByte()
		if err != nil {
			return n, c.failed(err)
		}
		c.step(b)
	}
	if n > 0 {
		return n, nil
	}
	return 0, c.err
}

// failed returns an error of the connection; its end is one of the framing.
func (c *ChunkReader) failed(err error) error {
	if err == io.EOF {
		c.err = &ChunkError{c.at, "the connection ended before the last chunk", io.ErrUnexpectedEOF}
		return c.err
	}
	return err
}

func (c *ChunkReader) readData(p []byte) (int, error) {
	if uint64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= uint64(n)
	c.at += int64(n)
	c.data += int64(n)
	if c.left == 0 {
		c.state = afterData
	}
	return n, err
}

// step takes one byte of the framing.
func (c *ChunkReader) step(b byte) {
	switch c.state {
	case inSize:
		c.sizeByte(b)
	case afterSize:
		if c.skipByte() {
			c.endSize(b)
		}
	case inExtension:
		c.extensionByte(b)
	case afterSizeCR:
		c.want(b, '\n', inData)
		c.startChunk()
	case afterData:
		c.want(b, '\r', afterDataCR)
	case afterDataCR:
		c.want(b, '\n', inSize)
		c.size, c.digits, c.line = 0, -1, 0
	case inTrailer:
		c.trailerByte(b)
	case afterTrailerCR:
		c.want(b, '\n', inTrailer)
		c.trailerLine()
	}
	c.at++
}

// fail ends the stream at the byte being taken.
func (c *ChunkReader) fail(reason string) {
	if c.err == nil {
		c.err = &ChunkError{Offset: c.at, Reason: reason}
	}
}

// want goes to the next state if b is the byte that must come.
func (c *ChunkReader) want(b, wanted byte, next chunkState) {
	if b == wanted {
		c.state = next
		return
	}
	switch {
	case wanted == '\n':
		c.fail("carriage return without line feed")
	case b == '\n':
		c.fail("line feed without carriage return")
	default:
		c.fail("a chunk is longer than its size says")
	}
}

// sizeByte takes a byte of the chunk size. Sixteen digits after leading zeros
// fill 64 bits, so the value never wraps.
func (c *ChunkReader) sizeByte(b byte) {
	if !c.lineByte() {
		return
	}
	d := hexValue(b)
	switch {
	case d < 16 && c.digits == 16:
		c.fail("the chunk size is too large")
	case d < 16:
		c.size = c.size<<4 | uint64(d)
		if c.digits < 0 {
			c.digits = 0
		}
		if c.size != 0 {
			c.digits++
		}
	case c.digits < 0:
		c.fail("no chunk size")
	default:
		c.endSize(b)
	}
}

// endSize takes a byte behind the digits. Blanks are tolerated, as some servers
// pad the size with them; digits behind them are not: "0 0" would be one size
// here and another one elsewhere.
func (c *ChunkReader) endSize(b byte) {
	switch b {
	case '\r':
		c.state = afterSizeCR
	case ';':
		c.state = inExtension
	case ' ', '\t':
		c.state = afterSize
	case '\n':
		c.fail("line feed without carriage return")
	default:
		c.fail("unexpected byte in the chunk size")
	}
}

func (c *ChunkReader) extensionByte(b byte) {
	switch {
	case !c.skipByte():
	case b == '\r':
		c.state = afterSizeCR
	case b == '\n':
		c.fail("line feed without carriage return")
	case notInField(rune(b)):
		c.fail("control character in a chunk extension")
	}
}

// skipByte counts a byte of the chunk line that carries nothing.
func (c *ChunkReader) skipByte() bool {
	c.skipped++
	if c.lineByte() && c.skipped > c.limits.Extensions+c.data {
		c.fail("more chunk extensions than data")
	}
	return c.err == nil
}

// lineByte counts a byte of the chunk line.
func (c *ChunkReader) lineByte() bool {
	c.line++
	if c.line > c.limits.Line-2 { // CR and LF have to fit too
		c.fail("the chunk line is too long")
		return false
	}
	return true
}

// startChunk acts on the size: zero means that the trailer section follows.
func (c *ChunkReader) startChunk() {
	c.left = c.size
	if c.size == 0 && c.err == nil {
		c.state = inTrailer
	}
}

func (c *ChunkReader) trailerByte(b byte) {
	c.trailer++
	switch {
	case b == '\r':
		c.state = afterTrailerCR
	case c.trailer > c.limits.Trailer:
		c.fail("the trailer section is too large")
	case b == '\n':
		c.fail("line feed without carriage return")
	case notInField(rune(b)):
		c.fail("control character in the trailer section")
	default:
		c.field = append(c.field, b)
	}
}

// trailerLine acts on a whole line of the trailer section; an empty one ends
// the stream.
func (c *ChunkReader) trailerLine() {
	line := string(c.field)
	c.field = c.field[:0]
	c.trailer++
	if c.err != nil {
		return
	}
	if line == "" {
		c.err = &c.end
		return
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" || strings.IndexFunc(name, notInToken) >= 0 {
		c.fail("a trailer line is not a field") // nor may it be folded: RFC 9112 section 5.2
		return
	}
	c.end.Trailer = append(c.end.Trailer, TrailerField{name, strings.Trim(value, " \t")})
}
