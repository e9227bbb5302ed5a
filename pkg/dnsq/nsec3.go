package dnsq

import (
	"strings"

	"github.com/miekg/dns"
)

// nsec3OptOut is the flag of records that do not count unsigned delegations (RFC 5155 section 3.1.2.1).
const nsec3OptOut = 1

// add3 takes up n unless it uses what is not understood (RFC 5155 sections 8.1
// and 8.2) or other parameters than the first, or is not directly below the zone.
func (d *denial) add3(n *dns.NSEC3) bool {
	if n.Hash != dns.SHA1 || n.Flags&^nsec3OptOut != 0 || parentOf(dns.CanonicalName(n.Hdr.Name)) != d.zone.name {
		return false
	}
	if len(d.nsec3) > 0 {
		if first := d.nsec3[0]; n.Iterations != first.Iterations || n.Salt != first.Salt {
			return false
		}
	}
	d.nsec3 = append(d.nsec3, n)
	return true
}

// hashOf is the hashed label of name, "" when too many were asked for.
func (d *denial) hashOf(v *validator, name string) string {
	if v.hash++; v.hash > maxHashes || len(d.nsec3) == 0 {
		return ""
	}
	n := d.nsec3[0]
	return dns.HashName(name, n.Hash, n.Iterations, n.Salt)
}

// ownerHash is the hashed label that n belongs to.
func ownerHash(n *dns.NSEC3) string {
	label, _, _ := strings.Cut(n.Hdr.Name, ".")
	return strings.ToUpper(label)
}

func (d *denial) match3(v *validator, name string) *dns.NSEC3 {
	hash := d.hashOf(v, name)
	for _, n := range d.nsec3 {
		if hash != "" && ownerHash(n) == hash {
			return n
		}
	}
	return nil
}

// cover3 is the record whose span holds the hash of name. Base 32 with the
// extended hex alphabet sorts as the octets do.
func (d *denial) cover3(v *validator, name string) *dns.NSEC3 {
	hash := d.hashOf(v, name)
	if hash == "" {
		return nil
	}
	for _, n := range d.nsec3 {
		owner, next := ownerHash(n), strings.ToUpper(n.NextDomain)
		inside := owner < hash && hash < next
		if owner >= next { // the last one wraps around
			inside = owner < hash || hash < next
		}
		if inside {
			return n
		}
	}
	return nil
}

// An encloser3 is a closest encloser proof (RFC 5155 section 8.3).
type encloser3 struct {
	name   string     // the closest name above that exists
	cover  *dns.NSEC3 // proves that the name below that, toward the one asked for, does not
	optOut bool
}

// encloser proves the closest encloser of name, which does not exist itself.
func (d *denial) encloser(v *validator, name string) (encloser3, *fault) {
	closer := name
	for name := parentOf(closer); dns.IsSubDomain(d.zone.name, name); name = parentOf(closer) {
		n := d.match3(v, name)
		if n == nil {
			if name == d.zone.name || name == "." {
				break
			}
			closer = name
			continue
		}
		if parentSide(n.TypeBitMap) || hasType(n.TypeBitMap, dns.TypeDNAME) {
			return encloser3{}, d.missing("%s is a delegation or alias: it proves nothing about names below", name)
		}
		cover := d.cover3(v, closer)
		if cover == nil {
			return encloser3{}, d.missing("no NSEC3 record of %s covers %s", d.zone.name, closer)
		}
		return encloser3{name, cover, cover.Flags&nsec3OptOut != 0}, nil
	}
	return encloser3{}, d.missing("no NSEC3 record of %s proves the closest name above %s", d.zone.name, name)
}

// optOut is the fault of a proof that rests on a span with the opt-out flag.
func (d *denial) optOut(name string) *fault {
	return insecure(noEDE, "%s opts unsigned delegations out, %s may be one", d.zone.name, name)
}

func (d *denial) nsec3NameError(v *validator, name string) *fault {
	if d.match3(v, name) != nil {
		return d.missing("%s exists", name)
	}
	e, f := d.encloser(v, name)
	if f != nil {
		return f
	}
	if wildcard := wildcardAt(e.name); d.cover3(v, wildcard) == nil {
		return d.missing("no NSEC3 record of %s covers the wildcard %s", d.zone.name, wildcard)
	}
	if e.optOut {
		return d.optOut(name)
	}
	return nil
}

func (d *denial) nsec3NoData(v *validator, name string, qtype uint16) *fault {
	if n := d.match3(v, name); n != nil {
		if !deniesType(n.TypeBitMap, qtype, name == ".") {
			return d.missing("the NSEC3 record of %s does not deny type %s", name, TypeName(qtype))
		}
		return nil
	}
	e, f := d.encloser(v, name)
	if f != nil {
		return f
	}
	if w := d.match3(v, wildcardAt(e.name)); w != nil && deniesType(w.TypeBitMap, qtype, false) {
		return nil
	}
	if e.optOut { // RFC 5155 section 8.6; an empty non-terminal above unsigned delegations only has no record either
		return d.optOut(name)
	}
	return d.missing("no NSEC3 record of %s denies type %s at %s or its wildcard", d.zone.name, TypeName(qtype), name)
}

func (d *denial) nsec3NoCloser(v *validator, name string, labels int) *fault {
	closer := lastLabels(name, labels+1)
	cover := d.cover3(v, closer)
	if cover == nil {
		return d.missing("no NSEC3 record of %s proves that %s comes from a wildcard", d.zone.name, name)
	}
	if cover.Flags&nsec3OptOut != 0 {
		return d.optOut(closer)
	}
	return nil
}

func (d *denial) nsec3Delegation(v *validator, child string) (delegationKind, *fault) {
	if n := d.match3(v, child); n != nil {
		return delegationOf(n.TypeBitMap, child)
	}
	e, f := d.encloser(v, child)
	switch {
	case f != nil:
		return 0, f
	case e.optOut:
		return delegationUnsigned, nil
	case d.match3(v, wildcardAt(e.name)) != nil:
		return delegationNone, nil
	}
	return delegationAbsent, nil
}
