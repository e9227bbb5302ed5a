package tlsx

import (
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// An ObjectKind says what an object of a file is.
type ObjectKind string

// The kinds of objects.
const (
	ObjectCertificate  ObjectKind = "certificate"
	ObjectRequest      ObjectKind = "request"
	ObjectCRL          ObjectKind = "crl"
	ObjectKey          ObjectKind = "private-key"
	ObjectEncryptedKey ObjectKind = "encrypted-private-key"
	ObjectPublicKey    ObjectKind = "public-key"
	ObjectOCSP         ObjectKind = "ocsp-response"
	ObjectUnknown      ObjectKind = "unknown"
)

// An Object is one thing found in a file. The field that goes with its kind is
// set, unless Problem says why it could not be read.
type Object struct {
	Kind ObjectKind
	// Source says where in the file it stood ("PEM block 2", "PKCS #7"), Label
	// what it was called there: the type of a PEM block, a friendly name.
	Source string
	Label  string
	// DER is the encoding; nil for keys.
	DER []byte
	// Created is the date a key store gives an entry, nil elsewhere.
	Created *time.Time

	Certificate *Certificate
	Request     *Request
	CRL         *CRL
	OCSP        *OCSPResponse
	Key         *PrivateKeyInfo
	PublicKey   *PublicKey
	Problem     string

	// Err is the error behind Problem, nil without one.
	Err error
}

// ErrNoObjects says that a file holds nothing that belongs here.
var ErrNoObjects = errors.New("no certificate, key, request or revocation list found")

// maxObjects bounds the objects of one file.
const maxObjects = 200000

// ReadObjects finds everything in the content of a file: PEM (any number of
// blocks, with text between), DER (one or several after one another), bare
// base64, PKCS #7, PKCS #12 and Java key stores. password is asked for
// encrypted parts and may be nil; what stays closed is listed as such. An
// object that cannot be read is listed with its problem. The error is
// [ErrNoObjects], or what spoils a PKCS #12 file or a key store.
func ReadObjects(data []byte, password PasswordFunc) ([]Object, error) {
	open := newOpener(password)
	if isKeyStore(data) {
		return readKeyStore(data, open)
	}
	if blocks := pemBlocks(data); len(blocks) > 0 {
		return objectsOfPEM(blocks, open)
	}
	if len(data) > 0 && data[0] == 0x30 {
		return objectsOfDER(data, "DER", open)
	}
	if raw, err := decodeBase64(data); err == nil && len(raw) > 0 && raw[0] == 0x30 {
		return objectsOfDER(raw, "base64", open)
	}
	return nil, ErrNoObjects
}

func objectsOfPEM(blocks []pemBlock, open *opener) ([]Object, error) {
	var list []Object
	for i, b := range blocks {
		if len(list) >= maxObjects {
			return list, fmt.Errorf("more than %d objects", maxObjects)
		}
		where := fmt.Sprintf("PEM block %d", i+1)
		found, err := objectsOfBlock(b, open)
		if err != nil {
			found = append(found, Object{Kind: ObjectUnknown, Problem: err.Error(), Err: err})
		}
		for _, o := range found {
			if o.Source == "" {
				o.Source = where
			} else {
				o.Source = where + ", " + o.Source
			}
			if o.Label == "" {
				o.Label = b.typ
			}
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return nil, ErrNoObjects
	}
	return list, nil
}

// objectsOfBlock returns what one PEM block holds; parameters hold nothing.
func objectsOfBlock(b pemBlock, open *opener) ([]Object, error) {
	if b.problem != "" {
		return nil, errors.New("broken PEM: " + b.problem)
	}
	switch b.typ {
	case "CERTIFICATE", "X509 CERTIFICATE":
		return []Object{certificateObject(b.data)}, nil
	case "TRUSTED CERTIFICATE":
		c, err := parseTrustedCertificate(b.data)
		return []Object{withProblem(Object{Kind: ObjectCertificate, DER: b.data, Certificate: c}, err)}, nil
	case "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
		r, err := ParseRequest(b.data)
		return []Object{withProblem(Object{Kind: ObjectRequest, DER: b.data, Request: r}, err)}, nil
	case "X509 CRL":
		l, err := ParseCRL(b.data)
		return []Object{withProblem(Object{Kind: ObjectCRL, DER: b.data, CRL: l}, err)}, nil
	case "PKCS7", "CMS", "PKCS #7 SIGNED DATA":
		return objectsOfPKCS7(b.data)
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return []Object{publicKeyObject(b)}, nil
	case "OCSP RESPONSE":
		return []Object{ocspObject(b.data)}, nil
	case "EC PARAMETERS", "DH PARAMETERS", "DSA PARAMETERS", "X9.42 DH PARAMETERS":
		return nil, nil
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		return []Object{keyObject(b, open)}, nil
	case "OPENSSH PRIVATE KEY":
		return []Object{withProblem(Object{Kind: ObjectUnknown, DER: b.data}, openSSHKeyError())}, nil
	}
	return []Object{{Kind: ObjectUnknown, DER: b.data, Problem: "a PEM block of this type is not known"}}, nil
}

func withProblem(o Object, err error) Object {
	if err != nil {
		o.Problem, o.Err = err.Error(), err
	}
	return o
}

func certificateObject(raw []byte) Object {
	c, err := ParseCertificate(raw)
	return withProblem(Object{Kind: ObjectCertificate, DER: raw, Certificate: c}, err)
}

func ocspObject(raw []byte) Object {
	r, err := ParseOCSP(raw)
	return withProblem(Object{Kind: ObjectOCSP, DER: raw, OCSP: r}, err)
}

func keyObject(b pemBlock, open *opener) Object {
	k, err := parsePrivateKeyInfo(b, open)
	o := Object{Kind: ObjectKey, Key: k}
	if k.Encrypted && errors.Is(err, ErrPasswordRequired) {
		o.Kind, err = ObjectEncryptedKey, nil
	}
	return withProblem(o, err)
}

func publicKeyObject(b pemBlock) Object {
	raw := b.data
	if b.typ == "RSA PUBLIC KEY" {
		alg := appendTLV(nil, tagSequence|0x20, append(appendTLV(nil, tagOID, []byte(oidRSA)), tagNull, 0))
		raw = spkiOf(alg, raw)
	}
	o := Object{Kind: ObjectPublicKey, DER: raw}
	v, err := parseDER(raw, tagSequence)
	if err != nil {
		return withProblem(o, err)
	}
	k := parseSPKI(v, &defects{})
	o.PublicKey = &k
	return o
}

// objectsOfDER reads values one after the other.
func objectsOfDER(data []byte, source string, open *opener) ([]Object, error) {
	var list []Object
	d := der{b: data}
	for !d.empty() && len(list) < maxObjects {
		rest := d.b
		v, err := d.next()
		if err != nil {
			if len(list) == 0 {
				return nil, err
			}
			return append(list, Object{Kind: ObjectUnknown, Source: source, Problem: err.Error(), Err: err}), nil
		}
		raw := v.full
		if len(list) == 0 && looksTrusted(rest, len(v.full)) {
			raw, d.b = rest, nil // the trust settings belong to the certificate
		}
		found, err := objectsOfValue(raw, v, open)
		if err != nil {
			return list, err
		}
		for _, o := range found {
			if o.Source == "" {
				o.Source = source
			}
			list = append(list, o)
		}
	}
	return list, nil
}

// looksTrusted reports whether a certificate is followed by trust settings.
func looksTrusted(data []byte, n int) bool {
	if n >= len(data) {
		return false
	}
	v, err := parseDER(data[n:], tagSequence)
	if err != nil || kindOfDER(data[:n]) != ObjectCertificate {
		return false
	}
	return kindOfDER(v.full) == ObjectUnknown && (&TrustSettings{}).parse(v) == nil
}

// objectsOfValue reads one DER value by its shape.
func objectsOfValue(raw []byte, v tlv, open *opener) ([]Object, error) {
	if IsPKCS12(v.full) {
		return objectsOfPKCS12(v.full, open)
	}
	if kids, err := v.children(4); err == nil && len(kids) > 0 && kids[0].is(tagOID) {
		return objectsOfPKCS7(v.full)
	}
	kind := kindOfDER(v.full)
	if len(raw) > len(v.full) {
		c, err := parseTrustedCertificate(raw)
		return []Object{withProblem(Object{Kind: ObjectCertificate, DER: raw, Certificate: c}, err)}, nil
	}
	switch kind {
	case ObjectCertificate:
		return []Object{certificateObject(v.full)}, nil
	case ObjectRequest:
		return objectsOfBlock(pemBlock{typ: "CERTIFICATE REQUEST", data: v.full}, nil)
	case ObjectCRL:
		return objectsOfBlock(pemBlock{typ: "X509 CRL", data: v.full}, nil)
	case ObjectKey, ObjectEncryptedKey:
		return []Object{keyObject(pemBlock{data: v.full}, open)}, nil
	case ObjectPublicKey:
		return []Object{publicKeyObject(pemBlock{data: v.full})}, nil
	case ObjectOCSP:
		return []Object{ocspObject(v.full)}, nil
	}
	return []Object{{Kind: ObjectUnknown, DER: v.full, Problem: "ASN.1, but nothing that is known here"}}, nil
}

// kindOfDER recognises an object by the first elements of its SEQUENCE.
func kindOfDER(raw []byte) ObjectKind {
	v, err := parseDER(raw, tagSequence)
	if err != nil {
		return ObjectUnknown
	}
	kids, err := v.children(32)
	if err != nil || len(kids) == 0 {
		return ObjectUnknown
	}
	shape := func(tags ...int) bool {
		if len(kids) < len(tags) {
			return false
		}
		for i, t := range tags {
			if !kids[i].is(t) {
				return false
			}
		}
		return true
	}
	switch {
	case shape(tagEnumerated):
		return ObjectOCSP
	case shape(tagInteger, tagSequence, tagOctetString), shape(tagInteger, tagOctetString), shape(tagInteger, tagInteger, tagInteger):
		return ObjectKey
	case shape(tagSequence, tagOctetString):
		return ObjectEncryptedKey
	case shape(tagSequence, tagBitString):
		return ObjectPublicKey
	case shape(tagSequence, tagSequence, tagBitString):
		return kindOfSigned(kids[0])
	}
	return ObjectUnknown
}

// kindOfSigned tells certificates, requests and revocation lists apart.
func kindOfSigned(tbs tlv) ObjectKind {
	d := tbs.inside()
	var tags []int
	for len(tags) < 5 && !d.empty() {
		v, err := d.next()
		if err != nil {
			break
		}
		if v.class != classUniversal {
			return kindWithContext(len(tags), v)
		}
		tags = append(tags, v.tag)
	}
	isTime := func(i int) bool { return i < len(tags) && (tags[i] == tagUTCTime || tags[i] == tagGeneralTime) }
	switch {
	case isTime(2), isTime(3):
		return ObjectCRL
	case len(tags) == 3 && tags[0] == tagInteger:
		return ObjectRequest
	}
	return ObjectCertificate
}

func kindWithContext(before int, v tlv) ObjectKind {
	if before == 3 && v.isContext(0) {
		return ObjectRequest
	}
	return ObjectCertificate
}

func objectsOfPKCS12(data []byte, open *opener) ([]Object, error) {
	bags, err := parsePKCS12(data, nil, open)
	if errors.Is(err, errOpenTime) {
		return nil, err
	}
	if err != nil {
		pass, perr := open.password()
		if perr != nil {
			return nil, fmt.Errorf("PKCS #12: %w", perr)
		}
		if bags, err = parsePKCS12(data, pass, open); err != nil {
			return nil, err
		}
	}
	var list []Object
	for i, b := range bags {
		var o Object
		switch b.Kind {
		case P12Certificate:
			o = certificateObject(b.DER)
		case P12CRL:
			l, err := ParseCRL(b.DER)
			o = withProblem(Object{Kind: ObjectCRL, DER: b.DER, CRL: l}, err)
		case P12Key:
			o = keyObject(pemBlock{data: b.DER}, nil)
			if o.Key != nil {
				o.Key.Encrypted = b.Encrypted
			}
		}
		o.Source, o.Label = fmt.Sprintf("PKCS #12 bag %d", i+1), b.FriendlyName
		list = append(list, o)
	}
	return list, nil
}

// objectsOfPKCS7 lists the certificates and lists of a SignedData (RFC 5652,
// section 5.1).
func objectsOfPKCS7(raw []byte) ([]Object, error) {
	seq, err := parseDER(raw, tagSequence)
	if err != nil {
		return nil, fmt.Errorf("PKCS #7: %w", err)
	}
	d := seq.inside()
	id, err := d.want(tagOID)
	if err != nil {
		return nil, fmt.Errorf("PKCS #7: %w", err)
	}
	if oid(id.content) != oidPKCS7Signed {
		return nil, fmt.Errorf("PKCS #7: %s holds no certificates", oid(id.content).short())
	}
	body, ok, err := d.optional(0)
	if err != nil || !ok {
		return nil, errors.New("PKCS #7: no content")
	}
	in := body.inside()
	signed, err := in.want(tagSequence)
	if err != nil {
		return nil, fmt.Errorf("PKCS #7: %w", err)
	}
	parts, err := signed.children(16)
	if err != nil {
		return nil, fmt.Errorf("PKCS #7: %w", err)
	}
	var list []Object
	for _, p := range parts {
		if !p.isContext(0) && !p.isContext(1) {
			continue
		}
		items, err := p.children(maxObjects)
		if err != nil {
			return list, fmt.Errorf("PKCS #7: %w", err)
		}
		for i, it := range items {
			o := certificateObject(it.full)
			if p.isContext(1) {
				l, err := ParseCRL(it.full)
				o = withProblem(Object{Kind: ObjectCRL, DER: it.full, CRL: l}, err)
			}
			o.Source = fmt.Sprintf("PKCS #7 item %d", i+1)
			list = append(list, o)
		}
	}
	return list, nil
}

// PEM returns the object as a PEM block, nil for keys and for what has no
// encoding of its own.
func (o *Object) PEM() []byte {
	typ := map[ObjectKind]string{ObjectCertificate: "CERTIFICATE", ObjectRequest: "CERTIFICATE REQUEST",
		ObjectCRL: "X509 CRL", ObjectPublicKey: "PUBLIC KEY", ObjectOCSP: "OCSP RESPONSE"}[o.Kind]
	raw := o.DER
	if o.Certificate != nil {
		raw = o.Certificate.Raw
	}
	if typ == "" || raw == nil {
		return nil
	}
	return encodePEM(typ, raw)
}

func encodePEM(typ string, raw []byte) []byte {
	const width = 64
	text := base64.StdEncoding.EncodeToString(raw)
	out := make([]byte, 0, len(text)+len(text)/width+2*len(typ)+40)
	out = append(append(append(out, pemBegin...), typ...), pemDash+"\n"...)
	for len(text) > width {
		out = append(append(out, text[:width]...), '\n')
		text = text[width:]
	}
	out = append(append(out, text...), '\n')
	return append(append(append(out, pemEnd...), typ...), pemDash+"\n"...)
}
