package socket_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// streamPair returns the two ends of a connection of the network.
func streamPair(t *testing.T, network string) (a, b net.Conn) {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return a, b
}

// noise returns n random bytes.
func noise(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// fileWith returns a file at its start that holds b.
func fileWith(t *testing.T, b []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// readAll returns all that comes from r, later.
func readAll(r io.Reader) func(t *testing.T) []byte {
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		b, err := io.ReadAll(r)
		done <- result{b, err}
	}()
	return func(t *testing.T) []byte {
		t.Helper()
		select {
		case got := <-done:
			if got.err != nil {
				t.Errorf("reading the far end: %v", got.err)
			}
			return got.b
		case <-time.After(10 * time.Second):
			t.Fatal("the far end did not end")
			return nil
		}
	}
}

// sources are the ends that bytes can come from, each giving what it is told.
func sources(t *testing.T) map[string]func([]byte) io.Reader {
	fed := func(w io.WriteCloser, r io.Reader, b []byte) io.Reader {
		go func() { w.Write(b); w.Close() }()
		return r
	}
	return map[string]func([]byte) io.Reader{
		"file": func(b []byte) io.Reader { return fileWith(t, b) },
		"pipe": func(b []byte) io.Reader {
			r, w := osPipe(t)
			return fed(w, r, b)
		},
		"tcp": func(b []byte) io.Reader {
			r, w := streamPair(t, "tcp")
			return fed(w, r, b)
		},
		"unix": func(b []byte) io.Reader {
			r, w := streamPair(t, "unix")
			return fed(w, r, b)
		},
		"reader": func(b []byte) io.Reader { return bytes.NewReader(b) },
	}
}

func osPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// A sink is an end that bytes can go to, and how to learn what arrived.
type sink struct {
	w   io.WriteCloser
	got func(*testing.T) []byte
}

func sinks(t *testing.T) map[string]func() sink {
	file := func(flag int) func() sink {
		return func() sink {
			name := filepath.Join(t.TempDir(), "out")
			f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|flag, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			return sink{f, func(t *testing.T) []byte {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Error(err)
				}
				return b
			}}
		}
	}
	conn := func(network string) func() sink {
		return func() sink {
			w, r := streamPair(t, network)
			return sink{w, readAll(r)}
		}
	}
	return map[string]func() sink{
		"file":   file(0),
		"append": file(os.O_APPEND),
		"pipe": func() sink {
			r, w := osPipe(t)
			return sink{w, readAll(r)}
		},
		"tcp":  conn("tcp"),
		"unix": conn("unix"),
	}
}

func TestPumpBetweenAllEnds(t *testing.T) {
	want := noise(t, 3<<20+17)
	for from, source := range sources(t) {
		for to, newSink := range sinks(t) {
			t.Run(from+" to "+to, func(t *testing.T) {
				var counter atomic.Int64
				dst := newSink()
				n, err := socket.Pump(t.Context(), dst.w, source(want), socket.PumpOptions{Counter: &counter})
				dst.w.Close()
				if err != nil || n != int64(len(want)) || counter.Load() != n {
					t.Errorf("Pump = %d, %v, counter %d; want %d", n, err, counter.Load(), len(want))
				}
				if got := dst.got(t); !bytes.Equal(got, want) {
					t.Errorf("%d bytes arrived, not the %d sent", len(got), len(want))
				}
			})
		}
	}
}

func TestPumpStopsAtLimit(t *testing.T) {
	want := noise(t, 3<<20)
	for from, source := range sources(t) {
		for _, to := range []string{"tcp", "append"} {
			for _, limit := range []int64{100_001, 1_500_001} {
				t.Run(fmt.Sprintf("%d from %s to %s", limit, from, to), func(t *testing.T) {
					dst := sinks(t)[to]()
					n, err := socket.Pump(t.Context(), dst.w, source(want), socket.PumpOptions{Limit: limit})
					dst.w.Close()
					if err != nil || n != limit {
						t.Errorf("Pump = %d, %v; want %d, nil", n, err, limit)
					}
					if got := dst.got(t); !bytes.Equal(got, want[:limit]) {
						t.Errorf("%d bytes arrived, want the first %d", len(got), limit)
					}
				})
			}
		}
	}
}

// wantPumpError checks that err blames the side for target.
func wantPumpError(t *testing.T, err error, side socket.Side, local bool, target error) {
	t.Helper()
	pe, ok := errors.AsType[*socket.PumpError](err)
	if !ok || pe.Side != side || pe.Local != local || !errors.Is(err, target) {
		t.Errorf("got %#v (%v); want side %v, local %v, %v", err, err, side, local, target)
	}
}

func TestPumpSaysWhichSideFailed(t *testing.T) {
	t.Run("reset while reading", func(t *testing.T) {
		a, b := streamPair(t, "tcp")
		_, w := osPipe(t)
		socket.Reset(b)
		b.Close()
		_, err := socket.Pump(t.Context(), w, a, socket.PumpOptions{})
		wantPumpError(t, err, socket.ReadSide, false, syscall.ECONNRESET)
	})
	t.Run("reset while writing", func(t *testing.T) {
		a, b := streamPair(t, "tcp")
		socket.Reset(b)
		b.Close()
		zero, err := os.Open("/dev/zero")
		if err != nil {
			needDevice(t, err)
		}
		defer zero.Close()
		_, err = socket.Pump(t.Context(), a, zero, socket.PumpOptions{})
		if !errors.Is(err, syscall.EPIPE) {
			wantPumpError(t, err, socket.WriteSide, false, syscall.ECONNRESET)
		}
	})
	t.Run("reader of a pipe has gone", func(t *testing.T) {
		a, b := streamPair(t, "tcp")
		r, w := osPipe(t)
		r.Close()
		b.Write([]byte("x"))
		_, err := socket.Pump(t.Context(), w, a, socket.PumpOptions{})
		wantPumpError(t, err, socket.WriteSide, true, syscall.EPIPE)
	})
	t.Run("disk full", func(t *testing.T) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			needDevice(t, err)
		}
		defer full.Close()
		a, b := streamPair(t, "tcp")
		b.Write([]byte("x"))
		_, err = socket.Pump(t.Context(), full, a, socket.PumpOptions{})
		wantPumpError(t, err, socket.WriteSide, true, syscall.ENOSPC)
	})
}

// stalledEnds are pairs of ends between which nothing moves.
func stalledEnds(t *testing.T) map[string]func() (io.Writer, io.Reader) {
	return map[string]func() (io.Writer, io.Reader){
		"pipe to tcp": func() (io.Writer, io.Reader) {
			a, _ := streamPair(t, "tcp")
			r, _ := osPipe(t)
			return a, r
		},
		"tcp to pipe": func() (io.Writer, io.Reader) {
			a, _ := streamPair(t, "tcp")
			_, w := osPipe(t)
			return w, a
		},
		"tcp to stalled tcp": func() (io.Writer, io.Reader) {
			a, b := streamPair(t, "tcp")
			c, _ := streamPair(t, "tcp")
			go io.Copy(b, zeros{})
			return c, a
		},
		"tcp to stalled pipe": func() (io.Writer, io.Reader) {
			a, b := streamPair(t, "tcp")
			_, w := osPipe(t)
			go io.Copy(b, zeros{})
			return w, a
		},
		"zeros to stalled tcp": func() (io.Writer, io.Reader) {
			a, _ := streamPair(t, "tcp")
			return a, zeros{}
		},
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestPumpTimeouts(t *testing.T) {
	const limit = 50 * time.Millisecond
	for name, ends := range stalledEnds(t) {
		t.Run("idle "+name, func(t *testing.T) {
			dst, src := ends()
			_, err := socket.Pump(t.Context(), dst, src, socket.PumpOptions{Idle: limit})
			if !errors.Is(err, socket.ErrIdleTimeout) || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Pump = %v; want %v", err, socket.ErrIdleTimeout)
			}
		})
		t.Run("cancelled "+name, func(t *testing.T) {
			dst, src := ends()
			cause := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(limit, func() { cancel(cause) })
			if _, err := socket.Pump(ctx, dst, src, socket.PumpOptions{}); err != cause {
				t.Errorf("Pump = %v; want %v", err, cause)
			}
		})
	}
	t.Run("read", func(t *testing.T) {
		a, _ := streamPair(t, "tcp")
		_, err := socket.Pump(t.Context(), io.Discard, a, socket.PumpOptions{Read: limit, Write: time.Hour})
		wantPumpError(t, err, socket.ReadSide, false, socket.ErrReadTimeout)
	})
	t.Run("write", func(t *testing.T) {
		a, _ := streamPair(t, "tcp")
		_, err := socket.Pump(t.Context(), a, zeros{}, socket.PumpOptions{Read: time.Hour, Write: limit})
		wantPumpError(t, err, socket.WriteSide, false, socket.ErrWriteTimeout)
	})
}

// Nor is a filter idle that takes its time over what was read at once.
func TestPumpIdleTimeoutWithRate(t *testing.T) {
	a, b := streamPair(t, "tcp")
	got := readAll(b)
	_, err := socket.Pump(t.Context(), a, bytes.NewReader(make([]byte, 600)), socket.PumpOptions{
		Idle: 200 * time.Millisecond, Write: 200 * time.Millisecond,
		Sink: func(w io.Writer) io.Writer { return socket.Rate(t.Context(), w, 1000) },
	})
	a.Close()
	if n := len(got(t)); n != 600 || err != nil {
		t.Errorf("Pump = %v, and the peer got %d bytes; want nil, 600", err, n)
	}
}

// A peer that is slow but moves is not idle.
func TestPumpIdleTimeoutIsRearmed(t *testing.T) {
	a, b := streamPair(t, "tcp")
	go func() {
		for range 8 {
			b.Write([]byte("x"))
			time.Sleep(100 * time.Millisecond)
		}
		b.Close()
	}()
	_, w := osPipe(t)
	n, err := socket.Pump(t.Context(), w, a, socket.PumpOptions{Idle: 500 * time.Millisecond})
	if n != 8 || err != nil {
		t.Errorf("Pump = %d, %v; want 8, nil", n, err)
	}
}

// needDevice skips a test for a device that only Linux is sure to have.
func needDevice(t *testing.T, err error) {
	t.Helper()
	if runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	t.Skipf("no such device here: %v", err)
}
