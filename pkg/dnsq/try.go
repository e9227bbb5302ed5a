package dnsq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// A QueryError reports that no server gave a valid reply. It wraps the failure
// that says most.
type QueryError struct {
	Name     string
	Type     string
	Tries    int
	Failures []error // the last one of each server asked, each a *[ServerFailedError] unless made elsewhere
	main     error
}

func (e *QueryError) Error() string {
	s := fmt.Sprintf("%s %s: %v", e.Name, e.Type, e.main)
	switch n := len(e.Failures) - 1; {
	case n > 0:
		s += fmt.Sprintf(" (and %d more servers failed, %d tries in all)", n, e.Tries)
	case e.Tries > 1:
		s += fmt.Sprintf(" (%d tries)", e.Tries)
	}
	return s
}

// Unwrap returns the failure that says most.
func (e *QueryError) Unwrap() error { return e.main }

// A reply is a valid reply and where it came from.
type reply struct {
	msg     *dns.Msg
	server  Server
	timing  Timing
	stored  time.Time // when it was received
	expires time.Time // zero when it must not be kept
	cached  bool

	failures []error // of servers asked before, nil for those without
}

// An attempt is the state of asking one question round the list of servers.
type attempt struct {
	r        *Resolver
	settings *settings
	q        *dns.Msg
	servers  []Server
	failures []error // the last one of each server, nil while it has none
	out      []bool  // servers that need not be asked again
	soft     *reply  // the first reply that is no answer: SERVFAIL, REFUSED, a referral ...
	tries    int
}

// ask sends q to the servers in turn, repeat times in all, until one gives an
// answer. One that says NXDOMAIN or NODATA has given it. A server that answers
// with a failure, or cannot be reached, is passed over from then on.
func (r *Resolver) ask(ctx context.Context, q *dns.Msg, servers []Server, o Options) (*reply, error) {
	if len(servers) == 0 {
		return nil, ErrNoServer
	}
	a := &attempt{r: r, settings: r.settings(), q: q, servers: servers, failures: make([]error, len(servers)), out: make([]bool, len(servers))}
	first := 0
	if a.settings.rotate {
		first = int(r.next.Add(1)-1) % len(servers)
	}
	repeat := a.settings.repeat(o, len(servers))
	for i := 0; a.tries < repeat && !a.over(); i++ {
		n := (first + i) % len(servers)
		if a.out[n] {
			continue
		}
		// Some servers and firewalls drop queries with an OPT record: of a silent
		// list every other try from the third on, and the last, does without.
		a.tries++
		plain := repeat > 1 && (a.tries == repeat || a.tries > 2 && a.tries%2 == 1) && a.silent()
		if rep, err := a.try(ctx, n, plain, o); rep != nil || err != nil {
			return rep, err
		}
	}
	if a.soft != nil {
		return a.soft, nil
	}
	return nil, a.err()
}

// try asks the server n once. Both results are nil when the next one is to be tried.
func (a *attempt) try(ctx context.Context, n int, plain bool, o Options) (*reply, error) {
	srv, q := a.servers[n], a.q
	if plain && !a.settings.header.DO {
		q = withoutEDNS(q)
	}
	tryCtx, cancel := context.WithTimeout(ctx, a.settings.timeout(o))
	defer cancel()
	m, timing, err := a.r.cfg.Exchange(tryCtx, srv, q)
	a.r.count(srv, timing)
	if err != nil {
		a.failures[n] = err
		a.out[n] = !retryable(err)
		return nil, a.ended(ctx)
	}
	rep := &reply{msg: m, server: srv, timing: timing, stored: time.Now(), failures: a.failures}
	if !conclusive(m) {
		a.out[n] = true
		if a.soft == nil {
			a.soft = rep
		}
		return nil, a.ended(ctx)
	}
	return rep, nil
}

// ended is not nil when the caller has given up or has no time left.
func (a *attempt) ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Cause(ctx)
	}
	return a.err()
}

// over reports whether no server is left to ask.
func (a *attempt) over() bool {
	for _, out := range a.out {
		if !out {
			return false
		}
	}
	return true
}

// silent reports whether no server has sent anything so far.
func (a *attempt) silent() bool {
	if a.soft != nil {
		return false
	}
	for _, err := range a.failures {
		if err != nil && !errors.Is(err, ErrNoReply) {
			return false
		}
	}
	return true
}

// err is the failure of the whole: that of a server that sent only invalid
// replies before that of one with a reason of its own before silence.
func (a *attempt) err() error {
	e := &QueryError{Tries: a.tries}
	if len(a.q.Question) == 1 {
		e.Name, e.Type = a.q.Question[0].Name, TypeName(a.q.Question[0].Qtype)
	}
	rank := -1
	for _, err := range a.failures {
		if err == nil {
			continue
		}
		e.Failures = append(e.Failures, err)
		if r := failureRank(err); r > rank {
			e.main, rank = err, r
		}
	}
	if e.main == nil {
		e.main = ErrNoReply
	}
	return e
}

func failureRank(err error) int {
	switch {
	case errors.Is(err, ErrInvalidReply):
		return 2
	case errors.Is(err, ErrNoReply):
		return 0
	}
	return 1
}

// retryable tells the failures that may pass: silence, forged replies and
// connections that broke.
func retryable(err error) bool {
	return errors.Is(err, ErrNoReply) || errors.Is(err, ErrInvalidReply) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// conclusive reports whether m settles its question. A server that answers with
// a referral although it was asked to recurse does not serve us: it is lame.
func conclusive(m *dns.Msg) bool {
	switch m.Rcode {
	case dns.RcodeNameError:
		return true
	case dns.RcodeSuccess:
		return !m.RecursionDesired || !isReferral(m)
	}
	return false
}

// isReferral tells a reply that only names other servers (RFC 2308 section 2.2):
// no answer, no SOA record, neither authoritative nor recursive.
func isReferral(m *dns.Msg) bool {
	if m.Rcode != dns.RcodeSuccess || len(m.Answer) > 0 || m.Authoritative || m.RecursionAvailable || soaOf(m) != nil {
		return false
	}
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeNS {
			return true
		}
	}
	return false
}
