package dnsq

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// exchangeQUIC sends q over QUIC with the function the caller provides.
func (c *Client) exchangeQUIC(ctx context.Context, server Server, q *question, t *Timing) (*dns.Msg, error) {
	reply, err := c.roundTripQUIC(ctx, server, q.wire, t)
	if err != nil {
		return nil, err
	}
	m, err := q.check(reply)
	if err != nil {
		t.Invalid++
		return nil, &InvalidReplyError{1, err.Error()}
	}
	t.Size = len(reply)
	return m, nil
}

// roundTripQUIC sends a message and returns the reply.
func (c *Client) roundTripQUIC(ctx context.Context, server Server, wire []byte, t *Timing) ([]byte, error) {
	if c.QUIC == nil {
		return nil, fmt.Errorf("DNS over QUIC: %w", ErrNotSupported)
	}
	start := time.Now()
	reply, handshake, err := c.QUIC(ctx, server.address(), c.tlsConfig(server, "doq"), wire)
	t.Handshake = handshake
	t.Query = time.Since(start) - handshake
	if err == nil {
		t.Sent++
	}
	return reply, err
}
