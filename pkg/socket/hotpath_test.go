package socket_test

import (
	"bufio"
	"bytes"
	"io"
	"testing"

	"github.com/brio-net/brio/internal/hotpath"
	"github.com/brio-net/brio/pkg/socket"
)

func hotPaths(tb testing.TB) []hotpath.Path {
	const chunk = 64 << 10
	data := make([]byte, chunk)
	var coded bytes.Buffer
	w := socket.NewChunkWriter(&coded, socket.ChunkConfig{})
	if _, err := w.Write(data); err != nil {
		tb.Fatal(err)
	}
	in := socket.NewChunkReader(bufio.NewReaderSize(hotpath.Repeat(coded.Bytes()), chunk), socket.ChunkLimits{})
	out := socket.NewChunkWriter(io.Discard, socket.ChunkConfig{})
	host := func(s string) func() {
		return func() {
			if _, err := socket.ParseHost(s); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return []hotpath.Path{
		{Name: "ParseHost/name", Run: host("www.example.com")},
		{Name: "ParseHost/IPv4", Most: 1, Run: host("192.0.2.1")},
		{Name: "ParseHost/short", Most: 1, Run: host("127.1")},
		{Name: "ParseHost/IPv6", Run: host("2001:db8::1")},
		{Name: "ChunkWriter", Bytes: chunk, Run: func() {
			if _, err := out.Write(data); err != nil {
				tb.Fatal(err)
			}
		}},
		{Name: "ChunkReader", Bytes: chunk, Run: func() {
			if _, err := io.ReadFull(in, data); err != nil {
				tb.Fatal(err)
			}
		}},
	}
}

func TestHotPathAllocations(t *testing.T) { hotpath.Check(t, hotPaths(t)) }

func BenchmarkHotPath(b *testing.B) { hotpath.Benchmark(b, hotPaths(b)) }
