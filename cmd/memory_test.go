//go:build linux && (amd64 || arm64)

package cmd

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// A program that has been dropped goes on, from less memory.
func TestDropProgram(t *testing.T) {
	before := residentFile(t)
	dropProgram()
	if after := residentFile(t); after >= before {
		t.Errorf("%d pages of files are mapped, %d before", after, before)
	}
}

// residentFile returns how many pages of files this process has mapped.
func residentFile(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.Fields(string(text))[2])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
