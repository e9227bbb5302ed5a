package tlsx

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// A Purpose is what the first certificate of a chain is to be used for. Its
// values are the words OpenSSL's -purpose takes.
type Purpose string

// The purposes. The empty purpose is PurposeServer.
const (
	PurposeServer       Purpose = "sslserver"
	PurposeClient       Purpose = "sslclient"
	PurposeNSServer     Purpose = "nssslserver"
	PurposeSMIMESign    Purpose = "smimesign"
	PurposeSMIMEEncrypt Purpose = "smimeencrypt"
	PurposeCRLSign      Purpose = "crlsign"
	PurposeOCSP         Purpose = "ocsphelper"
	PurposeTimestamp    Purpose = "timestampsign"
	PurposeAny          Purpose = "any"
)

// Purposes returns every purpose.
func Purposes() []Purpose {
	return []Purpose{PurposeServer, PurposeClient, PurposeNSServer, PurposeSMIMESign,
		PurposeSMIMEEncrypt, PurposeCRLSign, PurposeOCSP, PurposeTimestamp, PurposeAny}
}

// A Profile is a rule book that is applied on top of OpenSSL's checks.
type Profile string

// The profiles. The empty profile is ProfileOpenSSL.
const (
	// ProfileOpenSSL gives the verdict of OpenSSL 3.0, in its order.
	ProfileOpenSSL Profile = "openssl"
	// ProfileRFC5280 adds the demands of RFC 5280 that OpenSSL does not make,
	// and tries every path.
	ProfileRFC5280 Profile = "rfc5280"
	// ProfileWebPKI adds the CA/Browser Forum's Baseline Requirements.
	ProfileWebPKI Profile = "webpki"
)

// DefaultMaxDepth is the number of intermediate certificates a chain may have
// when VerifyOptions.MaxDepth is 0.
const DefaultMaxDepth = 100

// DefaultSecurityLevel is OpenSSL's level that VerifyOptions.SecurityLevel 0
// stands for: keys and digests of 112 bits of strength.
const DefaultSecurityLevel = 2

// VerifyOptions say how to judge a chain. The zero VerifyOptions judge a TLS
// server by the system's roots, without a host name, now.
type VerifyOptions struct {
	// Roots are the trusted certificates. Nil means those of the system.
	Roots *Store
	// Untrusted are intermediate certificates besides those of the chain.
	Untrusted []*Certificate
	// Purpose is what the first certificate is for. Empty means PurposeServer.
	Purpose Purpose
	// MaxDepth is the number of intermediate certificates allowed. Zero means
	// DefaultMaxDepth, a negative number none.
	MaxDepth int
	// Time is the moment to judge at. The zero Time means now.
	Time time.Time
	// NoCheckTime leaves out every check of a date.
	NoCheckTime bool

	// Hostname, IP and Email name the peer that the first certificate must be
	// for. Empty (the zero Addr) means any.
	Hostname string
	IP       netip.Addr
	Email    string
	// OpenSSLNames matches host names as OpenSSL does: the common name counts
	// where there is no DNS name, and a wildcard may be part of a label.
	OpenSSLNames bool

	// CRLCheck says which certificates need a revocation list.
	CRLCheck CRLCheck
	// CRLs are the revocation lists, besides those of Roots.
	CRLs []*CRL
	// ExtendedCRL accepts indirect lists and lists for some reasons.
	ExtendedCRL bool
	// UseDeltas accepts delta lists.
	UseDeltas bool

	// OCSP is a DER encoded OCSP response for the first certificate, as stapled
	// in the handshake. Empty means none.
	OCSP []byte
	// OCSPRequired makes a missing response a fault (code 73).
	OCSPRequired bool
	// MustStaple does so for certificates that demand a response (RFC 7633).
	// Set it where a handshake could have carried one.
	MustStaple bool

	// PartialChain accepts a chain that ends at any trusted certificate, not
	// only at a self-signed one.
	PartialChain bool
	// Strict is OpenSSL's -x509_strict.
	Strict bool
	// IgnoreCritical accepts unknown critical extensions.
	IgnoreCritical bool
	// AllowProxy accepts proxy certificates (RFC 3820).
	AllowProxy bool
	// CheckRootSignature verifies the signature of the self-signed root too.
	CheckRootSignature bool
	// UntrustedFirst looks for issuers in the peer's chain before Roots.
	UntrustedFirst bool
	// SecurityLevel is OpenSSL's authentication level, 1 to 5. Zero means
	// DefaultSecurityLevel, a negative number no check.
	SecurityLevel int

	// PolicyCheck processes certificate policies. The fields below imply it.
	PolicyCheck bool
	// Policies are the acceptable policies as dotted object identifiers. Empty
	// means any; but where a policy is required, ProfileOpenSSL then accepts
	// none, as OpenSSL does. 2.5.29.32.0 is any policy in all profiles.
	Policies []string
	// ExplicitPolicy, InhibitAny and InhibitMap are the initial indicators of
	// RFC 5280, section 6.1.1.
	ExplicitPolicy, InhibitAny, InhibitMap bool

	// Profile adds demands to OpenSSL's. Empty means ProfileOpenSSL.
	Profile Profile
	// SecondOpinion asks Go's verifier too and reports its answer.
	SecondOpinion bool
}

// A Fault is one thing that is wrong with a chain.
type Fault struct {
	Code VerifyCode `json:"code"`
	// Name is the identifier of the code, Text its sentence.
	Name string `json:"name"`
	Text string `json:"text"`
	// Depth is the place in the chain of the certificate at fault; 0 is the
	// first one.
	Depth int `json:"depth"`
	// Subject is the subject of that certificate, "" when there is none.
	Subject string `json:"subject"`
	// Detail says more than the text where more is known.
	Detail string `json:"detail,omitempty"`
}

// A ChainLink is one certificate of a verified chain.
type ChainLink struct {
	Depth   int    `json:"depth"`
	Subject string `json:"subject"`
	Issuer  string `json:"issuer"`
	SHA256  string `json:"sha256"`
	// Trusted says that the certificate came from the trusted ones.
	Trusted bool `json:"trusted"`
}

// A SecondOpinion is the verdict of Go's own verifier on the same chain.
type SecondOpinion struct {
	OK bool `json:"ok"`
	// Error is what it complained of.
	Error string `json:"error,omitempty"`
	// Disagrees says that its verdict is not ours.
	Disagrees bool `json:"disagrees"`
}

// A VerifyResult is the verdict on a chain. Code, Depth and their texts are
// those of the first fault; OpenSSL reports that one.
type VerifyResult struct {
	OK    bool       `json:"ok"`
	Code  VerifyCode `json:"code"`
	Name  string     `json:"name"`
	Text  string     `json:"text"`
	Depth int        `json:"depth"`
	// Faults are all faults found, in the order of the checks.
	Faults []Fault `json:"faults"`
	// Chain is the chain that was judged, from the first certificate to the
	// trusted one (or to where it broke off).
	Chain []ChainLink `json:"chain"`
	// Certificates are those of Chain.
	Certificates []*Certificate `json:"-"`
	// OCSP is what the stapled response said, nil without one.
	OCSP *OCSPStatus `json:"ocsp,omitempty"`
	// Go is the second opinion, nil when none was asked for.
	Go *SecondOpinion `json:"go,omitempty"`
}

// A VerifyError is the error form of a VerifyResult that is not OK.
type VerifyError struct{ Result *VerifyResult }

// Error returns the text of the first fault and where it is, then how many
// more there are.
func (e *VerifyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "verification failed: %s (code %d, depth %d", e.Result.Text, e.Result.Code, e.Result.Depth)
	if len(e.Result.Faults) > 0 && e.Result.Faults[0].Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Result.Faults[0].Detail)
	}
	b.WriteByte(')')
	if n := len(e.Result.Faults) - 1; n > 0 {
		fmt.Fprintf(&b, ", and %d more", n)
	}
	return b.String()
}

// Err returns nil when the chain is good, else a *[VerifyError].
func (r *VerifyResult) Err() error {
	if r.OK {
		return nil
	}
	return &VerifyError{r}
}

// Allow takes the faults with these codes out of the verdict: r becomes OK
// when nothing else is wrong. The faults stay listed.
func (r *VerifyResult) Allow(codes ...VerifyCode) {
	for _, f := range r.Faults {
		if !containsCode(codes, f.Code) {
			r.setVerdict(f.Code, f.Depth)
			return
		}
	}
	r.setVerdict(CodeOK, 0)
}

func containsCode(codes []VerifyCode, c VerifyCode) bool {
	for _, x := range codes {
		if x == c {
			return true
		}
	}
	return false
}

func (r *VerifyResult) setVerdict(c VerifyCode, depth int) {
	r.OK, r.Code, r.Name, r.Text, r.Depth = c == CodeOK, c, c.Name(), c.Text(), depth
}

// Verify judges the chain of DER encoded certificates that a peer sent, its
// own certificate first. It always returns a result; a certificate that cannot
// be read at all is a fault with code 1.
func Verify(chain [][]byte, o VerifyOptions) *VerifyResult {
	certs := make([]*Certificate, 0, len(chain))
	for i, der := range chain {
		c, err := ParseCertificate(der)
		if err == nil {
			certs = append(certs, c)
		} else if i == 0 {
			return failedResult(CodeUnspecified, err.Error())
		}
	}
	if len(certs) == 0 {
		return failedResult(CodeInvalidCall, "no certificate to verify")
	}
	o.Untrusted = append(certs[1:len(certs):len(certs)], o.Untrusted...)
	return VerifyCertificate(certs[0], o)
}

func failedResult(c VerifyCode, detail string) *VerifyResult {
	r := &VerifyResult{
		Faults: []Fault{{Code: c, Name: c.Name(), Text: c.Text(), Detail: detail}},
		Chain:  []ChainLink{},
	}
	r.setVerdict(c, 0)
	return r
}

// VerifyCertificate is [Verify] for a certificate that was read before; the
// rest of the chain is in o.Untrusted.
func VerifyCertificate(leaf *Certificate, o VerifyOptions) *VerifyResult {
	roots := o.Roots
	if roots == nil {
		var err error
		if roots, err = systemStore(); err != nil {
			roots = platformRoots(leaf, &o, (*x509.Certificate).Verify)
		}
	}
	v := newVerifier(leaf, roots, &o)
	if v.strictProfile() {
		v.runProfile()
	} else {
		v.run()
	}
	r := v.result()
	if o.SecondOpinion {
		r.Go = v.askGo(r.OK)
	}
	return r
}

func newVerifier(leaf *Certificate, roots *Store, o *VerifyOptions) *verifier {
	v := &verifier{o: o, roots: roots, now: o.Time, maxDepth: o.MaxDepth, level: o.SecurityLevel, leaf: leaf, untrusted: o.Untrusted,
		checked: make(map[[2]*Certificate]error)}
	if v.now.IsZero() {
		v.now = time.Now()
	}
	switch {
	case o.MaxDepth == 0:
		v.maxDepth = DefaultMaxDepth
	case o.MaxDepth < 0:
		v.maxDepth = 0
	}
	if o.SecurityLevel == 0 {
		v.level = DefaultSecurityLevel
	}
	v.strict = o.Strict || v.strictProfile()
	return v
}

func (v *verifier) result() *VerifyResult {
	r := &VerifyResult{Faults: v.faults, Certificates: v.chain, Chain: make([]ChainLink, len(v.chain)), OCSP: v.ocsp}
	if r.Faults == nil {
		r.Faults = []Fault{}
	}
	for i, c := range v.chain {
		sum := c.SHA256()
		r.Chain[i] = ChainLink{Depth: i, Subject: c.Subject.String(), Issuer: c.Issuer.String(), SHA256: hexString(sum[:]), Trusted: i >= v.numUntrusted}
	}
	r.setVerdict(CodeOK, 0)
	if len(v.faults) > 0 {
		r.setVerdict(v.faults[0].Code, v.faults[0].Depth)
	}
	return r
}
