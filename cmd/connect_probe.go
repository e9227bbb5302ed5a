package cmd

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// expandPorts turns host:22,80,8000-8010 into addresses with one port each.
// What is no such list stays as it is, for the grammar of addresses to judge.
func expandPorts(s string) []string {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasPrefix(s, "unix:") || strings.Trim(s[i+1:], "0123456789,-") != "" || !strings.ContainsAny(s[i+1:], ",-") {
		return []string{s}
	}
	var list []string
	for part := range strings.SplitSeq(s[i+1:], ",") {
		from, to, ok := strings.Cut(part, "-")
		if !ok {
			list = append(list, s[:i+1]+part)
			continue
		}
		first, err1 := strconv.ParseUint(from, 10, 16)
		last, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || first > last {
			return []string{s}
		}
		for p := first; p <= last; p++ {
			list = append(list, s[:i+1]+strconv.FormatUint(p, 10))
		}
	}
	return list
}

// checkPortList refuses lists and ranges of ports that expandPorts leaves alone.
func checkPortList(s string) error {
	if strings.HasPrefix(s, "unix:") {
		return nil
	}
	list := s[strings.LastIndexByte(s, ':')+1:]
	if list == s || strings.Trim(list, "0123456789,-") != "" || !strings.ContainsAny(list, ",-") {
		return nil
	}
	for part := range strings.SplitSeq(list, ",") {
		from, to, ok := strings.Cut(part, "-")
		if !ok {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 16)
		last, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || first > last || first == 0 {
			return usagef("%q is no list of ports: ports are 1 to 65535, and ranges FIRST-LAST", list)
		}
	}
	return nil
}

// A probeResult is whether one address accepts.
type probeResult struct {
	Target        string  `json:"target"`
	Open          bool    `json:"open"`
	Local         string  `json:"local"`  // "" unless open
	Remote        string  `json:"remote"` // the address that accepted
	NameMillis    float64 `json:"dns_ms"`
	ConnectMillis float64 `json:"connect_ms"`
	Millis        float64 `json:"elapsed_ms"`
	Attempts      int     `json:"attempts"` // addresses tried
}

// probe tries all targets and prints what came of it, in their order.
func (t *connector) probe(ctx context.Context, targets []address) error {
	type outcome struct {
		result probeResult
		err    error
	}
	done := make([]chan outcome, len(targets))
	for i := range done {
		done[i] = make(chan outcome, 1)
	}
	slots := make(chan struct{}, t.o.parallel)
	go func() {
		for i, a := range targets {
			slots <- struct{}{}
			go func() {
				r, err := t.probeOne(ctx, a)
				<-slots
				done[i] <- outcome{r, err}
			}()
		}
	}()
	errs := make([]error, len(targets))
	for i := range targets {
		out := <-done[i]
		errs[i] = out.err
		if err := t.printProbe(out.result, out.err); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return probeFailure(errs)
}

// probeFailure is the failure of a probe. What failed has been printed, so that
// only a single failure, or their number, is told.
func probeFailure(probes []error) error {
	failed, same := failuresOf(probes)
	if len(failed) == 0 {
		return nil
	}
	first := failed[0]
	switch {
	case len(probes) == 1:
		return first
	case len(failed) == len(probes) && same:
		return &failure{err: fmt.Errorf("none of %d is open: %s", len(probes), statusOf(first).text()), status: statusOf(first), kind: kindOf(first, statusOf(first))}
	}
	return failf(statusPartial, "partial", "%d of %d are not open", len(failed), len(probes))
}

func (t *connector) probeOne(ctx context.Context, a address) (probeResult, error) {
	r := probeResult{Target: a.String()}
	c, times, err := t.openFor(ctx, a, t.o.wait)
	r.NameMillis, r.ConnectMillis, r.Millis, r.Attempts = ms(times.name), ms(times.connect), ms(times.total), times.attempts
	if err != nil {
		return r, err
	}
	r.Open, r.Local, r.Remote = true, c.LocalAddr().String(), c.RemoteAddr().String()
	return r, c.Close()
}

func (t *connector) printProbe(r probeResult, err error) error {
	return emitFailed(t.e, r, err, func(w io.Writer, r probeResult) error {
		if t.e.format == "short" {
			if !r.Open {
				return nil
			}
			_, werr := fmt.Fprintln(w, r.Target)
			return werr
		}
		state := fmt.Sprintf("open\t%.3f ms", r.Millis)
		if !r.Open {
			state = safe(strings.TrimPrefix(messageOf(err), r.Target+": "))
		}
		_, werr := fmt.Fprintf(w, "%s\t%s\n", safe(r.Target), state)
		return werr
	})
}
