// Package doq sends DNS messages over QUIC (RFC 9250). It stands apart from
// package dnsq so that only programs that want it link QUIC:
//
//	var quic doq.Client
//	defer quic.Close()
//	client := dnsq.Client{QUIC: quic.Exchange}
package doq

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// Error codes of RFC 9250 section 4.3.
const (
	noError         = 0
	requestCanceled = 3
)

const maxMessage = 65535

// A Client sends messages and keeps connections open for the next one. The zero
// Client is ready to use, by several goroutines.
type Client struct {
	// Timeout bounds a handshake and how long an idle connection is kept. Zero
	// means what quic-go has: 5 and 30 seconds.
	Timeout time.Duration

	mu    sync.Mutex
	conns map[string]*quic.Conn
}

// Close closes the connections kept open.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.CloseWithError(noError, ""))
	}
	c.conns = nil
	return errors.Join(errs...)
}

// Exchange sends query, which must have the id zero, to addr on a stream of its
// own and returns the reply. A connection serves all questions for the same addr
// and server name in cfg, whatever else cfg says: who trusts in different ways
// needs different Clients. Each is at most 65535 octets. The handshake took
// the duration returned, zero when a connection was open already. It ends with ctx.
func (c *Client) Exchange(ctx context.Context, addr string, cfg *tls.Config, query []byte) (reply []byte, handshake time.Duration, err error) {
	if len(query) > maxMessage {
		return nil, 0, errors.New("message longer than 65535 octets")
	}
	key := addr + " " + cfg.ServerName
	for {
		conn, took, err := c.connection(ctx, key, addr, cfg)
		if err != nil {
			return nil, took, err
		}
		reply, err := exchange(ctx, conn, query)
		if err == nil || took > 0 || ctx.Err() != nil {
			return reply, took, err
		}
		c.forget(key, conn) // it was idle, and the server has given it up since
	}
}

// connection is the open connection for key, or a new one.
func (c *Client) connection(ctx context.Context, key, addr string, cfg *tls.Config) (*quic.Conn, time.Duration, error) {
	c.mu.Lock()
	conn := c.conns[key]
	c.mu.Unlock()
	if conn != nil && conn.Context().Err() == nil {
		return conn, 0, nil
	}
	start := time.Now()
	conn, err := quic.DialAddr(ctx, addr, cfg, &quic.Config{HandshakeIdleTimeout: c.Timeout, MaxIdleTimeout: c.Timeout})
	took := time.Since(start)
	if err != nil {
		return nil, took, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns == nil {
		c.conns = map[string]*quic.Conn{}
	}
	if other := c.conns[key]; other != nil && other.Context().Err() == nil {
		// Another goroutine was faster: one connection is enough.
		_ = conn.CloseWithError(noError, "")
		return other, max(took, 1), nil
	}
	maps.DeleteFunc(c.conns, func(_ string, old *quic.Conn) bool { return old.Context().Err() != nil }) // closed since
	c.conns[key] = conn
	return conn, max(took, 1), nil
}

func (c *Client) forget(key string, conn *quic.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns[key] == conn {
		delete(c.conns, key)
	}
	_ = conn.CloseWithError(noError, "") // it is broken already
}

// exchange sends query on a new stream and reads the reply.
func exchange(ctx context.Context, conn *quic.Conn, query []byte) ([]byte, error) {
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.CancelRead(requestCanceled) // no effect once all is read
	defer context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })()
	frame := binary.BigEndian.AppendUint16(nil, uint16(len(query)))
	if _, err := stream.Write(append(frame, query...)); err != nil {
		return nil, err
	}
	// RFC 9250 section 4.2: the end of the stream tells the server to answer.
	if err := stream.Close(); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(stream, size[:]); err != nil {
		return nil, fmt.Errorf("read reply: %w", early(err))
	}
	reply := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(stream, reply); err != nil {
		return nil, fmt.Errorf("read reply: %w", early(err))
	}
	return reply, nil
}

// early makes the end of the stream before the end of the reply an error of its own.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
