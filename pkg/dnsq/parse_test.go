package dnsq_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/dnstest"
	"github.com/brio-net/brio/pkg/dnsq"
)

func must(t *testing.T, prefix string) netip.Prefix {
	t.Helper()
	p, err := netip.ParsePrefix(prefix)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseServer(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"192.0.2.1", "192.0.2.1:53"},
		{"192.0.2.1:5353", "192.0.2.1:5353"},
		{"2001:db8::1", "[2001:db8::1]:53"},
		{"[2001:db8::1]", "[2001:db8::1]:53"},
		{"[2001:db8::1]:5353", "[2001:db8::1]:5353"},
		{"fe80::1%eth0", "[fe80::1%eth0]:53"},
		{"ns.example", "ns.example:53"},
		{"ns.example.:53", "ns.example.:53"},
		{"udp://ns.example", "ns.example:53"},
		{"tcp://192.0.2.1", "tcp://192.0.2.1:53"},
		{"tls://192.0.2.1#dns.example", "tls://192.0.2.1:853"},
		{"TLS://dns.example", "tls://dns.example:853"},
		{"quic://dns.example", "quic://dns.example:853"},
		{"https://dns.example", "https://dns.example:443/dns-query"},
		{"https://dns.example:8443/q?x=1", "https://dns.example:8443/q?x=1"},
		{"https://[2001:db8::1]/dns-query", "https://[2001:db8::1]:443/dns-query"},
		{"", ""}, {"ftp://x", ""}, {"x:", ""}, {"x:0", ""}, {"x:65536", ""}, {"x:dns", ""}, {":53", ""},
		{"1.2.3.256", ""}, {"127.1", ""}, {"a b", ""}, {"a..b", ""}, {"[x]:53", ""}, {"[192.0.2.1]:53", ""}, {"tls://x/path", ""},
		{"https://", ""}, {"x:1:2", ""},
	} {
		srv, err := dnsq.ParseServer(tt.in)
		if tt.want == "" {
			if serr := new(*dnsq.ServerError); !errors.As(err, serr) {
				t.Errorf("ParseServer(%q) = %v, %v; want a ServerError", tt.in, srv, err)
			}
			continue
		}
		if err != nil || srv.String() != tt.want {
			t.Errorf("ParseServer(%q) = %v, %v; want %s", tt.in, srv, err, tt.want)
		}
	}
	if srv, _ := dnsq.ParseServer("tls://192.0.2.1#dns.example"); srv.ServerName != "dns.example" {
		t.Errorf("certificate name %q", srv.ServerName)
	}
}

func FuzzParseServer(f *testing.F) {
	for _, s := range []string{"192.0.2.1:53", "[::1]:53", "https://x/y#z", "tls://a#b", "fe80::1%1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		srv, err := dnsq.ParseServer(s)
		if err != nil {
			return
		}
		again, err := dnsq.ParseServer(srv.String())
		if err != nil || again.String() != srv.String() {
			t.Errorf("ParseServer(%q) = %v, which reads as %v, %v", s, srv, again, err)
		}
	})
}

// conf is a configuration as one line.
func conf(c *dnsq.SystemConfig) string {
	var servers []string
	for _, s := range c.Nameservers {
		servers = append(servers, s.String())
	}
	return fmt.Sprintf("%s|%s|%s|%d %v %d", strings.Join(servers, " "), c.Domain, strings.Join(c.Search, " "), c.Ndots, c.Timeout, c.Attempts)
}

func TestParseResolvConf(t *testing.T) {
	const local = "127.0.0.1:53 [::1]:53"
	for _, tt := range []struct {
		name, in string
		env      dnsq.ResolvEnv
		want     string
	}{
		{"empty: the server on this machine", "", dnsq.ResolvEnv{}, local + "|||1 0s 0"},
		{"the first three servers", "nameserver 192.0.2.1\nnameserver\t192.0.2.2 # x\nnameserver fe80::1%lo\nnameserver 192.0.2.4\n", dnsq.ResolvEnv{},
			"192.0.2.1:53 192.0.2.2:53 [fe80::1%lo]:53|||1 0s 0"},
		{"what is no address is passed over", "nameserver ns.example\nnameserver 192.0.2.300\nnameserver 127.1\nnameserver 192.0.2.1", dnsq.ResolvEnv{}, "192.0.2.1:53|||1 0s 0"},
		{"a port", "nameserver [192.0.2.1]:5353\nnameserver [2001:db8::1]:54", dnsq.ResolvEnv{}, "192.0.2.1:5353 [2001:db8::1]:54|||1 0s 0"},
		{"comments", "# nameserver 192.0.2.1\n;search x\nsearch a # c\n", dnsq.ResolvEnv{}, local + "||a|1 0s 0"},
		{"search of systemd", "search .\n", dnsq.ResolvEnv{}, local + "|||1 0s 0"},
		{"illegal domains", "search a.example .. b..c " + strings.Repeat("x", 64) + " A.EXAMPLE b.example.\n", dnsq.ResolvEnv{}, local + "||a.example b.example|1 0s 0"},
		{"the last of domain and search counts", "search a b\ndomain c.example\n", dnsq.ResolvEnv{}, local + "|c.example||1 0s 0"},
		{"and the other way", "domain c.example\nsearch a b\n", dnsq.ResolvEnv{}, local + "||a b|1 0s 0"},
		{"options", "options ndots:3 timeout:7 attempts:4 rotate use-vc", dnsq.ResolvEnv{}, local + "|||3 7s 4"},
		{"options out of range", "options ndots:99 timeout:0 attempts:99", dnsq.ResolvEnv{}, local + "|||15 1s 5"},
		{"options that are none", "options ndots:x timeout attempts: foo\noptions", dnsq.ResolvEnv{}, local + "|||1 0s 0"},
		{"the environment", "search a\noptions ndots:2", dnsq.ResolvEnv{LocalDomain: "l.example m.example", ResOptions: "ndots:5 attempts:2"}, local + "||l.example m.example|5 0s 2"},
		{"the domain of the host name", "", dnsq.ResolvEnv{Hostname: "box.corp.example"}, local + "|corp.example||1 0s 0"},
		{"Windows line ends", "nameserver 192.0.2.1\r\nsearch a\r\n", dnsq.ResolvEnv{}, "192.0.2.1:53||a|1 0s 0"},
	} {
		c, err := dnsq.ParseResolvConf(strings.NewReader(tt.in), tt.env)
		if err != nil || conf(c) != tt.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", tt.name, conf(c), err, tt.want)
		}
	}
	c, _ := dnsq.ParseResolvConf(strings.NewReader("options rotate use-vc trust-ad edns0 no-aaaa"), dnsq.ResolvEnv{})
	if !c.Rotate || !c.UseTCP || !c.TrustAD || !c.EDNS || !c.NoAAAA {
		t.Errorf("options %+v", c)
	}
}

func FuzzParseResolvConf(f *testing.F) {
	f.Add("nameserver 192.0.2.1\nsearch a b\noptions ndots:3\n", "x", "ndots:2", "h.example")
	f.Fuzz(func(t *testing.T, s, domain, options, host string) {
		c, err := dnsq.ParseResolvConf(strings.NewReader(s), dnsq.ResolvEnv{LocalDomain: domain, ResOptions: options, Hostname: host})
		if err != nil {
			return
		}
		if len(c.Nameservers) == 0 || len(c.Nameservers) > 3 || c.Ndots < 0 || c.Ndots > 15 || c.Timeout > 30*time.Second || c.Attempts > 5 {
			t.Errorf("%q: %+v", s, c)
		}
		for _, d := range append(c.Search, "x"+c.Domain) {
			if _, err := dnsq.AbsoluteName("a." + d); err != nil && len(d) < 240 {
				t.Errorf("%q: search domain %q: %v", s, d, err)
			}
		}
	})
}

func TestParseHosts(t *testing.T) {
	h, err := dnsq.ParseHosts(strings.NewReader("127.0.0.1 localhost\n::1 localhost ip6-localhost\n# 192.0.2.1 x\nnonsense y\n192.0.2.1\n192.0.2.2\ta.example  a # c\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"LOCALHOST": "[127.0.0.1 ::1]", "a.example.": "[192.0.2.2]", "a": "[192.0.2.2]", "x": "[]", "y": "[]", "c": "[]"} {
		if got := fmt.Sprint(h.Addrs(name)); got != want {
			t.Errorf("Addrs(%q) = %s, want %s", name, got, want)
		}
	}
	if got := h.Names(netip.MustParseAddr("::ffff:192.0.2.2")); !reflect.DeepEqual(got, []string{"a.example", "a"}) {
		t.Errorf("Names = %q", got)
	}
}

func FuzzParseHosts(f *testing.F) {
	f.Add("127.0.0.1 localhost # x\n")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := dnsq.ParseHosts(strings.NewReader(s))
		if err == nil {
			h.Addrs("localhost")
		}
	})
}

func TestAbsoluteName(t *testing.T) {
	label63, label64 := strings.Repeat("a", 63), strings.Repeat("a", 64)
	for _, tt := range []struct {
		in, want string // "" when in must be refused
	}{
		{".", "."}, {"a", "a."}, {"a.", "a."}, {"_x._tcp.a.b", "_x._tcp.a.b."}, {"*.a", "*.a."}, {"a--b.c", "a--b.c."},
		{`a\.b.c`, `a\.b.c.`}, {`a\032b`, `a\ b.`}, {`a\ b`, `a\ b.`}, {`\097"b`, `a\"b.`}, {`a;\@`, `a\;\@.`}, {`a\255`, `a\255.`}, {label63, label63 + "."},
		{strings.Repeat("a.", 127), strings.Repeat("a.", 127)},
		{"", ""}, {"..", ""}, {".a", ""}, {"a..b", ""}, {label64, ""}, {strings.Repeat("a.", 128), ""}, {`a\256`, ""}, {`a\25`, ""}, {`a\`, ""},
		{"a b", ""}, {"a\tb", ""}, {"bücher", ""}, {"a\x00b", ""}, {strings.Repeat(label63+".", 4), ""},
	} {
		got, err := dnsq.AbsoluteName(tt.in)
		if (err == nil) != (tt.want != "") || err == nil && got != tt.want {
			t.Errorf("AbsoluteName(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

// A name is the same however it is escaped: on the way out, in the reply and in
// the cache. Printed, a space in it does not end a word.
func TestNamesWithEscapes(t *testing.T) {
	z := newZone(t, `\"x\".example. 60 IN A 192.0.2.1`, `sp\032ace.example. 60 IN A 192.0.2.2`, `to.example. 60 IN CNAME sp\032ace.example.`)
	z.mu.Lock()                                     // the server runs
	z.records[1].Header().Name = `sp\ ace.example.` // as questions have it
	z.records[2].(*dns.CNAME).Target = `sp\ ace.example.`
	z.mu.Unlock()
	r := z.resolver(t, dnsq.Config{})
	for _, tt := range []struct{ name, want, answer string }{
		{`"x".example`, `\"x\".example.`, "192.0.2.1"},
		{`\034\120\".example`, `\"x\".example.`, "192.0.2.1"},
		{`sp\ ace.example`, `sp\032ace.example.`, "192.0.2.2"},
		{`\115p\032ace.example`, `sp\032ace.example.`, "192.0.2.2"},
		{`to.example`, `to.example.`, "192.0.2.2"},
	} {
		for range 2 { // the second answer comes from the cache
			a := query(t, r, tt.name, quick)
			if a.Name != tt.want || fmt.Sprint(a.Primary) != tt.answer {
				t.Errorf("%s: %s of %s; want %s of %s", tt.name, a.Primary, a.Name, tt.answer, tt.want)
			}
		}
	}
	if a := query(t, r, "to.example", quick); a.Chain()[0].Data != `sp\032ace.example.` || a.Chain()[1].Name != `sp\032ace.example.` {
		t.Errorf("%v", a.Chain())
	}
}

func TestParseType(t *testing.T) {
	for s, want := range map[string]uint16{"mx": 15, "TYPE65280": 65280, "nsap": 22, "DSYNC": 66, "type0": 0, "any": 255} {
		if got, ok := dnsq.ParseType(s); !ok || got != want {
			t.Errorf("ParseType(%q) = %d, %v; want %d", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "none", "RESERVED", "TYPE", "TYPE65536", "TYPE-1", "MXX"} {
		if got, ok := dnsq.ParseType(s); ok {
			t.Errorf("ParseType(%q) = %d", s, got)
		}
	}
	for s, want := range map[string]uint16{"ch": 3, "Chaos": 3, "HESIOD": 4, "CLASS7": 7} {
		if got, ok := dnsq.ParseClass(s); !ok || got != want {
			t.Errorf("ParseClass(%q) = %d, %v; want %d", s, got, ok, want)
		}
	}
}

// FuzzNameIn: a name that is accepted can be sent, and means the same to the
// parser of messages.
func FuzzNameIn(f *testing.F) {
	for _, s := range []string{"a.b", `a\.b.`, `\000\255.x`, `"\032.x`, "bücher.example", "。", "xn--a.x", strings.Repeat("a.", 127)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := dnsq.ParseName(s)
		if err != nil {
			return
		}
		abs, err := dnsq.AbsoluteName(name)
		if err != nil {
			t.Fatalf("ParseName(%q) = %q, which is refused: %v", s, name, err)
		}
		buf := make([]byte, 512)
		n, err := dns.PackDomainName(abs, buf, 0, nil, false)
		if err != nil || n > 255 {
			t.Fatalf("%q (from %q): packed in %d octets, %v", abs, s, n, err)
		}
		back, _, err := dns.UnpackDomainName(buf[:n], 0)
		if err != nil {
			t.Fatalf("%q: %v", abs, err)
		}
		if again, err := dnsq.AbsoluteName(back); err != nil || again != back {
			t.Errorf("the parser's %q is refused: %v", back, err)
		}
	})
}

func TestParseName(t *testing.T) {
	for _, tt := range []struct {
		in, want string // "" when in must be refused
	}{
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER.example.", "xn--bcher-kva.example."},
		{"_dmarc.bücher.example", "_dmarc.xn--bcher-kva.example"},
		{"*.bücher", "*.xn--bcher-kva"},
		{"ab--cd.com", "ab--cd.com"}, {"xn--aa.com", "xn--aa.com"}, {"Mixed.Case", "Mixed.Case"},
		{"faß.de", "xn--fa-hia.de"},
		{"例え。テスト", "xn--r8jz45g.xn--zckzah"}, {"例え。テスト。", "xn--r8jz45g.xn--zckzah."},
		{"bü cher", ""}, {"a..ü", ""}, {"ü" + strings.Repeat("x", 70), ""},
	} {
		got, err := dnsq.ParseName(tt.in)
		if (err == nil) != (tt.want != "") || err == nil && got != tt.want {
			t.Errorf("ParseName(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
	for in, want := range map[string]string{
		"xn--bcher-kva.example.": "bücher.example.", "a.example.": "a.example.", "xn--aa.com.": "xn--aa.com.", "XN--BCHER-KVA.": "bücher.",
	} {
		if got := dnsq.UnicodeName(in); got != want {
			t.Errorf("UnicodeName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestReverseName(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":        "1.2.0.192.in-addr.arpa.",
		"::ffff:192.0.2.1": "1.2.0.192.in-addr.arpa.",
		"2001:db8::1":      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
		"fe80::1%eth0":     "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa.",
	} {
		if got := dnsq.ReverseName(netip.MustParseAddr(in)); got != want {
			t.Errorf("ReverseName(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestParseAddr(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "127.1": "127.0.0.1", "128.1.3": "128.1.0.3", "3221225985": "192.0.2.1", "0x7f.1": "127.0.0.1", "0": "0.0.0.0",
		"::1": "::1", "fe80::1%lo": "fe80::1%lo",
		"": "", "a": "", "1.2.3.256": "", "1.2.3.4.5": "", "4294967296": "", "1.": "", "0b1": "", "1_0": "", "+1": "", "-1": "", "256.1": "", "1.16777216": "",
	} {
		got, ok := dnsq.ParseAddr(in)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("ParseAddr(%q) = %v, %v; want %q", in, got, ok, want)
		}
	}
}

// FuzzReply: a reply that is accepted belongs to its question, and can be shown
// without a character that drives a terminal.
func FuzzReply(f *testing.F) {
	q := dnsq.NewQuery("www.example.", dns.TypeA, dnsq.Header{})
	q.Id = 7
	reply := dnstest.Answer(q, "192.0.2.1")
	for _, s := range []string{`www.example. 1 IN TXT "\027[31m"`, `a\027b.example. 1 IN MX 1 x\010y.`, "www.example. 1 IN HTTPS 1 . alpn=h2",
		"www.example. 1 IN CAA 0 issue \"\\155\"", "www.example. 1 IN NAPTR 1 1 \"\\007\" \"\" \"\" ."} {
		if rr, err := dns.NewRR(s); err == nil {
			reply.Answer = append(reply.Answer, rr)
		}
	}
	reply.SetEdns0(1232, true)
	reply.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: 1, ExtraText: "\x1b"}, &dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: "1b5b"}}
	f.Add(mustPack(reply))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := dnsq.CheckReply(q, b)
		if err != nil {
			return
		}
		if m.Id != 7 || !m.Response {
			t.Fatalf("accepted %v", m)
		}
		resp := dnsq.NewResponse(m, dnsq.Server{Host: "127.0.0.1"}, dnsq.Timing{})
		texts := append([]string{}, resp.EDE...)
		if resp.EDNS != nil {
			texts = append(texts, resp.EDNS.NSID)
			for _, o := range resp.EDNS.Other {
				texts = append(texts, o.Data)
			}
		}
		for _, rrs := range [][]dnsq.RR{resp.Answers, resp.Authority, resp.Additional} {
			for _, rr := range rrs {
				texts = append(texts, rr.Name, rr.Data, strings.ReplaceAll(rr.String(), "\t", ""))
			}
		}
		for _, s := range texts {
			for _, r := range s {
				if r < ' ' || r >= 0x7f && r < 0xa0 {
					t.Fatalf("%q would reach a terminal", s)
				}
			}
		}
		_ = resp.Err()
	})
}
