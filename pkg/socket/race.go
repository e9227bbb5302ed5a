package socket

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// A race connects to the first address that answers (RFC 8305 section 5).
type race struct {
	cfg   *Config
	addrs []netip.AddrPort
	name  string // what to call an address that is not of the internet
	dial  func(context.Context, netip.AddrPort) (net.Conn, error)

	began   int // attempts started
	pending int // and not done
	results chan outcome
	failed  []Attempt
}

// An outcome is the end of an attempt.
type outcome struct {
	conn    net.Conn
	attempt Attempt
}

// run returns the connection of the winner. It leaves no socket behind.
func (r *race) run(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.results = make(chan outcome, len(r.addrs)) // nobody waits to deliver
	defer func() {
		if r.pending > 0 {
			go closeLosers(r.results, r.pending)
		}
	}()

	delay := r.cfg.AttemptDelay
	if delay <= 0 {
		delay = DefaultAttemptDelay
	}
	r.start(ctx)
	if len(r.addrs) == 1 {
		if res := <-r.results; r.done(res) {
			return res.conn, nil
		}
		return nil, r.err()
	}
	next := time.NewTimer(delay)
	defer next.Stop()
	for r.pending > 0 {
		select {
		case res := <-r.results:
			if r.done(res) {
				return res.conn, nil
			}
			r.start(ctx)
			next.Reset(delay)
		case <-next.C:
			r.start(ctx)
			next.Reset(delay)
		}
	}
	return nil, r.err()
}

// start begins the next attempt if there is one and time for it.
func (r *race) start(ctx context.Context) {
	if r.began == len(r.addrs) || (r.began > 0 && ctx.Err() != nil) {
		return
	}
	addr := r.addrs[r.began]
	r.began++
	r.pending++
	a := Attempt{N: r.began, Address: r.name, Started: time.Now()}
	if addr.IsValid() {
		a.Address = addr.String()
	}
	if r.cfg.Trace.Attempt != nil {
		r.cfg.Trace.Attempt(a)
	}
	if len(r.addrs) == 1 {
		r.try(ctx, addr, a) // there is nobody to race with
		return
	}
	go r.try(ctx, addr, a)
}

// try connects to one address and delivers what comes of it.
func (r *race) try(ctx context.Context, addr netip.AddrPort, a Attempt) {
	c, err := r.dial(ctx, addr)
	a.Took, a.Err = time.Since(a.Started), attemptError(ctx, a.Address, err)
	r.results <- outcome{c, a}
}

// done takes note of an outcome and reports whether it is a connection.
func (r *race) done(o outcome) bool {
	r.pending--
	if r.cfg.Trace.AttemptDone != nil {
		r.cfg.Trace.AttemptDone(o.attempt)
	}
	if o.attempt.Err == nil {
		return true
	}
	r.failed = append(r.failed, o.attempt)
	return false
}

// err returns the outcome of a race without a winner.
func (r *race) err() error {
	if len(r.failed) == 1 {
		return r.failed[0].Err
	}
	return &AttemptsError{r.failed}
}

// closeLosers closes the connections that came too late.
func closeLosers(results <-chan outcome, pending int) {
	for range pending {
		if res := <-results; res.conn != nil {
			_ = res.conn.Close() // nobody asks any more
		}
	}
}

// attemptError tells the deadline of the context, which the net package turns
// into one of the connection, from a time-out of TCP itself. The context is a
// moment behind then: waiting for it lets the caller ask it for the cause.
func attemptError(ctx context.Context, address string, err error) error {
	if _, limited := ctx.Deadline(); !limited || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	<-ctx.Done()
	return &Error{Identifier: TimedOut, Action: "connect", Address: address, Err: context.Cause(ctx)}
}
