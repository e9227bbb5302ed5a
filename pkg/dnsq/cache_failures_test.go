package dnsq_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// TestCacheFailures: what failed is not asked again at once (RFC 9520 section
// 3.2), each type for itself, unless the caller wants to.
func TestCacheFailures(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1")
	z.fail("broken.example.", dns.RcodeServerFailure)
	z.fail("refused.example.", dns.RcodeRefused)
	z.silence("silent.example.")
	r := z.resolver(t, dnsq.Config{})
	o := dnsq.Options{Repeat: 1, Timeout: 50 * time.Millisecond}
	for _, name := range []string{"broken.example", "refused.example", "silent.example"} {
		z.questions()
		a, err := r.Query(context.Background(), name, o)
		b, again := r.Query(context.Background(), name, o)
		if n := len(z.questions()); n != 1 {
			t.Errorf("%s: asked %d times for two queries, want 1", name, n)
		}
		switch {
		case name == "silent.example":
			if !errors.Is(err, dnsq.ErrNoReply) || !errors.Is(again, dnsq.ErrNoReply) {
				t.Errorf("%s: %v, then %v; want no reply twice", name, err, again)
			}
		case err != nil || again != nil || a.Cached || !b.Cached || a.Response.Rcode != b.Response.Rcode || b.Valid != nil || !errors.Is(b.Err(), dnsq.ErrServerFailure):
			t.Errorf("%s: %+v, %v, then %+v, %v; want the same rcode from the cache", name, a, err, b, again)
		}
		other := o
		other.Type = dns.TypeAAAA
		_, _ = r.Query(context.Background(), name, other)
		other.Type, other.IgnoreCache = dns.TypeA, true
		_, _ = r.Query(context.Background(), name, other)
		if n := len(z.questions()); n != 2 {
			t.Errorf("%s: asked %d times for another type and past the cache, want 2", name, n)
		}
	}
}

// A failure is forgotten after a second, and by an answer.
func TestCacheFailureEnds(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1")
	z.fail("www.example.", dns.RcodeServerFailure)
	r := z.resolver(t, dnsq.Config{})
	o := dnsq.Options{Repeat: 1}
	if _, err := r.Query(context.Background(), "www.example", o); err != nil {
		t.Fatal(err)
	}
	z.mu.Lock()
	delete(z.rcodes, "www.example.")
	z.mu.Unlock()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		a, err := r.Query(context.Background(), "www.example", o)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("still failing: %+v, %v", a, err)
		}
		if a.Err() == nil {
			break
		}
	}
}

// A caller that gives up says nothing about the server.
func TestCacheFailureNotCancelled(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1")
	z.silence("www.example.")
	r := z.resolver(t, dnsq.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Query(ctx, "www.example", dnsq.Options{Repeat: 1}); err == nil {
		t.Fatal("a silent server answered")
	}
	z.mu.Lock()
	delete(z.silent, "www.example.")
	z.mu.Unlock()
	if a, err := r.Query(context.Background(), "www.example", dnsq.Options{}); err != nil || a.Err() != nil {
		t.Errorf("after a cancelled query: %+v, %v; want the answer", a, err)
	}
}
