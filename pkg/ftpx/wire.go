package ftpx

import (
	"bufio"
	"errors"
	"io"
	"net"
)

// wireBuffer is what one system call moves below TLS: crypto/tls alone reads
// and writes single records of 16 KiB.
const wireBuffer = 128 << 10

// A wire is a connection below TLS that reads ahead, and gathers the records of
// one write into one system call.
type wire struct {
	net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	corked bool
	eof    bool // the TCP connection ended, and TLS asked for more
}

// use puts w, which may have served another connection, on conn. Its buffers
// serve all data connections of a session.
func (w *wire) use(conn net.Conn) *wire {
	w.Conn, w.corked, w.eof = conn, false, false
	if w.r == nil {
		w.r = bufio.NewReaderSize(conn, wireBuffer)
	}
	w.r.Reset(conn)
	if w.w != nil {
		w.w.Reset(conn)
	}
	return w
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
