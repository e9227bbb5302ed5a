// Package need is for tests that need what a machine may lack: a program, root, a
// file. Such a test is skipped and says why; where CI=true, which promises
// everything, it fails.
package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Missing skips t, or fails it where CI=true. The text says what is missing.
func Missing(t testing.TB, format string, a ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, a...)
	}
	t.Skipf(format, a...)
}

// Tool returns the path of a program.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "%s is not installed", name)
	}
	return path
}

// Root is for what only root may do.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "needs root")
	}
}

// TestData returns the path of a shared test file, which lies beside the
// repository, or for a linked work tree one level further up. The test runs in a
// package two levels below the top.
func TestData(t testing.TB, name string) string {
	t.Helper()
	for _, up := range []string{"../../..", "../../../.."} {
		path := filepath.Join(up, "shared", "testdata", name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	Missing(t, "shared/testdata/%s is not there", name)
	return ""
}
