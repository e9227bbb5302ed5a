package tlsx

import (
	"crypto/sha3"
	"math/big"
	"slices"
	"sync"
)

// Ed448 (RFC 8032, section 5.2): only verification, with public values, so the
// arithmetic need not take constant time.
type ed448Params struct{ p, d, l, bx, by *big.Int }

var ed448 = sync.OnceValue(func() *ed448Params {
	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, 448)
	p.Sub(p, new(big.Int).Lsh(one, 224)).Sub(p, one)
	l := new(big.Int).Lsh(one, 446)
	l.Sub(l, hexInt("8335DC163BB124B65129C96FDE933D8D723A70AADC873D6D54A7BB0D"))
	bx, _ := new(big.Int).SetString("224580040295924300187604334099896036246789641632564134246125461686950415467406032909029192869357953282578032075146446173674602635247710", 10)
	by, _ := new(big.Int).SetString("298819210078481492676017930443930673437544040154080242095928241372331506189835876003536878655418784733982303233503462500531545062832660", 10)
	return &ed448Params{p: p, d: new(big.Int).Sub(p, big.NewInt(39081)), l: l, bx: bx, by: by}
})

// An edPoint stands for (x/z, y/z).
type edPoint struct{ x, y, z *big.Int }

func (e *ed448Params) mul(a, b *big.Int) *big.Int {
	r := new(big.Int).Mul(a, b)
	return r.Mod(r, e.p)
}

// add is the projective addition of RFC 8032, section 5.2.4; it is complete.
func (e *ed448Params) add(p, q edPoint) edPoint {
	a := e.mul(p.z, q.z)
	b, c, d := e.mul(a, a), e.mul(p.x, q.x), e.mul(p.y, q.y)
	k := e.mul(e.mul(e.d, c), d)
	f, g := new(big.Int).Sub(b, k), new(big.Int).Add(b, k)
	h := e.mul(new(big.Int).Add(p.x, p.y), new(big.Int).Add(q.x, q.y))
	h.Sub(h, c).Sub(h, d)
	return edPoint{e.mul(e.mul(a, f), h), e.mul(e.mul(a, g), d.Sub(d, c)), e.mul(f, g)}
}

func (e *ed448Params) scalarMul(k *big.Int, p edPoint) edPoint {
	r := edPoint{new(big.Int), big.NewInt(1), big.NewInt(1)}
	for i := k.BitLen() - 1; i >= 0; i-- {
		r = e.add(r, r)
		if k.Bit(i) == 1 {
			r = e.add(r, p)
		}
	}
	return r
}

// decode reads a point (section 5.2.3): x² = (y² - 1) / (d·y² - 1).
func (e *ed448Params) decode(b []byte) (edPoint, bool) {
	le := slices.Clone(b)
	slices.Reverse(le)
	sign := uint(le[0] >> 7)
	le[0] &= 0x7f
	y := new(big.Int).SetBytes(le)
	if y.Cmp(e.p) >= 0 {
		return edPoint{}, false
	}
	one := big.NewInt(1)
	y2 := e.mul(y, y)
	den := e.mul(e.d, y2)
	inv := new(big.Int).ModInverse(den.Sub(den, one), e.p)
	if inv == nil {
		return edPoint{}, false
	}
	x2 := e.mul(y2.Sub(y2, one).Mod(y2, e.p), inv)
	x := new(big.Int).ModSqrt(x2, e.p)
	if x == nil || x.Sign() == 0 && sign == 1 {
		return edPoint{}, false
	}
	if x.Bit(0) != sign {
		x.Sub(e.p, x)
	}
	return edPoint{x, y, one}, true
}

// verifyEd448 checks an Ed448 signature without context (section 5.2.7).
func verifyEd448(key, message, sig []byte) bool {
	if len(key) != 57 || len(sig) != 114 {
		return false
	}
	e := ed448()
	a, ok1 := e.decode(key)
	r, ok2 := e.decode(sig[:57])
	s := littleEndian(sig[57:])
	if !ok1 || !ok2 || s.Cmp(e.l) >= 0 {
		return false
	}
	h := sha3.NewSHAKE256()
	h.Write([]byte("SigEd448\x00\x00"))
	h.Write(sig[:57])
	h.Write(key)
	h.Write(message)
	sum := make([]byte, 114)
	h.Read(sum)
	k := littleEndian(sum)
	left := e.scalarMul(s, edPoint{e.bx, e.by, big.NewInt(1)})
	right := e.add(r, e.scalarMul(k.Mod(k, e.l), a))
	return e.mul(left.x, right.z).Cmp(e.mul(right.x, left.z)) == 0 &&
		e.mul(left.y, right.z).Cmp(e.mul(right.y, left.z)) == 0
}

func littleEndian(b []byte) *big.Int {
	be := slices.Clone(b)
	slices.Reverse(be)
	return new(big.Int).SetBytes(be)
}
