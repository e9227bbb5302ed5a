package socket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// inPieces writes s to w, n bytes at a time.
func inPieces(t *testing.T, w io.Writer, s string, n int) {
	t.Helper()
	for len(s) > 0 {
		m := min(n, len(s))
		if k, err := io.WriteString(w, s[:m]); k != m || err != nil {
			t.Fatalf("Write(%q) = %d, %v", s[:m], k, err)
		}
		s = s[m:]
	}
}

func TestCRLFIsIdempotentHoweverItIsCut(t *testing.T) {
	const in, want = "a\nb\r\nc\r\r\n\n\rd", "a\r\nb\r\nc\r\r\n\r\n\rd"
	for n := 1; n <= len(in); n++ {
		var out bytes.Buffer
		inPieces(t, socket.CRLF(&out), in, n)
		if out.String() != want {
			t.Errorf("in pieces of %d: %q, want %q", n, out.String(), want)
		}
	}
}

func FuzzCRLF(f *testing.F) {
	f.Add("a\nb\r\n", uint8(2))
	f.Fuzz(func(t *testing.T, in string, n uint8) {
		var once, twice bytes.Buffer
		inPieces(t, socket.CRLF(&once), in, int(n)+1)
		inPieces(t, socket.CRLF(&twice), once.String(), int(n)+2)
		if once.String() != twice.String() {
			t.Errorf("CRLF twice gives %q, once %q", twice.String(), once.String())
		}
		if got := strings.ReplaceAll(once.String(), "\r\n", "\n"); got != strings.ReplaceAll(in, "\r\n", "\n") {
			t.Errorf("CRLF changed the text of %q to %q", in, once.String())
		}
	})
}

func TestHexDump(t *testing.T) {
	var out, passed bytes.Buffer
	h := socket.NewHexDump(&out)
	inPieces(t, h.Tap(&passed, ">"), "GET / HTTP/1.1\r\n\x00\xff", 17)
	io.WriteString(h.Tap(io.Discard, "<"), "ok")
	const want = "> 00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|\n" +
		"> 00000010  00                                                |.|\n" +
		"> 00000011  ff                                                |.|\n" +
		"< 00000000  6f 6b                                             |ok|\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if passed.Len() != 18 {
		t.Errorf("%d bytes passed, want 18", passed.Len())
	}
}

func TestTeeBlamesTheRecord(t *testing.T) {
	r, w := osPipe(t)
	r.Close()
	_, err := socket.Tee(io.Discard, w).Write([]byte("x"))
	wantPumpError(t, err, socket.WriteSide, true, syscall.EPIPE)
}

func TestRate(t *testing.T) {
	start := time.Now()
	var out bytes.Buffer
	n, err := socket.Rate(t.Context(), &out, 10_000).Write(make([]byte, 2000))
	if n != 2000 || err != nil || out.Len() != 2000 {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if took := time.Since(start); took < 150*time.Millisecond {
		t.Errorf("2000 bytes at 10000 a second took %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := socket.Rate(ctx, &out, 1).Write([]byte("abc")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Write = %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestExpect(t *testing.T) {
	for n := 1; n < 8; n++ {
		var got string
		e := socket.NewExpect(regexp.MustCompile(`220 .*ready`), func(m []byte) { got = string(m) })
		inPieces(t, e.Tap(io.Discard), "hello\r\n220 server ready\r\n220 not ready", n)
		if !e.Found() || got != "220 server ready" {
			t.Errorf("in pieces of %d: found %v, %q", n, e.Found(), got)
		}
	}
	e := socket.NewExpect(regexp.MustCompile(`x`), func([]byte) { t.Error("matched") })
	inPieces(t, e.Tap(io.Discard), strings.Repeat("y", 1<<18), 1000)
	if e.Found() {
		t.Error("found what is not there")
	}
	for _, tt := range []struct {
		re, in string
		found  bool
	}{
		{`^OK`, strings.Repeat("OK", 1<<17), true},
		{`^OK`, "x" + strings.Repeat("OK", 1<<17), false}, // not where the window begins
		{`(?m)^OK`, "x" + strings.Repeat("OK", 1<<17) + "\nOK", true},
	} {
		e := socket.NewExpect(regexp.MustCompile(tt.re), func([]byte) {})
		inPieces(t, e.Tap(io.Discard), tt.in, 4096)
		if e.Found() != tt.found {
			t.Errorf("%s in %.5q... found: %v, want %v", tt.re, tt.in, e.Found(), tt.found)
		}
	}
}

func TestEcho(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			conn, peer := streamPair(t, network)
			done := make(chan error, 1)
			go func() {
				n, err := socket.Echo(t.Context(), conn, socket.PumpOptions{})
				if n != 1<<20 {
					t.Errorf("Echo moved %d bytes", n)
				}
				done <- err
			}()
			want := noise(t, 1<<20)
			got := readAll(peer)
			peer.Write(want)
			closeWrite(peer)
			if !bytes.Equal(got(t), want) {
				t.Error("the echo differs")
			}
			if err := <-done; err != nil {
				t.Errorf("Echo = %v", err)
			}
		})
	}
	t.Run("silent peer", func(t *testing.T) {
		conn, _ := streamPair(t, "tcp")
		_, err := socket.Echo(t.Context(), conn, socket.PumpOptions{Idle: 50 * time.Millisecond})
		wantPumpError(t, err, socket.ReadSide, false, socket.ErrIdleTimeout)
	})
	t.Run("cancelled", func(t *testing.T) {
		conn, _ := streamPair(t, "tcp")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := socket.Echo(ctx, conn, socket.PumpOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("Echo = %v", err)
		}
	})
}

func TestEchoServer(t *testing.T) {
	s, err := socket.NewEchoServer()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	type end struct {
		n   int64
		err error
	}
	serve := func(network string) (net.Conn, chan end) {
		conn, peer := streamPair(t, network)
		done := make(chan end, 1)
		s.Serve(conn, func(n int64, err error) { conn.Close(); done <- end{n, err} })
		return peer, done
	}
	for _, network := range []string{"tcp", "unix"} {
		peer, done := serve(network)
		for range 3 { // idle in between
			io.WriteString(peer, "x")
			if _, err := io.ReadFull(peer, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		want := noise(t, 1<<20)
		got := readAll(peer)
		peer.Write(want)
		closeWrite(peer)
		if !bytes.Equal(got(t), want) {
			t.Error("the echo differs")
		}
		if e := <-done; e.n != 1<<20+3 || e.err != nil {
			t.Errorf("the end: %d, %v", e.n, e.err)
		}
	}
	peer, done := serve("tcp")
	socket.Reset(peer)
	peer.Close()
	if e := <-done; !errors.Is(e.err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %v", e.err)
	}
	_, done = serve("tcp")
	s.Stop()
	<-done
	_, done = serve("tcp")
	<-done
}

func TestChargen(t *testing.T) {
	b := make([]byte, 74*96)
	io.ReadFull(socket.Chargen(), b)
	lines := strings.Split(string(b), "\r\n")
	if want := ` !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_` + "`abcdefg"; lines[0] != want {
		t.Errorf("line 0 is %q, want %q", lines[0], want)
	}
	if lines[1] != lines[0][1:]+"h" || lines[95] != lines[0] {
		t.Errorf("lines 1 and 95 are %q and %q", lines[1], lines[95])
	}
}

// Filters see the bytes on their way to the connection.
func TestPipeWithFilters(t *testing.T) {
	var dump bytes.Buffer
	h := socket.NewHexDump(&dump)
	k := startTalk(t, "tcp", socket.DataInput, socket.PipeConfig{
		Encode: func(w io.Writer) io.Writer { return socket.CRLF(h.Tap(w, ">")) },
	})
	k.input.WriteString("GET /\n")
	k.input.Close()
	k.hear(t, "GET /\r\n")
	k.hearEnd(t)
	k.peer.Close()
	k.check(t, nil, "", "input-end", "half-close", "peer-end")
	if !strings.Contains(dump.String(), "0d 0a") {
		t.Errorf("the dump is %q", dump.String())
	}
}
