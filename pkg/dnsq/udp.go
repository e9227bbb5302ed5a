package dnsq

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// maxForged bounds the replies over UDP that do not belong to the question. A
// forger who may go on has a fair chance to guess id and port; TCP ends that.
const maxForged = 100

// buffers holds buffers for the longest message.
var buffers = sync.Pool{New: func() any { return new([maxMessage]byte) }}

// exchangeUDP sends q from a socket of its own, so that the source port adds to
// what a forger must guess, and waits for the reply that belongs to it. Replies
// that do not are counted and the wait goes on: they may come from a forger.
func (c *Client) exchangeUDP(ctx context.Context, server Server, q *question, t *Timing) (*dns.Msg, error) {
	conn, err := c.dial(ctx, "udp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer interruptOn(ctx, conn)()
	start := time.Now()
	if _, err := conn.Write(q.wire); err != nil {
		return nil, err
	}
	t.Sent++
	buf := buffers.Get().(*[maxMessage]byte)
	defer buffers.Put(buf)
	reads := 0
	m, err := receive(q, t, func() ([]byte, error) {
		if reads++; reads > maxForged {
			return nil, errForged
		}
		n, err := conn.Read(buf[:])
		return buf[:n], err
	})
	t.Query = time.Since(start)
	return m, err
}

// receive reads messages until one is the reply to q or reading fails.
func receive(q *question, t *Timing, read func() ([]byte, error)) (*dns.Msg, error) {
	invalid, reason := 0, ""
	for {
		b, err := read()
		if err != nil {
			if invalid > 0 && !errors.Is(err, errForged) {
				return nil, &InvalidReplyError{invalid, reason}
			}
			return nil, err
		}
		m, err := q.check(b)
		if err == nil {
			t.Size = len(b)
			return m, nil
		}
		t.Invalid++
		if errors.Is(err, errCase) {
			return nil, err
		}
		invalid++
		reason = err.Error()
	}
}

// interruptOn ends reads and writes on conn when ctx ends, by its deadline too: a
// timer of the connection's own would only wake the scheduler once more. Its
// result must be called when conn is done with.
func interruptOn(ctx context.Context, conn net.Conn) func() bool {
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}
