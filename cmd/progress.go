package cmd

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// A progress shows on stderr how far a long piece of work has come. Its
// counters may be set from any goroutine.
type progress struct {
	label string
	unit  string       // "" counts bytes; else the plural of what is counted
	done  atomic.Int64 // bytes or items so far
	total atomic.Int64 // 0 while unknown

	e     *env
	start time.Time
	stop  chan struct{}
	ended chan struct{}
}

// startProgress shows progress when stderr is a terminal or --progress always
// was given. The caller ends it with finish.
func (e *env) startProgress(label, unit string) *progress {
	p := &progress{label: label, unit: unit, e: e, start: time.Now()}
	if e.progress == "never" || e.progress == "auto" && (!e.errIsTerminal() || e.quiet > 0) {
		return p
	}
	p.stop, p.ended = make(chan struct{}), make(chan struct{})
	go p.loop()
	return p
}

// loop redraws the line ten times a second on a terminal; elsewhere it writes a
// line every ten seconds.
func (p *progress) loop() {
	defer close(p.ended)
	every, onTerminal := 10*time.Second, p.e.errIsTerminal()
	if onTerminal {
		every = 100 * time.Millisecond
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.draw(onTerminal)
		case <-p.stop:
			if onTerminal {
				fmt.Fprint(p.e.err, "\r\x1b[K")
			} else {
				p.draw(false)
			}
			return
		}
	}
}

func (p *progress) draw(onTerminal bool) {
	if onTerminal {
		fmt.Fprintf(p.e.err, "\r\x1b[K%s", p.line())
		return
	}
	fmt.Fprintln(p.e.err, p.line())
}

// line is the text of the state: label, amount, share, speed, time left.
func (p *progress) line() string {
	done, total := p.done.Load(), p.total.Load()
	elapsed := time.Since(p.start).Seconds()
	speed := float64(done) / max(elapsed, 0.001)
	parts := []string{safe(p.label), p.amount(done)}
	if total > 0 {
		parts = append(parts, fmt.Sprintf("of %s (%d%%)", p.amount(total), done*100/total))
	}
	parts = append(parts, p.amount(int64(speed))+"/s")
	if total > done && speed > 0 {
		left := time.Duration(float64(total-done) / speed * float64(time.Second))
		parts = append(parts, left.Round(time.Second).String()+" left")
	}
	return strings.Join(parts, "  ")
}

func (p *progress) amount(n int64) string {
	if p.unit == "" {
		return formatSize(n)
	}
	return fmt.Sprintf("%d %s", n, p.unit)
}

// finish ends the display and leaves the line clean.
func (p *progress) finish() {
	if p.stop != nil {
		close(p.stop)
		<-p.ended
		p.stop = nil
	}
}
