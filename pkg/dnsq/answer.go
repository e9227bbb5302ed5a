package dnsq

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// An Answer is what a query found out.
type Answer struct {
	Name string `json:"name"` // the name that was answered: of a search, the last one asked
	Type string `json:"type"`

	// Primary is the first record of the type asked for, decoded: a [netip.Addr]
	// for A and AAAA, a string for NS, CNAME, PTR and DNAME, [MX], [SRV], [TXT],
	// [Rdata] for every other type. Nil when there is none, for raw queries, and
	// when the reply is truncated or says something else than NOERROR.
	Primary any `json:"answer"`

	// Valid is for how many more seconds the answer holds, a negative answer
	// too. It is less than zero for an answer past its time that the cache gave
	// out. Nil means that nothing says so: the answer is not kept.
	Valid *int64 `json:"valid"`

	Others []any    `json:"others"` // the other records, decoded as the first
	Flags  []string `json:"flags"`  // of the reply: see [FlagKeywords]

	Aliases  []string  `json:"aliases"` // targets of the CNAME records followed
	Cached   bool      `json:"cached"`  // the answer came from the cache
	Tried    []string  `json:"tried"`   // the names asked, in order
	Response *Response `json:"response"`

	// Failures are those of the servers asked in vain before the one that
	// answered, the last one of each: see [QueryError].
	Failures []error `json:"-"`
}

// Err is nil when there is an answer, else a *[ReplyError] that says what the
// reply says instead.
func (a *Answer) Err() error { return a.Response.Err() }

// Records are the records that answer the question: those of the type asked for
// at the end of the aliases. Raw queries have them too.
func (a *Answer) Records() []RR { return NewRRs(answerChain(a.Response.msg).records) }

// Chain is the aliases followed by [Answer.Records]: the part of the answer
// section that belongs to the question.
func (a *Answer) Chain() []RR {
	c := answerChain(a.Response.msg)
	return NewRRs(append(c.aliases, c.records...))
}

// An MX is a mail exchanger.
type MX struct {
	Host       string      `json:"host"`
	Address    *netip.Addr `json:"address"` // nil when the reply does not say
	Preference uint16      `json:"preference"`
}

// An SRV is where a service is offered (RFC 2782).
type SRV struct {
	Priority  uint16       `json:"priority"`
	Weight    uint16       `json:"weight"`
	Port      uint16       `json:"port"`
	Target    string       `json:"target"`
	Addresses []netip.Addr `json:"addresses"` // those the reply says; never nil
}

// A TXT is the list of strings of one TXT record. They may hold any octets.
type TXT []string

// MarshalJSON writes the strings, octets that are not UTF-8 as \DDD.
func (t TXT) MarshalJSON() ([]byte, error) {
	strs := make([]string, len(t))
	for i, s := range t {
		strs[i] = strings.ToValidUTF8(s, "")
		if strs[i] != s {
			strs[i] = escapeText(s)
		}
	}
	return json.Marshal(strs)
}

// newAnswer decodes rep, unless the query is raw.
func newAnswer(rep *reply, o Options, tried []string) *Answer {
	resp := NewResponse(rep.msg, rep.server, rep.timing)
	q := rep.msg.Question[0]
	a := &Answer{Name: nameText(q.Name), Type: TypeName(q.Qtype), Valid: rep.valid(), Others: []any{},
		Flags: resp.Flags, Aliases: []string{}, Cached: rep.cached, Tried: tried, Response: resp}
	for _, err := range rep.failures {
		if err != nil {
			a.Failures = append(a.Failures, err)
		}
	}
	if o.Raw {
		return a
	}
	chain := answerChain(rep.msg)
	for _, alias := range chain.aliases {
		a.Aliases = append(a.Aliases, alias.(*dns.CNAME).Target)
	}
	if resp.Err() != nil {
		return a // records in such a reply are no answer
	}
	if values := decode(chain.records, rep.msg.Extra); len(values) > 0 {
		a.Primary, a.Others = values[0], append(a.Others, values[1:]...)
	}
	return a
}

// valid is for how many seconds the reply holds, rounded down: counted from now
// when it comes from the cache, from its receipt when it is new.
func (rep *reply) valid() *int64 {
	now := rep.stored
	if rep.cached {
		now = time.Now()
	}
	expires := rep.expires
	if expires.IsZero() {
		ttl, ok := timeToLive(rep.msg)
		if !ok {
			return nil
		}
		expires = rep.stored.Add(ttl)
	}
	left := expires.Sub(now)
	n := int64(left / time.Second)
	if left < 0 && left%time.Second != 0 {
		n--
	}
	return &n
}

// decode turns records of one type into values, mail exchangers and services
// sorted by how much they are preferred.
func decode(rrs, extra []dns.RR) []any {
	rrs = slices.Clone(rrs)
	slices.SortStableFunc(rrs, preferred)
	values := make([]any, 0, len(rrs))
	for _, rr := range rrs {
		values = append(values, decodeRR(rr, extra))
	}
	return values
}

// preferred compares records that carry a preference.
func preferred(a, b dns.RR) int {
	switch a := a.(type) {
	case *dns.MX:
		if b, ok := b.(*dns.MX); ok {
			return cmp.Compare(a.Preference, b.Preference)
		}
	case *dns.SRV:
		if b, ok := b.(*dns.SRV); ok {
			return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.Weight, a.Weight))
		}
	}
	return 0
}

// decodeRR is the value of one record. Addresses of hosts it names are looked
// for in the additional section extra.
func decodeRR(rr dns.RR, extra []dns.RR) any {
	switch rr := rr.(type) {
	case *dns.A:
		addr, _ := netip.AddrFromSlice(rr.A)
		return addr.Unmap()
	case *dns.AAAA:
		addr, _ := netip.AddrFromSlice(rr.AAAA)
		return addr
	case *dns.NS:
		return rr.Ns
	case *dns.CNAME:
		return rr.Target
	case *dns.PTR:
		return rr.Ptr
	case *dns.DNAME:
		return rr.Target
	case *dns.MX:
		mx := MX{Host: rr.Mx, Preference: rr.Preference}
		if addrs := addressesOf(rr.Mx, extra); len(addrs) > 0 {
			mx.Address = &addrs[0]
		}
		return mx
	case *dns.SRV:
		return SRV{rr.Priority, rr.Weight, rr.Port, rr.Target, addressesOf(rr.Target, extra)}
	case *dns.TXT:
		t := TXT{}
		for _, s := range rr.Txt {
			t = append(t, Unescape(s))
		}
		return t
	}
	return rdataOf(rr)
}

// addressesOf are the addresses of host among rrs.
func addressesOf(host string, rrs []dns.RR) []netip.Addr {
	addrs := []netip.Addr{}
	for _, rr := range rrs {
		if !strings.EqualFold(rr.Header().Name, host) {
			continue
		}
		if addr, ok := addrOf(rr); ok {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// addrOf is the address in an A or AAAA record.
func addrOf(rr dns.RR) (netip.Addr, bool) {
	switch rr := rr.(type) {
	case *dns.A:
		addr, ok := netip.AddrFromSlice(rr.A)
		return addr.Unmap(), ok
	case *dns.AAAA:
		return netip.AddrFromSlice(rr.AAAA)
	}
	return netip.Addr{}, false
}
