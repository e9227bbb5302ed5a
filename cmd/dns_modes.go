package cmd

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"github.com/brio-net/brio/pkg/dnsq"
)

// dnsModes are the flags that make dns-query do something else with its
// questions than ask them once.
type dnsModes struct {
	validate      bool
	anchor        string
	validAt       string
	requireSecure bool
	noSHA1        bool

	trace     bool
	rootHints string

	axfr bool
	ixfr string

	compare       bool
	expect        []string
	until         time.Duration
	interval      time.Duration
	authoritative bool

	bulk dnsBulkFlags

	client *dnsq.Client // of the run
}

// addModeFlags defines the flags of all modes on c.
func (o *dnsOptions) addModeFlags(c *cobra.Command) {
	m := &o.modes
	flagGroup(c, "DNSSEC validation", m.validateFlags)
	flagGroup(c, "Trace", m.traceFlags)
	flagGroup(c, "Zone transfer", m.transferFlags)
	flagGroup(c, "Several servers and expectations", m.compareFlags)
	flagGroup(c, "Many names", m.bulk.flags)
}

// check refuses modes that exclude each other, and flags of a mode that is not on.
func (m *dnsModes) check() error {
	var on []string
	for _, mode := range []struct {
		on   bool
		name string
	}{
		{m.validate, "--validate"}, {m.trace, "--trace"}, {m.axfr, "--axfr"}, {m.ixfr != "", "--ixfr"},
		{m.compare, "--compare"}, {len(m.expect) > 0, "--expect"}, {len(m.bulk.files) > 0, "--file"},
	} {
		if mode.on {
			on = append(on, mode.name)
		}
	}
	if len(on) > 1 {
		return usagef("%s exclude each other", strings.Join(on, " and "))
	}
	for _, dep := range []struct {
		set  bool
		flag string
		on   bool
		need string
	}{
		{m.anchor != "", "--anchor", m.validate, "--validate"},
		{m.validAt != "", "--at", m.validate, "--validate"},
		{m.requireSecure, "--require-secure", m.validate, "--validate"},
		{m.noSHA1, "--no-sha1", m.validate, "--validate"},
		{m.rootHints != "", "--root-hints", m.trace, "--trace"},
		{m.until != 0, "--until", len(m.expect) > 0, "--expect"},
		{m.interval != 0, "--interval", len(m.expect) > 0, "--expect"},
		{m.authoritative, "--authoritative", m.compare || len(m.expect) > 0, "--compare or --expect"},
		{m.bulk.resume != "", "--resume", len(m.bulk.files) > 0, "--file"},
	} {
		if dep.set && !dep.on {
			return usagef("%s has no meaning without %s", dep.flag, dep.need)
		}
	}
	return nil
}

// dnsModeResults are the JSON objects of the modes.
func dnsModeResults() []any {
	return []any{dnsq.Validation{}, dnsq.TraceResult{}, dnsq.Comparison{}, dnsq.AwaitResult{}, dnsTransferRecord{}, dnsq.TransferResult{}}
}

// A dnsAsker asks one question in a mode and prints its result.
type dnsAsker func(ctx context.Context, e *env, r *dnsq.Resolver, plan *dnsPlan, q dnsQuestion) error

// asker is the mode for q; nil means that the question is simply asked.
func (o *dnsOptions) asker(q dnsQuestion) dnsAsker {
	switch m := &o.modes; {
	case m.axfr, m.ixfr != "", q.qtype == dns.TypeAXFR, q.qtype == dns.TypeIXFR:
		return o.askTransfer
	case m.validate:
		return o.askValidate
	case m.trace:
		return o.askTrace
	case m.compare:
		return o.askCompare
	case len(m.expect) > 0:
		return o.askExpect
	}
	return nil
}

// exchange sends a question as often as --repeat says (twice by default), each
// time with the bound of --try-timeout.
func (o *dnsOptions) exchange(ctx context.Context, srv dnsq.Server, q *dns.Msg) (*dns.Msg, dnsq.Timing, error) {
	return o.modes.client.Retry(o.repeat, o.tryTimeout)(ctx, srv, q)
}

// modeFailed is the failure of a question in a mode. What the library says about
// the way there is kept; the reply of a single server is told as always.
func modeFailed(q dnsQuestion, err error) *failure {
	if _, ok := err.(*dnsq.ReplyError); ok || errors.Is(err, dnsq.ErrNoServer) {
		return dnsFailed(q, err)
	}
	return &failure{op: "query", target: q.String(), err: err}
}

// openFile opens a file that a flag names.
func openFile(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, at(name, localIO(err))
	}
	return f, nil
}
