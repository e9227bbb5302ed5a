package tests

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
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
			begin := time.Now()
			p.ends(141, "", "")
			if took := time.Since(begin); took > time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestListenSignals(t *testing.T) {
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
			to.SetReadDeadline(time.Now().Add(5 * time.Second))
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

func TestListenManyToFiles(t *testing.T) {
	dir := t.TempDir()
	p := startProgram(t, nil, "brio", "listen", "-k", anyPort, "-o", filepath.Join(dir, "conn-{id}"), "--max-accepts", "3")
	var conns []net.Conn
	for _, text := range []string{"one", "two", "three"} { // open at the same time
		c := p.dial()
		io.WriteString(c, text)
		conns = append(conns, c)
		time.Sleep(20 * time.Millisecond)
	}
	for _, c := range conns {
		c.Close()
	}
	p.ends(0, "", "")
	for name, want := range map[string]string{"conn-1": "one", "conn-2": "two", "conn-3": "three"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
		}
	}
}

// Connections that share stdout are served one after the other.
func TestListenManyToStdout(t *testing.T) {
	p := startProgram(t, nil, "brio", "listen", "-k", anyPort, "--max-accepts", "2")
	a := p.dial()
	b := p.dial()
	io.WriteString(b, "second\n")
	io.WriteString(a, "first\n")
	b.Close()
	time.Sleep(50 * time.Millisecond)
	io.WriteString(a, "still first\n")
	a.Close()
	p.ends(0, "first\nstill first\nsecond\n", "")
}

func TestListenAccess(t *testing.T) {
	dir := t.TempDir()
	deny := filepath.Join(dir, "deny")
	if err := os.WriteFile(deny, []byte("# nobody yet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProgram(t, nil, "brio", "listen", "-k", anyPort, "--echo", "--allow", "127.0.0.0/8", "--deny-file", deny, "--events", "json")
	alive := func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+p.place())
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		io.WriteString(c, "x")
		n, _ := c.Read(make([]byte, 1))
		return n == 1
	}
	if !alive() {
		t.Fatal("an allowed peer is not served")
	}
	if err := os.WriteFile(deny, []byte("127.0.0.1 # from now on\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.waits("the reload", func() bool { return strings.Contains(p.stderr.String(), `"reloaded"`) })
	if alive() {
		t.Error("a denied peer is served")
	}
	if err := os.WriteFile(deny, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.waits("the complaint", func() bool { return strings.Contains(p.stderr.String(), "stay as they were") })
	if alive() {
		t.Error("the old list is not in force any more")
	}
	startProgram(t, nil, "brio", "listen", anyPort, "--allow", "10/8").ends(2, "", "--allow")
}

func TestListenUnixPaths(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	startProgram(t, nil, "brio", "listen", "unix:"+path, "--replace-stale").ends(8, "", path)
	if got, _ := os.ReadFile(path); string(got) != "precious" {
		t.Fatal("a regular file was destroyed")
	}
	os.Remove(path)

	p := startProgram(t, nil, "brio", "listen", "unix:"+path, "--mode", "0600")
	p.place()
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	startProgram(t, nil, "brio", "listen", "unix:"+path, "--replace-stale").ends(8, "", "address already in use")
	p.signal(syscall.SIGKILL)
	p.status()
	startProgram(t, nil, "brio", "listen", "unix:"+path).ends(8, "", "address already in use")
	p = startProgram(t, nil, "brio", "listen", "unix:"+path, "--replace-stale")
	c := p.dial()
	io.WriteString(c, "works\n")
	c.Close()
	p.ends(0, "works\n", "")
	if _, err := os.Lstat(path); err == nil {
		t.Error("the path is still there")
	}
}

func TestListenIsActivatedBySystemd(t *testing.T) {
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := net.Dial("tcp", l.Addr().String()) // it waits before brio starts
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "early\n")
	c.Close()
	p := startProgram(t, func(c *exec.Cmd) {
		c.ExtraFiles = []*os.File{f}
		c.Env = append(c.Env, "LISTEN_FDS=1")
	}, "brio", "listen", "--no-wait")
	p.ends(0, "early\n", "")
}

func TestListenNotifiesTheSupervisor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	n, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	startProgram(t, func(c *exec.Cmd) {
		c.Env = append(c.Env, "NOTIFY_SOCKET="+path)
		c.ExtraFiles = []*os.File{w}
	}, "brio", "listen", anyPort, "--ready-fd", "3")
	w.Close()
	b := make([]byte, 200)
	n.SetReadDeadline(time.Now().Add(5 * time.Second))
	if k, err := n.Read(b); err != nil || !strings.HasPrefix(string(b[:k]), "READY=1") {
		t.Errorf("the supervisor was told %q, %v", b[:k], err)
	}
	text, err := io.ReadAll(r)
	if err != nil || !strings.HasPrefix(string(text), "127.0.0.1:") || !strings.HasSuffix(string(text), "\n") {
		t.Errorf("descriptor 3 got %q, %v", text, err)
	}
}

// Ten thousand connections are open at the same time; none is refused or lost,
// and they cost little.
func TestListenTenThousandConnections(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n = min(n, int(limit.Cur)-200)
	p := startProgram(t, nil, "brio", "listen", "-k", anyPort, "--echo")
	addr := "127.0.0.1:" + p.place()
	conns := make([]net.Conn, n)
	talk := func(c net.Conn) error {
		if _, err := io.WriteString(c, "x"); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	for i := range conns {
		c, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		conns[i] = c
		if err := talk(c); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	for i, c := range conns {
		if err := talk(c); err != nil {
			t.Fatalf("connection %d, later: %v", i, err)
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nPss:")
	var kib int
	fmt.Sscan(rest, &kib)
	t.Logf("%d connections, %d KiB", n, kib)
	if kib == 0 || kib > 40<<10 { // the test binary is larger than brio
		t.Errorf("%d idle connections take %d KiB", n, kib)
	}
}

// Short of descriptors, brio waits until connections end; it neither ends nor
// floods stderr.
func TestListenShortOfDescriptors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "port")
	dir := brioDir(t)
	p := startProgram(t, func(c *exec.Cmd) { c.Env = append(c.Env, "PATH="+dir+":"+os.Getenv("PATH")) },
		"sh", "-c", "ulimit -n 24; exec brio listen -k "+anyPort+" --echo --port-file "+file)
	p.portFile = file
	conns := make([]net.Conn, 40)
	for i := range conns {
		conns[i] = p.dial() // the kernel takes them all
		io.WriteString(conns[i], "x")
	}
	p.running()
	served := 0
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, _ := c.Read(make([]byte, 1)); n == 1 {
			served++
		}
		c.Close() // which makes room for another one
	}
	if served != len(conns) {
		t.Errorf("%d of %d connections were served", served, len(conns))
	}
	if got := p.stderr.String(); strings.Count(got, "\n") > 1 {
		t.Errorf("stderr is %q", got)
	}
}

// Not more connections are served at the same time than --max-conns says; the
// others wait.
func TestListenMaxConns(t *testing.T) {
	p := startProgram(t, nil, "brio", "listen", "-k", anyPort, "--echo", "--max-conns", "1", "--max-accepts", "2")
	a, b := p.dial(), p.dial()
	io.WriteString(a, "a")
	io.WriteString(b, "b")
	if _, err := io.ReadFull(a, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	b.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := b.Read(make([]byte, 1)); n != 0 || !os.IsTimeout(err) {
		t.Errorf("the second was served beside the first: %d, %v", n, err)
	}
	a.Close()
	b.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := b.Read(make([]byte, 1)); n != 1 {
		t.Errorf("the second was not served after the first: %v", err)
	}
	b.Close()
	p.ends(0, "", "")
}

// At a terminal the end of the peer ends brio at once, and Ctrl-D ends the input.
func TestListenAtATerminal(t *testing.T) {
	master, slave := openPTY(t)
	p := startProgram(t, func(c *exec.Cmd) { c.Stdin = slave }, "brio", "listen", anyPort)
	c := p.dial()
	io.WriteString(master, "typed\n")
	b := make([]byte, 6)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "typed\n" {
		t.Fatalf("the peer got %q, %v", b, err)
	}
	halfClose(c)
	p.ends(0, "", "")

	p = startProgram(t, func(c *exec.Cmd) { c.Stdin = slave }, "brio", "listen", anyPort)
	c = p.dial()
	io.WriteString(master, "typed\n\x04")
	if got := readWhole(t, c); got != "typed\n" {
		t.Errorf("the peer got %q before the end", got)
	}
	io.WriteString(c, "reply\n")
	c.Close()
	p.ends(0, "reply\n", "")
}

// A reader of stdout that stalls costs no processor time, and does not keep brio
// from ending.
func TestListenStalledReaderOfStdout(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := startProgram(t, func(c *exec.Cmd) { c.Stdout = w }, "brio", "listen", anyPort)
	w.Close()
	c := p.dial()
	go func() {
		for b := make([]byte, 1<<20); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}()
	time.Sleep(time.Second)
	p.signal(syscall.SIGTERM)
	if got := p.status(); got != 143 {
		t.Errorf("status %d", got)
	}
	if used := p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(); used > 300*time.Millisecond {
		t.Errorf("a second of waiting took %v of processor time", used)
	}
}

// In the background stdin is the null device and SIGINT is ignored, as the shell
// sets it for a job behind &.
func TestListenInTheBackground(t *testing.T) {
	file := filepath.Join(t.TempDir(), "port")
	dir := brioDir(t)
	p := startProgram(t, func(c *exec.Cmd) { c.Env = append(c.Env, "PATH="+dir+":"+os.Getenv("PATH")) },
		"sh", "-c", "brio listen "+anyPort+" --port-file "+file+" & while [ ! -s "+file+" ]; do sleep 0.01; done; kill -INT $! && >"+file+".killed; wait $!")
	p.portFile = file
	p.waits("the signal", func() bool { _, err := os.Stat(file + ".killed"); return err == nil })
	c := p.dial()
	io.WriteString(c, "data\n")
	c.Close()
	p.ends(0, "data\n", "")
}
