package dnsq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// A DialFunc makes a connection, as [net.Dialer.DialContext].
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// A QUICFunc sends one message, which has the id zero, to a server of DNS over
// QUIC (RFC 9250) and returns its reply. It must return when ctx ends. The
// handshake took the duration returned, zero when the connection was reused.
// Package doq, beside this one, has it.
type QUICFunc func(ctx context.Context, addr string, cfg *tls.Config, query []byte) (reply []byte, handshake time.Duration, err error)

// A Client exchanges messages with servers. The zero Client is ready to use and
// may be used by several goroutines; it must not be changed after its first use.
// It keeps connections open for the next question: see [Client.Close].
type Client struct {
	// Timeout bounds one exchange, whatever it takes. Zero means 5 seconds; the
	// context may end it earlier.
	Timeout time.Duration

	// Dial makes the connections. Nil means a plain [net.Dialer]. UDP connections
	// must be connected, so that the system drops what comes from elsewhere.
	Dial DialFunc

	// TLSConfig is the base of the configuration for TLS, HTTPS and QUIC; server
	// name and ALPN are filled in. Nil means the defaults of crypto/tls.
	TLSConfig *tls.Config

	// QUIC sends messages over QUIC. Nil means that QUIC is not supported.
	QUIC QUICFunc

	// HTTPGet uses GET for DNS over HTTPS, which caches can serve, in place of POST.
	HTTPGet bool

	// KeepTruncated returns a truncated reply of UDP as it is. Without it the
	// question is asked again over TCP.
	KeepTruncated bool

	// KeepEDNS does not ask again without EDNS when a server answers FORMERR.
	KeepEDNS bool

	// NoCookie leaves out the cookie (RFC 7873) that queries with EDNS over UDP carry.
	NoCookie bool

	// RandomCase asks with letters of random case and takes a UDP reply only if
	// it repeats them (0x20). When a server does not, TCP is used.
	RandomCase bool

	// Padding is the block size queries are padded to with EDNS. Zero means 128
	// where the transport encrypts and none elsewhere, less than zero none anywhere.
	Padding int

	// TSIG, when not nil, signs the queries and verifies the replies.
	TSIG *TSIG

	mu      sync.Mutex
	servers map[string]*serverState
	idle    map[string][]*streamConn
	http    map[string]*http.Client
}

const (
	defaultTimeout  = 5 * time.Second
	maxKnownServers = 4096 // of which a client remembers something
)

// Close closes the connections kept open. Exchanges under way are not disturbed.
func (c *Client) Close() error {
	c.mu.Lock()
	idle, web := c.idle, c.http
	c.idle, c.http = nil, nil
	c.mu.Unlock()
	for _, list := range idle {
		closeIdle(list)
	}
	for _, w := range web {
		w.CloseIdleConnections()
	}
	return nil
}

// Exchange asks server the question q once, over its transport, and returns the
// valid reply whatever its rcode. It asks again by itself only where the first
// reply says how: over TCP when it is truncated or somebody floods us with forged
// ones, without EDNS when the server does not know it (RFC 6891 section 7), with
// the cookie the server wants (RFC 7873 section 5.2.3).
//
// Errors wrap [ErrNoReply] when nothing came in time, [ErrInvalidReply] when
// only invalid replies came, the cause given by system, TLS or HTTP otherwise.
func (c *Client) Exchange(ctx context.Context, server Server, q *dns.Msg) (*dns.Msg, Timing, error) {
	limit := c.Timeout
	if limit <= 0 {
		limit = defaultTimeout
	}
	start := time.Now()
	tryCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var t Timing
	m, err := c.exchange(tryCtx, server, q, &t)
	t.Total = time.Since(start)
	if q.IsEdns0() != nil && !c.state(server).without(q) {
		c.learnEDNS(server, err)
	}
	if err == nil {
		return m, t, nil
	}
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil, t, fmt.Errorf("%s: %w", server, context.Cause(ctx))
	}
	if isTimeout(err) && !errors.Is(err, ErrInvalidReply) {
		err = fmt.Errorf("%w within %s", ErrNoReply, time.Since(start).Round(time.Millisecond))
	}
	return nil, t, &ServerFailedError{server, err}
}

// isTimeout tells the errors of deadlines and of a peer that does not answer.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// exchange asks as often as the replies demand, at most four times.
func (c *Client) exchange(ctx context.Context, server Server, q *dns.Msg, t *Timing) (*dns.Msg, error) {
	via := server.transport()
	if !c.KeepEDNS && c.state(server).without(q) {
		q = withoutEDNS(q)
	}
	forged := false
	for badCookies := 0; ; {
		m, err := c.once(ctx, server, via, q, t)
		switch {
		case errors.Is(err, errForged):
			via, forged = TCP, true
		case errors.Is(err, errCase):
			via = TCP
		case err != nil && forged:
			return nil, &InvalidReplyError{t.Invalid, "TCP, in place of a flood of forged ones: " + err.Error()}
		case err != nil:
			return nil, err
		case m.Truncated && via == UDP && !c.KeepTruncated:
			via = TCP
		case m.Rcode == dns.RcodeBadCookie && via == UDP && !c.NoCookie && badCookies < 2:
			// The reply brought the cookie the server wants; a second refusal
			// means that it cannot see who asks, and TCP proves that.
			if badCookies++; badCookies == 2 {
				via = TCP
			}
		case ednsUnknown(q, m) && !c.KeepEDNS:
			c.update(server, func(s *serverState) { s.noEDNS = true })
			q = withoutEDNS(q)
		default:
			return m, nil
		}
	}
}

// ednsUnknown reports whether m refuses q because of its OPT record.
func ednsUnknown(q, m *dns.Msg) bool {
	refused := m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented
	return refused && q.IsEdns0() != nil && m.IsEdns0() == nil
}

// once sends q one time over the transport via.
func (c *Client) once(ctx context.Context, server Server, via Transport, q *dns.Msg, t *Timing) (*dns.Msg, error) {
	sent, err := c.prepare(server, via, q)
	if err != nil {
		return nil, err
	}
	var m *dns.Msg
	switch via {
	case UDP:
		m, err = c.exchangeUDP(ctx, server, sent, t)
	case TCP, TLS:
		m, err = c.exchangeStream(ctx, server, via, sent, t)
	case HTTPS, QUIC:
		m, err = c.exchangeRequest(ctx, server, sent, t)
	default:
		err = &ServerError{server.String(), "unknown transport"}
	}
	if err != nil {
		return nil, err
	}
	t.Received++
	t.Transport = via
	c.learnCookie(server, m)
	if q.IsEdns0() == nil {
		c.update(server, func(s *serverState) { s.dropsEDNS = s.dropsEDNS || s.silent && !s.takesEDNS })
	}
	if c.RandomCase && len(q.Question) == 1 {
		restoreCase(m, q.Question[0].Name)
	}
	return m, nil
}

// prepare packs a copy of q for one exchange.
func (c *Client) prepare(server Server, via Transport, q *dns.Msg) (*question, error) {
	sent := &question{msg: q.Copy(), tsig: c.TSIG}
	if via != HTTPS && via != QUIC { // RFC 8484 section 4.1, RFC 9250 section 4.2.1: the id is zero
		sent.msg.Id = dns.Id()
	} else {
		sent.msg.Id = 0
	}
	if len(q.Question) == 1 {
		name, err := AbsoluteName(q.Question[0].Name)
		if err != nil {
			return nil, err
		}
		if c.RandomCase {
			name = randomCase(name)
			sent.exactCase = via == UDP
		}
		sent.msg.Question[0].Name = name
	}
	if via == UDP && !c.NoCookie {
		c.mu.Lock()
		sent.cookie = c.stateLocked(server).addCookie(sent.msg)
		c.mu.Unlock()
	}
	pad(sent.msg, c.paddingFor(via))
	var err error
	if c.TSIG != nil {
		sent.wire, sent.mac, err = c.TSIG.sign(sent.msg)
	} else {
		sent.wire, err = sent.msg.Pack()
	}
	if err != nil {
		return nil, fmt.Errorf("pack question: %w", err)
	}
	return sent, nil
}

// paddingFor is the block size for a transport.
func (c *Client) paddingFor(via Transport) int {
	const recommended = 128 // RFC 8467 section 4.1
	if c.Padding == 0 && (via == TLS || via == HTTPS || via == QUIC) {
		return recommended
	}
	return c.Padding
}

// state is what is known about server.
func (c *Client) state(server Server) serverState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.stateLocked(server)
}

func (c *Client) stateLocked(server Server) *serverState {
	key := string(server.transport()) + " " + server.address() // a name may stand for several
	s := c.servers[key]
	if s == nil {
		s = new(serverState)
		if c.servers == nil || len(c.servers) == maxKnownServers { // what is forgotten is found out again
			c.servers = map[string]*serverState{}
		}
		c.servers[key] = s
	}
	return s
}

// update changes what is known about server.
func (c *Client) update(server Server, change func(*serverState)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c.stateLocked(server))
}

// learnEDNS notes how server took a question with EDNS, which ended with err.
func (c *Client) learnEDNS(server Server, err error) {
	c.update(server, func(s *serverState) {
		s.takesEDNS = s.takesEDNS || err == nil
		s.silent = err != nil && isTimeout(err) && !errors.Is(err, ErrInvalidReply)
	})
}

// Retry makes an ExchangeFunc that asks again while no reply comes: tries times in
// all, zero means twice, each within limit, zero means 5 seconds. Some servers and
// firewalls drop questions with EDNS: the last try goes without, unless the server
// has answered such a question before or the question asks for DNSSEC records,
// which only EDNS can ask for. A server found to drop them is asked without from
// then on.
func (c *Client) Retry(tries int, limit time.Duration) ExchangeFunc {
	if tries <= 0 {
		tries = 2
	}
	if limit <= 0 {
		limit = defaultTimeout
	}
	return func(ctx context.Context, server Server, q *dns.Msg) (m *dns.Msg, total Timing, err error) {
		for n := range tries {
			try := q
			if last := n > 0 && n == tries-1; last && !c.KeepEDNS && !wantsDNSSEC(q) && !c.state(server).takesEDNS {
				try = withoutEDNS(q)
			}
			var t Timing
			m, t, err = c.exchangeWithin(ctx, limit, server, try)
			t.Sent, t.Invalid = total.Sent+t.Sent, total.Invalid+t.Invalid
			if total = t; err == nil || ctx.Err() != nil || !errors.Is(err, ErrNoReply) {
				break
			}
		}
		return m, total, err
	}
}

func (c *Client) exchangeWithin(ctx context.Context, limit time.Duration, server Server, q *dns.Msg) (*dns.Msg, Timing, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return c.Exchange(ctx, server, q)
}

// learnCookie remembers the server cookie in m. That it belongs to our client
// cookie was checked before.
func (c *Client) learnCookie(server Server, m *dns.Msg) {
	got := cookieOf(m)
	if len(got) <= clientCookieLen {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.stateLocked(server); s.clientCookie == got[:clientCookieLen] {
		s.serverCookie = got[clientCookieLen:]
	}
}

// dial makes a connection to server.
func (c *Client) dial(ctx context.Context, network string, server Server) (net.Conn, error) {
	if c.Dial != nil {
		return c.Dial(ctx, network, server.address())
	}
	var d net.Dialer
	return d.DialContext(ctx, network, server.address())
}
