package tlsx

import (
	"fmt"
	"slices"
	"strings"
)

// The demands of a profile that OpenSSL does not make come out as code 50,
// application verification failure, with the rule in the detail.

func (v *verifier) strictProfile() bool {
	return v.o.Profile == ProfileRFC5280 || v.o.Profile == ProfileWebPKI
}

// runProfile judges the path OpenSSL would take and, when that one is bad,
// the other ones; the first good one wins.
func (v *verifier) runProfile() {
	v.run()
	if len(v.faults) == 0 {
		return
	}
	for _, p := range v.otherPaths() {
		w := *v
		w.faults, w.ocsp, w.chain, w.numUntrusted = nil, nil, p.chain, p.untrusted
		w.judge()
		if len(w.faults) == 0 {
			*v = w
			return
		}
	}
}

// A pathCandidate is a chain that ends at a trusted certificate.
type pathCandidate struct {
	chain     []*Certificate
	untrusted int
}

// The search for other paths stops at so many paths and steps.
const (
	maxPaths     = 32
	maxPathSteps = 2000
)

func (v *verifier) otherPaths() []pathCandidate {
	var found []pathCandidate
	steps := 0
	var walk func(chain []*Certificate)
	walk = func(chain []*Certificate) {
		if steps++; steps > maxPathSteps || len(found) >= maxPaths || len(chain) > 2*v.maxDepth+2 {
			return
		}
		top := chain[len(chain)-1]
		for _, c := range v.roots.bySubject(top.Issuer) {
			if likelyIssued(c, top) == CodeOK && (c.SelfSigned() || v.o.PartialChain) && v.explicitTrust(c, true) != rejected {
				next := append(slices.Clone(chain), c)
				if c.Equal(top) {
					next = next[:len(chain)]
				}
				found = append(found, pathCandidate{next, len(next) - 1})
			}
		}
		if top.SelfSigned() {
			return
		}
		for _, c := range v.untrusted {
			if likelyIssued(c, top) == CodeOK && !slices.ContainsFunc(chain, c.Equal) {
				walk(append(slices.Clone(chain), c))
			}
		}
	}
	walk([]*Certificate{v.leaf})
	return found
}

// depthExceeded reports whether the chain has too many intermediates; those
// that are self-issued do not count for a profile (RFC 5280, 6.1.4 (l)).
func (v *verifier) depthExceeded() bool {
	n := 0
	for i := 1; i < len(v.chain)-1; i++ {
		if !v.chain[i].SelfIssued() {
			n++
		}
	}
	return n > v.maxDepth
}

// A rule is one demand on one certificate of the chain.
type rule struct {
	violated bool
	text     string
}

func (v *verifier) applyRules(depth int, rules []rule) {
	for _, r := range rules {
		if r.violated {
			v.fault(CodeApplicationVerification, depth, r.text)
		}
	}
}

// checkProfile makes the demands of the profile on the whole chain.
func (v *verifier) checkProfile() {
	if v.depthExceeded() {
		v.fault(CodeCertChainTooLong, len(v.chain)-1, "")
	}
	for i, c := range v.chain {
		v.applyRules(i, v.rfc5280Rules(c, i))
		if v.o.Profile == ProfileWebPKI {
			v.applyRules(i, v.webPKIRules(c, i))
		}
		v.checkWildcards(c, i)
	}
	for _, l := range v.usedCRLs() {
		v.applyRules(0, []rule{{l.Number == nil, "RFC 5280, 5.2.3: a revocation list without a number"}})
	}
}

// usedCRLs returns the lists that were looked into for the leaf.
func (v *verifier) usedCRLs() []*CRL {
	if v.o.CRLCheck == CRLOff {
		return nil
	}
	if choice, ok := v.chooseCRL(0, 0); ok {
		return []*CRL{choice.base}
	}
	return nil
}

func (v *verifier) rfc5280Rules(c *Certificate, depth int) []rule {
	x := &c.ext
	isRoot := depth == len(v.chain)-1
	nc, pc := findExtension(c.Extensions, oidNameConstr), findExtension(c.Extensions, oidPolicyConstr)
	badDNS := ""
	for _, g := range x.san {
		if g.kind == nameDNS && (!validDNSPattern(g.Value) || strings.Contains(g.Value, "_")) {
			badDNS = g.Value
		}
	}
	badMail := slices.ContainsFunc(x.san, func(g GeneralName) bool {
		return g.kind == nameEmail && (!validEmail(g.Value) || strings.Count(g.Value, "@") != 1)
	})
	return []rule{
		{c.SerialNumber.Sign() < 0 || !isRoot && c.SerialNumber.Sign() == 0, "RFC 5280, 4.1.2.2: the serial number is not positive"},
		{!isRoot && len(c.serial) > 20, "RFC 5280, 4.1.2.2: the serial number has more than 20 octets"},
		{isRoot && !c.SelfIssued() && x.akid == nil, "RFC 5280, 4.2.1.1: no authority key identifier in a certificate that is not self-issued"},
		{nc != nil && !x.ca, "RFC 5280, 4.2.1.10: name constraints in a certificate that is not a CA's"},
		{nc != nil && !nc.Critical && v.o.Profile == ProfileRFC5280, "RFC 5280, 4.2.1.10: name constraints are not critical"},
		{x.nc != nil && x.nc.hasDottedDNS(), "RFC 5280, 4.2.1.10: a DNS constraint begins with a dot"},
		{pc != nil && !pc.Critical, "RFC 5280, 4.2.1.11: policy constraints are not critical"},
		{badDNS != "", fmt.Sprintf("RFC 5280, 4.2.1.6: %q is not a host name", badDNS)},
		{badMail, "RFC 5280, 4.2.1.6: an email address is malformed"},
	}
}

func (nc *nameConstraints) hasDottedDNS() bool {
	dotted := func(s subtree) bool {
		return s.base.kind == nameDNS && strings.HasPrefix(s.base.Value, ".")
	}
	return slices.ContainsFunc(nc.permitted, dotted) || slices.ContainsFunc(nc.excluded, dotted)
}

// webPKIRules are those of the Baseline Requirements, by section.
func (v *verifier) webPKIRules(c *Certificate, depth int) []rule {
	x := &c.ext
	isLeaf, isRoot := depth == 0, depth == len(v.chain)-1
	aia := findExtension(c.Extensions, oidAIA)
	k := &c.PublicKey
	common := []rule{
		{c.Version != 2, "BR 7.1.1: not a v3 certificate"},
		{k.Type == "DSA" || k.Type == "EC" && stdCurve(k.Curve) == nil, "BR 6.1.5: the key is of a kind that is not allowed"},
		{k.Type == "RSA" && (k.Bits < 2048 || k.Bits%8 != 0), "BR 6.1.5: RSA modulus of a size that is not allowed"},
		{aia != nil && checkAccessDescriptions(aia) != nil, "BR 7.1.2.7.7: malformed authority information access"},
		{x.nc != nil && len(x.nc.permitted)+len(x.nc.excluded) == 0, "BR 7.1.2.5.2: empty name constraints"},
	}
	if isRoot && x.selfIssued {
		common = append(common, rootRules(x)...)
	}
	if isLeaf {
		common = append(common, v.leafRules(c)...)
	}
	return common
}

func rootRules(x *extensionCache) []rule {
	a := x.akid
	return []rule{
		{x.hasEKU, "BR 7.1.2.1.2: extended key usage in a root"},
		{a != nil && !a.hasKeyID, "BR 7.1.2.1.3: the root's authority key identifier lacks the key identifier"},
		{a != nil && (a.hasIssuer || a.hasSerial), "BR 7.1.2.1.3: the root's authority key identifier names an issuer or serial number"},
		{a != nil && a.hasKeyID && string(a.keyID) != string(x.skid), "BR 7.1.2.1.3: the root's key identifiers differ"},
	}
}

func (v *verifier) leafRules(c *Certificate) []rule {
	x := &c.ext
	server := v.purpose() == PurposeServer
	star := slices.ContainsFunc(x.san, func(g GeneralName) bool {
		return g.kind == nameDNS && strings.HasPrefix(g.Value, "*.") && strings.Count(g.Value, ".") < 2
	})
	return []rule{
		{x.ca, "BR 7.1.2.7.8: a subscriber's certificate is a CA's"},
		{x.hasUsage && x.usage&usageCertSign != 0, "BR 7.1.2.7.11: a subscriber's certificate may sign certificates"},
		{server && !x.hasSAN, "BR 7.1.2.7.12: no alternative names"},
		{x.sanCritical && !c.Subject.Empty(), "BR 7.1.2.7.12: critical alternative names beside a subject"},
		{!x.hasEKU, "BR 7.1.2.7.10: no extended key usage"},
		{x.ekuCrit, "BR 7.1.2.7.10: critical extended key usage"},
		{x.eku&ekuAny != 0, "BR 7.1.2.7.10: the usage any"},
		{server && !commonNameListed(c), "BR 7.1.4.3: the common name is not one of the alternative names"},
		{star, "BR 3.2.2.6: a wildcard for a whole top-level domain"},
	}
}

// commonNameListed reports whether every common name is, character for
// character, one of the alternative names.
func commonNameListed(c *Certificate) bool {
	for _, a := range c.Subject.Attributes {
		if a.id != oidCommonName {
			continue
		}
		same := func(g GeneralName) bool { return g.Value == a.Value && (g.kind == nameDNS || g.kind == nameIP) }
		if !slices.ContainsFunc(c.ext.san, same) {
			return false
		}
	}
	return true
}

// checkWildcards refuses a wildcard that could stand for an excluded name.
func (v *verifier) checkWildcards(c *Certificate, depth int) {
	for _, g := range c.ext.san {
		rest, ok := strings.CutPrefix(g.Value, "*.")
		if g.kind != nameDNS || !ok {
			continue
		}
		for j := depth + 1; j < len(v.chain); j++ {
			if nc := v.chain[j].ext.nc; nc != nil && nc.excludesBelow(rest) {
				v.fault(CodeExcludedViolation, depth, fmt.Sprintf("%q includes a name that is excluded by %s", g.Value, v.chain[j].Subject))
			}
		}
	}
}

func (nc *nameConstraints) excludesBelow(domain string) bool {
	for _, s := range nc.excluded {
		if _, parent, ok := strings.Cut(s.base.Value, "."); ok && s.base.kind == nameDNS && equalFold(parent, domain) {
			return true
		}
	}
	return false
}
