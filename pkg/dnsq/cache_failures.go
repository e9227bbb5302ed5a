package dnsq

import (
	"time"

	"github.com/miekg/dns"
)

// Failures are kept too (RFC 9520 section 3.2, RFC 2308 section 7): a second, then
// twice as long each time in a row, so that those who ask for what cannot be had do
// not keep servers and themselves busy, and yet find out soon that it can.
const (
	minFailureTime = time.Second
	maxFailureTime = 30 * time.Second
	maxFailures    = 1000
)

// A failure is how a question failed: with a reply that is no answer, or without.
type failure struct {
	reply *reply // nil when none came
	err   error
	until time.Time
	time  time.Duration // it is kept for
}

// failed is how the question key failed a moment ago, nil when it did not.
func (c *Cache) failed(key cacheKey, now time.Time) *failure {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.failures[key]
	if f == nil || !now.Before(f.until) {
		return nil
	}
	return f
}

// fail notes that the question key failed.
func (c *Cache) fail(key cacheKey, rep *reply, err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &failure{reply: rep, err: err, time: minFailureTime}
	// What failed again soon after it was forgotten has failed all the time.
	if old := c.failures[key]; old != nil && now.Sub(old.until) < maxFailureTime {
		f.time = min(2*old.time, maxFailureTime)
	}
	f.until = now.Add(f.time)
	if c.failures == nil {
		c.failures = map[cacheKey]*failure{}
	}
	for other := range c.failures { // any will do: none is kept for long
		if len(c.failures) < maxFailures {
			break
		}
		delete(c.failures, other)
	}
	c.failures[key] = f
}

// succeeded forgets that the question key failed.
func (c *Cache) succeeded(key cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.failures, key)
}

// again is the failure as the outcome of asking q.
func (f *failure) again(q *dns.Msg) (*reply, error) {
	if f.reply == nil {
		return nil, f.err
	}
	own := *f.reply
	own.msg, own.cached = f.reply.msg.Copy(), true
	own.msg.Id = dns.Id()
	own.msg.Question = q.Question
	return &own, nil
}
