// Package faults stands between a client and a server and breaks what passes:
// streams are delayed, cut into pieces, truncated or reset, datagrams lost,
// doubled, swapped or damaged. All on the loopback, for tests.
package faults

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A Stream says what happens to the bytes that the server sends to the client.
// The zero value passes them on. Bytes in the other direction always pass.
type Stream struct {
	Delay    time.Duration // before each piece
	Piece    int           // bytes a piece at most; 0: as they come
	After    int64         // bytes that pass before Fault; 0: it comes at once
	Fault    Fault         // what comes after them
	Fraction int           // fault every n-th connection only; 0 and 1: each
}

// Greet starts a server on a free port of 127.0.0.1 that sends text to every
// connection and closes it. Closing the listener ends it.
func Greet(text string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, text) // the peer may have had enough
			}()
		}
	}()
	return l, nil
}

// A Fault ends or stalls a stream.
type Fault int

// The faults. None lets everything pass.
const (
	None     Fault = iota
	Truncate       // both directions are closed, as by a crash with a clean close
	Reset          // the connection is reset
	Stall          // nothing passes any more, the connection stays open
)

// A StreamProxy listens and passes connections on. Close ends it and all of
// its connections.
type StreamProxy struct {
	l      net.Listener
	target string
	cfg    Stream

	mu    sync.Mutex
	conns map[net.Conn]bool
	count int
	done  bool
	wg    sync.WaitGroup
}

// NewStream starts a proxy to the TCP address target on a free port of
// 127.0.0.1.
func NewStream(target string, cfg Stream) (*StreamProxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &StreamProxy{l: l, target: target, cfg: cfg, conns: map[net.Conn]bool{}}
	p.wg.Go(p.serve)
	return p, nil
}

// Addr is where the proxy listens.
func (p *StreamProxy) Addr() string { return p.l.Addr().String() }

// Close ends the proxy and waits until nothing of it is left.
func (p *StreamProxy) Close() error {
	err := p.l.Close()
	p.mu.Lock()
	p.done = true
	for c := range p.conns {
		_ = c.Close() // a second close is harmless
	}
	p.mu.Unlock()
	p.wg.Wait()
	return err
}

func (p *StreamProxy) serve() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.join(c) })
	}
}

// keep registers c, so that Close can end it. It reports false when the proxy
// is closed.
func (p *StreamProxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return !p.done
}

// faulty says whether the next connection is one that gets the fault.
func (p *StreamProxy) faulty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	return p.cfg.Fraction < 2 || p.count%p.cfg.Fraction == 0
}

func (p *StreamProxy) join(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.keep(client) || !p.keep(server) {
		return
	}
	cfg := p.cfg
	if !p.faulty() {
		cfg = Stream{}
	}
	up := make(chan struct{})
	go func() {
		defer close(up)
		if _, err := io.Copy(server, client); err == nil {
			_ = server.(*net.TCPConn).CloseWrite() // the server may be gone already
		}
	}()
	if down(client, server, cfg) {
		_ = client.(*net.TCPConn).CloseWrite()
		<-up
		return
	}
	switch cfg.Fault {
	case Reset:
		_ = client.(*net.TCPConn).SetLinger(0)
	case Stall:
		<-up // until the client gives up
	}
	_ = client.Close()
	_ = server.Close()
	<-up
}

// down passes bytes from server to client; it reports true at the end of the
// stream, false when the fault is due.
func down(client, server net.Conn, cfg Stream) bool {
	size := cfg.Piece
	if size == 0 {
		size = 32 << 10
	}
	buf := make([]byte, size)
	left := cfg.After
	for {
		if cfg.Fault != None {
			if left == 0 {
				return false
			}
			buf = buf[:min(int64(cap(buf)), left)]
		}
		n, err := server.Read(buf)
		left -= int64(n)
		time.Sleep(cfg.Delay)
		if _, werr := client.Write(buf[:n]); werr != nil {
			return true
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
