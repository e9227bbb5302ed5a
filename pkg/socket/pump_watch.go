package socket

import (
	"context"
	"net"
	"time"
)

// An addressed is a connection rather than a file.
type addressed interface{ RemoteAddr() net.Addr }

type readDeadliner interface{ SetReadDeadline(time.Time) error }
type writeDeadliner interface{ SetWriteDeadline(time.Time) error }

// past interrupts every wait.
func past() time.Time { return time.Unix(1, 0) }

// interruptAtEnd makes the end of ctx interrupt the waits of p. The function it
// returns takes that back, so that the ends can be used again.
func (p *pump) interruptAtEnd(ctx context.Context) (release func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		p.setDeadlines(past())
	})
	return func() {
		if stop() {
			return
		}
		<-done
		p.setDeadlines(time.Time{})
	}
}

// setDeadlines sets the deadline of the waits of p. An end without deadlines
// never waits long, or cannot be interrupted; either way there is nothing to do.
func (p *pump) setDeadlines(t time.Time) {
	if d, ok := p.src.(readDeadliner); ok {
		_ = d.SetReadDeadline(t)
	}
	if d, ok := p.dst.(writeDeadliner); ok {
		_ = d.SetWriteDeadline(t)
	}
}

// stopReading ends p as soon as what has been read is written.
func (p *pump) stopReading() {
	p.stopped.Store(true)
	if d, ok := p.src.(readDeadliner); ok {
		_ = d.SetReadDeadline(past())
	}
}

// watch starts the watchdogs that the options of p ask for. They end ctx with
// the time-out as its cause.
func (p *pump) watch(ctx context.Context) (context.Context, func()) {
	o := &p.opt
	if o.Idle <= 0 && o.Read <= 0 && o.Write <= 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stopStalls := p.watchStalls(cancel)
	stopIdle := watchIdle(cancel, o.Idle, p)
	return ctx, func() {
		stopStalls()
		stopIdle()
		cancel(nil)
	}
}

// watchStalls starts the watchdogs of the read and the write time-out.
func (p *pump) watchStalls(cancel context.CancelCauseFunc) (stop func()) {
	stopRead := watchdog(p.opt.Read, func() (uint64, bool) {
		n := p.ops.Load()
		return n, n&1 == 0
	}, func() { cancel(ErrReadTimeout) })
	stopWrite := watchdog(p.opt.Write, func() (uint64, bool) {
		n := p.ops.Load()
		return n, n&1 == 1
	}, func() { cancel(ErrWriteTimeout) })
	return func() { stopRead(); stopWrite() }
}

// watchIdle starts the watchdog of the idle time-out of all pumps together.
func watchIdle(cancel context.CancelCauseFunc, limit time.Duration, pumps ...*pump) (stop func()) {
	return watchdog(limit, func() (uint64, bool) {
		var sum uint64
		for _, p := range pumps {
			if p != nil {
				sum += p.ops.Load()
			}
		}
		return sum, true
	}, func() { cancel(ErrIdleTimeout) })
}

// watchdog calls expire once when sample has returned the same number, and
// true, for limit. It looks eight times in limit, so it may be that much late.
// Counting costs the bytes nothing; moving a deadline with every one of them,
// or a wrapper that does, costs a factor of two.
func watchdog(limit time.Duration, sample func() (uint64, bool), expire func()) (stop func()) {
	if limit <= 0 {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(max(limit/8, time.Millisecond))
		defer tick.Stop()
		last, _ := sample()
		since := time.Now()
		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				n, waiting := sample()
				if n != last || !waiting {
					last, since = n, now
				} else if now.Sub(since) >= limit {
					expire()
					return
				}
			}
		}
	}()
	return func() { close(done) }
}
