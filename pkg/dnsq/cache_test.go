package dnsq_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// asks counts the questions that reach the server when name is asked for twice.
func asks(t *testing.T, z *zone, r *dnsq.Resolver, name string, qtype uint16) int {
	t.Helper()
	z.questions()
	for range 2 {
		if _, err := r.Query(context.Background(), name, dnsq.Options{Type: qtype, Repeat: 1}); err != nil {
			t.Fatal(err)
		}
	}
	return len(z.questions())
}

// TestCache: what is kept, and for how long (RFC 2308).
func TestCache(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1", "zero.example. 0 IN A 192.0.2.1", "big.example. 4294967295 IN A 192.0.2.1",
		"week.example. 2000000 IN A 192.0.2.1", "alias.example. 0 IN CNAME www.example.")
	z.fail("servfail.example.", dns.RcodeServerFailure)
	z.fail("nosoa.example.", dns.RcodeNameError)
	r := z.resolver(t, dnsq.Config{})
	for _, tt := range []struct {
		name  string
		qtype uint16
		asks  int
	}{
		{"www.example", dns.TypeA, 1},
		{"WWW.EXAMPLE.", dns.TypeA, 0},       // case does not matter
		{"zero.example", dns.TypeA, 2},       // a TTL of zero means not at all
		{"big.example", dns.TypeA, 2},        // RFC 2181 section 8: the top bit means zero
		{"week.example", dns.TypeA, 1},       // kept, but not as long as it says
		{"alias.example", dns.TypeA, 2},      // the alias must not live longer than it says
		{"www.example", dns.TypeMX, 1},       // NODATA
		{"www.example", dns.TypeTXT, 1},      // of one type only
		{"nowhere.example", dns.TypeA, 1},    // NXDOMAIN
		{"nowhere.example", dns.TypeAAAA, 0}, // of all types
		{"nosoa.example", dns.TypeA, 2},      // without SOA record nothing says for how long
		{"servfail.example", dns.TypeA, 1},   // a failure too, for a moment (RFC 9520)
	} {
		if got := asks(t, z, r, tt.name, tt.qtype); got != tt.asks {
			t.Errorf("%s %s: %d questions, want %d", tt.name, dnsq.TypeName(tt.qtype), got, tt.asks)
		}
	}
	if a := query(t, r, "week.example", dnsq.Options{}); *a.Valid > 7*24*3600 || *a.Valid < 7*24*3600-5 {
		t.Errorf("valid for %d s; want a week", *a.Valid)
	}
	if a := query(t, r, "nowhere.example", dnsq.Options{}); !a.Cached || a.Err() == nil || a.Response.Question[0].Type != "A" {
		t.Errorf("negative answer of the cache: %+v", a)
	}
}

// TestCacheAge: TTLs of an answer from the cache have gone down.
func TestCacheAge(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1")
	r := z.resolver(t, dnsq.Config{})
	query(t, r, "www.example", dnsq.Options{})
	time.Sleep(1100 * time.Millisecond)
	a := query(t, r, "www.example", dnsq.Options{})
	if a.Response.Answers[0].TTL != 299 || *a.Valid != 298 {
		t.Errorf("TTL %d, valid %d; want 299, 298", a.Response.Answers[0].TTL, *a.Valid)
	}
}

// TestCacheStale: an answer past its time has a negative time of validity, and a
// new one is fetched behind it (RFC 8767).
func TestCacheStale(t *testing.T) {
	z := newZone(t, "www.example. 1 IN A 192.0.2.1")
	for _, tt := range []struct {
		stale time.Duration
		valid bool // the time of validity is less than zero
	}{{0, false}, {time.Minute, true}} {
		r := z.resolver(t, dnsq.Config{Stale: tt.stale})
		query(t, r, "www.example", dnsq.Options{})
		time.Sleep(1100 * time.Millisecond)
		a := query(t, r, "www.example", dnsq.Options{})
		if got := *a.Valid < 0; got != tt.valid || a.Cached != tt.valid {
			t.Errorf("stale %v: valid %d, cached %v", tt.stale, *a.Valid, a.Cached)
		}
		if err := r.Close(); err != nil { // waits for what refreshes the cache
			t.Error(err)
		}
	}
}

// TestCacheStaleNegative: a negative answer past its time has a time of validity
// below zero too.
func TestCacheStaleNegative(t *testing.T) {
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
		soa, _ := dns.NewRR("example. 1 IN SOA ns.example. hostmaster.example. 1 7200 3600 86400 60")
		m.Ns = []dns.RR{soa}
		_ = w.WriteMsg(m)
	})
	r, err := dnsq.NewResolver(dnsq.Config{Nameservers: []dnsq.Server{srv}, NoHosts: true, Stale: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if a := query(t, r, "gone.example", dnsq.Options{}); *a.Valid < 0 || a.Cached {
		t.Errorf("new negative answer: valid %d, cached %v", *a.Valid, a.Cached)
	}
	time.Sleep(1100 * time.Millisecond)
	if a := query(t, r, "gone.example", dnsq.Options{}); *a.Valid >= 0 || !a.Cached || !errors.Is(a.Err(), dnsq.ErrNotFound) {
		t.Errorf("negative answer past its time: valid %d, cached %v, %v", *a.Valid, a.Cached, a.Err())
	}
}

// TestCacheStaleRefresh: the question behind a stale answer renews it.
func TestCacheStaleRefresh(t *testing.T) {
	z := newZone(t, "www.example. 1 IN A 192.0.2.1")
	r := z.resolver(t, dnsq.Config{Stale: time.Minute})
	query(t, r, "www.example", dnsq.Options{})
	time.Sleep(1100 * time.Millisecond)
	query(t, r, "www.example", dnsq.Options{})
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if a := query(t, r, "www.example", dnsq.Options{}); *a.Valid >= 0 {
			return
		}
	}
	t.Error("the stale answer was not renewed")
}

// TestCacheSize: the number of replies kept is bounded.
func TestCacheSize(t *testing.T) {
	c := &dnsq.Cache{Size: 10}
	z := newZone(t)
	r := z.resolver(t, dnsq.Config{Cache: c})
	for i := range 50 {
		query(t, r, fmt.Sprintf("n%d.example", i), dnsq.Options{})
	}
	if n := c.Len(); n != 10 {
		t.Errorf("%d replies kept, want 10", n)
	}
}

func TestCacheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	z := newZone(t, "www.example. 300 IN A 192.0.2.1")
	first := z.resolver(t, dnsq.Config{})
	query(t, first, "www.example", dnsq.Options{})
	query(t, first, "nowhere.example", dnsq.Options{})
	if err := first.Cache().Save(path, 0); err != nil {
		t.Fatal(err)
	}
	second := z.resolver(t, dnsq.Config{})
	if err := second.Cache().Load(path, 0); err != nil {
		t.Fatal(err)
	}
	z.questions()
	if a := query(t, second, "www.example", dnsq.Options{}); !a.Cached || show(a) != "192.0.2.1 []" {
		t.Errorf("from the file: %s, cached %v", show(a), a.Cached)
	}
	if a := query(t, second, "nowhere.example", dnsq.Options{Type: dns.TypeMX}); !a.Cached || a.Err() == nil {
		t.Errorf("negative answer from the file: %+v", a)
	}
	z.want(t)
	// Other servers may give other answers: their replies are kept apart.
	other := newZone(t, "www.example. 300 IN A 192.0.2.9")
	third := other.resolver(t, dnsq.Config{})
	if err := third.Cache().Load(path, 0); err != nil {
		t.Fatal(err)
	}
	if a := query(t, third, "www.example", dnsq.Options{}); show(a) != "192.0.2.9 []" {
		t.Errorf("the answer of another server: %s", show(a))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("file %v, %v; only its owner may read it", info.Mode(), err)
	}
}

// TestCacheFileConcurrent: processes that save at the same time lose nothing.
func TestCacheFileConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	z := newZone(t)
	var wg sync.WaitGroup
	const writers = 16
	for i := range writers {
		r := z.resolver(t, dnsq.Config{})
		query(t, r, fmt.Sprintf("n%d.example", i), dnsq.Options{})
		wg.Go(func() {
			if err := r.Cache().Save(path, 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var c dnsq.Cache
	if err := c.Load(path, 0); err != nil || c.Len() != writers {
		t.Errorf("%d replies in the file, %v; want %d", c.Len(), err, writers)
	}
	left, _ := filepath.Glob(path + "*")
	if len(left) != 2 { // the file and its lock
		t.Errorf("files left: %q", left)
	}
}

// TestCacheFileDamaged: a file that is none of ours is not overwritten, damaged
// lines are passed over.
func TestCacheFileDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(path, []byte("precious\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var c dnsq.Cache
	if c.Load(path, 0) == nil || c.Save(path, 0) == nil {
		t.Error("a foreign file was taken for a cache")
	}
	lines := []string{"brio dns cache 1", "", "1\t2", "x\ty\tz\tr\tq", "9999999999\t1\t127.0.0.1:53\tr\tAAAA", strings.Repeat("x", 1000)}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Load(path, 0); err != nil || c.Len() != 0 {
		t.Errorf("damaged lines: %v, %d kept", err, c.Len())
	}
}
