package socket_test

import (
	"testing"
	"time"

	"github.com/brio-net/brio/internal/hotpath"
	"github.com/brio-net/brio/pkg/socket"
)

// batchPaths are datagrams in batches of 64, each one there and taken.
func batchPaths(tb testing.TB) []hotpath.Path {
	const n = 64
	to, err := socket.ListenPacket(tb.Context(), "udp", "127.0.0.1:0", socket.PacketConfig{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { to.Close() })
	from, err := socket.DialPacket(tb.Context(), "udp", to.LocalAddr().String(), socket.PacketConfig{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { from.Close() })
	out, in := make([]socket.Message, n), make([]socket.Message, n)
	for i := range n {
		out[i].Data, in[i].Data = make([]byte, 64), make([]byte, 128)
	}
	if err := to.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		tb.Fatal(err)
	}
	return []hotpath.Path{
		// Only x/net allocates: the address of each that arrives, in two pieces.
		{Name: "64 datagrams", Bytes: n * 64, Most: 2*n + 4, Run: func() {
			if k, err := from.SendBatch(out); k != n || err != nil {
				tb.Fatal(k, err)
			}
			for got := 0; got < n; {
				k, err := to.ReceiveBatch(in)
				if err != nil {
					tb.Fatal(err)
				}
				got += k
			}
		}},
	}
}

func TestBatchAllocations(t *testing.T) { hotpath.Check(t, batchPaths(t)) }

func BenchmarkBatch(b *testing.B) { hotpath.Benchmark(b, batchPaths(b)) }
