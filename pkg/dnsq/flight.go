package dnsq

import (
	"context"
	"errors"
	"time"

	"github.com/miekg/dns"
)

// A flight is a question on its way that several callers wait for.
type flight struct {
	done    chan struct{} // closed when reply and err are set
	reply   *reply
	err     error
	waiters int // guarded by the resolver's mu
	cancel  context.CancelFunc
}

// askQueued answers q from the cache, or joins a caller who is asking the same
// already, or asks.
func (r *Resolver) askQueued(ctx context.Context, q *dns.Msg, o Options) (*reply, error) {
	key := newCacheKey(r.settings().realm(), q.Question[0])
	if !o.IgnoreCache {
		if rep := r.fromCache(key, q, o); rep != nil {
			return rep, nil
		}
		if f := r.cache.failed(key, time.Now()); f != nil {
			return f.again(q)
		}
	}
	f := r.join(ctx, key, q, o)
	select {
	case <-f.done:
		r.leave(key, f)
		if f.reply != nil {
			own := *f.reply
			own.msg = f.reply.msg.Copy()
			return &own, nil
		}
		return nil, f.err
	case <-ctx.Done():
		r.leave(key, f)
		return nil, context.Cause(ctx)
	}
}

// fromCache is the reply kept for key. One past its time is used while a new one
// is fetched.
func (r *Resolver) fromCache(key cacheKey, q *dns.Msg, o Options) *reply {
	now := time.Now()
	e := r.cache.lookup(key, now, r.cfg.Stale)
	if e == nil {
		return nil
	}
	if !now.Before(e.expires) && r.cache.failed(key, now) == nil {
		r.refreshLater(key, q, o)
	}
	return e.reply(q, now)
}

// reply is what the entry says to q.
func (e *cacheEntry) reply(q *dns.Msg, now time.Time) *reply {
	m := e.aged(now)
	m.Id = dns.Id()
	m.Question = q.Question // a name that does not exist was asked with another type
	return &reply{msg: m, server: e.server, stored: e.stored, expires: e.expires, cached: true}
}

// refreshLater asks q for the cache, in the background.
func (r *Resolver) refreshLater(key cacheKey, q *dns.Msg, o Options) {
	if r.closing.Err() != nil {
		return
	}
	f := r.join(r.closing, key, q, o)
	r.refresh.Go(func() {
		select {
		case <-f.done:
		case <-r.closing.Done():
		}
		r.leave(key, f)
	})
}

// join is the flight for key; a new one starts when there is none. The question
// goes on as long as one caller waits, whoever asked first.
func (r *Resolver) join(ctx context.Context, key cacheKey, q *dns.Msg, o Options) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.flights[key]; f != nil {
		f.waiters++
		return f
	}
	if f := r.landed(key, q, o); f != nil {
		return f
	}
	flightCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{done: make(chan struct{}), waiters: 1, cancel: cancel}
	r.flights[key] = f
	go r.fly(flightCtx, f, key, q, o)
	return f
}

// landed is a flight that has ended since the cache was asked, nil when none has.
func (r *Resolver) landed(key cacheKey, q *dns.Msg, o Options) *flight {
	now := time.Now()
	e := r.cache.lookup(key, now, 0)
	if o.IgnoreCache || e == nil {
		return nil
	}
	f := &flight{done: make(chan struct{}), waiters: 1, cancel: func() {}, reply: e.reply(q, now)}
	close(f.done)
	return f
}

// fly asks q and keeps the reply. It ends when no caller waits any longer.
func (r *Resolver) fly(ctx context.Context, f *flight, key cacheKey, q *dns.Msg, o Options) {
	defer f.cancel()
	f.reply, f.err = r.ask(ctx, q, r.settings().servers, o)
	r.remember(ctx, key, f)
	r.mu.Lock()
	if r.flights[key] == f {
		delete(r.flights, key)
	}
	r.mu.Unlock()
	close(f.done)
}

// remember keeps what came of a flight, unless it was given up.
func (r *Resolver) remember(ctx context.Context, key cacheKey, f *flight) {
	switch rep := f.reply; {
	case rep != nil && conclusive(rep.msg):
		r.cache.succeeded(key)
		rep.expires = r.cache.store(key, rep.msg.Copy(), rep.server, rep.stored)
	case rep != nil:
		kept := *rep
		kept.msg = rep.msg.Copy()
		r.cache.fail(key, &kept, nil, time.Now())
	case ctx.Err() == nil && !errors.Is(f.err, ErrNoServer):
		r.cache.fail(key, nil, f.err, time.Now())
	}
}

// leave ends the flight when nobody waits for it any longer.
func (r *Resolver) leave(key cacheKey, f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		f.cancel()
		if r.flights[key] == f {
			delete(r.flights, key) // who asks now must not join a flight that was given up
		}
	}
}
