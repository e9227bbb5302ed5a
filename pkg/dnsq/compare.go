package dnsq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// ErrDisagree is wrapped by the errors of comparisons whose servers do not all
// say the same.
var ErrDisagree = errors.New("the servers disagree")

// maxAsked bounds the servers asked at the same time.
const maxAsked = 32

// A ServerAnswer is what one of several servers says.
type ServerAnswer struct {
	Server   Server    `json:"server"`
	Name     string    `json:"server_name"` // "" when it was given by address
	Rcode    string    `json:"rcode"`       // "" without reply
	Records  []string  `json:"records"`     // "TYPE DATA" of aliases and answer: sorted, names in lower case, no TTL
	Answers  []RR      `json:"answers"`
	Flags    []string  `json:"flags"`
	EDE      []string  `json:"ede"`   // texts of the extended errors (RFC 8914)
	Group    int       `json:"group"` // servers of one group say the same; 0 is the largest, -1 without reply
	Timing   Timing    `json:"timing"`
	Error    string    `json:"error"` // why there was no valid reply
	Response *Response `json:"-"`     // nil without reply
	err      error
}

// A Comparison is what several servers say to one question.
type Comparison struct {
	Name    string         `json:"name"`
	Type    string         `json:"type"`
	Agree   bool           `json:"agree"`   // all replied, and said the same
	Groups  int            `json:"groups"`  // different answers
	Failed  int            `json:"failed"`  // servers without reply
	Servers []ServerAnswer `json:"servers"` // in the order asked
}

// Err is nil when all servers agree. When none of them gave a reply it is the
// error of the first, else it wraps [ErrDisagree].
func (c *Comparison) Err() error {
	switch {
	case c.Agree:
		return nil
	case c.Groups == 0 && len(c.Servers) > 0:
		return c.Servers[0].err
	case c.Groups > 1:
		return fmt.Errorf("%w: %d different answers", ErrDisagree, c.Groups)
	}
	return fmt.Errorf("%w: %d of %d gave no reply", ErrDisagree, c.Failed, len(c.Servers))
}

// Compare asks all servers the same question, at the same time, and compares
// rcode and records, whatever their order and TTL. A server's failure is part of
// the result.
func Compare(ctx context.Context, name string, qtype uint16, servers []Server, exchange ExchangeFunc, h Header) (*Comparison, error) {
	name, err := AbsoluteName(name)
	if err != nil {
		return nil, err
	}
	if len(servers) == 0 {
		return nil, ErrNoServer
	}
	c := &Comparison{Name: name, Type: TypeName(qtype), Servers: askAll(ctx, name, qtype, servers, exchange, h)}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c.group()
	return c, nil
}

// askAll asks servers, several at a time.
func askAll(ctx context.Context, name string, qtype uint16, servers []Server, exchange ExchangeFunc, h Header) []ServerAnswer {
	answers := make([]ServerAnswer, len(servers))
	slots := make(chan struct{}, maxAsked)
	var wg sync.WaitGroup
	for i, srv := range servers {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			answers[i] = askOne(ctx, name, qtype, srv, exchange, h)
		})
	}
	wg.Wait()
	return answers
}

func askOne(ctx context.Context, name string, qtype uint16, srv Server, exchange ExchangeFunc, h Header) ServerAnswer {
	m, t, err := exchange(ctx, srv, NewQuery(name, qtype, h))
	if err == nil && m.Truncated {
		err = &ServerFailedError{srv, ErrTruncated} // a part cannot be compared
	}
	a := ServerAnswer{Server: srv, Name: srv.ServerName, Records: []string{}, Answers: []RR{}, Flags: []string{}, EDE: []string{}, Group: -1, Timing: t}
	if err != nil {
		a.err, a.Error = err, err.Error()
		return a
	}
	a.Response = NewResponse(m, srv, t)
	a.Rcode, a.Flags, a.EDE = a.Response.Rcode, ShortFlags(a.Response.FlagsValue), a.Response.EDE
	if len(m.Question) == 1 && (m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError) {
		c := answerChain(m)
		if m.Rcode != dns.RcodeSuccess {
			c.records = nil // records beside NXDOMAIN are no answer
		}
		a.Answers = NewRRs(append(slices.Clone(c.aliases), c.records...))
	}
	for _, rr := range a.Answers {
		a.Records = append(a.Records, rr.Type+" "+comparableData(rr))
	}
	slices.Sort(a.Records)
	a.Records = slices.Compact(a.Records)
	return a
}

// comparableData is the data of rr in the form in which equal data are equal text:
// the case of letters in names does not count (RFC 4343).
func comparableData(rr RR) string {
	switch rr.TypeCode {
	case dns.TypeCNAME, dns.TypeDNAME, dns.TypeNS, dns.TypePTR, dns.TypeMX, dns.TypeSRV, dns.TypeSOA, dns.TypeNSEC:
		return strings.ToLower(rr.Data)
	}
	return rr.Data
}

// group numbers the different answers, the one most servers give first.
func (c *Comparison) group() {
	count := map[string]int{}
	var kinds []string
	key := func(a *ServerAnswer) string { return a.Rcode + "\n" + strings.Join(a.Records, "\n") }
	for i := range c.Servers {
		if c.Servers[i].err != nil {
			c.Failed++
			continue
		}
		k := key(&c.Servers[i])
		if count[k]++; count[k] == 1 {
			kinds = append(kinds, k)
		}
	}
	slices.SortStableFunc(kinds, func(a, b string) int { return count[b] - count[a] })
	for i := range c.Servers {
		if a := &c.Servers[i]; a.err == nil {
			a.Group = slices.Index(kinds, key(a))
		}
	}
	c.Groups = len(kinds)
	c.Agree = c.Groups == 1 && c.Failed == 0
}

// ZoneServers finds the zone that name belongs to and its name servers: all
// addresses of all of them that this machine has a route to. fetch asks a
// resolver; see [NewFetch].
func ZoneServers(ctx context.Context, name string, fetch FetchFunc) (zone string, servers []Server, err error) {
	name, err = AbsoluteName(name)
	if err != nil {
		return "", nil, err
	}
	for zone = dns.CanonicalName(name); ; zone = parentOf(zone) {
		m, err := fetch(ctx, zone, dns.TypeNS)
		if err != nil {
			return zone, nil, fmt.Errorf("servers of %s: %w", zone, err)
		}
		if ns := recordsAt(m.Answer, zone, dns.TypeNS, dns.ClassINET); len(ns) > 0 {
			servers, err = serverAddresses(ctx, ns, m.Extra, fetch)
			return zone, servers, err
		}
		if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
			return zone, nil, fmt.Errorf("servers of %s: %w", zone, &ReplyError{Name: zone, Type: "NS", Rcode: RcodeName(m.Rcode), EDE: extendedErrors(m)})
		}
		if zone == "." {
			return zone, nil, fmt.Errorf("no zone found above %s: %w", name, ErrNotFound)
		}
	}
}

// serverAddresses looks up the addresses of the servers ns.
func serverAddresses(ctx context.Context, ns, glue []dns.RR, fetch FetchFunc) ([]Server, error) {
	var servers []Server
	failure := error(ErrNoServer)
	for _, s := range delegationFrom(".", ns, glue, ".").Servers {
		addrs := []netip.Addr{}
		for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
			m, err := fetch(ctx, s.Name, t)
			if err != nil {
				failure = err
				continue
			}
			for _, rr := range answerChain(m).records {
				addrs = append(addrs, hostAddrs([]dns.RR{rr}, rr.Header().Name)...)
			}
		}
		for _, a := range addrs {
			if Routable(a) {
				servers = append(servers, Server{Host: a.String(), Addr: a, ServerName: strings.TrimSuffix(s.Name, ".")})
			}
		}
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("no address of a server: %w", failure)
	}
	return servers, nil
}

// Routable reports whether this machine has a route to a. Nothing is sent: a UDP
// socket that can be connected says so.
func Routable(a netip.Addr) bool {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 53)))
	if err != nil {
		return false
	}
	_ = c.Close() // nothing was sent
	return true
}
