package dnsq_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// Each test here is named after a row of the operators.

func TestConfigureDNS(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	text := "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch sys.example other.example\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	own := []dnsq.Server{{Host: "192.0.2.9"}}
	for _, tt := range []struct {
		name    string
		cfg     dnsq.Config
		servers string
		domain  string
		search  string
	}{
		{"the zero configuration is the system's", dnsq.Config{}, "192.0.2.1:53 [2001:db8::1]:53", "", "sys.example other.example"},
		{"what is given counts", dnsq.Config{Nameservers: own, Domain: "d.example", Search: []string{"s.example", ".", "bad..name"}},
			"192.0.2.9:53", "d.example", "s.example"},
		{"what is not given comes from the system", dnsq.Config{Domain: "d.example"}, "192.0.2.1:53 [2001:db8::1]:53", "d.example", ""},
		{"auto wins over the others", dnsq.Config{Auto: true, Nameservers: own, Domain: "d.example", Search: []string{"s.example"}},
			"192.0.2.1:53 [2001:db8::1]:53", "", "sys.example other.example"},
	} {
		tt.cfg.ResolvConf, tt.cfg.NoHosts = conf, true
		r, err := dnsq.NewResolver(tt.cfg)
		if err != nil {
			t.Fatal(err)
		}
		var servers []string
		for _, s := range r.Servers() {
			servers = append(servers, s.String())
		}
		if got := strings.Join(servers, " "); got != tt.servers || r.Domain() != tt.domain || strings.Join(r.Search(), " ") != tt.search {
			t.Errorf("%s: servers %q domain %q search %q", tt.name, got, r.Domain(), r.Search())
		}
		_ = r.Close()
	}
}

func TestConfigureDNSWithoutServer(t *testing.T) {
	r, err := dnsq.NewResolver(dnsq.Config{ResolvConf: filepath.Join(t.TempDir(), "none"), NoHosts: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Query(context.Background(), "www.example", dnsq.Options{}); !errors.Is(err, dnsq.ErrNoServer) || r.Configured() {
		t.Errorf("Query without server: %v, configured %v", err, r.Configured())
	}
}

func TestDNSQueryTypes(t *testing.T) {
	z := newZone(t,
		"www.example. 300 IN A 192.0.2.1", "www.example. 300 IN A 192.0.2.2",
		"www.example. 300 IN AAAA 2001:db8::1",
		"example. 300 IN MX 20 backup.example.", "example. 300 IN MX 10 mail.example.", "mail.example. 300 IN A 192.0.2.25",
		"_sip._tcp.example. 300 IN SRV 10 5 5060 b.example.", "_sip._tcp.example. 300 IN SRV 10 60 5060 a.example.", "a.example. 60 IN A 192.0.2.6",
		`txt.example. 300 IN TXT "one" "two"`, `txt.example. 300 IN TXT "three \"q\""`,
		"alias.example. 100 IN CNAME www.example.",
		"1.2.0.192.in-addr.arpa. 300 IN PTR www.example.",
		"1.0.0.127.in-addr.arpa. 300 IN PTR localhost.",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 300 IN PTR six.example.",
		`x.example. 300 IN CAA 0 issue "ca.example"`,
	)
	r := z.resolver(t, dnsq.Config{})
	for _, tt := range []struct {
		name  string
		qtype uint16
		want  string // primary and others, as JSON
	}{
		{"www.example", 0, `"192.0.2.1" ["192.0.2.2"]`},
		{"alias.example", dns.TypeA, `"192.0.2.1" ["192.0.2.2"]`},
		{"www.example", dns.TypeAAAA, `"2001:db8::1" []`},
		{"example", dns.TypeMX, `{"host":"mail.example.","address":"192.0.2.25","preference":10} [{"host":"backup.example.","address":null,"preference":20}]`},
		{"_sip._tcp.example", dns.TypeSRV, `{"priority":10,"weight":60,"port":5060,"target":"a.example.","addresses":["192.0.2.6"]} ` +
			`[{"priority":10,"weight":5,"port":5060,"target":"b.example.","addresses":[]}]`},
		{"txt.example", dns.TypeTXT, `["one","two"] [["three \"q\""]]`},
		{"alias.example", dns.TypeCNAME, `"www.example." []`},
		{"192.0.2.1", dns.TypePTR, `"www.example." []`},
		{"3221225985", dns.TypePTR, `"www.example." []`},
		{"127.1", dns.TypePTR, `"localhost." []`},
		{"2001:db8::1%lo", dns.TypePTR, `"six.example." []`},
		{"1.2.0.192.in-addr.arpa", dns.TypePTR, `"www.example." []`},
		{"x.example", dns.TypeCAA, `{"flag":0,"tag":"issue","value":"ca.example"} []`},
	} {
		a := query(t, r, tt.name, dnsq.Options{Type: tt.qtype})
		primary, _ := json.Marshal(a.Primary)
		others, _ := json.Marshal(a.Others)
		if got := string(primary) + " " + string(others); got != tt.want || a.Err() != nil {
			t.Errorf("Query(%q, %s) = %s, %v; want %s", tt.name, dnsq.TypeName(tt.qtype), got, a.Err(), tt.want)
		}
	}
}

func TestDNSQueryAny(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1")
	r := z.resolver(t, dnsq.Config{})
	if _, err := r.Query(context.Background(), "www.example", dnsq.Options{Type: dns.TypeANY}); !errors.Is(err, dnsq.ErrUsage) {
		t.Errorf("ANY decoded: %v; want ErrUsage", err)
	}
	z.want(t)
	a := query(t, r, "www.example", dnsq.Options{Type: dns.TypeANY, Raw: true})
	if a.Primary != nil || a.Response == nil {
		t.Errorf("ANY raw: primary %v, response %v", a.Primary, a.Response)
	}
	z.want(t, "www.example. ANY")
}

func TestDNSQueryFourResults(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1", "www.example. 300 IN A 192.0.2.2", "alias.example. 100 IN CNAME www.example.")
	r := z.resolver(t, dnsq.Config{})
	a := query(t, r, "alias.example", dnsq.Options{})
	if show(a) != "192.0.2.1 [192.0.2.2]" {
		t.Errorf("answers %s", show(a))
	}
	// The alias lives shorter than what it leads to.
	if a.Valid == nil || *a.Valid < 98 || *a.Valid > 100 {
		t.Errorf("valid %v; want 100", a.Valid)
	}
	if want := []string{"response", "recursion-desired", "recursion-available"}; !reflect.DeepEqual(a.Flags, want) {
		t.Errorf("flags %q; want %q", a.Flags, want)
	}
	a = query(t, r, "nowhere.example", dnsq.Options{})
	if a.Primary != nil || len(a.Others) != 0 || a.Valid == nil || *a.Valid < 58 || a.Flags[len(a.Flags)-1] != "no-such-domain" {
		t.Errorf("NXDOMAIN: %v valid %v flags %q", show(a), a.Valid, a.Flags)
	}
	if !errors.Is(a.Err(), dnsq.ErrNotFound) {
		t.Errorf("NXDOMAIN: error %v", a.Err())
	}
	z.fail("broken.example.", dns.RcodeServerFailure)
	a = query(t, r, "broken.example", quick)
	if a.Valid != nil || a.Flags[len(a.Flags)-1] != "nameserver-internal-error" || !errors.Is(a.Err(), dnsq.ErrServerFailure) {
		t.Errorf("SERVFAIL: valid %v flags %q error %v", a.Valid, a.Flags, a.Err())
	}
}

func TestDNSQueryRepeatAndTimeout(t *testing.T) {
	z := newZone(t)
	z.silence("www.example.")
	r := z.resolver(t, dnsq.Config{})
	start := time.Now()
	_, err := r.Query(context.Background(), "www.example", dnsq.Options{Repeat: 3, Timeout: 50 * time.Millisecond})
	if !errors.Is(err, dnsq.ErrNoReply) {
		t.Errorf("silent server: %v; want ErrNoReply", err)
	}
	if took := time.Since(start); took < 150*time.Millisecond || took > 2*time.Second {
		t.Errorf("3 tries of 50 ms took %v", took)
	}
	z.want(t, "www.example. A", "www.example. A", "www.example. A")
}

func TestDNSQueryDefaults(t *testing.T) {
	if dnsq.DefaultRepeat != 5 || dnsq.DefaultTimeout != 5*time.Second {
		t.Errorf("defaults %d, %v; want 5 and 5s", dnsq.DefaultRepeat, dnsq.DefaultTimeout)
	}
}

func TestDNSQueryCancelled(t *testing.T) {
	z := newZone(t)
	z.silence("www.example.")
	r := z.resolver(t, dnsq.Config{})
	for _, o := range []dnsq.Options{{}, {NoQueue: true}} {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		start := time.Now()
		if _, err := r.Query(ctx, "www.example", o); !errors.Is(err, context.Canceled) || time.Since(start) > 2*time.Second {
			t.Errorf("%+v: %v after %v; want context.Canceled at once", o, err, time.Since(start))
		}
	}
}

func TestDNSQueryNameserver(t *testing.T) {
	configured := newZone(t, "www.example. 300 IN A 192.0.2.1")
	other := newZone(t, "www.example. 300 IN A 192.0.2.2")
	r := configured.resolver(t, dnsq.Config{})
	for range 2 { // a name server given turns the queue, and so the cache, off
		a := query(t, r, "www.example", dnsq.Options{Nameservers: []dnsq.Server{other.srv}})
		if show(a) != "192.0.2.2 []" {
			t.Errorf("answer %s", show(a))
		}
	}
	configured.want(t)
	other.want(t, "www.example. A", "www.example. A")
}

func TestDNSQueryNameserverList(t *testing.T) {
	silent, good := newZone(t), newZone(t, "www.example. 300 IN A 192.0.2.2")
	silent.silence("www.example.")
	r := good.resolver(t, dnsq.Config{Nameservers: []dnsq.Server{silent.srv, good.srv}})
	if a := query(t, r, "www.example", quick); show(a) != "192.0.2.2 []" {
		t.Errorf("answer %s", show(a))
	}
	silent.want(t, "www.example. A")
	good.want(t, "www.example. A")
	failing := newZone(t)
	failing.fail("www.example.", dns.RcodeServerFailure)
	r = good.resolver(t, dnsq.Config{Nameservers: []dnsq.Server{failing.srv, good.srv}})
	if a := query(t, r, "www.example", quick); show(a) != "192.0.2.2 []" {
		t.Errorf("answer after SERVFAIL %s", show(a))
	}
}

func TestDNSQueryRotate(t *testing.T) {
	a, b := newZone(t, "x.example. 0 IN A 192.0.2.1"), newZone(t, "x.example. 0 IN A 192.0.2.2")
	r := a.resolver(t, dnsq.Config{Nameservers: []dnsq.Server{a.srv, b.srv}, Rotate: true})
	for range 4 {
		query(t, r, "x.example", dnsq.Options{NoQueue: true})
	}
	a.want(t, "x.example. A", "x.example. A")
	b.want(t, "x.example. A", "x.example. A")
}

func TestDNSQueryQueue(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1")
	r := z.resolver(t, dnsq.Config{})
	for _, tt := range []struct {
		name string
		o    dnsq.Options
		asks int
	}{
		{"queue: the first asks, the second is answered by the cache", dnsq.Options{}, 1},
		{"queue off", dnsq.Options{NoQueue: true}, 2},
		{"decode off turns the queue off", dnsq.Options{Raw: true}, 2},
		{"ignore-cache asks again", dnsq.Options{IgnoreCache: true}, 2},
		{"the answer of ignore-cache was kept", dnsq.Options{}, 0},
	} {
		query(t, r, "www.example", tt.o)
		query(t, r, "www.example", tt.o)
		if got := len(z.questions()); got != tt.asks {
			t.Errorf("%s: %d questions, want %d", tt.name, got, tt.asks)
		}
	}
}

func TestDNSQueryCoalesced(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1")
	release := make(chan struct{})
	client := new(dnsq.Client)
	t.Cleanup(func() { _ = client.Close() })
	r := z.resolver(t, dnsq.Config{Exchange: func(ctx context.Context, s dnsq.Server, q *dns.Msg) (*dns.Msg, dnsq.Timing, error) {
		<-release
		return client.Exchange(ctx, s, q)
	}})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			a, err := r.Query(context.Background(), "WWW.example", dnsq.Options{})
			if err != nil || a.Err() != nil {
				t.Errorf("query: %v", err)
			}
		})
	}
	// One caller that gives up must not take the question away from the others.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Query(ctx, "www.example", dnsq.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled caller: %v", err)
	}
	close(release)
	wg.Wait()
	z.want(t, "www.example. A")
}

func TestDNSQueryDecodeOff(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1", "alias.example. 100 IN CNAME www.example.")
	a := query(t, z.resolver(t, dnsq.Config{}), "alias.example", dnsq.Options{Raw: true})
	if a.Primary != nil || len(a.Others) != 0 || len(a.Response.Answers) != 2 {
		t.Errorf("raw: primary %v, others %v, answers %v", a.Primary, a.Others, a.Response.Answers)
	}
}

func TestDNSQuerySearch(t *testing.T) {
	z := newZone(t, "host.b.example. 300 IN A 192.0.2.1", "nodata.a.example. 300 IN TXT x", "nodata.b.example. 300 IN A 192.0.2.3",
		"bare. 300 IN A 192.0.2.4", "soft.b.example. 300 IN A 192.0.2.5")
	z.fail("soft.a.example.", dns.RcodeServerFailure)
	z.fail("softest.b.example.", dns.RcodeServerFailure)
	for _, tt := range []struct {
		name  string
		asked []string
		want  string // primary, or the rcode
	}{
		// The list is the domain, then the search list.
		{"host", []string{"host.a.example.", "host.b.example."}, "192.0.2.1"},
		// A final dot means that name only.
		{"bare.", []string{"bare."}, "192.0.2.4"},
		// A dot inside means the name itself first.
		{"host.b", []string{"host.b.", "host.b.a.example.", "host.b.b.example.", "host.b.c.example."}, "NXDOMAIN"},
		{"host.b.example", []string{"host.b.example."}, "192.0.2.1"},
		// NODATA ends the search.
		{"nodata", []string{"nodata.a.example."}, "NOERROR"},
		// A name without dot is never asked for by itself.
		{"bare", []string{"bare.a.example.", "bare.b.example.", "bare.c.example."}, "NXDOMAIN"},
		// A failure moves on, and wins over NXDOMAIN at the end.
		{"soft", []string{"soft.a.example.", "soft.b.example."}, "192.0.2.5"},
		{"softest", []string{"softest.a.example.", "softest.b.example.", "softest.c.example."}, "SERVFAIL"},
	} {
		r := z.resolver(t, dnsq.Config{Domain: "a.example", Search: []string{"b.example", ".", "a.example", "c.example"}})
		a := query(t, r, tt.name, dnsq.Options{Search: dnsq.SearchDocumented, Repeat: 1})
		got := a.Response.Rcode
		if addr, ok := a.Primary.(netip.Addr); ok {
			got = addr.String()
		}
		if got != tt.want || !reflect.DeepEqual(a.Tried, tt.asked) {
			t.Errorf("search %q: %s after %q; want %s after %q", tt.name, got, a.Tried, tt.want, tt.asked)
		}
		var want []string
		for _, n := range tt.asked {
			want = append(want, n+" A")
		}
		z.want(t, want...)
	}
}

func TestDNSQuerySearchTimeout(t *testing.T) {
	z := newZone(t)
	z.silence("x.a.example.")
	r := z.resolver(t, dnsq.Config{Domain: "a.example", Search: []string{"b.example"}})
	o := quick
	o.Search, o.Repeat = dnsq.SearchDocumented, 1
	if _, err := r.Query(context.Background(), "x", o); !errors.Is(err, dnsq.ErrNoReply) {
		t.Errorf("silence, then NXDOMAIN: %v; want ErrNoReply, never NXDOMAIN", err)
	}
	z.want(t, "x.a.example. A", "x.b.example. A")
}

func TestDNSQuerySearchOff(t *testing.T) {
	z := newZone(t)
	r := z.resolver(t, dnsq.Config{Domain: "a.example"})
	query(t, r, "host", dnsq.Options{})
	z.want(t, "host. A")
}

func TestDNSQuerySearchEmptyList(t *testing.T) {
	z := newZone(t)
	r := z.resolver(t, dnsq.Config{})
	if _, err := r.Query(context.Background(), "host", dnsq.Options{Search: dnsq.SearchDocumented}); !errors.Is(err, dnsq.ErrNotFound) {
		t.Errorf("no list: %v; want ErrNotFound", err)
	}
	z.want(t)
}

func TestDNSQuerySearchNdots(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("search a.example b.example\noptions ndots:2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	z := newZone(t, "nodata.a.example. 300 IN TXT x", "nodata.b.example. 300 IN A 192.0.2.3")
	for _, tt := range []struct {
		name  string
		asked []string
	}{
		{"host", []string{"host.a.example.", "host.b.example.", "host."}},
		{"one.dot", []string{"one.dot.a.example.", "one.dot.b.example.", "one.dot."}},
		{"two.dots.x", []string{"two.dots.x.", "two.dots.x.a.example.", "two.dots.x.b.example."}},
		{"nodata", []string{"nodata.a.example.", "nodata.b.example."}}, // NODATA moves on
		{"abs.", []string{"abs."}},
	} {
		r := z.resolver(t, dnsq.Config{ResolvConf: conf})
		a := query(t, r, tt.name, dnsq.Options{Search: dnsq.SearchNdots})
		if !reflect.DeepEqual(a.Tried, tt.asked) {
			t.Errorf("ndots search of %q: %q; want %q", tt.name, a.Tried, tt.asked)
		}
		z.questions()
	}
}

func TestDNSLookupHostname(t *testing.T) {
	z := newZone(t, "bare. 300 IN A 192.0.2.4", "bare.a.example. 300 IN A 192.0.2.5", "host.b.example. 300 IN A 192.0.2.1",
		"nodata. 300 IN TXT x", "nodata.a.example. 300 IN A 192.0.2.6", "six.example. 300 IN AAAA 2001:db8::1", "six.example. 300 IN A 192.0.2.7")
	z.fail("soft.", dns.RcodeServerFailure)
	for _, tt := range []struct {
		name   string
		family dnsq.Family
		asked  []string
		want   string // addresses, or the error
	}{
		{"bare", "", []string{"bare. A"}, "192.0.2.4"},
		// The search list follows, not the domain.
		{"host", "", []string{"host. A", "host.a.example. A", "host.b.example. A"}, "192.0.2.1"},
		// No address is reason enough, NODATA too.
		{"nodata", "", []string{"nodata. A", "nodata.a.example. A"}, "192.0.2.6"},
		// A name with a dot is not completed.
		{"host.b", "", []string{"host.b. A"}, "not found"},
		{"soft", "", []string{"soft. A", "soft.a.example. A", "soft.b.example. A"}, "server failure"},
		{"localhost", "", nil, "127.0.0.1"},
		{"x.localhost.", dnsq.IPv6Prefer, nil, "::1127.0.0.1"},
		{"six.example", dnsq.IPv6Only, []string{"six.example. AAAA"}, "2001:db8::1"},
	} {
		r := z.resolver(t, dnsq.Config{Domain: "domain.example", Search: []string{"a.example", "b.example"}})
		addrs, err := r.LookupHost(context.Background(), tt.name, tt.family, dnsq.Options{Repeat: 1})
		got := ""
		for _, a := range addrs {
			got += a.String()
		}
		for _, kind := range []error{dnsq.ErrNotFound, dnsq.ErrServerFailure} {
			if errors.Is(err, kind) {
				got = kind.Error()
			}
		}
		if got != tt.want {
			t.Errorf("LookupHost(%q) = %q, %v; want %q", tt.name, got, err, tt.want)
		}
		z.want(t, tt.asked...)
	}
	r := z.resolver(t, dnsq.Config{})
	addrs, err := r.LookupHost(context.Background(), "six.example", dnsq.IPv6Prefer, dnsq.Options{})
	if err != nil || len(addrs) != 2 || !addrs[0].Is6() || !addrs[1].Is4() {
		t.Errorf("IPv6 preferred: %v, %v", addrs, err)
	}
}

func TestDNSLookupHostnameHostsFile(t *testing.T) {
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("192.0.2.80 printer printer.lan # by the door\n::1 printer\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	z := newZone(t)
	r := z.resolver(t, dnsq.Config{HostsFile: hosts})
	addrs, err := r.LookupHost(context.Background(), "Printer", dnsq.IPv6Prefer, dnsq.Options{})
	if err != nil || len(addrs) != 2 || addrs[0].String() != "::1" || addrs[1].String() != "192.0.2.80" {
		t.Errorf("LookupHost = %v, %v", addrs, err)
	}
	names, err := r.LookupAddr(context.Background(), netip.MustParseAddr("192.0.2.80"), dnsq.Options{})
	if err != nil || !reflect.DeepEqual(names, []string{"printer", "printer.lan"}) {
		t.Errorf("LookupAddr = %q, %v", names, err)
	}
	z.want(t)
}

func TestDNSIPAddrToHostname(t *testing.T) {
	z := newZone(t, "1.2.0.192.in-addr.arpa. 300 IN PTR www.example.")
	r := z.resolver(t, dnsq.Config{})
	names, err := r.LookupAddr(context.Background(), netip.MustParseAddr("::ffff:192.0.2.1"), dnsq.Options{})
	if err != nil || !reflect.DeepEqual(names, []string{"www.example"}) {
		t.Errorf("LookupAddr = %q, %v", names, err)
	}
	if _, err := r.LookupAddr(context.Background(), netip.MustParseAddr("192.0.2.77"), dnsq.Options{}); !errors.Is(err, dnsq.ErrNotFound) {
		t.Errorf("unknown address: %v; want ErrNotFound", err)
	}
	z.want(t, "1.2.0.192.in-addr.arpa. PTR", "77.2.0.192.in-addr.arpa. PTR")
}

func TestDNSResponse(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1", "example. 60 IN MX 5 www.example.")
	resp := query(t, z.resolver(t, dnsq.Config{}), "example", dnsq.Options{Type: dns.TypeMX, Raw: true}).Response
	if resp.ID != resp.Msg().Id || resp.FlagsValue != 0x8180 || !reflect.DeepEqual(resp.Flags, []string{"response", "recursion-desired", "recursion-available"}) {
		t.Errorf("id %d, flags %#x %q", resp.ID, resp.FlagsValue, resp.Flags)
	}
	if len(resp.Answers) != 1 || len(resp.Authority) != 0 || len(resp.Additional) != 1 {
		t.Errorf("sections %v %v %v", resp.Answers, resp.Authority, resp.Additional)
	}
	if resp.Authority == nil || resp.EDE == nil {
		t.Error("lists must not be nil: JSON would have null")
	}
}

func TestDNSRR(t *testing.T) {
	for _, tt := range []struct{ in, data, rdata string }{
		{"a.example. 60 IN A 192.0.2.1", "192.0.2.1", `{"address":"192.0.2.1"}`},
		{"a.example. 60 IN AAAA ::ffff:192.0.2.1", "::ffff:192.0.2.1", `{"address":"::ffff:192.0.2.1"}`},
		{`a.example. 60 IN TXT "one" "t\"w\\o" "\195\188" "\001"`, `"one" "t\"w\\o" "\195\188" "\001"`, `{"strings":["one","t\"w\\o","ü","\u0001"]}`},
		{`a.example. 60 IN TXT "\255"`, `"\255"`, `{"strings_b64":["/w=="]}`},
		{"a.example. 60 IN MX 10 m.example.", "10 m.example.", `{"preference":10,"exchange":"m.example."}`},
		{"a.example. 60 IN CAA 128 issue \"ca\"", `128 issue "ca"`, `{"flag":128,"tag":"issue","value":"ca"}`},
		{"a.example. 60 IN DS 1 13 2 AABB", "1 13 2 AABB", `{"key_tag":1,"algorithm":13,"digest_type":2,"digest":"AABB"}`},
		{"a.example. 60 IN HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1", `1 . alpn="h2,h3" port="8443" ipv4hint="192.0.2.1"`,
			`{"priority":1,"target":".","params":{"alpn":["h2","h3"],"port":8443,"ipv4hint":["192.0.2.1"]}}`},
		{"a.example. 60 IN NSEC b.example. A RRSIG", "b.example. A RRSIG", `{"next_domain":"b.example.","type_bit_map":["A","RRSIG"]}`},
		{"a.example. 60 IN TYPE65280 \\# 2 ABCD", `\# 2 ABCD`, `{"hex":"ABCD"}`},
		{"a.example. 60 IN LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", "52 22 23.000 N 04 53 32.000 E -2m 0.00m 10000m 10m", ""},
	} {
		rr, err := dns.NewRR(tt.in)
		if err != nil {
			t.Fatal(tt.in, err)
		}
		r := dnsq.NewRR(rr)
		rdata, err := json.Marshal(r.Rdata)
		if err != nil || r.Data != tt.data || tt.rdata != "" && string(rdata) != tt.rdata {
			t.Errorf("%s:\n data %s\nwant %s\nrdata %s %v\nwant  %s", tt.in, r.Data, tt.data, rdata, err, tt.rdata)
		}
		if r.Name != "a.example." || r.TTL != 60 || r.Class != "IN" || r.Type == "" || r.TypeCode != rr.Header().Rrtype {
			t.Errorf("%s: %+v", tt.in, r)
		}
	}
}

func TestDNSNameserverCounters(t *testing.T) {
	silent, good := newZone(t), newZone(t, "www.example. 300 IN A 192.0.2.2")
	silent.silence("www.example.")
	r := good.resolver(t, dnsq.Config{Nameservers: []dnsq.Server{silent.srv, good.srv}})
	query(t, r, "www.example", quick)
	stats := r.Nameservers()
	if len(stats) != 2 || stats[0].Sent != 1 || stats[0].Received != 0 || stats[1].Sent != 1 || stats[1].Received != 1 {
		t.Errorf("counters %+v", stats)
	}
	if stats[0].IPAddr != "127.0.0.1" || stats[0].Name != "" || stats[1].RTT <= 0 {
		t.Errorf("counters %+v", stats)
	}
}
