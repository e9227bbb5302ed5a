package socket

import "bufio"

// SetInputChunking says whether later reads take the framing of the HTTP/1.1
// chunked coding off (RFC 9112 section 7.1). At the end of the chunked stream
// Read returns a [*ChunkEOF], and input chunking is off again: the next Read
// gets what follows. Switching it off in the middle hands out the framing. It
// must not be called while a Read is under way.
//
// From the first call on, Read goes through a buffer, and what is in there
// cannot be read through [Conn.NetConn] any more.
func (c *Conn) SetInputChunking(on bool) {
	if !on {
		c.chunksIn = nil
		return
	}
	if c.buffered == nil {
		c.buffered = bufio.NewReaderSize(rawReader{c}, 64<<10)
	}
	c.chunksIn = NewChunkReader(c.buffered, ChunkLimits{})
}

// SetOutputChunking says whether later writes are put into chunks. It must not
// be called while a Write is under way. To end the chunked stream call
// [Conn.EndOutputChunks]; switching it off does not.
func (c *Conn) SetOutputChunking(on bool) {
	c.chunksOut = nil
	if on {
		c.chunksOut = NewChunkWriter(rawWriter{c}, ChunkConfig{})
	}
}

// EndOutputChunks ends the chunked stream with the zero chunk and the trailer
// fields, and switches output chunking off. The connection stays open. Without
// output chunking it does nothing.
func (c *Conn) EndOutputChunks(trailer []TrailerField) error {
	if c.chunksOut == nil {
		return nil
	}
	err := c.chunksOut.End(trailer)
	c.chunksOut = nil
	return err
}

// readChunked is Read once the connection has a buffer.
func (c *Conn) readChunked(b []byte) (int, error) {
	if c.chunksIn == nil {
		return c.buffered.Read(b)
	}
	n, err := c.chunksIn.Read(b)
	if _, end := err.(*ChunkEOF); end {
		c.chunksIn = nil
	}
	return n, err
}

// A rawReader reads what is on the wire.
type rawReader struct{ c *Conn }

func (r rawReader) Read(b []byte) (int, error) { return r.c.readRaw(b) }

// A rawWriter writes to the wire.
type rawWriter struct{ c *Conn }

func (w rawWriter) Write(b []byte) (int, error) { return w.c.writeRaw(b) }
