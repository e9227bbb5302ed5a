package tests

import (
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptAwait waits until a file exists and is not empty, and puts its text into
// a variable: await FILE [NAME]. It is how a script learns the port that
// --port-file names.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: await FILE [NAME]")
	}
	deadline := time.Now().Add(patience)
	for {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && len(text) > 0 {
			if len(args) == 2 {
				ts.Setenv(args[1], trimNewline(string(text)))
			}
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not appear within %v", args[0], patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func trimNewline(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}
