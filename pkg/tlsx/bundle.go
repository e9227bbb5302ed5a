package tlsx

import (
	"fmt"
	"slices"
)

// A BundleFinding is one thing to know about the certificates of a file or of
// a handshake as a whole.
type BundleFinding struct {
	// Kind is one of wrong-order, missing-issuer, duplicate, extra,
	// root-included and key-mismatch.
	Kind string `json:"kind"`
	// Index is the place of the certificate concerned, counted from 0.
	Index int    `json:"index"`
	Text  string `json:"text"`
}

// A Bundle is a list of certificates seen as chains.
type Bundle struct {
	Certificates []*Certificate
	// Parents holds for each certificate the index of its issuer, -1 when
	// that is not in the bundle, and its own index when it is self-signed.
	Parents []int
	// Findings concern a bundle that is to be one chain.
	Findings []BundleFinding

	children   [][]int
	duplicates []bool
	signatures int // that may still be checked
	pairs      int // that may still be compared
}

// Finding issuers stops at so many signatures checked and pairs compared: a
// peer can send many certificates of one name. Beyond the first limit, names
// and key identifiers decide; beyond the second, issuers are missing.
const (
	maxBundleSignatures = 128
	maxBundlePairs      = 1 << 20
	maxBundleDepth      = 256
)

// NewBundle finds out how the certificates hang together. The first one is
// taken for the end of a chain when it is not a CA.
func NewBundle(certs []*Certificate) *Bundle {
	b := &Bundle{Certificates: certs, Parents: make([]int, len(certs)), Findings: []BundleFinding{},
		children: make([][]int, len(certs)), duplicates: make([]bool, len(certs)), signatures: maxBundleSignatures, pairs: maxBundlePairs}
	bySubject := make(map[string][]int, len(certs))
	for i, c := range certs {
		bySubject[c.Subject.canonical] = append(bySubject[c.Subject.canonical], i)
	}
	for i, c := range certs {
		p := b.parentOf(i, c, bySubject[c.Issuer.canonical])
		if b.Parents[i] = p; p >= 0 && p != i {
			b.children[p] = append(b.children[p], i)
		}
	}
	b.findDuplicates()
	if len(certs) > 0 && !certs[0].IsCA() && !certs[0].SelfSigned() {
		b.findOrder()
	}
	return b
}

func (b *Bundle) parentOf(i int, c *Certificate, candidates []int) int {
	if c.SelfSigned() {
		return i
	}
	for _, j := range candidates {
		if b.pairs--; b.pairs < 0 {
			return -1
		}
		p := b.Certificates[j]
		if j == i || p.Equal(c) || likelyIssued(p, c) != CodeOK && !p.ext.invalid && !c.ext.invalid {
			continue
		}
		if b.signatures--; b.signatures < 0 || c.CheckSignature(&p.PublicKey) == nil {
			return j
		}
	}
	return -1
}

func (b *Bundle) add(kind string, i int, format string, args ...any) {
	b.Findings = append(b.Findings, BundleFinding{kind, i, fmt.Sprintf(format, args...)})
}

func (b *Bundle) findDuplicates() {
	seen := make(map[string]int, len(b.Certificates))
	for i, c := range b.Certificates {
		if first, ok := seen[string(c.Raw)]; ok {
			b.duplicates[i] = true
			b.add("duplicate", i, "certificate %d is the same as certificate %d", i+1, first+1)
			continue
		}
		seen[string(c.Raw)] = i
	}
}

// findOrder compares the order with that of the chain (RFC 8446, section
// 4.4.2: each certificate should certify the one before it).
func (b *Bundle) findOrder() {
	path := b.Chain(0)
	last := path[len(path)-1]
	for n, i := range path {
		if n > 0 && i != n && !b.duplicates[i] {
			b.add("wrong-order", i, "certificate %d should be at place %d", i+1, n+1)
		}
	}
	inPath := make([]bool, len(b.Certificates))
	for _, i := range path {
		inPath[i] = true
	}
	for i := range b.Certificates {
		if !inPath[i] && !b.duplicates[i] {
			b.add("extra", i, "certificate %d does not belong to the chain", i+1)
		}
	}
	top := b.Certificates[last]
	switch {
	case b.Parents[last] == -1 && last == 0 && len(b.Certificates) > 1:
		b.add("missing-issuer", last, "the issuer of the first certificate is missing: %s", top.Issuer)
	case b.Parents[last] == last && last != 0:
		b.add("root-included", last, "certificate %d is a root, which the peer must have anyway", last+1)
	}
}

// Chain returns the indexes from a certificate to the last issuer in the
// bundle.
func (b *Bundle) Chain(i int) []int {
	path := []int{i}
	for {
		p := b.Parents[i]
		if p < 0 || p == i || len(path) > maxBundleDepth || slices.Contains(path, p) {
			return path
		}
		path = append(path, p)
		i = p
	}
}

// Roots returns the certificates whose issuer is not in the bundle, in order:
// where the trees to draw begin.
func (b *Bundle) Roots() []int {
	var roots []int
	seen := make([]bool, len(b.Parents))
	for i, p := range b.Parents {
		if p < 0 || p == i {
			roots = append(roots, i)
			b.markBelow(i, seen)
		}
	}
	for i := range b.Parents { // a ring of cross certificates has no root
		if !seen[i] {
			roots = append(roots, i)
			b.markBelow(i, seen)
		}
	}
	return roots
}

func (b *Bundle) markBelow(i int, seen []bool) {
	for todo := []int{i}; len(todo) > 0; {
		i, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if !seen[i] {
			seen[i] = true
			todo = append(todo, b.children[i]...)
		}
	}
}

// Children returns the certificates that certificate i issued.
func (b *Bundle) Children(i int) []int { return b.children[i] }
