package dnsq

import (
	"github.com/miekg/dns"
)

// denial is what a zone proves not to exist: the NSEC and NSEC3 records of one
// reply whose signatures hold.
type denial struct {
	zone  *signedZone
	nsec  []*dns.NSEC
	nsec3 []*dns.NSEC3 // all with the parameters of the first
	fault *fault       // of a record whose signature does not hold
}

// denials validates the NSEC and NSEC3 records in the authority section of m.
// Too many NSEC3 iterations make them worthless: that is a fault.
func (v *validator) denials(zone *signedZone, m *dns.Msg) (denial, *fault) {
	d := denial{zone: zone}
	count := 0
	for _, rr := range m.Ns {
		h := rr.Header()
		if h.Rrtype != dns.TypeNSEC && h.Rrtype != dns.TypeNSEC3 || h.Class != dns.ClassINET {
			continue
		}
		if count++; count > maxDenials {
			break
		}
		set, sigs := recordsAt(m.Ns, dns.CanonicalName(h.Name), h.Rrtype, h.Class), signaturesOf(m.Ns, rr)
		if len(sigs) > 0 && !signedBy(sigs, zone.name) {
			continue // of another zone that an alias leads through
		}
		p, f := v.verifyIn(zone, set, sigs)
		if f != nil {
			d.fault = worse(d.fault, f)
			continue
		}
		if p.wildcard() {
			continue // made from a wildcard it says nothing about the place it is at
		}
		switch rr := rr.(type) {
		case *dns.NSEC:
			d.nsec = append(d.nsec, rr)
		case *dns.NSEC3:
			if !d.add3(rr) {
				continue
			}
			if rr.Iterations > v.cfg.MaxIterations {
				return d, insecure(int(dns.ExtendedErrorCodeUnsupportedNSEC3IterValue),
					"%s uses %d NSEC3 iterations, more than %d are not followed", zone.name, rr.Iterations, v.cfg.MaxIterations)
			}
		}
	}
	if len(d.nsec)+len(d.nsec3) == 0 && d.fault != nil {
		return d, d.fault
	}
	return d, nil
}

// signedBy reports whether one of sigs names zone as its signer.
func signedBy(sigs []*dns.RRSIG, zone string) bool {
	for _, sig := range sigs {
		if dns.CanonicalName(sig.SignerName) == zone {
			return true
		}
	}
	return false
}

// denied validates that m proves that there is no record of type qtype at name.
func (v *validator) denied(m *dns.Msg, name string, qtype uint16) *fault {
	signer := denialSigner(m, name, qtype)
	if signer == "" {
		f := v.unsignedDenial(name, qtype)
		v.link(name, qtype, nil, f.about(name, qtype))
		return f
	}
	f := v.deniedBy(m, signer, name, qtype).about(name, qtype)
	if f != nil {
		v.link(name, qtype, nil, f)
	}
	return f
}

func (v *validator) unsignedDenial(name string, qtype uint16) *fault {
	place := name
	if qtype == dns.TypeDS && name != "." {
		place = parentOf(name)
	}
	zone, f := v.zoneOf(place)
	if f != nil {
		return f
	}
	return bogus(dns.ExtendedErrorCodeNSECMissing, "no proof from %s that there is no %s record at %s", zone.name, TypeName(qtype), name)
}

func (v *validator) deniedBy(m *dns.Msg, signer, name string, qtype uint16) *fault {
	zone, f := v.zoneOf(signer)
	switch {
	case f != nil:
		return f
	case zone.name != signer:
		return bogus(dns.ExtendedErrorCodeDNSBogus, "the proof is signed by %s, which is not a zone", signer)
	}
	if f := v.checkSOA(zone, m); f != nil {
		return f
	}
	d, f := v.denials(zone, m)
	if f != nil {
		return f
	}
	if m.Rcode == dns.RcodeNameError {
		f = d.nameError(v, name)
	} else {
		f = d.noData(v, name, qtype)
	}
	if f != nil && f.verdict == Bogus && d.fault != nil {
		return d.fault // the record that would prove it has a bad signature
	}
	return f
}

// checkSOA validates the SOA record of a negative reply.
func (v *validator) checkSOA(zone *signedZone, m *dns.Msg) *fault {
	soa := recordsAt(m.Ns, zone.name, dns.TypeSOA, dns.ClassINET)
	if len(soa) == 0 {
		return nil
	}
	_, f := v.verifyIn(zone, soa, signaturesOf(m.Ns, soa[0]))
	return f
}

// denialSigner is the deepest zone at or above name that signs NSEC or NSEC3
// records of m. The absence of a DS record is for the parent to prove.
func denialSigner(m *dns.Msg, name string, qtype uint16) string {
	best := ""
	for _, rr := range m.Ns {
		sig, ok := rr.(*dns.RRSIG)
		if !ok || sig.TypeCovered != dns.TypeNSEC && sig.TypeCovered != dns.TypeNSEC3 {
			continue
		}
		signer := dns.CanonicalName(sig.SignerName)
		if !dns.IsSubDomain(signer, name) || qtype == dns.TypeDS && signer == name && name != "." {
			continue
		}
		if best == "" || dns.CountLabel(signer) > dns.CountLabel(best) {
			best = signer
		}
	}
	return best
}

// expanded validates that no name closer than the wildcard exists, for records
// made from a wildcard (RFC 4035 section 5.3.4, RFC 5155 section 8.8).
func (v *validator) expanded(m *dns.Msg, p proof) *fault {
	d, f := v.denials(p.zone, m)
	if f != nil {
		return f
	}
	f = d.noCloser(v, p.owner, int(p.sig.Labels))
	if f != nil {
		v.link(p.owner, p.sig.TypeCovered, nil, f)
	}
	return f
}

// The states of a name on the way down, as its parent proves them.
type delegationKind int

const (
	delegationNone     delegationKind = iota // exists, and no zone begins there
	delegationAbsent                         // does not exist
	delegationUnsigned                       // a zone without DS record begins there, or may
)

// delegationState is what the absence of a DS record at child means.
func (d *denial) delegationState(v *validator, child string) (delegationKind, *fault) {
	if len(d.nsec) > 0 {
		return d.nsecDelegation(child)
	}
	return d.nsec3Delegation(v, child)
}

func (d *denial) nameError(v *validator, name string) *fault {
	if len(d.nsec) > 0 {
		return d.nsecNameError(name)
	}
	return d.nsec3NameError(v, name)
}

func (d *denial) noData(v *validator, name string, qtype uint16) *fault {
	if len(d.nsec) > 0 {
		return d.nsecNoData(name, qtype)
	}
	return d.nsec3NoData(v, name, qtype)
}

func (d *denial) noCloser(v *validator, name string, labels int) *fault {
	if len(d.nsec) > 0 {
		return d.nsecNoCloser(name, labels)
	}
	return d.nsec3NoCloser(v, name, labels)
}

// missing is the fault of a proof that does not hold together.
func (d *denial) missing(format string, args ...any) *fault {
	return bogus(dns.ExtendedErrorCodeNSECMissing, format, args...)
}

// hasType reports whether a type bit map has one of types.
func hasType(bitmap []uint16, types ...uint16) bool {
	for _, t := range bitmap {
		for _, want := range types {
			if t == want {
				return true
			}
		}
	}
	return false
}

// parentSide reports whether a bit map is that of a delegation, as seen from
// above: it says nothing about the names below, nor about the types at the name
// other than DS (RFC 6840 section 4.1).
func parentSide(bitmap []uint16) bool {
	return hasType(bitmap, dns.TypeNS) && !hasType(bitmap, dns.TypeSOA)
}

// deniesType reports whether a bit map at the name itself proves that there is no
// record of type t, nor an alias.
func deniesType(bitmap []uint16, t uint16, isRoot bool) bool {
	if hasType(bitmap, t, dns.TypeCNAME) {
		return false
	}
	if t == dns.TypeDS {
		return isRoot || !hasType(bitmap, dns.TypeSOA) // RFC 6840 section 4.1: else it is the child's
	}
	return !parentSide(bitmap)
}

// delegationOf reads a bit map at a name where there is no DS record.
func delegationOf(bitmap []uint16, child string) (delegationKind, *fault) {
	switch {
	case hasType(bitmap, dns.TypeDS):
		return 0, bogus(dns.ExtendedErrorCodeDNSBogus, "a DS record at %s is denied and asserted at once", child)
	case hasType(bitmap, dns.TypeSOA):
		return 0, bogus(dns.ExtendedErrorCodeNSECMissing, "the proof about %s comes from below the delegation", child)
	case hasType(bitmap, dns.TypeNS):
		return delegationUnsigned, nil
	}
	return delegationNone, nil
}
