//go:build linux

// Command bench measures brio beside its rivals: every pair in the same run,
// alternately, with CPU and wall time from the operating system's accounting.
// It prints ratios and whether each target is met.
//
//	go run ./tests/bench [-only AREA] [-rounds N] [-json FILE] [-markdown] [-scale F]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

// A bench is one run of the program.
type bench struct {
	ctx    context.Context
	dir    string  // scratch, on a memory file system where there is one
	brio   string  // the binary under test
	rounds int     // counted rounds of each pair, after one that warms up
	scale  float64 // factor for amounts of data
	rows   []row
}

// An area is a group of workloads that -only can choose.
type area struct {
	name string
	run  func(*bench) error
}

func areas() []area {
	return []area{
		{"startup", startupArea},
		{"stream", streamArea},
		{"unix", unixArea},
		{"relay", relayArea},
		{"many", manyArea},
		{"datagram", datagramArea},
		{"dns", dnsArea},
		{"tls", tlsArea},
		{"certs", certsArea},
		{"ftp", ftpArea},
	}
}

func main() {
	only := flag.String("only", "", "comma-separated `areas` to run (default all)")
	rounds := flag.Int("rounds", 5, "counted rounds of each pair")
	scale := flag.Float64("scale", 1, "factor for the amount of data")
	jsonFile := flag.String("json", "", "write the rows as JSON to `file`")
	markdown := flag.Bool("markdown", false, "print the table as Markdown")
	binary := flag.String("brio", "", "measure this `binary` instead of building one")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if status, ok := inOwnNetwork(ctx); ok {
		stop()
		os.Exit(status)
	}
	if err := run(ctx, *only, *rounds, *scale, *jsonFile, *markdown, *binary); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, rounds int, scale float64, jsonFile string, markdown bool, binary string) error {
	dir, err := scratchDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{ctx: ctx, dir: dir, brio: binary, rounds: rounds, scale: scale}
	if b.brio == "" {
		if b.brio, err = buildBrio(ctx, dir); err != nil {
			return err
		}
	}
	for _, a := range areas() {
		if only != "" && !slices.Contains(strings.Split(only, ","), a.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "# %s\n", a.name)
		if err := a.run(b); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := printRows(os.Stdout, b.rows, markdown); err != nil {
		return err
	}
	if jsonFile != "" {
		return writeJSON(jsonFile, b.rows)
	}
	return nil
}

// scratchDir is a directory of this run, in memory where possible.
func scratchDir() (string, error) {
	if d, err := os.MkdirTemp("/dev/shm", "brio-bench-"); err == nil {
		return d, nil
	}
	return os.MkdirTemp("", "brio-bench-")
}

// buildBrio builds the binary as it is released.
func buildBrio(ctx context.Context, dir string) (string, error) {
	out := filepath.Join(dir, "brio")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "github.com/brio-net/brio")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	return out, c.Run()
}
