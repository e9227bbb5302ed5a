package ftpx

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// A Retry says how often to try again. The zero value tries once.
type Retry struct {
	// Times is how many more attempts there are after the first.
	Times int
	// Delay before the second attempt; it doubles up to MaxDelay, with a random
	// quarter more. Zero means 1 s and 30 s.
	Delay, MaxDelay time.Duration
	// Notify is told before each wait. Nil means nobody.
	Notify func(err error, wait time.Duration)
}

// A Session is a [Client] that is opened when it is needed, and again after it
// has died. It does one thing at a time.
type Session struct {
	Config Config
	Retry  Retry
	client *Client
	cost   time.Duration // of opening it
}

// Client returns a live session, and opens one when there is none. The new one
// begins with the data mode that worked for the last.
func (s *Session) Client(ctx context.Context) (*Client, error) {
	if s.client != nil && s.client.Err() == nil {
		return s.client, nil
	}
	if s.client != nil && s.client.unanswered {
		s.Config.OneAtATime = true
	}
	if s.client != nil && s.client.fellBack {
		s.Config.Data = DataAuto
		if s.client.active {
			s.Config.Data = DataActiveFirst
		}
	}
	_ = s.Close() // dead already
	start := time.Now()
	c, err := Dial(ctx, s.Config)
	if err == nil {
		s.client, s.cost = c, time.Since(start)
	}
	return c, err
}

// abandoned reports whether the session ended for lack of a data connection, and
// the next is to try the other data mode.
func (s *Session) abandoned() bool { return s.client != nil && s.client.abandoned }

// Close ends the session.
func (s *Session) Close() error {
	c := s.client
	s.client = nil
	if c == nil {
		return nil
	}
	return c.Close()
}

// Do runs op, and again while its failure is [Temporary] and attempts are left.
// attempt counts from zero. A server that could never be reached is not tried
// again: more likely its address is wrong. When the failure was that no data
// connection came about, and the other data mode may be tried, that is done at
// once and is no further attempt.
func (s *Session) Do(ctx context.Context, op func(c *Client, attempt int) error) error {
	switched := false
	for attempt := 0; ; attempt++ {
		c, err := s.Client(ctx)
		reached := s.cost > 0 || saidSomething(err)
		if err == nil {
			err = op(c, attempt)
			if err != nil && s.abandoned() && !switched {
				switched = true
				attempt--
				continue
			}
		}
		if err == nil || attempt >= s.Retry.Times || !reached || !Temporary(err) || ctx.Err() != nil {
			return err
		}
		if !s.Retry.wait(ctx, attempt, err) {
			return err
		}
	}
}

// saidSomething reports whether err came from a server rather than from the way
// to it.
func saidSomething(err error) bool {
	var reply *ReplyError
	return errors.As(err, &reply) || errors.Is(err, ErrTruncated)
}

// wait sleeps before the next attempt, and reports whether there is one.
func (r Retry) wait(ctx context.Context, attempt int, err error) bool {
	limit := orDefault(r.MaxDelay, 30*time.Second)
	delay := orDefault(r.Delay, time.Second)
	for range attempt {
		delay = min(2*delay, limit)
	}
	delay = min(delay+rand.N(delay/4+1), limit)
	if r.Notify != nil {
		r.Notify(err, delay)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
