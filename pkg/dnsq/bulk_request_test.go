package dnsq_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/dnstest"
	"github.com/brio-net/brio/pkg/dnsq"
)

// Over HTTPS the questions share one connection, many at a time but not more
// than servers allow.
func TestBulkHTTPS(t *testing.T) {
	var now, most atomic.Int32
	var mu sync.Mutex
	conns := map[string]bool{}
	srv, pool := serveHTTPS(t, func(w http.ResponseWriter, r *http.Request) {
		for n := now.Add(1); ; {
			old := most.Load()
			if n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		defer now.Add(-1)
		mu.Lock()
		conns[r.RemoteAddr] = true
		mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		w.Header().Set("Age", "7")
		dohReply(w, r)
	})
	for _, get := range []bool{false, true} {
		c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: pool}, HTTPGet: get}
		got, sum, err := runBulk(t, bulkNames(500), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Client: c, Ordered: true})
		if err != nil || len(got) != 500 || sum.Answered != 500 || sum.Sent != 500 || sum.Servers[0].RTTMS < 1 {
			t.Errorf("get %v: %d results, %+v, %v", get, len(got), sum, err)
		}
		for i, g := range got {
			if !strings.Contains(g.records, "\t53\tA\t"+dnstest.HonestAddr) {
				t.Fatalf("result %d: %+v; want a TTL of 60 less the age of 7", i, g)
			}
		}
		_ = c.Close()
	}
	if len(conns) != 2 || most.Load() < 8 || most.Load() > 100 {
		t.Errorf("%d connections for two runs, at most %d questions at a time; want 2, 8 to 100", len(conns), most.Load())
	}
}

// What HTTPS servers do wrong is the failure of the question.
func TestBulkHTTPSFailures(t *testing.T) {
	for _, tt := range []struct {
		what  string
		h     http.HandlerFunc
		err   error
		tries int64 // for one question
	}{
		{"503", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }, dnsq.ErrServerFailure, 2},
		{"garbage", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/dns-message")
			_, _ = w.Write([]byte("hello, world of DNS"))
		}, dnsq.ErrInvalidReply, 3},
		{"another question", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/dns-message")
			_, _ = w.Write(dnstest.Good(dnsq.NewQuery("other.example.", dns.TypeA, dnsq.Header{})))
		}, dnsq.ErrInvalidReply, 3},
		{"silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, dnsq.ErrNoReply, 3},
	} {
		srv, pool := serveHTTPS(t, tt.h)
		c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: pool}}
		start := time.Now()
		got, sum, err := runBulk(t, "a.example\n", dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Client: c, Tries: 3, Timeout: 200 * time.Millisecond})
		if err != nil || len(got) != 1 || !errors.Is(got[0].err, tt.err) || sum.Sent != tt.tries || time.Since(start) > 5*time.Second {
			t.Errorf("%s: %+v, %+v, %v after %v; want %v, %d tries", tt.what, got, sum, err, time.Since(start), tt.err, tt.tries)
		}
		_ = c.Close()
	}
}

// A server that does not listen is passed over for the next one.
func TestBulkHTTPSNextServer(t *testing.T) {
	good, pool := serveHTTPS(t, dohReply)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Close()
	servers := []dnsq.Server{server(t, "https://"+dead.Addr().String()), good}
	c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: pool}}
	defer c.Close()
	got, sum, err := runBulk(t, bulkNames(60), dnsq.BulkConfig{Servers: servers, Client: c})
	if err != nil || len(got) != 60 || sum.Answered != 60 {
		t.Errorf("%d results, %+v, %v; want all answered", len(got), sum, err)
	}
}

func TestBulkHTTPSCancelled(t *testing.T) {
	srv, pool := serveHTTPS(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: pool}}
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	next := dnsq.BulkLines(strings.NewReader(bulkNames(10)), 0)
	start := time.Now()
	_, err := dnsq.Bulk(ctx, next, func(*dnsq.BulkResult) error { return nil }, dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Client: c, Timeout: time.Minute})
	if !errors.Is(err, context.Canceled) || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v; want context.Canceled at once", err, time.Since(start))
	}
}

// Over QUIC too; the function for it is the caller's.
func TestBulkQUIC(t *testing.T) {
	var asked atomic.Int32
	c := &dnsq.Client{QUIC: func(_ context.Context, _ string, cfg *tls.Config, query []byte) ([]byte, time.Duration, error) {
		q := new(dns.Msg)
		if err := q.Unpack(query); err != nil || q.Id != 0 || len(query)%128 != 0 || cfg.NextProtos[0] != "doq" {
			return nil, 0, fmt.Errorf("question %x: %v", query, err)
		}
		if asked.Add(1)%10 == 3 {
			return nil, 0, context.DeadlineExceeded // lost: it is asked again
		}
		return dnstest.Good(q), 0, nil
	}}
	defer c.Close()
	got, sum, err := runBulk(t, bulkNames(100), dnsq.BulkConfig{Servers: []dnsq.Server{server(t, "quic://127.0.0.1")}, Client: c})
	if err != nil || len(got) != 100 || sum.Answered != 100 || sum.Retries == 0 {
		t.Errorf("%d results, %+v, %v; want 100 with retries", len(got), sum, err)
	}
}

// cookieServer answers only who shows the cookie it gave out (RFC 7873 section
// 5.2.3), over UDP. With never set nobody's cookie is good enough.
func cookieServer(t *testing.T, never bool) (srv dnsq.Server, refused, good *atomic.Int32) {
	refused, good = new(atomic.Int32), new(atomic.Int32)
	cookieOf := func(q *dns.Msg) string {
		if opt := q.IsEdns0(); opt != nil {
			for _, o := range opt.Option {
				if c, ok := o.(*dns.EDNS0_COOKIE); ok {
					return c.Cookie
				}
			}
		}
		return ""
	}
	srv = bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := dnstest.Answer(q, dnstest.HonestAddr)
		got := cookieOf(q)
		if q.IsEdns0() != nil {
			m.SetEdns0(1232, false)
		}
		if len(got) >= 16 {
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: got[:16] + "0123456789abcdef"}}
		}
		_, udp := w.LocalAddr().(*net.UDPAddr)
		if udp && (never || len(got) != 32) {
			refused.Add(1)
			m.Rcode, m.Answer = dns.RcodeBadCookie, nil
		} else {
			good.Add(1)
		}
		_ = w.WriteMsg(m)
	})
	return srv, refused, good
}

func TestBulkCookie(t *testing.T) {
	srv, refused, good := cookieServer(t, false)
	got, sum, err := runBulk(t, bulkNames(1000), dnsq.BulkConfig{Servers: []dnsq.Server{srv}})
	if err != nil || len(got) != 1000 || sum.Answered != 1000 || sum.OverTCP != 0 || sum.Failed != 0 {
		t.Errorf("%d results, %+v, %v; want all over UDP", len(got), sum, err)
	}
	if refused.Load() == 0 || refused.Load() > 200 || good.Load() < 1000 {
		t.Errorf("%d refused, %d good; want those of the first window at most, 1000 or more", refused.Load(), good.Load())
	}
	got, sum, err = runBulk(t, bulkNames(20), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Client: &dnsq.Client{NoCookie: true}})
	if err != nil || len(got) != 20 || sum.Answered != 20 || got[0].rcode != 7 {
		t.Errorf("without cookies: %+v, %+v, %v; want what the server says", got[0], sum, err)
	}
}

// A server that never takes a cookie is asked over TCP.
func TestBulkCookieNever(t *testing.T) {
	srv, _, good := cookieServer(t, true)
	got, sum, err := runBulk(t, bulkNames(50), dnsq.BulkConfig{Servers: []dnsq.Server{srv}})
	if err != nil || len(got) != 50 || sum.Answered != 50 || sum.OverTCP != 50 || good.Load() != 50 {
		t.Errorf("%d results, %+v, %v; want all over TCP", len(got), sum, err)
	}
}

// A reply with another client's cookie is forged.
func TestBulkCookieForged(t *testing.T) {
	srv := bulkEvil(t, func(m *dns.Msg) [][]byte {
		bad := forged(m, func(m *dns.Msg) {
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "00112233445566778899aabbccddeeff"}}
		})
		return [][]byte{bad, mustPack(m)}
	})
	got, sum, err := runBulk(t, bulkNames(20), dnsq.BulkConfig{Servers: []dnsq.Server{srv}})
	if err != nil || len(got) != 20 || sum.Answered != 20 || sum.Mismatched == 0 {
		t.Fatalf("%d results, %+v, %v", len(got), sum, err)
	}
	for _, g := range got {
		if strings.Contains(g.records, dnstest.ForgedAddr) {
			t.Errorf("forged answer taken: %+v", g)
		}
	}
}
