package socket

import (
	"errors"
	"io"
	"net"
	"strconv"
)

// ChunkConfig says how a [ChunkWriter] cuts chunks.
type ChunkConfig struct {
	// Size is the most data in one chunk, in bytes. Zero means 64 KiB.
	Size int

	// Coalesce keeps small writes back until a chunk is full or Flush or End is
	// called. Without it each Write is on its way when it returns.
	Coalesce bool
}

// Room for the framing of a chunk: up to 16 digits and two line ends.
const (
	chunkHead = 18
	chunkTail = 2
)

// copyBelow is the size up to which data are cheaper to copy beside their
// framing than to hand to the system as a vector.
const copyBelow = 4 << 10

// A ChunkWriter puts the framing of the HTTP/1.1 chunked coding around a
// stream. Each chunk is one write to the connection, head and tail included.
// A write that failed leaves half a chunk behind: every later call fails too.
type ChunkWriter struct {
	w        io.Writer
	size     int    // most data in one chunk
	coalesce bool   // Write may keep data back
	vector   bool   // w takes several buffers in one call
	buf      []byte // head, data, tail; made when first needed
	n        int    // bytes of data in buf
	err      error  // for good
}

var errChunksEnded = errors.New("write after the end of the chunked stream")

// NewChunkWriter returns a writer of a chunked stream on w. It never closes w.
func NewChunkWriter(w io.Writer, cfg ChunkConfig) *ChunkWriter {
	c := &ChunkWriter{w: w, size: cfg.Size, coalesce: cfg.Coalesce}
	if c.size <= 0 {
		c.size = 64 << 10
	}
	switch w.(type) {
	case *net.TCPConn, *net.UnixConn:
		c.vector = true
	}
	return c
}

// Write sends p as one chunk, or several when it is large. An empty p sends
// nothing, for an empty chunk would end the stream. The count is of bytes in
// chunks that were sent or kept back whole.
func (c *ChunkWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		piece := p[n:min(len(p), n+c.size-c.n)]
		if err := c.put(piece); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}

// put takes a piece that fits into the current chunk.
func (c *ChunkWriter) put(piece []byte) error {
	due := !c.coalesce || c.n+len(piece) == c.size
	switch {
	case c.err != nil:
	case due && c.vector && c.n == 0 && len(piece) >= copyBelow:
		b := net.Buffers{appendHead(nil, len(piece)), piece, []byte("\r\n")}
		_, c.err = b.WriteTo(c.w)
	default:
		if c.buf == nil {
			c.buf = make([]byte, chunkHead+c.size+chunkTail)
		}
		c.n += copy(c.buf[chunkHead+c.n:], piece)
		if due {
			return c.Flush()
		}
	}
	return c.err
}

// Flush sends what was kept back.
func (c *ChunkWriter) Flush() error {
	if c.n > 0 && c.err == nil {
		c.err = c.send(c.frame())
	}
	return c.err
}

// End sends what was kept back, the last chunk and the trailer section. The
// connection stays open and belongs to the caller again; the ChunkWriter is
// done. A trailer that no field section can hold is refused before anything is
// sent.
func (c *ChunkWriter) End(trailer []TrailerField) error {
	if c.err != nil {
		return c.err
	}
	if err := checkTrailer(trailer); err != nil {
		return err
	}
	if c.err = c.send(appendEnd(c.frame(), trailer)); c.err != nil {
		return c.err
	}
	c.err = errChunksEnded
	return nil
}

// frame returns the data kept back with head and tail around them, or nothing
// if there are none.
func (c *ChunkWriter) frame() []byte {
	if c.n == 0 {
		return nil
	}
	var head [chunkHead]byte
	h := appendHead(head[:0], c.n)
	start, end := chunkHead-len(h), chunkHead+c.n
	copy(c.buf[start:], h)
	copy(c.buf[end:], "\r\n")
	c.n = 0
	return c.buf[start : end+chunkTail]
}

func (c *ChunkWriter) send(b []byte) error {
	n, err := c.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// appendHead appends the line that starts a chunk of n bytes.
func appendHead(b []byte, n int) []byte {
	return append(strconv.AppendUint(b, uint64(n), 16), "\r\n"...)
}
