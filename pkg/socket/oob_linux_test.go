package socket_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// sendAround sends ab and cd with an out-of-band byte between them, and ends.
// Each part has the time to be moved, unless atOnce.
func sendAround(t *testing.T, c *socket.Conn, atOnce bool) {
	t.Helper()
	pause := func() {
		if !atOnce {
			time.Sleep(30 * time.Millisecond)
		}
	}
	for _, send := range []func() error{
		func() error { _, err := c.Write([]byte("ab")); return err },
		func() error { return c.SendOOB('!') },
		func() error { _, err := c.Write([]byte("cd")); return err },
		c.CloseWrite,
	} {
		if err := send(); err != nil {
			t.Error(err)
		}
		pause()
	}
}

// The kernel does not splice over an out-of-band byte: it says that nothing is
// there, and after the peer's end that this is the end. What follows the byte
// must come all the same.
func TestPumpPassesOutOfBand(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, atOnce := range []bool{false, true} {
			for _, to := range []string{"file", "pipe", "buffer"} {
				c, s := pair(t, network)
				if atOnce {
					sendAround(t, c, true)
				} else {
					go sendAround(t, c, false)
				}
				got := pumpInto(t, to, s)
				if got != "abcd" {
					t.Errorf("%s to a %s, at once %v: moved %q", network, to, atOnce, got)
				}
			}
		}
	}
}

// pumpInto moves what s gives into something, and returns what came there.
func pumpInto(t *testing.T, kind string, s *socket.Conn) string {
	t.Helper()
	ctx := within(t, 10*time.Second)
	pump := func(dst io.Writer) {
		if _, err := socket.Pump(ctx, dst, s.NetConn(), socket.PumpOptions{}); err != nil {
			t.Errorf("Pump() into a %s: %v", kind, err)
		}
	}
	switch kind {
	case "file":
		name := filepath.Join(t.TempDir(), "out")
		f := must(os.Create(name))
		pump(f)
		f.Close()
		return string(must(os.ReadFile(name)))
	case "pipe":
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		pump(w)
		w.Close()
		return string(must(io.ReadAll(r)))
	}
	var b bytes.Buffer
	pump(&b)
	return b.String()
}

func TestRelayPassesOutOfBand(t *testing.T) {
	client, front := pair(t, "tcp")
	back, server := pair(t, "tcp")
	go func() {
		_, _, _ = socket.Relay(context.Background(), front.NetConn(), back.NetConn(), socket.RelayOptions{})
	}()
	go sendAround(t, client, false)
	if b, err := io.ReadAll(server); err != nil || string(b) != "ab!cd" {
		t.Errorf("read %q, %v behind the relay; the byte must be among the others", b, err)
	}
	server.Close()
}

func TestEchoKeepsOutOfBand(t *testing.T) {
	c, s := pair(t, "tcp")
	go func() {
		_, _ = socket.Echo(context.Background(), s.NetConn(), socket.PumpOptions{})
		s.Close()
	}()
	go sendAround(t, c, false)
	if b, err := io.ReadAll(c); err != nil || string(b) != "ab!cd" {
		t.Errorf("the echo is %q, %v", b, err)
	}
}

func TestPipeTellsOfOutOfBand(t *testing.T) {
	for _, inline := range []bool{false, true} {
		for _, atOnce := range []bool{false, true} {
			for _, to := range []string{"file", "copy"} {
				c, s := pair(t, "tcp")
				if atOnce {
					sendAround(t, c, true)
				} else {
					go sendAround(t, c, false)
				}
				out := must(os.Create(filepath.Join(t.TempDir(), "out")))
				told := make(chan byte, 2)
				cfg := socket.PipeConfig{Output: out, Copy: to == "copy", OOBApart: !inline, Events: socket.PipeEvents{OOB: func(b byte, in bool) {
					if in != inline {
						t.Errorf("told of %q as inline %v", b, in)
					}
					told <- b
				}}}
				if _, err := socket.Pipe(within(t, 10*time.Second), s.NetConn(), cfg); err != nil {
					t.Errorf("Pipe() = %v", err)
				}
				want := "abcd"
				if inline {
					want = "ab!cd"
				}
				if got := must(os.ReadFile(out.Name())); string(got) != want {
					t.Errorf("inline %v, at once %v, %s: received %q", inline, atOnce, to, got)
				}
				close(told)
				if b, n := <-told, len(told); b != '!' || n != 0 {
					t.Errorf("inline %v, at once %v, %s: told of %q, and of %d more", inline, atOnce, to, b, n)
				}
				out.Close()
			}
		}
	}
}

// An out-of-band byte overtakes: it is told of while nothing can be read, and
// although the output takes nothing.
func TestPipeTellsOfOutOfBandAtOnce(t *testing.T) {
	c, s := pair(t, "tcp")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithCancel(within(t, 10*time.Second))
	told := make(chan byte, 1)
	done := make(chan error, 1)
	go func() {
		_, err := socket.Pipe(ctx, s.NetConn(), socket.PipeConfig{Output: w, OOBApart: true, Events: socket.PipeEvents{OOB: func(b byte, _ bool) { told <- b }}})
		done <- err
	}()
	for _, b := range []byte("!?") {
		if err := c.SendOOB(b); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-told:
			if got != b {
				t.Errorf("told of %q, not %q", got, b)
			}
		case <-ctx.Done():
			t.Fatalf("not told of %q", b)
		}
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Pipe() = %v", err)
	}
}
