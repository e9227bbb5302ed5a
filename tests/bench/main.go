//go:build linux

// Command bench measures brio beside its rivals: every pair in the same run,
// alternately, with CPU and wall time from the operating system's accounting.
// It prints ratios, how far they vary, and whether each target is met.
//
//	go run ./tests/bench [-only AREA,...] [-rounds N] [-scale F] [-json FILE] [-markdown]
//
// A stream has 1 GiB times the scale: -scale 4 moves 4 GiB, and needs three times
// that in /dev/shm.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A bench is one run of the program.
type bench struct {
	ctx     context.Context
	options options
	dir     string // scratch, on a memory file system where there is one
	brio    string // the binary under test
	pass    int    // how many times everything was measured before
	area    string // the one under way
	results results
	failed  bool // an area has ended early
}

type options struct {
	only     []string // areas; none: all
	rounds   int
	limit    time.Duration
	scale    float64 // factor for amounts of data
	jsonFile string
	markdown bool
	brio     string // the binary to measure, "": build one
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
		{"chunked", chunkedArea},
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
	o, err := parseOptions()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := lifetime()
	status, done := inOwnNetwork(ctx)
	if !done {
		status = run(ctx, o)
	}
	stop()
	os.Exit(status)
}

func parseOptions() (options, error) {
	var o options
	only := flag.String("only", "", "comma-separated `areas` to run: "+strings.Join(areaNames(), ", ")+" (default all)")
	flag.IntVar(&o.rounds, "rounds", 3, "how many times to go through everything")
	flag.DurationVar(&o.limit, "limit", 15*time.Minute, "begin no further round that would end after this `time`")
	flag.Float64Var(&o.scale, "scale", 1, "factor for the amounts of data; 1 is a GiB a stream")
	flag.StringVar(&o.jsonFile, "json", "", "write the rows as JSON to `file`, too (-: to stdout, instead of the table)")
	flag.BoolVar(&o.markdown, "markdown", false, "print the table as Markdown")
	flag.StringVar(&o.brio, "brio", "", "measure this `binary` instead of building one")
	flag.Parse()
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for _, name := range o.only {
		if !slices.Contains(areaNames(), name) {
			return o, fmt.Errorf("there is no area %q: %s", name, strings.Join(areaNames(), ", "))
		}
	}
	if o.rounds < 1 || o.scale <= 0 || flag.NArg() > 0 {
		return o, errors.New("-rounds and -scale must be positive, and there are no arguments")
	}
	return o, nil
}

func areaNames() []string {
	var names []string
	for _, a := range areas() {
		names = append(names, a.name)
	}
	return names
}

// run measures, prints and cleans up, and returns the exit status.
func run(ctx context.Context, o options) int {
	b := &bench{ctx: ctx, options: o, brio: o.brio}
	defer killDescendants()
	if err := b.measure(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	if b.failed {
		return 1
	}
	return 0
}

func (b *bench) measure() error {
	var err error
	if b.dir, err = scratchDir(3 * b.streamSize(1)); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.brio == "" {
		disk, err := os.MkdirTemp(diskDir, "brio-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(disk)
		if b.brio, err = buildBrio(b.ctx, b.dir, disk); err != nil {
			return err
		}
	}
	err = b.measureRounds()
	return errors.Join(err, b.report()) // what there is, when interrupted
}

func (b *bench) measureRounds() error {
	start := time.Now()
	for b.pass = range b.options.rounds {
		begin := time.Now()
		if err := b.measureAll(start); err != nil {
			return err
		}
		if now := time.Now(); now.Sub(start)+now.Sub(begin) > b.options.limit {
			fmt.Fprintf(os.Stderr, "# enough after %d of %d rounds: -limit %v\n", b.pass+1, b.options.rounds, b.options.limit)
			break
		}
	}
	return nil
}

// measureAll goes through all areas once. Rounds of one row lie minutes apart
// that way, and its spread holds what the machine does meanwhile.
func (b *bench) measureAll(start time.Time) error {
	for _, a := range areas() {
		if len(b.options.only) > 0 && !slices.Contains(b.options.only, a.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "# round %d of %d, %s, %.0f s\n", b.pass+1, b.options.rounds, a.name, time.Since(start).Seconds())
		b.area = a.name
		err := a.run(b)
		if b.ctx.Err() != nil {
			return context.Cause(b.ctx)
		}
		if err != nil {
			b.failed = true
			b.absent(a.name, err.Error())
		}
	}
	return nil
}

// scratchDir is a directory of this run, in memory where there is room for that
// many bytes.
func scratchDir(room int64) (string, error) {
	const memory = "/dev/shm"
	var fs unix.Statfs_t
	if err := unix.Statfs(memory, &fs); err == nil && int64(fs.Bavail)*fs.Bsize >= room {
		return os.MkdirTemp(memory, "brio-bench-")
	}
	fmt.Fprintf(os.Stderr, "bench: %s has no room for %d MiB: streams begin and end on a disk\n", memory, room>>20)
	return os.MkdirTemp("", "brio-bench-")
}

// diskDir is for files that outlive a boot: unlike /tmp it is on no tmpfs.
const diskDir = "/var/tmp"

// buildBrio builds the binary as it is released, and installs it in a directory
// on disk, as the rivals are. What the linker leaves behind, and files in tmpfs,
// lie in memory page by page, where a file that was written in one go has large
// folios: a start takes a tenth longer then.
func buildBrio(ctx context.Context, scratch, dir string) (string, error) {
	linked := filepath.Join(scratch, "brio.linked")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", linked, "github.com/brio-net/brio")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return "", err
	}
	program, err := os.ReadFile(linked)
	if err != nil {
		return "", err
	}
	installed := filepath.Join(dir, "brio")
	return installed, errors.Join(os.WriteFile(installed, program, 0o755), os.Remove(linked))
}

// streamSize is how many bytes a stream has, for a factor of the usual gibibyte.
func (b *bench) streamSize(factor float64) int64 {
	return max(1, int64(b.options.scale*factor*1024)) << 20
}

// count is n, or less for a small scale.
func (b *bench) count(n int) int {
	return max(1, int(float64(n)*min(b.options.scale, 1)))
}
