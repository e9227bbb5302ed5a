package dnsq

import (
	"net"

	"golang.org/x/net/ipv4"
)

// A bulkConn reads and writes many datagrams with one system call.
type bulkConn struct {
	pc  *ipv4.PacketConn // works for IPv6 too: nothing of it depends on the family
	in  []ipv4.Message
	out []ipv4.Message
}

func newBulkConn(c *net.UDPConn, size int) *bulkConn {
	b := &bulkConn{pc: ipv4.NewPacketConn(c), in: make([]ipv4.Message, bulkBatch), out: make([]ipv4.Message, bulkBatch)}
	buf := make([]byte, size*bulkBatch)
	bufs := make([][]byte, 2*bulkBatch)
	for i := range b.in {
		b.in[i].Buffers = bufs[2*i : 2*i+1]
		b.in[i].Buffers[0] = buf[i*size : (i+1)*size]
		b.out[i].Buffers = bufs[2*i+1 : 2*i+2]
	}
	return b
}

// read waits for at least one datagram and returns their number.
func (b *bulkConn) read() (int, error) { return b.pc.ReadBatch(b.in, 0) }

// message is the i-th datagram of the last read.
func (b *bulkConn) message(i int) []byte { return b.in[i].Buffers[0][:b.in[i].N] }

// write sends msgs, some of them at least, and returns how many.
func (b *bulkConn) write(msgs [][]byte) (int, error) {
	msgs = msgs[:min(len(msgs), bulkBatch)]
	for i, m := range msgs {
		b.out[i].Buffers[0] = m
	}
	return b.pc.WriteBatch(b.out[:len(msgs)], 0)
}
