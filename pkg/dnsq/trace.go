package dnsq

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Limits of a trace, whatever the servers answer.
const (
	maxNameServers = 16 // of a zone that are considered
	maxTraceDepth  = 6  // look-ups of server addresses inside one another
)

// A TraceConfig says how [Trace] goes. The zero value begins at the root servers
// built in.
type TraceConfig struct {
	// Hints are the servers to begin with. The zero Delegation means [RootHints].
	Hints Delegation

	// Exchange sends a question. Nil means that of a [Client] with the zero
	// configuration.
	Exchange ExchangeFunc

	// Header says how questions are asked; recursion is never asked for.
	Header Header

	// Transport is how servers are asked. Empty means UDP.
	Transport Transport

	// Port is the port of all servers. Zero means the usual one.
	Port uint16

	// NoIPv4 and NoIPv6 leave out the servers' addresses of that kind.
	NoIPv4, NoIPv6 bool

	// MaxSteps bounds the questions. Zero means 128.
	MaxSteps int
}

// The kinds of replies on the way.
const (
	StepReferral = "referral" // to the servers of a zone below
	StepAnswer   = "answer"
	StepAlias    = "alias"
	StepNoData   = "nodata"
	StepNXDomain = "nxdomain"
	StepLame     = "lame"  // the server does not serve the zone it was asked about
	StepError    = "error" // no valid reply
)

// A TraceStep is one question on the way and what came of it.
type TraceStep struct {
	Number      int       `json:"step"`  // from 1
	Depth       int       `json:"depth"` // 0 for the name asked for, more for addresses of servers
	Zone        string    `json:"zone"`  // the zone whose server was asked
	ServerName  string    `json:"server_name"`
	Server      Server    `json:"server"`
	Question    Question  `json:"question"`
	Kind        string    `json:"kind"`
	Rcode       string    `json:"rcode"` // "" without reply
	Flags       []string  `json:"flags"`
	EDE         []string  `json:"ede"`         // texts of the extended errors (RFC 8914)
	Referral    string    `json:"referral"`    // the zone referred to, "" when there is none
	Nameservers []string  `json:"nameservers"` // of that zone
	Glue        []string  `json:"glue"`        // their addresses in the reply: "NAME ADDRESS"
	Signed      bool      `json:"signed"`      // the referral has a DS record; only with the flag DO
	Alias       string    `json:"alias"`       // the name an alias leads to
	Answers     []RR      `json:"answers"`
	Timing      Timing    `json:"timing"`
	Error       string    `json:"error"` // why there was no valid reply
	Response    *Response `json:"-"`     // nil without reply
}

// A TraceResult is the way from the root to an answer.
type TraceResult struct {
	Name     string      `json:"name"`
	Type     string      `json:"type"`
	Rcode    string      `json:"rcode"` // of the last reply
	Zone     string      `json:"zone"`  // that gave it
	Steps    []TraceStep `json:"steps"`
	Answers  []RR        `json:"answers"` // aliases followed and records asked for
	negative bool
}

// Err is nil when there is an answer, else a *[ReplyError].
func (r *TraceResult) Err() error {
	if !r.negative {
		return nil
	}
	return &ReplyError{Name: r.Name, Type: r.Type, Rcode: r.Rcode}
}

// tracer is one run of [Trace].
type tracer struct {
	ctx   context.Context
	cfg   TraceConfig
	out   *TraceResult
	each  func(TraceStep) error
	zones map[string]Delegation
	busy  map[string]bool         // names of servers being looked up
	found map[string][]netip.Addr // their addresses
	ended error                   // why no more is asked, wherever the trace is: wraps errStop
}

// Trace asks for the records of type qtype at name the way a resolver does: from
// the root servers down, each time those that the reply refers to. Each step is
// given to each, when that is not nil, as it is done; an error of it ends the
// trace. The result is valid, up to where it got, even with an error. Errors wrap
// [ErrNoReply], [ErrServerFailure] or what went wrong last.
func Trace(ctx context.Context, name string, qtype uint16, cfg TraceConfig, each func(TraceStep) error) (*TraceResult, error) {
	out := &TraceResult{Name: name, Type: TypeName(qtype), Steps: []TraceStep{}, Answers: []RR{}}
	name, err := AbsoluteName(name)
	if err != nil {
		return out, err
	}
	out.Name = name
	if cfg.Hints.Zone == "" {
		cfg.Hints = RootHints()
	}
	if cfg.MaxSteps <= 0 {
		cfg.MaxSteps = 128
	}
	if cfg.Exchange == nil {
		c := new(Client)
		defer c.Close()
		cfg.Exchange = c.Exchange
	}
	cfg.Header.NoRecursion = true
	t := &tracer{ctx: ctx, cfg: cfg, out: out, each: each, busy: map[string]bool{},
		zones: map[string]Delegation{cfg.Hints.Zone: cfg.Hints}, found: map[string][]netip.Addr{}}
	answers, last, err := t.resolve(dns.CanonicalName(name), qtype, 0)
	out.Answers = NewRRs(answers)
	if last != nil {
		out.Rcode, out.Zone = last.Rcode, last.Zone
		out.negative = last.Kind == StepNXDomain || last.Kind == StepNoData
	}
	return out, err
}

// resolve follows referrals and aliases from the deepest zone known.
func (t *tracer) resolve(name string, qtype uint16, depth int) ([]dns.RR, *TraceStep, error) {
	var answers []dns.RR
	seen := map[string]bool{}
	for range maxAliases {
		if seen[name] {
			return answers, nil, fmt.Errorf("the aliases of %s go round in a circle", name)
		}
		seen[name] = true
		step, c, err := t.descend(name, qtype, depth)
		if err != nil {
			return answers, step, err
		}
		answers = append(append(answers, c.aliases...), c.records...)
		if step.Kind != StepAlias {
			return answers, step, nil
		}
		name = c.target
	}
	return answers, nil, fmt.Errorf("more than %d aliases", maxAliases)
}

// descend follows referrals until a reply is none.
func (t *tracer) descend(name string, qtype uint16, depth int) (*TraceStep, chain, error) {
	for {
		zone := t.closest(name, qtype)
		step, m, err := t.askZone(zone, name, qtype, depth)
		if err != nil {
			return step, chain{}, err
		}
		if step.Kind != StepReferral {
			return step, t.within(m, zone.Zone), nil
		}
	}
}

// within is what m says about its question, without what lies outside of zone,
// about which its servers have nothing to say.
func (t *tracer) within(m *dns.Msg, zone string) chain {
	var in []dns.RR
	for _, rr := range m.Answer {
		if dns.IsSubDomain(zone, dns.CanonicalName(rr.Header().Name)) {
			in = append(in, rr)
		}
	}
	c := *m
	c.Answer = in
	return answerChain(&c)
}

// closest is the deepest zone known at or above name. DS records are the
// parent's.
func (t *tracer) closest(name string, qtype uint16) Delegation {
	at := name
	if qtype == dns.TypeDS && name != "." {
		at = parentOf(name)
	}
	for {
		if d, ok := t.zones[at]; ok {
			return d
		}
		if at == "." {
			return t.cfg.Hints
		}
		at = parentOf(at)
	}
}

// askZone asks the servers of a zone in turn until one says something of use.
func (t *tracer) askZone(zone Delegation, name string, qtype uint16, depth int) (*TraceStep, *dns.Msg, error) {
	var last *TraceStep
	failure := fmt.Errorf("no server of the zone has a usable address: %w", ErrServerFailure)
	for _, glued := range []bool{true, false} { // servers whose address is known come first
		for _, ns := range zone.Servers {
			if glued != (len(ns.Addrs) > 0) {
				continue
			}
			for _, addr := range t.addresses(ns, depth) {
				step, m, err := t.ask(zone.Zone, ns.Name, addr, name, qtype, depth)
				if step != nil {
					last = step
				}
				if err == nil {
					return step, m, nil
				}
				failure = err
				if t.ctx.Err() != nil || errors.Is(err, errStop) {
					return last, nil, err
				}
			}
		}
	}
	if t.ended != nil { // in the look-up of an address
		return last, nil, t.ended
	}
	return last, nil, fmt.Errorf("zone %s: %w", zone.Zone, failure)
}

// addresses are the addresses of a server, looked up where they are not known.
func (t *tracer) addresses(ns NameServer, depth int) []netip.Addr {
	addrs := ns.Addrs
	if len(addrs) == 0 {
		addrs = t.lookup(ns.Name, depth)
	}
	var usable []netip.Addr
	for _, v4 := range []bool{true, false} {
		for _, a := range addrs {
			if a.Is4() == v4 && (v4 && !t.cfg.NoIPv4 || !v4 && !t.cfg.NoIPv6) {
				usable = append(usable, a)
			}
		}
	}
	return usable
}

// lookup finds the addresses of a server by a trace of its own. A server whose
// address only it could tell has none.
func (t *tracer) lookup(name string, depth int) []netip.Addr {
	if addrs, ok := t.found[name]; ok {
		return addrs
	}
	if t.busy[name] || depth >= maxTraceDepth {
		return nil
	}
	t.busy[name] = true
	defer delete(t.busy, name)
	var addrs []netip.Addr
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if qtype == dns.TypeA && t.cfg.NoIPv4 || qtype == dns.TypeAAAA && (t.cfg.NoIPv6 || len(addrs) > 0) {
			continue
		}
		rrs, _, err := t.resolve(name, qtype, depth+1)
		if err != nil {
			continue // the next server may do
		}
		for _, rr := range rrs {
			addrs = append(addrs, hostAddrs([]dns.RR{rr}, rr.Header().Name)...)
		}
	}
	t.found[name] = addrs
	return addrs
}

// errStop ends a trace.
var errStop = errors.New("trace ended")

// ask asks one server, and writes the step down. The error says why the reply is
// of no use.
func (t *tracer) ask(zone, nsName string, addr netip.Addr, name string, qtype uint16, depth int) (*TraceStep, *dns.Msg, error) {
	if len(t.out.Steps) >= t.cfg.MaxSteps && t.ended == nil {
		t.ended = fmt.Errorf("%w: more than %d questions", errStop, t.cfg.MaxSteps)
	}
	if t.ended != nil {
		return nil, nil, t.ended
	}
	srv := Server{Transport: t.cfg.Transport, Host: addr.String(), Addr: addr, Port: t.cfg.Port, ServerName: nsName}
	m, timing, err := t.cfg.Exchange(t.ctx, srv, NewQuery(name, qtype, t.cfg.Header))
	if t.ctx.Err() != nil {
		return nil, nil, fmt.Errorf("%w: %w", errStop, context.Cause(t.ctx))
	}
	step := TraceStep{Number: len(t.out.Steps) + 1, Depth: depth, Zone: zone, ServerName: nsName, Server: srv,
		Question: Question{name, TypeName(qtype), "IN"}, Timing: timing, Flags: []string{}, EDE: []string{}, Nameservers: []string{}, Glue: []string{}, Answers: []RR{}}
	if err != nil {
		step.Kind, step.Error = StepError, err.Error()
	} else {
		err = t.classify(&step, m, name, qtype)
	}
	t.out.Steps = append(t.out.Steps, step)
	if t.each != nil {
		if stop := t.each(step); stop != nil {
			t.ended = fmt.Errorf("%w: %w", errStop, stop)
			return &step, nil, t.ended
		}
	}
	return &step, m, err
}

// classify reads a reply. The error says why it is of no use.
func (t *tracer) classify(step *TraceStep, m *dns.Msg, name string, qtype uint16) error {
	step.Rcode = RcodeName(m.Rcode)
	step.Response = NewResponse(m, step.Server, step.Timing)
	step.Flags, step.EDE = ShortFlags(step.Response.FlagsValue), step.Response.EDE
	c := t.within(m, step.Zone)
	step.Answers = NewRRs(append(slices.Clone(c.aliases), c.records...))
	switch {
	case m.Rcode == dns.RcodeNameError:
		step.Kind = StepNXDomain
		return nil
	case m.Rcode != dns.RcodeSuccess:
		step.Kind = StepLame
		return &ReplyError{Name: name, Type: TypeName(qtype), Rcode: step.Rcode, EDE: step.EDE, Server: step.Server.String()}
	case c.loop:
		step.Kind = StepLame
		return fmt.Errorf("%s: the aliases go round in a circle", step.Server)
	case len(c.records) > 0:
		step.Kind = StepAnswer
		return nil
	case len(c.aliases) > 0:
		step.Kind, step.Alias = StepAlias, c.target
		return nil
	}
	return t.classifyEmpty(step, m, name, qtype)
}

// classifyEmpty reads a reply without answer: a referral, or that there is none.
func (t *tracer) classifyEmpty(step *TraceStep, m *dns.Msg, name string, qtype uint16) error {
	for _, rr := range m.Ns {
		owner := dns.CanonicalName(rr.Header().Name)
		switch rr.Header().Rrtype {
		case dns.TypeSOA:
			if dns.IsSubDomain(step.Zone, owner) && dns.IsSubDomain(owner, name) {
				step.Kind = StepNoData
				return nil
			}
		case dns.TypeNS:
			atChild := qtype == dns.TypeDS && owner == name // who serves the parent has to answer
			if strictlyBelow(owner, step.Zone) && dns.IsSubDomain(owner, name) && !atChild {
				t.refer(step, m, owner)
				return nil
			}
		}
	}
	if m.Authoritative {
		step.Kind = StepNoData
		return nil
	}
	step.Kind = StepLame
	return fmt.Errorf("%s does not serve the zone %s: %w", step.Server, step.Zone, ErrServerFailure)
}

// refer takes up the referral to zone in m.
func (t *tracer) refer(step *TraceStep, m *dns.Msg, zone string) {
	d := delegationFrom(zone, recordsAt(m.Ns, zone, dns.TypeNS, dns.ClassINET), m.Extra, step.Zone)
	t.zones[zone] = d
	step.Kind, step.Referral = StepReferral, zone
	for _, ns := range d.Servers {
		step.Nameservers = append(step.Nameservers, ns.Name)
		for _, a := range ns.Addrs {
			step.Glue = append(step.Glue, strings.TrimSuffix(ns.Name, ".")+" "+a.String())
		}
	}
	step.Signed = len(recordsAt(m.Ns, zone, dns.TypeDS, dns.ClassINET)) > 0
}
