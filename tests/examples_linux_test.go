package tests

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brio-net/brio/cmd"
	"github.com/brio-net/brio/internal/docs"
	"github.com/brio-net/brio/internal/need"
)

// insideVar says to a test that it runs in the world it has asked for, where its
// value is the path of brio's directory.
const insideVar = "BRIO_TEST_WORLD"

// Every example of the help works when it is pasted into a shell. The examples
// name example.com and addresses that exist nowhere, so they run in namespaces
// of their own: there every address is this machine's, and servers that answer
// for all names stand on the usual ports.
func TestExamples(t *testing.T) { inWorld(t, insideExamples) }

// inWorld runs the test that calls it once more, in a process with namespaces of
// its own, and there inside.
func inWorld(t *testing.T, inside func(*testing.T)) {
	if os.Getenv(insideVar) != "" {
		inside(t)
		return
	}
	if testing.Short() {
		t.Skip("-short: runs some hundred commands")
	}
	t.Parallel()
	need.Tool(t, "ip")
	need.Tool(t, "bash")
	need.Tool(t, "setpriv")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := "^" + t.Name() + "$"
	if f := flag.Lookup("test.run").Value.String(); strings.HasPrefix(f, t.Name()+"/") {
		run = f
	}
	c := exec.Command(self, "-test.run="+run, "-test.v", "-test.timeout=50m")
	c.Env = append(os.Environ(), insideVar+"="+brioDir(t))
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		t.Logf("%s", out)
	case errors.As(err, &exit):
		t.Fatalf("%v\n%s", err, out)
	default:
		need.Missing(t, "no namespaces here: %v", err)
	}
}

func insideExamples(t *testing.T) {
	w := makeWorld(t)
	for _, c := range docs.All(cmd.Doc()) {
		t.Run(strings.ReplaceAll(c.Path, " ", "-"), func(t *testing.T) {
			for _, ex := range joinContinued(c.Examples) {
				if strings.Contains(ex, "brio ") && !strings.HasPrefix(ex, "#") {
					w.runExample(t, ex)
				}
			}
		})
	}
}

// joinContinued joins lines that end in a backslash with the next one.
func joinContinued(lines []string) []string {
	return strings.Split(strings.ReplaceAll(strings.Join(lines, "\n"), "\\\n", ""), "\n")
}

// isServer matches commands that go on until they are told to end.
var isServer = regexp.MustCompile(`brio (listen|tls-server|dgram (recv|echo|pipe))\b`)

// runExample runs one example in a fresh directory. What fails is one of those
// that may.
func (w *world) runExample(t *testing.T, example string) {
	defer w.around(t, example)()
	dir := w.directory(t)
	got, out := w.runScript(t, dir, example, nil, isServer.MatchString(example))
	if got != 0 && !mayFail(example, got) {
		t.Errorf("%s ends with status %d:\n%s", example, got, out)
	}
}

// runScript runs a script in dir and returns its status and what it prints. A
// server has a second to fail in, and then must end at SIGTERM, which is status
// 0 here; everything else has to end by itself.
func (w *world) runScript(t *testing.T, dir, script string, stdin io.Reader, server bool) (status int, output string) {
	t.Helper()
	limit := patience
	if server {
		limit = time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-c", script)
	c.Dir, c.Env, c.Stdin = dir, w.environ(dir), stdin
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	c.WaitDelay = 5 * time.Second
	err := c.Run()
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // what the script left behind
	switch {
	case server && ctx.Err() != nil && !errors.Is(err, exec.ErrWaitDelay):
		return 0, out.String()
	case ctx.Err() != nil:
		t.Errorf("%s does not end:\n%s", script, out.String())
	}
	return exitStatus(c.ProcessState), out.String()
}

// mayFail holds the examples that show a failure, and its status.
func mayFail(example string, status int) bool {
	for part, want := range map[string]int{
		"expired.example.com": 13,
		"--validate":          13, // nothing in this world is signed
	} {
		if strings.Contains(example, part) && status == want {
			return true
		}
	}
	return false
}

// directory makes a directory with the files that examples name.
func (w *world) directory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range w.files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	secretFile(t, dir, w.files["cert.pem"])
	return dir
}

func (w *world) environ(dir string) []string {
	return []string{
		"PATH=" + os.Getenv(insideVar) + ":" + os.Getenv("PATH"),
		"HOME=" + dir, "TMPDIR=" + dir, "TERM=dumb", "LC_ALL=C.UTF-8", "USER=root",
	}
}
