package cmd

import (
	"crypto/tls"
	"slices"
	"testing"
)

// Only what a server has chosen itself keeps the post-quantum groups from it.
func TestClassicalGroups(t *testing.T) {
	for _, chosen := range []string{"X25519", "P-256"} {
		got := classicalGroups(chosen)
		if !slices.Contains(got, tls.X25519) || slices.Contains(got, tls.X25519MLKEM768) {
			t.Errorf("after %s: %v", chosen, got)
		}
	}
	for _, chosen := range []string{"X25519MLKEM768", "", "X448"} {
		if got := classicalGroups(chosen); got != nil {
			t.Errorf("after %q: %v; want all groups again", chosen, got)
		}
	}
}
