package socket_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brio-net/brio/pkg/socket"
)

// inherited returns a blocking pair of descriptors as a shell hands them out.
func inherited(t *testing.T, kind string) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	var err error
	if kind == "socket" {
		fds, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	} else {
		err = unix.Pipe2(fds[:], unix.O_CLOEXEC)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// nonblocking reports whether the description of f is.
func nonblocking(t *testing.T, f *os.File) bool {
	t.Helper()
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK != 0
}

func TestOpenInputCanBeInterrupted(t *testing.T) {
	for _, kind := range []string{"pipe", "socket"} {
		t.Run(kind, func(t *testing.T) {
			r, w := inherited(t, kind)
			in, err := socket.OpenInput(r)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			conn, peer := streamPair(t, "tcp")
			_, err = socket.Pump(t.Context(), conn, in, socket.PumpOptions{Read: 50 * time.Millisecond})
			wantPumpError(t, err, socket.ReadSide, true, socket.ErrReadTimeout)
			if nonblocking(t, r) {
				t.Error("the flags of the inherited descriptor were changed")
			}
			w.WriteString("still there")
			w.Close()
			if n, err := socket.Pump(t.Context(), conn, in, socket.PumpOptions{}); n != 11 || err != nil {
				t.Errorf("Pump = %d, %v after the interruption", n, err)
			}
			peer.Close()
		})
	}
}

func TestOpenOutputCanBeInterrupted(t *testing.T) {
	for _, kind := range []string{"pipe", "socket"} {
		t.Run(kind, func(t *testing.T) {
			r, w := inherited(t, kind)
			out, err := socket.OpenOutput(w)
			if err != nil {
				t.Fatal(err)
			}
			conn, peer := streamPair(t, "tcp")
			go io.Copy(peer, zeros{})
			_, err = socket.Pump(t.Context(), out, conn, socket.PumpOptions{Write: 50 * time.Millisecond})
			wantPumpError(t, err, socket.WriteSide, true, socket.ErrWriteTimeout)
			if nonblocking(t, w) {
				t.Error("the flags of the inherited descriptor were changed")
			}
			r.Close()
			_, err = out.Write([]byte("x"))
			if !errors.Is(err, syscall.EPIPE) {
				t.Errorf("Write without a reader = %v, want EPIPE", err)
			}
			out.Close()
		})
	}
}

func TestPipeNoticesThatTheReaderHasGone(t *testing.T) {
	for _, kind := range []string{"pipe", "socket"} {
		t.Run(kind, func(t *testing.T) {
			r, w := inherited(t, kind)
			out, err := socket.OpenOutput(w)
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			conn, _ := streamPair(t, "tcp")
			done := make(chan error, 1)
			go func() {
				_, err := socket.Pipe(t.Context(), conn, socket.PipeConfig{Output: out})
				done <- err
			}()
			time.Sleep(20 * time.Millisecond)
			r.Close()
			select {
			case err := <-done:
				wantPumpError(t, err, socket.WriteSide, true, syscall.EPIPE)
			case <-time.After(5 * time.Second):
				t.Error("not noticed")
			}
		})
	}
}

// golang/go#75304: io.Copy to a pipe whose reader stalls takes a processor.
func TestStalledReaderCostsNoProcessorTime(t *testing.T) {
	_, w := inherited(t, "pipe")
	out, err := socket.OpenOutput(w)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	conn, peer := streamPair(t, "tcp")
	go io.Copy(peer, zeros{})
	before := processorTime(t)
	_, err = socket.Pump(t.Context(), out, conn, socket.PumpOptions{Write: time.Second})
	wantPumpError(t, err, socket.WriteSide, true, socket.ErrWriteTimeout)
	if took := processorTime(t) - before; took > 200*time.Millisecond {
		t.Errorf("a second of waiting took %v of processor time", took)
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A producer in front of a stalled peer sleeps and can be killed: splicing its
// pipe into the socket would put it into an uninterruptible wait.
func TestProducerBeforeStalledPeerStaysKillable(t *testing.T) {
	r, w := inherited(t, "pipe")
	cat := exec.Command("cat", "/dev/zero")
	cat.Stdout = w
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	in, err := socket.OpenInput(r)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	conn, _ := streamPair(t, "tcp")
	_, err = socket.Pump(t.Context(), conn, in, socket.PumpOptions{Write: 200 * time.Millisecond})
	wantPumpError(t, err, socket.WriteSide, false, socket.ErrWriteTimeout)
	if state := processState(t, cat.Process.Pid); state != "S" {
		t.Errorf("the producer is in state %s, want S", state)
	}
	cat.Process.Signal(syscall.SIGTERM)
	if err := cat.Wait(); err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("the producer ended with %v", err)
	}
}

// processState returns the state letter of a process.
func processState(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

func TestClassifyInput(t *testing.T) {
	pipe, _ := inherited(t, "pipe")
	sock, _ := inherited(t, "socket")
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	closed, _ := inherited(t, "pipe")
	closed.Close()
	for _, tt := range []struct {
		name string
		f    *os.File
		want socket.InputClass
	}{
		{"nil", nil, socket.NoInput},
		{"closed", closed, socket.NoInput},
		{"null", null, socket.NoInput},
		{"pipe", pipe, socket.DataInput},
		{"socket", sock, socket.DataInput},
		{"file", fileWith(t, nil), socket.DataInput},
	} {
		if got := socket.ClassifyInput(tt.f); got != tt.want {
			t.Errorf("ClassifyInput(%s) = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestCloseInherited(t *testing.T) {
	r, w := inherited(t, "pipe")
	if err := socket.CloseInherited(w); err != nil {
		t.Fatal(err)
	}
	if got := readAll(r)(t); len(got) != 0 {
		t.Errorf("read %q", got)
	}
	if _, err := w.WriteString("x"); err != nil {
		t.Errorf("the number is not in use any more: %v", err)
	}
}

// A relay that waits holds no pipe.
func TestIdleRelaysHoldNoDescriptors(t *testing.T) {
	conns := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(d)
	}
	const n = 50
	before := conns()
	for range n {
		a, farA := streamPair(t, "tcp")
		b, farB := streamPair(t, "tcp")
		go socket.Relay(t.Context(), a, b, socket.RelayOptions{})
		io.WriteString(farA, "x")
		io.ReadFull(farB, make([]byte, 1))
	}
	if got := conns() - before - 4*n; got > 40 {
		t.Errorf("%d idle relays hold %d descriptors besides their connections", n, got)
	}
}
