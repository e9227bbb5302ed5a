package tests

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/internal/need"
)

// A failing says which system calls of a program fail, as strace has it:
// "splice:error=EINTR:when=2+3". With path only calls that concern that file do.
type failing struct {
	path  string
	calls []string
}

// startFailing starts brio with failing system calls, and a bound on its time:
// when strace is killed, brio goes on without it.
func startFailing(t *testing.T, f failing, change func(*exec.Cmd), args ...string) *program {
	t.Helper()
	argv := []string{"strace", "-f", "-qq", "-o", filepath.Join(t.TempDir(), "trace")}
	if f.path != "" {
		argv = append(argv, "-P", f.path)
	}
	for _, calls := range f.calls {
		argv = append(argv, "-e", "inject="+calls)
	}
	port := filepath.Join(t.TempDir(), "port")
	if args[0] == "listen" {
		args = append(args, "--port-file", port)
	}
	argv = append(append(argv, filepath.Join(brioDir(t), "brio")), append(args, "--timeout", "60")...)
	if len(f.calls) == 0 {
		argv = append([]string{"brio"}, argv[len(argv)-len(args)-2:]...)
		p := startProgram(t, change, argv...)
		if args[0] == "listen" {
			p.portFile = port
		}
		return p
	}
	p := startProgram(t, change, argv...)
	p.portFile = port
	return p
}

// killTraced ends the program under strace, and with it strace, at the end of
// the test: killed itself, strace leaves it alone.
func (p *program) killTraced() {
	p.t.Cleanup(func() {
		pid := p.cmd.Process.Pid
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)) // it may have ended
		for _, child := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				_ = unix.Kill(n, unix.SIGKILL) // as above
			}
		}
		<-p.done
	})
}

func fails(calls ...string) failing { return failing{calls: calls} }

// interrupted is EINTR now and then in everything that moves bytes or waits.
func interrupted() failing {
	return fails("splice:error=EINTR:when=2+3", "sendfile:error=EINTR:when=1+2", "epoll_pwait:error=EINTR:when=3+2",
		"accept4:error=EINTR:when=1+2", "read:error=EINTR:when=40+5", "write:error=EINTR:when=40+5")
}

// System calls fail on the way from the stdin of connect to the stdout of
// listen. Either everything arrives, or both say in their status that it did not.
func TestSystemCallsFail(t *testing.T) {
	need.Tool(t, "strace")
	data := randomData(3 << 20)
	source := filepath.Join(t.TempDir(), "source")
	writeFile(t, source, data)
	for name, tt := range map[string]struct {
		send, receive failing
		pipes         bool // stdin and stdout are pipes, not files
		sent, got     int  // statuses; when both are 0 everything arrives
		message       string
	}{
		"EINTR, files":                    {send: interrupted(), receive: interrupted()},
		"EINTR, pipes":                    {send: interrupted(), receive: interrupted(), pipes: true},
		"no sendfile":                     {send: fails("sendfile:error=EINVAL")},
		"no splice":                       {send: fails("splice:error=EINVAL"), receive: fails("splice:error=EINVAL"), pipes: true},
		"splice is forbidden":             {send: fails("splice:error=ENOSYS"), receive: fails("splice:error=EPERM"), pipes: true},
		"EMFILE for the pipe of a splice": {send: fails("pipe2:error=EMFILE:when=2+"), receive: fails("pipe2:error=EMFILE:when=2+"), pipes: true},
		"ECONNABORTED at accept":          {receive: fails("accept4:error=ECONNABORTED:when=1")},
		"EMFILE at accept":                {receive: fails("accept4:error=EMFILE:when=1"), message: "too many open files"},
		"ENOBUFS at accept":               {receive: fails("accept4:error=ENOBUFS:when=1"), message: "no buffer space"},
		"ENOBUFS when sending":            {send: fails("sendfile:error=ENOBUFS:when=1"), sent: 1, got: 7, message: "no buffer space available"},
		"EIO from stdin":                  {send: failing{source, []string{"sendfile:error=EIO:when=1"}}, sent: 12, got: 7, message: "stdin: input/output error"},
		"ENOMEM when sending":             {send: fails("splice:error=ENOMEM:when=2"), pipes: true, sent: 1, got: 7, message: "cannot allocate memory"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			listen := startFailing(t, tt.receive, toFile(t, out, tt.pipes), "listen", "127.0.0.1:0", "--no-stdin")
			connect := startFailing(t, tt.send, fromFile(t, source, tt.pipes), "connect", "127.0.0.1:"+listen.place())
			sent, got := connect.status(), listen.status()
			told := connect.stderr.String() + listen.stderr.String()
			if sent != tt.sent || got != tt.got || !strings.Contains(told, tt.message) || tt.message == "" && told != "" {
				t.Errorf("connect ended with %d, listen with %d: %s; want %d, %d", sent, got, told, tt.sent, tt.got)
			}
			arrived, err := os.ReadFile(out)
			if tt.pipes {
				arrived, err = []byte(listen.stdout.String()), nil
			}
			if err != nil || !bytes.HasPrefix(data, arrived) || got == 0 && len(arrived) != len(data) {
				t.Errorf("%d of %d bytes arrived, %v", len(arrived), len(data), err)
			}
		})
	}
}

// toFile makes path the stdout of a program, unless that is to be a pipe.
func toFile(t *testing.T, path string, pipe bool) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		if pipe {
			return
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		c.Stdout = f
	}
}

// fromFile makes path, or a pipe with what is in it, the stdin of a program.
func fromFile(t *testing.T, path string, pipe bool) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		c.Stdin = f
		if pipe {
			c.Stdin = struct{ io.Reader }{f} // which os/exec copies through a pipe
		}
	}
}

// No descriptor, no buffer: the failure is told before anything is done.
func TestSocketCannotBeMade(t *testing.T) {
	need.Tool(t, "strace")
	server := nameServer(t, map[string]string{"a.example.": "192.0.2.1"})
	for _, errno := range []string{"EMFILE:too many open files", "ENOBUFS:no buffer space available", "EACCES:permission denied"} {
		name, message, _ := strings.Cut(errno, ":")
		status := 1
		if name == "EACCES" {
			status = 9
		}
		for _, args := range [][]string{
			{"connect", "--no-stdin", "127.0.0.1:9"},
			{"listen", "127.0.0.1:0"},
			{"dgram", "send", "--data", "x", "127.0.0.1:9"},
			{"dgram", "recv", "127.0.0.1:0"},
			{"dgram", "echo", "127.0.0.1:0"},
			{"dgram", "pipe", "127.0.0.1:9"},
			{"dns-query", "@" + server, "a.example"},
			{"dns-query", "@tcp://" + server, "a.example"},
			{"tls-client", "--no-stdin", "127.0.0.1:9"},
			{"tls-server", "127.0.0.1:0"},
			{"cert-info", "127.0.0.1:9"},
			{"ftp-get", "-o", "-", "ftp://127.0.0.1:9/f"},
			{"ftp-put", "/dev/null", "ftp://127.0.0.1:9/f"},
			{"ftp-ls", "ftp://127.0.0.1:9/"},
			{"ftp-transfer", "ftp://127.0.0.1:9/f", "ftp://127.0.0.1:9/g"},
		} {
			p := startFailing(t, fails("socket:error="+name), nil, args...)
			if got, told := p.status(), p.stderr.String(); got != status || !strings.Contains(told, message) || p.stdout.String() != "" {
				t.Errorf("%s without sockets (%s): status %d, stderr %q, stdout %q; want %d", args[0], name, got, told, p.stdout.String(), status)
			}
		}
	}
}

// Datagrams that cannot be sent are not counted as sent; EINTR is no failure.
func TestDatagramCallsFail(t *testing.T) {
	need.Tool(t, "strace")
	for name, tt := range map[string]struct {
		calls   failing
		status  int
		message string
		arrive  int
	}{
		"EINTR":          {fails("sendmmsg:error=EINTR:when=1+2", "epoll_pwait:error=EINTR:when=2+2"), 0, "", 20},
		"ENOBUFS":        {fails("sendmmsg:error=ENOBUFS:when=1"), 1, "no buffer space available", 0},
		"EPERM":          {fails("sendmmsg:error=EPERM:when=1"), 9, "not permitted", 0},
		"ENETUNREACH":    {fails("sendmmsg:error=ENETUNREACH:when=1"), 6, "network is unreachable", 0},
		"EINTR, one way": {fails("recvmmsg:error=EINTR:when=1+2"), 0, "", 20},
	} {
		t.Run(name, func(t *testing.T) {
			port := filepath.Join(t.TempDir(), "port")
			recv := startFailing(t, fails("recvmmsg:error=EINTR:when=1+2", "recvfrom:error=EINTR:when=1+2"), nil,
				"dgram", "recv", "127.0.0.1:0", "--count", fmt.Sprint(max(tt.arrive, 1)), "--print", "lines", "--wait", "2s", "--port-file", port)
			recv.portFile = port
			var lines strings.Builder
			for i := range 20 {
				fmt.Fprintln(&lines, i)
			}
			send := startFailing(t, tt.calls, stdinText(lines.String()), "dgram", "send", "--framing", "lines", "127.0.0.1:"+recv.place())
			if got, told := send.status(), send.stderr.String(); got != tt.status || !strings.Contains(told, tt.message) {
				t.Errorf("status %d, stderr %q; want %d, %q", got, told, tt.status, tt.message)
			}
			recv.status()
			if got := strings.Count(recv.stdout.String(), "\n"); got != tt.arrive {
				t.Errorf("%d datagrams arrived; want %d", got, tt.arrive)
			}
		})
	}
}

// In bulk, what could not be sent or received is asked for again. strace counts
// the calls of each thread by itself, and the runtime is free to make each try on
// another thread: a failure that counts as a try needs more of them than usual.
func TestBulkCallsFail(t *testing.T) {
	need.Tool(t, "strace")
	zone := map[string]string{}
	var names, want strings.Builder
	for i := range 300 {
		name := fmt.Sprintf("n%d.example.", i)
		zone[name] = "192.0.2.1"
		fmt.Fprintln(&names, name)
		fmt.Fprintln(&want, "192.0.2.1")
	}
	server := nameServer(t, zone)
	for _, calls := range []string{"sendmmsg:error=ENOBUFS:when=1+2", "sendmmsg:error=EINTR:when=1+2", "sendmmsg:error=EINTR:when=1..9", "sendmmsg:error=EPERM:when=2",
		"recvmmsg:error=EINTR:when=1+2", "recvmmsg:error=ENOBUFS:when=2", "recvmmsg:error=ECONNREFUSED:when=2", "epoll_pwait:error=EINTR:when=2+2"} {
		repeat := "5"
		if strings.Contains(calls, "ENOBUFS") {
			repeat = "15"
		}
		p := startFailing(t, fails(calls), stdinText(names.String()), "dns-query", "@"+server, "--short", "-f", "-", "--try-timeout", "1", "--repeat", repeat)
		if got := p.status(); got != 0 || p.stdout.String() != want.String() {
			t.Errorf("%s: status %d, %d of 300 answers, stderr %q", calls, got, strings.Count(p.stdout.String(), "\n"), p.stderr.String())
		}
	}
}

// A download that cannot be written is a local failure that keeps what came;
// interrupted calls change nothing.
func TestDownloadCallsFail(t *testing.T) {
	need.Tool(t, "strace")
	data := randomData(2 << 20)
	s := (&ftptest.Server{}).Put("/f", data)
	s.Start(t)
	for name, tt := range map[string]struct {
		calls   func(dir string) failing
		status  int
		message string
	}{
		"EINTR": {func(string) failing { return interrupted() }, 0, ""},
		"ENOSPC": {func(dir string) failing {
			return failing{filepath.Join(dir, "f.part"), []string{"splice:error=ENOSPC:when=2+", "write:error=ENOSPC:when=2+"}}
		}, 12, "no space left on device"},
		"EIO when the file is closed": {func(dir string) failing {
			return failing{filepath.Join(dir, "f.part"), []string{"close:error=EIO:when=1"}}
		}, 12, "input/output error"},
		"no rename": {func(string) failing { return fails("renameat,renameat2:error=EXDEV") }, 12, "cross-device"},
		"no file":   {func(string) failing { return failing{"f.part", []string{"openat:error=EMFILE"}} }, 12, "too many open files"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := startFailing(t, tt.calls(dir), func(c *exec.Cmd) { c.Dir = dir }, "ftp-get", "-q", "-d", dir, "ftp://"+s.HostPort()+"/f")
			if got, told := p.status(), p.stderr.String(); got != tt.status || !strings.Contains(told, tt.message) {
				t.Errorf("status %d, stderr %q; want %d, %q", got, told, tt.status, tt.message)
			}
			got, err := os.ReadFile(filepath.Join(dir, "f"))
			if tt.status == 0 && !bytes.Equal(got, data) || tt.status != 0 && err == nil {
				t.Errorf("the file has %d bytes, %v", len(got), err)
			}
		})
	}
}

// Writes are short: through a disk that gets full, and through buffers of a few
// kilobytes to readers that take a little now and then.
func TestShortWrites(t *testing.T) {
	data := randomData(2 << 20)
	source := filepath.Join(t.TempDir(), "source")
	writeFile(t, source, data)
	t.Run("disk", func(t *testing.T) {
		where := t.TempDir()
		if err := unix.Mount("none", where, "tmpfs", 0, "size=1m"); err != nil {
			need.Missing(t, "mount: %v", err)
		}
		t.Cleanup(func() { unix.Unmount(where, unix.MNT_DETACH) })
		out := filepath.Join(where, "out")
		for _, flags := range [][]string{nil, {"-o", out}, {"--rate", "100M"}, {"--chunked-in"}} {
			var change func(*exec.Cmd)
			if len(flags) == 0 || flags[0] != "-o" {
				change = toFile(t, out, false)
			}
			listen := startProgram(t, change, append([]string{"brio", "listen", "127.0.0.1:0", "--no-stdin"}, flags...)...)
			addr := "127.0.0.1:" + listen.place()
			send := []string{"brio", "connect", addr}
			if len(flags) == 1 {
				send = append(send, "--chunked-out")
			}
			connect := startProgram(t, fromFile(t, source, false), send...)
			got, sent := listen.status(), connect.status()
			if got != 12 || sent != 7 || !strings.Contains(listen.stderr.String(), "no space left on device") {
				t.Errorf("listen %v: status %d, stderr %q; connect: %d", flags, got, listen.stderr.String(), sent)
			}
			if part, err := os.ReadFile(out); err != nil || len(part) == 0 || !bytes.HasPrefix(data, part) {
				t.Errorf("listen %v left %d bytes that are not the beginning, %v", flags, len(part), err)
			}
		}
	})
	t.Run("buffers", func(t *testing.T) {
		for _, flags := range [][]string{{"--send-buffer", "4k"}, {"--send-buffer", "4k", "--rate", "100M"}} {
			listen := startProgram(t, nil, "brio", "listen", "127.0.0.1:0", "--no-stdin", "--receive-buffer", "4k")
			connect := startProgram(t, fromFile(t, source, true), append([]string{"brio", "connect", "127.0.0.1:" + listen.place()}, flags...)...)
			for range 10 { // the reader stands still, and the writer's buffers are full
				_ = listen.cmd.Process.Signal(unix.SIGSTOP) // unless it has all of it already
				time.Sleep(10 * time.Millisecond)
				_ = listen.cmd.Process.Signal(unix.SIGCONT)
				time.Sleep(2 * time.Millisecond)
			}
			connect.ends(0, "", "")
			if listen.status() != 0 || listen.stdout.String() != string(data) {
				t.Errorf("connect %v: %d of %d bytes arrived", flags, len(listen.stdout.String()), len(data))
			}
		}
	})
}
