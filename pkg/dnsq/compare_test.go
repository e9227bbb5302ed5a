package dnsq_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// fixed makes a server that always gives these answers.
func fixed(t *testing.T, rcode int, records ...string) dnsq.Server {
	return bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := labReply(t, rcode, records...)
		m.SetReply(q)
		m.Rcode = rcode
		_ = w.WriteMsg(m)
	})
}

func TestCompare(t *testing.T) {
	one := fixed(t, 0, "w.test. 300 CNAME A.test.", "a.test. 300 A 192.0.2.1", "a.test. 300 A 192.0.2.2")
	same := fixed(t, 0, "a.test. 17 A 192.0.2.2", "a.test. 17 A 192.0.2.1", "w.test. 9 CNAME a.TEST.", "other.test. A 6.6.6.6")
	less := fixed(t, 0, "w.test. 300 CNAME a.test.", "a.test. 300 A 192.0.2.1")
	gone := fixed(t, dns.RcodeNameError)
	dead := bulkServe(t, func(dns.ResponseWriter, *dns.Msg) {})
	c := &dnsq.Client{Timeout: 200 * time.Millisecond}
	defer c.Close()
	for _, tt := range []struct {
		what    string
		servers []dnsq.Server
		groups  []int
		err     error
	}{
		{"same in another order, case and TTL", []dnsq.Server{one, same, one}, []int{0, 0, 0}, nil},
		{"a record less", []dnsq.Server{less, one, same}, []int{1, 0, 0}, dnsq.ErrDisagree},
		{"NXDOMAIN and answers", []dnsq.Server{one, gone}, []int{0, 1}, dnsq.ErrDisagree},
		{"NXDOMAIN everywhere", []dnsq.Server{gone, gone}, []int{0, 0}, nil},
		{"one silent", []dnsq.Server{one, dead}, []int{0, -1}, dnsq.ErrDisagree},
		{"all silent", []dnsq.Server{dead, dead}, []int{-1, -1}, dnsq.ErrNoReply},
	} {
		r, err := dnsq.Compare(context.Background(), "w.test", dns.TypeA, tt.servers, c.Exchange, dnsq.Header{})
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range r.Servers {
			if s.Group != tt.groups[i] {
				t.Errorf("%s: server %d in group %d; want %d", tt.what, i, s.Group, tt.groups[i])
			}
		}
		if !errors.Is(r.Err(), tt.err) || (tt.err == nil) != r.Agree {
			t.Errorf("%s: agree %v, %v; want %v", tt.what, r.Agree, r.Err(), tt.err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := dnsq.Compare(ctx, "w.test", dns.TypeA, []dnsq.Server{dead}, c.Exchange, dnsq.Header{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestExpectation(t *testing.T) {
	reply := func(rcode int, records ...string) *dnsq.Response {
		m := labReply(t, rcode, records...)
		q := dns.Question{Name: "w.test.", Qtype: dns.TypeA, Qclass: dns.ClassINET}
		if len(m.Answer) > 0 {
			q.Qtype = m.Answer[len(m.Answer)-1].Header().Rrtype
		}
		m.Question = []dns.Question{q}
		return dnsq.NewResponse(m, dnsq.Server{}, dnsq.Timing{})
	}
	for _, tt := range []struct {
		expect string
		reply  *dnsq.Response
		met    bool
	}{
		{"192.0.2.1", reply(0, "w.test. A 192.0.2.9", "w.test. A 192.0.2.1"), true},
		{"192.0.2.10", reply(0, "w.test. A 192.0.2.1"), false},
		{"2001:DB8:0::1", reply(0, "w.test. AAAA 2001:db8::1"), true},
		{"10 Mail.Test", reply(0, "w.test. MX 10 mail.test."), true},
		{"10 mail.test.", reply(0, "w.test. MX 10 mail.test."), true},
		{"mail.test", reply(0, "w.test. MX 10 mail.test."), false},
		{"v=spf1 -all", reply(0, `w.test. TXT "v=spf1 " "-all"`), true},
		{`"v=spf1 " "-all"`, reply(0, `w.test. TXT "v=spf1 " "-all"`), true},
		{"V=spf1 -all", reply(0, `w.test. TXT "v=spf1 -all"`), false},
		{"/^v=spf1/", reply(0, `w.test. TXT "v=spf1 -all"`), true},
		{"/^-all/", reply(0, `w.test. TXT "v=spf1 -all"`), false},
		{"/192\\.0\\.2\\./", reply(0, "w.test. A 192.0.2.1"), true},
		{"!192.0.2.1", reply(0, "w.test. A 192.0.2.1"), false},
		{"!192.0.2.1", reply(0, "w.test. A 192.0.2.2"), true},
		{"!192.0.2.1", reply(dns.RcodeNameError), true},
		{"!192.0.2.1", reply(dns.RcodeServerFailure), false},
		{"6.6.6.6", reply(0, "evil.test. A 6.6.6.6"), false},
		{"NXDOMAIN", reply(dns.RcodeNameError), true},
		{"NXDOMAIN", reply(0), false},
		{"NODATA", reply(0), true},
		{"!NXDOMAIN", reply(0), true},
		{"192.0.2.1", nil, false},
	} {
		e, err := dnsq.ParseExpectation(tt.expect)
		if err != nil || e.Met(tt.reply) != tt.met {
			t.Errorf("%q, %v: %v; want %v", tt.expect, err, e.Met(tt.reply), tt.met)
		}
	}
	for _, bad := range []string{"", "!", "/(/"} {
		if _, err := dnsq.ParseExpectation(bad); !errors.Is(err, dnsq.ErrUsage) {
			t.Errorf("ParseExpectation(%q) = %v; want ErrUsage", bad, err)
		}
	}
}

func TestAwait(t *testing.T) {
	var asked atomic.Int32
	late := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if asked.Add(1) > 3 {
			m.Answer = []dns.RR{newRR(t, "w.test. A 192.0.2.1")}
		}
		_ = w.WriteMsg(m)
	})
	early := fixed(t, 0, "w.test. A 192.0.2.1")
	want, _ := dnsq.ParseExpectation("192.0.2.1")
	c := &dnsq.Client{}
	defer c.Close()
	cfg := dnsq.AwaitConfig{Servers: []dnsq.Server{early, late}, Exchange: c.Exchange}
	r, err := dnsq.Await(context.Background(), "w.test", dns.TypeA, []dnsq.Expectation{want}, cfg, nil)
	if err != nil || r.Met || r.Rounds != 1 || !errors.Is(r.Err(), dnsq.ErrExpectation) || !strings.Contains(r.Err().Error(), "not seen at 1 of 2 servers: 192.0.2.1") {
		t.Errorf("once: %+v, %v; want not met", r, err)
	}
	cfg.Until, cfg.Interval = 5*time.Second, 10*time.Millisecond
	rounds := 0
	r, err = dnsq.Await(context.Background(), "w.test", dns.TypeA, []dnsq.Expectation{want}, cfg, func(*dnsq.AwaitResult) { rounds++ })
	if err != nil || !r.Met || r.Err() != nil || r.Rounds != 3 || rounds != 3 {
		t.Errorf("polling: %+v, %v, %d rounds; want met in the third", r, err, rounds)
	}
	never, _ := dnsq.ParseExpectation("192.0.2.99")
	cfg.Until = 50 * time.Millisecond
	r, err = dnsq.Await(context.Background(), "w.test", dns.TypeA, []dnsq.Expectation{want, never}, cfg, nil)
	if err != nil || r.Met || r.Rounds < 2 || len(r.Servers[0].Missing) != 1 {
		t.Errorf("never: %+v, %v; want not met after several rounds", r, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	cfg.Until, cfg.Interval = time.Hour, time.Hour
	if _, err = dnsq.Await(ctx, "w.test", dns.TypeA, []dnsq.Expectation{never}, cfg, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestZoneServers(t *testing.T) {
	fetch := func(_ context.Context, name string, qtype uint16) (*dns.Msg, error) {
		m := new(dns.Msg).SetQuestion(name, qtype)
		switch {
		case name == "example." && qtype == dns.TypeNS:
			m.Answer = []dns.RR{newRR(t, "example. NS ns1.example."), newRR(t, "example. NS ns2.other.")}
		case name == "ns1.example." && qtype == dns.TypeA:
			m.Answer = []dns.RR{newRR(t, "ns1.example. A 127.0.0.1")}
		case name == "ns2.other." && qtype == dns.TypeA:
			m.Answer = []dns.RR{newRR(t, "ns2.other. CNAME x.other."), newRR(t, "x.other. A 127.0.0.2")}
		}
		return m, nil
	}
	zone, servers, err := dnsq.ZoneServers(context.Background(), "a.b.example", fetch)
	if err != nil || zone != "example." || len(servers) != 2 || servers[0].String() != "127.0.0.1:53" || servers[1].Host != "127.0.0.2" {
		t.Errorf("ZoneServers = %s, %v, %v", zone, servers, err)
	}
	if _, _, err := dnsq.ZoneServers(context.Background(), "a.test", fetch); !errors.Is(err, dnsq.ErrNotFound) {
		t.Errorf("without zone: %v; want ErrNotFound", err)
	}
}
