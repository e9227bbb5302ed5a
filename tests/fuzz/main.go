//go:build unix

// Command fuzz runs every fuzz target of the module, one after the other with
// one worker, and prints a table of executions and crashes. It ends with
// status 1 when a target crashed; the input is then in the testdata directory
// of its package, and go test runs it from now on.
//
//	go run ./tests/fuzz [-time 20s|1000000x] [-limit 10m] [-only REGEXP]
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// A fuzzer is one run of the program.
type fuzzer struct {
	ctx   context.Context
	dir   string // scratch for the test binaries
	cache string // what go test -fuzz has found before, and adds to
	time  string // as -fuzztime has it
	limit time.Duration
	only  *regexp.Regexp
}

func main() {
	budget := flag.String("time", "20s", "fuzz each target for a `duration`, or for a count such as 1000000x")
	limit := flag.Duration("limit", 10*time.Minute, "end a target after this `duration` though its count is not reached")
	only := flag.String("only", "", "run only the targets that match this `expression`, such as dnsq.FuzzReply")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	crashed, err := run(ctx, *budget, *limit, *only, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
	}
	if err != nil || crashed {
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, budget string, limit time.Duration, only string, packages []string) (crashed bool, err error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "brio-fuzz-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	cache, err := output(ctx, "", "go", "env", "GOCACHE")
	if err != nil {
		return false, err
	}
	f := &fuzzer{ctx: ctx, dir: dir, cache: filepath.Join(strings.TrimSpace(cache), "fuzz"), time: budget, limit: limit, only: pattern}
	if len(packages) == 0 {
		packages = []string{"./pkg/...", "./cmd/..."}
	}
	list, err := output(ctx, "", "go", append([]string{"list", "-f", "{{.ImportPath}} {{.Dir}}"}, packages...)...)
	if err != nil {
		return false, err
	}
	fmt.Printf("%-32s %12s %8s %8s  %s\n", "target", "executions", "seconds", "corpus", "result")
	for line := range strings.Lines(list) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		bad, err := f.fuzzPackage(path, dir)
		crashed = crashed || bad
		if err != nil || ctx.Err() != nil {
			return crashed, err
		}
	}
	return crashed, nil
}

// output is what a program says on stdout.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Stderr = dir, os.Stderr
	text, err := c.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(text), err
}

// instrumented puts the counters that guide the fuzzer into the packages of the
// module. go test -fuzz puts them into the standard library too, which makes
// each execution several times as long.
const instrumented = "-gcflags=github.com/brio-net/brio/...=-d=libfuzzer"

// fuzzPackage builds the tests of a package once, and runs its targets.
func (f *fuzzer) fuzzPackage(path, dir string) (crashed bool, err error) {
	binary := filepath.Join(f.dir, filepath.Base(path)+".test")
	if _, err := output(f.ctx, dir, "go", "test", "-c", instrumented, "-o", binary, "."); err != nil {
		return false, err
	}
	if _, err := os.Stat(binary); err != nil {
		return false, nil // a package without tests
	}
	list, err := output(f.ctx, dir, binary, "-test.list=^Fuzz")
	if err != nil {
		return false, err
	}
	for _, name := range strings.Fields(list) {
		target := filepath.Base(path) + "." + name
		if !f.only.MatchString(target) || f.ctx.Err() != nil {
			continue
		}
		r := f.fuzz(binary, dir, filepath.Join(f.cache, path), name)
		fmt.Printf("%-32s %12s %8.0f %8s  %s\n", target, r.executions, r.took.Seconds(), r.corpus, r.verdict)
		crashed = crashed || r.verdict != "ok"
	}
	return crashed, nil
}

// A result is what is known about one target.
type result struct {
	executions, corpus string
	took               time.Duration
	verdict            string // "ok", or what went wrong
}

func (f *fuzzer) fuzz(binary, dir, cache, name string) result {
	ctx, cancel := context.WithTimeout(f.ctx, f.limit)
	defer cancel()
	c := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.fuzz=^"+name+"$", "-test.fuzztime="+f.time,
		"-test.fuzzminimizetime=200x", "-test.fuzzcachedir="+cache, "-test.parallel=1", "-test.timeout=0")
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGINT) } // the counts are printed, found inputs kept
	c.WaitDelay = time.Minute
	var text bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = dir, &text, &text
	began := time.Now()
	err := c.Run()
	r := result{executions: "0", corpus: "0", took: time.Since(began), verdict: "ok"}
	counts := regexp.MustCompile(`execs: (\d+) .*\(total: (\d+)\)`).FindAllStringSubmatch(text.String(), -1)
	if n := len(counts); n > 0 {
		r.executions, r.corpus = counts[n-1][1], counts[n-1][2]
	}
	if failed := strings.Contains(text.String(), "--- FAIL"); failed || err != nil && ctx.Err() == nil {
		r.verdict = "CRASHED"
		_, _ = io.Copy(os.Stderr, &text) // the table goes on without it
	}
	return r
}
