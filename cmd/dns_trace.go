package cmd

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/dnsq"
)

func (m *dnsModes) traceFlags(f *pflag.FlagSet) {
	f.BoolVar(&m.trace, "trace", false, "ask from the root servers down, and show each step")
	f.StringVar(&m.rootHints, "root-hints", "", "begin at the servers in `FILE` (NS, A and AAAA records) in place of the root servers built in")
}

// askTrace traces one question.
func (o *dnsOptions) askTrace(ctx context.Context, e *env, _ *dnsq.Resolver, plan *dnsPlan, q dnsQuestion) error {
	if len(plan.servers) > 0 {
		return usagef("--trace asks the root servers first").hint("to begin elsewhere: --root-hints FILE")
	}
	cfg, err := o.traceConfig(plan)
	if err != nil {
		return err
	}
	var each func(dnsq.TraceStep) error
	if e.format == "text" {
		each = func(s dnsq.TraceStep) error { return writeTraceStep(e.out, s) }
	}
	res, err := dnsq.Trace(ctx, q.name, q.qtype, cfg, each)
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		err = modeFailed(q, err)
	}
	return firstError(emitFailed(e, res, err, pick(e, e.writeTraceAnswers, writeTraceShort)), err)
}

func (o *dnsOptions) traceConfig(plan *dnsPlan) (dnsq.TraceConfig, error) {
	cfg := dnsq.TraceConfig{Exchange: o.exchange, Port: o.port, Transport: dnsq.Transport(o.transport)}
	if o.tcp {
		cfg.Transport = dnsq.TCP
	}
	var err error
	if cfg.Header, err = o.header(plan.class); err != nil {
		return cfg, err
	}
	// The answer of a server that cannot be reached is not worth waiting for.
	cfg.NoIPv6 = !dnsq.Routable(netip.MustParseAddr("2001:500:2::c")) // c.root-servers.net
	if o.modes.rootHints == "" {
		return cfg, nil
	}
	f, err := openFile(o.modes.rootHints)
	if err != nil {
		return cfg, err
	}
	defer f.Close()
	if cfg.Hints, err = dnsq.ParseHints(f); err != nil {
		return cfg, &failure{err: err, status: statusUsage, kind: "bad-hints", target: o.modes.rootHints}
	}
	return cfg, nil
}

// writeTraceStep prints a step as a line: who was asked, how long it took, and
// where it leads.
func writeTraceStep(w io.Writer, s dnsq.TraceStep) error {
	what := s.Kind
	switch s.Kind {
	case dnsq.StepReferral:
		signed := ""
		if s.Signed {
			signed = ", signed"
		}
		what = fmt.Sprintf("referral to %s (%s; %d addresses%s)", s.Referral, strings.Join(s.Nameservers, " "), len(s.Glue), signed)
	case dnsq.StepAlias:
		what = "alias of " + s.Alias
	case dnsq.StepError:
		what = "error: " + s.Error
	case dnsq.StepLame:
		what = "lame (" + s.Rcode + ")"
	}
	_, err := fmt.Fprintf(w, ";; %d%s\t%s\t%s %s\t%s %s\t%.1f ms\t%s\n", s.Number, strings.Repeat(" >", s.Depth), safe(s.Zone),
		safe(s.ServerName), s.Server, safe(s.Question.Name), s.Question.Type, s.Timing.Total.Seconds()*1000, safe(what))
	return err
}

// writeTraceAnswers prints the records at the end of the way; the steps have
// been printed as they were done.
func (e *env) writeTraceAnswers(w io.Writer, r *dnsq.TraceResult) error {
	var rows [][]string
	for _, rr := range r.Answers {
		rows = append(rows, []string{rr.Name, fmt.Sprint(rr.TTL), rr.Type, rr.Data})
	}
	return e.table(w, rows)
}

func writeTraceShort(w io.Writer, r *dnsq.TraceResult) error {
	for _, rr := range r.Answers {
		if rr.Type != r.Type {
			continue
		}
		if _, err := fmt.Fprintln(w, safe(rr.Data)); err != nil {
			return err
		}
	}
	return nil
}
