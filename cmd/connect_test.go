package cmd

import (
	"strings"
	"testing"
)

func TestExpandPorts(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"h:80", "h:80"},
		{"h:22,80", "h:22 h:80"},
		{"h:1-3,9", "h:1 h:2 h:3 h:9"},
		{"[::1]:1-2", "[::1]:1 [::1]:2"},
		{"h:3-1", "h:3-1"}, // left to the grammar, which refuses it
		{"h:1-99999", "h:1-99999"},
		{"unix:/a:1,2", "unix:/a:1,2"},
		{"h", "h"},
		{"h:my-service", "h:my-service"},
	} {
		if got := strings.Join(expandPorts(tt.in), " "); got != tt.want {
			t.Errorf("expandPorts(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestLatency(t *testing.T) {
	if newLatency(nil) != nil {
		t.Error("no samples have statistics")
	}
	got := *newLatency([]float64{5, 1, 2, 4, 3})
	if want := (latency{Min: 1, Median: 3, Mean: 3, P99: 5, Max: 5}); got != want {
		t.Errorf("newLatency = %+v, want %+v", got, want)
	}
	var b strings.Builder
	r := latencyResult{Count: 6, Total: newLatency([]float64{1, 1, 1, 2, 10, 11})}
	for _, v := range []float64{1, 1, 1, 2, 10, 11} {
		r.Samples = append(r.Samples, latencySample{Millis: v})
	}
	if err := writeHistogram(&b, r); err != nil || strings.Count(b.String(), "\n") != 10 || !strings.Contains(b.String(), "#### 3") {
		t.Errorf("histogram:\n%s%v", b.String(), err)
	}
}
