package socket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// A talk is one call of Pipe under test, with a hand on every end.
type talk struct {
	peer  net.Conn // the far end of the connection
	input *os.File // what is written here is the input
	out   *syncBuffer

	mu     sync.Mutex
	events []string
	done   chan struct{}
	result socket.PipeResult
	err    error
}

// A syncBuffer may be written and read at the same time.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startTalk runs Pipe with cfg, an input of the class, and a peer.
func startTalk(t *testing.T, network string, class socket.InputClass, cfg socket.PipeConfig) *talk {
	t.Helper()
	conn, peer := streamPair(t, network)
	r, w := osPipe(t)
	k := &talk{peer: peer, input: w, out: &syncBuffer{}, done: make(chan struct{})}
	note := func(s string) { k.mu.Lock(); k.events = append(k.events, s); k.mu.Unlock() }
	cfg.Class, cfg.Input = class, r
	if cfg.Output == nil {
		cfg.Output = k.out
	}
	cfg.Events = socket.PipeEvents{
		InputEnd:  func() { note("input-end") },
		HalfClose: func() { note("half-close") },
		PeerEnd:   func(bool) { note("peer-end") },
	}
	go func() {
		defer close(k.done)
		k.result, k.err = socket.Pipe(context.Background(), conn, cfg)
		conn.Close()
	}()
	t.Cleanup(func() { w.Close(); peer.Close(); k.wait(t) })
	return k
}

func (k *talk) wait(t *testing.T) {
	t.Helper()
	select {
	case <-k.done:
	case <-time.After(10 * time.Second):
		t.Fatal("Pipe does not end")
	}
}

// running fails the test when Pipe has ended.
func (k *talk) running(t *testing.T) {
	t.Helper()
	select {
	case <-k.done:
		t.Fatalf("Pipe has ended: %v", k.err)
	case <-time.After(50 * time.Millisecond):
	}
}

// sees waits until Pipe has told of event.
func (k *talk) sees(t *testing.T, event string) {
	t.Helper()
	told := func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return slices.Contains(k.events, event)
	}
	for start := time.Now(); !told(); time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("Pipe does not tell of %s", event)
		}
	}
}

// hear reads n bytes at the peer.
func (k *talk) hear(t *testing.T, want string) {
	t.Helper()
	b := make([]byte, len(want))
	k.peer.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(k.peer, b); err != nil || string(b) != want {
		t.Fatalf("the peer got %q, %v; want %q", b, err, want)
	}
}

// hearEnd expects the half-close at the peer.
func (k *talk) hearEnd(t *testing.T) {
	t.Helper()
	k.peer.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := k.peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("the peer read %d, %v; want the end", n, err)
	}
}

func closeWrite(c net.Conn) { c.(interface{ CloseWrite() error }).CloseWrite() }

// check compares the outcome.
func (k *talk) check(t *testing.T, want error, out string, events ...string) {
	t.Helper()
	k.wait(t)
	if !errors.Is(k.err, want) || k.out.String() != out {
		t.Errorf("Pipe = %v with output %q; want %v, %q", k.err, k.out, want, out)
	}
	if !slices.Equal(k.events, events) {
		t.Errorf("events %q, want %q", k.events, events)
	}
}

// The rows of the end-of-data table, for both stream families.
func TestPipeEndOfData(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) { testEndOfData(t, network) })
	}
}

func testEndOfData(t *testing.T, network string) {
	t.Run("no input: never read, no half-close", func(t *testing.T) {
		k := startTalk(t, network, socket.NoInput, socket.PipeConfig{})
		k.input.WriteString("unread")
		k.input.Close()
		k.running(t)
		k.peer.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := k.peer.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the peer read %d, %v; want silence", n, err)
		}
		io.WriteString(k.peer, "late")
		closeWrite(k.peer)
		k.check(t, nil, "late", "peer-end")
	})
	for _, class := range []socket.InputClass{socket.TerminalInput, socket.DataInput} {
		t.Run(class.String()+" ends: half-close, then wait for the peer", func(t *testing.T) {
			k := startTalk(t, network, class, socket.PipeConfig{})
			k.input.WriteString("request")
			k.input.Close()
			k.hear(t, "request")
			k.hearEnd(t)
			k.running(t)
			io.WriteString(k.peer, "reply")
			k.peer.Close()
			k.check(t, nil, "reply", "input-end", "half-close", "peer-end")
		})
	}
	t.Run("terminal: the end of the peer ends at once", func(t *testing.T) {
		k := startTalk(t, network, socket.TerminalInput, socket.PipeConfig{})
		closeWrite(k.peer)
		k.check(t, nil, "", "peer-end")
		k.hearEnd(t)
	})
	t.Run("data: the end of the peer does not end sending", func(t *testing.T) {
		k := startTalk(t, network, socket.DataInput, socket.PipeConfig{})
		closeWrite(k.peer)
		k.sees(t, "peer-end")
		k.running(t)
		k.input.WriteString("late")
		k.hear(t, "late")
		k.input.Close()
		k.hearEnd(t)
		k.check(t, nil, "", "peer-end", "input-end", "half-close")
	})
	t.Run("data: sending to a peer that has closed fails", func(t *testing.T) {
		k := startTalk(t, network, socket.DataInput, socket.PipeConfig{})
		k.peer.Close()
		k.sees(t, "peer-end")
		k.running(t)
		k.input.WriteString("lost")
		k.input.Close()
		k.wait(t)
		if !errors.Is(k.err, syscall.EPIPE) && !errors.Is(k.err, syscall.ECONNRESET) {
			t.Errorf("Pipe = %v; want a broken connection", k.err)
		}
	})
}

func TestPipePolicies(t *testing.T) {
	t.Run("half-close never", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{HalfClose: socket.HalfCloseNever})
		k.input.WriteString("x")
		k.input.Close()
		k.hear(t, "x")
		k.running(t)
		k.peer.Close()
		k.check(t, nil, "", "input-end", "peer-end")
	})
	t.Run("half-close always, without input", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.NoInput, socket.PipeConfig{HalfClose: socket.HalfCloseAlways})
		k.hearEnd(t)
		io.WriteString(k.peer, "reply")
		k.peer.Close()
		k.check(t, nil, "reply", "half-close", "peer-end")
	})
	t.Run("after the input end, for a while", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{AfterInputEnd: 50 * time.Millisecond})
		k.running(t)
		k.input.Close()
		k.check(t, nil, "", "input-end", "half-close")
	})
	t.Run("the same, strictly", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{AfterInputEnd: 50 * time.Millisecond, StrictEnd: true})
		k.input.Close()
		k.check(t, socket.ErrPeerTimeout, "", "input-end", "half-close")
	})
	t.Run("exit after the peer end", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{AfterPeerEnd: socket.PeerEndExit})
		closeWrite(k.peer)
		k.check(t, nil, "", "peer-end")
	})
	t.Run("drain a terminal after the peer end", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.TerminalInput, socket.PipeConfig{AfterPeerEnd: socket.PeerEndDrain})
		closeWrite(k.peer)
		k.sees(t, "peer-end")
		k.running(t)
		k.input.WriteString("late")
		k.input.Close()
		k.hear(t, "late")
		k.check(t, nil, "", "peer-end", "input-end", "half-close")
	})
	t.Run("strict end", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{StrictEnd: true})
		closeWrite(k.peer)
		k.check(t, socket.ErrPeerEnded, "", "peer-end")
	})
	t.Run("send only", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{SendOnly: true})
		io.WriteString(k.peer, "unwanted")
		k.input.WriteString("x")
		k.input.Close()
		k.check(t, nil, "", "input-end", "half-close")
		k.hear(t, "x")
		k.hearEnd(t)
	})
	t.Run("send only to a peer that acknowledges what it reads", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{SendOnly: true})
		k.input.Write(make([]byte, 50_000))
		k.input.Close()
		k.sees(t, "half-close") // all of it is with the peer's system by then, and unread
		for range 50 {
			if _, err := io.ReadFull(k.peer, make([]byte, 1000)); err != nil {
				t.Fatalf("what was acknowledged is lost: %v", err)
			}
			if _, err := io.WriteString(k.peer, "ok\n"); err != nil {
				t.Fatalf("a peer that replies is cut off: %v", err)
			}
			time.Sleep(time.Millisecond)
		}
		k.running(t)
		k.hearEnd(t)
		k.peer.Close()
		k.check(t, nil, "", "input-end", "half-close", "peer-end")
	})
	t.Run("send only without a half-close", func(t *testing.T) {
		took := time.Hour
		for range 5 { // a busy machine may pause in one
			k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{SendOnly: true, HalfClose: socket.HalfCloseNever})
			k.input.Close()
			began := time.Now()
			k.check(t, nil, "", "input-end")
			if took = min(took, time.Since(began)); took < 400*time.Millisecond {
				return
			}
		}
		t.Errorf("it waited %v for a peer that was told nothing", took)
	})
	t.Run("send only, and a reset after all has been acknowledged", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{SendOnly: true})
		k.input.WriteString("x")
		k.input.Close()
		k.sees(t, "half-close")
		socket.Reset(k.peer)
		k.peer.Close()
		k.check(t, syscall.ECONNRESET, "", "input-end", "half-close")
	})
	t.Run("at most so many bytes", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.NoInput, socket.PipeConfig{MaxReceive: 3})
		io.WriteString(k.peer, "abcdef")
		k.check(t, nil, "abc", "peer-end")
	})
}

func TestPipeFailures(t *testing.T) {
	t.Run("reset", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{})
		io.WriteString(k.peer, "part")
		for k.out.String() != "part" {
			time.Sleep(time.Millisecond)
		}
		socket.Reset(k.peer)
		k.peer.Close()
		k.check(t, syscall.ECONNRESET, "part")
	})
	t.Run("silent peer", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.NoInput, socket.PipeConfig{Read: 50 * time.Millisecond})
		k.check(t, socket.ErrReadTimeout, "")
	})
	t.Run("both idle", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{Idle: 50 * time.Millisecond})
		k.check(t, socket.ErrIdleTimeout, "")
	})
	t.Run("stalled peer", func(t *testing.T) {
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{Write: 50 * time.Millisecond})
		go io.Copy(k.input, zeros{})
		k.check(t, socket.ErrWriteTimeout, "")
	})
	t.Run("the reader of the output leaves while nothing moves", func(t *testing.T) {
		r, w := osPipe(t)
		k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{Output: w})
		k.running(t)
		r.Close()
		k.wait(t)
		wantPumpError(t, k.err, socket.WriteSide, true, syscall.EPIPE)
	})
	t.Run("cancelled", func(t *testing.T) {
		conn, _ := streamPair(t, "tcp")
		r, _ := osPipe(t)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := socket.Pipe(ctx, conn, socket.PipeConfig{Input: r, Output: io.Discard})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Pipe = %v; want %v", err, context.DeadlineExceeded)
		}
	})
}

// What the peer sent before it broke off is written although sending failed
// first.
func TestPipeKeepsWhatCameBeforeTheBreak(t *testing.T) {
	r, w := osPipe(t)
	k := startTalk(t, "unix", socket.DataInput, socket.PipeConfig{Output: w})
	io.WriteString(k.peer, "reason")
	k.peer.Close()
	k.input.Write(make([]byte, 1<<16))
	k.input.Close()
	k.wait(t)
	w.Close()
	if got := string(readAll(r)(t)); got != "reason" {
		t.Errorf("output %q, want %q", got, "reason")
	}
	if k.err == nil {
		t.Error("Pipe succeeded although the input was lost")
	}
}

func TestRelay(t *testing.T) {
	for _, networks := range [][2]string{{"tcp", "tcp"}, {"tcp", "unix"}, {"unix", "tcp"}} {
		t.Run(networks[0]+" to "+networks[1], func(t *testing.T) {
			a, farA := streamPair(t, networks[0])
			b, farB := streamPair(t, networks[1])
			done := make(chan error, 1)
			go func() {
				n, m, err := socket.Relay(t.Context(), a, b, socket.RelayOptions{})
				if n != 4 || m != 1<<20 {
					t.Errorf("Relay moved %d and %d", n, m)
				}
				done <- err
			}()
			io.WriteString(farA, "ping")
			closeWrite(farA) // the other direction goes on
			if got := string(readAll(farB)(t)); got != "ping" {
				t.Errorf("got %q", got)
			}
			want := noise(t, 1<<20)
			got := readAll(farA)
			farB.Write(want)
			closeWrite(farB)
			if !bytes.Equal(got(t), want) {
				t.Error("the reply differs")
			}
			if err := <-done; err != nil {
				t.Errorf("Relay = %v", err)
			}
		})
	}
	t.Run("a reset stays a reset", func(t *testing.T) {
		a, farA := streamPair(t, "tcp")
		b, farB := streamPair(t, "tcp")
		done := make(chan error, 1)
		go func() {
			_, _, err := socket.Relay(t.Context(), a, b, socket.RelayOptions{})
			a.Close()
			b.Close()
			done <- err
		}()
		socket.Reset(farA)
		farA.Close()
		if _, err := io.ReadAll(farB); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the far peer read %v, want a reset", err)
		}
		if err := <-done; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Relay = %v, want a reset", err)
		}
	})
	t.Run("idle", func(t *testing.T) {
		a, _ := streamPair(t, "tcp")
		b, _ := streamPair(t, "tcp")
		_, _, err := socket.Relay(t.Context(), a, b, socket.RelayOptions{Idle: 50 * time.Millisecond})
		if !errors.Is(err, socket.ErrIdleTimeout) {
			t.Errorf("Relay = %v, want %v", err, socket.ErrIdleTimeout)
		}
	})
}
