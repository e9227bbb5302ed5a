package dnsq_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// dropsEDNS makes a server that leaves questions with EDNS without reply; with
// and without count what it was asked.
func dropsEDNS(t *testing.T) (srv dnsq.Server, with, without *atomic.Int32) {
	with, without = new(atomic.Int32), new(atomic.Int32)
	srv = bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.IsEdns0() != nil {
			with.Add(1)
			return
		}
		without.Add(1)
		m := new(dns.Msg).SetReply(q)
		rr, _ := dns.NewRR(q.Question[0].Name + " 60 IN A 192.0.2.1")
		m.Answer = []dns.RR{rr}
		_ = w.WriteMsg(m)
	})
	return srv, with, without
}

// A server that drops EDNS is found out once, and asked without from then on; but
// what asks for DNSSEC records is never turned into something else.
func TestRetryWithoutEDNS(t *testing.T) {
	srv, with, without := dropsEDNS(t)
	c := new(dnsq.Client)
	defer c.Close()
	exchange := c.Retry(2, 200*time.Millisecond)
	m, timing, err := exchange(context.Background(), srv, dnsq.NewQuery("a.test.", dns.TypeA, dnsq.Header{}))
	if err != nil || len(m.Answer) != 1 || timing.Sent != 2 {
		t.Fatalf("first question: %v, sent %d, %v", m, timing.Sent, err)
	}
	if _, _, err = exchange(context.Background(), srv, dnsq.NewQuery("b.test.", dns.TypeA, dnsq.Header{})); err != nil || with.Load() != 1 || without.Load() != 2 {
		t.Errorf("second question: %v; %d with EDNS and %d without, want 1 and 2", err, with.Load(), without.Load())
	}
	_, timing, err = exchange(context.Background(), srv, dnsq.NewQuery("c.test.", dns.TypeA, dnsq.Header{DO: true}))
	if !errors.Is(err, dnsq.ErrNoReply) || timing.Sent != 2 || without.Load() != 2 {
		t.Errorf("question for DNSSEC records: sent %d, %v, %d without EDNS; want 2, no reply, 2", timing.Sent, err, without.Load())
	}
}

func TestRetryKeepsEDNS(t *testing.T) {
	srv, with, without := dropsEDNS(t)
	c := &dnsq.Client{KeepEDNS: true}
	defer c.Close()
	_, _, err := c.Retry(3, 50*time.Millisecond)(context.Background(), srv, dnsq.NewQuery("a.test.", dns.TypeA, dnsq.Header{}))
	if !errors.Is(err, dnsq.ErrNoReply) || with.Load() != 3 || without.Load() != 0 {
		t.Errorf("%v after %d with EDNS and %d without; want no reply, 3, 0", err, with.Load(), without.Load())
	}
}

// One that has answered with EDNS before lost a packet.
func TestRetryLostPacket(t *testing.T) {
	var asked, without atomic.Int32
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.IsEdns0() == nil {
			without.Add(1)
		}
		if asked.Add(1) != 2 {
			_ = w.WriteMsg(new(dns.Msg).SetReply(q))
		}
	})
	c := new(dnsq.Client)
	defer c.Close()
	for range 3 {
		_, _, err := c.Retry(0, 100*time.Millisecond)(context.Background(), srv, dnsq.NewQuery("a.test.", dns.TypeA, dnsq.Header{}))
		if err != nil {
			t.Fatal(err)
		}
	}
	if without.Load() != 0 {
		t.Errorf("asked %d times without EDNS a server that knows it", without.Load())
	}
}

func TestRetryCancelled(t *testing.T) {
	srv := bulkServe(t, func(dns.ResponseWriter, *dns.Msg) {})
	c := new(dnsq.Client)
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	if _, _, err := c.Retry(5, time.Minute)(ctx, srv, dnsq.NewQuery("a.test.", dns.TypeA, dnsq.Header{})); !errors.Is(err, context.Canceled) || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v; want context.Canceled at once", err, time.Since(start))
	}
}
