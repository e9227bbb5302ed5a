package socket

import (
	"net/netip"
	"strings"
)

// A Host is what a host argument says: a name or an address, never both.
type Host struct {
	Name    string  // the name to look up; empty when the host is an address
	Literal Literal // the address; its Addr is invalid when the host is a name
}

// IsAddr reports whether the host is an address, for which nobody is asked.
func (h Host) IsAddr() bool { return h.Literal.Addr.IsValid() }

// Addr returns the address, or the zero Addr when the host is a name.
func (h Host) Addr() netip.Addr { return h.Literal.Addr }

// String returns the name, or the address in canonical form.
func (h Host) String() string {
	if h.IsAddr() {
		return FormatDotted(h.Addr())
	}
	return h.Name
}

// ParseHost reads a host in any form: a name, a dotted address with its short
// forms, an integer, an IPv6 address with a scope id. A host whose last label is
// a number can only be an address: where it is none, that is an error and not a
// name to look up, or a slip such as 1.2.3.256 would reach the DNS. Errors are
// of type [*ParseError].
func ParseHost(s string) (Host, error) {
	if s == "" {
		return Host{}, &ParseError{"host", s, 0, "empty", ""}
	}
	if strings.IndexByte(s, ':') >= 0 || endsInNumber(s) {
		l, err := ParseLiteral(s)
		return Host{Literal: l}, err
	}
	if err := checkName(s); err != nil {
		return Host{}, err
	}
	return Host{Name: s}, nil
}

// endsInNumber reports whether the last label of s, a final dot aside, is
// decimal, or hexadecimal after 0x. No top-level domain is.
func endsInNumber(s string) bool {
	s = strings.TrimSuffix(s, ".")
	label := s[strings.LastIndexByte(s, '.')+1:]
	base := 10
	if len(label) >= 2 && (label[:2] == "0x" || label[:2] == "0X") {
		base, label = 16, label[2:]
	} else if label == "" {
		return false
	}
	for i := range len(label) {
		if hexValue(label[i]) >= base {
			return false
		}
	}
	return true
}

// checkName refuses what no resolver could mean by a name: the limits of RFC
// 1035 section 2.3.4 and characters that belong to other parts of an address.
// Letters beyond ASCII are left to the resolver.
func checkName(s string) error {
	fail := func(at int, reason string) error { return &ParseError{"host", s, at, reason, ""} }
	if at := strings.IndexFunc(s, notInName); at >= 0 {
		return fail(at, "unexpected "+firstChar(s[at:]))
	}
	name := strings.TrimSuffix(s, ".")
	if len(name) > 253 {
		return fail(253, "a name has at most 253 characters")
	}
	at := 0
	for label := range strings.SplitSeq(name, ".") {
		if label == "" {
			return fail(at, "a label is empty")
		}
		if len(label) > 63 {
			return fail(at+63, "a label has at most 63 characters")
		}
		at += len(label) + 1
	}
	return nil
}

func notInName(r rune) bool {
	return r <= ' ' || r == 0x7f || r == '\uFFFD' || strings.ContainsRune(`/\[]@#?%,;"'<>`, r)
}
