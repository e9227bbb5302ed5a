package dnsq

import (
	"context"
	"fmt"
	"time"
)

// roundTripQUIC sends a message over QUIC (RFC 9250) with the function the caller
// provides.
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
