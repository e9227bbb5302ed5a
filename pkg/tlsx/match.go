package tlsx

import (
	"bytes"
	"net/netip"
	"strings"
)

// MatchesHostname reports whether c is for the host: by RFC 9525, where only
// DNS names count and a wildcard is the whole first label. With lax the rules
// are OpenSSL's: the common name counts if there is no DNS name, a wildcard
// may be part of a label, and ".example.com" stands for every name below.
func (c *Certificate) MatchesHostname(host string, lax bool) bool {
	host = strings.TrimSuffix(host, ".")
	found := false
	for _, g := range c.ext.san {
		if g.kind != nameDNS {
			continue
		}
		found = true
		if matchHost(string(g.content), host, lax) {
			return true
		}
	}
	if found || !lax {
		return false
	}
	for _, a := range c.Subject.Attributes {
		if a.id == oidCommonName && matchHost(a.Value, host, true) {
			return true
		}
	}
	return false
}

func matchHost(pattern, host string, lax bool) bool {
	switch {
	case pattern == "" || host == "":
		return false
	case lax && host[0] == '.':
		return len(pattern) > len(host) && equalFold(pattern[len(pattern)-len(host):], host)
	case !lax && (!validDNSPattern(pattern) || looksLikeIP(host)):
		return false
	}
	star := wildcardAt(pattern, lax)
	if star < 0 {
		return equalFold(pattern, host)
	}
	label, _, _ := strings.Cut(host, ".")
	return (lax || label == "*" || plainLabel(label)) && matchWildcard(pattern[:star], pattern[star+1:], host)
}

func looksLikeIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// wildcardAt returns the place of the asterisk in a pattern, or -1 when the
// pattern has none that counts: it stands in the first label, which is not an
// A-label, and two labels or more follow. Only with lax may it be the
// beginning or the end of a longer label.
func wildcardAt(pattern string, lax bool) int {
	star := strings.IndexByte(pattern, '*')
	first, rest, _ := strings.Cut(pattern, ".")
	if star < 0 || star >= len(first) || strings.IndexByte(pattern[star+1:], '*') >= 0 {
		return -1
	}
	if first != "*" && (!lax || star != 0 && star != len(first)-1 || strings.HasPrefix(strings.ToLower(first), "xn--")) {
		return -1
	}
	if !strings.Contains(rest, ".") || !plainLabels(rest) || !plainLabel(strings.Replace(first, "*", "x", 1)) {
		return -1
	}
	return star
}

func plainLabels(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if !plainLabel(label) {
			return false
		}
	}
	return true
}

func plainLabel(label string) bool {
	if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if !alphanumeric(label[i]) && label[i] != '-' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	c = lower(c)
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
}

// matchWildcard matches prefix*suffix with a host name.
func matchWildcard(prefix, suffix, host string) bool {
	if len(host) < len(prefix)+len(suffix) {
		return false
	}
	end := len(host) - len(suffix)
	if !equalFold(host[:len(prefix)], prefix) || !equalFold(host[end:], suffix) {
		return false
	}
	part := host[len(prefix):end]
	whole := prefix == "" && suffix[0] == '.'
	switch {
	case whole && part == "":
		return false
	case !whole && strings.HasPrefix(strings.ToLower(host), "xn--"):
		return false
	case part == "*":
		return true
	}
	for i := range len(part) {
		if !alphanumeric(part[i]) && part[i] != '-' {
			return false
		}
	}
	return true
}

// MatchesIP reports whether c names the IP address.
func (c *Certificate) MatchesIP(ip netip.Addr) bool {
	want := ip.Unmap().WithZone("").AsSlice()
	for _, g := range c.ext.san {
		if g.kind == nameIP && bytes.Equal(g.content, want) {
			return true
		}
	}
	return false
}

// MatchesEmail reports whether c names the mailbox: the local part exactly,
// the host without regard to case. The subject's emailAddress counts where
// there is no such alternative name.
func (c *Certificate) MatchesEmail(email string) bool {
	found := false
	for _, g := range c.ext.san {
		if g.kind != nameEmail {
			continue
		}
		found = true
		if sameMailbox(string(g.content), email) {
			return true
		}
	}
	if found {
		return false
	}
	for _, a := range c.Subject.Attributes {
		if a.id == oidEmail && sameMailbox(a.Value, email) {
			return true
		}
	}
	return false
}

func sameMailbox(a, b string) bool {
	i, j := strings.LastIndexByte(a, '@'), strings.LastIndexByte(b, '@')
	if i < 0 || j < 0 {
		return a == b
	}
	return a[:i] == b[:j] && equalFold(a[i:], b[j:])
}

// looksLikeHost reports whether OpenSSL takes a common name for a host name:
// two labels or more.
func looksLikeHost(s string) bool {
	dots := false
	for i := range len(s) {
		c := s[i]
		switch {
		case alphanumeric(c), c == '_':
		case i == 0 || i == len(s)-1:
			return false
		case c == '-':
		case c == '.' && s[i+1] != '.' && s[i-1] != '-' && s[i+1] != '-':
			dots = true
		default:
			return false
		}
	}
	return dots
}

// validDNSPattern reports whether s may stand as a DNS name in a certificate:
// labels of letters, digits, hyphens and (met in practice) underscores, with
// an optional wildcard as the first label.
func validDNSPattern(s string) bool {
	s = strings.TrimPrefix(s, "*.")
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) > 63 || !plainLabel(strings.ReplaceAll(label, "_", "x")) {
			return false
		}
	}
	return true
}

func validEmail(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-1 && !strings.ContainsAny(s, " \t\r\n")
}
