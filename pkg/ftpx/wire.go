package ftpx

import (
	"bufio"
	"errors"
	"io"
	"net"
	"time"
)

// wireBuffer is what one system call moves below TLS: crypto/tls alone reads
// and writes single records of 16 KiB.
const wireBuffer = 128 << 10

// A wire is a connection below TLS that reads ahead, and gathers the records of
// one write into one system call.
type wire struct {
	net.Conn
	d      *dataConn
	r      *bufio.Reader
	w      *bufio.Writer
	corked bool
	late   bool // the kernel wakes the reader for much only, see wakeLate
	eof    bool // the TCP connection ended, and TLS asked for more
}

// use puts w, which may have served another connection, on that of d. Its
// buffers serve all data connections of a session.
func (w *wire) use(d *dataConn) *wire {
	w.Conn, w.d, w.corked, w.late, w.eof = d.raw, d, false, false, false
	if w.r == nil {
		w.r = bufio.NewReaderSize(nil, wireBuffer)
	}
	w.r.Reset(readerFunc(w.readConn))
	if w.w != nil {
		w.w.Reset(d.raw)
	}
	return w
}

// readConn reads from the connection itself. What is too little to wake the
// reader is there after a tick.
func (w *wire) readConn(p []byte) (int, error) {
	if !w.late {
		return w.Conn.Read(p)
	}
	for start := time.Now(); ; {
		if err := w.Conn.SetReadDeadline(time.Now().Add(tick)); err != nil {
			return 0, err
		}
		if w.d.client.ctx.Err() != nil { // cancelled before the deadline was set
			return 0, contextError(w.d.client.ctx)
		}
		n, err := w.Conn.Read(p)
		if n > 0 || !isTimeout(err) || time.Until(w.d.deadline()) <= time.Since(start) {
			return n, err
		}
	}
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if errors.Is(err, io.EOF) {
		w.eof = true
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	if w.corked {
		return w.w.Write(p)
	}
	return w.Conn.Write(p)
}

// gather runs write, which writes through TLS, and sends its records together.
func (w *wire) gather(write func() (int, error)) (int, error) {
	if w.w == nil {
		w.w = bufio.NewWriterSize(w.Conn, wireBuffer)
	}
	w.corked = true
	n, err := write()
	w.corked = false
	return n, errors.Join(err, w.w.Flush())
}
