package dnsq

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// exchangeQUIC sends q over QUIC with the function the caller provides.
func (c *Client) exchangeQUIC(ctx context.Context, server Server, q *question, t *Timing) (*dns.Msg, error) {
	if c.QUIC == nil {
		return nil, fmt.Errorf("DNS over QUIC: %w", ErrNotSupported)
	}
	start := time.Now()
	reply, handshake, err := c.QUIC(ctx, server.address(), c.tlsConfig(server, "doq"), q.wire)
	t.Handshake = handshake
	t.Query = time.Since(start) - handshake
	if err != nil {
		return nil, err
	}
	t.Sent++
	m, err := q.check(reply)
	if err != nil {
		t.Invalid++
		return nil, &InvalidReplyError{1, err.Error()}
	}
	t.Size = len(reply)
	return m, nil
}
