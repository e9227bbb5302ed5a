package dnsq

import (
	"encoding/hex"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The window doubles while nothing is lost, stays at a loss that names without
// answer would make, and halves when the path or the server is overrun.
func TestBulkWindow(t *testing.T) {
	s := newBulkServer(Server{Host: "192.0.2.1"}, &BulkConfig{Window: 1024, Client: new(Client)}, nil)
	epoch := func(lostPercent int) int {
		n := max(int(s.window), 32)
		for range n {
			s.countSent()
		}
		s.epochLost = n * lostPercent / 100
		s.review()
		return int(s.window)
	}
	for _, tt := range []struct{ lost, want int }{
		{0, 256}, {0, 512}, {2, 1024}, {0, 1024}, {5, 1024}, {50, 512}, {50, 256}, {5, 256}, {0, 288}, {0, 324},
	} {
		if got := epoch(tt.lost); got != tt.want {
			t.Fatalf("after %d %% lost the window is %d; want %d", tt.lost, got, tt.want)
		}
	}
	for range 20 {
		epoch(100)
	}
	if s.window < 8 {
		t.Errorf("window %v; want at least 8", s.window)
	}
}

// The wait for a reply follows the measured round trip (RFC 6298 section 2).
func TestBulkRTO(t *testing.T) {
	s := newBulkServer(Server{}, &BulkConfig{Window: 64, Client: new(Client)}, nil)
	if s.rto() != bulkFirstRTO {
		t.Errorf("before any reply: %s; want %s", s.rto(), bulkFirstRTO)
	}
	s.measured(100 * time.Millisecond)
	if s.rto() != 300*time.Millisecond {
		t.Errorf("after one: %s; want srtt + 4 × half of it", s.rto())
	}
	for range 100 {
		s.measured(100 * time.Millisecond)
	}
	if d := s.rto(); d < 100*time.Millisecond || d > 110*time.Millisecond {
		t.Errorf("after many equal ones: %s; want about 100ms", d)
	}
	for range 100 {
		s.measured(100 * time.Microsecond)
	}
	if s.rto() != bulkMinRTO {
		t.Errorf("on a fast path: %s; want %s", s.rto(), bulkMinRTO)
	}
}

// Other people's servers are asked politely unless the caller says otherwise.
func TestBulkPoliteRate(t *testing.T) {
	for _, tt := range []struct {
		hosts []string
		rate  float64 // asked for
		want  float64
	}{
		{[]string{"192.0.2.1"}, 0, 1000},
		{[]string{"192.0.2.1", "2001:db8::1"}, 0, 2000},
		{[]string{"192.0.2.1", "10.0.0.1"}, 0, 2000},
		{[]string{"127.0.0.1"}, 0, math.Inf(1)},
		{[]string{"10.1.2.3"}, 0, math.Inf(1)},
		{[]string{"fd00::1"}, 0, math.Inf(1)},
		{[]string{"192.0.2.1"}, 50, 50},
		{[]string{"192.0.2.1"}, -1, math.Inf(1)},
	} {
		cfg := BulkConfig{Rate: tt.rate}
		for _, h := range tt.hosts {
			cfg.Servers = append(cfg.Servers, Server{Host: h})
		}
		if cfg.setDefaults(); cfg.Rate != tt.want {
			t.Errorf("%v asked at %v: %v; want %v", tt.hosts, tt.rate, cfg.Rate, tt.want)
		}
	}
}

// bulkReply is a reply with records of one type.
func bulkReply(t testing.TB, records ...string) []byte {
	t.Helper()
	m := new(dns.Msg).SetQuestion("www.example.", dns.TypeA)
	m.Response, m.Compress = true, true
	for _, s := range records {
		rr, err := dns.NewRR(s)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
		m.Question[0].Qtype = rr.Header().Rrtype
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The way of an answer from the message to the output allocates nothing, that of
// a question at most its final dot.
func TestBulkAllocations(t *testing.T) {
	buf := make([]byte, 0, 4096)
	for _, records := range [][]string{
		{"www.example. 60 A 192.0.2.1", "www.example. 60 A 192.0.2.2"},
		{"www.example. 60 AAAA 2001:db8::1"},
		{"www.example. 60 MX 10 mail.example."},
		{`www.example. 60 TXT "v=spf1" "-all"`},
		{"www.example. 60 CNAME a.example.", "a.example. 60 A 192.0.2.1"},
	} {
		r := BulkResult{Name: "www.example", Message: bulkReply(t, records...)}
		if n := testing.AllocsPerRun(100, func() { buf = r.AppendShort(buf[:0]) }); n > 0 {
			t.Errorf("AppendShort of %q allocates %v times", records, n)
		}
		if n := testing.AllocsPerRun(100, func() { buf = r.AppendRecords(buf[:0]) }); n > 0 {
			t.Errorf("AppendRecords of %q allocates %v times", records, n)
		}
		if n := testing.AllocsPerRun(100, func() { wireWellFormed(r.Message) }); n > 0 {
			t.Errorf("checking %q allocates %v times", records, n)
		}
	}
	template, err := newBulkTemplate(&BulkConfig{Type: dns.TypeA})
	if err != nil {
		t.Fatal(err)
	}
	var p bulkPacked
	q := BulkQuestion{Name: "www.example", Type: dns.TypeA}
	if n := testing.AllocsPerRun(100, func() { p.pack(q, &template, nil) }); n > 1 {
		t.Errorf("packing a question allocates %v times", n)
	}
	srv := newBulkServer(Server{Host: "192.0.2.1"}, &BulkConfig{Window: 1, Client: new(Client)}, template.opt)
	if n := testing.AllocsPerRun(100, func() { p.message(1, srv.opt, 128) }); n > 0 {
		t.Errorf("making a message allocates %v times", n)
	}
	m := new(dns.Msg).SetQuestion("www.example.", dns.TypeA)
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString(srv.cookie)}}
	reply, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		opt, _ := wireCheck(reply)
		srv.cookieFits(reply, opt)
	}); n > 0 {
		t.Errorf("checking a cookie allocates %v times", n)
	}
}

func BenchmarkBulkPack(b *testing.B) {
	template, err := newBulkTemplate(&BulkConfig{Type: dns.TypeA})
	if err != nil {
		b.Fatal(err)
	}
	var p bulkPacked
	b.ReportAllocs()
	for b.Loop() {
		p.pack(BulkQuestion{Name: "www.example.com", Type: dns.TypeA}, &template, nil)
	}
}

func BenchmarkBulkRender(b *testing.B) {
	r := BulkResult{Name: "www.example", Message: bulkReply(b, "www.example. 60 A 192.0.2.1", "www.example. 60 A 192.0.2.2")}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		if wireWellFormed(r.Message) {
			buf = r.AppendRecords(buf[:0])
		}
	}
}

// Questions are padded to whole blocks where the transport encrypts (RFC 8467
// section 4.1), whatever their length, and can be parsed.
func TestBulkPadding(t *testing.T) {
	template, err := newBulkTemplate(&BulkConfig{Type: dns.TypeA, Header: Header{NSID: true, ClientSubnet: netip.MustParsePrefix("2001:db8::/56")}})
	if err != nil {
		t.Fatal(err)
	}
	srv := newBulkServer(Server{Transport: TLS}, &BulkConfig{Window: 1, Client: new(Client)}, template.opt)
	for n := 1; n < 250; n++ {
		var p bulkPacked
		name := strings.Repeat("a.", n/2) + strings.Repeat("b", n%2+1)
		if p.pack(BulkQuestion{Name: name, Type: dns.TypeA}, &template, nil); p.Err != nil {
			t.Fatal(p.Err)
		}
		b := p.message(uint16(n), srv.opt, srv.block)
		m := new(dns.Msg)
		if err := m.Unpack(b); err != nil || len(b)%128 != 0 || m.IsEdns0() == nil || len(m.IsEdns0().Option) != 3 || m.Question[0].Name != name+"." {
			t.Fatalf("name of %d octets: %d octets, %v, %v", n, len(b), err, m)
		}
	}
}
