package ftpx

import (
	"context"
	"sync"
	"time"
)

// A Pool works on many jobs with several sessions. It begins with one, and
// opens another only when the work left would take longer than a login, and
// only as long as the last one made a difference: some servers become slower
// with each.
type Pool struct {
	Config Config
	Retry  Retry
	// Max is how many sessions there may be. Zero means one.
	Max int
	// First is a session that is open already; the Pool does not close it. Nil
	// means to open one.
	First *Session
}

// window is how many jobs must be done before a new session is judged.
const window = 16

// Run calls do for each job and returns when all are done, or ctx is. do runs in
// several goroutines, each with a session of its own; it reports its outcome
// itself. Jobs are handed out in order.
func (p Pool) Run(ctx context.Context, jobs int, do func(s *Session, job int)) {
	r := &poolRun{Pool: p, ctx: ctx, jobs: jobs, do: do}
	first := p.First
	if first == nil {
		first = &Session{Config: p.Config, Retry: p.Retry}
	}
	r.workers = 1
	r.since = time.Now()
	r.wg.Go(func() { r.work(first) })
	r.wg.Wait()
	if p.First == nil {
		_ = first.Close() // the jobs have told their outcome
	}
}

type poolRun struct {
	Pool
	ctx  context.Context
	jobs int
	do   func(*Session, int)
	wg   sync.WaitGroup

	mu       sync.Mutex
	next     int // the next job to hand out
	done     int
	busy     time.Duration // sum of the times of the jobs done
	workers  int
	since    time.Time // when the number of sessions changed
	doneThen int       // jobs done at that time
	speed    float64   // jobs per second before that time
	settled  bool      // another session would not help
}

// work takes jobs until there are none, or the session is one too many.
func (r *poolRun) work(s *Session) {
	for r.ctx.Err() == nil {
		job, ok := r.take()
		if !ok {
			return
		}
		start := time.Now()
		r.do(s, job)
		if !r.finished(s, time.Since(start)) {
			return
		}
	}
}

func (r *poolRun) take() (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next >= r.jobs {
		return 0, false
	}
	r.next++
	return r.next - 1, true
}

// finished counts a job and decides about the number of sessions. It reports
// whether this one goes on.
func (r *poolRun) finished(s *Session, took time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	r.busy += took
	if r.settled || r.Max <= 1 {
		return true
	}
	sample := r.done - r.doneThen
	speed := float64(sample) / max(time.Since(r.since).Seconds(), 1e-6)
	if r.workers > 1 && sample < window {
		return true
	}
	if r.workers > 1 && speed < 1.1*r.speed {
		r.settled = true
		if speed < r.speed && s != r.First {
			r.workers--
			return false
		}
		return true
	}
	if r.workers < r.Max && r.pays(s) {
		r.add(s.Config, speed)
	}
	return true
}

// pays reports whether the work left takes longer than a login.
func (r *poolRun) pays(s *Session) bool {
	left := r.jobs - r.next
	mean := r.busy / time.Duration(r.done)
	return left > 0 && mean*time.Duration(left)/time.Duration(r.workers) > 2*s.cost
}

// add opens another session in the way that works for the one with cfg.
func (r *poolRun) add(cfg Config, speed float64) {
	r.workers++
	r.speed, r.since, r.doneThen = speed, time.Now(), r.done
	s := &Session{Config: cfg, Retry: r.Retry}
	r.wg.Go(func() {
		// A server that allows no more sessions leaves the work to the others.
		if _, err := s.Client(r.ctx); err != nil {
			r.mu.Lock()
			r.settled = true
			r.workers--
			r.mu.Unlock()
			return
		}
		r.mu.Lock()
		r.since, r.doneThen = time.Now(), r.done // the login is over
		r.mu.Unlock()
		r.work(s)
		_ = s.Close() // the jobs have told their outcome
	})
}
