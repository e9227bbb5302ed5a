package dnsq

import (
	"bytes"
	"crypto/sha3"
	"math/big"
	"slices"
	"sync"
)

// Ed448 (RFC 8032 section 5.2) signs with DNSSEC algorithm 16 (RFC 8080). Go's
// library lacks it. Only what checks a signature is here: it handles no secret,
// so it need not take the same time for every input.
const (
	ed448PublicKeySize = 57
	ed448SignatureSize = 114
)

// An ed448Curve holds the constants of the curve x²+y² = 1+dx²y² modulo p.
type ed448Curve struct {
	p, d, order *big.Int
	sqrt        *big.Int // (p-3)/4, the exponent that makes square roots
	base        ed448Point
}

// An ed448Point is (x/z, y/z).
type ed448Point struct{ x, y, z *big.Int }

var ed448 = sync.OnceValue(func() *ed448Curve {
	number := func(digits string) *big.Int {
		n, ok := new(big.Int).SetString(digits, 10)
		if !ok {
			panic("ed448: bad constant") // the tests use them all
		}
		return n
	}
	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, 448)
	p.Sub(p, new(big.Int).Lsh(one, 224)).Sub(p, one)
	order := new(big.Int).Lsh(one, 446)
	order.Sub(order, number("13818066809895115352007386748515426880336692474882178609894547503885"))
	return &ed448Curve{
		p: p, d: new(big.Int).Sub(p, big.NewInt(39081)), order: order,
		sqrt: new(big.Int).Rsh(new(big.Int).Sub(p, big.NewInt(3)), 2),
		base: ed448Point{
			number("224580040295924300187604334099896036246789641632564134246125461686950415467406032909029192869357953282578032075146446173674602635247710"),
			number("298819210078481492676017930443930673437544040154080242095928241372331506189835876003536878655418784733982303233503462500531545062832660"),
			one,
		},
	}
})

// verifyEd448 reports whether sig is the signature of message by the key public,
// without context (RFC 8032 section 5.2.7).
func verifyEd448(public, message, sig []byte) bool {
	c := ed448()
	if len(public) != ed448PublicKeySize || len(sig) != ed448SignatureSize || sig[ed448SignatureSize-1] != 0 {
		return false
	}
	key, ok := c.decode(public)
	if !ok {
		return false
	}
	r, s := sig[:ed448PublicKeySize], littleEndian(sig[ed448PublicKeySize:])
	if s.Cmp(c.order) >= 0 {
		return false
	}
	h := sha3.NewSHAKE256()
	_, _ = h.Write([]byte("SigEd448\x00\x00")) // a hash takes everything
	for _, part := range [][]byte{r, public, message} {
		_, _ = h.Write(part)
	}
	digest := make([]byte, ed448SignatureSize)
	_, _ = h.Read(digest)
	k := littleEndian(digest)
	key.x.Sub(c.p, key.x)
	// R = sB - kA, where A is the key.
	return bytes.Equal(r, c.encode(c.combine(s, c.base, k.Mod(k, c.order), key)))
}

// littleEndian is the number in b, its least octet first.
func littleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func (c *ed448Curve) mul(a, b *big.Int) *big.Int {
	n := new(big.Int).Mul(a, b)
	return n.Mod(n, c.p)
}

// decode reads a point: y, and the least bit of x as the first of the last octet
// (RFC 8032 section 5.2.3).
func (c *ed448Curve) decode(b []byte) (ed448Point, bool) {
	last := b[ed448PublicKeySize-1]
	y := littleEndian(b[:ed448PublicKeySize-1])
	if last&0x7f != 0 || y.Cmp(c.p) >= 0 {
		return ed448Point{}, false
	}
	// x² = u/v, and x = u³v (u⁵v³)^((p-3)/4) when there is one.
	one := big.NewInt(1)
	yy := c.mul(y, y)
	u, v := new(big.Int).Sub(yy, one), new(big.Int).Sub(c.mul(c.d, yy), one)
	u.Mod(u, c.p)
	v.Mod(v, c.p)
	uuuv := c.mul(c.mul(c.mul(u, u), u), v)
	x := new(big.Int).Exp(c.mul(c.mul(uuuv, c.mul(u, u)), c.mul(v, v)), c.sqrt, c.p)
	x = c.mul(x, uuuv)
	negative := last>>7 != 0
	if c.mul(c.mul(x, x), v).Cmp(u) != 0 || x.Sign() == 0 && negative {
		return ed448Point{}, false
	}
	if negative != (x.Bit(0) == 1) {
		x.Sub(c.p, x)
	}
	return ed448Point{x, y, one}, true
}

// encode is the reverse of decode.
func (c *ed448Curve) encode(p ed448Point) []byte {
	inverse := new(big.Int).ModInverse(p.z, c.p)
	x, y := c.mul(p.x, inverse), c.mul(p.y, inverse)
	b := make([]byte, ed448PublicKeySize)
	slices.Reverse(y.FillBytes(b[:ed448PublicKeySize-1]))
	b[ed448PublicKeySize-1] = byte(x.Bit(0) << 7)
	return b
}

// combine is mP + nQ.
func (c *ed448Curve) combine(m *big.Int, p ed448Point, n *big.Int, q ed448Point) ed448Point {
	both := c.add(p, q)
	sum := ed448Point{big.NewInt(0), big.NewInt(1), big.NewInt(1)}
	for i := max(m.BitLen(), n.BitLen()) - 1; i >= 0; i-- {
		sum = c.double(sum)
		switch {
		case m.Bit(i) == 1 && n.Bit(i) == 1:
			sum = c.add(sum, both)
		case m.Bit(i) == 1:
			sum = c.add(sum, p)
		case n.Bit(i) == 1:
			sum = c.add(sum, q)
		}
	}
	return sum
}

// add and double are the formulas of RFC 8032 section 5.2.4.
func (c *ed448Curve) add(p, q ed448Point) ed448Point {
	a := c.mul(p.z, q.z)
	b := c.mul(a, a)
	cc, d := c.mul(p.x, q.x), c.mul(p.y, q.y)
	e := c.mul(c.d, c.mul(cc, d))
	f, g := new(big.Int).Sub(b, e), new(big.Int).Add(b, e)
	h := c.mul(new(big.Int).Add(p.x, p.y), new(big.Int).Add(q.x, q.y))
	h.Sub(h, cc).Sub(h, d)
	return ed448Point{c.mul(c.mul(a, f), h), c.mul(c.mul(a, g), d.Sub(d, cc)), c.mul(f, g)}
}

func (c *ed448Curve) double(p ed448Point) ed448Point {
	b := new(big.Int).Add(p.x, p.y)
	b = c.mul(b, b)
	cc, d, h := c.mul(p.x, p.x), c.mul(p.y, p.y), c.mul(p.z, p.z)
	e := new(big.Int).Add(cc, d)
	j := new(big.Int).Sub(e, h.Lsh(h, 1))
	return ed448Point{c.mul(b.Sub(b, e), j), c.mul(e, cc.Sub(cc, d)), c.mul(e, j)}
}
