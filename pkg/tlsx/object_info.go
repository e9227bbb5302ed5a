package tlsx

import (
	"strconv"
	"time"
)

// An ObjectInfo is an [Object] for display. One of the members after Label is
// set, or Problem.
type ObjectInfo struct {
	Kind        ObjectKind     `json:"kind"`
	Source      string         `json:"source"`
	Label       string         `json:"label"`
	Created     *time.Time     `json:"created,omitempty"`
	Certificate *CertInfo      `json:"certificate,omitempty"`
	Request     *RequestInfo   `json:"request,omitempty"`
	CRL         *CRLInfo       `json:"crl,omitempty"`
	OCSP        *OCSPInfo      `json:"ocsp,omitempty"`
	Key         *KeyInfo       `json:"private_key,omitempty"`
	PublicKey   *PublicKeyInfo `json:"public_key,omitempty"`
	Problem     string         `json:"problem,omitempty"`
}

// A KeyInfo is a private key for display: its public half.
type KeyInfo struct {
	Encrypted bool `json:"encrypted"`
	// PublicKey is nil when the key stayed encrypted.
	PublicKey *PublicKeyInfo `json:"public_key"`
}

// A RequestInfo is a [Request] for display.
type RequestInfo struct {
	Subject            string          `json:"subject"`
	SubjectAttributes  []Attribute     `json:"subject_attributes"`
	SubjectAltNames    []GeneralName   `json:"subject_alt_names"`
	PublicKey          PublicKeyInfo   `json:"public_key"`
	SignatureAlgorithm string          `json:"signature_algorithm"`
	SignatureOK        bool            `json:"signature_ok"`
	SignatureProblem   string          `json:"signature_problem,omitempty"`
	Extensions         []ExtensionInfo `json:"extensions"`
	Defects            []Defect        `json:"defects"`
}

// A CRLInfo is a [CRL] for display.
type CRLInfo struct {
	Issuer             string          `json:"issuer"`
	IssuerHash         string          `json:"issuer_hash"`
	Version            string          `json:"version"`
	ThisUpdate         *time.Time      `json:"this_update"`
	NextUpdate         *time.Time      `json:"next_update"`
	Number             string          `json:"number"`
	DeltaBase          string          `json:"delta_base,omitempty"`
	SignatureAlgorithm string          `json:"signature_algorithm"`
	Scope              []string        `json:"scope"`
	Revoked            []RevokedInfo   `json:"revoked"`
	Extensions         []ExtensionInfo `json:"extensions"`
	Defects            []Defect        `json:"defects"`
}

// A RevokedInfo is one entry of a list for display.
type RevokedInfo struct {
	Serial       string     `json:"serial"`
	Date         *time.Time `json:"date"`
	Reason       string     `json:"reason,omitempty"`
	InvalidSince *time.Time `json:"invalid_since,omitempty"`
}

// An OCSPInfo is an [OCSPResponse] for display.
type OCSPInfo struct {
	ResponseStatus string       `json:"response_status"`
	Certificates   int          `json:"certificates"`
	Answers        []OCSPStatus `json:"answers"`
}

// Info decodes the object for display.
func (o *Object) Info() ObjectInfo {
	i := ObjectInfo{Kind: o.Kind, Source: o.Source, Label: o.Label, Created: o.Created, Problem: o.Problem}
	if c := o.Certificate; c != nil {
		i.Certificate = c.Info()
	}
	if o.Request != nil {
		i.Request = o.Request.Info()
	}
	if o.CRL != nil {
		i.CRL = o.CRL.Info()
	}
	if o.OCSP != nil {
		i.OCSP = o.OCSP.Info()
	}
	if k := o.Key; k != nil {
		i.Key = &KeyInfo{Encrypted: k.Encrypted}
		if k.spki != nil {
			p := k.PublicKey.info(k.spki)
			i.Key.PublicKey = &p
		}
	}
	if o.PublicKey != nil {
		p := o.PublicKey.info(o.DER)
		i.PublicKey = &p
	}
	return i
}

// Info decodes the request for display.
func (r *Request) Info() *RequestInfo {
	i := &RequestInfo{
		Subject: r.Subject.String(), SubjectAttributes: listOf(r.Subject.Attributes), SubjectAltNames: listOf(r.ext.san),
		PublicKey: r.PublicKey.info(r.spki), SignatureAlgorithm: r.SignatureAlgorithm.String(),
		Extensions: extensionInfos(r.Extensions, &r.ext), Defects: listOf(r.Defects),
	}
	if err := r.CheckSignature(); err != nil {
		i.SignatureProblem = err.Error()
	} else {
		i.SignatureOK = true
	}
	return i
}

// Info decodes the list for display.
func (l *CRL) Info() *CRLInfo {
	i := &CRLInfo{
		Issuer: l.Issuer.String(), IssuerHash: hashName(l.Issuer.Hash()), Version: "v" + strconv.Itoa(l.Version+1),
		ThisUpdate: timePointer(l.ThisUpdate), NextUpdate: timePointer(l.NextUpdate),
		SignatureAlgorithm: l.SignatureAlgorithm.String(), Scope: l.idp.text(),
		Revoked: make([]RevokedInfo, len(l.Revoked)), Extensions: extensionInfos(l.Extensions, &extensionCache{akid: l.akid}), Defects: listOf(l.Defects),
	}
	if l.Number != nil {
		i.Number = l.Number.String()
	}
	if l.Base != nil {
		i.DeltaBase = l.Base.String()
	}
	for n, r := range l.Revoked {
		i.Revoked[n] = RevokedInfo{Serial: r.Serial.Text(16), Date: timePointer(r.Date), InvalidSince: timePointer(r.InvalidSince)}
		if r.HasReason {
			i.Revoked[n].Reason = ReasonName(r.Reason)
		}
	}
	return i
}

func (p *issuingDistPoint) text() []string {
	lines := []string{}
	if p == nil {
		return lines
	}
	for _, f := range []struct {
		on   bool
		text string
	}{
		{p.onlyUser, "only certificates that are not CAs'"}, {p.onlyCA, "only CA certificates"}, {p.onlyAttr, "only attribute certificates"},
		{p.indirect, "indirect: also certificates of other issuers"}, {p.someReasons, "only some reasons"},
	} {
		if f.on {
			lines = append(lines, f.text)
		}
	}
	if p.point != nil {
		lines = append(lines, nameTexts(p.point.full)...)
	}
	return lines
}

// Info decodes the response for display.
func (r *OCSPResponse) Info() *OCSPInfo {
	i := &OCSPInfo{ResponseStatus: responseStatusName(r.Status), Certificates: len(r.Certificates), Answers: []OCSPStatus{}}
	for n := range r.Singles {
		s := OCSPStatus{ResponseStatus: i.ResponseStatus}
		s.fill(r, &r.Singles[n])
		i.Answers = append(i.Answers, s)
	}
	return i
}
