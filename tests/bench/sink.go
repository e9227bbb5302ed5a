//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// A sinkServer takes one connection at a time in the bench itself, so that only
// the other end is measured.
type sinkServer struct {
	listener net.Listener
	counts   chan count
}

// A count is what a connection brought.
type count struct {
	bytes int64
	err   error
}

// newSink serves each connection with take, which counts what it reads.
func newSink(take func(io.Reader, io.Writer) (int64, error)) (*sinkServer, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sinkServer{l, make(chan count, 1)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n, err := take(c, c)
			c.Close()
			select {
			case s.counts <- count{n, err}:
			default: // nobody asked for the last one
			}
		}
	}()
	return s, nil
}

func (s *sinkServer) place() place { return place{port: s.listener.Addr().(*net.TCPAddr).Port} }

func (s *sinkServer) close() { s.listener.Close() }

// got waits for the end of the connection, which must have brought size bytes,
// or more where a coding adds some.
func (s *sinkServer) got(size int64) error {
	select {
	case c := <-s.counts:
		if c.err == nil && c.bytes < size {
			c.err = fmt.Errorf("%d of %d bytes arrived", c.bytes, size)
		}
		return c.err
	case <-time.After(patience):
		return errors.New("the sink sees no end of data")
	}
}

// push sends the source to a place from where it comes to the sink.
func push(to place, sink *sinkServer, source string, size int64) (took time.Duration, err error) {
	start := time.Now()
	c, err := net.Dial("tcp4", to.String())
	if err != nil {
		return 0, err
	}
	defer c.Close()
	f, err := os.Open(source)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := c.(*net.TCPConn).ReadFrom(f); err != nil {
		return 0, err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	err = sink.got(size)
	return time.Since(start), err
}
