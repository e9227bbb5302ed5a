package tlsx

import "bytes"

// What a certificate may be used for, judged as OpenSSL's v3_purp does: CA
// status is a number because some old forms are tolerated.

const (
	notCA      = 0
	plainCA    = 1 // by its basic constraints
	v1RootCA   = 3 // a self-signed v1 certificate
	keyUsageCA = 4 // by its key usage alone
	netscapeCA = 5 // by its Netscape type alone
)

func (c *Certificate) refusesUsage(bits int) bool { return c.ext.hasUsage && c.ext.usage&bits == 0 }

func (c *Certificate) refusesEKU(bits int) bool { return c.ext.hasEKU && c.ext.eku&bits == 0 }

func (c *Certificate) refusesNS(bits int) bool { return c.ext.hasNS && c.ext.ns&bits == 0 }

func (c *Certificate) caStatus() int {
	switch x := &c.ext; {
	case c.refusesUsage(usageCertSign):
		return notCA
	case x.hasBasic && x.ca:
		return plainCA
	case x.hasBasic:
		return notCA
	case c.Version == 0 && x.selfSigned:
		return v1RootCA
	case x.hasUsage:
		return keyUsageCA
	case x.hasNS && x.ns&nsAnyCA != 0:
		return netscapeCA
	}
	return notCA
}

// A fitness says how well a certificate serves a purpose.
type fitness int

const (
	unfit fitness = iota
	fit
	tolerated // accepted unless strict
)

func fitIf(ok bool) fitness {
	if ok {
		return fit
	}
	return unfit
}

func caFitness(status int) fitness {
	switch status {
	case notCA:
		return unfit
	case plainCA:
		return fit
	}
	return tolerated
}

// fitness judges c for a purpose, as an issuer of certificates with that
// purpose if asCA is set.
func (c *Certificate) fitness(p Purpose, asCA bool) fitness {
	if c.ext.invalid {
		return tolerated
	}
	if asCA {
		return c.caFitness(p)
	}
	switch p {
	case PurposeServer:
		return fitIf(c.fitServer())
	case PurposeNSServer:
		return fitIf(c.fitServer() && !c.refusesUsage(usageKeyEncipherment))
	case PurposeClient:
		return fitIf(!c.refusesEKU(ekuClient) && !c.refusesUsage(usageDigitalSignature|usageKeyAgreement) && !c.refusesNS(nsSSLClient))
	case PurposeSMIMESign:
		return c.fitSMIME(usageDigitalSignature | usageNonRepudiation)
	case PurposeSMIMEEncrypt:
		return c.fitSMIME(usageKeyEncipherment)
	case PurposeCRLSign:
		return fitIf(!c.refusesUsage(usageCRLSign))
	case PurposeTimestamp:
		return fitIf(c.fitTimestamp())
	}
	return fit
}

// profileFitness judges a leaf by its extended key usage alone: RFC 5280
// leaves the key usage to the application.
func (c *Certificate) profileFitness(p Purpose) fitness {
	switch p {
	case PurposeServer, PurposeNSServer:
		return fitIf(!c.refusesEKU(ekuServer | ekuAny))
	case PurposeClient:
		return fitIf(!c.refusesEKU(ekuClient | ekuAny))
	}
	return c.fitness(p, false)
}

func (c *Certificate) fitServer() bool {
	const usages = usageDigitalSignature | usageKeyEncipherment | usageKeyAgreement
	return !c.refusesEKU(ekuServer|ekuSGC) && !c.refusesNS(nsSSLServer) && !c.refusesUsage(usages)
}

func (c *Certificate) fitSMIME(usages int) fitness {
	if c.refusesEKU(ekuSMIME) || c.refusesUsage(usages) {
		return unfit
	}
	if c.ext.hasNS && c.ext.ns&nsSMIME == 0 {
		if c.ext.ns&nsSSLClient != 0 {
			return tolerated
		}
		return unfit
	}
	return fit
}

func (c *Certificate) fitTimestamp() bool {
	x := &c.ext
	const usages = usageDigitalSignature | usageNonRepudiation
	if x.hasUsage && (x.usage&^usages != 0 || x.usage&usages == 0) {
		return false
	}
	return x.hasEKU && x.eku == ekuTimestamp && x.ekuCrit
}

func (c *Certificate) caFitness(p Purpose) fitness {
	status := c.caStatus()
	switch p {
	case PurposeAny:
		return fit
	case PurposeServer, PurposeNSServer:
		if c.refusesEKU(ekuServer|ekuSGC) || status == netscapeCA && c.ext.ns&nsSSLCA == 0 {
			return unfit
		}
	case PurposeClient:
		if c.refusesEKU(ekuClient) || status == netscapeCA && c.ext.ns&nsSSLCA == 0 {
			return unfit
		}
	case PurposeSMIMESign, PurposeSMIMEEncrypt:
		if c.refusesEKU(ekuSMIME) || status == netscapeCA && c.ext.ns&nsSMIMECA == 0 {
			return unfit
		}
	}
	return caFitness(status)
}

// checkExtensions judges what the certificates may be used for.
func (v *verifier) checkExtensions() {
	const eitherWay, mustNot, must = -1, 0, 1
	wantCA, plen, proxyPath := eitherWay, 0, 0
	for i, c := range v.chain {
		x := &c.ext
		if x.unknownCrit && !v.o.IgnoreCritical {
			v.fault(CodeUnhandledCriticalExtension, i, x.unknown.long())
		}
		if x.proxy && (v.parent != nil || !v.o.AllowProxy) {
			v.fault(CodeProxyCertificatesNotAllowed, i, "")
		}
		status := c.caStatus()
		switch wantCA {
		case eitherWay:
			if v.strict && status != plainCA && status != notCA {
				v.fault(CodeInvalidCA, i, "")
			}
		case mustNot:
			if status != notCA {
				v.fault(CodeInvalidNonCA, i, "")
			}
		default:
			last := i+1 == len(v.chain)
			if status == notCA || (!last || v.strict) && status != plainCA {
				v.fault(CodeInvalidCA, i, "")
			}
		}
		if len(v.chain) > 1 && c.PublicKey.Explicit {
			v.fault(CodeECKeyExplicitParams, i, "")
		}
		if len(v.chain) > 1 && v.strict {
			v.checkStrict(c, i)
		}
		v.checkPurpose(c, i, wantCA == must)
		if i > 1 && x.pathLen >= 0 && plen > x.pathLen+proxyPath {
			v.fault(CodePathLengthExceeded, i, "")
		}
		if i > 0 && !x.selfIssued {
			plen++
		}
		wantCA = must
		if x.proxy {
			if x.proxyPathLen >= 0 {
				if proxyPath > x.proxyPathLen {
					v.fault(CodeProxyPathLengthExceeded, i, "")
				}
				proxyPath = x.proxyPathLen
			}
			proxyPath++
			wantCA = mustNot
		}
	}
}

func (v *verifier) checkPurpose(c *Certificate, depth int, asCA bool) {
	p := v.purpose()
	if depth >= v.numUntrusted && v.parent == nil {
		switch v.explicitTrust(c, false) {
		case trusted:
			return
		case rejected:
			v.fault(CodeInvalidPurpose, depth, string(p))
			return
		}
	}
	f := c.fitness(p, asCA)
	if depth == 0 && v.strictProfile() {
		f = c.profileFitness(p)
	}
	switch f {
	case unfit:
		v.fault(CodeInvalidPurpose, depth, v.whyUnfit(c, p, asCA))
	case tolerated:
		if v.strict {
			v.fault(CodeInvalidPurpose, depth, string(p))
		}
	}
}

func (v *verifier) whyUnfit(c *Certificate, p Purpose, asCA bool) string {
	switch {
	case c.ext.invalid:
		return string(p) + ": malformed extension"
	case asCA && c.caStatus() == notCA:
		return string(p) + ": not a CA"
	case c.ext.hasEKU:
		return string(p) + ": key usage or extended key usage"
	}
	return string(p) + ": key usage"
}

// checkStrict makes the demands of RFC 5280 that OpenSSL makes with
// -x509_strict.
func (v *verifier) checkStrict(c *Certificate, depth int) {
	x := &c.ext
	last := depth+1 == len(v.chain)
	noSubject := c.Subject.Empty()
	v3 := c.Version >= 2
	for _, f := range []struct {
		bad  bool
		code VerifyCode
	}{
		{x.pathLen >= 0 && !x.ca, CodePathlenInvalidForNonCA},
		{x.pathLen >= 0 && (!x.hasUsage || x.usage&usageCertSign == 0), CodePathlenWithoutKUKeyCertSign},
		{x.ca && x.hasBasic && !x.basicCritical, CodeCABconsNotCritical},
		{x.ca && !x.hasUsage && !(last && v.strictProfile()), CodeCACertMissingKeyUsage},
		{!x.ca && x.hasUsage && x.usage&usageCertSign != 0, CodeKUKeyCertSignInvalidForNonCA},
		{c.Issuer.Empty(), CodeIssuerNameEmpty},
		{(x.ca || x.hasUsage && x.usage&usageCRLSign != 0 || !x.hasSAN) && noSubject, CodeSubjectNameEmpty},
		{noSubject && x.hasSAN && !x.sanCritical, CodeEmptySubjectSANNotCritical},
		{x.hasSAN && len(x.san) == 0, CodeEmptySubjectAltName},
		{!bytes.Equal(c.innerAlg, c.outerAlg), CodeSignatureAlgorithmInconsistency},
		{v3 && !last && (x.akid == nil || !x.akid.hasKeyID), CodeMissingAuthorityKeyIdentifier},
		{v3 && x.ca && !x.hasSKID, CodeMissingSubjectKeyIdentifier},
		{!v3 && len(c.Extensions) > 0, CodeExtensionsRequireVersion3},
	} {
		if f.bad {
			v.fault(f.code, depth, "")
		}
	}
}
