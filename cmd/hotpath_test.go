package cmd

import (
	"testing"

	"github.com/brio-net/brio/internal/hotpath"
)

func hotPaths(tb testing.TB) []hotpath.Path {
	address := func(s string) func() {
		return func() {
			if _, err := parseAddress(s, useConnect); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return []hotpath.Path{
		{Name: "parseAddress/host:port", Run: address("www.example.com:443")},
		{Name: "parseAddress/[v6]:port", Run: address("[2001:db8::1]:443")},
		{Name: "parseAddress/unix", Run: address("unix:/run/socket")},
		{Name: "safe/plain", Run: func() { safe("an ordinary line of text from a peer") }},
	}
}

func TestHotPathAllocations(t *testing.T) { hotpath.Check(t, hotPaths(t)) }

func BenchmarkHotPath(b *testing.B) { hotpath.Benchmark(b, hotPaths(b)) }
