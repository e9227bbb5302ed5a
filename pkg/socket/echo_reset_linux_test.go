package socket_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/brio-net/brio/pkg/socket"
)

// A connection that its peer has reset before it is served has one end, like
// any other.
func TestEchoServerAfterReset(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := socket.NewEchoServer()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var wg sync.WaitGroup
	ends := make([]atomic.Int32, 3000)
	for i := range ends {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := client.(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		client.Close()
		wg.Add(1)
		s.Serve(conn, func(int64, error) {
			if ends[i].Add(1) == 1 {
				conn.Close()
				wg.Done()
			}
		})
	}
	wg.Wait()
	for i := range ends {
		if n := ends[i].Load(); n != 1 {
			t.Errorf("connection %d has %d ends", i, n)
		}
	}
}
