//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A sample is what one round of one contender cost.
type sample struct {
	wall time.Duration
	cpu  time.Duration // user and system, of all processes that count
	rss  int64         // bytes at the peak, of the largest process
	rate float64       // what the workload itself counts, 0 if nothing
}

// plus adds a process that ran at the same time.
func (s sample) plus(t sample) sample {
	return sample{wall: max(s.wall, t.wall), cpu: s.cpu + t.cpu, rss: max(s.rss, t.rss), rate: s.rate + t.rate}
}

// A quantity is what a row compares.
type quantity string

const (
	wallTime   quantity = "wall"
	cpuTime    quantity = "cpu"
	peakRSS    quantity = "memory"
	throughput quantity = "throughput" // bytes a second
	rate       quantity = "rate"       // things a second
	share      quantity = "share"      // of all, 1 at most
)

func (s sample) value(q quantity) float64 {
	switch q {
	case wallTime:
		return s.wall.Seconds()
	case cpuTime:
		return s.cpu.Seconds()
	case peakRSS:
		return float64(s.rss)
	}
	return s.rate
}

// A contender is one side of a comparison: brio, or a rival, whose name begins
// with that of its program.
type contender struct {
	name string
	run  func() (sample, error)
}

// A target is a row: a quantity beside a rival, and a bound for the ratio
// brio / rival of it, if there is one.
type target struct {
	rival       string
	of          quantity
	most, least float64 // 0: no such bound
	limit       string  // what stands in the way where the target is not met
}

func beside(rival string, of quantity) target { return target{rival: rival, of: of} }

func atMost(x float64, rival string, of quantity) target {
	return target{rival: rival, of: of, most: x}
}

func atLeast(x float64, rival string, of quantity) target {
	return target{rival: rival, of: of, least: x}
}

// unless names what is at its limit where t is not met; CONTRIBUTING.md has the
// profile. It excuses nothing: the verdict stays.
func (t target) unless(limit string) target {
	t.limit = limit
	return t
}

// The limits.
const (
	goRuntime = "Go runtime"
	goTLS     = "crypto/tls"
	kernel    = "kernel"
	neighbour = "the pipe's other end"
)

// A comparison is one workload: its rows, and what was measured for them.
type comparison struct {
	area, work string
	targets    []target
	rounds     []map[string]sample // of each round, by contender
	broken     map[string]error    // by contender, why it has no samples
}

// results are the comparisons in the order of the table.
type results []*comparison

func (b *bench) comparison(work string, targets []target) *comparison {
	i := slices.IndexFunc(b.results, func(c *comparison) bool { return c.area == b.area && c.work == work })
	if i < 0 {
		i = len(b.results)
		b.results = append(b.results, &comparison{area: b.area, work: work, targets: targets, broken: map[string]error{}})
	}
	return b.results[i]
}

// absent notes a workload, or a whole area, that cannot be measured here.
func (b *bench) absent(work, why string) {
	c := b.comparison(work, []target{{}})
	c.broken["brio"] = errors.New(why)
	fmt.Fprintf(os.Stderr, "  %s: not measured: %s\n", work, why)
}

// How often a workload runs in each pass over everything: for this long, but at
// least once and not more often than this.
const (
	passTime   = 2 * time.Second
	passRounds = 5
)

// compare runs the contenders, the first of them brio, round after round, in
// alternating order, and notes what each cost. The very first round only warms
// up, and does not count unless it was long.
func (b *bench) compare(work string, contenders []contender, targets ...target) error {
	c := b.comparison(work, targets)
	now := *c // the rounds of this pass
	now.rounds = nil
	warm := b.pass > 0
	for start := time.Now(); len(now.rounds) == 0 || len(now.rounds) < passRounds && time.Since(start) < passTime; {
		slices.Reverse(contenders)
		samples := b.round(c, contenders)
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
		if warm || time.Since(start) > 2*passTime {
			now.rounds = append(now.rounds, samples)
		} else {
			start = time.Now()
		}
		warm = true
	}
	c.rounds = append(c.rounds, now.rounds...)
	for _, r := range now.rows() {
		fmt.Fprintln(os.Stderr, " ", r.line())
	}
	return nil
}

// round runs every contender that still works once.
func (b *bench) round(c *comparison, contenders []contender) map[string]sample {
	samples := map[string]sample{}
	for _, x := range contenders {
		if c.broken[x.name] != nil {
			continue
		}
		s, err := b.attempt(c, x)
		if b.ctx.Err() != nil {
			break
		}
		if err != nil {
			c.broken[x.name] = err
			fmt.Fprintf(os.Stderr, "  %s: %s: %v\n", c.work, x.name, err)
			continue
		}
		samples[x.name] = s
	}
	return samples
}

// attempt runs a contender, and once more if it fails: some rivals do now and
// then.
func (b *bench) attempt(c *comparison, x contender) (sample, error) {
	if program, _, _ := strings.Cut(x.name, " "); !strings.HasPrefix(program, "brio") {
		if _, err := exec.LookPath(program); err != nil {
			return sample{}, fmt.Errorf("%s is not installed", program)
		}
	}
	s, err := x.run()
	if err == nil || b.ctx.Err() != nil {
		return s, err
	}
	fmt.Fprintf(os.Stderr, "  %s: %s, once more: %v\n", c.work, x.name, err)
	return x.run()
}
