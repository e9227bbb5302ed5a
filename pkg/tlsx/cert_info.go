package tlsx

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// A CertInfo is a certificate decoded for display. Texts come from the
// certificate as they are; whoever prints them on a terminal escapes them.
type CertInfo struct {
	Subject           string      `json:"subject"`
	Issuer            string      `json:"issuer"`
	SubjectAttributes []Attribute `json:"subject_attributes"`
	IssuerAttributes  []Attribute `json:"issuer_attributes"`
	// Serial is the serial number in decimal, SerialHex its octets.
	Serial    string `json:"serial"`
	SerialHex string `json:"serial_hex"`
	// Version is v1, v2, v3 or the raw number.
	Version string `json:"version"`
	// NotBefore and NotAfter are nil when the certificate's text is no time.
	NotBefore    *time.Time `json:"not_before"`
	NotAfter     *time.Time `json:"not_after"`
	NotBeforeRaw string     `json:"not_before_raw"`
	NotAfterRaw  string     `json:"not_after_raw"`

	SubjectAltNames    []GeneralName    `json:"subject_alt_names"`
	PublicKey          PublicKeyInfo    `json:"public_key"`
	SignatureAlgorithm string           `json:"signature_algorithm"`
	Fingerprints       FingerprintInfo  `json:"fingerprints"`
	SubjectHash        string           `json:"subject_hash"`
	IssuerHash         string           `json:"issuer_hash"`
	SubjectHashOld     string           `json:"subject_hash_old"`
	CA                 bool             `json:"ca"`
	SelfIssued         bool             `json:"self_issued"`
	SelfSigned         bool             `json:"self_signed"`
	PathLength         *int             `json:"path_length"`
	KeyUsage           []string         `json:"key_usage"`
	ExtendedKeyUsage   []string         `json:"extended_key_usage"`
	SubjectKeyID       string           `json:"subject_key_id"`
	AuthorityKeyID     string           `json:"authority_key_id"`
	OCSPServers        []string         `json:"ocsp_servers"`
	CAIssuers          []string         `json:"ca_issuers"`
	CRLs               []string         `json:"crl_distribution_points"`
	Policies           []string         `json:"policies"`
	NameConstraints    *ConstraintsInfo `json:"name_constraints"`
	SCTs               []SCTInfo        `json:"scts"`
	MustStaple         bool             `json:"must_staple"`
	Trust              *TrustSettings   `json:"trust,omitempty"`
	Extensions         []ExtensionInfo  `json:"extensions"`
	Defects            []Defect         `json:"defects"`
}

// A PublicKeyInfo is a [PublicKey] for display.
type PublicKeyInfo struct {
	Type         string `json:"type"`
	Bits         int    `json:"bits"`
	Curve        string `json:"curve,omitempty"`
	Explicit     bool   `json:"explicit_parameters,omitempty"`
	Exponent     string `json:"exponent,omitempty"`
	SecurityBits int    `json:"security_bits"`
	// PinSHA256 is the base64 of the SHA-256 of the encoded key.
	PinSHA256 string `json:"pin_sha256"`
	Problem   string `json:"problem,omitempty"`
}

// FingerprintInfo are digests of the whole certificate in hex.
type FingerprintInfo struct {
	SHA1   string `json:"sha1"`
	SHA256 string `json:"sha256"`
}

// ConstraintsInfo are name constraints, each as "DNS:example.com".
type ConstraintsInfo struct {
	Permitted []string `json:"permitted"`
	Excluded  []string `json:"excluded"`
}

// An SCTInfo is a signed certificate timestamp (RFC 6962).
type SCTInfo struct {
	Version   int       `json:"version"`
	LogID     string    `json:"log_id"`
	Timestamp time.Time `json:"timestamp"`
}

// An ExtensionInfo is an extension for display: as lines of text, or as hex
// where it is not known.
type ExtensionInfo struct {
	OID      string   `json:"oid"`
	Name     string   `json:"name"`
	Critical bool     `json:"critical"`
	Text     []string `json:"text"`
	Hex      string   `json:"hex,omitempty"`
}

// Info decodes the certificate for display.
func (c *Certificate) Info() *CertInfo {
	x := &c.ext
	sha1, sha256 := c.SHA1(), c.SHA256()
	i := &CertInfo{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(),
		SubjectAttributes: c.Subject.Attributes, IssuerAttributes: c.Issuer.Attributes,
		Serial: c.SerialNumber.String(), SerialHex: hexString(c.serial),
		Version:   c.VersionString(),
		NotBefore: timePointer(c.NotBefore), NotAfter: timePointer(c.NotAfter), NotBeforeRaw: c.NotBefore.Raw, NotAfterRaw: c.NotAfter.Raw,
		SubjectAltNames:    listOf(x.san),
		PublicKey:          c.PublicKey.info(c.spki),
		SignatureAlgorithm: c.SignatureAlgorithm.String(),
		Fingerprints:       FingerprintInfo{hexString(sha1[:]), hexString(sha256[:])},
		SubjectHash:        hashName(c.Subject.Hash()), IssuerHash: hashName(c.Issuer.Hash()), SubjectHashOld: hashName(c.Subject.OldHash()),
		CA: x.ca, SelfIssued: x.selfIssued, SelfSigned: x.selfSigned,
		KeyUsage: x.usageNames(), ExtendedKeyUsage: x.ekuNames(),
		SubjectKeyID: hexString(x.skid), CRLs: x.crlURLs(),
		Policies: x.policyNames(), NameConstraints: x.nc.info(),
		SCTs: []SCTInfo{}, MustStaple: x.mustStaple, Trust: c.Aux, Defects: listOf(c.Defects),
	}
	if x.pathLen >= 0 {
		i.PathLength = &x.pathLen
	}
	if x.akid != nil {
		i.AuthorityKeyID = hexString(x.akid.keyID)
	}
	i.OCSPServers, i.CAIssuers = c.accessURLs(oidOCSP), c.accessURLs(oidCAIssuers)
	if e := findExtension(c.Extensions, oidSCTs); e != nil {
		i.SCTs = parseSCTs(e)
	}
	i.Extensions = extensionInfos(c.Extensions, x)
	return i
}

func listOf[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (k *PublicKey) info(spki []byte) PublicKeyInfo {
	i := PublicKeyInfo{Type: k.Type, Bits: k.Bits, Curve: k.Curve, Explicit: k.Explicit, SecurityBits: k.SecurityBits(), PinSHA256: pinOf(spki), Problem: k.Problem}
	if k.Exponent != nil {
		i.Exponent = k.Exponent.String()
	}
	return i
}

// IssuerURLs returns the addresses from which the issuer's certificate may be
// fetched (the caIssuers of Authority Information Access).
func (c *Certificate) IssuerURLs() []string { return c.accessURLs(oidCAIssuers) }

// OCSPServers returns the addresses of the issuer's OCSP responders.
func (c *Certificate) OCSPServers() []string { return c.accessURLs(oidOCSP) }

func (c *Certificate) accessURLs(method oid) []string {
	urls := []string{}
	e := findExtension(c.Extensions, oidAIA)
	if e == nil {
		return urls
	}
	list, _ := accessDescriptions(e) // what could be read is shown
	for _, a := range list {
		if a.method == method && a.location.kind == nameURI {
			urls = append(urls, a.location.Value)
		}
	}
	return urls
}

func (x *extensionCache) usageNames() []string {
	names := []string{}
	if !x.hasUsage {
		return names
	}
	for _, u := range [...]struct {
		bit  int
		name string
	}{
		{usageDigitalSignature, "digitalSignature"}, {usageNonRepudiation, "nonRepudiation"}, {usageKeyEncipherment, "keyEncipherment"},
		{usageDataEncipherment, "dataEncipherment"}, {usageKeyAgreement, "keyAgreement"}, {usageCertSign, "keyCertSign"},
		{usageCRLSign, "cRLSign"}, {usageEncipherOnly, "encipherOnly"}, {usageDecipherOnly, "decipherOnly"},
	} {
		if x.usage&u.bit != 0 {
			names = append(names, u.name)
		}
	}
	return names
}

func (x *extensionCache) ekuNames() []string {
	names := []string{}
	for _, id := range x.ekuIDs {
		names = append(names, id.short())
	}
	return names
}

func (x *extensionCache) policyNames() []string {
	names := []string{}
	if x.policies == nil {
		return names
	}
	for _, id := range x.policies.policies {
		names = append(names, id.String())
	}
	return names
}

func (x *extensionCache) crlURLs() []string {
	urls := []string{}
	for _, dp := range x.crldp {
		if dp.name == nil {
			continue
		}
		for _, g := range dp.name.full {
			if g.kind == nameURI {
				urls = append(urls, g.Value)
			}
		}
	}
	return urls
}

func (nc *nameConstraints) info() *ConstraintsInfo {
	if nc == nil {
		return nil
	}
	texts := func(list []subtree) []string {
		out := []string{}
		for _, s := range list {
			out = append(out, s.base.Type+":"+s.base.Value)
		}
		return out
	}
	return &ConstraintsInfo{texts(nc.permitted), texts(nc.excluded)}
}

// parseSCTs reads a SignedCertificateTimestampList (RFC 6962, section 3.3) up to
// the first entry that is none.
func parseSCTs(e *Extension) []SCTInfo {
	list := []SCTInfo{}
	v, err := e.value(tagOctetString)
	if err != nil || len(v.content) < 2 {
		return list
	}
	for b := v.content[2:]; len(b) > 2; {
		n := int(binary.BigEndian.Uint16(b))
		if n > len(b)-2 {
			return list
		}
		s, ok := parseSCT(b[2 : 2+n])
		if !ok {
			return list
		}
		list = append(list, SCTInfo{s.Version, s.LogID, s.Time})
		b = b[2+n:]
	}
	return list
}

func extensionInfos(exts []Extension, x *extensionCache) []ExtensionInfo {
	list := make([]ExtensionInfo, 0, len(exts))
	for i := range exts {
		e := &exts[i]
		info := ExtensionInfo{OID: e.OID, Name: e.Name, Critical: e.Critical, Text: x.text(e)}
		if len(info.Text) == 0 {
			info.Text, info.Hex = []string{}, hex.EncodeToString(e.Value)
		}
		list = append(list, info)
	}
	return list
}

// text says in lines what an extension contains; none when it is not known or
// could not be read.
func (x *extensionCache) text(e *Extension) []string {
	switch e.id {
	case oidBasic:
		return x.basicText()
	case oidKeyUsage:
		return oneLine(strings.Join(x.usageNames(), ", "))
	case oidEKU:
		return oneLine(strings.Join(x.ekuNames(), ", "))
	case oidSKI:
		return oneLine(hexString(x.skid))
	case oidAKI:
		return x.akid.text()
	case oidSAN:
		return nameTexts(x.san)
	case oidNameConstr:
		return x.nc.text()
	case oidCRLDP:
		return x.distPointText()
	case oidPolicies:
		return x.policyText()
	case oidAIA, oidSIA:
		return accessText(e)
	case oidSCTs:
		return sctText(parseSCTs(e))
	case oidTLSFeature:
		if x.mustStaple {
			return oneLine("status_request (a stapled OCSP response is required)")
		}
	case oidOCSPNoCheck:
		return oneLine("this certificate's own revocation need not be checked")
	case oidNSComment:
		if v, err := e.value(tagIA5); err == nil {
			return oneLine(latin1(v.content))
		}
	}
	return nil
}

func oneLine(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func (x *extensionCache) basicText() []string {
	s := fmt.Sprintf("CA: %t", x.ca)
	if x.pathLen >= 0 {
		s += fmt.Sprintf(", path length %d", x.pathLen)
	}
	return []string{s}
}

func (a *authorityKeyID) text() []string {
	if a == nil {
		return nil
	}
	var lines []string
	if a.hasKeyID {
		lines = append(lines, "key "+hexString(a.keyID))
	}
	lines = append(lines, nameTexts(a.issuer)...)
	if a.hasSerial {
		lines = append(lines, "serial "+hexString(a.serial))
	}
	return lines
}

func nameTexts(names []GeneralName) []string {
	var lines []string
	for _, g := range names {
		lines = append(lines, g.Type+":"+g.Value)
	}
	return lines
}

func (nc *nameConstraints) text() []string {
	i := nc.info()
	if i == nil {
		return nil
	}
	var lines []string
	for _, s := range i.Permitted {
		lines = append(lines, "permitted "+s)
	}
	for _, s := range i.Excluded {
		lines = append(lines, "excluded "+s)
	}
	return lines
}

func (x *extensionCache) distPointText() []string {
	var lines []string
	for _, dp := range x.crldp {
		switch {
		case dp.name != nil && dp.name.relative:
			lines = append(lines, "relative to the issuer: "+dp.name.name.String())
		case dp.name != nil:
			lines = append(lines, nameTexts(dp.name.full)...)
		}
		for _, s := range nameTexts(dp.crlIssuer) {
			lines = append(lines, "issuer "+s)
		}
	}
	return lines
}

func (x *extensionCache) policyText() []string {
	if x.policies == nil {
		return nil
	}
	var lines []string
	for _, id := range x.policies.policies {
		s := id.String()
		if name := id.long(); name != s {
			s += " (" + name + ")"
		}
		lines = append(lines, s)
	}
	return lines
}

func accessText(e *Extension) []string {
	list, _ := accessDescriptions(e) // what could be read is shown
	var lines []string
	for _, a := range list {
		lines = append(lines, a.method.short()+" "+a.location.Type+":"+a.location.Value)
	}
	return lines
}

func sctText(list []SCTInfo) []string {
	var lines []string
	for _, s := range list {
		lines = append(lines, fmt.Sprintf("v%d log %s at %s", s.Version, s.LogID, s.Timestamp.Format(time.RFC3339)))
	}
	return lines
}
