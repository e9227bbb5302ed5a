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
		c.SetDeadline(time.Now().Add(patience))
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

// supervisor is a service manager for p: it returns the next state that it is
// told of.
func supervisor(t *testing.T) (environ string, next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	n, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return "NOTIFY_SOCKET=" + path, func() string {
		b := make([]byte, 200)
		n.SetReadDeadline(time.Now().Add(patience))
		k, err := n.Read(b)
		if err != nil {
			t.Errorf("the supervisor is told nothing: %v", err)
		}
		return string(b[:k])
	}
}

func TestListenNotifiesTheSupervisor(t *testing.T) {
	environ, next := supervisor(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := startProgram(t, func(c *exec.Cmd) {
		c.Env = append(c.Env, environ)
		c.ExtraFiles = []*os.File{w}
	}, "brio", "listen", anyPort, "--ready-fd", "3", "-k", "--echo", "--drain", "1m")
	w.Close()
	if state := next(); state != "READY=1" {
		t.Errorf("the supervisor was told %q", state)
	}
	text, err := io.ReadAll(r)
	if err != nil || !strings.HasPrefix(string(text), "127.0.0.1:") || !strings.HasSuffix(string(text), "\n") {
		t.Errorf("descriptor 3 got %q, %v", text, err)
	}
	// It is told of the end while connections under way may still go on.
	c := p.dial()
	io.WriteString(c, "x")
	io.ReadFull(c, make([]byte, 1))
	p.cmd.Process.Signal(syscall.SIGTERM)
	if state := next(); state != "STOPPING=1" {
		t.Errorf("the supervisor was told %q", state)
	}
	c.Close()
	if got := p.status(); got != 128+int(syscall.SIGTERM) {
		t.Errorf("status %d", got)
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
		c, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
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
	if kib == 0 || kib > 40<<10 && !raceDetector { // the test binary is larger than brio
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
		c.SetReadDeadline(time.Now().Add(patience))
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
	b.SetReadDeadline(time.Now().Add(patience))
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
