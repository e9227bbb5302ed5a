//go:build !linux

package dnsq

import "net"

// A bulkConn reads and writes datagrams, one with each system call.
type bulkConn struct {
	c   *net.UDPConn
	buf []byte
	n   int
}

func newBulkConn(c *net.UDPConn, size int) *bulkConn {
	return &bulkConn{c: c, buf: make([]byte, size)}
}

// read waits for a datagram and returns 1.
func (b *bulkConn) read() (int, error) {
	n, err := b.c.Read(b.buf)
	if err != nil {
		return 0, err
	}
	b.n = n
	return 1, nil
}

// message is the datagram of the last read.
func (b *bulkConn) message(int) []byte { return b.buf[:b.n] }

// write sends the first of msgs and returns 1.
func (b *bulkConn) write(msgs [][]byte) (int, error) {
	_, err := b.c.Write(msgs[0])
	if err != nil {
		return 0, err
	}
	return 1, nil
}
