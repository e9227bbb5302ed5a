package tlsx

import (
	"crypto/dsa" //lint:ignore SA1019 certificates with DSA keys are still judged
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// publicHalf returns the SubjectPublicKeyInfo that belongs to a private key in
// PKCS #8, PKCS #1 or SEC 1 form, whatever its kind; Go's own parser knows
// fewer kinds.
func publicHalf(raw []byte) ([]byte, error) {
	seq, err := parseDER(raw, tagSequence)
	if err != nil {
		return nil, err
	}
	kids, err := seq.children(16)
	if err != nil || len(kids) < 3 || !kids[0].is(tagInteger) {
		return nil, errors.New("not a private key")
	}
	switch {
	case kids[1].is(tagSequence) && kids[2].is(tagOctetString):
		return publicOfPKCS8(kids)
	case kids[1].is(tagOctetString):
		return publicOfEC(kids, nil)
	case len(kids) >= 9 && kids[1].is(tagInteger):
		return publicOfRSA(kids, nil)
	case len(kids) == 6 && kids[1].is(tagInteger):
		return publicOfDSA(kids)
	}
	return nil, errors.New("private key of an unknown form")
}

func publicOfPKCS8(kids []tlv) ([]byte, error) {
	alg := kids[1]
	in := alg.inside()
	id, err := in.want(tagOID)
	if err != nil {
		return nil, err
	}
	for _, k := range kids[3:] { // the public key of RFC 5958
		if k.isContext(1) && len(k.content) > 1 {
			return spkiOf(alg.full, k.content[1:]), nil
		}
	}
	switch oid(id.content) {
	case oidRSA, oidRSAPSS:
		inner, err := parseDER(kids[2].content, tagSequence)
		if err != nil {
			return nil, err
		}
		nums, err := inner.children(16)
		if err != nil || len(nums) < 3 {
			return nil, errors.New("RSA key: malformed")
		}
		return publicOfRSA(nums, alg.full)
	case oidEC:
		inner, err := parseDER(kids[2].content, tagSequence)
		if err != nil {
			return nil, err
		}
		parts, err := inner.children(8)
		if err != nil || len(parts) < 2 {
			return nil, errors.New("EC key: malformed")
		}
		return publicOfEC(parts, alg.full)
	case oidDSA:
		x, err := parseDER(kids[2].content, tagInteger)
		if err != nil {
			return nil, err
		}
		pqg, err := in.want(tagSequence)
		if err != nil {
			return nil, err
		}
		nums, err := pqg.children(3)
		if err != nil || len(nums) != 3 {
			return nil, errors.New("DSA key: malformed")
		}
		p, g := bigInt(nums[0].content), bigInt(nums[2].content)
		if p.BitLen() > maxRSABits || p.Sign() <= 0 || len(x.content) > 64 {
			return nil, errors.New("DSA key: out of range")
		}
		y := new(big.Int).Exp(g, bigInt(x.content), p)
		return spkiOf(alg.full, appendTLV(nil, tagInteger, intOctets(y))), nil
	}
	return publicOfSeed(oid(id.content), alg.full, kids[2].content)
}

// publicOfSeed handles the keys that are a string of octets (RFC 8410).
func publicOfSeed(id oid, alg, wrapped []byte) ([]byte, error) {
	seed, err := parseDER(wrapped, tagOctetString)
	if err != nil {
		return nil, err
	}
	switch {
	case id == oidEd25519 && len(seed.content) == 32:
		return spkiOf(alg, ed25519.NewKeyFromSeed(seed.content)[32:]), nil
	case id == oidX25519:
		k, err := ecdh.X25519().NewPrivateKey(seed.content)
		if err != nil {
			return nil, err
		}
		return spkiOf(alg, k.PublicKey().Bytes()), nil
	case id == oidEd448 && len(seed.content) == 57:
		return spkiOf(alg, publicEd448(seed.content)), nil
	}
	return nil, fmt.Errorf("private key of the kind %s", id.short())
}

// publicEd448 makes a public key (RFC 8032, section 5.2.5).
func publicEd448(seed []byte) []byte {
	h := make([]byte, 114)
	x := sha3.NewSHAKE256()
	x.Write(seed)
	x.Read(h)
	h[0] &= 0xfc
	h[55] |= 0x80
	h[56] = 0
	e := ed448()
	p := e.scalarMul(littleEndian(h[:57]), edPoint{e.bx, e.by, big.NewInt(1)})
	zi := new(big.Int).ModInverse(p.z, e.p)
	out := e.mul(p.y, zi).FillBytes(make([]byte, 57))
	slices.Reverse(out)
	out[56] |= byte(e.mul(p.x, zi).Bit(0)) << 7
	return out
}

// publicOfRSA takes modulus and exponent out of an RSAPrivateKey.
func publicOfRSA(nums []tlv, alg []byte) ([]byte, error) {
	if alg == nil {
		alg = appendTLV(nil, tagSequence|0x20, append(appendTLV(nil, tagOID, []byte(oidRSA)), tagNull, 0))
	}
	body := append(slices.Clone(nums[1].full), nums[2].full...)
	return spkiOf(alg, appendTLV(nil, tagSequence|0x20, body)), nil
}

func publicOfDSA(nums []tlv) ([]byte, error) {
	params := slices.Concat(nums[1].full, nums[2].full, nums[3].full)
	alg := append(appendTLV(nil, tagOID, []byte(oidDSA)), appendTLV(nil, tagSequence|0x20, params)...)
	return spkiOf(appendTLV(nil, tagSequence|0x20, alg), nums[4].full), nil
}

// publicOfEC reads an ECPrivateKey (RFC 5915): its public key, or the multiple
// of the base point when that is left out.
func publicOfEC(parts []tlv, alg []byte) ([]byte, error) {
	var params, public []byte
	for _, p := range parts[2:] {
		switch {
		case p.isContext(0):
			params = p.content
		case p.isContext(1):
			in := p.inside()
			if bits, err := in.want(tagBitString); err == nil && len(bits.content) > 1 {
				public = bits.content[1:]
			}
		}
	}
	if alg == nil {
		if params == nil {
			return nil, errors.New("EC key without a curve")
		}
		alg = appendTLV(nil, tagSequence|0x20, append(appendTLV(nil, tagOID, []byte(oidEC)), params...))
	}
	if public != nil {
		return spkiOf(alg, public), nil
	}
	c := curveOfAlgorithm(alg)
	if c == nil {
		return nil, errors.New("EC key of an unsupported curve, without the public key")
	}
	return spkiOf(alg, c.publicPoint(new(big.Int).SetBytes(parts[1].content))), nil
}

func curveOfAlgorithm(alg []byte) *curve {
	d := der{b: alg}
	_, params, err := algorithmOID(&d)
	if err != nil {
		return nil
	}
	p, err := params.next()
	switch {
	case err != nil:
		return nil
	case p.is(tagSequence):
		return explicitCurve(p)
	}
	return curvesByOID()[oid(p.content)]
}

// publicPoint returns the encoded point d·G.
func (c *curve) publicPoint(d *big.Int) []byte {
	sum := jacobian{new(big.Int), big.NewInt(1), new(big.Int)}
	g := jacobian{c.gx, c.gy, big.NewInt(1)}
	for i := d.BitLen() - 1; i >= 0; i-- {
		if sum = c.double(sum); d.Bit(i) == 1 {
			sum = c.add(sum, g)
		}
	}
	if sum.z.Sign() == 0 {
		return []byte{0}
	}
	zi := new(big.Int).ModInverse(sum.z, c.p)
	zi2 := c.mul(zi, zi)
	return c.encode(c.mul(sum.x, zi2), c.mul(sum.y, c.mul(zi2, zi)))
}

func spkiOf(alg, public []byte) []byte {
	body := append(slices.Clone(alg), appendTLV(nil, tagBitString, append([]byte{0}, public...))...)
	return appendTLV(nil, tagSequence|0x20, body)
}

func intOctets(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) == 0 || b[0] >= 0x80 {
		b = append([]byte{0}, b...)
	}
	return b
}

// A PrivateKeyInfo tells of a private key what its public half is; the secret
// itself is not kept.
type PrivateKeyInfo struct {
	// Encrypted says that the key was encrypted; without its password
	// PublicKey is empty.
	Encrypted bool
	PublicKey PublicKey

	spki []byte
}

// Pin returns the SHA-256 of the public half in base64, "" when it is not
// known. It equals [Certificate.Pin] of a certificate for the key.
func (k *PrivateKeyInfo) Pin() string { return pinOf(k.spki) }

func pinOf(spki []byte) string {
	if spki == nil {
		return ""
	}
	sum := sha256.Sum256(spki)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Matches reports whether c is a certificate for the key.
func (k *PrivateKeyInfo) Matches(c *Certificate) bool {
	return k.PublicKey.sameKey(&c.PublicKey)
}

// Matches reports whether c certifies the key of the request.
func (r *Request) Matches(c *Certificate) bool { return r.PublicKey.sameKey(&c.PublicKey) }

// sameKey compares keys by value: the encoding may differ.
func (k *PublicKey) sameKey(l *PublicKey) bool {
	rsa := func(t string) bool { return t == "RSA" || t == "RSA-PSS" }
	switch {
	case k.Problem != "" || l.Problem != "" || k.Type == "":
		return false
	case rsa(k.Type) && rsa(l.Type):
		return k.x.Cmp(l.x) == 0 && k.Exponent.Cmp(l.Exponent) == 0
	case k.Type != l.Type:
		return false
	case k.Type == "EC":
		return k.curve == l.curve && k.x.Cmp(l.x) == 0 && k.y.Cmp(l.y) == 0
	case k.Type == "DSA":
		a, b := k.Key.(*dsa.PublicKey), l.Key.(*dsa.PublicKey)
		return a.Y.Cmp(b.Y) == 0 && a.P.Cmp(b.P) == 0 && a.G.Cmp(b.G) == 0
	}
	return string(k.opaque) == string(l.opaque)
}

// parsePrivateKeyInfo reads a private key of a PEM block or a file.
func parsePrivateKeyInfo(b pemBlock, open *opener) (*PrivateKeyInfo, error) {
	k := &PrivateKeyInfo{}
	raw := b.data
	var err error
	switch headers := headerMap(b.headers); {
	case headers["DEK-Info"] != "":
		k.Encrypted = true
		raw, err = decryptTraditional(&pem.Block{Type: b.typ, Headers: headers, Bytes: raw}, open)
	case isEncryptedPKCS8(raw):
		k.Encrypted = true
		var pass []byte
		if pass, err = open.password(); err == nil {
			raw, err = decryptPKCS8(raw, pass)
		}
	}
	if err != nil {
		return k, err
	}
	if k.spki, err = publicHalf(raw); err != nil {
		return k, err
	}
	var bad defects
	v, err := parseDER(k.spki, tagSequence)
	if err != nil {
		return k, err
	}
	k.PublicKey = parseSPKI(v, &bad)
	return k, nil
}

func headerMap(lines []string) map[string]string {
	m := make(map[string]string, len(lines))
	for _, l := range lines {
		if k, v, ok := strings.Cut(l, ":"); ok {
			m[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return m
}
