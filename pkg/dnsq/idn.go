package dnsq

import (
	"strings"
	"sync"

	"golang.org/x/net/idna"
)

// idnProfile maps and checks labels as look-ups do (UTS 46, non-transitional),
// without the rules for host names: DNS labels may hold _ and *.
var idnProfile = sync.OnceValue(func() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(),
		idna.StrictDomainName(false), idna.VerifyDNSLength(false), idna.CheckHyphens(false))
})

// ParseName reads a domain name as people write it, and returns it absolute or
// not as it was: labels with characters outside ASCII become A-labels (RFC 5890),
// the others are left as they are, and the ideographic full stops separate
// labels. Errors are of type *[NameError].
func ParseName(s string) (string, error) {
	if isASCII(s) {
		_, err := AbsoluteName(s)
		return s, err
	}
	labels := strings.FieldsFunc(s, isDot)
	if strings.Count(strings.Map(dotOnly, s), ".") > len(labels) {
		return "", &NameError{s, "empty label"}
	}
	for i, label := range labels {
		if isASCII(label) {
			continue
		}
		a, err := idnProfile().ToASCII(label)
		if err != nil {
			return "", &NameError{s, "label " + escapeText(label) + ": " + err.Error()}
		}
		labels[i] = a
	}
	name := strings.Join(labels, ".")
	if strings.IndexFunc(s[len(s)-lastRuneLen(s):], isDot) >= 0 {
		name += "."
	}
	_, err := AbsoluteName(name)
	return name, err
}

// UnicodeName is name with its A-labels turned into Unicode, or name itself when
// none can be. It is for people to read, never to look up.
func UnicodeName(name string) string {
	labels := strings.Split(name, ".")
	for i, label := range labels {
		if len(label) < 4 || !strings.EqualFold(label[:4], "xn--") {
			continue
		}
		// A label that does not come back as it was is not what it seems.
		u, err := idnProfile().ToUnicode(label)
		if err != nil {
			continue
		}
		if a, err := idnProfile().ToASCII(u); err == nil && strings.EqualFold(a, label) && escapeText(u) == u {
			labels[i] = u
		}
	}
	return strings.Join(labels, ".")
}

// isDot tells the full stop and the characters IDNA takes for one (RFC 3490 section 3.1).
func isDot(r rune) bool { return r == '.' || r == 0x3002 || r == 0xff0e || r == 0xff61 }

// dotOnly keeps the characters that separate labels, as full stops.
func dotOnly(r rune) rune {
	if isDot(r) {
		return '.'
	}
	return -1
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// lastRuneLen is the length in octets of the last character of s.
func lastRuneLen(s string) int {
	r := []rune(s)
	if len(r) == 0 {
		return 0
	}
	return len(string(r[len(r)-1]))
}
