package cmd

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// A latencyResult is how long connecting took, over several times.
type latencyResult struct {
	Target  string          `json:"target"`
	Count   int             `json:"count"`  // tries
	Failed  int             `json:"failed"` // of them
	Samples []latencySample `json:"samples"`
	Name    *latency        `json:"dns"` // of the look-up; null when there was none
	Connect *latency        `json:"connect"`
	Total   *latency        `json:"total"`
}

// A latencySample is one try.
type latencySample struct {
	N             int          `json:"n"`
	Remote        string       `json:"remote"`
	NameMillis    float64      `json:"dns_ms"`
	ConnectMillis float64      `json:"connect_ms"`
	Millis        float64      `json:"elapsed_ms"`
	Error         *errorObject `json:"error,omitempty"`
}

// A latency sums up samples, in milliseconds.
type latency struct {
	Min    float64 `json:"min_ms"`
	Median float64 `json:"median_ms"`
	Mean   float64 `json:"mean_ms"`
	P99    float64 `json:"p99_ms"`
	Max    float64 `json:"max_ms"`
}

// measure connects --count times and tells how long each phase took. When it is
// interrupted it tells of what it has.
func (t *connector) measure(ctx context.Context, a address) error {
	r := latencyResult{Target: a.String(), Samples: []latencySample{}}
	var last, err error
	for n := 1; n <= t.o.count && err == nil; n++ {
		if n > 1 {
			if err = sleep(ctx, t.o.interval); err != nil {
				break
			}
		}
		s, serr := t.sample(ctx, a, n)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
			break
		}
		if serr != nil {
			r.Failed++
			last = serr
		}
		r.Count++
		r.Samples = append(r.Samples, s)
		err = t.printSample(s)
	}
	r.sumUp()
	if err == nil {
		err = t.measured(&r, last)
	}
	if perr := emitFailed(t.e, r, err, t.writeLatency); err == nil {
		err = perr
	}
	return err
}

// measured is the failure of a measurement.
func (t *connector) measured(r *latencyResult, last error) error {
	switch r.Failed {
	case 0:
		return nil
	case r.Count:
		return last
	}
	return failf(statusPartial, "partial", "%s: %d of %d tries failed: %s", r.Target, r.Failed, r.Count, strings.TrimPrefix(messageOf(last), r.Target+": "))
}

func (t *connector) sample(ctx context.Context, a address, n int) (latencySample, error) {
	fresh, err := t.o.config() // a resolver that remembers nothing
	if err != nil {
		return latencySample{N: n}, err
	}
	t.cfg = fresh
	c, times, err := t.open(ctx, a)
	s := latencySample{N: n, NameMillis: ms(times.name), ConnectMillis: ms(times.connect), Millis: ms(times.total)}
	if err != nil {
		s.Error = errorObjectOf(err, statusOf(err))
		return s, err
	}
	s.Remote = c.RemoteAddr().String()
	return s, c.Close()
}

func (t *connector) printSample(s latencySample) error {
	if t.e.format != "text" {
		return nil
	}
	if s.Error != nil {
		_, err := fmt.Fprintf(t.e.out, "%d\t%s\n", s.N, safe(s.Error.Message))
		return err
	}
	_, err := fmt.Fprintf(t.e.out, "%d\t%s\tname %.3f ms\tconnect %.3f ms\ttotal %.3f ms\n", s.N, safe(s.Remote), s.NameMillis, s.ConnectMillis, s.Millis)
	return err
}

// sumUp computes the statistics of the tries that succeeded.
func (r *latencyResult) sumUp() {
	var name, connect, total []float64
	for _, s := range r.Samples {
		if s.Error != nil {
			continue
		}
		if s.NameMillis > 0 {
			name = append(name, s.NameMillis)
		}
		connect, total = append(connect, s.ConnectMillis), append(total, s.Millis)
	}
	r.Name, r.Connect, r.Total = newLatency(name), newLatency(connect), newLatency(total)
}

// newLatency returns the statistics of v, nil when it is empty.
func newLatency(v []float64) *latency {
	if len(v) == 0 {
		return nil
	}
	slices.Sort(v)
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	rank := func(p float64) float64 { return v[max(0, int(math.Ceil(p*float64(len(v))))-1)] }
	return &latency{Min: v[0], Median: rank(0.5), Mean: math.Round(sum/float64(len(v))*1000) / 1000, P99: rank(0.99), Max: v[len(v)-1]}
}

// writeLatency prints the statistics, and a histogram on a terminal.
func (t *connector) writeLatency(w io.Writer, r latencyResult) error {
	if t.e.format == "short" {
		if r.Total == nil {
			return nil
		}
		_, err := fmt.Fprintf(w, "%.3f\n", r.Total.Median)
		return err
	}
	rows := [][]string{{"", "min", "median", "mean", "p99", "max"}}
	for _, p := range []struct {
		name string
		l    *latency
	}{{"name", r.Name}, {"connect", r.Connect}, {"total", r.Total}} {
		if p.l != nil {
			rows = append(rows, []string{p.name, millis(p.l.Min), millis(p.l.Median), millis(p.l.Mean), millis(p.l.P99), millis(p.l.Max)})
		}
	}
	if _, err := fmt.Fprintf(w, "%s: %s, %d failed\n", safe(r.Target), plural(r.Count, "connection"), r.Failed); err != nil {
		return err
	}
	if len(rows) == 1 {
		return nil
	}
	if err := t.e.table(w, rows); err != nil || !t.e.outIsTerminal() {
		return err
	}
	return writeHistogram(w, r)
}

func millis(v float64) string { return fmt.Sprintf("%.3f ms", v) }

// writeHistogram draws how the total times are spread.
func writeHistogram(w io.Writer, r latencyResult) error {
	const bins, width = 10, 40
	if r.Total == nil || r.Count < 5 || r.Total.Max == r.Total.Min {
		return nil
	}
	counts, most := make([]int, bins), 0
	step := (r.Total.Max - r.Total.Min) / bins
	for _, s := range r.Samples {
		if s.Error != nil {
			continue
		}
		b := min(bins-1, int((s.Millis-r.Total.Min)/step))
		counts[b]++
		most = max(most, counts[b])
	}
	for b, n := range counts {
		if _, err := fmt.Fprintf(w, "%9.3f ms  %-*s %d\n", r.Total.Min+float64(b)*step, width, strings.Repeat("#", n*width/most), n); err != nil {
			return err
		}
	}
	return nil
}
