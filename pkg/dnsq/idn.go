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
	labels := strings.Split(strings.Map(fullStop, s), ".")
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

// fullStop maps the characters that IDNA takes for a full stop to it (RFC 3490 section 3.1).
func fullStop(r rune) rune {
	switch r {
	case 0x3002, 0xff0e, 0xff61:
		return '.'
	}
	return r
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
