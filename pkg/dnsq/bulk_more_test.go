package dnsq_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/dnsq"
)

// serveTLS starts a DNS server for TLS and a client that trusts it.
func serveTLS(t *testing.T, h dns.HandlerFunc) (dnsq.Server, *dnsq.Client) {
	t.Helper()
	cert, pool, _ := testCert(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{Listener: l, Handler: h, MaxTCPQueries: -1}
	started := make(chan struct{})
	s.NotifyStartedFunc = func() { close(started) }
	go s.ActivateAndServe()
	<-started
	t.Cleanup(func() { _ = s.Shutdown() })
	srv, err := dnsq.ParseServer("tls://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(func() { _ = c.Close() })
	return srv, c
}

func TestBulkTLS(t *testing.T) {
	srv, c := serveTLS(t, bulkEcho)
	got, sum, err := runBulk(t, bulkNames(1000), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Client: c})
	if err != nil || len(got) != 1000 || sum.Answered != 1000 || got[0].via != dnsq.TLS || sum.OverTCP != 0 {
		t.Errorf("%d results, %+v, %v; want 1000 over TLS", len(got), sum, err)
	}
	// A server that is not trusted answers nothing.
	got, sum, err = runBulk(t, bulkNames(2), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Tries: 2})
	if err != nil || len(got) != 2 || sum.Failed != 2 || !errors.As(got[0].err, new(*dnsq.HandshakeError)) {
		t.Errorf("%v, %v; want two failed handshakes", got, err)
	}
}

func TestTransferTLS(t *testing.T) {
	srv, c := serveTLS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{newRR(t, xfrSOA), newRR(t, "a.example. A 192.0.2.1"), newRR(t, xfrSOA)}
		_ = w.WriteMsg(m)
	})
	got, r, err := transfer(t, srv, dnsq.TransferConfig{Client: c})
	if err != nil || !r.Complete || got != "example. SOA 300, a.example. A 192.0.2.1" || r.Timing.Handshake == 0 {
		t.Errorf("%q, %+v, %v", got, r, err)
	}
}

func TestBulkIPv6(t *testing.T) {
	pc, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		need.Missing(t, "no IPv6 here: %v", err)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(bulkEcho)}
	started := make(chan struct{})
	s.NotifyStartedFunc = func() { close(started) }
	go s.ActivateAndServe()
	<-started
	t.Cleanup(func() { _ = s.Shutdown() })
	srv, _ := dnsq.ParseServer(pc.LocalAddr().String())
	got, sum, err := runBulk(t, bulkNames(500), dnsq.BulkConfig{Servers: []dnsq.Server{srv}})
	if err != nil || len(got) != 500 || sum.Answered != 500 {
		t.Errorf("%d results, %+v, %v", len(got), sum, err)
	}
}

// A name without reply holds the results after it back, and they come in order.
func TestBulkOrderedWaits(t *testing.T) {
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if !strings.HasPrefix(q.Question[0].Name, "n0.") {
			bulkEcho(w, q)
		}
	})
	got, sum, err := runBulk(t, bulkNames(3000), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Ordered: true, Timeout: 500 * time.Millisecond, Tries: 4})
	if err != nil || len(got) != 3000 || sum.Failed != 1 || !errors.Is(got[0].err, dnsq.ErrNoReply) {
		t.Fatalf("%d results, %+v, %v; want the first to fail", len(got), sum, err)
	}
	for i, a := range got[1:] {
		if want := fmt.Sprintf("n%d.example.", i+1); a.name != want || a.short == "" {
			t.Fatalf("result %d is %+v; want %s", i+1, a, want)
		}
	}
}

// A slow reader of the results is nobody's time-out.
func TestBulkSlowOutput(t *testing.T) {
	srv := bulkServe(t, bulkEcho)
	n := 0
	sum, err := dnsq.Bulk(context.Background(), dnsq.BulkLines(strings.NewReader(bulkNames(200)), 0), func(*dnsq.BulkResult) error {
		if n++; n%50 == 0 {
			time.Sleep(150 * time.Millisecond)
		}
		return nil
	}, dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Timeout: 100 * time.Millisecond, Tries: 1})
	if err != nil || sum.Answered != 200 {
		t.Errorf("%+v, %v; want 200 answers", sum, err)
	}
}

func TestBulkAnswer(t *testing.T) {
	srv := bulkServe(t, bulkEcho)
	_, err := dnsq.Bulk(context.Background(), dnsq.BulkLines(strings.NewReader("bücher.example\nbad..name\n"), 0), func(r *dnsq.BulkResult) error {
		a, err := r.Answer()
		if r.Line == 2 {
			if !errors.As(err, new(*dnsq.NameError)) {
				t.Errorf("Answer to %s: %v; want a NameError", r.Name, err)
			}
			return nil
		}
		if err != nil || a.Name != "xn--bcher-kva.example." || fmt.Sprint(a.Primary) != "192.0.2.22" || a.Response.Transport != dnsq.UDP {
			t.Errorf("Answer = %+v, %v", a, err)
		}
		return nil
	}, dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Ordered: true})
	if err != nil {
		t.Error(err)
	}
}

// Source port and id are what a forger has to guess: the port changes in the
// course of a run, and the ids do not follow one another.
func TestBulkUnpredictable(t *testing.T) {
	var mu sync.Mutex
	ports, steps := map[string]int{}, map[uint16]int{}
	var last uint16
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		mu.Lock()
		ports[w.RemoteAddr().String()]++
		steps[q.Id-last]++
		last = q.Id
		mu.Unlock()
		bulkEcho(w, q)
	})
	if _, sum, err := runBulk(t, bulkNames(4000), dnsq.BulkConfig{Servers: []dnsq.Server{srv}}); err != nil || sum.Answered != 4000 {
		t.Fatalf("%+v, %v", sum, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ports) < 3 {
		t.Errorf("4000 questions from %d ports; want several", len(ports))
	}
	if len(steps) < 3000 {
		t.Errorf("ids go on by %d different steps; want nearly as many as questions", len(steps))
	}
}

// Equal questions are asked once, whether their reply is there already or not.
func TestBulkQueue(t *testing.T) {
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if strings.HasPrefix(q.Question[0].Name, "slow") {
			time.Sleep(20 * time.Millisecond) // shorter than the first retry
		}
		if strings.HasPrefix(q.Question[0].Name, "gone") {
			m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
			m.Ns = []dns.RR{newRR(t, "example. 60 SOA a. b. 1 1 1 1 60")}
			_ = w.WriteMsg(m)
			return
		}
		bulkEcho(w, q)
	})
	input := strings.Repeat("slow.example\nSLOW.example.\nfast.example\ngone.example\n", 500) + "slow.example AAAA\n"
	for _, ordered := range []bool{false, true} {
		got, sum, err := runBulk(t, input, dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Queue: true, Ordered: ordered})
		if err != nil || len(got) != 2001 || sum.Sent-sum.Retries != 4 || sum.Cached != 1997 || sum.Rcodes["NXDOMAIN"] != 500 || sum.Resume != int64(len(input)) {
			t.Errorf("ordered %v: %d results, %+v, %v; want 2001 of 4 questions sent", ordered, len(got), sum, err)
		}
		for _, a := range got {
			if (a.short == "") != strings.HasPrefix(a.name, "gone") && a.rcode != 0 {
				t.Errorf("%+v", a)
			}
		}
	}
	if _, sum, err := runBulk(t, "a.example\na.example\n", dnsq.BulkConfig{Servers: []dnsq.Server{srv}}); err != nil || sum.Sent-sum.Retries != 2 {
		t.Errorf("without queue: %+v, %v; want 2 questions sent", sum, err)
	}
	// Each equal question has the failure of the one that was asked.
	silent := bulkServe(t, func(dns.ResponseWriter, *dns.Msg) {})
	got, sum, err := runBulk(t, "a.example\na.example\n", dnsq.BulkConfig{Servers: []dnsq.Server{silent}, Queue: true, Timeout: 50 * time.Millisecond, Tries: 2})
	if err != nil || len(got) != 2 || sum.Failed != 2 || !errors.Is(got[1].err, dnsq.ErrNoReply) || sum.Sent != 2 {
		t.Errorf("%v, %+v, %v; want two failures of one question", got, sum, err)
	}
}

// A run leaves no goroutine and no socket behind.
func TestBulkLeavesNothing(t *testing.T) {
	srv := bulkServe(t, bulkEcho)
	if _, _, err := runBulk(t, bulkNames(10), dnsq.BulkConfig{Servers: []dnsq.Server{srv}}); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for range 20 {
		if _, _, err := runBulk(t, bulkNames(2000), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Queue: true}); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+5; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// A question that failed a moment ago is not asked again (RFC 9520 section 3.2).
func TestBulkQueueFailures(t *testing.T) {
	for _, rcode := range []int{-1, dns.RcodeServerFailure} {
		var asked atomic.Int32
		srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
			asked.Add(1)
			if rcode >= 0 {
				_ = w.WriteMsg(new(dns.Msg).SetRcode(q, rcode))
			}
		})
		given := make(chan struct{}, 2)
		given <- struct{}{}
		n := 0
		next := func() (dnsq.BulkQuestion, error) {
			if n++; n > 2 {
				return dnsq.BulkQuestion{}, io.EOF
			}
			<-given
			return dnsq.BulkQuestion{Name: "www.example"}, nil
		}
		sum, err := dnsq.Bulk(context.Background(), next, func(r *dnsq.BulkResult) error {
			if (r.Err != nil) != (rcode < 0) || r.Cached != (r.Seq == 1) {
				t.Errorf("result %d: rcode %d, cached %v, %v", r.Seq, r.Rcode(), r.Cached, r.Err)
			}
			given <- struct{}{}
			return nil
		}, dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Queue: true, Tries: 1, Timeout: 50 * time.Millisecond})
		if err != nil || sum.Questions != 2 || sum.Cached != 1 || asked.Load() != 1 {
			t.Errorf("rcode %d: %+v, %v; asked %d times, want once", rcode, sum, err, asked.Load())
		}
	}
}
