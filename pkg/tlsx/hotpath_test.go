package tlsx_test

import (
	"testing"
	"time"

	"github.com/brio-net/brio/internal/hotpath"
	"github.com/brio-net/brio/pkg/tlsx"
)

func hotPaths(tb testing.TB) []hotpath.Path {
	identity, root, err := tlsx.MakeChain([]string{"www.example.com"}, time.Hour, "")
	if err != nil {
		tb.Fatal(err)
	}
	parse := func(raw []byte) *tlsx.Certificate {
		c, err := tlsx.ParseCertificate(raw)
		if err != nil {
			tb.Fatal(err)
		}
		return c
	}
	var roots tlsx.Store
	roots.Add(parse(root.Raw))
	leaf := parse(identity.Certificate[0])
	var untrusted []*tlsx.Certificate
	for _, raw := range identity.Certificate[1:] {
		untrusted = append(untrusted, parse(raw))
	}
	ciphers := func(s string) func() {
		return func() {
			if _, err := tlsx.ParseCiphers(s); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return []hotpath.Path{
		{Name: "ParseCertificate", Most: 64, Bytes: len(leaf.Raw), Run: func() { parse(leaf.Raw) }},
		{Name: "VerifyCertificate", Most: 90, Run: func() {
			o := tlsx.VerifyOptions{Roots: &roots, Untrusted: untrusted, Hostname: "www.example.com"}
			if r := tlsx.VerifyCertificate(leaf, o); !r.OK {
				tb.Fatal(r.Err())
			}
		}},
		{Name: "ParseCiphers/short", Most: 20, Run: ciphers("ECDHE+AESGCM")},
		{Name: "ParseCiphers/long", Most: 140, Run: ciphers("ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!MD5:!DSS:-SHA1:@STRENGTH")},
	}
}

func TestHotPathAllocations(t *testing.T) { hotpath.Check(t, hotPaths(t)) }

func BenchmarkHotPath(b *testing.B) { hotpath.Benchmark(b, hotPaths(b)) }
