//go:build linux

package main

import (
	"math"
	"slices"
)

// A spread is where a ratio lies, and where that of another run should.
type spread struct {
	ratio     float64 // the median
	low, high float64
}

// leastSpread is what ratios of two runs differ in even if the rounds of each
// agree: where the kernel and the linker put things.
const leastSpread = 0.03

// spreadOf takes the ratio of each round. Low and high hold the ratio of 19 of
// 20 other runs of as many rounds, if ratios vary as these: the prediction
// interval of Student's distribution, on logarithms since they are ratios. One
// round tells nothing about it.
func spreadOf(ratios []float64) spread {
	s := spread{ratio: median(ratios)}
	s.low, s.high = s.ratio, s.ratio
	n := len(ratios)
	if n < 2 || s.ratio <= 0 {
		return s
	}
	logs := make([]float64, n)
	for i, r := range ratios {
		logs[i] = math.Log(r)
	}
	// The median varies more than the mean, by sqrt(pi/2) for many rounds.
	half := student95(n-1) * deviation(logs) * math.Sqrt(2/float64(n)*math.Pi/2)
	half = max(half, leastSpread)
	s.low, s.high = s.ratio*math.Exp(-half), s.ratio*math.Exp(half)
	return s
}

// holds reports whether other ratios like this one may lie on either side of x.
func (s spread) holds(x float64) bool { return s.low <= x && x <= s.high }

// deviation is the standard deviation of the population that v is a sample of.
func deviation(v []float64) float64 {
	mean, sum := 0.0, 0.0
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		sum += (x - mean) * (x - mean)
	}
	return math.Sqrt(sum / float64(len(v)-1))
}

// student95 is the two-sided 95 % point of Student's distribution.
func student95(degrees int) float64 {
	points := []float64{12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093}
	return points[min(degrees, len(points))-1]
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}
