package dnsq

import (
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// TypeName is the name of a record type, TYPEnnn (RFC 3597) when the DNS library
// has none.
func TypeName(t uint16) string { return dns.Type(t).String() }

// ClassName is the name of a class, CLASSnnn (RFC 3597) when it has none.
func ClassName(c uint16) string { return dns.Class(c).String() }

// ParseType reads a record type in letters of any case: its name or TYPEnnn (RFC
// 3597 section 5). It knows some names more than [TypeName], of types whose data
// are shown as octets.
func ParseType(s string) (t uint16, ok bool) {
	s = strings.ToUpper(s)
	if t, ok = dns.StringToType[s]; ok {
		return t, t != dns.TypeNone && t != dns.TypeReserved
	}
	switch s { // in IANA's registry of DNS parameters
	case "WKS":
		return 11, true
	case "NSAP":
		return 22, true
	case "A6":
		return 38, true
	case "SINK":
		return 40, true
	case "DSYNC":
		return 66, true
	case "HHIT":
		return 67, true
	case "BRID":
		return 68, true
	case "DOA":
		return 259, true
	case "WALLET":
		return 262, true
	case "CLA":
		return 263, true
	case "IPN":
		return 264, true
	}
	return parseNumbered(s, "TYPE")
}

// ParseClass reads a class in letters of any case: its name, short or long, or
// CLASSnnn.
func ParseClass(s string) (c uint16, ok bool) {
	s = strings.ToUpper(s)
	switch s { // RFC 1035 section 3.2.4 calls them so
	case "CHAOS":
		return dns.ClassCHAOS, true
	case "HESIOD":
		return dns.ClassHESIOD, true
	}
	if c, ok = dns.StringToClass[s]; ok {
		return c, true
	}
	return parseNumbered(s, "CLASS")
}

func parseNumbered(s, prefix string) (uint16, bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	n, err := strconv.ParseUint(digits, 10, 16)
	return uint16(n), ok && err == nil
}
