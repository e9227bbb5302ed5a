package socket

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
)

// A Form says how the text of an IP address was written.
type Form string

// The forms that [ParseLiteral] tells apart. Strict parsing knows only
// [FormQuad] and the IPv6 ones.
const (
	FormQuad    Form = "dotted-quad"    // four decimal parts: 192.0.2.1
	FormShort   Form = "berkeley-short" // two or three parts, the last fills the rest: 127.1
	FormRadix   Form = "berkeley-radix" // a part in octal or hexadecimal: 0177.1, 0x7f000001
	FormInteger Form = "integer"        // one decimal number: 2130706433
	FormIPv6    Form = "ipv6"           // RFC 4291 section 2.2
	FormZone    Form = "ipv6-zone"      // RFC 4007 section 11: fe80::1%eth0
	FormMapped  Form = "ipv4-mapped"    // RFC 4291 section 2.5.5.2: ::ffff:192.0.2.1
)

// A Warning names something about an accepted literal that other programs
// read differently or that is probably a slip.
type Warning string

// The warnings of [ParseLiteral].
const (
	WarnRadix     Warning = "radix"             // strict parsers refuse octal and hexadecimal, or read them as decimal
	WarnNoScope   Warning = "no-such-interface" // the scope id is not the index of an interface here
	WarnScopeKind Warning = "scope-not-needed"  // a scope id on an address that is not link-local
)

// Text explains the warning in a few words.
func (w Warning) Text() string {
	switch w {
	case WarnRadix:
		return "octal and hexadecimal parts are read differently by other programs"
	case WarnNoScope:
		return "no interface has this index"
	case WarnScopeKind:
		return "only link-local addresses need a scope id"
	}
	return string(w)
}

// A ParseError reports text that is not what it should be: an address, a host
// or a port. Nothing was asked of the network.
type ParseError struct {
	What   string // what was expected: "address", "host", "port", "prefix"
	Input  string // the text given
	Offset int    // where in Input it goes wrong, in bytes; len(Input) when something is missing
	Reason string // why it was refused
	Hint   string // what to write instead; may be empty
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("%s %q: %s", e.What, e.Input, e.Reason)
}

// A Literal is an address together with how it was written.
type Literal struct {
	Addr     netip.Addr
	Form     Form
	Warnings []Warning
}

// ParseDotted reads an IPv4 address in any form that inet_aton(3) knows except
// for its tolerance of white space, or an IPv6 address with an optional scope
// id that is the name or the index of an interface. The zone of the result is
// the name of the interface when there is one. Errors are of type [*ParseError].
func ParseDotted(s string) (netip.Addr, error) {
	l, err := ParseLiteral(s)
	return l.Addr, err
}

// ParseStrict is [ParseLiteral] without the forms that strict parsers refuse:
// IPv4 must have four decimal parts without leading zeros.
func ParseStrict(s string) (Literal, error) {
	l, err := ParseLiteral(s)
	if err != nil {
		return l, err
	}
	switch l.Form {
	case FormShort, FormRadix, FormInteger:
		return Literal{}, &ParseError{"address", s, 0, "not four decimal parts", "write " + l.Addr.String()}
	}
	return l, nil
}

// ParseLiteral is [ParseDotted] that also says how the address was written and
// what is doubtful about it.
func ParseLiteral(s string) (Literal, error) {
	var l Literal
	var err *ParseError
	if strings.IndexByte(s, ':') >= 0 {
		l, err = parseIPv6(s)
	} else {
		l, err = parseIPv4(s)
	}
	if err != nil {
		return Literal{}, err
	}
	return l, nil
}

// parseIPv4 reads one to four parts, each decimal, octal with a leading 0 or
// hexadecimal with a leading 0x. The last part fills the bytes that are left.
func parseIPv4(s string) (Literal, *ParseError) {
	fail := func(at int, format string, a ...any) (Literal, *ParseError) {
		return Literal{}, &ParseError{What: "address", Input: s, Offset: at, Reason: fmt.Sprintf(format, a...)}
	}
	if s == "" {
		return fail(0, "empty")
	}
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		at := len(strings.Join(parts[:4], "."))
		if s[at:] == "." {
			return fail(at, "a dot after the last part")
		}
		return fail(at, "more than four parts")
	}
	var addr uint64
	radix, at := false, 0
	for i, part := range parts {
		v, base, bad, reason := parsePart(part)
		if reason != "" {
			return fail(at+bad, "%s", reason)
		}
		width := 8
		if i == len(parts)-1 {
			width = 8 * (4 - i)
		}
		if v >= 1<<width {
			return fail(at, "%s is too large for the %d bits of its part", part, width)
		}
		addr |= v << (32 - 8*i - width)
		radix = radix || base != 10
		at += len(part) + 1
	}
	l := Literal{Addr: FromInteger(uint32(addr)), Form: FormQuad}
	switch {
	case radix:
		l.Form, l.Warnings = FormRadix, []Warning{WarnRadix}
	case len(parts) == 1:
		l.Form = FormInteger
	case len(parts) < 4:
		l.Form = FormShort
	}
	return l, nil
}

// parsePart reads one part of an IPv4 address. A reason says why it is not a
// number and bad where. A value beyond 32 bits stays beyond: it never wraps.
func parsePart(s string) (v uint64, base int, bad int, reason string) {
	base, digits := 10, s
	switch {
	case s == "":
		return 0, 0, 0, "a part is empty"
	case len(s) > 1 && (s[1] == 'x' || s[1] == 'X') && s[0] == '0':
		base, digits = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, digits = 8, s[1:]
	}
	if digits == "" {
		return 0, 0, len(s), "no digit after 0x"
	}
	for i := range len(digits) {
		d := hexValue(digits[i])
		if d >= base {
			return 0, 0, len(s) - len(digits) + i, badDigit(digits[i:], base)
		}
		v = min(v*uint64(base)+uint64(d), 1<<40)
	}
	return v, base, 0, ""
}

// badDigit says why the first character of s cannot stand in a number.
func badDigit(s string, base int) string {
	c := firstChar(s)
	switch {
	case base == 8 && (s[0] == '8' || s[0] == '9'):
		return "bad digit " + c + " for base 8 (a leading 0 means octal)"
	case base == 16:
		return "unexpected " + c + " in a hexadecimal part"
	}
	return "unexpected " + c
}

// hexValue returns the value of a hexadecimal digit, or 16 when c is none.
func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return 16
}

// firstChar quotes the first character of s, or its first byte where s is not
// valid UTF-8.
func firstChar(s string) string {
	for i := range s {
		if i > 0 {
			return strconv.Quote(s[:i])
		}
	}
	return strconv.Quote(s)
}

// FormatDotted writes an IPv4 address as four decimal parts and an IPv6 address
// as RFC 5952 says, with its scope id. The zero Addr gives the empty string.
func FormatDotted(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// Octets returns the four bytes of an IPv4 address; ok is false for any other,
// IPv4-mapped ones included.
func Octets(a netip.Addr) (octets [4]byte, ok bool) {
	if !a.Is4() {
		return octets, false
	}
	return a.As4(), true
}

// FromInteger returns the IPv4 address whose value as a big-endian number is n.
func FromInteger(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// Integer returns the value of an address as a big-endian number of 32 or 128
// bits. The zero Addr gives 0.
func Integer(a netip.Addr) *big.Int {
	return new(big.Int).SetBytes(a.AsSlice())
}

// IsDotted reports whether s is an address in dotted or colon form. A plain
// number is an address but no dotted one.
func IsDotted(s string) bool {
	return strings.ContainsAny(s, ".:") && IsIPAddr(s)
}

// IsIPAddr reports whether s is an address in any form of [ParseDotted].
func IsIPAddr(s string) bool {
	_, err := ParseDotted(s)
	return err == nil
}

// IsIPv6 reports whether s is an IPv6 address, which an IPv4-mapped one is too.
func IsIPv6(s string) bool {
	a, err := ParseDotted(s)
	return err == nil && a.Is6()
}

// EqualAddr reports whether a and b are the same address. Scope ids count only
// when compareScope is set, and then by interface: %lo and %1 are equal. An
// IPv4 address and the IPv6 address it is mapped to differ; see [netip.Addr.Unmap].
func EqualAddr(a, b netip.Addr, compareScope bool) bool {
	if a.WithZone("") != b.WithZone("") {
		return false
	}
	return !compareScope || a.Zone() == b.Zone() || canonicalZone(a) == canonicalZone(b)
}
