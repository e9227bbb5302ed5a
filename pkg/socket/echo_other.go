//go:build !linux

package socket

import (
	"context"
	"net"
	"sync"
)

// An EchoServer sends back what its connections send, as [Echo] does, to very
// many of them.
type EchoServer struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// NewEchoServer returns a server without connections. The caller closes it.
func NewEchoServer() (*EchoServer, error) {
	ctx, cancel := context.WithCancel(context.Background())
	return &EchoServer{ctx: ctx, cancel: cancel}, nil
}

// Close ends the server.
func (s *EchoServer) Close() error {
	s.cancel()
	s.wg.Wait()
	return nil
}

// Serve starts to serve conn, a bare connection, and calls done at its end from
// another goroutine. Until then nobody else may close conn; done must.
func (s *EchoServer) Serve(conn net.Conn, done func(n int64, err error)) {
	s.wg.Go(func() { done(Echo(s.ctx, conn, PumpOptions{})) })
}

// Stop ends all connections, and those to come.
func (s *EchoServer) Stop() { s.cancel() }
