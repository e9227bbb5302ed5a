package tests

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const anyPort = "127.0.0.1:0"

// What the peer sends late arrives although stdin is the null device: no
// half-close is sent, which many peers take for the end.
func TestListenWithoutStdinDoesNotHalfClose(t *testing.T) {
	p := startProgram(t, nil, "brio", "listen", anyPort)
	c := p.dial()
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !os.IsTimeout(err) {
		t.Errorf("the peer read %d, %v; want silence", n, err)
	}
	io.WriteString(c, "LATE\n")
	halfClose(c)
	p.ends(0, "LATE\n", "")
}

func TestListenClosedStdin(t *testing.T) {
	// A shell is the way to close a descriptor.
	dir := brioDir(t)
	p := startProgram(t, func(c *exec.Cmd) { c.Env = append(c.Env, "PATH="+dir+":"+os.Getenv("PATH")) },
		"sh", "-c", "exec brio listen "+anyPort+" --port-file '"+filepath.Join(t.TempDir(), "port")+"' <&-")
	p.portFile = strings.Trim(p.cmd.Args[2][strings.Index(p.cmd.Args[2], "'"):strings.LastIndex(p.cmd.Args[2], "'")], "'")
	c := p.dial()
	io.WriteString(c, "data\n")
	c.Close()
	p.ends(0, "data\n", "")
}

func TestListenRepliesAfterStdinEnds(t *testing.T) {
	p := startProgram(t, stdinText("request\n"), "brio", "listen", anyPort)
	c := p.dial()
	if got := readWhole(t, c); got != "request\n" {
		t.Errorf("the peer got %q", got)
	}
	time.Sleep(600 * time.Millisecond) // longer than socat waits
	io.WriteString(c, "reply\n")
	c.Close()
	p.ends(0, "reply\n", "")
}

func TestListenKeepsSendingAfterThePeerEnds(t *testing.T) {
	var in io.WriteCloser
	p := startProgram(t, stdinPipe(t, &in), "brio", "listen", anyPort)
	c := p.dial()
	io.WriteString(c, "done\n")
	halfClose(c)
	p.waits("the output", func() bool { return p.stdout.String() == "done\n" })
	p.running()
	io.WriteString(in, "late\n")
	in.Close()
	if got := readWhole(t, c); got != "late\n" {
		t.Errorf("the peer got %q", got)
	}
	p.ends(0, "done\n", "")
}

// Rows of what other tools leave silent or with status 0.
func TestListenFailures(t *testing.T) {
	t.Run("reset", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort)
		c := p.dial()
		io.WriteString(c, "part\n")
		p.waits("the output", func() bool { return p.stdout.String() != "" })
		reset(c)
		p.ends(7, "part\n", "connection reset by peer")
	})
	t.Run("writing to a peer that has closed", func(t *testing.T) {
		var in io.WriteCloser
		p := startProgram(t, stdinPipe(t, &in), "brio", "listen", anyPort)
		p.dial().Close()
		p.running()
		io.WriteString(in, "lost\n")
		in.Close()
		p.ends(7, "", "brio listen: 127.0.0.1:")
	})
	t.Run("strict end", func(t *testing.T) {
		var in io.WriteCloser
		p := startProgram(t, stdinPipe(t, &in), "brio", "listen", anyPort, "--strict-eof")
		halfClose(p.dial())
		p.ends(7, "", "the peer ended before the input did")
	})
	t.Run("accept time-out", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--accept-timeout", "100ms")
		p.ends(5, "", "time-out of accepting after 100ms")
	})
	t.Run("idle time-out", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--idle-timeout", "100ms")
		p.dial()
		p.ends(5, "", "idle time-out: nothing has moved for 100ms")
	})
	t.Run("read time-out", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--read-timeout", "100ms")
		p.dial()
		p.ends(5, "", "read time-out: the peer has sent nothing for 100ms")
	})
	t.Run("whole run", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--timeout", "200ms")
		p.dial()
		p.ends(5, "", "time-out of the whole run after 200ms")
	})
	t.Run("nothing pending", func(t *testing.T) {
		startProgram(t, nil, "brio", "listen", anyPort, "--no-wait").ends(11, "", "no connection is pending")
	})
	t.Run("expectation not met", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--expect", "hel+o")
		c := p.dial()
		io.WriteString(c, "help")
		c.Close()
		p.ends(11, "help", "the peer ended without")
	})
	t.Run("expectation met", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--expect", "hel+o")
		io.WriteString(p.dial(), "oh hello")
		p.ends(0, "oh hello", "")
	})
	t.Run("full disk", func(t *testing.T) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		p := startProgram(t, func(c *exec.Cmd) { c.Stdout = full }, "brio", "listen", anyPort)
		io.WriteString(p.dial(), "x")
		p.ends(12, "", "write stdout: no space left on device")
	})
	t.Run("address in use", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort)
		startProgram(t, nil, "brio", "listen", "127.0.0.1:"+p.place()).ends(8, "", ": address already in use")
	})
	t.Run("address of another machine", func(t *testing.T) {
		startProgram(t, nil, "brio", "listen", "192.0.2.1:0").ends(8, "", "cannot assign requested address")
	})
	for _, address := range []string{"127.0.0.1:99999", "nosuchservice", "1.2.3.256:80", "unix:" + strings.Repeat("x", 200)} {
		t.Run("bad address "+address[:min(20, len(address))], func(t *testing.T) {
			p := startProgram(t, nil, "brio", "listen", address)
			if s := p.status(); s != 2 && s != 3 {
				t.Errorf("status %d: %s", s, p.stderr.String())
			}
		})
	}
}

// What all connections of -k share ends all of them: a reader of stdout that
// leaves, also between connections, and a full disk.
func TestListenManyWithoutOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := startProgram(t, func(c *exec.Cmd) { c.Stdout = w }, "brio", "listen", "-k", anyPort)
	w.Close()
	c := p.dial()
	io.WriteString(c, "one\n")
	b := make([]byte, 4)
	if _, err := io.ReadFull(r, b); err != nil || string(b) != "one\n" {
		t.Errorf("read %q, %v", b, err)
	}
	c.Close()
	time.Sleep(50 * time.Millisecond) // nobody is connected
	r.Close()
	p.ends(141, "", "")

	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	p = startProgram(t, func(c *exec.Cmd) { c.Stdout = full }, "brio", "listen", "-k", anyPort)
	io.WriteString(p.dial(), "x")
	p.ends(12, "", "write stdout: no space left on device")
}

// brio | head -1 ends as coreutils do, although the peer sends nothing more.
func TestListenReaderOfStdoutLeaves(t *testing.T) {
	for _, how := range []string{"while idle", "while data come"} {
		t.Run(how, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			p := startProgram(t, func(c *exec.Cmd) { c.Stdout = w }, "brio", "listen", anyPort)
			w.Close()
			c := p.dial()
			io.WriteString(c, "line\n")
			r.Read(make([]byte, 5))
			r.Close()
			if how == "while data come" {
				io.WriteString(c, "more\n")
			}
			p.ends(141, "", "")
		})
	}
}

func TestListenSignals(t *testing.T) {
	// What the tests were started to ignore, as under nohup, brio would ignore too;
	// a signal that is caught here has its default action there.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	for _, tt := range []struct {
		signal syscall.Signal
		args   []string
	}{
		{syscall.SIGTERM, nil},
		{syscall.SIGINT, nil},
		{syscall.SIGHUP, nil},
		{syscall.SIGINT, []string{"-k", "--echo"}},
	} {
		for _, connected := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "s")
			p := startProgram(t, nil, append([]string{"brio", "listen", "unix:" + path}, tt.args...)...)
			p.place()
			if connected {
				p.dial()
				time.Sleep(20 * time.Millisecond)
			}
			p.signal(tt.signal)
			p.ends(128+int(tt.signal), "", "")
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s: %s is still there", p, path)
			}
		}
	}
}

// A loop of a shell stops when brio dies of SIGINT.
func TestInterruptStopsTheLoopOfAShell(t *testing.T) {
	dir := brioDir(t)
	file := filepath.Join(t.TempDir(), "port")
	p := startProgram(t, func(c *exec.Cmd) {
		c.Env = append(c.Env, "PATH="+dir+":"+os.Getenv("PATH"))
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}, "bash", "-c", "while :; do brio listen "+anyPort+" --port-file "+file+"; echo again; done")
	p.portFile = file
	p.place()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	p.ends(130, "", "")
}

// After SIGTERM nobody is let in, but who is there may finish.
func TestListenDrains(t *testing.T) {
	p := startProgram(t, nil, "brio", "listen", "-k", anyPort, "--echo", "--drain", "5s")
	addr := "127.0.0.1:" + p.place()
	c := p.dial()
	io.WriteString(c, "a")
	io.ReadFull(c, make([]byte, 1))
	p.signal(syscall.SIGTERM)
	p.waits("the end of accepting", func() bool {
		d, err := net.Dial("tcp", addr)
		if err == nil {
			d.Close()
		}
		return err != nil
	})
	io.WriteString(c, "b")
	halfClose(c)
	if got := readWhole(t, c); got != "b" {
		t.Errorf("after SIGTERM the peer got %q", got)
	}
	p.ends(143, "", "")

	p = startProgram(t, nil, "brio", "listen", "-k", anyPort, "--echo", "--drain", "100ms")
	c = p.dial()
	io.WriteString(c, "a")
	io.ReadFull(c, make([]byte, 1))
	p.signal(syscall.SIGTERM)
	if got := p.status(); got != 143 {
		t.Errorf("status %d after the limit", got)
	}
}

// A peer must not take it for the end of the data that a command was ended.
func TestListenResetsWhereACommandIsEnded(t *testing.T) {
	p := startProgram(t, nil, "brio", "listen", anyPort, "--sh", "echo part; exec sleep 60")
	c := p.dial()
	if _, err := io.ReadFull(c, make([]byte, len("part\n"))); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer read %d bytes, %v; want a reset", n, err)
	}
	if got := p.status(); got != 143 {
		t.Errorf("status %d", got)
	}
}

// Nor is a sender that is killed one that has sent all it had.
func TestConnectResetsWhenKilled(t *testing.T) {
	for _, tt := range []struct {
		name  string
		whole bool // stdin has ended
		want  error
	}{
		{"in the middle of stdin", false, syscall.ECONNRESET},
		{"after stdin", true, io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", anyPort)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var w io.WriteCloser
			p := startProgram(t, stdinPipe(t, &w), "brio", "connect", l.Addr().String())
			io.WriteString(w, "part")
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.ReadFull(c, make([]byte, len("part"))); err != nil {
				t.Fatal(err)
			}
			if tt.whole {
				w.Close()
				if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					t.Fatalf("the peer read %d bytes, %v; want the end", n, err)
				}
			}
			p.signal(syscall.SIGKILL)
			if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, tt.want) {
				t.Errorf("the peer read %d bytes, %v; want %v", n, err, tt.want)
			}
		})
	}
}

func TestListenServices(t *testing.T) {
	const text = "hello\nworld\n"
	ask := func(t *testing.T, p *program) string {
		t.Helper()
		c := p.dial()
		io.WriteString(c, text)
		halfClose(c)
		return readWhole(t, c)
	}
	t.Run("echo", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", "-k", anyPort, "--echo", "--max-accepts", "3")
		for range 3 {
			if got := ask(t, p); got != text {
				t.Errorf("got %q", got)
			}
		}
		p.ends(0, "", "")
	})
	t.Run("discard", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--discard")
		if got := ask(t, p); got != "" {
			t.Errorf("got %q", got)
		}
		p.ends(0, "", "")
	})
	t.Run("chargen", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--chargen")
		c := p.dial()
		b := make([]byte, 100_000)
		if _, err := io.ReadFull(c, b); err != nil || !strings.HasPrefix(string(b), ` !"#$`) {
			t.Errorf("got %.20q, %v", b, err)
		}
		c.Close()
		p.ends(0, "", "")
	})
	t.Run("send", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		big := strings.Repeat("0123456789", 100_000)
		if err := os.WriteFile(file, []byte(big), 0o600); err != nil {
			t.Fatal(err)
		}
		p := startProgram(t, nil, "brio", "listen", "-k", anyPort, "--send", file, "--max-accepts", "2")
		for range 2 {
			if got := ask(t, p); got != big {
				t.Errorf("got %d bytes", len(got))
			}
		}
		p.ends(0, "", "")
	})
	t.Run("exec", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--exec", "tr a-z A-Z")
		if got := ask(t, p); got != strings.ToUpper(text) {
			t.Errorf("got %q", got)
		}
		p.ends(0, "", "")
	})
	t.Run("exec does not ask a shell", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--exec", "echo $HOME;id")
		if got := ask(t, p); got != "$HOME;id\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("sh", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--sh", `echo "$BRIO_PROTO $BRIO_LOCAL_ADDR $BRIO_REMOTE_ADDR:$BRIO_REMOTE_PORT"; cat | wc -l`)
		c := p.dial()
		io.WriteString(c, text)
		halfClose(c)
		if got := readWhole(t, c); got != "tcp 127.0.0.1 "+c.LocalAddr().String()+"\n2\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("exec status", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--sh", "exit 7", "--exec-status")
		p.dial()
		p.ends(7, "", "")
	})
	t.Run("exec of nothing", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--exec", "no-such-command-here")
		if c, err := net.Dial("tcp", "127.0.0.1:"+p.place()); err == nil {
			defer c.Close()
		}
		p.ends(127, "", "no such command")
	})
	t.Run("exec from a UNIX socket tells who calls", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", "unix:"+filepath.Join(t.TempDir(), "s"), "--sh", "echo $BRIO_PROTO $BRIO_PEER_UID")
		if got := ask(t, p); !strings.HasPrefix(got, "unix ") || len(got) < len("unix 0\n") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("forward", func(t *testing.T) {
		far := startProgram(t, nil, "brio", "listen", "-k", "unix:"+filepath.Join(t.TempDir(), "s"), "--sh", "cat; echo bye")
		p := startProgram(t, nil, "brio", "listen", anyPort, "--forward", "unix:"+far.place())
		if got := ask(t, p); got != text+"bye\n" {
			t.Errorf("got %q", got)
		}
		p.ends(0, "", "")
	})
	t.Run("forward to nobody", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--forward", "unix:"+filepath.Join(t.TempDir(), "nobody"))
		if c, err := net.Dial("tcp", "127.0.0.1:"+p.place()); err == nil {
			defer c.Close()
		}
		p.ends(4, "", "nobody: ")
	})
	t.Run("broker", func(t *testing.T) {
		p := startProgram(t, nil, "brio", "listen", anyPort, "--broker", "--max-accepts", "3")
		a, b, c := p.dial(), p.dial(), p.dial()
		buf := make([]byte, 1)
		for _, from := range []net.Conn{a, b, c} { // all have joined once each has been heard
			for _, to := range []net.Conn{a, b, c} {
				if from == to {
					continue
				}
				for range 100 {
					io.WriteString(from, ".")
					to.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
					if _, err := to.Read(buf); err == nil {
						break
					}
				}
			}
		}
		io.WriteString(a, "from a")
		halfClose(a)
		for _, to := range []net.Conn{b, c} {
			to.SetReadDeadline(time.Now().Add(patience))
			var got string
			for !strings.HasSuffix(got, "from a") {
				n, err := to.Read(buf)
				if err != nil {
					t.Fatalf("%v after %q", err, got)
				}
				got += string(buf[:n])
			}
		}
		b.Close()
		c.Close()
		p.status()
	})
}
