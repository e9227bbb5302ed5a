//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A sample is what one round of one contender cost.
type sample struct {
	wall time.Duration
	cpu  time.Duration // user and system, of all processes that count
	rss  int64         // bytes at the peak, of the largest process
	rate float64       // what the workload itself counts, 0 if nothing
}

// A contender is one side of a comparison.
type contender struct {
	name string
	run  func() (sample, error)
}

// A quantity is what a row compares.
type quantity string

const (
	wallTime quantity = "wall"
	cpuTime  quantity = "cpu"
	peakRSS  quantity = "memory"
	rate     quantity = "rate"
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

// A target is a bound for the ratio brio / rival of a quantity.
type target struct {
	rival string
	of    quantity
	most  float64 // the ratio may not be above this; 0: no upper bound
	least float64 // nor below this
}

// compare runs the contenders round after round, the first of them brio, and
// adds one row for each target whose rival took part.
func (b *bench) compare(work string, cs []contender, targets ...target) error {
	samples := map[string][]sample{}
	broken := map[string]error{}
	for round := range b.rounds + 1 {
		for _, c := range cs {
			if broken[c.name] != nil {
				continue
			}
			s, err := c.run()
			if b.ctx.Err() != nil {
				return b.ctx.Err()
			}
			if err != nil {
				broken[c.name] = err
				fmt.Fprintf(os.Stderr, "  %s: %s: %v\n", work, c.name, err)
				continue
			}
			if round > 0 {
				samples[c.name] = append(samples[c.name], s)
			}
		}
	}
	for _, t := range targets {
		b.rows = append(b.rows, newRow(work, t, samples["brio"], samples[t.rival], errors.Join(broken["brio"], broken[t.rival])))
		fmt.Fprintf(os.Stderr, "  %s\n", b.rows[len(b.rows)-1].line())
	}
	return nil
}

// have keeps the contenders whose program is installed, and says who is not.
func have(work string, cs []contender) []contender {
	return slices.DeleteFunc(cs, func(c contender) bool {
		program := strings.Fields(c.name)[0]
		if program == "brio" || program == "Go" {
			return false
		}
		if _, err := exec.LookPath(program); err != nil {
			fmt.Fprintf(os.Stderr, "  %s: %s is not installed\n", work, program)
			return true
		}
		return false
	})
}

// A proc is a program that a round runs.
type proc struct {
	cmd   *exec.Cmd
	start time.Time
}

// spawn starts argv with the given streams; nil is the null device.
func (b *bench) spawn(stdin io.Reader, stdout io.Writer, argv ...string) (*proc, error) {
	c := exec.CommandContext(b.ctx, argv[0], argv[1:]...)
	c.Stdin, c.Stdout = stdin, stdout
	c.Env = append(os.Environ(), "BRIO_CONFIG=none")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := &proc{cmd: c, start: time.Now()}
	return p, c.Start()
}

// wait waits for the end of p and returns what it cost.
func (p *proc) wait() (sample, error) {
	t := time.AfterFunc(2*time.Minute, func() { _ = p.cmd.Process.Kill() })
	defer t.Stop()
	err := p.cmd.Wait()
	return p.usage(), err
}

// stop ends p, which runs until it is told to, and returns what it cost.
func (p *proc) stop() sample {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	t := time.AfterFunc(3*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer t.Stop()
	_ = p.cmd.Wait() // it ends by the signal
	return p.usage()
}

func (p *proc) usage() sample {
	s := sample{wall: time.Since(p.start)}
	if u, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
		s.rss = u.Maxrss << 10
	}
	return s
}

// once runs argv to its end, which must be a success.
func (b *bench) once(stdin io.Reader, stdout io.Writer, argv ...string) (sample, error) {
	p, err := b.spawn(stdin, stdout, argv...)
	if err != nil {
		return sample{}, err
	}
	s, err := p.wait()
	if err != nil {
		return s, fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return s, nil
}

// many runs argv n times and returns the cost of one.
func (b *bench) many(n int, input string, argv ...string) (sample, error) {
	var sum sample
	for range n {
		s, err := b.once(strings.NewReader(input), nil, argv...)
		if err != nil {
			return sum, err
		}
		sum.wall += s.wall
		sum.cpu += s.cpu
		sum.rss = max(sum.rss, s.rss)
	}
	sum.wall /= time.Duration(n)
	sum.cpu /= time.Duration(n)
	return sum, nil
}

func (s sample) plus(t sample) sample {
	return sample{wall: max(s.wall, t.wall), cpu: s.cpu + t.cpu, rss: max(s.rss, t.rss), rate: s.rate + t.rate}
}

// awaitListener waits until a socket listens: a TCP port of 127.0.0.1, or a path.
func awaitListener(p *proc, port int, path string) error {
	return awaitReady(p, func() bool { return listening(port, path) })
}

// awaitReady waits until p is ready, but not for ever.
func awaitReady(p *proc, ready func() bool) error {
	for range 2000 {
		if ready() {
			return nil
		}
		if p.cmd.ProcessState != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("the server does not get ready")
}

func listening(port int, path string) bool {
	file, want := "/proc/net/unix", " "+path
	if path == "" {
		file, want = "/proc/net/tcp", fmt.Sprintf(":%04X 00000000:0000 0A", port)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	if strings.Contains(string(text), want) {
		return true
	}
	if path == "" {
		text, _ = os.ReadFile("/proc/net/tcp6")
		return strings.Contains(string(text), fmt.Sprintf(":%04X 00000000000000000000000000000000:0000 0A", port))
	}
	return false
}
