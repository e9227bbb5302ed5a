package socket

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// parseIPv6 reads the text forms of RFC 4291 section 2.2 with the scope id of
// RFC 4007 section 11.
func parseIPv6(s string) (Literal, *ParseError) {
	text, zone, scoped := strings.Cut(s, "%")
	p := ipv6Parser{s: text, gap: -1}
	if err := p.parse(); err != nil {
		err.Input = s
		return Literal{}, err
	}
	l := Literal{Addr: p.addr(), Form: FormIPv6}
	if l.Addr.Is4In6() {
		l.Form = FormMapped
	}
	if !scoped {
		return l, nil
	}
	if l.Form == FormMapped {
		return l, &ParseError{"address", s, len(text), "an IPv4 address has no scope id", ""}
	}
	return withScope(l, s, zone)
}

// withScope adds the scope id zone, which ends s, to an address.
func withScope(l Literal, s, zone string) (Literal, *ParseError) {
	fail := func(reason, hint string) (Literal, *ParseError) {
		return Literal{}, &ParseError{"address", s, len(s) - len(zone), reason, hint}
	}
	if zone == "" {
		return fail("no scope id after %", "")
	}
	index, name, ok := lookupZone(zone)
	switch {
	case !ok && strings.HasPrefix(zone, "25"):
		// RFC 6874 writes %25 for the percent sign, but only inside a URI.
		return fail(fmt.Sprintf("no interface %q here", zone), "outside a URI write "+s[:len(s)-len(zone)]+zone[2:])
	case !ok:
		return fail(fmt.Sprintf("no interface %q here", zone), "")
	case index == 0:
		return l, nil
	case name == "":
		l.Warnings = append(l.Warnings, WarnNoScope)
		name = strconv.FormatUint(uint64(index), 10)
	}
	if !needsScope(l.Addr) {
		l.Warnings = append(l.Warnings, WarnScopeKind)
	}
	l.Addr, l.Form = l.Addr.WithZone(name), FormZone
	return l, nil
}

// needsScope reports whether a means something only together with a scope id
// (RFC 4007 section 6).
func needsScope(a netip.Addr) bool {
	return a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast()
}

// ScopeID returns the interface index and the interface name of the scope id of
// a. The index is 0 when a has no scope id or one that is unknown here; the name
// is empty when no interface has that index.
func ScopeID(a netip.Addr) (index uint32, name string) {
	if a.Zone() == "" {
		return 0, ""
	}
	index, name, _ = lookupZone(a.Zone())
	return index, name
}

// canonicalZone returns the zone of a in a form that can be compared.
func canonicalZone(a netip.Addr) string {
	if index, _ := ScopeID(a); index != 0 {
		return strconv.FormatUint(uint64(index), 10)
	}
	if strings.Trim(a.Zone(), "0") == "" {
		return "" // %0 is no scope id
	}
	return a.Zone()
}

// lookupZone finds the interface that zone names or numbers. A name goes first,
// for an interface may be called "2". A number needs no interface.
func lookupZone(zone string) (index uint32, name string, ok bool) {
	n, err := strconv.ParseUint(zone, 10, 32)
	numeric := err == nil && zone[0] != '+'
	interfaces, _ := net.Interfaces() // without a list a number is still good
	for _, ifc := range interfaces {
		if ifc.Name == zone {
			return uint32(ifc.Index), ifc.Name, true
		}
		if numeric && uint64(ifc.Index) == n {
			index, name = uint32(ifc.Index), ifc.Name
		}
	}
	if numeric && name == "" {
		index = uint32(n)
	}
	return index, name, numeric
}

// An ipv6Parser reads colon-separated groups of 16 bits.
type ipv6Parser struct {
	s      string
	at     int // next byte of s
	groups [8]uint16
	n      int // groups read
	gap    int // number of groups before "::", or -1
}

func (p *ipv6Parser) fail(at int, reason string) *ParseError {
	return &ParseError{What: "address", Offset: at, Reason: reason}
}

func (p *ipv6Parser) parse() *ParseError {
	if strings.HasPrefix(p.s, "[") {
		e := p.fail(0, "brackets belong to an address with a port")
		e.Hint = "write it without brackets"
		return e
	}
	if strings.HasPrefix(p.s, "::") {
		p.gap, p.at = 0, 2
	}
	for p.at < len(p.s) {
		if p.n == 8 {
			return p.fail(p.at, "more than eight groups")
		}
		if err := p.group(); err != nil {
			return err
		}
		if err := p.colon(); err != nil {
			return err
		}
	}
	switch {
	case p.gap < 0 && p.n < 8:
		return p.fail(len(p.s), fmt.Sprintf("only %d of eight groups", p.n))
	case p.gap >= 0 && p.n == 8:
		return p.fail(strings.Index(p.s, "::"), "nothing is left for :: to stand for")
	}
	return nil
}

// group reads one to four hexadecimal digits, or the IPv4 address that may
// stand for the last two groups.
func (p *ipv6Parser) group() *ParseError {
	rest := p.s[p.at:]
	end := strings.IndexByte(rest, ':')
	if end < 0 {
		if strings.IndexByte(rest, '.') >= 0 {
			return p.tail(rest)
		}
		end = len(rest)
	}
	if end == 0 {
		return p.fail(p.at, `unexpected ":"`)
	}
	v := 0
	for i := range end {
		d := hexValue(rest[i])
		if d == 16 {
			return p.fail(p.at+i, "unexpected "+firstChar(rest[i:]))
		}
		if i == 4 {
			return p.fail(p.at+i, "a group has more than four digits")
		}
		v = v<<4 | d
	}
	p.groups[p.n] = uint16(v)
	p.n++
	p.at += end
	return nil
}

// tail reads the IPv4 address at the end, which must be a strict one: no
// program reads a short form there.
func (p *ipv6Parser) tail(rest string) *ParseError {
	l, err := parseIPv4(rest)
	switch {
	case err != nil:
		return p.fail(p.at+err.Offset, err.Reason)
	case l.Form != FormQuad:
		return p.fail(p.at, "the IPv4 part is not four decimal parts")
	case p.n > 6:
		return p.fail(p.at, "no room for an IPv4 address")
	}
	b := l.Addr.As4()
	p.groups[p.n] = binary.BigEndian.Uint16(b[:2])
	p.groups[p.n+1] = binary.BigEndian.Uint16(b[2:])
	p.n += 2
	p.at = len(p.s)
	return nil
}

// colon reads what separates two groups.
func (p *ipv6Parser) colon() *ParseError {
	rest := p.s[p.at:]
	switch {
	case rest == "":
		return nil
	case rest == ":":
		return p.fail(p.at, "a colon after the last group")
	case strings.HasPrefix(rest, "::"):
		if p.gap >= 0 {
			return p.fail(p.at, "a second ::")
		}
		p.gap = p.n
		p.at++
	}
	p.at++
	return nil
}

// addr puts the groups after the gap at the end.
func (p *ipv6Parser) addr() netip.Addr {
	var b [16]byte
	for i, g := range p.groups[:p.n] {
		if p.gap >= 0 && i >= p.gap {
			i += 8 - p.n
		}
		binary.BigEndian.PutUint16(b[2*i:], g)
	}
	return netip.AddrFrom16(b)
}
