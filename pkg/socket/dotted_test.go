package socket_test

import (
	"bufio"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/socket"
)

// sharedData opens a shared test file.
func sharedData(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(need.TestData(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// OPERATORS.md: dotted-to-ipaddr. The vectors agree with inet_aton(3) and
// inet_pton(3) except for white space and scope ids.
func TestParseDottedVectors(t *testing.T) {
	lines := bufio.NewScanner(sharedData(t, "dotted.tsv"))
	n := 0
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		f := strings.Split(lines.Text(), "\t")
		in, err := strconv.Unquote(f[0])
		if err != nil || len(f) != 3 {
			t.Fatalf("bad vector %q", lines.Text())
		}
		n++
		checkVector(t, in, f[1], f[2])
	}
	if err := lines.Err(); err != nil || n == 0 {
		t.Fatalf("%d vectors, %v", n, err)
	}
}

func checkVector(t *testing.T, in, want, form string) {
	t.Helper()
	want = strings.ReplaceAll(want, "%lo", "%"+loopback(t).Name)
	if l := loopback(t); l.Name != "lo" || l.Index != 1 {
		if strings.Contains(in, "%") {
			return // the vectors are those of Linux
		}
	}
	l, err := socket.ParseLiteral(in)
	form, _, _ = strings.Cut(form, "(")
	switch {
	case want == "reject":
		var pe *socket.ParseError
		if !errors.As(err, &pe) || pe.Input != in || pe.Offset < 0 || pe.Offset > len(in) || pe.Reason == "" {
			t.Errorf("ParseLiteral(%q) = %v, %#v; want a ParseError", in, l.Addr, err)
		}
	case err != nil || socket.FormatDotted(l.Addr) != want:
		t.Errorf("ParseLiteral(%q) = %v, %v; want %s", in, l.Addr, err, want)
	case string(l.Form) != form:
		t.Errorf("ParseLiteral(%q).Form = %s, want %s", in, l.Form, form)
	}
}

func loopback(t *testing.T) net.Interface {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, ifc := range all {
		if ifc.Flags&net.FlagLoopback != 0 {
			return ifc
		}
	}
	t.Fatal("no loopback interface")
	return net.Interface{}
}

func TestParseErrorSaysWhere(t *testing.T) {
	for _, tt := range []struct {
		in     string
		offset int
		reason string
	}{
		{"", 0, "empty"},
		{"1.2.3.4x", 7, `unexpected "x"`},
		{"1.2.3.4 ", 7, `unexpected " "`},
		{"1.2.3.4\xa0", 7, `unexpected "\xa0"`},
		{"1.2.3.é", 6, `unexpected "é"`},
		{"1..2", 2, "a part is empty"},
		{"1.2.", 4, "a part is empty"},
		{"1.2.3.4.", 7, "a dot after the last part"},
		{"1.2.3.4.5", 7, "more than four parts"},
		{"1.2.3.256", 6, "256 is too large for the 8 bits of its part"},
		{"1.16777216", 2, "16777216 is too large for the 24 bits of its part"},
		{"99999999999999999999", 0, "99999999999999999999 is too large for the 32 bits of its part"},
		{"1.08", 3, `bad digit "8" for base 8 (a leading 0 means octal)`},
		{"0x", 2, "no digit after 0x"},
		{"0xg", 2, `unexpected "g" in a hexadecimal part`},
		{"1::2::3", 4, "a second ::"},
		{":::", 2, `unexpected ":"`},
		{"1:2", 3, "only 2 of eight groups"},
		{"1:2:3:4:5:6:7:8:9", 16, "more than eight groups"},
		{"1:2:3:4:5:6:7:", 13, "a colon after the last group"},
		{"1:2:3:4::5:6:7:8", 7, "nothing is left for :: to stand for"},
		{"12345::", 4, "a group has more than four digits"},
		{"g::1", 0, `unexpected "g"`},
		{"::ffff:127.1", 7, "the IPv4 part is not four decimal parts"},
		{"::ffff:1.2.3.x", 13, `unexpected "x"`},
		{"fe80::1%", 8, "no scope id after %"},
		{"fe80::1%no-such", 8, `no interface "no-such" here`},
		{"::ffff:1.2.3.4%1", 14, "an IPv4 address has no scope id"},
		{"[::1]", 0, "brackets belong to an address with a port"},
	} {
		_, err := socket.ParseDotted(tt.in)
		var pe *socket.ParseError
		if !errors.As(err, &pe) || pe.Offset != tt.offset || pe.Reason != tt.reason {
			t.Errorf("ParseDotted(%q) = %#v; want offset %d, %q", tt.in, err, tt.offset, tt.reason)
		}
	}
	// RFC 6874: %25 stands for the percent sign in a URI only.
	_, err := socket.ParseDotted("fe80::1%25eth0")
	var pe *socket.ParseError
	if !errors.As(err, &pe) || pe.Hint != "outside a URI write fe80::1%eth0" {
		t.Errorf("ParseDotted(fe80::1%%25eth0) = %#v", err)
	}
}

func TestParseStrict(t *testing.T) {
	for _, in := range []string{"127.1", "0x7f.0.0.1", "127.0.0.01", "2130706433"} {
		_, err := socket.ParseStrict(in)
		var pe *socket.ParseError
		if !errors.As(err, &pe) || pe.Hint != "write 127.0.0.1" {
			t.Errorf("ParseStrict(%q) = %#v", in, err)
		}
	}
	for _, in := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1"} {
		if l, err := socket.ParseStrict(in); err != nil || l.Addr.String() != in {
			t.Errorf("ParseStrict(%q) = %v, %v", in, l.Addr, err)
		}
	}
	if _, err := socket.ParseStrict("127.0.0.256"); err == nil {
		t.Error("ParseStrict(127.0.0.256) succeeded")
	}
}

func TestLiteralWarnings(t *testing.T) {
	lo := loopback(t)
	for _, tt := range []struct {
		in   string
		want []socket.Warning
	}{
		{"127.1", nil},
		{"0177.1", []socket.Warning{socket.WarnRadix}},
		{"fe80::1%" + lo.Name, nil},
		{"ff02::1%" + lo.Name, nil},
		{"fe80::1%4000000000", []socket.Warning{socket.WarnNoScope}},
		{"::1%" + lo.Name, []socket.Warning{socket.WarnScopeKind}},
		{"::1%4000000000", []socket.Warning{socket.WarnNoScope, socket.WarnScopeKind}},
	} {
		l, err := socket.ParseLiteral(tt.in)
		if err != nil || !slices.Equal(l.Warnings, tt.want) {
			t.Errorf("ParseLiteral(%q).Warnings = %v, %v; want %v", tt.in, l.Warnings, err, tt.want)
		}
		for _, w := range l.Warnings {
			if w.Text() == "" || w.Text() == string(w) {
				t.Errorf("warning %s has no text", w)
			}
		}
	}
}

// OPERATORS.md: ipaddr-to-dotted.
func TestFormatDottedAndOctets(t *testing.T) {
	lo := loopback(t)
	scoped := "fe80::1%" + strconv.Itoa(lo.Index)
	for _, tt := range []struct{ in, want string }{
		{"23.3", "23.0.0.3"},
		{"3229900628", "192.132.95.84"},
		{scoped, "fe80::1%" + lo.Name},
	} {
		a, err := socket.ParseDotted(tt.in)
		if got := socket.FormatDotted(a); err != nil || got != tt.want {
			t.Errorf("FormatDotted(%s) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
	if got := socket.FormatDotted(netip.Addr{}); got != "" {
		t.Errorf("FormatDotted of no address = %q", got)
	}
	if o, ok := socket.Octets(socket.FromInteger(3229900628)); !ok || o != [4]byte{192, 132, 95, 84} {
		t.Errorf("Octets = %v, %v", o, ok)
	}
	if _, ok := socket.Octets(netip.MustParseAddr("::ffff:1.2.3.4")); ok {
		t.Error("Octets took an IPv6 address")
	}
}

func TestInteger(t *testing.T) {
	for in, want := range map[string]string{
		"192.132.95.84":   "3229900628",
		"255.255.255.255": "4294967295",
		"::1":             "1",
		"::ffff:0.0.0.1":  "281470681743361",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "340282366920938463463374607431768211455",
	} {
		if got := socket.Integer(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("Integer(%s) = %s, want %s", in, got, want)
		}
	}
}

// OPERATORS.md: dotted-address-p, ipaddrp, ipv6-address-p.
func TestPredicates(t *testing.T) {
	for _, tt := range []struct {
		in                string
		dotted, ip, isIP6 bool
	}{
		{"127.1", true, true, false},
		{"0", false, true, false},
		{"4294967295", false, true, false},
		{"4294967296", false, false, false},
		{"::1", true, true, true},
		{"::ffff:1.2.3.4", true, true, true},
		{"localhost", false, false, false},
		{"1.2.3.256", false, false, false},
		{"", false, false, false},
	} {
		d, i, s := socket.IsDotted(tt.in), socket.IsIPAddr(tt.in), socket.IsIPv6(tt.in)
		if d != tt.dotted || i != tt.ip || s != tt.isIP6 {
			t.Errorf("%q: IsDotted %v, IsIPAddr %v, IsIPv6 %v; want %v %v %v", tt.in, d, i, s, tt.dotted, tt.ip, tt.isIP6)
		}
	}
}

// OPERATORS.md: ipaddr-equalp.
func TestEqualAddr(t *testing.T) {
	lo := loopback(t)
	name, index := "%"+lo.Name, "%"+strconv.Itoa(lo.Index)
	for _, tt := range []struct {
		a, b         string
		equal, scope bool // without and with the scope compared
	}{
		{"192.0.2.1", "3221225985", true, true},
		{"::1", "0:0::1", true, true},
		{"fe80::1" + name, "fe80::1" + index, true, true},
		{"fe80::1" + name, "fe80::1", true, false},
		{"fe80::1%0", "fe80::1", true, true},
		{"fe80::1%4000000000", "fe80::1%4000000001", true, false},
		{"::ffff:192.0.2.1", "192.0.2.1", false, false},
		{"::1", "::2", false, false},
	} {
		a, err1 := socket.ParseDotted(tt.a)
		b, err2 := socket.ParseDotted(tt.b)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if e, s := socket.EqualAddr(a, b, false), socket.EqualAddr(a, b, true); e != tt.equal || s != tt.scope {
			t.Errorf("EqualAddr(%s, %s) = %v, with scope %v; want %v, %v", tt.a, tt.b, e, s, tt.equal, tt.scope)
		}
	}
	// netip keeps a zone as text, and %1 may come from another parser.
	a := netip.MustParseAddr("fe80::1").WithZone(lo.Name)
	b := netip.MustParseAddr("fe80::1").WithZone(strconv.Itoa(lo.Index))
	if !socket.EqualAddr(a, b, true) {
		t.Errorf("EqualAddr(%v, %v, true) = false", a, b)
	}
	if i, n := socket.ScopeID(b); i != uint32(lo.Index) || n != lo.Name {
		t.Errorf("ScopeID(%v) = %d, %q", b, i, n)
	}
}

func FuzzParseDotted(f *testing.F) {
	for _, s := range []string{"127.1", "0x7f.1", "0177.0.0.01", "1.2.3.4.", "::ffff:1.2.3.4", "fe80::1%1", "1:2:3:4:5:6:7::", "4294967296"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := socket.ParseLiteral(s)
		std, stdErr := netip.ParseAddr(s)
		if err != nil {
			var pe *socket.ParseError
			if !errors.As(err, &pe) || pe.Offset < 0 || pe.Offset > len(s) {
				t.Fatalf("ParseLiteral(%q): %#v", s, err)
			}
			if stdErr == nil && std.Zone() == "" {
				t.Fatalf("ParseLiteral(%q): %v, but netip reads %v", s, err, std)
			}
			return
		}
		// What netip takes means the same here, zones apart; what only
		// Berkeley takes, netip must refuse.
		strict := l.Form == socket.FormQuad || l.Form == socket.FormIPv6 || l.Form == socket.FormMapped || l.Form == socket.FormZone
		if strict != (stdErr == nil) && !strings.Contains(s, "%") {
			t.Fatalf("ParseLiteral(%q) = %v %s, netip: %v", s, l.Addr, l.Form, stdErr)
		}
		if stdErr == nil && std.WithZone("") != l.Addr.WithZone("") {
			t.Fatalf("ParseLiteral(%q) = %v, netip reads %v", s, l.Addr, std)
		}
		again, err := socket.ParseDotted(socket.FormatDotted(l.Addr))
		if err != nil || again != l.Addr {
			t.Fatalf("%q does not come back: %v, %v", s, again, err)
		}
	})
}
