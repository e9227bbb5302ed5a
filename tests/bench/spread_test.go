//go:build linux

package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestMedian(t *testing.T) {
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("median = %v, want 2", got)
	}
	if got := median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("median = %v, want 2.5", got)
	}
}

// Of twenty runs that vary alike, nineteen lie within the spread of another.
func TestSpreadHoldsOtherRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	run := func(rounds int) []float64 {
		v := make([]float64, rounds)
		for i := range v {
			v[i] = 0.7 * math.Exp(0.2*r.NormFloat64())
		}
		return v
	}
	for _, rounds := range []int{3, 6, 9, 15} {
		held := 0
		for range 2000 {
			if spreadOf(run(rounds)).holds(median(run(rounds))) {
				held++
			}
		}
		t.Logf("%d rounds: %.1f %%", rounds, float64(held)/20)
		if held < 1860 {
			t.Errorf("%d rounds: %.1f %% of the other runs lie within the spread, want 95", rounds, float64(held)/20)
		}
	}
}

func TestSpreadOfFewRounds(t *testing.T) {
	if s := spreadOf([]float64{2}); s != (spread{2, 2, 2}) {
		t.Errorf("one round: %v", s)
	}
	if s := spreadOf([]float64{2, 2, 2}); s.low > 2*0.98 || s.high < 2*1.02 {
		t.Errorf("equal rounds: %v, want some room for another run", s)
	}
}
