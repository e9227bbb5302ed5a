package tests

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brio-net/brio/internal/need"
)

const module = "github.com/brio-net/brio"

// goList returns what go list prints, one line a package.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	c := exec.Command("go", append([]string{"list"}, args...)...)
	c.Dir = ".."
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// isCLI reports whether a package is one that only cmd may import.
func isCLI(path string) bool {
	for _, p := range []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/spf13/viper"} {
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

// main imports cmd, cmd imports pkg, and the packages of pkg do not know one
// another, nor the command line.
func TestLayers(t *testing.T) {
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
		f := strings.Fields(line)
		from := strings.TrimPrefix(f[0], module)
		for _, to := range f[1:] {
			own, isOwn := strings.CutPrefix(to, module+"/")
			switch {
			case from == "" && isOwn && own != "cmd":
				t.Errorf("main imports %s", to)
			case strings.HasPrefix(from, "/pkg/") && isOwn:
				t.Errorf("%s imports %s", f[0], to)
			case from != "/cmd" && isCLI(to):
				t.Errorf("%s imports %s", f[0], to)
			case from == "/cmd" && isOwn && !strings.HasPrefix(own, "pkg/"):
				t.Errorf("cmd imports %s", to)
			}
		}
	}
	for _, pkg := range goList(t, "./pkg/...") {
		for _, dep := range goList(t, "-deps", pkg) {
			if isCLI(dep) || dep == "text/template" || dep == "html/template" {
				t.Errorf("%s links %s", pkg, dep)
			}
		}
	}
}

// Brio starts before the command is known, so nothing may be done by then.
func TestNothingRunsAtInit(t *testing.T) {
	eachFile(t, func(path string, f *ast.File) {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					t.Errorf("%s has a func init", path)
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR {
					checkVars(t, path, d)
				}
			}
		}
	})
}

// checkVars refuses package variables that work at start. What is wrapped in a
// function literal, as sync.OnceValue takes one, works later.
func checkVars(t *testing.T, path string, d *ast.GenDecl) {
	t.Helper()
	ast.Inspect(d, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			return false
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, _ := sel.X.(*ast.Ident)
		if pkg == nil {
			return true
		}
		switch pkg.Name {
		case "regexp", "template", "os", "x509", "tls", "net", "rand", "exec", "user", "time", "fmt":
			if !isConstantCall(pkg.Name, sel.Sel.Name) {
				t.Errorf("%s: a package variable calls %s.%s at start", path, pkg.Name, sel.Sel.Name)
			}
		}
		return true
	})
}

// isConstantCall reports calls that only convert or compute a constant.
func isConstantCall(pkg, name string) bool {
	switch pkg + "." + name {
	case "time.Duration", "time.Unix", "time.Date", "net.IPv4", "net.ParseIP", "os.FileMode", "net.IPv4Mask", "net.HardwareAddr":
		return true
	}
	return false
}

// A library never prints, exits, logs, or looks at arguments and environment;
// the command line does all of it through env.
func TestLibrariesAreSilent(t *testing.T) {
	eachFile(t, func(path string, f *ast.File) {
		library := strings.HasPrefix(path, "pkg/")
		if !library && !strings.HasPrefix(path, "cmd/") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok || pkg.Obj != nil {
				return true
			}
			switch name := pkg.Name + "." + sel.Sel.Name; name {
			case "fmt.Print", "fmt.Printf", "fmt.Println", "os.Exit", "log.Print", "log.Printf", "log.Println", "log.Fatal", "log.Fatalf":
				t.Errorf("%s uses %s", path, name)
			case "os.Stdout", "os.Stdin", "os.Stderr", "os.Args", "os.Getenv", "os.LookupEnv", "os.Environ":
				if library {
					t.Errorf("%s uses %s", path, name)
				}
			}
			return true
		})
	})
}

// Files stay readable, and nothing is left for later.
func TestFilesAreTidy(t *testing.T) {
	later := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:"}
	eachFile(t, func(path string, _ *ast.File) {
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > 600 {
			t.Errorf("%s has %d lines, want 600 at most", path, n)
		}
		for _, word := range later {
			if bytes.Contains(text, []byte(word)) {
				t.Errorf("%s contains %s", path, word)
			}
		}
	})
}

// The top of the tree holds what CONTRIBUTING.md says, and nothing by accident.
func TestTop(t *testing.T) {
	c := exec.Command("git", "ls-tree", "--name-only", "HEAD")
	c.Dir = ".."
	out, err := c.Output()
	if err != nil {
		need.Missing(t, "no repository: %v", err)
	}
	known := []string{
		".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "go.mod", "go.sum", "main.go",
		"cmd", "completions", "docs", "examples", "internal", "man", "packaging", "pkg", "tests",
	}
	for _, name := range strings.Fields(string(out)) {
		if !slices.Contains(known, name) {
			t.Errorf("%s has no place at the top", name)
		}
	}
}

// eachFile calls look for the Go files that are no tests, with paths from the top.
func eachFile(t *testing.T, look func(path string, f *ast.File)) {
	t.Helper()
	for _, dir := range []string{"cmd", "pkg", "internal", "main.go"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err == nil {
				look(strings.TrimPrefix(filepath.ToSlash(path), "../"), f)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// sizeBudget bounds the stripped binary for linux/amd64, in bytes.
const sizeBudget = 16 << 20

// The binary holds these modules and no others: each one more is a decision.
var linkedModules = []string{
	"github.com/fsnotify/fsnotify", "github.com/go-viper/mapstructure/v2", "github.com/jlaffaye/ftp", "github.com/miekg/dns",
	"github.com/pelletier/go-toml/v2", "github.com/quic-go/quic-go", "github.com/sagikazarmark/locafero", "github.com/sourcegraph/conc",
	"github.com/spf13/afero", "github.com/spf13/cast", "github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/spf13/viper",
	"github.com/subosito/gotenv", "go.yaml.in/yaml/v3", "golang.org/x/crypto", "golang.org/x/net", "golang.org/x/sys", "golang.org/x/term",
	"golang.org/x/text", "software.sslmate.com/src/go-pkcs12",
}

func TestBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: builds the binary")
	}
	bin := filepath.Join(t.TempDir(), "brio")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, ".")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	st, err := os.Stat(bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("stripped: %.2f MB", float64(st.Size())/(1<<20))
	if st.Size() > sizeBudget {
		t.Errorf("the binary has %d bytes, the budget is %d", st.Size(), sizeBudget)
	}
	out, err := exec.Command("go", "version", "-m", bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "dep" && !slices.Contains(linkedModules, f[1]) {
			t.Errorf("the binary links the module %s", f[1])
		}
	}
}

// One reachable reflect.Value.MethodByName, as text/template has it, makes the
// linker keep every exported method: it costs two megabytes.
func TestLinkerDropsMethods(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: builds the binary")
	}
	build := exec.Command("go", "build", "-ldflags=-dumpdep", "-o", filepath.Join(t.TempDir(), "brio"), ".")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	deps, err := build.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := build.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(deps)
	lines.Buffer(nil, 16<<20)
	n := 0
	for lines.Scan() {
		n++
		_, to, _ := strings.Cut(lines.Text(), " -> ")
		if strings.Contains(lines.Text(), "<ReflectMethod>") || strings.HasPrefix(to, "text/template.(*Template).Execute") || strings.HasPrefix(to, "github.com/spf13/cobra/doc.") {
			t.Errorf("linked: %s", lines.Text())
		}
	}
	if err := build.Wait(); err != nil || n < 1000 {
		t.Fatalf("go build -dumpdep: %v, %d lines", err, n)
	}
}
