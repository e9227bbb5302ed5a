package cmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/dnsq"
)

func (m *dnsModes) compareFlags(f *pflag.FlagSet) {
	f.BoolVar(&m.compare, "compare", false, "ask all servers, and compare their answers (status 11 when they differ)")
	f.StringArrayVar(&m.expect, "expect", nil, "demand that all servers show `VALUE`, or /REGEXP/, NXDOMAIN, NODATA, or !VALUE for its absence (several: repeat it)")
	durationVar(f, &m.until, "until", 0, "with --expect, go on asking for up to `DURATION`")
	durationVar(f, &m.interval, "interval", 0, "with --until, ask every `DURATION` (default 1s, then less and less often)")
	f.BoolVar(&m.authoritative, "authoritative", false, "with --compare or --expect, ask all name servers of the zone")
}

// chosenServers are the servers to compare or to watch, and how to ask them.
func (o *dnsOptions) chosenServers(ctx context.Context, r *dnsq.Resolver, plan *dnsPlan, q dnsQuestion) ([]dnsq.Server, dnsq.Header, error) {
	h, err := o.header(plan.class)
	if err != nil {
		return nil, h, err
	}
	if !o.modes.authoritative {
		if len(r.Servers()) == 0 {
			return nil, h, modeFailed(q, dnsq.ErrNoServer)
		}
		return r.Servers(), h, nil
	}
	_, servers, err := dnsq.ZoneServers(ctx, q.name, dnsq.NewFetch(o.exchange, r.Servers(), h))
	if err != nil {
		return nil, h, modeFailed(q, err)
	}
	for i := range servers {
		servers[i].Port = o.port
	}
	h.NoRecursion = true
	return servers, h, nil
}

// askCompare asks one question of several servers.
func (o *dnsOptions) askCompare(ctx context.Context, e *env, r *dnsq.Resolver, plan *dnsPlan, q dnsQuestion) error {
	servers, h, err := o.chosenServers(ctx, r, plan, q)
	if err != nil {
		return err
	}
	if len(servers) < 2 && !o.modes.authoritative {
		return usagef("--compare needs two servers or more").hint("for example: brio dns-query @192.0.2.1 @192.0.2.2 %s --compare", q.text)
	}
	c, err := dnsq.Compare(ctx, q.name, q.qtype, servers, o.exchange, h)
	if err != nil {
		return modeFailed(q, err)
	}
	if err = c.Err(); err != nil {
		err = modeFailed(q, err)
	}
	return firstError(emitFailed(e, c, err, pick(e, titled(plan, q, e.writeComparison), writeComparisonShort)), err)
}

// writeComparison prints a line for each server: who says the same has the same
// letter.
func (e *env) writeComparison(w io.Writer, c *dnsq.Comparison) error {
	var rows [][]string
	for _, s := range c.Servers {
		letter, said := "-", s.Error
		if s.Group >= 0 {
			letter = string(rune('a' + s.Group%26))
			said = strings.TrimSpace(s.Rcode + " " + strings.Join(s.Records, ", "))
		}
		rows = append(rows, []string{letter, serverText(s), fmt.Sprintf("%.1f ms", s.Timing.Total.Seconds()*1000), said})
	}
	return e.table(w, rows)
}

// titled puts the question before what write prints, when there are several.
func titled[T any](plan *dnsPlan, q dnsQuestion, write func(io.Writer, T) error) func(io.Writer, T) error {
	if len(plan.questions) == 1 {
		return write
	}
	return func(w io.Writer, v T) error {
		if _, err := fmt.Fprintf(w, ";; %s %s\n", safe(q.text), dnsq.TypeName(q.qtype)); err != nil {
			return err
		}
		return write(w, v)
	}
}

// serverText names a server, with its own name when it was found by that.
func serverText(s dnsq.ServerAnswer) string {
	if s.Name == "" {
		return s.Server.String()
	}
	return s.Server.String() + " " + s.Name
}

func writeComparisonShort(w io.Writer, c *dnsq.Comparison) error {
	word := "differ"
	if c.Agree {
		word = "agree"
	}
	_, err := fmt.Fprintln(w, word)
	return err
}

// askExpect asks one question until all servers show what is expected.
func (o *dnsOptions) askExpect(ctx context.Context, e *env, r *dnsq.Resolver, plan *dnsPlan, q dnsQuestion) error {
	var want []dnsq.Expectation
	for _, s := range o.modes.expect {
		x, err := dnsq.ParseExpectation(s)
		if err != nil {
			return &failure{err: err, status: statusUsage, kind: "usage", target: "--expect " + s}
		}
		want = append(want, x)
	}
	servers, h, err := o.chosenServers(ctx, r, plan, q)
	if err != nil {
		return err
	}
	cfg := dnsq.AwaitConfig{Servers: servers, Exchange: o.exchange, Header: h, Until: o.modes.until, Interval: o.modes.interval}
	res, err := dnsq.Await(ctx, q.name, q.qtype, want, cfg, func(r *dnsq.AwaitResult) {
		e.verbosef("round %d after %.0f ms: %d of %d servers show it", r.Rounds, r.ElapsedMS, metCount(r), len(r.Servers))
	})
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		err = modeFailed(q, err)
	}
	if res == nil {
		return err
	}
	return firstError(emitFailed(e, res, err, pick(e, titled(plan, q, e.writeExpectation), writeExpectationShort)), err)
}

func metCount(r *dnsq.AwaitResult) int {
	n := 0
	for _, s := range r.Servers {
		if s.Met {
			n++
		}
	}
	return n
}

// writeExpectation prints a line for each server: what it lacks, and what it says.
func (e *env) writeExpectation(w io.Writer, r *dnsq.AwaitResult) error {
	var rows [][]string
	for _, s := range r.Servers {
		state, said := "met", s.Error
		if !s.Met {
			state = "missing " + strings.Join(s.Missing, ", ")
		}
		if s.Rcode != "" {
			said = strings.TrimSpace(s.Rcode + " " + strings.Join(s.Records, ", "))
		}
		rows = append(rows, []string{serverText(s.ServerAnswer), state, said})
	}
	return e.table(w, rows)
}

func writeExpectationShort(w io.Writer, r *dnsq.AwaitResult) error {
	word := "missing"
	if r.Met {
		word = "met"
	}
	_, err := fmt.Fprintln(w, word)
	return err
}
