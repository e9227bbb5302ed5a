//go:build linux

package tests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brio-net/brio/internal/need"
)

// A shell is a real shell in a pseudo-terminal.
type shell struct {
	t   *testing.T
	tty *os.File
	mu  sync.Mutex
	out bytes.Buffer
}

// startShell starts a shell that finds brio in its PATH and stands at the top of
// the tree.
func startShell(t *testing.T, name string, args ...string) *shell {
	t.Helper()
	tty, slave := openPTY(t)
	c := exec.Command(need.Tool(t, name), args...)
	c.Dir = ".."
	c.Env = append(os.Environ(), "PATH="+brioDir(t)+":"+os.Getenv("PATH"), "TERM=xterm", "PS1=$ ", "HOME="+t.TempDir(), "COLUMNS=120", "LC_ALL=C.UTF-8")
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	s := &shell{t: t, tty: tty}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(s, tty) // ends with EIO when the shell has gone
	}()
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		tty.Close()
		<-done
	})
	return s
}

// openPTY returns both ends of a new pseudo-terminal.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 120}); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// Write keeps what the shell prints.
func (s *shell) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

// typed sends keys and waits until what the shell has printed since matches
// pattern.
func (s *shell) typed(keys, pattern string) {
	s.t.Helper()
	s.mu.Lock()
	s.out.Reset()
	s.mu.Unlock()
	if _, err := io.WriteString(s.tty, keys); err != nil {
		s.t.Fatal(err)
	}
	re := regexp.MustCompile(pattern)
	deadline := time.Now().Add(patience)
	for {
		s.mu.Lock()
		text := s.out.String()
		s.mu.Unlock()
		if re.MatchString(text) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("typed %q: no match of %s in %q", keys, pattern, text)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

const killLine = "\x15"

func TestCompletionInBash(t *testing.T) {
	const library = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(library); err != nil {
		need.Missing(t, "%v", err)
	}
	s := startShell(t, "bash", "--noprofile", "--norc", "-i")
	s.typed("bind 'set bell-style none'; . "+library+"; . completions/brio.bash; echo rea''dy\n", `ready`)
	s.typed("brio ipad\t", `addr `)
	s.typed(killLine+"brio ipaddr is loopb\t", `ack `)
	s.typed(killLine+"brio version --format sho\t", `rt `)
	s.typed(killLine+"brio ipaddr --ipv6 \t\t", `(?s)no.*only.*prefer`)
	s.typed(killLine+"brio help exi\t", `t-codes `)
	s.typed(killLine+"brio dns-query example.com HTT\t", `PS `)
	s.typed(killLine+"brio tls-client --ciphers HIGH:ECDHE-ECDSA-CHA\t", `CHA20-POLY1305 `)
	s.typed(killLine+"brio connect --dns-mode dns,sys\t", `tem `)
}

func TestCompletionInZsh(t *testing.T) {
	s := startShell(t, "zsh", "-f", "-i")
	s.typed("unsetopt beep; fpath=($PWD/completions $fpath); autoload -U compinit; compinit -D; echo rea''dy\n", `ready`)
	s.typed("brio ipad\t", `addr`)
	s.typed(killLine+"brio ipaddr is loopb\t", `ack`)
	s.typed(killLine+"brio version --format sho\t", `rt`)
	s.typed(killLine+"brio ipaddr --ipv6 \t\t", `(?s)no.*only.*prefer`)
	s.typed(killLine+"brio help exi\t", `t-codes`)
	s.typed(killLine+"brio dns-query example.com HTT\t", `PS`)
	s.typed(killLine+"brio tls-client --groups X25519M\t", `LKEM768`)
	s.typed(killLine+"brio cert-info --ca-file LICEN\t", `SE`)
	s.typed(killLine+"brio ftp-\t\t", `(?s)ftp-get.*fetch files by FTP.*ftp-put`)
}

// fish completes at a prompt as the others do: a word that is the only one, and
// the list of several with their descriptions.
func TestCompletionInFish(t *testing.T) {
	s := startShell(t, "fish", "--no-config", "-i")
	s.typed("function fish_prompt; echo -n '$ '; end; function fish_right_prompt; end; set -g fish_autosuggestion_enabled 0; source completions/brio.fish; echo rea''dy\n", `ready`)
	s.typed("brio ipad\t", `addr `)
	s.typed(killLine+"brio ipaddr is loopb\t", `ack `)
	s.typed(killLine+"brio version --format sho\t", `rt `)
	s.typed(killLine+"brio ipaddr --ipv6 \t", `(?s)no.*only.*prefer`)
	s.typed(killLine+"brio help exi\t", `t-codes `)
	s.typed(killLine+"brio dns-query example.com HTT\t", `PS `)
	s.typed(killLine+"brio tls-client --ciphers HIGH:ECDHE-ECDSA-CHA\t", `CHA20-POLY1305 `)
	s.typed(killLine+"brio ftp-\t", `(?s)ftp-get.*fetch files by FTP.*ftp-put`)
}

// fish tells what it would offer.
func TestCompletionsOfFish(t *testing.T) {
	fish := need.Tool(t, "fish")
	for line, want := range map[string]string{
		"brio ipad":                "ipaddr\t",
		"brio ipaddr is loopb":     "loopback",
		"brio version --format sh": "short",
		"brio ipaddr --ipv6 ":      "prefer",
		"brio help exi":            "exit-codes",
		"brio config show ipa":     "ipaddr",
		"brio ipaddr interfaces ":  "lo",

		"brio dns-query example.com HTT":               "HTTPS",
		"brio dns-query @tl":                           "@tls://",
		"brio dns-query --type A,MX,CA":                "A,MX,CAA",
		"brio tls-client --method tlsv1.":              "tlsv1.3",
		"brio tls-client --ciphers ECDHE-RSA-AES128-G": "ECDHE-RSA-AES128-GCM-SHA256",
		"brio tls-client --groups X255":                "X25519MLKEM768",
		"brio tls-client --starttls sm":                "smtp",
		"brio cert-info --allow expired,unt":           "expired,untrusted",
		"brio cert-info --ca-file LICEN":               "LICENSE",
		"brio connect --device l":                      "lo",
		"brio --profile c":                             "corp",
		"brio dns-query --tsig hmac-sha2":              "hmac-sha256:",
		"brio ftp-get --checksum sha":                  "sha256:",
		"brio connect --proxy socks5h":                 "socks5h://",
		"brio help json tls-c":                         "tls-client",
		"brio help dgram se":                           "send",
	} {
		home := t.TempDir()
		config := filepath.Join(home, ".config", "brio", "config.yaml")
		if err := errors.Join(os.MkdirAll(filepath.Dir(config), 0o755), os.WriteFile(config, []byte("profiles: {corp: {defaults: {timeout: 3}}}\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(fish, "--no-config", "-c", "source completions/brio.fish; complete -C "+quote(line))
		c.Dir = ".."
		c.Env = append(os.Environ(), "PATH="+brioDir(t)+":"+os.Getenv("PATH"), "HOME="+home, "XDG_CONFIG_HOME=")
		out, err := c.CombinedOutput()
		lines := strings.Split(string(out), "\n")
		if err != nil || !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("%q: %v, offered %q; want %q", line, err, out, want)
		}
	}
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// The scripts are those that brio prints.
func TestCompletionCommand(t *testing.T) {
	brio := filepath.Join(brioDir(t), "brio")
	for shell, file := range map[string]string{"bash": "brio.bash", "zsh": "_brio", "fish": "brio.fish", "powershell": "brio.ps1"} {
		want, err := os.ReadFile(filepath.Join("..", "completions", file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := exec.Command(brio, "completion", shell).Output()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("brio completion %s: %v; not what completions/%s holds", shell, err, file)
		}
	}
}
