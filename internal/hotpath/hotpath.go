// Package hotpath measures functions that run for every address, message,
// certificate or line, and guards how often they allocate.
package hotpath

import (
	"io"
	"testing"
)

// A Path is one such function, on one input.
type Path struct {
	Name  string
	Bytes int     // of the input, for the throughput; 0: there is none
	Most  float64 // allocations of one run, at most
	Run   func()
}

// Check fails for each path that allocates more often than it may. Nothing in it
// depends on time.
func Check(t *testing.T, paths []Path) {
	t.Helper()
	for _, p := range paths {
		got := testing.AllocsPerRun(100, p.Run)
		if got > p.Most {
			t.Errorf("%s: %v allocations, want %v at most", p.Name, got, p.Most)
		}
		t.Logf("%s: %v allocations", p.Name, got)
	}
}

// Benchmark measures each path.
func Benchmark(b *testing.B, paths []Path) {
	for _, p := range paths {
		b.Run(p.Name, func(b *testing.B) {
			b.SetBytes(int64(p.Bytes))
			b.ReportAllocs()
			for b.Loop() {
				p.Run()
			}
		})
	}
}

// Repeat returns a reader that gives text over and over.
func Repeat(text []byte) io.Reader { return &repeater{text: text} }

type repeater struct {
	text []byte
	at   int
}

func (r *repeater) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}
