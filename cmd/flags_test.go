package cmd

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"5": 5 * time.Second, "2.5": 2500 * time.Millisecond, "0": 0, "none": 0,
		"300ms": 300 * time.Millisecond, "2m": 2 * time.Minute, "1m30s": 90 * time.Second,
		"30d": 30 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "1.5h": 90 * time.Minute, "10us": 10 * time.Microsecond,
	} {
		if got, err := parseDuration(in); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "5x", "-5", "-5s", "5s5", ".", "1..5s", "s", "1e3", "99999999999999", "9999999w", "NaN", "+5", "0x10"} {
		if got, err := parseDuration(in); err == nil {
			t.Errorf("parseDuration(%q) = %v; want an error", in, got)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"5", "1m30s", "none", "1.5h", "30d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseDuration(s)
		if err != nil {
			return
		}
		if d < 0 {
			t.Errorf("parseDuration(%q) = %v, which is negative", s, d)
		}
		if again, err := parseDuration(formatDuration(d)); err != nil || again != d {
			t.Errorf("parseDuration(%q) = %v, written as %q, read as %v, %v", s, d, formatDuration(d), again, err)
		}
	})
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1500": 1500, "1500B": 1500, "64k": 65536, "64K": 65536, "64KiB": 65536, "64kB": 64000,
		"1M": 1 << 20, "1MB": 1000000, "1GiB": 1 << 30, "1.5k": 1536, "2T": 2 << 40,
	} {
		if got, err := parseSize(in); err != nil || got != want {
			t.Errorf("parseSize(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "k", "-1", "1x", "1kk", "1 k", "99999999T", "1e3", "1.2.3"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("parseSize(%q) = %v; want an error", in, got)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for in, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 30: "1.0 GiB"} {
		if got := formatSize(in); got != want {
			t.Errorf("formatSize(%d) = %q; want %q", in, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"connect", "listen", "timeout", "A", "AAAA", "MX"}
	for in, want := range map[string]string{
		"conect": "connect", "lisetn": "listen", "timout": "timeout", "AAAB": "AAAA", "zzz": "", "1.4": "", "": "",
	} {
		if got := nearest(in, words); got != want {
			t.Errorf("nearest(%q) = %q; want %q", in, got, want)
		}
	}
}
