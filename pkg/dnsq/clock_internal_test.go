package dnsq

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The clock jumps between two runs that share a cache file: what is kept is
// never used for longer than its records allow, and never grows older than now.
func TestCacheFileClockJumps(t *testing.T) {
	m := new(dns.Msg)
	m.SetQuestion("www.example.", dns.TypeA)
	m.Response = true
	m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "www.example.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}, A: []byte{192, 0, 2, 1}}}
	key := newCacheKey("realm", m.Question[0])
	for _, tt := range []struct {
		jump time.Duration // of the clock, between the runs
		ttl  int           // that is left; -1 when nothing is kept
	}{
		{0, 300},
		{100 * time.Second, 200},
		{time.Hour, -1}, // forward, or a computer that slept
		{10 * 365 * 24 * time.Hour, -1},
		{-30 * time.Second, 300}, // back, as far as clocks of two machines may differ
		{-time.Hour, -1},         // back: stored in the future
		{-10 * 365 * 24 * time.Hour, -1},
	} {
		path := filepath.Join(t.TempDir(), "cache")
		stored := time.Now().Add(-tt.jump)
		err := replaceFile(path, func(w io.Writer) error {
			var c Cache
			c.store(key, m, Server{Host: "127.0.0.1"}, stored)
			return c.write(w, stored)
		})
		if err != nil {
			t.Fatal(err)
		}
		var c Cache
		if err := c.Load(path, 0); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		got := -1
		if e := c.lookup(key, now, 0); e != nil {
			got = int(e.aged(now).Answer[0].Header().Ttl)
			if left := e.expires.Sub(now); left > 300*time.Second+time.Minute {
				t.Errorf("after a jump of %v the reply is kept for %v", tt.jump, left)
			}
		}
		if got > tt.ttl || got < tt.ttl-2 {
			t.Errorf("after a jump of %v a TTL of %d is left; want %d", tt.jump, got, tt.ttl)
		}
	}
}

// Within one run time is measured by the clock that does not jump: times carry
// it, so that lookup compares by it.
func TestCacheClockIsMonotonic(t *testing.T) {
	m := new(dns.Msg)
	m.SetQuestion("www.example.", dns.TypeA)
	m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "www.example.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}, A: []byte{192, 0, 2, 1}}}
	key := newCacheKey("realm", m.Question[0])
	var c Cache
	now := time.Now()
	c.store(key, m, Server{}, now)
	e := c.lookup(key, now, 0)
	if e == nil || e.stored == e.stored.Round(0) || e.expires == e.expires.Round(0) {
		t.Errorf("the entry %+v has lost its monotonic clock", e)
	}
}
