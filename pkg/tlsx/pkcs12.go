package tlsx

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A P12Kind says what a bag of a PKCS #12 file holds.
type P12Kind string

// The kinds of bags.
const (
	P12Certificate P12Kind = "certificate"
	P12Key         P12Kind = "key"
	P12CRL         P12Kind = "crl"
)

// A P12Bag is one object of a PKCS #12 file.
type P12Bag struct {
	Kind         P12Kind
	DER          []byte // the certificate, the PKCS #8 key (decrypted), the CRL
	FriendlyName string // "" when it has none
	LocalKeyID   []byte // joins a key to its certificate; nil when there is none
	Encrypted    bool   // the bag or what holds it was encrypted
}

// maxP12Nesting bounds bags that hold bags.
const maxP12Nesting = 8

const (
	oidCMSData         = "1.2.840.113549.1.7.1"
	oidCMSEncrypted    = "1.2.840.113549.1.7.6"
	oidBagKey          = "1.2.840.113549.1.12.10.1.1"
	oidBagShroudedKey  = "1.2.840.113549.1.12.10.1.2"
	oidBagCert         = "1.2.840.113549.1.12.10.1.3"
	oidBagCRL          = "1.2.840.113549.1.12.10.1.4"
	oidBagSafeContents = "1.2.840.113549.1.12.10.1.6"
	oidX509Certificate = "1.2.840.113549.1.9.22.1"
	oidX509CRL         = "1.2.840.113549.1.9.23.1"
	oidFriendlyName    = "1.2.840.113549.1.9.20"
	oidLocalKeyID      = "1.2.840.113549.1.9.21"
	oidSHA1            = "1.3.14.3.2.26"
	oidSHA256          = "2.16.840.1.101.3.4.2.1"
	oidSHA384          = "2.16.840.1.101.3.4.2.2"
	oidSHA512          = "2.16.840.1.101.3.4.2.3"
)

// IsPKCS12 reports whether data looks like a PKCS #12 file: a sequence that
// starts with version 3.
func IsPKCS12(data []byte) bool {
	s := cryptobyte.String(data)
	var pfx cryptobyte.String
	var version int
	return s.ReadASN1(&pfx, cbasn1.SEQUENCE) && pfx.ReadASN1Integer(&version) && version == 3 && pfx.PeekASN1Tag(cbasn1.SEQUENCE)
}

// ParsePKCS12 opens a PKCS #12 file (RFC 7292) and returns its certificates,
// keys and CRLs in the order of the file, also when there is no key. The error
// wraps [ErrPassword] when the password is wrong.
func ParsePKCS12(data, password []byte) ([]P12Bag, error) {
	return parsePKCS12(data, password, newOpener(nil))
}

// parsePKCS12 is [ParsePKCS12] in the time that open has.
func parsePKCS12(data, password []byte, open *opener) ([]P12Bag, error) {
	if err := open.inTime(); err != nil {
		return nil, err
	}
	s := cryptobyte.String(data)
	var pfx cryptobyte.String
	var version int
	if !s.ReadASN1(&pfx, cbasn1.SEQUENCE) || !pfx.ReadASN1Integer(&version) || version != 3 {
		return nil, fmt.Errorf("PKCS #12: %w", errMalformed)
	}
	kind, safe, err := readContentInfo(&pfx)
	if err != nil {
		return nil, err
	}
	if kind != oidCMSData {
		return nil, fmt.Errorf("PKCS #12 signed with a public key: %w", errors.ErrUnsupported)
	}
	var content []byte
	if !safe.ReadASN1Bytes(&content, cbasn1.OCTET_STRING) {
		return nil, fmt.Errorf("PKCS #12: %w", errMalformed)
	}
	if password, err = checkP12MAC(pfx, content, password); err != nil {
		return nil, err
	}
	return readAuthenticatedSafe(content, password, open)
}

// readContentInfo reads a ContentInfo of RFC 5652, section 3.
func readContentInfo(s *cryptobyte.String) (oid string, content cryptobyte.String, err error) {
	var seq cryptobyte.String
	var id asn1.ObjectIdentifier
	if !s.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&id) ||
		!seq.ReadASN1(&content, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return "", nil, fmt.Errorf("PKCS #12 content: %w", errMalformed)
	}
	return id.String(), content, nil
}

// checkP12MAC checks the password, and returns the form of it that fits: a file
// "without password" may have an empty one or none at all.
func checkP12MAC(mac cryptobyte.String, content, password []byte) ([]byte, error) {
	if mac.Empty() {
		return password, nil
	}
	var data, digest cryptobyte.String
	if !mac.ReadASN1(&data, cbasn1.SEQUENCE) || !data.ReadASN1(&digest, cbasn1.SEQUENCE) {
		return nil, fmt.Errorf("PKCS #12 integrity check: %w", errMalformed)
	}
	tries := [][]byte{password}
	if len(password) == 0 {
		tries = [][]byte{{}, nil}
	}
	for _, p := range tries {
		ok, err := p12MACMatches(digest, data, content, p)
		if err != nil {
			return nil, err
		}
		if ok {
			return p, nil
		}
	}
	return nil, fmt.Errorf("PKCS #12: %w", ErrPassword)
}

func p12MACMatches(digest, data cryptobyte.String, content, password []byte) (bool, error) {
	oid, params, err := readAlgorithm(&digest)
	if err != nil {
		return false, err
	}
	var want, salt []byte
	if !digest.ReadASN1Bytes(&want, cbasn1.OCTET_STRING) || !data.ReadASN1Bytes(&salt, cbasn1.OCTET_STRING) {
		return false, fmt.Errorf("PKCS #12 integrity check: %w", errMalformed)
	}
	count := 1
	if !data.Empty() && (!data.ReadASN1Integer(&count) || count < 1 || count > maxIterations) {
		return false, fmt.Errorf("PKCS #12 integrity check: %w", errMalformed)
	}
	h, key, err := p12MACKey(oid, params, password, salt, count)
	if err != nil {
		return false, err
	}
	m := hmac.New(h, key)
	m.Write(content)
	return hmac.Equal(m.Sum(nil), want), nil
}

// p12MACKey derives the key of the integrity check, by RFC 7292 or with PBMAC1
// by RFC 9579.
func p12MACKey(oid string, params cryptobyte.String, password, salt []byte, count int) (func() hash.Hash, []byte, error) {
	if oid == oidPBMAC1 {
		return pbmac1Key(params, password)
	}
	h, block := p12Digest(oid)
	if h == nil {
		return nil, nil, fmt.Errorf("digest %s: %w", oid, errors.ErrUnsupported)
	}
	return h, p12KDF(h, block, bmpPassword(password), salt, count, 3, h().Size()), nil
}

func pbmac1Key(params cryptobyte.String, password []byte) (func() hash.Hash, []byte, error) {
	var seq cryptobyte.String
	if !params.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return nil, nil, fmt.Errorf("PBMAC1: %w", errMalformed)
	}
	kdf, kdfParams, err := readAlgorithm(&seq)
	if err != nil {
		return nil, nil, err
	}
	mac, _, err := readAlgorithm(&seq)
	if err != nil {
		return nil, nil, err
	}
	h := hmacHash(mac)
	if h == nil {
		return nil, nil, fmt.Errorf("integrity check %s: %w", mac, errors.ErrUnsupported)
	}
	key, err := deriveKey(kdf, kdfParams, password, h().Size())
	return h, key, err
}

func p12Digest(oid string) (h func() hash.Hash, blockSize int) {
	switch oid {
	case oidSHA1:
		return sha1.New, sha1.BlockSize
	case oidSHA256:
		return sha256.New, sha256.BlockSize
	case oidSHA384:
		return sha512.New384, sha512.BlockSize
	case oidSHA512:
		return sha512.New, sha512.BlockSize
	}
	return nil, 0
}

func readAuthenticatedSafe(content, password []byte, open *opener) ([]P12Bag, error) {
	s := cryptobyte.String(content)
	var list cryptobyte.String
	if !s.ReadASN1(&list, cbasn1.SEQUENCE) {
		return nil, fmt.Errorf("PKCS #12 contents: %w", errMalformed)
	}
	var bags []P12Bag
	for !list.Empty() {
		kind, body, err := readContentInfo(&list)
		if err != nil {
			return nil, err
		}
		if err := open.inTime(); err != nil {
			return nil, err
		}
		contents, err := openP12Content(kind, body, password)
		if err != nil {
			return nil, err
		}
		r := bagReader{password: password, open: open, encrypted: kind == oidCMSEncrypted}
		if err := r.read(contents, 0); err != nil {
			return nil, err
		}
		bags = append(bags, r.bags...)
	}
	return bags, nil
}

// openP12Content returns the SafeContents of one part of the file.
func openP12Content(kind string, body cryptobyte.String, password []byte) ([]byte, error) {
	var data []byte
	switch kind {
	case oidCMSData:
		if !body.ReadASN1Bytes(&data, cbasn1.OCTET_STRING) {
			return nil, fmt.Errorf("PKCS #12 contents: %w", errMalformed)
		}
		return data, nil
	case oidCMSEncrypted:
		return openEncryptedData(body, password)
	}
	return nil, fmt.Errorf("PKCS #12 contents of type %s: %w", kind, errors.ErrUnsupported)
}

// openEncryptedData is RFC 5652, section 8. The encrypted octets may come in
// one piece or, from a streaming writer, in several.
func openEncryptedData(body cryptobyte.String, password []byte) ([]byte, error) {
	var seq, info, alg cryptobyte.String
	var version int
	var id asn1.ObjectIdentifier
	if !body.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1Integer(&version) || !seq.ReadASN1(&info, cbasn1.SEQUENCE) ||
		!info.ReadASN1ObjectIdentifier(&id) || !info.ReadASN1Element(&alg, cbasn1.SEQUENCE) {
		return nil, fmt.Errorf("encrypted data: %w", errMalformed)
	}
	var data, pieces []byte
	if info.ReadASN1Bytes(&data, cbasn1.Tag(0).ContextSpecific()) {
		return decryptPBE(alg, data, password)
	}
	var chunks cryptobyte.String
	if !info.ReadASN1(&chunks, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return nil, fmt.Errorf("encrypted data: %w", errMalformed)
	}
	for !chunks.Empty() {
		if !chunks.ReadASN1Bytes(&data, cbasn1.OCTET_STRING) {
			return nil, fmt.Errorf("encrypted data: %w", errMalformed)
		}
		pieces = append(pieces, data...)
	}
	return decryptPBE(alg, pieces, password)
}

type bagReader struct {
	password  []byte
	open      *opener
	encrypted bool
	bags      []P12Bag
}

func (r *bagReader) read(contents []byte, depth int) error {
	s := cryptobyte.String(contents)
	var list cryptobyte.String
	if depth > maxP12Nesting || !s.ReadASN1(&list, cbasn1.SEQUENCE) {
		return fmt.Errorf("PKCS #12 contents: %w", errMalformed)
	}
	for !list.Empty() {
		var bag, value cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1(&bag, cbasn1.SEQUENCE) || !bag.ReadASN1ObjectIdentifier(&id) ||
			!bag.ReadASN1(&value, cbasn1.Tag(0).ContextSpecific().Constructed()) {
			return fmt.Errorf("PKCS #12 bag: %w", errMalformed)
		}
		if id.String() == oidBagSafeContents {
			if err := r.read(value, depth+1); err != nil {
				return err
			}
			continue
		}
		b, err := r.bag(id.String(), value)
		if err != nil {
			return err
		}
		if b.DER == nil {
			continue // a secret or a certificate of another kind
		}
		readBagAttributes(bag, &b)
		r.bags = append(r.bags, b)
	}
	return nil
}

func (r *bagReader) bag(oid string, value cryptobyte.String) (P12Bag, error) {
	b := P12Bag{Encrypted: r.encrypted}
	var err error
	switch oid {
	case oidBagKey:
		b.Kind, b.DER = P12Key, bytes.Clone(value)
	case oidBagShroudedKey:
		b.Kind, b.Encrypted = P12Key, true
		if err := r.open.inTime(); err != nil {
			return b, err
		}
		b.DER, err = decryptPKCS8(value, r.password)
	case oidBagCert:
		b.Kind = P12Certificate
		b.DER, err = typedValue(value, oidX509Certificate)
	case oidBagCRL:
		b.Kind = P12CRL
		b.DER, err = typedValue(value, oidX509CRL)
	}
	return b, err
}

// typedValue reads a CertBag or CRLBag and returns nil for one of another type.
func typedValue(value cryptobyte.String, want string) ([]byte, error) {
	var seq, inner cryptobyte.String
	var id asn1.ObjectIdentifier
	var der []byte
	if !value.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&id) ||
		!seq.ReadASN1(&inner, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return nil, fmt.Errorf("PKCS #12 bag: %w", errMalformed)
	}
	if id.String() != want {
		return nil, nil
	}
	if !inner.ReadASN1Bytes(&der, cbasn1.OCTET_STRING) {
		return nil, fmt.Errorf("PKCS #12 bag: %w", errMalformed)
	}
	return der, nil
}

// readBagAttributes takes the name and the key identifier; attributes that do
// not parse are nothing worth refusing a file for.
func readBagAttributes(bag cryptobyte.String, b *P12Bag) {
	var attrs, attr, values cryptobyte.String
	var id asn1.ObjectIdentifier
	if !bag.ReadASN1(&attrs, cbasn1.SET) {
		return
	}
	for attrs.ReadASN1(&attr, cbasn1.SEQUENCE) && attr.ReadASN1ObjectIdentifier(&id) && attr.ReadASN1(&values, cbasn1.SET) {
		var raw []byte
		switch id.String() {
		case oidLocalKeyID:
			if values.ReadASN1Bytes(&raw, cbasn1.OCTET_STRING) {
				b.LocalKeyID = raw
			}
		case oidFriendlyName:
			if values.ReadASN1Bytes(&raw, cbasn1.Tag(30)) { // BMPString
				b.FriendlyName, _, _ = decodeBMP(raw)
			}
		}
	}
}
