package dnsq

import (
	"bytes"

	"github.com/miekg/dns"
)

// canonicalLabels are the labels of a name in wire form and lower case, from the
// right. Names come from messages or [AbsoluteName], and so are well formed.
func canonicalLabels(name string) [][]byte {
	wire := appendWireName(make([]byte, 0, maxName), name)
	for i, c := range wire {
		wire[i] = lowerASCII(c)
	}
	var labels [][]byte
	for len(wire) > 0 && wire[0] != 0 {
		n := 1 + int(wire[0])
		labels = append(labels, wire[1:n])
		wire = wire[n:]
	}
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return labels
}

// compareNames is the canonical order of names (RFC 4034 section 6.1).
func compareNames(a, b string) int {
	la, lb := canonicalLabels(a), canonicalLabels(b)
	for i := range min(len(la), len(lb)) {
		if c := bytes.Compare(la[i], lb[i]); c != 0 {
			return c
		}
	}
	return len(la) - len(lb)
}

// nsecCovers reports whether n proves that name does not exist, or is an empty
// non-terminal: name lies between its owner and the next name. A delegation or a
// DNAME proves nothing about what is below (RFC 6840 section 4.1).
func (d *denial) nsecCovers(n *dns.NSEC, name string) bool {
	owner := dns.CanonicalName(n.Hdr.Name)
	if compareNames(owner, name) >= 0 {
		return false
	}
	if dns.IsSubDomain(owner, name) && (parentSide(n.TypeBitMap) || hasType(n.TypeBitMap, dns.TypeDNAME)) {
		return false
	}
	next := dns.CanonicalName(n.NextDomain)
	return compareNames(name, next) < 0 || next == d.zone.name // the last one points to the apex
}

func (d *denial) nsecAt(name string) *dns.NSEC {
	for _, n := range d.nsec {
		if dns.CanonicalName(n.Hdr.Name) == name {
			return n
		}
	}
	return nil
}

func (d *denial) nsecCovering(name string) *dns.NSEC {
	for _, n := range d.nsec {
		if d.nsecCovers(n, name) {
			return n
		}
	}
	return nil
}

// nsecEncloser is the closest encloser of name that n, which covers name, proves:
// the longest name that name shares with the owner or the next name.
func nsecEncloser(n *dns.NSEC, name string) string {
	shared := max(dns.CompareDomainName(name, n.Hdr.Name), dns.CompareDomainName(name, n.NextDomain))
	return lastLabels(name, shared)
}

// lastLabels are the last n labels of name.
func lastLabels(name string, n int) string {
	all := dns.Split(name)
	if n <= 0 || n > len(all) {
		if n > len(all) {
			return name
		}
		return "."
	}
	return name[all[len(all)-n]:]
}

// wildcardAt is the wildcard directly below name.
func wildcardAt(name string) string {
	if name == "." {
		return "*."
	}
	return "*." + name
}

func (d *denial) nsecNameError(name string) *fault {
	n := d.nsecCovering(name)
	if n == nil {
		return d.missing("no NSEC record of %s covers %s", d.zone.name, name)
	}
	if dns.IsSubDomain(name, dns.CanonicalName(n.NextDomain)) {
		return d.missing("%s exists: names below it do", name)
	}
	wildcard := wildcardAt(nsecEncloser(n, name))
	if d.nsecCovering(wildcard) == nil {
		return d.missing("no NSEC record of %s covers the wildcard %s", d.zone.name, wildcard)
	}
	return nil
}

func (d *denial) nsecNoData(name string, qtype uint16) *fault {
	if n := d.nsecAt(name); n != nil {
		if !deniesType(n.TypeBitMap, qtype, name == ".") {
			return d.missing("the NSEC record at %s does not deny type %s", name, TypeName(qtype))
		}
		return nil
	}
	n := d.nsecCovering(name)
	if n == nil {
		return d.missing("no NSEC record of %s matches or covers %s", d.zone.name, name)
	}
	if dns.IsSubDomain(name, dns.CanonicalName(n.NextDomain)) {
		return nil // an empty non-terminal (RFC 4592 section 2.2.2)
	}
	wildcard := wildcardAt(nsecEncloser(n, name))
	w := d.nsecAt(wildcard)
	if w == nil || !deniesType(w.TypeBitMap, qtype, false) {
		return d.missing("no NSEC record denies type %s at the wildcard %s", TypeName(qtype), wildcard)
	}
	return nil
}

// nsecNoCloser proves that nothing between name and the wildcard with that many
// labels in its parent exists.
func (d *denial) nsecNoCloser(name string, labels int) *fault {
	n := d.nsecCovering(name)
	if n == nil || dns.CountLabel(nsecEncloser(n, name)) != labels {
		return d.missing("no NSEC record of %s proves that %s comes from a wildcard", d.zone.name, name)
	}
	return nil
}

func (d *denial) nsecDelegation(child string) (delegationKind, *fault) {
	if n := d.nsecAt(child); n != nil {
		return delegationOf(n.TypeBitMap, child)
	}
	n := d.nsecCovering(child)
	switch {
	case n == nil:
		return 0, d.missing("no NSEC record of %s matches or covers %s", d.zone.name, child)
	case dns.IsSubDomain(child, dns.CanonicalName(n.NextDomain)):
		return delegationNone, nil
	case d.nsecAt(wildcardAt(nsecEncloser(n, child))) != nil:
		return delegationNone, nil // made from a wildcard, which can be no delegation that counts (RFC 4592 section 4.2)
	}
	return delegationAbsent, nil
}
