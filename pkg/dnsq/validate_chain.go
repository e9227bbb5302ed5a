package dnsq

import (
	"encoding/base64"
	"strings"

	"github.com/miekg/dns"
)

// A signedZone is a zone whose keys are known to be good.
type signedZone struct {
	name string
	keys []*dns.DNSKEY
}

// A cut is what is known about a name on the way down from a trust anchor: the
// zone that begins there, why what lies below is not secure, or neither when no
// zone begins there.
type cut struct {
	zone   *signedZone
	fault  *fault
	absent bool // the name does not exist, and so nothing below it
}

// zoneOf is the deepest zone with good keys that may hold name, found by going
// down label by label from the closest trust anchor. The fault says why there is
// none, or why name is in a part of the tree that is not signed.
func (v *validator) zoneOf(name string) (*signedZone, *fault) {
	anchor := v.closestAnchor(name)
	if anchor == "" {
		return nil, indeterminate(ErrNoAnchor, "no trust anchor at or above %s", name).about(name, dns.TypeDNSKEY)
	}
	at := v.anchorZone(anchor)
	if at.fault != nil {
		return nil, at.fault
	}
	zone := at.zone
	labels := dns.SplitDomainName(name)
	for n := dns.CountLabel(anchor) + 1; n <= len(labels); n++ {
		child := strings.Join(labels[len(labels)-n:], ".") + "."
		c := v.delegation(zone, child)
		switch {
		case c.fault != nil:
			return nil, c.fault
		case c.zone != nil:
			zone = c.zone
		case c.absent:
			return zone, nil
		}
	}
	return zone, nil
}

// closestAnchor is the deepest name with a trust anchor at or above name.
func (v *validator) closestAnchor(name string) string {
	best := ""
	for _, rr := range v.cfg.Anchors {
		owner := dns.CanonicalName(rr.Header().Name)
		if dns.IsSubDomain(owner, name) && (best == "" || dns.CountLabel(owner) > dns.CountLabel(best)) {
			best = owner
		}
	}
	return best
}

// anchorZone is the zone of a trust anchor.
func (v *validator) anchorZone(name string) cut {
	if c, ok := v.cuts[name]; ok {
		return c
	}
	var trust []dns.RR
	for _, rr := range v.cfg.Anchors {
		if dns.CanonicalName(rr.Header().Name) == name {
			trust = append(trust, rr)
		}
	}
	c := v.keys(name, trust)
	v.cuts[name] = c
	return c
}

// delegation finds out whether the zone child begins below zone, and whether it is signed.
func (v *validator) delegation(zone *signedZone, child string) cut {
	if c, ok := v.cuts[child]; ok {
		return c
	}
	c := v.askDelegation(zone, child)
	if c.fault != nil {
		c.fault.about(child, dns.TypeDS)
		v.link(child, dns.TypeDS, nil, c.fault)
	}
	v.cuts[child] = c
	return c
}

func (v *validator) askDelegation(zone *signedZone, child string) cut {
	m, f := v.fetch(child, dns.TypeDS)
	if f != nil {
		return cut{fault: f}
	}
	if ds := recordsAt(m.Answer, child, dns.TypeDS, dns.ClassINET); len(ds) > 0 {
		if _, f := v.verifyIn(zone, ds, signaturesOf(m.Answer, ds[0])); f != nil {
			return cut{fault: f}
		}
		return v.keys(child, ds)
	}
	var alias []dns.RR
	if d := dnameAbove(m.Answer, child); d != nil {
		alias = []dns.RR{d}
	} else if c := aliasAt(m.Answer, child, dns.ClassINET); c != nil {
		alias = []dns.RR{c}
	}
	if alias != nil { // an alias has no other records, so no zone begins there
		_, f := v.verifyIn(zone, alias, signaturesOf(m.Answer, alias[0]))
		return cut{fault: f}
	}
	return v.noDS(zone, m, child)
}

// noDS finds out what it means that there is no DS record at child.
func (v *validator) noDS(zone *signedZone, m *dns.Msg, child string) cut {
	d, f := v.denials(zone, m)
	if f != nil {
		return cut{fault: f}
	}
	if len(d.nsec)+len(d.nsec3) == 0 {
		return cut{fault: bogus(dns.ExtendedErrorCodeNSECMissing, "no proof from %s that there is no DS record at %s", zone.name, child)}
	}
	state, f := d.delegationState(v, child)
	switch {
	case f != nil:
		return cut{fault: f}
	case state == delegationUnsigned:
		return cut{fault: insecure(noEDE, "the delegation to %s is not signed: %s has no DS record for it", child, zone.name)}
	}
	return cut{absent: state == delegationAbsent}
}

// keys fetches the keys of a zone and checks them against trust: DS or DNSKEY
// records that are known to be good.
func (v *validator) keys(name string, trust []dns.RR) cut {
	usable, f := v.usableTrust(name, trust)
	if f != nil {
		return cut{fault: f.about(name, dns.TypeDS)}
	}
	m, f := v.fetch(name, dns.TypeDNSKEY)
	if f != nil {
		return cut{fault: f}
	}
	set := recordsAt(m.Answer, name, dns.TypeDNSKEY, dns.ClassINET)
	zone, f := v.checkKeys(name, set, signaturesOf(m.Answer, firstOf(set)), usable)
	if f != nil {
		f.about(name, dns.TypeDNSKEY)
		v.link(name, dns.TypeDNSKEY, nil, f)
		return cut{fault: f}
	}
	return cut{zone: zone}
}

func firstOf(set []dns.RR) dns.RR {
	if len(set) == 0 {
		return nil
	}
	return set[0]
}

// usableTrust leaves out of trust what uses algorithms or digests not understood:
// when nothing is left the zone counts as not signed (RFC 6840 section 5.2). A
// SHA-1 digest counts only without a better one (RFC 4509 section 3).
func (v *validator) usableTrust(name string, trust []dns.RR) ([]dns.RR, *fault) {
	var usable []dns.RR
	ede, better := dns.ExtendedErrorCodeUnsupportedDNSKEYAlgorithm, false
	what := ""
	for _, rr := range trust[:min(len(trust), maxKeys)] {
		switch rr := rr.(type) {
		case *dns.DNSKEY:
			if v.algorithmKnown(rr.Algorithm) {
				usable = append(usable, rr)
			} else {
				what = "algorithm " + algorithmName(rr.Algorithm)
			}
		case *dns.DS:
			switch {
			case !v.algorithmKnown(rr.Algorithm):
				what = "algorithm " + algorithmName(rr.Algorithm)
			case !v.digestKnown(rr.DigestType):
				ede, what = dns.ExtendedErrorCodeUnsupportedDSDigestType, "digest type "+digestName(rr.DigestType)
			default:
				usable = append(usable, rr)
				better = better || rr.DigestType != dns.SHA1
			}
		}
	}
	if len(usable) == 0 {
		return nil, insecure(int(ede), "%s is signed with %s only, which is not supported", name, what)
	}
	if !better {
		return usable, nil
	}
	kept := usable[:0]
	for _, rr := range usable {
		if ds, ok := rr.(*dns.DS); !ok || ds.DigestType != dns.SHA1 {
			kept = append(kept, rr)
		}
	}
	return kept, nil
}

// checkKeys checks that a key of set is trusted and has signed the set (RFC 4035 section 5.2).
func (v *validator) checkKeys(name string, set []dns.RR, sigs []*dns.RRSIG, trust []dns.RR) (*signedZone, *fault) {
	if len(set) == 0 {
		return nil, bogus(dns.ExtendedErrorCodeDNSKEYMissing, "%s has no DNSKEY records, though it should be signed", name)
	}
	if len(set) > maxKeys {
		return nil, bogus(dns.ExtendedErrorCodeDNSBogus, "%s has more than %d keys", name, maxKeys)
	}
	all := &signedZone{name: name}
	trusted := &signedZone{name: name}
	zoneKey := false
	for _, rr := range set {
		k, ok := rr.(*dns.DNSKEY)
		if !ok || k.Protocol != 3 || k.Flags&dns.ZONE == 0 {
			continue // RFC 4034 section 2.1
		}
		zoneKey = true
		if k.Flags&dns.REVOKE != 0 || tooLong(k) {
			continue // RFC 5011 section 2.1
		}
		all.keys = append(all.keys, k)
		if isTrusted(k, trust) {
			trusted.keys = append(trusted.keys, k)
		}
	}
	if !zoneKey {
		return nil, bogus(dns.ExtendedErrorCodeNoZoneKeyBitSet, "no DNSKEY of %s is a zone key", name)
	}
	if len(trusted.keys) == 0 {
		return nil, bogus(dns.ExtendedErrorCodeDNSKEYMissing, "no DNSKEY of %s matches %s", name, trustText(trust))
	}
	_, f := v.verifyIn(trusted, set, sigs)
	if f != nil {
		return nil, f
	}
	return all, nil
}

// tooLong tells RSA keys of more than 4096 bits (RFC 3110 section 2 has no longer
// ones): the work of checking a signature grows faster than their length.
func tooLong(k *dns.DNSKEY) bool {
	const octets = 4096/8 + 8 // with the exponent
	switch k.Algorithm {
	case dns.RSASHA1, dns.RSASHA1NSEC3SHA1, dns.RSASHA256, dns.RSASHA512:
		return base64.StdEncoding.DecodedLen(len(k.PublicKey)) > octets
	}
	return false
}

// trustText names what keys are compared with.
func trustText(trust []dns.RR) string {
	words := []string{}
	for _, rr := range trust[:min(len(trust), 4)] {
		switch rr := rr.(type) {
		case *dns.DS:
			words = append(words, "DS "+keyText(rr.KeyTag, rr.Algorithm))
		case *dns.DNSKEY:
			words = append(words, "trust anchor "+keyText(rr.KeyTag(), rr.Algorithm))
		}
	}
	return strings.Join(words, ", ")
}

// isTrusted reports whether one of trust stands for k.
func isTrusted(k *dns.DNSKEY, trust []dns.RR) bool {
	tag := k.KeyTag()
	for _, rr := range trust {
		switch rr := rr.(type) {
		case *dns.DNSKEY:
			if rr.Algorithm == k.Algorithm && rr.PublicKey == k.PublicKey {
				return true
			}
		case *dns.DS:
			if rr.KeyTag != tag || rr.Algorithm != k.Algorithm {
				continue
			}
			if made := k.ToDS(rr.DigestType); made != nil && strings.EqualFold(made.Digest, rr.Digest) {
				return true
			}
		}
	}
	return false
}

// algorithmKnown reports whether signatures of an algorithm can be checked.
func (v *validator) algorithmKnown(a uint8) bool {
	switch a {
	case dns.RSASHA1, dns.RSASHA1NSEC3SHA1:
		return !v.cfg.NoSHA1
	case dns.RSASHA256, dns.RSASHA512, dns.ECDSAP256SHA256, dns.ECDSAP384SHA384, dns.ED25519, dns.ED448:
		return true
	}
	return false
}

func (v *validator) digestKnown(d uint8) bool {
	return d == dns.SHA256 || d == dns.SHA384 || d == dns.SHA1 && !v.cfg.NoSHA1
}
