package tlsx

import (
	"bytes"
	"slices"
	"time"
)

// A verifier judges one chain. It works in OpenSSL's order and, unlike it,
// goes on after a fault as far as there is something left to judge.
type verifier struct {
	o         *VerifyOptions
	roots     *Store
	now       time.Time
	maxDepth  int
	level     int
	strict    bool
	leaf      *Certificate
	untrusted []*Certificate
	parent    *verifier // the verifier whose CRL issuer this one judges

	chain        []*Certificate
	numUntrusted int // the first so many certificates of chain are the peer's
	faults       []Fault
	ocsp         *OCSPStatus
	checked      map[[2]*Certificate]error // signatures, by subject and issuer
}

// maxFaults bounds the list of faults of one chain.
const maxFaults = 200

// fault records one fault; the same fault at the same depth only once.
func (v *verifier) fault(code VerifyCode, depth int, detail string) {
	for _, f := range v.faults {
		if f.Code == code && f.Depth == depth && f.Detail == detail {
			return
		}
	}
	if len(v.faults) >= maxFaults {
		return
	}
	f := Fault{Code: code, Name: code.Name(), Text: code.Text(), Depth: depth, Detail: detail}
	if depth >= 0 && depth < len(v.chain) {
		f.Subject = v.chain[depth].Subject.String()
	}
	v.faults = append(v.faults, f)
}

// run goes through all checks.
func (v *verifier) run() {
	v.chain = []*Certificate{v.leaf}
	v.numUntrusted = 1
	if !v.keyStrongEnough(v.leaf) {
		v.fault(CodeEEKeyTooSmall, 0, v.leaf.PublicKey.String())
	}
	v.build()
	v.judge()
}

// judge goes through the checks of the chain that was built.
func (v *verifier) judge() {
	v.checkExtensions()
	v.checkStrength()
	if v.parent == nil {
		v.checkIdentity()
	}
	v.checkRevocation()
	v.checkSignatures()
	v.checkNameConstraints()
	if v.parent == nil && v.wantsPolicies() {
		v.checkPolicies()
	}
	if v.parent == nil && v.strictProfile() {
		v.checkProfile()
	}
}

func (v *verifier) top() *Certificate { return v.chain[len(v.chain)-1] }

// depthLimit is the length at which a chain is no longer extended. A profile
// counts intermediates in another way, when the chain is complete.
func (v *verifier) depthLimit() int {
	if v.strictProfile() {
		return 2*v.maxDepth + 2
	}
	return v.maxDepth + 1
}

// A trust says what the trusted certificates make of a chain.
type trust int

const (
	trustUnknown trust = iota
	trusted
	rejected
)

// build finds a path from the leaf to a trusted certificate: the trusted ones
// are asked first, then the peer's. It does not go back on a choice.
func (v *verifier) build() {
	rest := slices.Clone(v.untrusted)
	state := trustUnknown
	seekTrusted, seekUntrusted := !v.o.UntrustedFirst || len(rest) == 0, len(rest) > 0
	for seekTrusted || seekUntrusted {
		if seekTrusted {
			progress, selfSigned := v.extendTrusted()
			if progress {
				seekUntrusted = false
				if state = v.checkTrust(v.numUntrusted); state != trustUnknown {
					break
				}
				if !selfSigned {
					continue
				}
			}
			if !seekUntrusted {
				if v.o.UntrustedFirst {
					v.tryShorter(&state)
				}
				break
			}
		}
		issuer := -1
		if cur := v.top(); !cur.SelfSigned() && len(v.chain) <= v.depthLimit() {
			issuer = v.bestIssuer(rest, cur)
		}
		if issuer < 0 {
			seekUntrusted, seekTrusted = false, true
			continue
		}
		v.chain = append(v.chain, rest[issuer])
		v.numUntrusted++
		rest = slices.Delete(rest, issuer, issuer+1)
	}
	if state == trustUnknown && len(v.chain) <= v.depthLimit() && len(v.chain) == v.numUntrusted {
		state = v.checkTrust(len(v.chain))
	}
	if state == trustUnknown {
		v.reportUntrusted()
	}
}

// extendTrusted adds a trusted issuer of the top of the chain, or puts the
// trusted copy of a self-signed top in its place.
func (v *verifier) extendTrusted() (progress, selfSigned bool) {
	cur := v.top()
	if len(v.chain) > v.depthLimit() {
		return false, false
	}
	candidates := v.roots.bySubject(cur.Issuer)
	i := v.bestIssuer(candidates, cur)
	if i < 0 {
		return false, false
	}
	issuer := candidates[i]
	if !cur.SelfSigned() {
		v.chain = append(v.chain, issuer)
		return true, issuer.SelfSigned()
	}
	// A self-signed certificate that only shares the name (and the key
	// identifier) of a trusted one must not pass for it.
	if !cur.Equal(issuer) {
		return false, true
	}
	v.chain[len(v.chain)-1] = issuer
	v.numUntrusted = len(v.chain) - 1
	return true, true
}

// tryShorter looks for a trusted issuer of a certificate further down, when
// the peer's own chain was followed first and led nowhere. Without one it leaves
// the chain and the state as they were.
func (v *verifier) tryShorter(state *trust) {
	whole, n := v.chain, v.numUntrusted
	for i := n - 1; i >= 1; i-- {
		v.chain, v.numUntrusted = slices.Clone(whole[:i]), i
		for {
			progress, selfSigned := v.extendTrusted()
			if !progress {
				break
			}
			if *state = v.checkTrust(v.numUntrusted); *state != trustUnknown {
				return
			}
			if selfSigned {
				break
			}
		}
	}
	v.chain, v.numUntrusted = whole, n
}

// bestIssuer returns the index of the best issuer of c: the first one that is
// valid now, else the one that expired last; -1 when there is none.
func (v *verifier) bestIssuer(candidates []*Certificate, c *Certificate) int {
	best := -1
	for i, x := range candidates {
		if likelyIssued(x, c) != CodeOK || !v.mayFollow(x, c) {
			continue
		}
		if v.timeFault(x) == CodeOK {
			return i
		}
		if best < 0 || x.NotAfter.After(candidates[best].NotAfter.Time) {
			best = i
		}
	}
	return best
}

// mayFollow keeps a certificate from standing in the chain twice; only a
// self-issued leaf may be followed by itself.
func (v *verifier) mayFollow(x, c *Certificate) bool {
	if c.SelfIssued() && len(v.chain) == 1 || c.SelfSigned() {
		return true
	}
	return !slices.ContainsFunc(v.chain, x.Equal)
}

// likelyIssued judges by names, key identifiers and algorithms whether issuer
// may have issued c.
func likelyIssued(issuer, c *Certificate) VerifyCode {
	switch {
	case !issuer.Subject.Equal(c.Issuer):
		return CodeSubjectIssuerMismatch
	case issuer.ext.invalid || c.ext.invalid:
		return CodeUnspecified
	}
	if code := matchAKID(c.ext.akid, issuer); code != CodeOK {
		return code
	}
	return keyFits(&issuer.PublicKey, c)
}

// matchAKID compares an authority key identifier with a certificate.
func matchAKID(a *authorityKeyID, issuer *Certificate) VerifyCode {
	switch {
	case a == nil:
		return CodeOK
	case a.hasKeyID && issuer.ext.hasSKID && !bytes.Equal(a.keyID, issuer.ext.skid):
		return CodeAKIDSKIDMismatch
	case a.hasSerial && !bytes.Equal(a.serial, issuer.serial):
		return CodeAKIDIssuerSerialMismatch
	}
	for _, g := range a.issuer {
		if g.kind != nameDirectory {
			continue
		}
		if !g.name.Equal(issuer.Issuer) { // only the first one counts
			return CodeAKIDIssuerSerialMismatch
		}
		break
	}
	return CodeOK
}

// keyFits judges whether a key of this kind can have signed c.
func keyFits(k *PublicKey, c *Certificate) VerifyCode {
	alg := c.SignatureAlgorithm.keyType
	switch {
	case !k.usable():
		return CodeNoIssuerPublicKey
	case alg == "":
		return CodeUnsupportedSignatureAlgorithm
	case alg == k.Type, alg == "RSA-PSS" && k.Type == "RSA":
		return CodeOK
	}
	return CodeSignatureAlgorithmMismatch
}

// checkTrust judges the certificates from index n on, which are trusted ones.
// When n is the length of the chain the leaf itself may be trusted.
func (v *verifier) checkTrust(n int) trust {
	for i := n; i < len(v.chain); i++ {
		switch v.explicitTrust(v.chain[i], true) {
		case trusted:
			return trusted
		case rejected:
			v.fault(CodeCertRejected, i, "")
			return rejected
		}
	}
	if n < len(v.chain) {
		if v.o.PartialChain {
			return trusted
		}
		return trustUnknown
	}
	if !v.o.PartialChain {
		return trustUnknown
	}
	for _, c := range v.roots.bySubject(v.chain[0].Subject) {
		if !c.Equal(v.chain[0]) {
			continue
		}
		if v.explicitTrust(c, true) == rejected {
			v.fault(CodeCertRejected, 0, "")
			return rejected
		}
		v.chain[0], v.numUntrusted = c, 0
		return trusted
	}
	return trustUnknown
}

// explicitTrust applies the settings of a TRUSTED CERTIFICATE. Without any, a
// self-signed certificate is trusted if bySelf is set.
func (v *verifier) explicitTrust(c *Certificate, bySelf bool) trust {
	if a := c.Aux; a != nil {
		want := v.trustOID()
		if slices.Contains(a.reject, want) || slices.Contains(a.reject, oidAnyEKU) {
			return rejected
		}
		if a.hasTrust {
			if slices.Contains(a.trust, want) || slices.Contains(a.trust, oidAnyEKU) {
				return trusted
			}
			return rejected
		}
	}
	if bySelf && c.SelfSigned() {
		return trusted
	}
	return trustUnknown
}

func (v *verifier) trustOID() oid {
	switch v.purpose() {
	case PurposeServer, PurposeNSServer:
		return oidServerAuth
	case PurposeClient:
		return oidClientAuth
	case PurposeSMIMESign, PurposeSMIMEEncrypt:
		return oidEmailProtect
	case PurposeTimestamp:
		return oidTimeStamping
	}
	return oidAnyEKU
}

func (v *verifier) purpose() Purpose {
	switch {
	case v.parent != nil:
		return PurposeCRLSign
	case v.o.Purpose == "":
		return PurposeServer
	}
	return v.o.Purpose
}

// reportUntrusted says why the chain does not end at a trusted certificate.
func (v *verifier) reportUntrusted() {
	n := len(v.chain)
	switch top := v.top(); {
	case n > v.depthLimit():
		v.fault(CodeCertChainTooLong, n-1, "")
	case top.SelfSigned() && n == 1:
		v.fault(CodeDepthZeroSelfSignedCert, 0, "")
	case top.SelfSigned():
		v.fault(CodeSelfSignedCertInChain, n-1, "")
	case v.numUntrusted < n:
		v.fault(CodeUnableToGetIssuerCert, n-1, v.whyNoIssuer(top))
	default:
		v.fault(CodeUnableToGetIssuerCertLocally, n-1, v.whyNoIssuer(top))
	}
}

// whyNoIssuer says what kept a certificate with the issuer's name from being
// the issuer.
func (v *verifier) whyNoIssuer(c *Certificate) string {
	for _, x := range append(slices.Clone(v.roots.bySubject(c.Issuer)), v.untrusted...) {
		switch code := likelyIssued(x, c); {
		case code == CodeSubjectIssuerMismatch || code == CodeOK:
		case code == CodeUnspecified && c.ext.invalid:
			return "the certificate has a malformed extension"
		case code == CodeUnspecified:
			return "the issuer's certificate has a malformed extension"
		default:
			return code.Text()
		}
	}
	return "issuer: " + c.Issuer.String()
}

// timeFault judges the dates of c: CodeOK, or the fault.
func (v *verifier) timeFault(c *Certificate) VerifyCode {
	switch {
	case v.o.NoCheckTime:
		return CodeOK
	case !c.NotBefore.Strict:
		return CodeErrorInCertNotBeforeField
	case c.NotBefore.After(v.now):
		return CodeCertNotYetValid
	case !c.NotAfter.Strict:
		return CodeErrorInCertNotAfterField
	case v.strictProfile() && !c.NotAfter.Before(v.now.Truncate(time.Second)):
		return CodeOK // RFC 5280 counts the last second in, OpenSSL does not
	case !c.NotAfter.After(v.now):
		return CodeCertHasExpired
	}
	return CodeOK
}

// minSecurityBits is the strength each authentication level asks for.
func minSecurityBits(level int) int {
	return [...]int{0, 80, 112, 128, 192, 256}[min(level, 5)]
}

func (v *verifier) keyStrongEnough(c *Certificate) bool {
	return v.level <= 0 || c.PublicKey.usable() && c.PublicKey.SecurityBits() >= minSecurityBits(v.level)
}

// checkStrength judges the keys of the issuers, and the digests of all
// signatures but the trusted certificate's own.
func (v *verifier) checkStrength() {
	if v.level <= 0 {
		return
	}
	for i, c := range v.chain {
		if i > 0 && !v.keyStrongEnough(c) {
			v.fault(CodeCAKeyTooSmall, i, c.PublicKey.String())
		}
		if i < len(v.chain)-1 && c.SignatureAlgorithm.securityBits() < minSecurityBits(v.level) {
			v.fault(CodeCAMDTooWeak, i, c.SignatureAlgorithm.String())
		}
	}
}

// checkIdentity judges whether the leaf is for the peer that was asked for.
func (v *verifier) checkIdentity() {
	o := v.o
	if o.Hostname != "" && !v.leaf.MatchesHostname(o.Hostname, o.OpenSSLNames && !v.strictProfile()) {
		v.fault(CodeHostnameMismatch, 0, namesDetail(v.leaf, o.Hostname))
	}
	if o.Email != "" && !v.leaf.MatchesEmail(o.Email) {
		v.fault(CodeEmailMismatch, 0, namesDetail(v.leaf, o.Email))
	}
	if o.IP.IsValid() && !v.leaf.MatchesIP(o.IP) {
		v.fault(CodeIPAddressMismatch, 0, namesDetail(v.leaf, o.IP.String()))
	}
}

// checkSignatures verifies signatures and dates from the top down.
func (v *verifier) checkSignatures() {
	n := len(v.chain) - 1
	issuer := v.chain[n]
	if likelyIssued(issuer, issuer) != CodeOK {
		switch {
		case v.o.PartialChain:
			v.checkTime(n)
		case n == 0:
			v.fault(CodeUnableToVerifyLeafSignature, 0, "")
			v.checkTime(0)
		}
		n--
	}
	for ; n >= 0; n-- {
		subject := v.chain[n]
		v.checkSignature(subject, issuer, n)
		v.checkTime(n)
		issuer = subject
	}
}

func (v *verifier) checkSignature(c, issuer *Certificate, depth int) {
	self := c == issuer
	if self && !(v.o.CheckRootSignature && c.SelfSigned()) {
		return
	}
	issuerDepth := depth + 1
	if self {
		issuerDepth = depth
	}
	if !(self && !c.ext.ca) && issuer.ext.usage&usageCertSign == 0 {
		v.fault(CodeKeyusageNoCertsign, issuerDepth, "")
	}
	if !issuer.PublicKey.usable() {
		v.fault(CodeUnableToDecodeIssuerPublicKey, issuerDepth, issuer.PublicKey.Problem)
		return
	}
	pair := [2]*Certificate{c, issuer}
	err, known := v.checked[pair]
	if !known {
		err = c.CheckSignature(&issuer.PublicKey)
		v.checked[pair] = err
	}
	if err != nil {
		v.fault(CodeCertSignatureFailure, depth, err.Error())
	}
}

func (v *verifier) checkTime(depth int) {
	c := v.chain[depth]
	switch code := v.timeFault(c); code {
	case CodeOK:
	case CodeCertNotYetValid, CodeErrorInCertNotBeforeField:
		v.fault(code, depth, "valid from "+timeText(c.NotBefore))
	default:
		v.fault(code, depth, "valid until "+timeText(c.NotAfter))
	}
}

func timeText(t Time) string {
	if t.IsZero() {
		return t.Raw
	}
	return t.UTC().Format(time.RFC3339)
}

// checkNameConstraints judges every certificate by the constraints of those
// above it. Self-issued ones but the leaf are exempt.
func (v *verifier) checkNameConstraints() {
	for i := len(v.chain) - 1; i >= 0; i-- {
		c := v.chain[i]
		if i != 0 && c.SelfIssued() {
			continue
		}
		if c.ext.proxy && i+1 < len(v.chain) && !proxySubjectFits(c) {
			v.fault(CodeProxySubjectNameViolation, i, "")
		}
		for j := len(v.chain) - 1; j > i; j-- {
			nc := v.chain[j].ext.nc
			if nc == nil {
				continue
			}
			code := nc.check(c)
			if code == CodeOK && i == 0 && !c.hasDNSName() {
				code = nc.checkCommonNames(c)
			}
			if code != CodeOK {
				v.fault(code, i, "constraint of "+v.chain[j].Subject.String())
			}
		}
	}
}

func (c *Certificate) hasDNSName() bool {
	return slices.ContainsFunc(c.ext.san, func(g GeneralName) bool { return g.kind == nameDNS })
}

// proxySubjectFits reports whether the subject is the issuer and one more
// common name (RFC 3820, section 3.4).
func proxySubjectFits(c *Certificate) bool {
	s := c.Subject.Attributes
	n := len(s) - 1
	if n < 1 || s[n].id != oidCommonName || s[n].rdn == s[n-1].rdn {
		return false
	}
	return canonicalName(s[:n]) == c.Issuer.canonical
}

func namesDetail(c *Certificate, want string) string {
	const most = 5
	list := ""
	for i, g := range c.ext.san {
		if i == most {
			list += ", ..."
			break
		}
		if i > 0 {
			list += ", "
		}
		list += g.Type + ":" + g.Value
	}
	if list == "" {
		list = "no alternative names, subject " + c.Subject.String()
	}
	return "wanted " + want + ", the certificate is for " + list
}
