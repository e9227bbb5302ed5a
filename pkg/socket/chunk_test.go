package socket_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// unchunk reads a chunked stream and returns its data, how it ended, and what
// was left on the connection.
func unchunk(in string, l socket.ChunkLimits) (data, rest string, err error) {
	br := bufio.NewReader(strings.NewReader(in))
	b, err := io.ReadAll(socket.NewChunkReader(br, l))
	left, _ := io.ReadAll(br) // a strings.Reader does not fail
	return string(b), string(left), err
}

// OPERATORS.md: socket-control input-chunking. The end is told apart from that
// of the connection, and no byte after it is lost.
func TestChunkReaderLeavesTheRest(t *testing.T) {
	for _, tt := range []struct {
		in, data string
		trailer  []socket.TrailerField
	}{
		{"0\r\n\r\n", "", nil},
		{"5\r\nhello\r\n0\r\n\r\n", "hello", nil},
		{"5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n", "hello world", nil},
		{"A;name=value;q=\"a;b\"\r\n0123456789\r\n0;x\r\n\r\n", "0123456789", nil},
		{"00000000000000000000000000001 \t\r\nx\r\n0\r\n\r\n", "x", nil},
		{"2\r\n\r\n\r\n0\r\n\r\n", "\r\n", nil},
		{"0\r\nA: 1\r\nB:\t2 3 \r\nempty:\r\n\r\n", "", []socket.TrailerField{{"A", "1"}, {"B", "2 3"}, {"empty", ""}}},
	} {
		data, rest, err := unchunk(tt.in+"NEXT message", socket.ChunkLimits{})
		var end *socket.ChunkEOF
		if data != tt.data || !errors.As(err, &end) || !errors.Is(err, socket.ErrChunkEOF) || errors.Is(err, io.EOF) {
			t.Errorf("%q: data %q, %v; want %q and a ChunkEOF", tt.in, data, err, tt.data)
			continue
		}
		if !reflect.DeepEqual(end.Trailer, tt.trailer) || rest != "NEXT message" {
			t.Errorf("%q: trailer %v, rest %q; want %v", tt.in, end.Trailer, rest, tt.trailer)
		}
	}
}

func TestChunkReaderMalformed(t *testing.T) {
	for _, tt := range []struct {
		in, data string
		offset   int64
		reason   string
	}{
		{"", "", 0, "the connection ended before the last chunk"},
		{"5\r\nhel", "hel", 6, "the connection ended before the last chunk"},
		{"5\r\nhello\r\n", "hello", 10, "the connection ended before the last chunk"},
		{"0\r\n", "", 3, "the connection ended before the last chunk"},
		{"0\r\nA: 1\r\n", "", 9, "the connection ended before the last chunk"},
		{"\r\n", "", 0, "no chunk size"},
		{"x\r\n", "", 0, "no chunk size"},
		{"-5\r\n", "", 0, "no chunk size"},
		{" 5\r\n", "", 0, "no chunk size"},
		{"0x5\r\nhello\r\n", "", 1, "unexpected byte in the chunk size"},
		{"0 0\r\n\r\n", "", 2, "unexpected byte in the chunk size"},
		{"0 \t x;a=b\r\n\r\n", "", 4, "unexpected byte in the chunk size"},
		{"5\nhello\r\n", "", 1, "line feed without carriage return"},
		{"5\rhello\r\n", "", 2, "carriage return without line feed"},
		{"5;a\nb\r\nhello", "", 3, "line feed without carriage return"},
		{"5;a\x00\r\nhello", "", 3, "control character in a chunk extension"},
		{"5\r\nhelloX\r\n", "hello", 8, "a chunk is longer than its size says"},
		{"5\r\nhello\n0\r\n\r\n", "hello", 8, "line feed without carriage return"},
		{"5\r\nhello\rX", "hello", 9, "carriage return without line feed"},
		{"10000000000000000\r\n", "", 16, "the chunk size is too large"},
		{"0\r\nNEXT\r\n\r\n", "", 8, "a trailer line is not a field"},
		{"0\r\nA: 1\r\n B\r\n\r\n", "", 12, "a trailer line is not a field"},
		{"0\r\nA : 1\r\n\r\n", "", 9, "a trailer line is not a field"},
		{"0\r\nA: 1\n\r\n", "", 7, "line feed without carriage return"},
		{"0\r\nA: \x01\r\n\r\n", "", 6, "control character in the trailer section"},
		{"5;" + strings.Repeat("x", 5000), "", 4094, "the chunk line is too long"},
		{"0\r\n" + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 100), "", 65539, "the trailer section is too large"},
		{strings.Repeat("1;"+strings.Repeat("x", 4000)+"\r\ny\r\n", 10), "yyyy", 16414, "more chunk extensions than data"},
	} {
		data, _, err := unchunk(tt.in, socket.ChunkLimits{})
		var ce *socket.ChunkError
		if data != tt.data || !errors.As(err, &ce) || ce.Offset != tt.offset || ce.Reason != tt.reason {
			t.Errorf("%.40q: data %q, %#v; want %q, offset %d, %q", tt.in, data, err, tt.data, tt.offset, tt.reason)
			continue
		}
		cut := strings.HasPrefix(tt.reason, "the connection")
		if errors.Is(err, io.ErrUnexpectedEOF) != cut || errors.Is(err, io.EOF) {
			t.Errorf("%.40q: %#v is of the wrong kind", tt.in, err)
		}
	}
}

// The state survives any cut of the bytes, and data are handed on before the
// peer is waited for.
func TestChunkReaderByteByByte(t *testing.T) {
	in := "5;x=y\r\nhello\r\n0\r\nA: 1\r\n\r\n"
	br := bufio.NewReader(iotest.OneByteReader(strings.NewReader(in)))
	b, err := io.ReadAll(socket.NewChunkReader(br, socket.ChunkLimits{}))
	if string(b) != "hello" || !errors.Is(err, socket.ErrChunkEOF) {
		t.Errorf("%q, %v", b, err)
	}

	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go theirs.Write([]byte("5\r\nhello\r\n")) // the pipe's close ends it
	n, err := socket.NewChunkReader(bufio.NewReader(ours), socket.ChunkLimits{}).Read(make([]byte, 100))
	if n != 5 || err != nil {
		t.Errorf("Read = %d, %v while the next chunk is not there", n, err)
	}
}

func TestChunkReaderSilentPeer(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	r := socket.NewChunkReader(bufio.NewReader(ours), socket.ChunkLimits{})
	if err := ours.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	if n, err := r.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("silent peer: %d, %v", n, err)
	}
	if err := ours.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	go theirs.Write([]byte("2\r\nhi\r\n0\r\n\r\n")) // the pipe's close ends it
	if n, err := r.Read(buf); string(buf[:n]) != "hi" || err != nil {
		t.Errorf("after the deadline: %q, %v", buf[:n], err)
	}
}

// OPERATORS.md: socket-control output-chunking and output-chunking-eof.
func TestChunkWriter(t *testing.T) {
	var w writes
	c := socket.NewChunkWriter(&w, socket.ChunkConfig{})
	write(t, c, "hello", "", strings.Repeat("x", 70000))
	if err := c.End([]socket.TrailerField{{Name: "Digest", Value: "abc"}}); err != nil {
		t.Fatal(err)
	}
	want := []int{10, 7 + 65536 + 2, 6 + 70000 - 65536 + 2, 18}
	if !reflect.DeepEqual(w.sizes, want) {
		t.Errorf("writes of %v bytes, want one per chunk: %v", w.sizes, want)
	}
	br := bufio.NewReader(&w.Buffer)
	data, err := io.ReadAll(socket.NewChunkReader(br, socket.ChunkLimits{}))
	var end *socket.ChunkEOF
	if string(data) != "hello"+strings.Repeat("x", 70000) || !errors.As(err, &end) || fmt.Sprint(end.Trailer) != "[{Digest abc}]" {
		t.Errorf("%d bytes come back, %v", len(data), err)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("Write after End succeeded")
	}
	if err := c.End(nil); err == nil {
		t.Error("End after End succeeded")
	}
}

func TestChunkWriterCoalesces(t *testing.T) {
	var w writes
	c := socket.NewChunkWriter(&w, socket.ChunkConfig{Coalesce: true, Size: 8})
	write(t, c, "ab", "cd", "efghij", "k")
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	write(t, c, "l")
	if err := c.End(nil); err != nil {
		t.Fatal(err)
	}
	want := "8\r\nabcdefgh\r\n" + "3\r\nijk\r\n" + "1\r\nl\r\n0\r\n\r\n"
	if got := w.String(); got != want || len(w.sizes) != 3 {
		t.Errorf("%q in %d writes, want %q in 3", got, len(w.sizes), want)
	}
}

func TestChunkWriterRefusesTrailers(t *testing.T) {
	for _, f := range []socket.TrailerField{{"", "x"}, {"a b", "x"}, {"a", "x\r\nB: y"}, {"a:", ""}, {"a", "\x00"}} {
		var w writes
		c := socket.NewChunkWriter(&w, socket.ChunkConfig{})
		if err := c.End([]socket.TrailerField{f}); err == nil || w.Len() != 0 {
			t.Errorf("End(%q) = %v after %d bytes", f, err, w.Len())
		}
		if err := c.End(nil); err != nil {
			t.Errorf("End after a refused trailer: %v", err)
		}
	}
}

func TestChunkWriterFailsForGood(t *testing.T) {
	w := writes{limit: 1}
	c := socket.NewChunkWriter(&w, socket.ChunkConfig{})
	write(t, c, "a")
	if n, err := c.Write([]byte("b")); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write = %d, %v", n, err)
	}
	w.limit = 100
	if err := c.End(nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("End after half a chunk = %v", err)
	}
}

// On a TCP connection large data go out as a vector, and both directions carry
// on after the last chunk.
func TestChunkedOverTCP(t *testing.T) {
	ours, theirs := tcpPair(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	sent := make(chan error, 1)
	go func() {
		c := socket.NewChunkWriter(theirs, socket.ChunkConfig{})
		_, err1 := c.Write(big)
		err2 := c.End(nil)
		_, err3 := io.WriteString(theirs, "plain")
		sent <- errors.Join(err1, err2, err3, theirs.CloseWrite())
	}()
	br := bufio.NewReader(ours)
	data, err := io.ReadAll(socket.NewChunkReader(br, socket.ChunkLimits{}))
	if !bytes.Equal(data, big) || !errors.Is(err, socket.ErrChunkEOF) {
		t.Errorf("%d bytes, %v; want %d", len(data), err, len(big))
	}
	if rest, err := io.ReadAll(br); string(rest) != "plain" || err != nil {
		t.Errorf("after the last chunk: %q, %v", rest, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestChunkWriterPeerGone(t *testing.T) {
	ours, theirs := net.Pipe()
	theirs.Close()
	defer ours.Close()
	c := socket.NewChunkWriter(ours, socket.ChunkConfig{})
	if _, err := c.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write to a closed peer = %v", err)
	}
}

// The reader takes what that of net/http takes, with the same data. It is
// stricter in extensions and in the trailer section, which the other leaves
// alone, and lets any number of leading zeros stand, and blanks before an
// extension (RFC 9112 section 7.1.1).
func FuzzChunkReader(f *testing.F) {
	blankBeforeExtension := regexp.MustCompile(`[ \t];`)
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\nrest"))
	f.Add([]byte("5;a=b \r\nhello\r\n0\r\nA: 1\r\n\r\n"))
	f.Add([]byte("fffffffffffffffff\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		br := bufio.NewReader(bytes.NewReader(in))
		got, err := io.ReadAll(socket.NewChunkReader(br, socket.ChunkLimits{}))
		std, stdErr := io.ReadAll(httputil.NewChunkedReader(bufio.NewReader(bytes.NewReader(in))))
		ended := errors.Is(err, socket.ErrChunkEOF)
		var ce *socket.ChunkError
		if !ended && (!errors.As(err, &ce) || ce.Offset > int64(len(in))) {
			t.Fatalf("%q: %#v", in, err)
		}
		same := bytes.Equal(got, std)
		switch {
		case stdErr == nil && !same && (ended || !strings.Contains(ce.Reason, "extension")):
			t.Fatalf("%q: %q, %v; net/http reads %q", in, got, err, std)
		case ended && stdErr != nil && !strings.Contains(stdErr.Error(), "too ") && !blankBeforeExtension.Match(in):
			t.Fatalf("%q: %q; net/http: %v", in, got, stdErr)
		}
	})
}

func FuzzChunkRoundTrip(f *testing.F) {
	f.Add([]byte("hello"), uint16(3), uint16(2), true)
	f.Fuzz(func(t *testing.T, data []byte, size, step uint16, coalesce bool) {
		data = data[:min(len(data), 2000)] // longer ones find nothing more
		var w bytes.Buffer
		c := socket.NewChunkWriter(&w, socket.ChunkConfig{Size: int(size), Coalesce: coalesce})
		for rest := data; len(rest) > 0; {
			n := min(len(rest), int(step)+1)
			if _, err := c.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := c.End(nil); err != nil {
			t.Fatal(err)
		}
		std, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(w.Bytes())))
		if err != nil || !bytes.Equal(std, data) {
			t.Fatalf("net/http reads %d of %d bytes, %v", len(std), len(data), err)
		}
		got, rest, err := unchunk(w.String()+"rest", socket.ChunkLimits{})
		if got != string(data) || !errors.Is(err, socket.ErrChunkEOF) || rest != "rest" {
			t.Fatalf("%d of %d bytes come back, %v, rest %q", len(got), len(data), err, rest)
		}
	})
}

// writes records the size of each write and fails after limit of them.
type writes struct {
	bytes.Buffer
	sizes []int
	limit int // 0 means none
}

func (w *writes) Write(p []byte) (int, error) {
	if w.limit > 0 && len(w.sizes) >= w.limit {
		return 0, io.ErrClosedPipe
	}
	w.sizes = append(w.sizes, len(p))
	return w.Buffer.Write(p)
}

func write(t *testing.T, w io.Writer, all ...string) {
	t.Helper()
	for _, s := range all {
		if n, err := io.WriteString(w, s); n != len(s) || err != nil {
			t.Fatalf("Write of %d bytes = %d, %v", len(s), n, err)
		}
	}
}

// tcpPair returns the two ends of a connection over the loopback.
func tcpPair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}
