package dnsq

import (
	"fmt"
	"io"
	"strings"

	"github.com/miekg/dns"
)

// rootAnchors are the key signing keys of the root zone as IANA publishes them in
// https://data.iana.org/root-anchors/root-anchors.xml: KSK-2017 and KSK-2024.
const rootAnchors = `. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
. IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16
`

// Bounds of a file of trust anchors: octets, and records, which $GENERATE makes
// many of.
const (
	maxAnchorFile = 1 << 20
	maxAnchors    = 1024
)

// RootAnchors returns the trust anchors of the root zone that are built in.
func RootAnchors() []dns.RR {
	anchors, err := ParseAnchors(strings.NewReader(rootAnchors))
	if err != nil {
		panic(err) // a constant: the tests parse it
	}
	return anchors
}

// ParseAnchors reads trust anchors: DS and DNSKEY records as in a zone file.
// Other records, and an input without any anchor, are errors.
func ParseAnchors(r io.Reader) ([]dns.RR, error) {
	z := dns.NewZoneParser(io.LimitReader(r, maxAnchorFile), ".", "")
	z.SetDefaultTTL(3600)
	var anchors []dns.RR
	for rr, ok := z.Next(); ok; rr, ok = z.Next() {
		if len(anchors) == maxAnchors {
			return nil, fmt.Errorf("trust anchors: more than %d", maxAnchors)
		}
		switch rr.(type) {
		case *dns.DS, *dns.DNSKEY:
			anchors = append(anchors, rr)
		default:
			return nil, fmt.Errorf("trust anchor %s: a %s record, want DS or DNSKEY", rr.Header().Name, TypeName(rr.Header().Rrtype))
		}
	}
	if err := z.Err(); err != nil {
		return nil, fmt.Errorf("trust anchors: %w", err)
	}
	if len(anchors) == 0 {
		return nil, fmt.Errorf("trust anchors: no DS or DNSKEY record")
	}
	return anchors, nil
}
