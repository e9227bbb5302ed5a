package socket_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/brio-net/brio/pkg/socket"
)

// benchPair returns the two ends of a TCP connection.
func benchPair(b testing.TB) (x, y net.Conn) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if x, err = net.Dial("tcp", l.Addr().String()); err != nil {
		b.Fatal(err)
	}
	if y, err = l.Accept(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { x.Close(); y.Close() })
	return x, y
}

// A relay allocates nothing for a message.
func TestRelayAllocatesNothing(t *testing.T) {
	x, farX := benchPair(t)
	y, farY := benchPair(t)
	go socket.Relay(t.Context(), x, y, socket.RelayOptions{})
	msg := make([]byte, 64)
	allocs := testing.AllocsPerRun(200, func() {
		if _, err := farX.Write(msg); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(farY, msg); err != nil {
			t.Fatal(err)
		}
	})
	if allocs >= 1 {
		t.Errorf("%v allocations for each message", allocs)
	}
}

// A message there and back through a relay.
func BenchmarkRelayPingPong(b *testing.B) {
	x, farX := benchPair(b)
	y, farY := benchPair(b)
	go socket.Relay(b.Context(), x, y, socket.RelayOptions{})
	go io.Copy(struct{ io.Writer }{farY}, farY)
	msg := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := farX.Write(msg); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(farX, msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPumpFileToTCP(b *testing.B) {
	name := filepath.Join(b.TempDir(), "f")
	if err := os.WriteFile(name, make([]byte, 16<<20), 0o600); err != nil {
		b.Fatal(err)
	}
	x, far := benchPair(b)
	go io.Copy(struct{ io.Writer }{io.Discard}, far)
	b.SetBytes(16 << 20)
	b.ReportAllocs()
	for b.Loop() {
		f, err := os.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := socket.Pump(b.Context(), x, f, socket.PumpOptions{}); n != 16<<20 || err != nil {
			b.Fatal(n, err)
		}
		f.Close()
	}
}

func BenchmarkCRLF(b *testing.B) {
	text := bytes.Repeat([]byte("a line of text that is neither short nor long\n"), 1000)
	w := socket.CRLF(io.Discard)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		w.Write(text)
	}
}
