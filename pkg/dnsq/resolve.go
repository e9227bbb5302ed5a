package dnsq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Options are the choices of one query. The zero Options ask for addresses (A)
// of the name as it is, through the cache, and decode the answer.
type Options struct {
	Type        uint16        // zero means A
	Nameservers []Server      // asked in place of those of the resolver; then the cache is not used
	Repeat      int           // tries in all; zero means what resolv.conf says, or 5
	Timeout     time.Duration // of one try; zero means what resolv.conf says, or 5 seconds
	NoQueue     bool          // ask always: use no cache, join no question under way
	Raw         bool          // do not decode the answer; then the cache is not used. Type ANY demands it
	Search      SearchMode    // how a name that is not absolute is completed
	IgnoreCache bool          // ask although the cache has an answer; the new one is kept
	Follow      bool          // ask for the target of an alias the reply does not resolve
}

// queued reports whether a query uses the cache and joins questions under way.
// Name servers given, or an answer that is not decoded, always mean a question
// of its own.
func (o Options) queued() bool {
	return !o.NoQueue && len(o.Nameservers) == 0 && !o.Raw
}

// qtype is the type asked for.
func (o Options) qtype() uint16 {
	if o.Type == 0 {
		return dns.TypeA
	}
	return o.Type
}

// Query asks for the records of a type at name, which is in presentation form.
// For PTR it may be an address in any form [ParseAddr] knows.
//
// A reply that says that there is no such name, no such record, or that the
// server failed is no error of Query: see [Answer.Err]. Errors wrap
// [ErrNoServer], [ErrNoReply], [ErrInvalidReply], [ErrUsage], or the cause the
// system gave; a *[QueryError] has the failure of each server, a *[NameError]
// says that name cannot be asked for.
func (r *Resolver) Query(ctx context.Context, name string, o Options) (*Answer, error) {
	if o.qtype() == dns.TypeANY && !o.Raw {
		return nil, fmt.Errorf("%w: records of type ANY cannot be decoded", ErrUsage)
	}
	if addr, ok := ParseAddr(name); ok && o.qtype() == dns.TypePTR {
		return r.query(ctx, ReverseName(addr), o, nil)
	}
	names, err := r.candidates(name, o.Search)
	if err != nil {
		return nil, err
	}
	return r.searchNames(ctx, names, o)
}

// query asks for one absolute name; tried are the names asked before.
func (r *Resolver) query(ctx context.Context, name string, o Options, tried []string) (*Answer, error) {
	rep, err := r.resolve(ctx, NewQuery(name, o.qtype(), r.settings().header), o)
	if err != nil {
		return nil, err
	}
	if o.Follow {
		if rep, err = r.follow(ctx, rep, o); err != nil {
			return nil, err
		}
	}
	return newAnswer(rep, o, append(tried, name)), nil
}

// resolve asks q through the cache or directly.
func (r *Resolver) resolve(ctx context.Context, q *dns.Msg, o Options) (*reply, error) {
	var rep *reply
	var err error
	switch {
	case len(o.Nameservers) > 0:
		rep, err = r.ask(ctx, q, o.Nameservers, o)
	case o.queued():
		rep, err = r.askQueued(ctx, q, o)
	default:
		rep, err = r.ask(ctx, q, r.settings().servers, o)
	}
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrNoReply) {
		err = &QueryError{Name: q.Question[0].Name, Type: TypeName(q.Question[0].Qtype), main: ErrNoReply}
	}
	if rep != nil && len(rep.msg.Question) != 1 {
		rep.msg.Question = q.Question // a server that could not read the question left it out
	}
	return rep, err
}

// follow asks for the target of the aliases in rep until the reply holds a
// record of the type asked for: an authoritative server follows aliases in its
// own zones only.
func (r *Resolver) follow(ctx context.Context, rep *reply, o Options) (*reply, error) {
	q := rep.msg.Question[0]
	for range maxAliases {
		c := answerChain(rep.msg)
		if rep.msg.Rcode != dns.RcodeSuccess || len(c.records) > 0 || len(c.aliases) == 0 || c.loop {
			return rep, nil
		}
		next, err := r.resolve(ctx, NewQuery(c.target, q.Qtype, r.settings().header), o)
		if err != nil {
			return nil, err
		}
		joined := next.msg.Copy()
		joined.Question[0].Name = q.Name
		joined.Answer = append(dnsCopy(rep.msg.Answer), joined.Answer...)
		own := *next
		own.msg, own.expires = joined, time.Time{}
		rep = &own
	}
	return rep, nil
}

// dnsCopy copies a list of records.
func dnsCopy(rrs []dns.RR) []dns.RR { return append([]dns.RR(nil), rrs...) }

// A SearchMode says how names that are not absolute are completed.
type SearchMode int

const (
	// NoSearch asks for the name as it is.
	NoSearch SearchMode = iota

	// SearchDocumented asks for the name itself first when it has a dot inside,
	// then for the name followed by the domain and each entry of the search list.
	// A name without dot is never asked for by itself. Only NXDOMAIN moves on to
	// the next name.
	SearchDocumented

	// SearchNdots is the rule of resolv.conf(5): a name with at least ndots dots
	// is asked for by itself first, another last. NXDOMAIN and NODATA both move
	// on to the next name.
	SearchNdots
)

// candidates are the absolute names to ask for. Names that would be too long
// are left out, as long as one remains.
func (r *Resolver) candidates(name string, mode SearchMode) ([]string, error) {
	abs, err := AbsoluteName(name)
	if err != nil {
		return nil, err
	}
	dots := inner(name)
	if mode == NoSearch || abs == name {
		return []string{abs}, nil
	}
	var completed []string
	known := r.settings().names()
	for _, domain := range searchList(known.domain, known.search) {
		if c, err := AbsoluteName(name + "." + domain); err == nil {
			completed = append(completed, c)
		}
	}
	switch {
	case mode == SearchNdots && dots < known.ndots:
		return append(completed, abs), nil
	case mode == SearchNdots || dots > 0:
		return append([]string{abs}, completed...), nil
	case len(completed) == 0:
		return nil, fmt.Errorf("%w: the name has no dot and the search list is empty", ErrNotFound)
	}
	return completed, nil
}

// searchList is the domain followed by the search list, without repetition.
func searchList(domain string, search []string) []string {
	if domain == "" {
		return search
	}
	return searchDomains(append([]string{domain}, search...))
}

// inner is the number of dots in name that separate labels.
func inner(name string) int {
	return max(len(dns.SplitDomainName(name))-1, 0)
}

// searchNames asks for the names in turn. A failure leaves open whether its name
// exists: it is remembered, and reported rather than a negative answer for
// another name.
func (r *Resolver) searchNames(ctx context.Context, names []string, o Options) (*Answer, error) {
	var soft, negative outcome
	tried := []string{}
	for _, name := range names {
		a, err := r.query(ctx, name, o, append([]string(nil), tried...))
		tried = append(tried, name)
		got := outcome{a, err}
		switch got.kind(o.Search) {
		case settled:
			return a, err
		case movesOn:
			negative = negative.better(got)
		case leftOpen:
			soft = soft.or(got)
		}
		if ctx.Err() != nil {
			return nil, err
		}
	}
	if soft != (outcome{}) {
		return soft.result(tried)
	}
	return negative.result(tried)
}

// An outcome is the result of asking for one name of a search.
type outcome struct {
	answer *Answer
	err    error
}

// What an outcome means for the search.
const (
	settled  = iota // it ends the search
	movesOn         // the next name is tried
	leftOpen        // the next name is tried, and the outcome is remembered
)

func (g outcome) kind(mode SearchMode) int {
	var bad *NameError
	switch {
	case errors.As(g.err, &bad), errors.Is(g.err, ErrUsage), errors.Is(g.err, ErrNoServer):
		return settled
	case g.err != nil, errors.Is(g.answer.Err(), ErrServerFailure):
		return leftOpen
	case g.answer.Response.Rcode == "NXDOMAIN":
		return movesOn
	case mode == SearchNdots && g.answer.Err() != nil:
		return movesOn
	}
	return settled
}

// or is g, or other when g is empty.
func (g outcome) or(other outcome) outcome {
	if g == (outcome{}) {
		return other
	}
	return g
}

// better is the negative answer that says more: a name without the record
// before a name that does not exist, else the later one.
func (g outcome) better(other outcome) outcome {
	if g.answer != nil && g.answer.Response.Rcode == "NOERROR" {
		return g
	}
	return other
}

// result is the outcome as the result of a query that asked for all of tried.
func (g outcome) result(tried []string) (*Answer, error) {
	if g.answer != nil {
		g.answer.Tried = tried
	}
	return g.answer, g.err
}

// isDotted reports whether name has a dot, the final one included.
func isDotted(name string) bool { return strings.Contains(name, ".") }
