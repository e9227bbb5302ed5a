package tlsx

import (
	"errors"
	"fmt"
)

// A Request is a PKCS #10 certificate signing request (RFC 2986).
type Request struct {
	// Raw is the DER encoding.
	Raw       []byte
	Version   int
	Subject   Name
	PublicKey PublicKey
	// Extensions are those the request asks for.
	Extensions         []Extension
	SignatureAlgorithm SignatureAlgorithm
	Defects            []Defect

	tbs, signature, spki []byte
	ext                  extensionCache
}

// ErrNotRequest is wrapped by errors about octets that do not have the shape
// of a signing request.
var ErrNotRequest = errors.New("not a certificate signing request")

// ParseRequest reads a DER encoded signing request. Departures from the
// standard are in Defects; an error wraps [ErrNotRequest].
func ParseRequest(raw []byte) (*Request, error) {
	r, err := parseRequest(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRequest, err)
	}
	return r, nil
}

func parseRequest(raw []byte) (*Request, error) {
	if len(raw) > maxCertificate {
		return nil, errBigLength
	}
	d := der{b: raw}
	outer, err := d.want(tagSequence)
	if err != nil {
		return nil, err
	}
	in := outer.inside()
	tbs, err1 := in.want(tagSequence)
	alg, err2 := in.want(tagSequence)
	sig, err3 := in.want(tagBitString)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	var bad defects
	r := &Request{Raw: outer.full, tbs: tbs.full, signature: bitString(sig, "signature", &bad)}
	r.SignatureAlgorithm = parseSignatureAlgorithm(alg, &bad)
	if err := r.parseInfo(tbs, &bad); err != nil {
		return nil, err
	}
	r.Defects = bad.list
	return r, nil
}

func (r *Request) parseInfo(v tlv, bad *defects) error {
	d := v.inside()
	version, err1 := d.want(tagInteger)
	subject, err2 := d.want(tagSequence)
	spki, err3 := d.want(tagSequence)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	r.Version = int(bigInt(version.content).Int64())
	r.Subject = parseName(subject, "subject", bad)
	r.PublicKey, r.spki = parseSPKI(spki, bad), spki.full
	attrs, ok, err := d.optional(0)
	if err != nil {
		return err
	}
	if !ok {
		return nil
	}
	list, err := attrs.children(64)
	if err != nil {
		bad.add(attrs.off, "attributes", err.Error())
	}
	for _, a := range list {
		r.useAttribute(a, bad)
	}
	return nil
}

// useAttribute takes the extensions out of an extension request attribute.
func (r *Request) useAttribute(v tlv, bad *defects) {
	d := v.inside()
	id, err1 := d.want(tagOID)
	set, err2 := d.want(tagSet)
	if err := errors.Join(err1, err2); err != nil {
		bad.add(v.off, "attributes", err.Error())
		return
	}
	if oid(id.content) != oidExtReq {
		return
	}
	in := set.inside()
	list, err := in.want(tagSequence)
	if err != nil {
		bad.add(v.off, "extension request", err.Error())
		return
	}
	r.Extensions = parseExtensions(list, bad)
	carrier := &Certificate{Version: 2, Subject: r.Subject, PublicKey: r.PublicKey, Extensions: r.Extensions}
	r.ext.read(carrier, bad)
}

// SubjectAltNames returns the alternative names that are asked for.
func (r *Request) SubjectAltNames() []GeneralName { return r.ext.san }

// CheckSignature verifies that the holder of the key made the request.
func (r *Request) CheckSignature() error {
	return r.PublicKey.check(r.SignatureAlgorithm, r.tbs, r.signature)
}
