package tests

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brio-net/brio/cmd"
	"github.com/brio-net/brio/internal/docs"
	"github.com/brio-net/brio/internal/ftptest"
)

// onTerminal runs brio on a terminal with a number of columns and returns what
// it prints, on both streams.
func onTerminal(t *testing.T, columns int, env []string, args ...string) string {
	t.Helper()
	master, slave := openPTY(t)
	defer master.Close()
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(filepath.Join(brioDir(t), "brio"), args...)
	c.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "TERM=xterm"}, env...)
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	limit := time.AfterFunc(patience, func() { c.Process.Kill() })
	defer limit.Stop()
	var out bytes.Buffer
	_, _ = io.Copy(&out, master) // ends with EIO when brio has gone
	_ = c.Wait()                 // what it prints is looked at
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
}

// Who decides about colours, in this order: the flag, NO_COLOR, CLICOLOR_FORCE and
// FORCE_COLOR, TERM and CLICOLOR, and whether stdout is a terminal.
func TestColours(t *testing.T) {
	brio := filepath.Join(brioDir(t), "brio")
	for _, tt := range []struct {
		flag, env string
		terminal  bool
		pipe      bool
	}{
		{"", "", true, false},
		{"", "NO_COLOR=1", false, false},
		{"", "NO_COLOR=", true, false},
		{"", "TERM=dumb", false, false},
		{"", "CLICOLOR=0", false, false},
		{"", "CLICOLOR=1", true, false},
		{"", "CLICOLOR_FORCE=1", true, true},
		{"", "CLICOLOR_FORCE=0", true, false},
		{"", "FORCE_COLOR=1", true, true},
		{"", "FORCE_COLOR=0", true, false},
		{"", "FORCE_COLOR=1 NO_COLOR=1", false, false},
		{"", "FORCE_COLOR=1 TERM=dumb", true, true},
		{"--color=always", "NO_COLOR=1", true, true},
		{"--color=never", "FORCE_COLOR=1", false, false},
		{"--color=auto", "", true, false},
	} {
		args := []string{"version", "-h"}
		if tt.flag != "" {
			args = append(args, tt.flag)
		}
		env := strings.Fields(tt.env)
		if got := strings.Contains(onTerminal(t, 80, env, args...), "\x1b["); got != tt.terminal {
			t.Errorf("%s brio %v on a terminal: colours %v, want %v", tt.env, args, got, tt.terminal)
		}
		c := exec.Command(brio, args...)
		c.Env = append([]string{"HOME=" + t.TempDir(), "TERM=xterm"}, env...)
		out, err := c.Output()
		if got := bytes.Contains(out, []byte("\x1b[")); err != nil || got != tt.pipe {
			t.Errorf("%s brio %v in a pipe: colours %v, %v, want %v", tt.env, args, got, err, tt.pipe)
		}
	}
}

// Help keeps to the width of the terminal. Examples and usage lines stay in one
// piece.
func TestHelpKeepsToTheWidth(t *testing.T) {
	for _, columns := range []int{40, 60, 100} {
		for _, c := range docs.All(cmd.Doc())[1:] {
			args := append(strings.Fields(c.Path)[1:], "--help")
			out := onTerminal(t, columns, []string{"NO_COLOR=1"}, args...)
			_, flags, found := strings.Cut(out, " flags\n")
			if !found {
				continue
			}
			flags, _, _ = strings.Cut(flags, "\nExit status\n")
			for line := range strings.SplitSeq(flags, "\n") {
				words := strings.Fields(line) // of a name in full: -x, --name VALUE
				isName := strings.HasPrefix(strings.TrimSpace(line), "-") && len(words) <= 3
				if len(line) > columns && !isName && len(words) > 1 {
					t.Errorf("%s --help on %d columns: %q", c.Path, columns, line)
				}
			}
		}
	}
}

// A terminal gets columns, a pipe tabs; both get the same words.
func TestTablesOnTerminals(t *testing.T) {
	args := []string{"config", "show", "version"}
	out, err := exec.Command(filepath.Join(brioDir(t), "brio"), args...).Output()
	if err != nil || !bytes.Contains(out, []byte("COMMAND\tSETTING\tVALUE\tFROM\n")) {
		t.Errorf("brio %v in a pipe: %v: %q", args, err, out)
	}
	terminal := onTerminal(t, 80, nil, args...)
	if strings.Contains(terminal, "\t") || !strings.Contains(terminal, "COMMAND  SETTING ") {
		t.Errorf("brio %v on a terminal: %q", args, terminal)
	}
	if a, b := strings.Fields(string(out)), strings.Fields(terminal); !slices.Equal(a, b) {
		t.Errorf("the words differ: %q, %q", a, b)
	}
}

// Long work shows on a terminal how far it has come, and leaves the line clean.
func TestProgressOnTerminals(t *testing.T) {
	server := (&ftptest.Server{}).Put("/f", make([]byte, 300<<10)).Start(t)
	url := "ftp://" + server.HostPort() + "/f*" // a listing tells the size
	dir := t.TempDir()
	get := func(flags ...string) string {
		return onTerminal(t, 80, nil, append([]string{"ftp-get", "-d", dir, "--rate", "600k", url}, flags...)...)
	}
	out := get()
	if !strings.Contains(out, "of 300.0 KiB (") || !strings.Contains(out, "/s") || !strings.HasSuffix(out, "\x1b[K") {
		t.Errorf("ftp-get shows %q", out)
	}
	for _, flag := range []string{"--progress=never", "-q"} {
		if out := get(flag); strings.Contains(out, "%") {
			t.Errorf("ftp-get %s shows %q", flag, out)
		}
	}
}
