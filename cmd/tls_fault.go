package cmd

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/brio-net/brio/pkg/socket"
	"github.com/brio-net/brio/pkg/tlsx"
)

// The faults of behaviour that --fault knows besides those of a chain.
const (
	faultSlow     = "slow"     // a few bytes at a time
	faultTruncate = "truncate" // the end without close_notify
	faultCorrupt  = "corrupt"  // records that do not decrypt
	faultStall    = "stall"    // no answer to the ClientHello
	faultHangUp   = "hang-up"  // the end after the ClientHello
	faultReset    = "reset"    // a reset after it
	faultAlert    = "alert"    // a handshake_failure alert
	faultNotTLS   = "not-tls"  // an answer in HTTP
)

func wireFaults() []string {
	return []string{faultSlow, faultTruncate, faultCorrupt, faultStall, faultHangUp, faultReset, faultAlert, faultNotTLS}
}

func faultNames() []string {
	var names []string
	for _, f := range tlsx.ChainFaults() {
		names = append(names, string(f))
	}
	return append(names, wireFaults()...)
}

// isWireFault reports a fault of behaviour, isLateFault one that lets the
// handshake happen.
func isWireFault(f string) bool { return slices.Contains(wireFaults(), f) }
func isLateFault(f string) bool { return f == faultSlow || f == faultTruncate || f == faultCorrupt }

// faultService does what a server must not do in place of a handshake.
func (s *tlsService) faultService() service {
	return func(ctx context.Context, c *socket.Conn, _ int64) (socket.PipeResult, error) {
		conn := c.NetConn()
		if d := s.o.tls.handshakeFor; d > 0 {
			_ = conn.SetReadDeadline(time.Now().Add(d)) // fails only on a closed connection
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		n, err := conn.Read(make([]byte, 16<<10)) // the ClientHello
		if err != nil {
			return socket.PipeResult{}, nil
		}
		res := socket.PipeResult{Received: int64(n)}
		switch s.o.fault {
		case faultStall:
			if _ = conn.SetReadDeadline(time.Time{}); ctx.Err() == nil { // its end may have come before
				_, _ = io.Copy(io.Discard, conn) // until the client has had enough
			}
		case faultReset:
			_ = c.Abort()
		case faultAlert:
			_, _ = conn.Write([]byte{21, 3, 3, 0, 2, 2, 40})
		case faultNotTLS:
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		}
		return res, nil
	}
}

// A faultConn spoils what is written.
type faultConn struct {
	net.Conn
	fault   string
	started atomic.Bool // the handshake is over
}

// faulty wraps the connection where the fault needs it.
func (s *tlsService) faulty(conn net.Conn) net.Conn {
	if s.o.fault != faultSlow && s.o.fault != faultCorrupt {
		return conn
	}
	return &faultConn{Conn: conn, fault: s.o.fault}
}

// startFault tells the connection that the handshake is over.
func startFault(conn net.Conn) {
	if c, ok := conn.(*faultConn); ok {
		c.started.Store(true)
	}
}

// How slow a slow server is.
const (
	slowPiece = 64
	slowPause = 20 * time.Millisecond
)

func (c *faultConn) Write(p []byte) (int, error) {
	switch {
	case c.fault == faultSlow:
		return c.writeSlowly(p)
	case c.started.Load() && len(p) > 0:
		bad := slices.Clone(p)
		bad[len(bad)-1] ^= 1
		return c.Conn.Write(bad)
	}
	return c.Conn.Write(p)
}

func (c *faultConn) writeSlowly(p []byte) (sent int, err error) {
	for sent < len(p) {
		n, err := c.Conn.Write(p[sent:min(sent+slowPiece, len(p))])
		if sent += n; err != nil {
			return sent, err
		}
		time.Sleep(slowPause)
	}
	return sent, nil
}

// CloseWrite closes the sending half of the connection below.
func (c *faultConn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}
