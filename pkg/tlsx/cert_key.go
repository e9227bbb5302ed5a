package tlsx

import (
	"crypto"
	"crypto/dsa" //lint:ignore SA1019 certificates with DSA keys are still judged
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math"
	"math/big"
)

// A PublicKey is the key of a certificate or a request.
type PublicKey struct {
	// Type is RSA, RSA-PSS, EC, DSA, Ed25519, Ed448, X25519, X448, ML-DSA-44 ...,
	// or the dotted object identifier of something else.
	Type string
	// Bits is the size: of the modulus, of the curve's order.
	Bits int
	// Curve is the name of an elliptic curve, "" for others.
	Curve string
	// Explicit says that the curve is given by its parameters, not by name.
	Explicit bool
	// Exponent is the public exponent of an RSA key, nil for others.
	Exponent *big.Int
	// Key is the key for Go's crypto packages, nil when they have no such
	// kind.
	Key crypto.PublicKey
	// Problem says why the key is of no use, "" when it is.
	Problem string

	id     oid
	curve  *curve
	x, y   *big.Int
	qBits  int    // of a DSA key
	opaque []byte // the octets of a key of a kind that needs no decoding
	pss    *pssParams
}

// parseSPKI reads a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
func parseSPKI(v tlv, bad *defects) PublicKey {
	var k PublicKey
	d := v.inside()
	alg, err := d.want(tagSequence)
	if err == nil {
		in := alg.inside()
		var id tlv
		if id, err = in.want(tagOID); err == nil {
			k.id = oid(id.content)
			k.Type = k.id.short()
			var bits tlv
			if bits, err = d.want(tagBitString); err == nil {
				k.decode(in, bitString(bits, "public key", bad))
			}
		}
	}
	if err != nil {
		k.Problem = err.Error()
	}
	if k.Problem != "" {
		bad.add(v.off, "public key", k.Problem)
	}
	return k
}

// decode reads the key, params being what follows the algorithm's identifier.
func (k *PublicKey) decode(params der, b []byte) {
	switch k.id {
	case oidRSA:
		k.Type = "RSA"
		k.decodeRSA(b)
	case oidRSAPSS:
		k.Type = "RSA-PSS"
		if p, ok := parsePSS(params); ok {
			k.pss = p
		}
		k.decodeRSA(b)
	case oidEC:
		k.Type = "EC"
		k.decodeEC(params, b)
	case oidDSA:
		k.Type = "DSA"
		k.decodeDSA(params, b)
	case oidEd25519:
		k.Type = "Ed25519"
		if k.decodeOpaque(b, 32, 256) {
			k.Key = ed25519.PublicKey(b)
		}
	case oidEd448:
		k.Type = "Ed448"
		k.decodeOpaque(b, 57, 456)
	case oidX25519:
		k.decodeOpaque(b, 32, 253)
	case oidX448:
		k.decodeOpaque(b, 56, 448)
	default:
		k.opaque = b
		k.Bits = len(b) * 8
	}
}

func (k *PublicKey) decodeOpaque(b []byte, size, bits int) bool {
	k.Bits, k.opaque = bits, b
	if len(b) != size {
		k.Problem = fmt.Sprintf("%s key of %d octets, want %d", k.Type, len(b), size)
	}
	return len(b) == size
}

// maxRSABits is the largest modulus a signature is checked with; OpenSSL's
// limit. It bounds the work a hostile certificate can ask for.
const maxRSABits = 16384

// maxDSASubgroup bounds the order of a DSA key's generator, in bits.
const maxDSASubgroup = 512

func (k *PublicKey) decodeRSA(b []byte) {
	seq, err := parseDER(b, tagSequence)
	if err != nil {
		k.Problem = "RSA key: " + err.Error()
		return
	}
	d := seq.inside()
	n, err1 := d.want(tagInteger)
	e, err2 := d.want(tagInteger)
	if err1 != nil || err2 != nil || len(n.content) > maxCertificate/8 {
		k.Problem = "RSA key: want two INTEGERs"
		return
	}
	modulus := bigInt(n.content)
	k.Bits, k.Exponent = modulus.BitLen(), bigInt(e.content)
	switch {
	case modulus.Sign() <= 0:
		k.Problem = "RSA modulus is not positive"
	case k.Exponent.Sign() <= 0 || k.Exponent.Bit(0) == 0 || k.Exponent.Cmp(big.NewInt(1)) == 0:
		k.Problem = "RSA exponent is not an odd number above 1"
	}
	if k.Problem == "" && k.Exponent.BitLen() <= 31 && k.Bits <= maxRSABits {
		k.Key = &rsa.PublicKey{N: modulus, E: int(k.Exponent.Int64())}
	}
	k.x = modulus
}

func (k *PublicKey) decodeEC(params der, b []byte) {
	p, err := params.next()
	switch {
	case err != nil:
		k.Problem = "EC key without a curve"
		return
	case p.is(tagOID):
		k.curve = curvesByOID()[oid(p.content)]
		k.Curve = oid(p.content).short()
	case p.is(tagSequence):
		k.Explicit = true
		k.curve = explicitCurve(p)
		k.Curve = "explicit parameters"
	}
	if k.curve == nil {
		k.Problem = "unsupported curve " + k.Curve
		return
	}
	k.Curve, k.Bits = k.curve.name, k.curve.n.BitLen()
	if k.x, k.y = k.curve.point(b); k.x == nil {
		k.Problem = "not a point of " + k.Curve
		return
	}
	if std := stdCurve(k.Curve); std != nil {
		if key, err := ecdsa.ParseUncompressedPublicKey(std, k.curve.encode(k.x, k.y)); err == nil {
			k.Key = key
		}
	}
}

func stdCurve(name string) elliptic.Curve {
	switch name {
	case "P-224":
		return elliptic.P224()
	case "P-256":
		return elliptic.P256()
	case "P-384":
		return elliptic.P384()
	case "P-521":
		return elliptic.P521()
	}
	return nil
}

// explicitCurve finds the known curve that ECParameters (RFC 3279, section
// 2.3.5) spell out.
func explicitCurve(v tlv) *curve {
	kids, err := v.children(8)
	if err != nil || len(kids) < 5 || !kids[1].is(tagSequence) || !kids[2].is(tagSequence) {
		return nil
	}
	field, err1 := kids[1].children(2)
	coeff, err2 := kids[2].children(3)
	base := kids[3].content
	if err1 != nil || err2 != nil || len(field) != 2 || len(coeff) < 2 || len(base) < 2 {
		return nil
	}
	size := len(base) - 1
	if base[0] == 4 || base[0]&^1 == 6 {
		size /= 2
	}
	return curveOf(bigInt(field[1].content), new(big.Int).SetBytes(coeff[0].content),
		new(big.Int).SetBytes(coeff[1].content), new(big.Int).SetBytes(base[1:1+size]), bigInt(kids[4].content))
}

func (k *PublicKey) decodeDSA(params der, b []byte) {
	seq, err := params.want(tagSequence)
	if err != nil {
		k.Problem = "DSA key without parameters"
		return
	}
	pqg, err1 := seq.children(3)
	y, err2 := parseDER(b, tagInteger)
	if err1 != nil || err2 != nil || len(pqg) != 3 {
		k.Problem = "DSA key: malformed"
		return
	}
	key := &dsa.PublicKey{Y: bigInt(y.content)}
	key.P, key.Q, key.G = bigInt(pqg[0].content), bigInt(pqg[1].content), bigInt(pqg[2].content)
	k.Bits, k.qBits = key.P.BitLen(), key.Q.BitLen()
	if key.P.Sign() <= 0 || key.Q.Sign() <= 0 || key.G.Sign() <= 0 || key.Y.Sign() <= 0 || k.Bits > maxRSABits || k.qBits > maxDSASubgroup {
		k.Problem = "DSA key: numbers out of range"
		return
	}
	k.Key = key
}

// String returns the kind and size of the key, such as "RSA 2048" or "EC P-256".
func (k PublicKey) String() string {
	switch {
	case k.Type == "EC":
		return "EC " + k.Curve
	case k.Type == "RSA" || k.Type == "RSA-PSS" || k.Type == "DSA":
		return fmt.Sprintf("%s %d", k.Type, k.Bits)
	case k.Type == "":
		return "unreadable"
	}
	return k.Type
}

// usable reports whether OpenSSL would find a key here: one that decodes.
func (k *PublicKey) usable() bool {
	if k.Problem != "" {
		return false
	}
	switch k.Type {
	case "RSA", "RSA-PSS", "EC", "DSA", "Ed25519", "Ed448", "X25519", "X448":
		return true
	}
	return false
}

// SecurityBits estimates the strength of the key as OpenSSL does (NIST SP
// 800-57 and the number field sieve's cost); 0 when it cannot be used.
func (k *PublicKey) SecurityBits() int {
	if !k.usable() {
		return 0
	}
	switch k.Type {
	case "RSA", "RSA-PSS":
		return sieveBits(k.Bits)
	case "DSA":
		return min(sieveTable(k.Bits), k.qBits/2)
	case "Ed25519", "X25519":
		return 128
	case "Ed448", "X448":
		return 224
	}
	return curveBits(k.Bits)
}

func curveBits(order int) int {
	for _, bits := range [...]int{256, 192, 128, 112, 80} {
		if order >= 2*bits {
			return bits
		}
	}
	return order / 2
}

func sieveTable(n int) int {
	switch {
	case n >= 15360:
		return 256
	case n >= 7680:
		return 192
	case n >= 3072:
		return 128
	case n >= 2048:
		return 112
	case n >= 1024:
		return 80
	}
	return 0
}

// sieveBits is the formula of SP 800-56B rev 2, appendix D, rounded to a
// multiple of eight.
func sieveBits(n int) int {
	switch n {
	case 2048:
		return 112
	case 3072:
		return 128
	case 4096:
		return 152
	case 6144:
		return 176
	case 8192:
		return 200
	}
	if n < 8 {
		return 0
	}
	ceiling := 1200
	switch {
	case n <= 7680:
		ceiling = 192
	case n <= 15360:
		ceiling = 256
	}
	x := float64(n) * math.Ln2
	y := (1.923*math.Cbrt(x*math.Log(x)*math.Log(x)) - 4.69) / math.Ln2
	return min((int(y)+4)&^7, ceiling)
}
