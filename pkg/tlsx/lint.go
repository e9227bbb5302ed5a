package tlsx

import (
	"fmt"
	"math/big"
	"strings"
	"time"
)

// A LintFinding is a weakness of a certificate that is valid all the same.
type LintFinding struct {
	// ID is a stable name in kebab case.
	ID string `json:"id"`
	// Severity is "error" for what clients refuse, "warning" for what they
	// will, "notice" for what is worth knowing.
	Severity string `json:"severity"`
	Text     string `json:"text"`
}

const (
	lintError   = "error"
	lintWarning = "warning"
	lintNotice  = "notice"
)

// Lint judges a certificate by the rules that matter to whoever serves or
// trusts it, at a moment. Defects of the encoding are in [Certificate.Defects]
// and are not repeated.
func (c *Certificate) Lint(now time.Time) []LintFinding {
	l := linter{c: c, list: []LintFinding{}}
	l.dates(now)
	l.keys()
	l.signature()
	l.serial()
	if c.IsCA() {
		l.authority()
	} else {
		l.subscriber()
	}
	if x := &c.ext; x.unknownCrit {
		l.add(lintError, "unknown-critical-extension", "the critical extension %s is not known to most clients", x.unknown.long())
	}
	return l.list
}

type linter struct {
	c    *Certificate
	list []LintFinding
}

func (l *linter) add(severity, id, format string, args ...any) {
	l.list = append(l.list, LintFinding{id, severity, fmt.Sprintf(format, args...)})
}

func (l *linter) dates(now time.Time) {
	c := l.c
	switch {
	case c.NotAfter.IsZero() || c.NotBefore.IsZero():
		return
	case c.NotAfter.Before(now):
		l.add(lintError, "expired", "expired on %s", timeText(c.NotAfter))
	case c.NotBefore.After(now):
		l.add(lintError, "not-yet-valid", "valid only from %s", timeText(c.NotBefore))
	}
	if c.IsCA() || c.SelfSigned() {
		return
	}
	const day = 24 * time.Hour
	most := longestValidity(c.NotBefore.Time)
	if days := int(c.NotAfter.Sub(c.NotBefore.Time) / day); most > 0 && days > most {
		l.add(lintWarning, "long-validity", "valid for %d days; browsers accept %d from public CAs", days, most)
	}
}

// longestValidity is how many days a public CA may make a certificate valid that
// begins at a date (Baseline Requirements, 6.3.2), 0 for no limit that matters.
func longestValidity(begins time.Time) int {
	for _, rule := range []struct {
		from string
		days int
	}{{"2029-03-15", 47}, {"2027-03-15", 100}, {"2026-03-15", 200}, {"2020-09-01", 398}} {
		if begins.Format(time.DateOnly) >= rule.from {
			return rule.days
		}
	}
	return 0
}

func (l *linter) keys() {
	k := &l.c.PublicKey
	bits := k.SecurityBits()
	switch {
	case k.Problem != "":
		l.add(lintError, "bad-key", "%s", k.Problem)
	case !k.usable():
		l.add(lintNotice, "unknown-key", "a key of the kind %s is not known to most clients", k.Type)
	case bits < 112:
		l.add(lintError, "weak-key", "%s gives %d bits of security, less than 112", k, bits)
	}
	switch {
	case k.Type == "DSA":
		l.add(lintError, "dsa-key", "TLS clients no longer accept DSA keys")
	case k.Type == "EC" && stdCurve(k.Curve) == nil:
		l.add(lintWarning, "unusual-curve", "many clients do not know the curve %s", k.Curve)
	case k.Explicit:
		l.add(lintError, "explicit-curve", "the curve is given by parameters, which RFC 5480 forbids")
	case k.Exponent != nil && k.Exponent.Cmp(big.NewInt(65537)) < 0:
		l.add(lintWarning, "small-exponent", "RSA exponent %s, less than 65537", k.Exponent)
	}
}

func (l *linter) signature() {
	c := l.c
	if c.SelfSigned() {
		return
	}
	switch a := c.SignatureAlgorithm; {
	case a.keyType == "":
		l.add(lintWarning, "unknown-signature", "the signature algorithm %s is not known", a.Name)
	case a.securityBits() < 80 && a.hash != 0:
		l.add(lintError, "weak-signature", "signed with %s", a.Hash)
	}
}

func (l *linter) serial() {
	c := l.c
	if !c.SelfSigned() && c.SerialNumber.Sign() > 0 && c.SerialNumber.BitLen() < 56 {
		l.add(lintNotice, "short-serial", "serial number of %d bits; public CAs use 64 random ones", c.SerialNumber.BitLen())
	}
	if c.Version != 2 {
		l.add(lintWarning, "not-v3", "a %s certificate has no extensions to say what it is for", c.VersionString())
	}
}

func (l *linter) authority() {
	x := &l.c.ext
	switch {
	case !x.basicCritical:
		l.add(lintWarning, "ca-basic-not-critical", "a CA whose basic constraints are not critical (RFC 5280, 4.2.1.9)")
	case x.hasUsage && x.usage&usageCertSign == 0:
		l.add(lintError, "ca-without-cert-sign", "a CA whose key usage does not allow it to sign certificates")
	case !x.hasUsage:
		l.add(lintNotice, "ca-without-key-usage", "a CA without key usage (RFC 5280, 4.2.1.3)")
	}
	if !x.hasSKID {
		l.add(lintNotice, "no-subject-key-id", "a CA without subject key identifier (RFC 5280, 4.2.1.2)")
	}
	if x.nc != nil {
		l.add(lintNotice, "name-constraints", "a CA for some names only")
	}
}

func (l *linter) subscriber() {
	c, x := l.c, &l.c.ext
	server := !x.hasEKU || x.eku&(ekuServer|ekuAny) != 0
	if server {
		l.serverNames()
	}
	switch {
	case x.hasUsage && x.usage&usageCertSign != 0:
		l.add(lintWarning, "cert-sign-without-ca", "may sign certificates by its key usage, but is not a CA")
	case server && x.hasUsage && c.PublicKey.Type == "EC" && x.usage&usageDigitalSignature == 0:
		l.add(lintError, "no-digital-signature", "an EC key that may not sign cannot serve TLS 1.3")
	}
	if !c.SelfSigned() && x.akid == nil {
		l.add(lintNotice, "no-authority-key-id", "no authority key identifier (RFC 5280, 4.2.1.1)")
	}
	if server && !x.hasEKU {
		l.add(lintNotice, "no-extended-key-usage", "does not say that it is for servers; public CAs must")
	}
	if c.SelfSigned() {
		l.add(lintNotice, "self-signed", "self-signed: nobody vouches for it")
	}
	if x.mustStaple {
		l.add(lintNotice, "must-staple", "the server must staple an OCSP response")
	}
}

func (l *linter) serverNames() {
	c, x := l.c, &l.c.ext
	if !c.hasDNSName() && !hasKind(x.san, nameIP) {
		l.add(lintError, "no-alternative-name", "no DNS name or IP address: clients no longer read the common name")
	}
	for _, a := range c.Subject.Attributes {
		if a.id == oidCommonName && looksLikeHost(a.Value) && !namedIn(x.san, a.Value) {
			l.add(lintWarning, "common-name-not-listed", "the common name %q is not an alternative name", a.Value)
		}
	}
	for _, g := range x.san {
		switch {
		case g.kind != nameDNS:
		case strings.HasPrefix(g.Value, "*.") && strings.Count(g.Value, ".") == 1:
			l.add(lintError, "wide-wildcard", "%q: a wildcard for a whole top-level domain matches nothing", g.Value)
		case looksLikeIP(g.Value):
			l.add(lintError, "ip-as-dns-name", "%q is an address and stands as a DNS name", g.Value)
		case !strings.Contains(g.Value, ".") && g.Value != "localhost":
			l.add(lintNotice, "internal-name", "%q is a name without a domain", g.Value)
		}
	}
}

func hasKind(names []GeneralName, kind int) bool {
	for _, g := range names {
		if g.kind == kind {
			return true
		}
	}
	return false
}

func namedIn(names []GeneralName, host string) bool {
	for _, g := range names {
		if g.kind == nameDNS && matchHost(g.Value, host, false) || g.kind == nameIP && g.Value == host || equalFold(g.Value, host) {
			return true
		}
	}
	return false
}
