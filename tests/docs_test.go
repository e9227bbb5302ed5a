package tests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brio-net/brio/cmd"
	"github.com/brio-net/brio/internal/docs"
	"github.com/brio-net/brio/internal/need"
)

// brioDir returns a directory that holds brio, for the PATH of other programs.
// It is this test binary under another name: see TestMain.
func brioDir(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "brio")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The files under man and completions are those that the command tree gives.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	files, err := docs.Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale; run: make generate", name)
		}
	}
	for _, dir := range docs.Dirs() {
		entries, err := os.ReadDir(filepath.Join("..", dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if name := dir + "/" + e.Name(); files[name] == nil {
				t.Errorf("nothing generates %s; run: make generate", name)
			}
		}
	}
}

func TestManPagesLint(t *testing.T) {
	mandoc := need.Tool(t, "mandoc")
	dir := t.TempDir()
	for name, text := range docs.Pages(cmd.Doc(), cmd.Topics()) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(mandoc, "-Tlint", "-W", "warning", path).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("mandoc: %v\n%s", err, out)
		}
	}
}

// groff reads the pages too, and shows every flag and example in a form that
// can be pasted.
func TestManPagesThroughMan(t *testing.T) {
	t.Parallel()
	man := need.Tool(t, "man")
	dir := t.TempDir()
	root := cmd.Doc()
	pages := docs.Pages(root, cmd.Topics())
	for _, c := range docs.All(root) {
		name := strings.ReplaceAll(c.Path, " ", "-") + ".1"
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pages[name], 0o644); err != nil {
			t.Fatal(err)
		}
		show := exec.Command(man, "--warnings", "-E", "UTF-8", "-l", path)
		show.Env = append(os.Environ(), "MANWIDTH=200", "LC_ALL=C.UTF-8", "MAN_KEEP_FORMATTING=", "GROFF_NO_SGR=1")
		var stderr bytes.Buffer
		show.Stderr = &stderr
		out, err := show.Output()
		if err != nil || stderr.Len() > 0 {
			t.Errorf("man %s: %v\n%s", name, err, stderr.String())
		}
		text := string(out)
		for _, g := range c.Flags {
			for _, f := range g.Flags {
				if !strings.Contains(text, "--"+f.Name) {
					t.Errorf("%s does not show --%s", name, f.Name)
				}
			}
		}
		for _, ex := range c.Examples {
			if !strings.Contains(text, ex) {
				t.Errorf("%s does not show the example as it is: %s", name, ex)
			}
		}
	}
}

// Every command says what it does, with which statuses it ends, and shows at
// least four examples.
func TestCommandsAreDocumented(t *testing.T) {
	for _, c := range docs.All(cmd.Doc()) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || strings.ToLower(c.Short[:1]) != c.Short[:1] && c.Path != "brio" && !strings.HasPrefix(c.Short, "TLS") {
			t.Errorf("%s: the short text is %q; want lower case and no full stop", c.Path, c.Short)
		}
		if n := countExamples(c); n < 4 && c.Path != "brio" {
			t.Errorf("%s has %d examples, want 4", c.Path, n)
		}
		var statuses []int
		for _, x := range c.Exits {
			if x.Text == "" {
				t.Errorf("%s: status %d has no text", c.Path, x.Status)
			}
			statuses = append(statuses, x.Status)
		}
		for _, must := range []int{0, 1, 2} {
			if !slices.Contains(statuses, must) {
				t.Errorf("%s does not document status %d", c.Path, must)
			}
		}
		if slices.Contains(c.Formats, "json") && len(c.Results) == 0 {
			t.Errorf("%s does not document its JSON", c.Path)
		}
		for _, g := range c.Flags {
			for _, f := range g.Flags {
				checkFlagText(t, c.Path, f)
			}
		}
	}
}

func countExamples(c cmd.CommandDoc) int {
	n := 0
	for _, ex := range c.Examples {
		if strings.Contains(ex, "brio ") {
			n++
		}
	}
	return n
}

func checkFlagText(t *testing.T, path string, f cmd.FlagDoc) {
	t.Helper()
	first, _, _ := strings.Cut(f.Text, " ")
	switch {
	case f.Text == "":
		t.Errorf("%s --%s has no text", path, f.Name)
	case strings.HasSuffix(f.Text, ".") && !strings.HasSuffix(f.Text, "..."):
		t.Errorf("%s --%s: the text ends in a full stop", path, f.Name)
	case strings.ToLower(first) != first && strings.ToUpper(first) != first && first[:1] != strings.ToLower(first[:1]):
		t.Errorf("%s --%s: the text begins with a capital: %s", path, f.Name, f.Text)
	}
}

// Every flag of the tree is in the help and among the completions of its command.
func TestHelpAndCompletionAgree(t *testing.T) {
	brio := filepath.Join(brioDir(t), "brio")
	for _, c := range docs.All(cmd.Doc())[1:] {
		path := strings.Fields(c.Path)[1:]
		help, err := exec.Command(brio, append(slices.Clone(path), "--help")...).Output()
		if err != nil {
			t.Errorf("%s --help: %v", c.Path, err)
		}
		offered, err := exec.Command(brio, append(append([]string{"__complete"}, path...), "--")...).Output()
		if err != nil {
			t.Errorf("completion of %s: %v", c.Path, err)
		}
		for _, g := range c.Flags {
			for _, f := range g.Flags {
				if !bytes.Contains(help, []byte("--"+f.Name)) {
					t.Errorf("%s --help does not show --%s", c.Path, f.Name)
				}
				if !bytes.Contains(offered, []byte("\n--"+f.Name)) && !bytes.HasPrefix(offered, []byte("--"+f.Name)) {
					t.Errorf("completion of %s does not offer --%s", c.Path, f.Name)
				}
			}
		}
	}
}

// The short help of each command is one screen of a plain terminal: 24 lines and
// 80 columns, but for commands that hold many others, and for examples, which
// must stay in one piece to be pasted.
func TestShortHelpIsOneScreen(t *testing.T) {
	brio := filepath.Join(brioDir(t), "brio")
	for _, c := range docs.All(cmd.Doc()) {
		show := exec.Command(brio, append(strings.Fields(c.Path)[1:], "-h")...)
		show.Env = append(os.Environ(), "COLUMNS=80")
		out, err := show.Output()
		if err != nil {
			t.Errorf("%s -h: %v", c.Path, err)
		}
		lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if len(lines) > 24+len(c.Commands) && c.Path != "brio help" {
			t.Errorf("%s -h has %d lines, more than a screen:\n%s", c.Path, len(lines), out)
		}
		for _, l := range lines {
			if len(l) > 80 && !slices.Contains(c.Examples, strings.TrimPrefix(l, "  ")) {
				t.Errorf("%s -h has a line of %d columns: %s", c.Path, len(l), l)
			}
		}
	}
}
