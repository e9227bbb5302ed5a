//go:build linux

package main

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// The memory of a program that ran alone is its own, however large the bench.
func TestAloneMeasuresItsOwnMemory(t *testing.T) {
	_, stop := lifetime()
	defer stop()
	ballast := make([]byte, 200<<20)
	for i := 0; i < len(ballast); i += os.Getpagesize() {
		ballast[i] = 1
	}
	b := &bench{ctx: t.Context()}
	argv := []string{"sh", "-c", "exit 0"}
	together, err := b.once(nil, nil, argv...)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := b.alone(argv...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a shell has %.1f MiB beside the bench, %.1f alone", float64(together.rss)/(1<<20), float64(alone.rss)/(1<<20))
	if alone.rss > 8<<20 || alone.rss == 0 {
		t.Errorf("a shell has %d bytes, of a bench with %d", alone.rss, len(ballast))
	}
	if _, err := b.alone("sh", "-c", "exit 3"); err == nil {
		t.Error("a failure goes unseen")
	}
	ballast[0]++ // it is needed until here
}

// What servers leave behind is found and ended.
func TestKillDescendants(t *testing.T) {
	_, stop := lifetime()
	defer stop()
	// The shell ends at once, its child would stay.
	if out, err := exec.Command("sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for range 1000 {
		if len(descendants(os.Getpid())) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if len(descendants(os.Getpid())) == 0 {
		t.Fatal("the orphan is not among the descendants")
	}
	killDescendants()
	if left := descendants(os.Getpid()); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A rival that is missing, or breaks, leaves a row that says so; a target that
// lies within the spread is marked, and one that is not met names its limit.
func TestRows(t *testing.T) {
	b := &bench{ctx: t.Context(), options: options{rounds: 1}}
	cost := func(name string, ms time.Duration) contender {
		return contender{name, func() (sample, error) { return sample{cpu: ms * time.Millisecond}, nil }}
	}
	err := b.compare("work", []contender{cost("brio", 10), cost("sh", 20), cost("nosuchrival -x", 5)},
		atMost(0.6, "sh", cpuTime), atMost(0.51, "sh", cpuTime), atMost(0.4, "sh", cpuTime), atMost(0.49, "sh", cpuTime).unless(kernel), atMost(0.6, "sh", cpuTime).unless(kernel), beside("sh", cpuTime), atMost(1, "nosuchrival -x", cpuTime))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range b.results[0].rows() {
		got = append(got, r.cells()[7])
	}
	want := []string{"yes", "yes, close", "NO", "NO, close: kernel", "yes", "", "not measured: nosuchrival is not installed"}
	if !slices.Equal(got, want) {
		t.Errorf("verdicts %q, want %q", got, want)
	}
	if n := b.results[0].rows()[0].Rounds; n != passRounds {
		t.Errorf("%d rounds, want %d", n, passRounds)
	}
}
