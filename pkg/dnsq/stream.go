package dnsq

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"github.com/miekg/dns"
)

// Bounds of the connections kept open.
const (
	maxIdle        = 8 // to one server
	maxIdleServers = 64
)

// maxStreams bounds the questions under way on one connection of HTTPS or QUIC:
// what servers allow at least (RFC 9113 section 6.5.2 has 100 as the recommended
// minimum).
const maxStreams = 100

// A streamConn is a TCP or TLS connection that carries messages with a length
// prefix (RFC 1035 section 4.2.2, RFC 7766).
type streamConn struct {
	conn  net.Conn // what messages travel on
	raw   net.Conn // the connection under TLS; conn itself without
	r     *bufio.Reader
	fresh bool // not used before
}

// exchangeStream sends q over TCP or TLS, on a connection of an earlier exchange
// when there is one. A server may close an idle connection at any time (RFC 7766
// section 6.2.3): then a new one is made.
func (c *Client) exchangeStream(ctx context.Context, server Server, via Transport, q *question, t *Timing) (*dns.Msg, error) {
	key := string(via) + " " + server.identity()
	for {
		s, err := c.stream(ctx, key, server, via, t)
		if err != nil {
			return nil, err
		}
		m, err := s.exchange(ctx, q, t)
		if err == nil {
			c.keep(key, s)
			return m, nil
		}
		_ = s.conn.Close() // already broken, or of no use
		if s.fresh || ctx.Err() != nil || errors.Is(err, ErrInvalidReply) {
			return nil, err
		}
	}
}

// stream is an idle connection or a new one.
func (c *Client) stream(ctx context.Context, key string, server Server, via Transport, t *Timing) (*streamConn, error) {
	c.mu.Lock()
	if list := c.idle[key]; len(list) > 0 {
		s := list[len(list)-1]
		if c.idle[key] = list[:len(list)-1]; len(list) == 1 {
			delete(c.idle, key)
		}
		c.mu.Unlock()
		return s, nil
	}
	c.mu.Unlock()
	s, err := c.DialStream(ctx, server, via, t)
	if err != nil {
		return nil, err
	}
	return &streamConn{conn: s, raw: rawConn(s), r: bufio.NewReader(s), fresh: true}, nil
}

// keep puts s by for the next exchange.
func (c *Client) keep(key string, s *streamConn) {
	s.fresh = false
	_ = s.conn.SetDeadline(time.Time{}) // fails only on a closed connection, which the next exchange finds out
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle[key]) >= maxIdle {
		_ = s.conn.Close() // one more than needed
		return
	}
	if c.idle == nil {
		c.idle = map[string][]*streamConn{}
	}
	for other, list := range c.idle { // any will do
		if len(c.idle) < maxIdleServers || c.idle[key] != nil {
			break
		}
		delete(c.idle, other)
		closeIdle(list)
	}
	c.idle[key] = append(c.idle[key], s)
}

// closeIdle closes connections that were kept.
func closeIdle(list []*streamConn) {
	for _, s := range list {
		_ = s.conn.Close() // nothing of ours is under way on it
	}
}

// DialStream makes a connection that carries messages with a length prefix: via
// is [TCP] or [TLS]. The times it takes are written to t. The caller closes it.
func (c *Client) DialStream(ctx context.Context, server Server, via Transport, t *Timing) (net.Conn, error) {
	start := time.Now()
	conn, err := c.dial(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	t.Connect = time.Since(start)
	if via != TLS {
		return conn, nil
	}
	start = time.Now()
	quickAck(conn)
	tc := tls.Client(conn, c.tlsConfig(server, "dot"))
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error says more
		return nil, handshakeError(server, err)
	}
	t.Handshake = time.Since(start)
	return tc, nil
}

// rawConn is the connection under TLS, or conn itself.
func rawConn(conn net.Conn) net.Conn {
	if tc, ok := conn.(*tls.Conn); ok {
		return tc.NetConn()
	}
	return conn
}

// exchange sends q on s and waits for its reply.
func (s *streamConn) exchange(ctx context.Context, q *question, t *Timing) (*dns.Msg, error) {
	defer interruptOn(ctx, s.conn)()
	start := time.Now()
	if err := WriteFrame(s.conn, q.wire); err != nil {
		return nil, err
	}
	t.Sent++
	// A server that writes its TLS session tickets and its reply in two segments
	// waits for our acknowledgement in between, which Linux delays by 40 ms.
	quickAck(s.raw)
	m, err := receive(q, t, func() ([]byte, error) { return ReadFrame(s.r, nil) })
	t.Query = time.Since(start)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return m, err
}

// WriteFrame writes the message b with its length before it, in one write (RFC
// 7766 section 8).
func WriteFrame(w io.Writer, b []byte) error {
	if len(b) > maxMessage {
		return errors.New("message longer than 65535 octets")
	}
	frame := make([]byte, 2, 2+len(b))
	binary.BigEndian.PutUint16(frame, uint16(len(b)))
	_, err := w.Write(append(frame, b...))
	return err
}

// ReadFrame reads one message that has its length before it, into buf when that
// is large enough. The error is [io.EOF] only when r ends before the first octet.
func ReadFrame(r io.Reader, buf []byte) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return buf, nil
}
