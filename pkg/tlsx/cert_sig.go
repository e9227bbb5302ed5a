package tlsx

import (
	"bytes"
	"crypto"
	"crypto/dsa" //lint:ignore SA1019 certificates with DSA keys are still judged
	"crypto/ecdsa"
	"crypto/ed25519"
	_ "crypto/md5" // old certificates are signed with it
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"errors"
	"fmt"
	"math/big"
	"sync"
)

// A SignatureAlgorithm says how something was signed.
type SignatureAlgorithm struct {
	// Name is OpenSSL's name ("sha256WithRSAEncryption"), or the dotted object
	// identifier.
	Name string
	// Hash is the digest's name ("SHA-256"), "" when there is none or it is
	// not known.
	Hash string

	id      oid
	keyType string // of PublicKey.Type; "" when the algorithm is not known
	hash    crypto.Hash
	pss     *pssParams
}

type sigAlg struct {
	dotted, name, keyType string
	hash                  crypto.Hash
}

var sigAlgTable = [...]sigAlg{
	{"1.2.840.113549.1.1.2", "md2WithRSAEncryption", "RSA", 0},
	{"1.2.840.113549.1.1.4", "md5WithRSAEncryption", "RSA", crypto.MD5},
	{"1.2.840.113549.1.1.5", "sha1WithRSAEncryption", "RSA", crypto.SHA1},
	{"1.3.14.3.2.29", "sha1WithRSA", "RSA", crypto.SHA1},
	{"1.2.840.113549.1.1.14", "sha224WithRSAEncryption", "RSA", crypto.SHA224},
	{"1.2.840.113549.1.1.11", "sha256WithRSAEncryption", "RSA", crypto.SHA256},
	{"1.2.840.113549.1.1.12", "sha384WithRSAEncryption", "RSA", crypto.SHA384},
	{"1.2.840.113549.1.1.13", "sha512WithRSAEncryption", "RSA", crypto.SHA512},
	{"1.2.840.113549.1.1.15", "sha512-224WithRSAEncryption", "RSA", crypto.SHA512_224},
	{"1.2.840.113549.1.1.16", "sha512-256WithRSAEncryption", "RSA", crypto.SHA512_256},
	{"2.16.840.1.101.3.4.3.13", "RSA-SHA3-224", "RSA", crypto.SHA3_224},
	{"2.16.840.1.101.3.4.3.14", "RSA-SHA3-256", "RSA", crypto.SHA3_256},
	{"2.16.840.1.101.3.4.3.15", "RSA-SHA3-384", "RSA", crypto.SHA3_384},
	{"2.16.840.1.101.3.4.3.16", "RSA-SHA3-512", "RSA", crypto.SHA3_512},
	{"1.2.840.113549.1.1.10", "rsassaPss", "RSA-PSS", 0},
	{"1.2.840.10045.4.1", "ecdsa-with-SHA1", "EC", crypto.SHA1},
	{"1.2.840.10045.4.3.1", "ecdsa-with-SHA224", "EC", crypto.SHA224},
	{"1.2.840.10045.4.3.2", "ecdsa-with-SHA256", "EC", crypto.SHA256},
	{"1.2.840.10045.4.3.3", "ecdsa-with-SHA384", "EC", crypto.SHA384},
	{"1.2.840.10045.4.3.4", "ecdsa-with-SHA512", "EC", crypto.SHA512},
	{"2.16.840.1.101.3.4.3.9", "ecdsa_with_SHA3-224", "EC", crypto.SHA3_224},
	{"2.16.840.1.101.3.4.3.10", "ecdsa_with_SHA3-256", "EC", crypto.SHA3_256},
	{"2.16.840.1.101.3.4.3.11", "ecdsa_with_SHA3-384", "EC", crypto.SHA3_384},
	{"2.16.840.1.101.3.4.3.12", "ecdsa_with_SHA3-512", "EC", crypto.SHA3_512},
	{"1.2.840.10040.4.3", "dsaWithSHA1", "DSA", crypto.SHA1},
	{"2.16.840.1.101.3.4.3.1", "dsa_with_SHA224", "DSA", crypto.SHA224},
	{"2.16.840.1.101.3.4.3.2", "dsa_with_SHA256", "DSA", crypto.SHA256},
	{"2.16.840.1.101.3.4.3.3", "dsa_with_SHA384", "DSA", crypto.SHA384},
	{"2.16.840.1.101.3.4.3.4", "dsa_with_SHA512", "DSA", crypto.SHA512},
	{"1.3.101.112", "ED25519", "Ed25519", 0},
	{"1.3.101.113", "ED448", "Ed448", 0},
	{"2.16.840.1.101.3.4.3.17", "ML-DSA-44", "ML-DSA-44", 0},
	{"2.16.840.1.101.3.4.3.18", "ML-DSA-65", "ML-DSA-65", 0},
	{"2.16.840.1.101.3.4.3.19", "ML-DSA-87", "ML-DSA-87", 0},
	{"1.2.156.10197.1.501", "SM2-with-SM3", "EC", 0},
}

var sigAlgs = sync.OnceValue(func() map[oid]sigAlg {
	m := make(map[oid]sigAlg, len(sigAlgTable))
	for _, a := range sigAlgTable {
		id, _ := encodeOID(a.dotted)
		m[id] = a
	}
	return m
})

// parseSignatureAlgorithm reads an AlgorithmIdentifier.
func parseSignatureAlgorithm(v tlv, bad *defects) SignatureAlgorithm {
	d := v.inside()
	id, err := d.want(tagOID)
	if err != nil {
		bad.add(v.off, "signatureAlgorithm", err.Error())
		return SignatureAlgorithm{}
	}
	s := SignatureAlgorithm{id: oid(id.content)}
	a, ok := sigAlgs()[s.id]
	if !ok {
		s.Name = s.id.String()
		return s
	}
	s.Name, s.keyType, s.hash = a.name, a.keyType, a.hash
	if s.id == oidRSAPSS {
		if s.pss, ok = parsePSS(d); !ok {
			bad.add(v.off, "signatureAlgorithm", "malformed RSA-PSS parameters")
		} else {
			s.hash = s.pss.hash
		}
	}
	if s.hash != 0 {
		s.Hash = s.hash.String()
	}
	return s
}

// String returns the name, with the digest where the name lacks it.
func (s SignatureAlgorithm) String() string {
	if s.id == oidRSAPSS && s.Hash != "" {
		return s.Name + " (" + s.Hash + ")"
	}
	return s.Name
}

// securityBits is the strength OpenSSL credits the digest with; 0 for unknown.
func (s SignatureAlgorithm) securityBits() int {
	switch s.keyType {
	case "Ed25519":
		return 128
	case "Ed448":
		return 224
	}
	switch s.hash {
	case 0:
		return 0
	case crypto.MD5:
		return 39
	case crypto.SHA1:
		return 63
	}
	return s.hash.Size() * 4
}

// pssParams are RSASSA-PSS-params (RFC 4055, section 3.1).
type pssParams struct {
	hash, mgf crypto.Hash
	salt      int
}

// digestTable holds the digests by their object identifiers.
var digestTable = [...]struct {
	id   oid
	hash crypto.Hash
}{
	{"\x2a\x86\x48\x86\xf7\x0d\x02\x05", crypto.MD5},
	{"\x2b\x0e\x03\x02\x1a", crypto.SHA1},
	{nistHash + "\x01", crypto.SHA256},
	{nistHash + "\x02", crypto.SHA384},
	{nistHash + "\x03", crypto.SHA512},
	{nistHash + "\x04", crypto.SHA224},
	{nistHash + "\x05", crypto.SHA512_224},
	{nistHash + "\x06", crypto.SHA512_256},
	{nistHash + "\x07", crypto.SHA3_224},
	{nistHash + "\x08", crypto.SHA3_256},
	{nistHash + "\x09", crypto.SHA3_384},
	{nistHash + "\x0a", crypto.SHA3_512},
}

// nistHash is 2.16.840.1.101.3.4.2, the arc of NIST's digests.
const nistHash oid = "\x60\x86\x48\x01\x65\x03\x04\x02"

// hashByOID returns 0 for an unknown digest.
func hashByOID(id oid) crypto.Hash {
	for _, d := range digestTable {
		if d.id == id {
			return d.hash
		}
	}
	return 0
}

// hashOID returns "" for an unknown digest.
func hashOID(h crypto.Hash) oid {
	for _, d := range digestTable {
		if d.hash == h {
			return d.id
		}
	}
	return ""
}

// algorithmOID returns the identifier in an AlgorithmIdentifier and a reader
// of its parameters.
func algorithmOID(d *der) (oid, der, error) {
	seq, err := d.want(tagSequence)
	if err != nil {
		return "", der{}, err
	}
	in := seq.inside()
	id, err := in.want(tagOID)
	return oid(id.content), in, err
}

func parsePSS(d der) (*pssParams, bool) {
	p := &pssParams{hash: crypto.SHA1, mgf: crypto.SHA1, salt: 20}
	seq, err := d.want(tagSequence)
	if err != nil {
		return nil, false
	}
	in := seq.inside()
	if v, ok, _ := in.optional(0); ok {
		x := v.inside()
		id, _, err := algorithmOID(&x)
		if p.hash = hashByOID(id); err != nil || p.hash == 0 {
			return nil, false
		}
	}
	if v, ok, _ := in.optional(1); ok {
		x := v.inside()
		id, params, err := algorithmOID(&x)
		if err != nil || id != oidMGF1 {
			return nil, false
		}
		id, _, err = algorithmOID(&params)
		if p.mgf = hashByOID(id); err != nil || p.mgf == 0 {
			return nil, false
		}
	}
	if v, ok, _ := in.optional(2); ok {
		x := v.inside()
		n, err := x.want(tagInteger)
		if err != nil || len(n.content) > 2 {
			return nil, false
		}
		p.salt = int(bigInt(n.content).Int64())
	}
	return p, p.salt >= 0
}

var (
	errBadSignature = errors.New("the signature does not match")
	errNoVerifier   = errors.New("no way to check the signature")
)

// check verifies a signature over message. The error says whether it is wrong
// or cannot be checked (ErrNotSupported).
func (k *PublicKey) check(alg SignatureAlgorithm, message, sig []byte) error {
	if !k.usable() {
		return fmt.Errorf("%w: %s key %s", errNoVerifier, k.Type, k.Problem)
	}
	switch {
	case alg.keyType == "RSA" && k.Type == "RSA", alg.keyType == "RSA-PSS" && (k.Type == "RSA" || k.Type == "RSA-PSS"):
		return k.checkRSA(alg, message, sig)
	case alg.keyType != k.Type:
		return fmt.Errorf("%w: a %s key did not make a %s signature", errBadSignature, k.Type, alg.Name)
	case k.Type == "Ed25519":
		return verdict(ed25519.Verify(k.Key.(ed25519.PublicKey), message, sig))
	case k.Type == "Ed448":
		return verdict(verifyEd448(k.opaque, message, sig))
	}
	digest, err := digestOf(alg.hash, message)
	if err != nil {
		return fmt.Errorf("%w: %s", err, alg.Name)
	}
	r, s, ok := integerPair(sig)
	if !ok {
		return fmt.Errorf("%w: it is not a pair of INTEGERs", errBadSignature)
	}
	if k.Type == "DSA" {
		key := k.Key.(*dsa.PublicKey)
		size := min((k.qBits+7)/8, len(digest))
		return verdict(dsa.Verify(key, digest[:size], r, s))
	}
	if key, ok := k.Key.(*ecdsa.PublicKey); ok {
		return verdict(ecdsa.Verify(key, digest, r, s))
	}
	return verdict(k.curve.verify(k.x, k.y, digest, r, s))
}

func verdict(ok bool) error {
	if ok {
		return nil
	}
	return errBadSignature
}

func digestOf(h crypto.Hash, message []byte) ([]byte, error) {
	if h == 0 || !h.Available() {
		return nil, errNoVerifier
	}
	w := h.New()
	w.Write(message)
	return w.Sum(nil), nil
}

func integerPair(sig []byte) (r, s *big.Int, ok bool) {
	seq, err := parseDER(sig, tagSequence)
	if err != nil || len(sig) > 512 {
		return nil, nil, false
	}
	d := seq.inside()
	a, err1 := d.want(tagInteger)
	b, err2 := d.want(tagInteger)
	if err1 != nil || err2 != nil || !d.empty() {
		return nil, nil, false
	}
	return bigInt(a.content), bigInt(b.content), true
}

// checkRSA does the arithmetic itself: Go's rsa refuses small keys, large
// exponents and odd lengths, all of which must be judged here.
func (k *PublicKey) checkRSA(alg SignatureAlgorithm, message, sig []byte) error {
	if k.Bits > maxRSABits || k.Bits > 3072 && k.Exponent.BitLen() > 64 {
		return fmt.Errorf("%w: the RSA key is too large", errNoVerifier)
	}
	digest, err := digestOf(alg.hash, message)
	if err != nil {
		return fmt.Errorf("%w: %s", err, alg.Name)
	}
	s := new(big.Int).SetBytes(sig)
	if s.Cmp(k.x) >= 0 || len(sig) != (k.Bits+7)/8 {
		return errBadSignature
	}
	em := s.Exp(s, k.Exponent, k.x)
	if alg.pss != nil {
		return verdict(verifyPSS(em, k.Bits-1, digest, alg.pss))
	}
	want, ok := pkcs1Padding(alg.hash, digest, (k.Bits+7)/8)
	return verdict(ok && bytes.Equal(em.FillBytes(make([]byte, len(want))), want))
}

// pkcs1Padding is EMSA-PKCS1-v1_5 (RFC 8017, section 9.2).
func pkcs1Padding(h crypto.Hash, digest []byte, size int) ([]byte, bool) {
	id := hashOID(h)
	if id == "" {
		return nil, false
	}
	alg := append(appendTLV(nil, tagOID, []byte(id)), tagNull, 0)
	info := appendTLV(nil, tagSequence|0x20, alg)
	t := appendTLV(nil, tagSequence|0x20, appendTLV(info, tagOctetString, digest))
	if size < len(t)+11 {
		return nil, false
	}
	em := bytes.Repeat([]byte{0xff}, size)
	em[0], em[1], em[size-len(t)-1] = 0, 1, 0
	copy(em[size-len(t):], t)
	return em, true
}

// verifyPSS is EMSA-PSS-VERIFY (RFC 8017, section 9.1.2).
func verifyPSS(m *big.Int, emBits int, digest []byte, p *pssParams) bool {
	size, hLen := (emBits+7)/8, len(digest)
	if m.BitLen() > emBits || size < hLen+p.salt+2 {
		return false
	}
	em := m.FillBytes(make([]byte, size))
	db, h := em[:size-hLen-1], em[size-hLen-1:size-1]
	if em[size-1] != 0xbc {
		return false
	}
	maskMGF1(db, h, p.mgf)
	db[0] &= 0xff >> (8*size - emBits)
	pad := len(db) - p.salt - 1
	for _, b := range db[:pad] {
		if b != 0 {
			return false
		}
	}
	w := p.hash.New()
	w.Write(make([]byte, 8))
	w.Write(digest)
	w.Write(db[pad+1:])
	return db[pad] == 1 && bytes.Equal(w.Sum(nil), h)
}

// maskMGF1 xors out with the mask made of seed (RFC 8017, appendix B.2.1).
func maskMGF1(out, seed []byte, hash crypto.Hash) {
	for i, n := 0, 0; i < len(out); n++ {
		w := hash.New()
		w.Write(seed)
		w.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		for _, b := range w.Sum(nil) {
			if i == len(out) {
				return
			}
			out[i] ^= b
			i++
		}
	}
}

// CheckSignature verifies that the holder of key signed c. It returns nil, or
// an error that says whether the signature is wrong or cannot be checked.
func (c *Certificate) CheckSignature(key *PublicKey) error {
	if !bytes.Equal(c.innerAlg, c.outerAlg) {
		return fmt.Errorf("%w: the two signature algorithms differ", errBadSignature)
	}
	return key.check(c.SignatureAlgorithm, c.tbs, c.Signature)
}
