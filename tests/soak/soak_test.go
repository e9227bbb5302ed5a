//go:build soak && linux

// Package soak runs brio for a long time under load: make soak. SOAK_MINUTES
// bounds the connections that are held (default 10); everything else is bounded
// by itself. Each test looks for what must not grow: memory, descriptors,
// processes, files.
package soak

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// brio is the binary under test, built once.
var brio string

// patience bounds the waits for what comes in a moment on a machine that is not
// busy with other work, and later on one that is.
const patience = time.Minute

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "brio-soak-")
	if err != nil {
		panic(err)
	}
	brio = filepath.Join(dir, "brio")
	build := exec.Command("go", "build", "-o", brio, "github.com/brio-net/brio")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	status := 1
	if build.Run() == nil {
		status = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

func soakTime() time.Duration {
	if n, err := strconv.ParseFloat(os.Getenv("SOAK_MINUTES"), 64); err == nil && n > 0 {
		return time.Duration(n * float64(time.Minute))
	}
	return 10 * time.Minute
}

// start runs brio until the end of the test and fails if it ended by itself.
func start(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(brio, args...)
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		err := c.Wait()
		if w, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || !w.Signaled() || w.Signal() != syscall.SIGTERM {
			t.Errorf("brio %s: %v; want a death by SIGTERM", strings.Join(args, " "), err)
		}
	})
	return c
}

// listen starts brio listen and returns it with its address.
func listen(t *testing.T, args ...string) (*exec.Cmd, string) {
	t.Helper()
	port := filepath.Join(t.TempDir(), "port")
	c := start(t, append([]string{"listen", "-k", "127.0.0.1:0", "--port-file", port, "-qq"}, args...)...)
	return c, "127.0.0.1:" + awaitFile(t, port)
}

// awaitFile waits for the text that brio writes to a file.
func awaitFile(t *testing.T, name string) string {
	t.Helper()
	text := ""
	if !await(func() bool { b, _ := os.ReadFile(name); text = string(b); return text != "" }) {
		t.Fatalf("brio does not write %s", name)
	}
	return strings.TrimSpace(text)
}

// await waits until the condition holds, or reports false.
func await(holds func() bool) bool {
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// rss is the resident memory of a process in bytes.
func rss(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// descriptors is how many files a process has open.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// awaitDescriptors waits until a process has at most n descriptors again.
func awaitDescriptors(t *testing.T, pid, n int) {
	t.Helper()
	if !await(func() bool { return descriptors(t, pid) <= n }) {
		t.Errorf("%d descriptors are open; want at most %d", descriptors(t, pid), n)
	}
}

func dial(addr string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err == nil {
		_ = c.(*net.TCPConn).SetLinger(0) // thousands of TIME_WAIT ports would end the test
	}
	return c, err
}

// TestHold echoes over 10,000 connections, each about once a second.
func TestHold(t *testing.T) {
	const n = 10000
	server, addr := listen(t, "--echo")
	before := descriptors(t, server.Process.Pid)
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := dial(addr)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		conns[i] = c
	}
	ctx, cancel := context.WithTimeout(t.Context(), soakTime())
	defer cancel()
	var (
		wg     sync.WaitGroup
		echoed atomic.Int64
	)
	for i := range 100 {
		wg.Go(func() { rounds(ctx, t, conns[i*n/100:(i+1)*n/100], &echoed) })
	}
	peak := int64(0)
	for ctx.Err() == nil {
		time.Sleep(time.Second)
		peak = max(peak, rss(t, server.Process.Pid))
	}
	wg.Wait()
	t.Logf("%d echoes over %d connections in %v, %d MiB at the peak", echoed.Load(), n, soakTime(), peak>>20)
	if peak > 80<<20 {
		t.Errorf("the server grew to %d MiB; want at most 80", peak>>20)
	}
	for _, c := range conns {
		c.Close()
	}
	awaitDescriptors(t, server.Process.Pid, before+32)
}

// rounds sends a line over each of the connections and wants it back, until ctx
// ends.
func rounds(ctx context.Context, t *testing.T, conns []net.Conn, echoed *atomic.Int64) {
	line := []byte("the quick brown fox jumps over the lazy dog 0123456789 abcdefgh\n")
	buf := make([]byte, len(line))
	for ctx.Err() == nil {
		began := time.Now()
		for i, c := range conns {
			_ = c.SetDeadline(time.Now().Add(patience)) // fails on a closed connection, as the write does
			if _, err := c.Write(line); err != nil {
				t.Errorf("connection %d: %v", i, err)
				return
			}
			if _, err := io.ReadFull(c, buf); err != nil || string(buf) != string(line) {
				t.Errorf("connection %d echoed %q, %v", i, buf, err)
				return
			}
			echoed.Add(1)
		}
		time.Sleep(time.Until(began.Add(time.Second)))
	}
}

// TestStorm opens and closes connections as fast as it can: cleanly, by reset,
// and before a word is said.
func TestStorm(t *testing.T) {
	server, addr := listen(t, "--echo")
	before := descriptors(t, server.Process.Pid)
	ctx, cancel := context.WithTimeout(t.Context(), soakTime()/10)
	defer cancel()
	var (
		wg    sync.WaitGroup
		count atomic.Int64
	)
	for kind := range 48 {
		wg.Go(func() {
			for ctx.Err() == nil {
				c, err := dial(addr)
				if err != nil {
					t.Error(err)
					return
				}
				if kind%3 > 0 {
					_, _ = c.Write([]byte("x\n")) // may meet the reset of the other side
				}
				if kind%3 > 1 {
					_ = c.SetDeadline(time.Now().Add(patience))
					if _, err := c.Read(make([]byte, 2)); err != nil {
						t.Error(err)
					}
				}
				c.Close()
				count.Add(1)
			}
		})
	}
	wg.Wait()
	t.Logf("%d connections", count.Load())
	awaitDescriptors(t, server.Process.Pid, before+32)
	if m := rss(t, server.Process.Pid); m > 64<<20 {
		t.Errorf("the server has %d MiB; want at most 64", m>>20)
	}
}

// TestSlowReaders holds readers that hardly read from servers that would send
// without end: back-pressure keeps their memory small.
func TestSlowReaders(t *testing.T) {
	for _, service := range []string{"--chargen", "--echo"} {
		t.Run(service, func(t *testing.T) { slowReaders(t, service) })
	}
}

func slowReaders(t *testing.T, service string) {
	const n = 200
	server, addr := listen(t, service)
	var wg sync.WaitGroup
	defer wg.Wait()
	for range n {
		c, err := dial(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if service == "--echo" {
			wg.Go(func() { _, _ = io.Copy(c, endless{}) }) // ends when c is closed
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(5 * time.Second)
	first := rss(t, server.Process.Pid)
	time.Sleep(soakTime() / 20)
	m := rss(t, server.Process.Pid)
	t.Logf("%d readers, %d MiB", n, m>>20)
	if m > first+8<<20 || m > 128<<20 {
		t.Errorf("the server has %d MiB after %d before; want it to stay", m>>20, first>>20)
	}
}

// endless is a stream of zeros.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// TestChildren starts a program for each of many connections. None is left
// over, not even as a zombie.
func TestChildren(t *testing.T) {
	server, addr := listen(t, "--sh", "exec cat 2>/dev/null")
	before := descriptors(t, server.Process.Pid)
	ctx, cancel := context.WithTimeout(t.Context(), soakTime()/20)
	defer cancel()
	var (
		wg    sync.WaitGroup
		count atomic.Int64
	)
	for range 8 {
		wg.Go(func() {
			// A visit that stays waits for those that have left at once: no more than
			// a few are in the queue, however slow the machine.
			for stays := false; ctx.Err() == nil; stays = !stays {
				if err := visit(addr, stays); err != nil {
					t.Error(err)
					return
				}
				count.Add(1)
			}
		})
	}
	wg.Wait()
	t.Logf("%d children", count.Load())
	awaitDescriptors(t, server.Process.Pid, before+8)
	if !await(func() bool { return children(t, server.Process.Pid) == "" }) {
		t.Errorf("children are left: %s", children(t, server.Process.Pid))
	}
}

// visit says something and, if it stays, hears it again.
func visit(addr string, stays bool) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience)) // as in rounds
	if _, err := c.Write([]byte("x\n")); err != nil || !stays {
		return err
	}
	_, err = c.Read(make([]byte, 2))
	return err
}

// children are the numbers of the processes that a process has started.
func children(t *testing.T, pid int) string {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, name := range tasks {
		text, _ := os.ReadFile(name) // a thread may have ended
		all += string(text)
	}
	return all
}

// TestSlowWriter sends a byte now and then for a long time through a relay.
func TestSlowWriter(t *testing.T) {
	_, echo := listen(t, "--echo")
	relay, addr := listen(t, "--forward", echo)
	c, err := dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	end := time.Now().Add(soakTime() / 10)
	r := bufio.NewReader(c)
	for i := 0; time.Now().Before(end); i++ {
		_ = c.SetDeadline(time.Now().Add(patience))
		want := byte(i)
		if _, err := c.Write([]byte{want}); err != nil {
			t.Fatal(err)
		}
		if got, err := r.ReadByte(); err != nil || got != want {
			t.Fatalf("byte %d came back as %d, %v", want, got, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if n := descriptors(t, relay.Process.Pid); n > 40 {
		t.Errorf("the relay holds %d descriptors for one connection", n)
	}
}

// TestDatagrams sends a million datagrams. Over UNIX sockets all arrive. Over UDP,
// at the pace of 50,000 a second, a machine that is busy may lose some for want of
// room: brio has the number of them, and the rest arrives.
func TestDatagrams(t *testing.T) {
	t.Run("UNIX", func(t *testing.T) { sendDatagrams(t, "unix:"+filepath.Join(t.TempDir(), "s")) })
	t.Run("UDP", func(t *testing.T) { sendDatagrams(t, "127.0.0.1:0", "--rate", "50000") })
}

func sendDatagrams(t *testing.T, addr string, pace ...string) {
	const n = 1000000
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	port, events := filepath.Join(dir, "port"), filepath.Join(dir, "events")
	recv := exec.Command(brio, "dgram", "recv", "-q", "--wait", "10s", "--print", "lines", "--receive-buffer", "4M",
		"--port-file", port, "--events", "json:"+events, addr)
	recv.Stdout, recv.Stderr = out, os.Stderr
	if err := recv.Start(); err != nil {
		t.Fatal(err)
	}
	defer recv.Process.Kill()
	if place := awaitFile(t, port); strings.HasPrefix(addr, "127") {
		addr = "127.0.0.1:" + place
	}
	lines := exec.Command("seq", "1", strconv.Itoa(n))
	send := exec.Command(brio, append([]string{"dgram", "send", "--framing", "lines", addr}, pace...)...)
	if send.Stdin, err = lines.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	send.Stderr = os.Stderr
	if err := lines.Start(); err != nil {
		t.Fatal(err)
	}
	if err := send.Run(); err != nil {
		t.Fatal(err)
	}
	if err := lines.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := recv.Wait(); err != nil {
		t.Errorf("brio dgram recv: %v", err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	got, lost := strings.Count(string(text), "\n"), drops(t, events)
	t.Logf("%d datagrams arrived, %d were lost", got, lost)
	if got+lost != n || lost > 0 && len(pace) == 0 {
		t.Errorf("%d of %d datagrams arrived, and brio knows of %d that are lost", got, n, lost)
	}
}

// drops is how many lost datagrams the events in a file tell of.
func drops(t *testing.T, events string) int {
	t.Helper()
	text, err := os.ReadFile(events)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`"event":"closed".*"drops":(\d+)`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("no event tells of the end: %s", text)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// exitCode is the status of a program that has ended.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}
