package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// childFlags name a command that is run with a connection as its standard input
// and output.
type childFlags struct {
	exec       string
	shell      string
	execStatus bool
}

func (c *childFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&c.exec, "exec", "e", "", "run `COMMAND` with the connection as its stdin and stdout (words are split, no shell)")
	f.StringVar(&c.shell, "sh", "", "the same through the shell: `SCRIPT` may hold pipes and variables")
	f.BoolVar(&c.execStatus, "exec-status", false, "end with the status of the command that was run")
}

func (c *childFlags) given() bool { return c.exec != "" || c.shell != "" }

// argv is the program and its arguments.
func (c *childFlags) argv() ([]string, error) {
	switch {
	case c.exec != "" && c.shell != "":
		return nil, usagef("--exec and --sh exclude each other")
	case c.shell != "" && runtime.GOOS == "windows":
		return []string{"cmd", "/c", c.shell}, nil
	case c.shell != "":
		return []string{"/bin/sh", "-c", c.shell}, nil
	}
	words, err := splitWords(c.exec)
	if err == nil && len(words) == 0 {
		err = errors.New("names no command")
	}
	if err != nil {
		return nil, usagef("--exec: %w", err)
	}
	return words, nil
}

// splitWords cuts s at blanks. Quotes and backslashes work as in a shell, but
// nothing is expanded and nothing is special. It goes by bytes: the name of a
// file need not be UTF-8.
func splitWords(s string) ([]string, error) {
	var (
		words  []string
		word   strings.Builder
		inWord bool
		quote  byte
		escape bool
	)
	for i := range len(s) {
		b := s[i]
		switch {
		case escape:
			word.WriteByte(b)
			escape = false
		case b == '\\' && quote != '\'':
			escape, inWord = true, true
		case quote != 0 && b == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(b)
		case b == '\'' || b == '"':
			quote, inWord = b, true
		case b == ' ' || b == '\t' || b == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteByte(b)
			inWord = true
		}
	}
	if quote != 0 || escape {
		return nil, fmt.Errorf("%q ends inside a quotation", s)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// connVariables tell a child about its connection.
func connVariables(proto string, local, remote net.Addr) []string {
	vars := []string{"BRIO_PROTO=" + proto}
	for name, a := range map[string]net.Addr{"LOCAL": local, "REMOTE": remote} {
		host, port := splitNetAddr(a)
		vars = append(vars, "BRIO_"+name+"_ADDR="+host, "BRIO_"+name+"_PORT="+port)
	}
	return vars
}

// splitNetAddr is the address without its port ("" for UNIX sockets).
func splitNetAddr(a net.Addr) (host, port string) {
	if a == nil {
		return "", ""
	}
	if u, ok := a.(*net.UnixAddr); ok {
		return u.Name, ""
	}
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String(), ""
	}
	return host, port
}

// connEnviron is the environment of a child that has a connection: brio's own
// with vars, but without what is not for one that perhaps talks to strangers.
func connEnviron(vars []string) []string {
	return append(slices.DeleteFunc(os.Environ(), isOwnVariable), vars...)
}

// isOwnVariable reports whether a variable is meant for brio alone: its secrets,
// and what a service manager tells the program it has started.
func isOwnVariable(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	switch name {
	case "NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES":
		return true
	}
	secret := func(flag string) bool { return strings.HasSuffix(name, "_"+flag) }
	return strings.HasPrefix(name, "BRIO_") && slices.ContainsFunc([]string{"PASSWORD", "PROXY", "TSIG", "TCP_MD5_KEY"}, secret)
}

// childGrace is how long a child has to end after SIGTERM, and its pipes to
// drain after it ended.
const childGrace = 2 * time.Second

// run starts the command with stdin and stdout, adds vars to its environment,
// and waits for it. Files are handed to the child as they are. The error is a
// failure to start, or with --exec-status the child's status. When ctx ends the
// child gets SIGTERM, and is killed if it stays.
func (c *childFlags) run(ctx context.Context, e *env, stdin io.Reader, stdout io.Writer, vars []string) error {
	argv, err := c.argv()
	if err != nil {
		return err
	}
	return e.runProgram(ctx, argv, stdin, stdout, connEnviron(vars), c.execStatus)
}

// runProgram runs argv with environ; see childFlags.run. The child has the files of extra as
// descriptors 3 and on.
func (e *env) runProgram(ctx context.Context, argv []string, stdin io.Reader, stdout io.Writer, environ []string, handOn bool, extra ...*os.File) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, e.err
	if e.stderr != nil {
		cmd.Stderr = e.stderr
	}
	cmd.Env = environ
	cmd.ExtraFiles = extra
	cmd.Cancel = func() error { return terminate(cmd.Process) }
	cmd.WaitDelay = childGrace
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.As(err, &exit):
		return context.Cause(ctx)
	case errors.As(err, &exit):
		e.verbosef("%s: %v", argv[0], exit)
		if handOn {
			return exitWith(childStatus(exit.ProcessState))
		}
		return nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return &failure{err: errors.New("no such command"), target: argv[0], op: "exec", status: statusNoCommand, kind: "no-such-command"}
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // the child is done; what it left running kept its pipes
	}
	return &failure{err: plainCause(err), target: argv[0], op: "exec", status: statusNoExec, kind: "cannot-execute"}
}

// childStatus is the status a shell would give to p.
func childStatus(p *os.ProcessState) status {
	if w, ok := p.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return statusSignal + status(w.Signal())
	}
	return status(p.ExitCode())
}
