package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/brio-net/brio/internal/need"
)

// What brio may do before main begins, and how many packages may ask for it: the
// allocations of all initialisations, of which half are those of viper's
// dependencies, YAML and miekg/dns.
const (
	initAllocations = 1260
	packageBudget   = 300
)

// buildReleased builds the binary as it is released.
func buildReleased(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: builds the binary")
	}
	bin := filepath.Join(t.TempDir(), "brio")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, ".")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// Starting takes the same work every time, so it is counted and not timed.
func TestStartUpWork(t *testing.T) {
	bin := buildReleased(t)
	t.Run("initialisation", func(t *testing.T) { checkInit(t, bin) })
	t.Run("system calls", func(t *testing.T) { checkStart(t, bin) })
	if n := len(goList(t, "-deps", ".")); n > packageBudget {
		t.Errorf("brio links %d packages, want %d at most", n, packageBudget)
	}
}

// checkInit adds up what the packages allocate before main.
func checkInit(t *testing.T, bin string) {
	c := exec.Command(bin, "version")
	c.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	c.Stderr = &trace
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, m := range regexp.MustCompile(`(?m)^init .* (\d+) allocs$`).FindAllStringSubmatch(trace.String(), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if sum == 0 || sum > initAllocations {
		t.Errorf("%d allocations before main, want %d at most:\n%s", sum, initAllocations, trace.String())
	}
	t.Logf("%d allocations before main", sum)
}

// checkStart looks at what the kernel is asked for, most of it by the Go runtime:
// little, and no file that is there.
func checkStart(t *testing.T, bin string) {
	need.Tool(t, "strace")
	home := t.TempDir()
	trace := filepath.Join(home, "trace")
	c := exec.Command("strace", "-f", "-qq", "-e", "signal=none", "-o", trace, bin, "version")
	c.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "BRIO_CONFIG=")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	calls := strings.Count(string(text), "\n")
	if calls > 340 {
		t.Errorf("%d system calls to start, want 340 at most", calls)
	}
	t.Logf("%d system calls", calls)
	for line := range strings.Lines(string(text)) {
		opened := strings.Contains(line, "openat(") && !strings.Contains(line, "ENOENT")
		if opened && !strings.Contains(line, `"/proc/`) && !strings.Contains(line, `"/sys/`) && !strings.Contains(line, `"/dev/`) {
			t.Errorf("opened at start: %s", line)
		}
	}
}
