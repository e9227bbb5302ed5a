package tests

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/need"
)

// A program is brio, or another program, under test.
type program struct {
	t        *testing.T
	cmd      *exec.Cmd
	portFile string
	done     chan struct{} // closed when it has ended

	stdout, stderr lockedBuffer
}

// A lockedBuffer may be read while a program writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startProgram starts argv; "brio" is the binary under test, and gets a
// --port-file where it listens. change, when not nil, may set streams; by
// default stdin is the null device.
func startProgram(t *testing.T, change func(*exec.Cmd), argv ...string) *program {
	t.Helper()
	p := &program{t: t, done: make(chan struct{})}
	if argv[0] == "brio" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		if argv[1] == "listen" {
			p.portFile = filepath.Join(t.TempDir(), "port")
			argv = append([]string{"brio", "listen", "--port-file", p.portFile}, argv[2:]...)
		}
		p.cmd = exec.Command(self, argv[1:]...)
		p.cmd.Args[0] = filepath.Join(brioDir(t), "brio")
		p.cmd.Path = p.cmd.Args[0]
	} else {
		p.cmd = exec.Command(need.Tool(t, argv[0]), argv[1:]...)
	}
	p.cmd.Env = append(os.Environ(), "BRIO_CONFIG=none")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.WaitDelay = 5 * time.Second
	if change != nil {
		change(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the status is looked at
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // unless it has ended
		<-p.done
	})
	return p
}

// place waits until brio listens, and returns the port or path.
func (p *program) place() string {
	p.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if text, err := os.ReadFile(p.portFile); err == nil {
			return trimNewline(string(text))
		}
		select {
		case <-p.done:
			p.t.Fatalf("%s has ended: %s", p, p.stderr.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
	p.t.Fatalf("%s does not listen: %s", p, p.stderr.String())
	return ""
}

// dial connects to brio, which listens on 127.0.0.1 or a path.
func (p *program) dial() net.Conn {
	p.t.Helper()
	network, addr := "tcp", "127.0.0.1:"+p.place()
	if strings.ContainsAny(p.place(), "/@") {
		network, addr = "unix", p.place()
	}
	c, err := net.Dial(network, addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	return c
}

// status waits for the end; a death by signal n is 128+n.
func (p *program) status() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s does not end; stderr: %s", p, p.stderr.String())
	}
	return exitStatus(p.cmd.ProcessState)
}

// ends checks how the program ends: status, stdout, and the one line on stderr
// that contains message, or nothing if that is empty.
func (p *program) ends(status int, stdout, message string) {
	p.t.Helper()
	got := p.status()
	errs := p.stderr.String()
	if got != status || p.stdout.String() != stdout {
		p.t.Errorf("%s: status %d, stdout %.200q, stderr %q; want status %d, stdout %.200q", p, got, p.stdout.String(), errs, status, stdout)
	}
	first, rest, _ := strings.Cut(errs, "\n")
	switch {
	case message == "" && errs != "":
		p.t.Errorf("%s: unexpected stderr %q", p, errs)
	case !strings.Contains(first, message):
		p.t.Errorf("%s: stderr is %q, want %q", p, errs, message)
	case rest != "" && !strings.HasPrefix(rest, "hint: "):
		p.t.Errorf("%s: more than one line on stderr: %q", p, errs)
	}
}

// running fails the test if the program ends soon.
func (p *program) running() {
	p.t.Helper()
	select {
	case <-p.done:
		p.t.Fatalf("%s has ended, status %d: %s", p, exitStatus(p.cmd.ProcessState), p.stderr.String())
	case <-time.After(100 * time.Millisecond):
	}
}

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// waits until the condition holds.
func (p *program) waits(what string, holds func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.t.Fatalf("%s: %s does not come; stdout %q, stderr %q", p, what, p.stdout.String(), p.stderr.String())
}

func (p *program) String() string {
	return fmt.Sprintf("%s %s", filepath.Base(p.cmd.Args[0]), strings.Join(p.cmd.Args[1:], " "))
}

// stdinText makes text the stdin of a program.
func stdinText(text string) func(*exec.Cmd) {
	return func(c *exec.Cmd) { c.Stdin = strings.NewReader(text) }
}

// stdinPipe gives the test the writing end of the stdin of a program.
func stdinPipe(t *testing.T, w *io.WriteCloser) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		p, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		*w = p
	}
}

// readWhole reads a connection to its end.
func readWhole(t *testing.T, c net.Conn) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("read: %v after %q", err, b)
	}
	return string(b)
}

// halfClose ends the writing half of c.
func halfClose(c net.Conn) { c.(interface{ CloseWrite() error }).CloseWrite() }

// reset breaks c off.
func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}
