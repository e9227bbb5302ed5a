package tlsx

import (
	"bytes"
	"slices"
)

// The marks a revocation list gets for a certificate; the list with the most
// is used. The values rank as OpenSSL's do.
const (
	scoreNoCritical = 0x100 // no unknown critical extension
	scoreScope      = 0x080 // it covers the certificate
	scoreTime       = 0x040 // it is current
	scoreIssuerName = 0x020 // the certificate's issuer made it
	scoreIssuerCert = 0x018 // with the certificate's issuer certificate
	scoreSamePath   = 0x008 // its issuer is in the chain
	scoreAKID       = 0x004 // its issuer's certificate was found
	scoreTimeDelta  = 0x002 // a current delta list makes up for its age
)

// A crlChoice is the list that was picked for a certificate.
type crlChoice struct {
	base, delta *CRL
	issuer      *Certificate
	score       int
	reasons     int
}

// checkRevocation looks certificates up in the revocation lists and in the
// stapled OCSP response.
func (v *verifier) checkRevocation() {
	if v.parent == nil {
		v.checkOCSP()
	}
	if v.o.CRLCheck == CRLOff {
		return
	}
	last := 0
	if v.o.CRLCheck == CRLAll {
		last = len(v.chain) - 1
	} else if v.parent != nil {
		return
	}
	for i := 0; i <= last; i++ {
		if !v.chain[i].ext.proxy {
			v.checkRevoked(i)
		}
	}
}

// checkRevoked looks up the certificate at a depth, in as many lists as it
// takes to cover all reasons.
func (v *verifier) checkRevoked(depth int) {
	c := v.chain[depth]
	reasons := 0
	for reasons != allReasons {
		choice, ok := v.chooseCRL(depth, reasons)
		if !ok {
			v.fault(CodeUnableToGetCRL, depth, v.whyNoCRL(c))
			return
		}
		before := reasons
		reasons = choice.reasons
		v.checkCRL(choice, choice.base, depth)
		removed := false
		if choice.delta != nil {
			v.checkCRL(choice, choice.delta, depth)
			removed = v.lookUp(choice.delta, c, depth)
		}
		if !removed {
			v.lookUp(choice.base, c, depth)
		}
		if reasons == before {
			v.fault(CodeUnableToGetCRL, depth, "no list for the remaining reasons")
			return
		}
	}
}

func (v *verifier) whyNoCRL(c *Certificate) string {
	for _, l := range v.crlsFor(c) {
		switch {
		case l.idp != nil && (l.idp.indirect || l.idp.someReasons) && !v.o.ExtendedCRL:
			return "the only list is indirect or for some reasons, which was not asked for"
		case l.invalid || l.idp != nil && l.idp.wrong:
			return "the only list has a malformed extension"
		}
	}
	return "no list of " + c.Issuer.String()
}

// crlsFor returns the lists to choose from: the given ones first.
func (v *verifier) crlsFor(c *Certificate) []*CRL {
	return append(slices.Clone(v.o.CRLs), v.roots.crlsOf(c.Issuer)...)
}

func (v *verifier) chooseCRL(depth, reasons int) (crlChoice, bool) {
	var best crlChoice
	lists := v.crlsFor(v.chain[depth])
	for _, l := range lists {
		score, issuer, covered := v.scoreCRL(l, depth, reasons)
		if score == 0 || score < best.score {
			continue
		}
		if score == best.score && !l.ThisUpdate.After(best.base.ThisUpdate.Time) {
			continue
		}
		best = crlChoice{base: l, issuer: issuer, score: score, reasons: covered}
	}
	if best.base == nil {
		return best, false
	}
	v.chooseDelta(&best, lists, v.chain[depth])
	return best, true
}

// scoreCRL gives a list its marks, and says whose it is and which reasons are
// covered with it. Zero means that it is of no use.
func (v *verifier) scoreCRL(l *CRL, depth, reasons int) (int, *Certificate, int) {
	c := v.chain[depth]
	idp := l.idp
	switch {
	case l.invalid || idp != nil && idp.wrong:
		return 0, nil, 0
	case !v.o.ExtendedCRL && idp != nil && (idp.indirect || idp.someReasons):
		return 0, nil, 0
	case idp != nil && idp.someReasons:
		if idp.reasons&^reasons == 0 {
			return 0, nil, 0
		}
	case l.Base != nil: // OpenSSL takes it for a complete list without -extended_crl
		return 0, nil, 0
	}
	score := 0
	if l.Issuer.Equal(c.Issuer) {
		score |= scoreIssuerName
	} else if idp == nil || !idp.indirect {
		return 0, nil, 0
	}
	if !l.hasCritical {
		score |= scoreNoCritical
	}
	if v.crlTimeFault(l, score) == CodeOK {
		score |= scoreTime
	}
	issuer, marks := v.crlIssuer(l, depth, score)
	if issuer == nil {
		return 0, nil, 0
	}
	score |= marks
	if covered, ok := l.covers(c, score); ok {
		if covered&^reasons == 0 {
			return 0, nil, 0
		}
		reasons |= covered
		score |= scoreScope
	}
	return score, issuer, reasons
}

// crlIssuer finds the certificate of the list's issuer: the certificate's own
// issuer, one further up, or (with ExtendedCRL) any that was sent.
func (v *verifier) crlIssuer(l *CRL, depth, score int) (*Certificate, int) {
	i := min(depth+1, len(v.chain)-1)
	if matchAKID(l.akid, v.chain[i]) == CodeOK && score&scoreIssuerName != 0 {
		return v.chain[i], scoreAKID | scoreIssuerCert
	}
	for i++; i < len(v.chain); i++ {
		if c := v.chain[i]; c.Subject.Equal(l.Issuer) && matchAKID(l.akid, c) == CodeOK {
			return c, scoreAKID | scoreSamePath
		}
	}
	if !v.o.ExtendedCRL {
		return nil, 0
	}
	for _, c := range v.untrusted {
		if c.Subject.Equal(l.Issuer) && matchAKID(l.akid, c) == CodeOK {
			return c, scoreAKID
		}
	}
	return nil, 0
}

// covers reports whether the list is for the certificate, and which reasons
// it covers.
func (l *CRL) covers(c *Certificate, score int) (reasons int, ok bool) {
	reasons = allReasons
	var point *distPointName
	if p := l.idp; p != nil {
		if p.onlyAttr || p.onlyUser && c.ext.ca || p.onlyCA && !c.ext.ca {
			return 0, false
		}
		reasons, point = p.reasons, p.point
	}
	for _, dp := range c.ext.crldp {
		fits := score&scoreIssuerName != 0
		if dp.crlIssuer != nil {
			fits = hasDirName(dp.crlIssuer, l.Issuer)
		}
		if fits && sameDistPoint(dp.name, point) {
			return reasons & dp.reasons, true
		}
	}
	return reasons, point == nil && score&scoreIssuerName != 0
}

func (v *verifier) chooseDelta(best *crlChoice, lists []*CRL, c *Certificate) {
	if !v.o.UseDeltas || !c.ext.freshest && !best.base.freshest {
		return
	}
	for _, d := range lists {
		if !d.buildsOn(best.base) {
			continue
		}
		if v.crlTimeFault(d, 0) == CodeOK {
			best.score |= scoreTimeDelta
		}
		best.delta = d
		return
	}
}

// buildsOn reports whether d is a delta list for base (RFC 5280, 5.2.4).
func (d *CRL) buildsOn(base *CRL) bool {
	return d.Base != nil && d.Number != nil && base.Number != nil && d.Issuer.Equal(base.Issuer) &&
		bytes.Equal(d.rawAKID, base.rawAKID) && bytes.Equal(d.rawIDP, base.rawIDP) &&
		d.Base.Cmp(base.Number) <= 0 && d.Number.Cmp(base.Number) > 0
}

// checkCRL judges the list itself.
func (v *verifier) checkCRL(choice crlChoice, l *CRL, depth int) {
	issuer := choice.issuer
	if l.Base == nil {
		switch {
		case issuer.ext.hasUsage && issuer.ext.usage&usageCRLSign == 0:
			v.fault(CodeKeyusageNoCRLSign, depth, issuer.Subject.String())
		case choice.score&scoreScope == 0:
			v.fault(CodeDifferentCRLScope, depth, "")
		}
		if choice.score&scoreSamePath == 0 && !v.crlIssuerTrusted(issuer) {
			v.fault(CodeCRLPathValidationError, depth, issuer.Subject.String())
		}
	}
	if choice.score&scoreTime == 0 || l.Base != nil {
		switch code := v.crlTimeFault(l, choice.score); code {
		case CodeOK:
		case CodeCRLNotYetValid, CodeErrorInCRLLastUpdateField:
			v.fault(code, depth, "valid from "+timeText(l.ThisUpdate))
		default:
			v.fault(code, depth, "valid until "+timeText(l.NextUpdate))
		}
	}
	if !issuer.PublicKey.usable() {
		v.fault(CodeUnableToDecodeIssuerPublicKey, depth, issuer.PublicKey.Problem)
	} else if err := l.CheckSignature(&issuer.PublicKey); err != nil {
		v.fault(CodeCRLSignatureFailure, depth, err.Error())
	}
}

func (v *verifier) crlTimeFault(l *CRL, score int) VerifyCode {
	switch {
	case v.o.NoCheckTime:
		return CodeOK
	case !l.ThisUpdate.Strict:
		return CodeErrorInCRLLastUpdateField
	case l.ThisUpdate.After(v.now):
		return CodeCRLNotYetValid
	case !l.hasNext:
		return CodeOK
	case !l.NextUpdate.Strict:
		return CodeErrorInCRLNextUpdateField
	case !l.NextUpdate.After(v.now) && score&scoreTimeDelta == 0:
		return CodeCRLHasExpired
	}
	return CodeOK
}

// crlIssuerTrusted verifies the path of a list's issuer that is not in the
// chain. It must end at the same trusted certificate (RFC 5280, 6.3.3 (f)).
func (v *verifier) crlIssuerTrusted(c *Certificate) bool {
	if v.parent != nil {
		return false
	}
	w := &verifier{o: v.o, roots: v.roots, now: v.now, maxDepth: v.maxDepth, level: v.level, leaf: c, untrusted: v.untrusted, parent: v, checked: v.checked}
	w.run()
	return len(w.faults) == 0 && w.top().Equal(v.top())
}

// lookUp reports a revoked certificate. It returns true when a delta list
// takes the certificate off its base.
func (v *verifier) lookUp(l *CRL, c *Certificate, depth int) (removed bool) {
	if l.hasCritical && !v.o.IgnoreCritical {
		v.fault(CodeUnhandledCriticalCRLExtension, depth, l.critical.long())
	}
	r := l.find(c)
	if r == nil {
		return false
	}
	if r.Reason == reasonRemoveFromCRL {
		return true
	}
	detail := "since " + timeText(r.Date)
	if r.HasReason {
		detail += ", " + ReasonName(r.Reason)
	}
	v.fault(CodeCertRevoked, depth, detail)
	return false
}
