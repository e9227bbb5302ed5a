package dnsq

import (
	"fmt"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

// A proof is a signature that holds.
type proof struct {
	owner string
	zone  *signedZone
	sig   *dns.RRSIG
}

// wildcard reports whether the records were made from a wildcard (RFC 4035 section 5.3.4).
func (p proof) wildcard() bool {
	labels := dns.CountLabel(p.owner)
	if p.owner[0] == '*' && len(p.owner) > 1 && p.owner[1] == '.' {
		labels-- // the wildcard itself: RFC 4034 section 3.1.3 does not count its label
	}
	return int(p.sig.Labels) < labels
}

// signaturesOf are the signatures in section over the set that rr belongs to.
func signaturesOf(section []dns.RR, rr dns.RR) []*dns.RRSIG {
	if rr == nil {
		return nil
	}
	h := rr.Header()
	var sigs []*dns.RRSIG
	for _, r := range recordsAt(section, dns.CanonicalName(h.Name), dns.TypeRRSIG, h.Class) {
		if sig, ok := r.(*dns.RRSIG); ok && sig.TypeCovered == h.Rrtype {
			sigs = append(sigs, sig)
		}
	}
	return sigs
}

// verifySet validates a set of records with the keys of the zone it names as its
// signer, which must be a zone at or above it.
func (v *validator) verifySet(set []dns.RR, sigs []*dns.RRSIG) (proof, *fault) {
	owner, t := dns.CanonicalName(set[0].Header().Name), set[0].Header().Rrtype
	signer := signerOf(owner, t, sigs)
	if signer == "" {
		f := v.unsigned(owner, t, len(sigs) > 0)
		v.link(owner, t, nil, f)
		return proof{}, f
	}
	zone, f := v.zoneOf(signer)
	switch {
	case f != nil:
		f.about(owner, t)
	case zone.name != signer:
		f = bogus(dns.ExtendedErrorCodeDNSBogus, "signed by %s, which is not a zone: it belongs to %s", signer, zone.name).about(owner, t)
	}
	if f != nil {
		v.link(owner, t, nil, f)
		return proof{}, f
	}
	return v.verifyIn(zone, set, sigs)
}

// signerOf is the deepest name in sigs that can be the zone of records at owner:
// one at or above it, and above it for DS records, which belong to the parent.
func signerOf(owner string, t uint16, sigs []*dns.RRSIG) string {
	best := ""
	for _, sig := range sigs[:min(len(sigs), maxSignatures)] {
		signer := dns.CanonicalName(sig.SignerName)
		if !dns.IsSubDomain(signer, owner) || t == dns.TypeDS && signer == owner {
			continue
		}
		if best == "" || dns.CountLabel(signer) > dns.CountLabel(best) {
			best = signer
		}
	}
	return best
}

// unsigned is the fault of records at owner that no zone above has signed.
func (v *validator) unsigned(owner string, t uint16, hasSigs bool) *fault {
	place := owner
	if t == dns.TypeDS && owner != "." {
		place = parentOf(owner)
	}
	zone, f := v.zoneOf(place)
	if f != nil {
		return f
	}
	if hasSigs {
		return bogus(dns.ExtendedErrorCodeRRSIGsMissing, "%s %s is not signed by a zone above it", owner, TypeName(t)).about(owner, t)
	}
	return bogus(dns.ExtendedErrorCodeRRSIGsMissing, "%s %s has no signature, though the zone %s is signed", owner, TypeName(t), zone.name).about(owner, t)
}

func parentOf(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}

// verifyIn validates a set of records with the keys of zone and writes a link.
func (v *validator) verifyIn(zone *signedZone, set []dns.RR, sigs []*dns.RRSIG) (proof, *fault) {
	owner, t := dns.CanonicalName(set[0].Header().Name), set[0].Header().Rrtype
	p := proof{owner: owner, zone: zone}
	f := bogus(dns.ExtendedErrorCodeRRSIGsMissing, "%s %s has no signature by %s", owner, TypeName(t), zone.name)
	best := 0 // how far the signature of f got
	for _, sig := range sigs[:min(len(sigs), maxSignatures)] {
		if dns.CanonicalName(sig.SignerName) != zone.name || !dns.IsSubDomain(zone.name, owner) {
			continue
		}
		stage, failure := v.verify(zone, set, sig)
		if failure == nil {
			p.sig = sig
			v.link(owner, t, &p, nil)
			return p, nil
		}
		if stage > best {
			best, f = stage, failure
		}
	}
	f.about(owner, t)
	v.link(owner, t, nil, f)
	return p, f
}

// verify checks one signature. The stage says how far it got: of several
// signatures that fail the one that got farthest is worth telling about.
func (v *validator) verify(zone *signedZone, set []dns.RR, sig *dns.RRSIG) (stage int, f *fault) {
	key := keyText(sig.KeyTag, sig.Algorithm)
	switch {
	case !v.algorithmKnown(sig.Algorithm):
		return 1, bogus(dns.ExtendedErrorCodeUnsupportedDNSKEYAlgorithm, "signed with algorithm %s only, which is not supported", algorithmName(sig.Algorithm))
	case int(sig.Labels) > dns.CountLabel(set[0].Header().Name):
		return 1, bogus(dns.ExtendedErrorCodeDNSBogus, "the signature by %s has more labels than its owner", key)
	}
	tried := 0
	for _, k := range zone.keys {
		if k.Algorithm != sig.Algorithm || k.KeyTag() != sig.KeyTag {
			continue
		}
		if tried++; tried > maxKeysPerTag {
			break
		}
		if f := v.outOfTime(sig); f != nil {
			return 3, f
		}
		if v.bad >= maxBadSignatures {
			return 5, bogus(dns.ExtendedErrorCodeDNSBogus, "too many signatures do not hold")
		}
		v.out.Verifications++
		if holds(sig, k, set) {
			return 0, nil
		}
		v.bad++
	}
	if tried == 0 {
		return 2, bogus(dns.ExtendedErrorCodeDNSKEYMissing, "%s has no key %s, which has signed", zone.name, key)
	}
	return 4, bogus(dns.ExtendedErrorCodeDNSBogus, "the signature by %s of %s does not hold", key, zone.name)
}

// outOfTime checks the validity period with serial number arithmetic (RFC 4034 section 3.1.5).
func (v *validator) outOfTime(sig *dns.RRSIG) *fault {
	at := uint32(v.cfg.At.Unix())
	switch {
	case int32(sig.Expiration-sig.Inception) < 0:
		return bogus(dns.ExtendedErrorCodeSignatureExpiredBeforeValid, "the signature by %s expires before it is valid", keyText(sig.KeyTag, sig.Algorithm))
	case int32(at-sig.Expiration) > 0:
		return bogus(dns.ExtendedErrorCodeSignatureExpired, "the signature by %s expired at %s", keyText(sig.KeyTag, sig.Algorithm), v.sigTime(sig.Expiration))
	case int32(sig.Inception-at) > 0:
		return bogus(dns.ExtendedErrorCodeSignatureNotYetValid, "the signature by %s is not valid before %s", keyText(sig.KeyTag, sig.Algorithm), v.sigTime(sig.Inception))
	}
	return nil
}

// sigTime is the time of a signature nearest to the time of the validation: its
// 32 bits of seconds wrap around every 136 years.
func (v *validator) sigTime(seconds uint32) string {
	at := v.cfg.At.Unix()
	return time.Unix(at+int64(int32(seconds-uint32(at))), 0).UTC().Format(time.RFC3339)
}

// link writes down what was looked at, with the signature that holds or the fault.
func (v *validator) link(name string, t uint16, p *proof, f *fault) {
	l := Link{Name: name, Type: TypeName(t), Verdict: Secure}
	if f != nil {
		l.Verdict, l.Reason = f.verdict, f.reason
	}
	if p != nil {
		l.Zone, l.KeyTag, l.Algorithm = p.zone.name, p.sig.KeyTag, algorithmName(p.sig.Algorithm)
		l.Inception, l.Expires = v.sigTime(p.sig.Inception), v.sigTime(p.sig.Expiration)
	}
	if n := len(v.out.Links); n == 0 || v.out.Links[n-1] != l {
		v.out.Links = append(v.out.Links, l)
	}
}

func algorithmName(a uint8) string {
	if s, ok := dns.AlgorithmToString[a]; ok {
		return s
	}
	return strconv.Itoa(int(a))
}

func digestName(d uint8) string {
	if s, ok := dns.HashToString[d]; ok {
		return s
	}
	return strconv.Itoa(int(d))
}

func keyText(tag uint16, algorithm uint8) string {
	return fmt.Sprintf("%d/%s", tag, algorithmName(algorithm))
}
