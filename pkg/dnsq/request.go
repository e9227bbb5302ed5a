package dnsq

import (
	"context"

	"github.com/miekg/dns"
)

// exchangeRequest sends q over HTTPS or QUIC, where the reply can only be that to
// its request.
func (c *Client) exchangeRequest(ctx context.Context, server Server, q *question, t *Timing) (*dns.Msg, error) {
	reply, age, err := c.roundTrip(ctx, server, q.wire, t)
	if err != nil {
		return nil, err
	}
	m, err := q.check(reply)
	if err != nil {
		t.Invalid++
		return nil, &InvalidReplyError{1, err.Error()}
	}
	t.Size = len(reply)
	takeOff(m, age)
	return m, nil
}

// roundTrip sends a message over HTTPS or QUIC and returns the reply, and for how
// many seconds a cache on the way has kept it.
func (c *Client) roundTrip(ctx context.Context, server Server, wire []byte, t *Timing) (reply []byte, age uint32, err error) {
	if server.transport() == QUIC {
		reply, err = c.roundTripQUIC(ctx, server, wire, t)
		return reply, 0, err
	}
	return c.roundTripHTTPS(ctx, server, wire, t)
}
