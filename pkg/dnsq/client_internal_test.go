package dnsq

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
)

// A client that asks ever more servers remembers and keeps open a bounded number.
func TestClientBounded(t *testing.T) {
	var c Client
	for i := range maxKnownServers + 10 {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		c.update(Server{Addr: addr}, func(s *serverState) { s.noEDNS = true })
	}
	if n := len(c.servers); n > maxKnownServers {
		t.Errorf("%d servers remembered; want %d at most", n, maxKnownServers)
	}
	if last := netip.AddrFrom4([4]byte{10, 0, (maxKnownServers + 9) >> 8, 9}); !c.state(Server{Addr: last}).noEDNS {
		t.Errorf("what was learned last is forgotten")
	}
	closed := 0
	for i := range maxIdleServers + 10 {
		for range 2 {
			conn, peer := net.Pipe()
			t.Cleanup(func() { _ = peer.Close() })
			c.keep(fmt.Sprint(i), &streamConn{conn: closeCounter{conn, &closed}})
		}
	}
	if len(c.idle) != maxIdleServers || closed != 20 {
		t.Errorf("%d servers with idle connections, %d closed; want %d, 20", len(c.idle), closed, maxIdleServers)
	}
	if err := c.Close(); err != nil || closed != 2*(maxIdleServers+10) {
		t.Errorf("Close: %v, %d closed", err, closed)
	}
}

type closeCounter struct {
	net.Conn
	n *int
}

func (c closeCounter) Close() error {
	*c.n++
	return c.Conn.Close()
}
