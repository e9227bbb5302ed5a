package socket_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// names is a name service for tests that counts its questions.
type names struct {
	hosts map[string][]string // name or address to answers
	err   error               // instead of an answer
	block bool                // until the context ends
	asked int
}

func (n *names) answer(ctx context.Context, key string) ([]string, error) {
	n.asked++
	if n.block {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if n.err != nil {
		return nil, n.err
	}
	if a, ok := n.hosts[key]; ok {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: key, IsNotFound: true}
}

func (n *names) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	list, err := n.answer(ctx, host)
	var addrs []netip.Addr
	for _, s := range list {
		a := netip.MustParseAddr(s)
		if network == "ip" || (network == "ip4") == a.Is4() {
			addrs = append(addrs, a)
		}
	}
	return addrs, err
}

func (n *names) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	return n.answer(ctx, addr)
}

func dualStack() *names {
	return &names{hosts: map[string][]string{
		"both.example": {"192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.1"},
		"v4.example":   {"::ffff:192.0.2.7"}, // as net.Resolver gives them
		"192.0.2.1":    {"a.example.", "b.example."},
	}}
}

// OPERATORS.md: lookup-hostname. IPv6 is nil: OnlyIPv4; :ipv6: OnlyIPv6; t: AnyIP.
func TestLookupHost(t *testing.T) {
	for _, tt := range []struct {
		host string
		o    socket.LookupOptions
		want string // "" when nothing is found
	}{
		{"both.example", socket.LookupOptions{}, "[2001:db8::1]"},
		{"both.example", socket.LookupOptions{All: true}, "[2001:db8::1 192.0.2.1 192.0.2.2]"},
		{"both.example", socket.LookupOptions{All: true, Policy: socket.PreferIPv4}, "[192.0.2.1 192.0.2.2 2001:db8::1]"},
		{"both.example", socket.LookupOptions{All: true, Policy: socket.OnlyIPv4}, "[192.0.2.1 192.0.2.2]"},
		{"both.example", socket.LookupOptions{All: true, Policy: socket.OnlyIPv6}, "[2001:db8::1]"},
		{"v4.example", socket.LookupOptions{}, "[192.0.2.7]"},
		{"v4.example", socket.LookupOptions{Policy: socket.OnlyIPv6}, ""},
		{"no.example", socket.LookupOptions{}, ""},
		{"127.1", socket.LookupOptions{Policy: socket.OnlyIPv4}, "[127.0.0.1]"},
		{"127.1", socket.LookupOptions{Policy: socket.OnlyIPv6}, ""},
		{"3229900628", socket.LookupOptions{All: true}, "[192.132.95.84]"},
	} {
		r := &socket.Resolver{System: dualStack()}
		got, err := r.LookupHost(t.Context(), tt.host, tt.o)
		if tt.want == "" {
			if socket.ErrorID(err) != socket.NameNotFound {
				t.Errorf("LookupHost(%s, %+v) = %v, %v; want name-not-found", tt.host, tt.o, got, err)
			}
			continue
		}
		if err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("LookupHost(%s, %+v) = %v, %v; want %s", tt.host, tt.o, got, err, tt.want)
		}
	}
}

func TestLookupHostNeverAsksAboutNumbers(t *testing.T) {
	n := dualStack()
	r := &socket.Resolver{System: n, DNS: n}
	for _, host := range []string{"1.2.3.256", "0x7f.1", "127.1", "::1", "a.0x1"} {
		_, _ = r.LookupHost(t.Context(), host, socket.LookupOptions{}) // only who was asked matters
	}
	if n.asked != 0 {
		t.Errorf("%d questions", n.asked)
	}
}

func TestLookupHostCache(t *testing.T) {
	n := dualStack()
	r := &socket.Resolver{System: n}
	look := func(host string, o socket.LookupOptions, want int) {
		t.Helper()
		if _, err := r.LookupHost(t.Context(), host, o); err != nil {
			t.Fatal(err)
		}
		if n.asked != want {
			t.Errorf("%d questions, want %d", n.asked, want)
		}
	}
	look("both.example", socket.LookupOptions{}, 1)
	look("BOTH.example", socket.LookupOptions{All: true}, 1)
	look("both.example", socket.LookupOptions{IgnoreCache: true}, 2)
	n.hosts["both.example"] = []string{"192.0.2.9"}
	look("both.example", socket.LookupOptions{IgnoreCache: true}, 3)
	got, err := r.LookupHost(t.Context(), "both.example", socket.LookupOptions{})
	if err != nil || fmt.Sprint(got) != "[192.0.2.9]" || n.asked != 3 {
		t.Errorf("the new answer is not remembered: %v, %v, %d questions", got, err, n.asked)
	}
	expired := &socket.Resolver{System: n, CacheTime: time.Nanosecond}
	for range 2 {
		if _, err := expired.LookupHost(t.Context(), "both.example", socket.LookupOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if n.asked != 5 {
		t.Errorf("an expired answer was used: %d questions", n.asked)
	}
}

// OPERATORS.md: *dns-mode*. An ordered list; the system stands in for good when
// no name server is known.
func TestResolverModes(t *testing.T) {
	notFound := &net.DNSError{Err: "no such host", IsNotFound: true}
	for _, tt := range []struct {
		name        string
		modes       []socket.Mode
		dnsErr      error
		dns, system int // questions, of two look-ups
		found       bool
	}{
		{"default", nil, nil, 2, 0, true},
		{"dns fails", nil, notFound, 2, 2, true},
		{"dns alone fails", []socket.Mode{"dns"}, notFound, 2, 0, false},
		{"system first", []socket.Mode{"system", "dns"}, nil, 0, 2, true},
		{"no name server", []socket.Mode{"dns"}, fmt.Errorf("resolv.conf: %w", socket.ErrNoNameserver), 1, 2, true},
		{"unknown mode", []socket.Mode{"nis"}, nil, 0, 0, false},
	} {
		dns, system := dualStack(), dualStack()
		dns.err = tt.dnsErr
		r := &socket.Resolver{DNS: dns, System: system, Modes: tt.modes}
		var err error
		for range 2 {
			_, err = r.LookupHost(t.Context(), "both.example", socket.LookupOptions{IgnoreCache: true})
		}
		if dns.asked != tt.dns || system.asked != tt.system || (err == nil) != tt.found {
			t.Errorf("%s: dns asked %d, system asked %d, %v; want %d, %d, found %v",
				tt.name, dns.asked, system.asked, err, tt.dns, tt.system, tt.found)
		}
	}
}

// OPERATORS.md: ipaddr-to-hostname.
func TestLookupAddr(t *testing.T) {
	n := dualStack()
	r := &socket.Resolver{System: n}
	for _, addr := range []string{"192.0.2.1", "3221225985", "192.0.513", "::ffff:192.0.2.1"} {
		got, err := r.LookupAddr(t.Context(), addr, socket.LookupOptions{All: true})
		if err != nil || !slices.Equal(got, []string{"a.example", "b.example"}) {
			t.Errorf("LookupAddr(%s) = %v, %v", addr, got, err)
		}
	}
	if n.asked != 1 {
		t.Errorf("%d questions for one address", n.asked)
	}
	if got, err := r.LookupAddr(t.Context(), "192.0.2.1", socket.LookupOptions{}); err != nil || len(got) != 1 {
		t.Errorf("first name only: %v, %v", got, err)
	}
	if _, err := r.LookupAddr(t.Context(), "192.0.2.2", socket.LookupOptions{}); socket.ErrorID(err) != socket.NameNotFound {
		t.Errorf("unknown address: %v", err)
	}
	var pe *socket.ParseError
	if _, err := r.LookupAddr(t.Context(), "a.example", socket.LookupOptions{}); !errors.As(err, &pe) {
		t.Errorf("a name is no address: %v", err)
	}
}

func TestLookupHostSilentService(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r := &socket.Resolver{System: &names{block: true}}
	_, err := r.LookupHost(ctx, "both.example", socket.LookupOptions{})
	if !errors.Is(err, context.DeadlineExceeded) || socket.ErrorID(err) != socket.TimedOut {
		t.Errorf("silent service: %v", err)
	}
}

func TestLookupHostCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	r := &socket.Resolver{DNS: &names{block: true}, System: dualStack()}
	_, err := r.LookupHost(ctx, "both.example", socket.LookupOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestLookupNetIP(t *testing.T) {
	r := &socket.Resolver{System: dualStack()}
	for network, want := range map[string]int{"ip": 3, "ip4": 2, "ip6": 1} {
		if got, err := r.LookupNetIP(t.Context(), network, "both.example"); err != nil || len(got) != want {
			t.Errorf("LookupNetIP(%s) = %v, %v; want %d", network, got, err, want)
		}
	}
	if _, err := r.LookupNetIP(t.Context(), "tcp", "both.example"); err == nil {
		t.Error("network tcp accepted")
	}
}

func TestLookupSystem(t *testing.T) {
	var r socket.Resolver
	got, err := r.LookupHost(t.Context(), "localhost", socket.LookupOptions{All: true})
	if err != nil || !slices.ContainsFunc(got, netip.Addr.IsLoopback) {
		t.Errorf("localhost = %v, %v", got, err)
	}
}

func TestLookupErrorText(t *testing.T) {
	r := &socket.Resolver{System: dualStack()}
	_, err := r.LookupHost(t.Context(), "no.example", socket.LookupOptions{})
	if err == nil || err.Error() != "look up no.example: no such host" {
		t.Errorf("got %v", err)
	}
	var d *net.DNSError
	if !errors.As(err, &d) {
		t.Errorf("%v hides its cause", err)
	}
}

// OPERATORS.md: lookup-port. tcp and udp are separate; port 0 is no service.
func TestLookupPort(t *testing.T) {
	for _, tt := range []struct {
		port, proto string
		want        uint16
		id          socket.Identifier // "" for a ParseError
	}{
		{"443", "tcp", 443, ""},
		{"0443", "udp", 443, ""},
		{"65535", "udp", 65535, ""},
		{"https", "tcp", 443, ""},
		{"HTTPS", "tcp", 443, ""},
		{"domain", "udp", 53, ""},
		{"ssh", "udp", 0, socket.NameNotFound},
		{"no-such-service", "tcp", 0, socket.NameNotFound},
		{"0", "tcp", 0, ""},
		{"65536", "tcp", 0, ""},
		{"99999", "tcp", 0, ""},
		{"18446744073709551617", "tcp", 0, ""},
		{"-1", "tcp", 0, ""},
		{"+80", "tcp", 0, ""},
		{"", "tcp", 0, ""},
		{"8 0", "tcp", 0, ""},
		{"80", "sctp", 0, ""},
	} {
		got, err := socket.LookupPort(t.Context(), tt.port, tt.proto)
		if got != tt.want || (err == nil) != (tt.want != 0) {
			t.Errorf("LookupPort(%q, %s) = %d, %v; want %d", tt.port, tt.proto, got, err, tt.want)
		}
		var pe *socket.ParseError
		if err != nil && errors.As(err, &pe) != (tt.id == "") || err != nil && tt.id != "" && socket.ErrorID(err) != tt.id {
			t.Errorf("LookupPort(%q, %s): %#v; want %q", tt.port, tt.proto, err, tt.id)
		}
	}
}
