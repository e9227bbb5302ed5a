package dnsq_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// A lab is a small Internet: replies by server address and question.
type lab map[string]func(q dns.Question) *dns.Msg

func (l lab) exchange(ctx context.Context, srv dnsq.Server, q *dns.Msg) (*dns.Msg, dnsq.Timing, error) {
	if err := ctx.Err(); err != nil {
		return nil, dnsq.Timing{}, err
	}
	h := l[srv.Addr.String()]
	if h == nil || q.RecursionDesired {
		return nil, dnsq.Timing{}, &dnsq.ServerFailedError{Server: srv, Err: dnsq.ErrNoReply}
	}
	m := h(q.Question[0])
	if m == nil {
		return nil, dnsq.Timing{}, &dnsq.ServerFailedError{Server: srv, Err: dnsq.ErrNoReply}
	}
	m.Question = q.Question
	m.Response = true
	return m, dnsq.Timing{}, nil
}

// labReply makes a reply: records of the answer, then after "--" the authority,
// then after "--" the additional section.
func labReply(t testing.TB, rcode int, records ...string) *dns.Msg {
	m := &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: rcode, Authoritative: true}}
	section := &m.Answer
	for _, s := range records {
		if s == "--" {
			if section == &m.Answer {
				section, m.Authoritative = &m.Ns, len(m.Answer) > 0
			} else {
				section = &m.Extra
			}
			continue
		}
		*section = append(*section, newRR(t, s))
	}
	return m
}

func labHints(addrs ...string) dnsq.Delegation {
	d := dnsq.Delegation{Zone: "."}
	for i, a := range addrs {
		d.Servers = append(d.Servers, dnsq.NameServer{Name: fmt.Sprintf("r%d.root.", i), Addrs: []netip.Addr{netip.MustParseAddr(a)}})
	}
	return d
}

// testLab has the root at 10.0.0.1 (and a dead one at 10.0.0.9), com. at
// 10.0.0.2, example.com. at 10.0.0.3, net. at 10.0.0.4 and others.net. at 10.0.0.5.
func testLab(t testing.TB) lab {
	under := func(q dns.Question, zone string) bool { return dns.IsSubDomain(zone, q.Name) }
	return lab{
		"10.0.0.1": func(q dns.Question) *dns.Msg {
			switch {
			case under(q, "com."):
				return labReply(t, 0, "--", "com. NS a.com.", "--", "a.com. A 10.0.0.2", "www.example.com. A 6.6.6.6")
			case under(q, "net."):
				return labReply(t, 0, "--", "net. NS a.net.", "--", "a.net. A 10.0.0.4")
			}
			return labReply(t, dns.RcodeNameError, "--", ". SOA a. b. 1 1 1 1 1")
		},
		"10.0.0.2": func(q dns.Question) *dns.Msg {
			switch {
			case under(q, "example.com."):
				return labReply(t, 0, "--", "example.com. NS ns.example.com.", "example.com. NS lame.example.com.", "--", "ns.example.com. A 10.0.0.3", "lame.example.com. A 10.0.0.8")
			case under(q, "out.com."): // servers in another zone; the address given is not believed
				return labReply(t, 0, "--", "out.com. NS ns.others.net.", "--", "ns.others.net. A 6.6.6.6")
			case under(q, "circle.com."):
				return labReply(t, 0, "--", "circle.com. NS ns.circle.net.")
			case under(q, "self.com."):
				return labReply(t, 0, "--", "self.com. NS ns.self.com.")
			case under(q, "up.com."): // refers upward
				return labReply(t, 0, "--", ". NS a.root.")
			}
			return labReply(t, dns.RcodeNameError, "--", "com. SOA a. b. 1 1 1 1 1")
		},
		"10.0.0.3": func(q dns.Question) *dns.Msg {
			switch {
			case q.Name == "www.example.com." && q.Qtype == dns.TypeA:
				return labReply(t, 0, "www.example.com. A 192.0.2.1")
			case q.Name == "alias.example.com.":
				return labReply(t, 0, "alias.example.com. CNAME www.out.com.", "www.out.com. A 6.6.6.6")
			case q.Name == "loop1.example.com.":
				return labReply(t, 0, "loop1.example.com. CNAME loop2.example.com.")
			case q.Name == "loop2.example.com.":
				return labReply(t, 0, "loop2.example.com. CNAME loop1.example.com.")
			}
			return labReply(t, 0, "--", "example.com. SOA a. b. 1 1 1 1 1")
		},
		"10.0.0.4": func(q dns.Question) *dns.Msg {
			switch {
			case under(q, "others.net."):
				return labReply(t, 0, "--", "others.net. NS a.others.net.", "--", "a.others.net. A 10.0.0.5")
			case under(q, "circle.net."):
				return labReply(t, 0, "--", "circle.net. NS ns.circle.com.")
			}
			return labReply(t, dns.RcodeNameError, "--", "net. SOA a. b. 1 1 1 1 1")
		},
		"10.0.0.5": func(q dns.Question) *dns.Msg {
			switch q.Name {
			case "ns.others.net.":
				if q.Qtype == dns.TypeA {
					return labReply(t, 0, "ns.others.net. A 10.0.0.5")
				}
			case "www.out.com.":
				return labReply(t, 0, "www.out.com. A 192.0.2.2")
			}
			return labReply(t, 0, "--", "others.net. SOA a. b. 1 1 1 1 1")
		},
		"10.0.0.8": func(dns.Question) *dns.Msg { return labReply(t, dns.RcodeRefused) },
		"10.0.0.9": func(dns.Question) *dns.Msg { return nil },
	}
}

func TestTrace(t *testing.T) {
	for _, tt := range []struct {
		name  string
		qtype uint16
		hints dnsq.Delegation
		steps string // zone, server, kind
		data  string // of the answers
		err   string
	}{
		{"www.example.com", dns.TypeA, labHints("10.0.0.1"),
			". 10.0.0.1 referral, com. 10.0.0.2 referral, example.com. 10.0.0.3 answer", "192.0.2.1", ""},
		{"www.example.com", dns.TypeA, labHints("10.0.0.9", "10.0.0.1"),
			". 10.0.0.9 error, . 10.0.0.1 referral, com. 10.0.0.2 referral, example.com. 10.0.0.3 answer", "192.0.2.1", ""},
		{"www.example.com", dns.TypeMX, labHints("10.0.0.1"),
			". 10.0.0.1 referral, com. 10.0.0.2 referral, example.com. 10.0.0.3 nodata", "", "NODATA"},
		{"gone.com", dns.TypeA, labHints("10.0.0.1"), ". 10.0.0.1 referral, com. 10.0.0.2 nxdomain", "", "NXDOMAIN"},
		{"www.out.com", dns.TypeA, labHints("10.0.0.1"),
			". 10.0.0.1 referral, com. 10.0.0.2 referral, . 10.0.0.1 referral, net. 10.0.0.4 referral, others.net. 10.0.0.5 answer, out.com. 10.0.0.5 answer", "192.0.2.2", ""},
		{"alias.example.com", dns.TypeA, labHints("10.0.0.1"),
			". 10.0.0.1 referral, com. 10.0.0.2 referral, example.com. 10.0.0.3 alias, com. 10.0.0.2 referral, . 10.0.0.1 referral, " +
				"net. 10.0.0.4 referral, others.net. 10.0.0.5 answer, out.com. 10.0.0.5 answer", "www.out.com. 192.0.2.2", ""},
		{"loop1.example.com", dns.TypeA, labHints("10.0.0.1"), "", "", "circle"},
		{"www.circle.com", dns.TypeA, labHints("10.0.0.1"), "", "", "no server of the zone"},
		{"www.self.com", dns.TypeA, labHints("10.0.0.1"), "", "", "no server of the zone"},
		{"www.up.com", dns.TypeA, labHints("10.0.0.1"), ". 10.0.0.1 referral, com. 10.0.0.2 lame", "", "does not serve the zone com."},
		{"www.example.com", dns.TypeA, labHints("10.0.0.9"), ". 10.0.0.9 error", "", "no reply"},
	} {
		var steps []string
		r, err := dnsq.Trace(context.Background(), tt.name, tt.qtype, dnsq.TraceConfig{Hints: tt.hints, Exchange: testLab(t).exchange}, func(s dnsq.TraceStep) error {
			steps = append(steps, fmt.Sprintf("%s %s %s", s.Zone, s.Server.Host, s.Kind))
			return nil
		})
		if err == nil {
			err = r.Err()
		}
		var data []string
		for _, rr := range r.Answers {
			data = append(data, rr.Data)
		}
		got := strings.Join(steps, ", ")
		if tt.steps != "" && got != tt.steps || (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("Trace(%s, %s):\n got %s, %v\nwant %s, %s", tt.name, dns.TypeToString[tt.qtype], got, err, tt.steps, tt.err)
		}
		if tt.err == "" && strings.Join(data, " ") != tt.data {
			t.Errorf("Trace(%s): answers %q; want %q", tt.name, data, tt.data)
		}
		if len(steps) > 40 {
			t.Errorf("Trace(%s): %d steps", tt.name, len(steps))
		}
	}
}

// Servers that refer to ever new servers without addresses.
func TestTraceBounded(t *testing.T) {
	n := 0
	endless := lab{"10.0.0.1": func(q dns.Question) *dns.Msg {
		n++
		return labReply(t, 0, "--", fmt.Sprintf("%s NS ns.x%d.", q.Name, n), fmt.Sprintf("%s NS ns.y%d.", q.Name, n))
	}}
	r, err := dnsq.Trace(context.Background(), "www.example.com", dns.TypeA, dnsq.TraceConfig{Hints: labHints("10.0.0.1"), Exchange: endless.exchange}, nil)
	if err == nil || len(r.Steps) > 128 {
		t.Errorf("%d steps, %v; want an error after at most 128", len(r.Steps), err)
	}
}

func TestTraceStops(t *testing.T) {
	stop := errors.New("enough")
	r, err := dnsq.Trace(context.Background(), "www.example.com", dns.TypeA, dnsq.TraceConfig{Hints: labHints("10.0.0.1"), Exchange: testLab(t).exchange},
		func(dnsq.TraceStep) error { return stop })
	if !errors.Is(err, stop) || len(r.Steps) != 1 {
		t.Errorf("%d steps, %v; want 1 and the error of each", len(r.Steps), err)
	}
	// In the look-up of a server's address too.
	steps := 0
	r, err = dnsq.Trace(context.Background(), "www.out.com", dns.TypeA, dnsq.TraceConfig{Hints: labHints("10.0.0.1"), Exchange: testLab(t).exchange},
		func(s dnsq.TraceStep) error {
			if steps++; s.Depth > 0 {
				return stop
			}
			return nil
		})
	if !errors.Is(err, stop) || steps != 3 || len(r.Steps) != 3 {
		t.Errorf("%d steps, %d seen, %v; want 3 and the error of each", len(r.Steps), steps, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := dnsq.Trace(ctx, "www.example.com", dns.TypeA, dnsq.TraceConfig{Hints: labHints("10.0.0.1"), Exchange: testLab(t).exchange}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v; want context.Canceled", err)
	}
}

func TestHints(t *testing.T) {
	built := dnsq.RootHints()
	if len(built.Servers) != 13 || len(built.Servers[0].Addrs) != 2 {
		t.Errorf("RootHints() = %v; want 13 servers with two addresses", built)
	}
	if f, err := os.Open("/usr/share/dns/root.hints"); err == nil { // Debian's dns-root-data has IANA's file
		defer f.Close()
		parsed, err := dnsq.ParseHints(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range parsed.Servers {
			if !slices.ContainsFunc(built.Servers, func(b dnsq.NameServer) bool { return b.Name == s.Name && slices.Equal(b.Addrs, s.Addrs) }) {
				t.Errorf("built-in hints lack %v", s)
			}
		}
	}
	for _, bad := range []string{"", ". NS a.root.", ". A x", "www. NS a."} {
		if got, err := dnsq.ParseHints(strings.NewReader(bad)); err == nil {
			t.Errorf("ParseHints(%q) = %v; want an error", bad, got)
		}
	}
}
