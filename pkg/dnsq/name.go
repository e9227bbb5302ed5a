package dnsq

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// A NameError reports text that is not a domain name.
type NameError struct {
	Input  string // the text given
	Reason string // why it was refused
}

func (e *NameError) Error() string { return fmt.Sprintf("name %q: %s", e.Input, e.Reason) }

// Limits of RFC 1035 section 2.3.4; a name counts its length octets and the root.
const (
	maxLabel = 63
	maxName  = 255
)

// nameSpecials are the characters that the DNS library escapes in names, but for
// the dot and the space, and the escape itself.
const nameSpecials = `\"';()@`

// AbsoluteName checks the domain name s, in presentation form, and adds the
// final dot when it is missing. Labels may hold any character but must be
// escaped where the form asks for it (\. and \DDD); control characters, spaces
// and octets above 126 must be escaped always. The result has escapes as the
// names in messages have them: \097 is a. The empty name is refused, "." is the
// root. Errors are of type *[NameError].
func AbsoluteName(s string) (string, error) {
	if s == "" {
		return "", &NameError{s, "empty"}
	}
	if s == "." {
		return s, nil
	}
	total, label := 1, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			if label == 0 {
				return "", &NameError{s, "empty label"}
			}
			total, label = total+label+1, 0
			continue
		case c == '\\':
			n, ok := escapeLen(s[i:])
			if !ok {
				return "", &NameError{s, "bad escape"}
			}
			i += n - 1
		case c <= ' ' || c >= 0x7f:
			return "", &NameError{s, fmt.Sprintf("character %q must be written as \\%03d", c, c)}
		}
		if label++; label > maxLabel {
			return "", &NameError{s, fmt.Sprintf("label longer than %d octets", maxLabel)}
		}
	}
	if label > 0 {
		total += label + 1
		s += "."
	}
	if total > maxName {
		return "", &NameError{s, fmt.Sprintf("longer than %d octets", maxName)}
	}
	return canonicalEscapes(s), nil
}

// escapeLen is the length of the escape that s begins with.
func escapeLen(s string) (int, bool) {
	if len(s) < 2 {
		return 0, false
	}
	if s[1] < '0' || s[1] > '9' {
		return 2, s[1] >= ' ' && s[1] < 0x7f
	}
	_, ok := decimalOctet(s[1:])
	return 4, ok
}

// ReverseName is the name under in-addr.arpa or ip6.arpa that holds the PTR
// records of addr. An IPv4 address mapped into IPv6 counts as IPv4, a zone is
// left out.
func ReverseName(addr netip.Addr) string {
	addr = addr.WithZone("").Unmap()
	b := addr.AsSlice()
	var name strings.Builder
	for i := len(b) - 1; i >= 0; i-- {
		if addr.Is4() {
			name.WriteString(strconv.Itoa(int(b[i])) + ".")
			continue
		}
		const hexDigits = "0123456789abcdef"
		name.Write([]byte{hexDigits[b[i]&0xf], '.', hexDigits[b[i]>>4], '.'})
	}
	if addr.Is4() {
		return name.String() + "in-addr.arpa."
	}
	return name.String() + "ip6.arpa."
}

// ParseAddr reads an IP address in any form of the classic resolver: an integer
// (decimal, 0x or octal), one to four dotted parts of which the last fills the
// rest (127.1 is 127.0.0.1), or IPv6 text with an optional zone.
func ParseAddr(s string) (netip.Addr, bool) {
	if strings.Contains(s, ":") {
		a, err := netip.ParseAddr(s)
		return a, err == nil
	}
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var v uint64
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 0, 32)
		if err != nil || strings.ContainsAny(p, "_+") || hasOtherBase(p) {
			return netip.Addr{}, false
		}
		room := 8 // bits this part has
		if i == len(parts)-1 {
			room = 32 - 8*i
		}
		if n>>room != 0 {
			return netip.Addr{}, false
		}
		v = v<<room | n
	}
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), true
}

// hasOtherBase tells the prefixes that Go knows and inet_aton does not.
func hasOtherBase(p string) bool {
	return len(p) > 1 && p[0] == '0' && strings.ContainsAny(p[1:2], "bBoO")
}

// randomCase turns the letters of name to upper or lower case at random: the 0x20
// trick, which makes forging a reply harder. Escapes are left alone.
func randomCase(name string) string {
	b := []byte(name)
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' {
			i++
			continue
		}
		if c := b[i] | 0x20; c >= 'a' && c <= 'z' && rand.Uint32()&1 == 0 {
			b[i] ^= 0x20
		}
	}
	return string(b)
}

// restoreCase gives the names of m that are the name asked for the case in which
// the caller wrote it.
func restoreCase(m *dns.Msg, name string) {
	for i := range m.Question {
		if strings.EqualFold(m.Question[i].Name, name) {
			m.Question[i].Name = name
		}
	}
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			if h := rr.Header(); strings.EqualFold(h.Name, name) {
				h.Name = name
			}
		}
	}
}
