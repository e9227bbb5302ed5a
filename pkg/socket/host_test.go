package socket_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/brio-net/brio/pkg/socket"
)

// A host whose last label is a number is an address or an error. As a name it
// would reach the DNS, and 1.2.3.256 is nobody's name.
func TestParseHost(t *testing.T) {
	for _, tt := range []struct {
		in, name, addr string // both empty: refused
	}{
		{"localhost", "localhost", ""},
		{"example.com.", "example.com.", ""},
		{"_ldap._tcp.example.com", "_ldap._tcp.example.com", ""},
		{"bücher.example", "bücher.example", ""},
		{"dead.beef", "dead.beef", ""},
		{"0xg", "0xg", ""},
		{"1e3", "1e3", ""},
		{"3com", "3com", ""},
		{"4.3.2.1.in-addr.arpa", "4.3.2.1.in-addr.arpa", ""},
		{"127.1", "", "127.0.0.1"},
		{"0x7f.1", "", "127.0.0.1"},
		{"3229900628", "", "192.132.95.84"},
		{"::1", "", "::1"},
		{"", "", ""},
		{".", "", ""},
		{"1.2.3.256", "", ""},
		{"1.2.3.4.5", "", ""},
		{"127.1.", "", ""},
		{"foo.0x", "", ""},
		{"foo.0xff", "", ""},
		{"foo.99", "", ""},
		{"4294967296", "", ""},
		{"0x", "", ""},
		{"09", "", ""},
		{"1.2.3.4%lo", "", ""},
		{"a b", "", ""},
		{"a\tb", "", ""},
		{"a/b", "", ""},
		{"user@host", "", ""},
		{"[::1]", "", ""},
		{"a..b", "", ""},
		{".a", "", ""},
		{"a\x00", "", ""},
		{"\xff.example", "", ""},
		{strings.Repeat("a", 63) + ".example", strings.Repeat("a", 63) + ".example", ""},
		{strings.Repeat("a", 64) + ".example", "", ""},
		{strings.Repeat("abcdefg.", 32), "", ""},
	} {
		h, err := socket.ParseHost(tt.in)
		if (err == nil) != (tt.name+tt.addr != "") {
			t.Errorf("ParseHost(%q) = %v, %v", tt.in, h, err)
			continue
		}
		var pe *socket.ParseError
		if err != nil && !errors.As(err, &pe) {
			t.Errorf("ParseHost(%q): %#v is no ParseError", tt.in, err)
		}
		if h.Name != tt.name || socket.FormatDotted(h.Addr()) != tt.addr || h.String() != tt.name+tt.addr && err == nil {
			t.Errorf("ParseHost(%q) = %q, %v; want %q, %q", tt.in, h.Name, h.Addr(), tt.name, tt.addr)
		}
	}
}

func FuzzParseHost(f *testing.F) {
	f.Add("example.com")
	f.Add("1.2.3.256")
	f.Add("a.0x1")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := socket.ParseHost(s)
		if err != nil {
			return
		}
		if h.IsAddr() == (h.Name != "") {
			t.Fatalf("ParseHost(%q) = %+v: neither or both", s, h)
		}
		last := s[strings.LastIndexByte(strings.TrimSuffix(s, "."), '.')+1:]
		if !h.IsAddr() && strings.Trim(last, "0123456789.") == "" {
			t.Fatalf("ParseHost(%q) would ask the DNS", s)
		}
	})
}
