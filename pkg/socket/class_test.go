package socket_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/brio-net/brio/pkg/socket"
)

func TestClassOf(t *testing.T) {
	for _, tt := range []struct {
		in, name, prefix string
		global           bool
	}{
		{"0.0.0.0", "unspecified", "0.0.0.0/32", false},
		{"0.1.2.3", "this-network", "0.0.0.0/8", false},
		{"9.9.9.9", "global", "0.0.0.0/0", true},
		{"10.255.255.255", "private", "10.0.0.0/8", false},
		{"11.0.0.0", "global", "0.0.0.0/0", true},
		{"100.64.0.1", "shared", "100.64.0.0/10", false},
		{"100.128.0.1", "global", "0.0.0.0/0", true},
		{"127.255.0.1", "loopback", "127.0.0.0/8", false},
		{"169.254.1.1", "link-local", "169.254.0.0/16", false},
		{"172.31.255.255", "private", "172.16.0.0/12", false},
		{"172.32.0.0", "global", "0.0.0.0/0", true},
		{"192.0.0.9", "pcp-anycast", "192.0.0.9/32", true},
		{"192.0.0.171", "nat64-discovery", "192.0.0.170/31", false},
		{"192.0.2.1", "documentation", "192.0.2.0/24", false},
		{"192.88.99.1", "6to4-relay", "192.88.99.0/24", false},
		{"198.19.0.1", "benchmarking", "198.18.0.0/15", false},
		{"239.1.2.3", "multicast", "224.0.0.0/4", false},
		{"255.255.255.254", "reserved", "240.0.0.0/4", false},
		{"255.255.255.255", "broadcast", "255.255.255.255/32", false},
		{"::", "unspecified", "::/128", false},
		{"::1", "loopback", "::1/128", false},
		{"::2", "ipv4-compatible", "::/96", false},
		{"::ffff:127.0.0.1", "ipv4-mapped", "::ffff:0.0.0.0/96", false},
		{"64:ff9b::1", "nat64", "64:ff9b::/96", true},
		{"64:ff9b:1::1", "nat64-local", "64:ff9b:1::/48", false},
		{"2001::1", "teredo", "2001::/32", false},
		{"2001:db8::1", "documentation", "2001:db8::/32", false},
		{"2001:4860::1", "global", "2000::/3", true},
		{"2002:c000:204::1", "6to4", "2002::/16", false},
		{"3fff:1000::1", "global", "2000::/3", true},
		{"3fff:0fff::1", "documentation", "3fff::/20", false},
		{"4000::", "reserved", "::/0", false},
		{"fd00::1", "private", "fc00::/7", false},
		{"fe80::1%nosuch", "link-local", "fe80::/10", false},
		{"fec0::1", "site-local", "fec0::/10", false},
		{"ff02::1", "multicast", "ff00::/8", false},
	} {
		c := socket.ClassOf(netip.MustParseAddr(tt.in))
		if c.Name != tt.name || c.Prefix.String() != tt.prefix || c.Global != tt.global || c.RFC == "" {
			t.Errorf("ClassOf(%s) = %+v; want %s %s %v", tt.in, c, tt.name, tt.prefix, tt.global)
		}
	}
	if c := socket.ClassOf(netip.Addr{}); c != (socket.Class{}) {
		t.Errorf("ClassOf(no address) = %+v", c)
	}
}

// The classes agree with the predicates of netip where both know the word.
func TestClassAgreesWithNetip(t *testing.T) {
	for _, s := range []string{"127.0.0.1", "10.0.0.1", "fd00::1", "224.0.0.1", "ff05::1", "169.254.0.1", "fe80::1", "8.8.8.8", "::1", "0.0.0.0"} {
		a := netip.MustParseAddr(s)
		name := socket.ClassOf(a).Name
		link := a.IsLinkLocalUnicast()
		if (name == "loopback") != a.IsLoopback() || (name == "private") != a.IsPrivate() ||
			(name == "multicast") != a.IsMulticast() || (name == "link-local") != link || (name == "unspecified") != a.IsUnspecified() {
			t.Errorf("ClassOf(%s) = %s", s, name)
		}
	}
}

func TestEmbedded(t *testing.T) {
	for in, want := range map[string]string{
		"::ffff:192.0.2.1":                     "192.0.2.1",
		"::192.0.2.1":                          "192.0.2.1",
		"64:ff9b::192.0.2.33":                  "192.0.2.33",
		"2002:c000:204::1":                     "192.0.2.4",
		"2001:0:4136:e378:8000:63bf:3fff:fdd2": "192.0.2.45",
		"2001:db8::1":                          "",
		"192.0.2.1":                            "",
		"::1":                                  "",
	} {
		a, ok := socket.Embedded(netip.MustParseAddr(in))
		if ok != (want != "") || socket.FormatDotted(a) != want {
			t.Errorf("Embedded(%s) = %v, %v; want %q", in, a, ok, want)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.0/24":   "192.0.2.0/24",
		"192.0.2.77/24":  "192.0.2.0/24",
		"192.0.2.1":      "192.0.2.1/32",
		"0.0.0.0/0":      "0.0.0.0/0",
		"2001:db8::/32":  "2001:db8::/32",
		"::1":            "::1/128",
		"10/8":           "",
		"010.0.0.0/8":    "",
		"192.0.2.0/33":   "",
		"192.0.2.0/":     "",
		"192.0.2.0/08":   "",
		"192.0.2.0/+8":   "",
		"192.0.2.0/24/1": "",
		"::/129":         "",
		"fe80::1%1/64":   "",
		"example.com/8":  "",
		"":               "",
	} {
		p, err := socket.ParsePrefix(in)
		if (err == nil) != (want != "") || err == nil && p.String() != want {
			t.Errorf("ParsePrefix(%q) = %v, %v; want %q", in, p, err, want)
		}
		var pe *socket.ParseError
		if err != nil && (!errors.As(err, &pe) || pe.Input != in) {
			t.Errorf("ParsePrefix(%q): %#v", in, err)
		}
	}
}

func TestContains(t *testing.T) {
	for _, tt := range []struct {
		p, a string
		want bool
	}{
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.0/24", "::ffff:192.0.2.1", true},
		{"::ffff:0:0/96", "192.0.2.1", false},
		{"::ffff:0:0/96", "::ffff:192.0.2.1", true},
		{"fe80::/10", "fe80::1%lo", true},
		{"0.0.0.0/0", "::1", false},
	} {
		if got := socket.Contains(netip.MustParsePrefix(tt.p), netip.MustParseAddr(tt.a)); got != tt.want {
			t.Errorf("Contains(%s, %s) = %v", tt.p, tt.a, got)
		}
	}
}

func FuzzParsePrefix(f *testing.F) {
	f.Add("192.0.2.0/24")
	f.Add("2001:db8::/32")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := socket.ParsePrefix(s)
		if err != nil {
			return
		}
		if again, err := socket.ParsePrefix(p.String()); err != nil || again != p || !p.IsValid() {
			t.Fatalf("ParsePrefix(%q) = %v does not come back: %v, %v", s, p, again, err)
		}
	})
}
