package tlsx

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// An OCSPStatus is what an OCSP response says about one certificate.
type OCSPStatus struct {
	// Status is "good", "revoked", "unknown", or "error" when the responder
	// had no answer.
	Status string `json:"status"`
	// ResponseStatus is the responder's word, such as "successful".
	ResponseStatus string `json:"response_status"`
	// Reason is why the certificate is revoked, "" when it is not or no reason
	// is given.
	Reason     string     `json:"reason,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	ProducedAt *time.Time `json:"produced_at,omitempty"`
	ThisUpdate *time.Time `json:"this_update,omitempty"`
	NextUpdate *time.Time `json:"next_update,omitempty"`
	// Responder is the name or the key hash of who signed.
	Responder string `json:"responder,omitempty"`
	// Serial is the serial number asked about, in hex.
	Serial string `json:"serial,omitempty"`
}

// An OCSPResponse is a response as of RFC 6960, read but not verified.
type OCSPResponse struct {
	// Status is the response status, 0 for successful.
	Status     int
	ProducedAt Time
	// Certificates came with the response.
	Certificates []*Certificate
	Singles      []OCSPSingle

	signed, signature []byte
	alg               SignatureAlgorithm
	byName            *Name
	byKey             []byte
}

// An OCSPSingle is the answer for one certificate.
type OCSPSingle struct {
	Status     string // good, revoked or unknown
	Serial     *big.Int
	ThisUpdate Time
	NextUpdate Time
	RevokedAt  Time
	Reason     int
	HasReason  bool

	hash              crypto.Hash
	nameHash, keyHash []byte
	serial            []byte
	hasNext           bool
}

// ErrNotOCSP is wrapped by errors about octets that do not have the shape of
// an OCSP response.
var ErrNotOCSP = errors.New("not an OCSP response")

func responseStatusName(n int) string {
	names := [...]string{"successful", "malformedRequest", "internalError", "tryLater", "", "sigRequired", "unauthorized"}
	if n < 0 || n >= len(names) || names[n] == "" {
		return fmt.Sprintf("status %d", n)
	}
	return names[n]
}

const oidOCSPBasic oid = "\x2b\x06\x01\x05\x05\x07\x30\x01\x01"

// maxOCSP bounds the size of a response.
const maxOCSP = 1 << 20

// ParseOCSP reads a DER encoded OCSP response. An error wraps [ErrNotOCSP].
func ParseOCSP(raw []byte) (*OCSPResponse, error) {
	r := &OCSPResponse{}
	if len(raw) > maxOCSP {
		return nil, fmt.Errorf("%w: too large", ErrNotOCSP)
	}
	if err := r.parse(raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotOCSP, err)
	}
	return r, nil
}

func (r *OCSPResponse) parse(raw []byte) error {
	outer, err := parseDER(raw, tagSequence)
	if err != nil {
		return err
	}
	d := outer.inside()
	status, err := d.want(tagEnumerated)
	if err != nil || len(status.content) != 1 {
		return errors.New("no response status")
	}
	r.Status = int(status.content[0])
	body, ok, err := d.optional(0)
	if err != nil || !ok {
		if r.Status == 0 && err == nil {
			err = errors.New("successful, but without an answer")
		}
		return err
	}
	in := body.inside()
	seq, err := in.want(tagSequence)
	if err != nil {
		return err
	}
	in = seq.inside()
	typ, err1 := in.want(tagOID)
	val, err2 := in.want(tagOctetString)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if oid(typ.content) != oidOCSPBasic {
		return errors.New("unknown kind of response")
	}
	return r.parseBasic(val.content)
}

func (r *OCSPResponse) parseBasic(raw []byte) error {
	seq, err := parseDER(raw, tagSequence)
	if err != nil {
		return err
	}
	d := seq.inside()
	data, err1 := d.want(tagSequence)
	alg, err2 := d.want(tagSequence)
	sig, err3 := d.want(tagBitString)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	var bad defects
	r.signed, r.alg, r.signature = data.full, parseSignatureAlgorithm(alg, &bad), bitString(sig, "signature", &bad)
	if certs, ok, _ := d.optional(0); ok {
		in := certs.inside()
		list, err := in.want(tagSequence)
		if err != nil {
			return err
		}
		items, err := list.children(32)
		if err != nil {
			return err
		}
		for _, it := range items {
			if c, err := ParseCertificate(it.full); err == nil {
				r.Certificates = append(r.Certificates, c)
			}
		}
	}
	return r.parseData(data)
}

func (r *OCSPResponse) parseData(v tlv) error {
	d := v.inside()
	if _, _, err := d.optional(0); err != nil { // version
		return err
	}
	id, err := d.next()
	if err != nil {
		return err
	}
	in := id.inside()
	who, err := in.next()
	switch {
	case err != nil:
		return err
	case id.isContext(1):
		n := parseName(who, "responder", &defects{})
		r.byName = &n
	case id.isContext(2):
		r.byKey = who.content
	default:
		return errors.New("no responder")
	}
	at, err1 := d.next()
	list, err2 := d.want(tagSequence)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	r.ProducedAt = parseTime(at, "producedAt", &defects{})
	items, err := list.children(1024)
	for _, it := range items {
		s, err := parseOCSPSingle(it)
		if err != nil {
			return err
		}
		r.Singles = append(r.Singles, s)
	}
	return err
}

func parseOCSPSingle(v tlv) (OCSPSingle, error) {
	var s OCSPSingle
	d := v.inside()
	id, err := d.want(tagSequence)
	if err != nil {
		return s, err
	}
	in := id.inside()
	alg, _, err := algorithmOID(&in)
	name, err1 := in.want(tagOctetString)
	key, err2 := in.want(tagOctetString)
	serial, err3 := in.want(tagInteger)
	if err := errors.Join(err, err1, err2, err3); err != nil {
		return s, err
	}
	s.hash, s.nameHash, s.keyHash = hashByOID(alg), name.content, key.content
	s.serial, s.Serial = serial.content, bigInt(serial.content)
	status, err1 := d.next()
	this, err2 := d.next()
	if err := errors.Join(err1, err2); err != nil {
		return s, err
	}
	s.setStatus(status)
	s.ThisUpdate = parseTime(this, "thisUpdate", &defects{})
	if next, ok, _ := d.optional(0); ok {
		in := next.inside()
		if t, err := in.next(); err == nil {
			s.NextUpdate, s.hasNext = parseTime(t, "nextUpdate", &defects{}), true
		}
	}
	return s, nil
}

func (s *OCSPSingle) setStatus(v tlv) {
	switch {
	case v.isContext(0):
		s.Status = "good"
	case v.isContext(1):
		s.Status = "revoked"
		in := v.inside()
		if t, err := in.next(); err == nil {
			s.RevokedAt = parseTime(t, "revocationTime", &defects{})
		}
		if why, ok, _ := in.optional(0); ok {
			w := why.inside()
			if e, err := w.want(tagEnumerated); err == nil && len(e.content) == 1 {
				s.Reason, s.HasReason = int(e.content[0]), true
			}
		}
	default:
		s.Status = "unknown"
	}
}

// single returns the answer for a certificate, or nil.
func (r *OCSPResponse) single(c, issuer *Certificate) *OCSPSingle {
	for i := range r.Singles {
		s := &r.Singles[i]
		if !bytes.Equal(s.serial, c.serial) || s.hash == 0 || !s.hash.Available() {
			continue
		}
		name, _ := digestOf(s.hash, issuer.Subject.Raw)
		key, _ := digestOf(s.hash, issuer.keyOctets())
		if bytes.Equal(name, s.nameHash) && bytes.Equal(key, s.keyHash) {
			return s
		}
	}
	return nil
}

// keyOctets returns the octets of the public key's BIT STRING, over which key
// hashes are made (RFC 6960, section 4.1.1).
func (c *Certificate) keyOctets() []byte {
	seq, err := parseDER(c.spki, tagSequence)
	if err != nil {
		return nil
	}
	kids, err := seq.children(2)
	if err != nil || len(kids) != 2 || len(kids[1].content) == 0 {
		return nil
	}
	return kids[1].content[1:]
}

// signer returns the certificate that signed the response: the issuer itself
// or one that the issuer appointed (RFC 6960, section 4.2.2.2).
func (r *OCSPResponse) signer(issuer *Certificate, now time.Time) (*Certificate, error) {
	for _, c := range append([]*Certificate{issuer}, r.Certificates...) {
		if !r.namedBy(c) {
			continue
		}
		if !c.Equal(issuer) {
			switch {
			case c.ext.eku&ekuOCSPSign == 0:
				return nil, errors.New("the responder's certificate is not for OCSP signing")
			case c.CheckSignature(&issuer.PublicKey) != nil:
				return nil, errors.New("the responder's certificate is not the issuer's")
			case now.Before(c.NotBefore.Time) || now.After(c.NotAfter.Time):
				return nil, errors.New("the responder's certificate is out of date")
			}
		}
		return c, c.PublicKey.check(r.alg, r.signed, r.signature)
	}
	return nil, errors.New("the responder's certificate is missing")
}

func (r *OCSPResponse) namedBy(c *Certificate) bool {
	if r.byName != nil {
		return r.byName.Equal(c.Subject)
	}
	sum, _ := digestOf(crypto.SHA1, c.keyOctets())
	return bytes.Equal(sum, r.byKey)
}

// ocspLeeway is the clock skew that is forgiven, as OpenSSL's client does.
const ocspLeeway = 5 * time.Minute

// checkOCSP judges the stapled response for the leaf.
func (v *verifier) checkOCSP() {
	if len(v.o.OCSP) == 0 {
		if v.o.OCSPRequired || v.o.MustStaple && v.leaf.ext.mustStaple {
			v.fault(CodeOCSPVerifyNeeded, 0, "no OCSP response was stapled")
		}
		return
	}
	r, err := ParseOCSP(v.o.OCSP)
	if err != nil {
		v.fault(CodeOCSPRespInvalid, 0, err.Error())
		return
	}
	v.ocsp = &OCSPStatus{Status: "error", ResponseStatus: responseStatusName(r.Status)}
	if r.Status != 0 {
		v.fault(CodeOCSPVerifyFailed, 0, "the responder said "+v.ocsp.ResponseStatus)
		return
	}
	if len(v.chain) < 2 && !v.leaf.SelfSigned() {
		v.fault(CodeOCSPVerifyFailed, 0, "the issuer is not known")
		return
	}
	issuer := v.chain[min(1, len(v.chain)-1)]
	if _, err := r.signer(issuer, v.now); err != nil {
		v.fault(CodeOCSPSignatureFailure, 0, err.Error())
	}
	s := r.single(v.leaf, issuer)
	if s == nil {
		v.fault(CodeOCSPNoResponse, 0, "the response is about another certificate")
		return
	}
	v.ocsp.fill(r, s)
	v.judgeOCSP(s)
}

func (v *verifier) judgeOCSP(s *OCSPSingle) {
	switch {
	case v.o.NoCheckTime:
	case s.ThisUpdate.After(v.now.Add(ocspLeeway)):
		v.fault(CodeOCSPNotYetValid, 0, "valid from "+timeText(s.ThisUpdate))
	case s.hasNext && s.NextUpdate.Before(v.now.Add(-ocspLeeway)):
		v.fault(CodeOCSPHasExpired, 0, "valid until "+timeText(s.NextUpdate))
	}
	switch s.Status {
	case "revoked":
		detail := "OCSP: since " + timeText(s.RevokedAt)
		if s.HasReason {
			detail += ", " + ReasonName(s.Reason)
		}
		v.fault(CodeCertRevoked, 0, detail)
	case "unknown":
		v.fault(CodeOCSPCertUnknown, 0, "")
	}
}

func (o *OCSPStatus) fill(r *OCSPResponse, s *OCSPSingle) {
	o.Status, o.Serial = s.Status, s.Serial.Text(16)
	o.ProducedAt, o.ThisUpdate, o.NextUpdate, o.RevokedAt = timePointer(r.ProducedAt), timePointer(s.ThisUpdate), timePointer(s.NextUpdate), timePointer(s.RevokedAt)
	if s.HasReason {
		o.Reason = ReasonName(s.Reason)
	}
	if r.byName != nil {
		o.Responder = r.byName.String()
	} else {
		o.Responder = hexString(r.byKey)
	}
}

func timePointer(t Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t.Time
}
