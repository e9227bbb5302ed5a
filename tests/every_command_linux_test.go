package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/brio-net/brio/cmd"
	"github.com/brio-net/brio/internal/docs"
)

// The flags of every command mean the same in each: they are given to a run of
// the command that ends well and to one that fails, both of the status table.
func TestFlagsOfEveryCommand(t *testing.T) { inWorld(t, insideEveryCommand) }

func insideEveryCommand(t *testing.T) {
	w := makeWorld(t)
	w.serveFaults(t)
	rows := simpleRows()
	for _, c := range docs.All(cmd.Doc())[1:] {
		name := strings.TrimPrefix(c.Path, "brio ")
		r := &everyRun{w: w, c: c, name: name}
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			r.t = t
			if good, ok := rows[name][0]; ok {
				r.good(good)
			}
			bad := 0
			for s := range rows[name] {
				if s != 0 && s != 11 && (bad == 0 || bad == 2 || s < bad && s != 2) {
					bad = s
				}
			}
			if bad == 0 {
				t.Fatal("no row of the table fails")
			}
			r.bad(rows[name][bad], bad)
		})
	}
}

// simpleRows are the rows of the status table that run the command once, by
// command and status.
func simpleRows() map[string]map[int]string {
	rows := map[string]map[int]string{}
	for _, r := range statusRows() {
		if strings.HasPrefix(r.script, "brio "+r.name) && !strings.ContainsAny(r.script, ">&|;") {
			if rows[r.name] == nil {
				rows[r.name] = map[int]string{}
			}
			rows[r.name][r.status] = r.script
		}
	}
	return rows
}

// An everyRun is what the flags of every command are tried on.
type everyRun struct {
	t    *testing.T
	w    *world
	c    cmd.CommandDoc
	name string
}

// An runResult is what came of one run.
type runResult struct {
	status         int
	stdout, stderr string
}

// run runs a script of the table with flags behind the command's name.
func (r *everyRun) run(script, flags string) runResult {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-c", "exec 0</dev/null; "+strings.Replace(script, "brio "+r.name, "brio "+r.name+" "+flags, 1))
	c.Dir = r.w.directory(r.t)
	c.Env = r.w.environ(c.Dir)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	_ = c.Run() // the status says it
	return runResult{exitStatus(c.ProcessState), stdout.String(), stderr.String()}
}

// want runs script with flags and checks its status.
func (r *everyRun) want(script, flags string, status int) runResult {
	r.t.Helper()
	o := r.run(script, flags)
	if o.status != status {
		r.t.Errorf("%s with %s ends with status %d, want %d: %s", script, flags, o.status, status, o.stderr)
	}
	return o
}

// detail matches the lines of -v, and with a time those of --debug.
var detail = regexp.MustCompile(`^(\d\d:\d\d:\d\d\.\d{6} )?\* |^brio |^hint: |^$`)

func (r *everyRun) good(script string) {
	t := r.t
	for _, flags := range []string{"", "--color auto", "--color never"} {
		if o := r.want(script, flags, 0); strings.Contains(o.stdout+o.stderr, "\x1b") {
			t.Errorf("%s %s: colours in a pipe: %q", script, flags, o.stdout)
		}
	}
	r.want(script, "--color always", 0)
	r.want(script, "--progress always", 0)
	if o := r.want(script, "--progress never -q", 0); o.stderr != "" {
		t.Errorf("%s -q: on stderr is %q", script, o.stderr)
	}
	for _, flags := range []string{"-v", "-vv", "--debug"} {
		for line := range strings.SplitSeq(r.want(script, flags, 0).stderr, "\n") {
			timed := len(line) > 8 && line[2] == ':'
			if !detail.MatchString(line) || timed && flags != "--debug" {
				t.Errorf("%s %s: on stderr is %q", script, flags, line)
			}
		}
	}
	switch {
	case slices.Contains(r.c.Formats, "json"):
		r.answers(script)
	case len(r.c.Formats) > 0:
		r.refused(script)
	}
}

// answers tries the forms of results.
func (r *everyRun) answers(script string) {
	t := r.t
	long, short := r.want(script, "--format json", 0), r.want(script, "--json", 0)
	if keys(t, long.stdout) != keys(t, short.stdout) {
		t.Errorf("%s: --format json has the members %s, --json %s", script, keys(t, long.stdout), keys(t, short.stdout))
	}
	r.fitsSchema(script, short.stdout)
	if o := r.want(script, "-w '<%{nosuch}>%%\\n'", 11); strings.ReplaceAll(o.stdout, "<>%\n", "") != "" {
		t.Errorf("%s -w prints %q", script, o.stdout)
	}
	first, _, _ := strings.Cut(keys(t, short.stdout), ",")
	r.want(script, "--get "+first, 0)
	r.want(script, "--get nosuch", 11)
	r.want(script, "--get x -w y", 2)
	if o := r.want(script, "--format sh", 0); !strings.HasPrefix(o.stdout, "BRIO_") {
		t.Errorf("%s --format sh prints %q", script, o.stdout)
	}
	if o := r.run(script+" -q --format sh | (set -eu; eval \"$(cat)\")", ""); o.status != 0 || o.stderr != "" {
		t.Errorf("%s --format sh cannot be evaluated: status %d, %q", script, o.status, o.stderr)
	}
	wantShort := 0
	if !slices.Contains(r.c.Formats, "short") {
		wantShort = 2
	}
	r.want(script, "--short", wantShort)
	r.want(script, "--format short", wantShort)
}

// keys are the names of the members of the first document.
func keys(t *testing.T, docs string) string {
	d := json.NewDecoder(strings.NewReader(docs))
	if _, err := d.Token(); err != nil {
		t.Errorf("not JSON: %v: %q", err, docs)
		return ""
	}
	var names []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			break
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break
		}
	}
	return strings.Join(names, ",")
}

// fitsSchema checks every line of stdout against the command's JSON Schema.
func (r *everyRun) fitsSchema(script, stdout string) {
	r.t.Helper()
	d := json.NewDecoder(strings.NewReader(r.run("brio help json "+r.name, "").stdout))
	var schemas []map[string]any
	for {
		var s map[string]any
		if err := d.Decode(&s); err == io.EOF {
			break
		} else if err != nil {
			r.t.Fatalf("schema of %s: %v", r.name, err)
		}
		schemas = append(schemas, s)
	}
	if stdout == "" {
		r.t.Errorf("%s: there is no JSON on stdout", script)
	}
	for line := range strings.Lines(stdout) {
		if err := matchesOne(schemas, []byte(line)); err != nil {
			r.t.Errorf("%s: %v", script, err)
		}
	}
}

// refused tries the forms of results where stdout carries data.
func (r *everyRun) refused(script string) {
	for _, flags := range []string{"--json", "--short", "--format sh", "--get x", "-w x"} {
		if o := r.want(script, flags, 2); !strings.Contains(o.stderr, "stdout carries the data here") {
			r.t.Errorf("%s %s: on stderr is %q", script, flags, o.stderr)
		}
	}
}

func (r *everyRun) bad(script string, status int) {
	t := r.t
	o := r.want(script, "", status)
	lines := strings.Split(strings.TrimSuffix(o.stderr, "\n"), "\n")
	hints := 0
	for _, l := range lines {
		switch {
		case strings.HasPrefix(l, "hint: "):
			hints++
		case !strings.HasPrefix(l, "brio "):
			t.Errorf("%s: on stderr is %q", script, l)
		}
	}
	if !strings.HasPrefix(lines[0], "brio "+r.name) || hints > 3 {
		t.Errorf("%s: on stderr is %q", script, o.stderr)
	}
	if o := r.want(script, "-q", status); o.stderr == "" || strings.Contains(o.stderr, "hint:") {
		t.Errorf("%s -q: on stderr is %q", script, o.stderr)
	}
	if o := r.want(script, "-qq", status); o.stderr != "" {
		t.Errorf("%s -qq: on stderr is %q", script, o.stderr)
	}
	if o := r.want(script, "--color never -v", status); strings.Contains(o.stderr, "\x1b") {
		t.Errorf("%s: colours on stderr: %q", script, o.stderr)
	}
	pipes := r.name == "connect" || r.name == "tls-client" // without --probe stdout carries the data
	if slices.Contains(r.c.Formats, "json") && (!pipes || strings.Contains(script, "--probe")) {
		if o := r.want(script, "--json -q", status); !strings.HasPrefix(o.stdout, "{") {
			t.Errorf("%s --json: on stdout is %q", script, o.stdout)
		} else {
			r.fitsSchema(script, o.stdout)
		}
	}
}
