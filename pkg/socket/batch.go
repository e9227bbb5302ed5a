package socket

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A Message is one datagram of a batch.
type Message struct {
	Data      []byte     // to send, or room to receive into
	N         int        // bytes of Data sent or received
	Addr      PacketAddr // where to, the zero PacketAddr for the default; or where from
	Truncated bool       // what was received did not fit
}

// A batch has the scratch space of the calls in one direction.
type batch struct {
	mu   sync.Mutex
	raw  []ipv4.Message
	conn batcher // made when first needed
}

// A batcher moves several datagrams in one system call. The message types of
// ipv4 and ipv6 are the same.
type batcher interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
}

// ready returns n raw messages, each with one buffer to set.
func (b *batch) ready(c *net.UDPConn, n int) []ipv4.Message {
	if b.conn == nil {
		b.conn = ipv6.NewPacketConn(c)
		if c.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
			b.conn = ipv4.NewPacketConn(c)
		}
	}
	for len(b.raw) < n {
		b.raw = append(b.raw, ipv4.Message{Buffers: make([][]byte, 1)})
	}
	return b.raw[:n]
}

// ReceiveBatch waits for at least one datagram and fills as many messages of ms
// as have come. It returns how many. Linux takes them in one system call
// (recvmmsg), other systems one at a time.
func (s *DatagramSocket) ReceiveBatch(ms []Message) (int, error) {
	if s.udp == nil || len(ms) == 1 {
		return s.receiveOne(ms)
	}
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	raw := s.in.ready(s.udp, len(ms))
	for i := range raw {
		raw[i].Buffers[0] = ms[i].Data
	}
	n, err := uninterrupted(func() (int, error) { return s.in.conn.ReadBatch(raw, 0) })
	if err != nil {
		return 0, newError("receive", "", err)
	}
	for i := range raw[:n] {
		ms[i].N = raw[i].N
		ms[i].Truncated = raw[i].Flags&msgTrunc != 0
		ms[i].Addr = PacketAddr{}
		if a, ok := raw[i].Addr.(*net.UDPAddr); ok {
			ap := a.AddrPort()
			ms[i].Addr.AddrPort = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
		}
	}
	return n, nil
}

// uninterrupted makes a system call until no signal comes between: golang.org/x/net
// hands EINTR on, which the net package does not.
func uninterrupted(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

func (s *DatagramSocket) receiveOne(ms []Message) (n int, err error) {
	if len(ms) == 0 {
		return 0, nil
	}
	m := &ms[0]
	if m.N, m.Addr, m.Truncated, err = s.ReceiveFrom(m.Data); err != nil {
		return 0, err
	}
	return 1, nil
}

// SendBatch sends the datagrams ms in order and returns how many were sent
// before an error. Linux hands them over in few system calls (sendmmsg), other
// systems one at a time.
func (s *DatagramSocket) SendBatch(ms []Message) (int, error) {
	if s.udp == nil || len(ms) == 1 || !s.addressed(ms) {
		return s.sendEach(ms)
	}
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	raw := s.out.ready(s.udp, len(ms))
	for i := range raw {
		raw[i].Buffers[0], raw[i].Addr = ms[i].Data, s.destination(ms[i].Addr)
	}
	sent := 0
	for sent < len(raw) {
		n, err := uninterrupted(func() (int, error) { return s.out.conn.WriteBatch(raw[sent:], 0) })
		for i := range max(n, 0) {
			ms[sent+i].N = len(ms[sent+i].Data)
		}
		sent += max(n, 0)
		if err != nil {
			return sent, newError("send", ms[min(sent, len(ms)-1)].Addr.String(), err)
		}
	}
	return sent, nil
}

// addressed reports whether every datagram has somewhere to go, and none
// leaves a connected socket for another peer.
func (s *DatagramSocket) addressed(ms []Message) bool {
	for i := range ms {
		if ms[i].Addr.IsZero() == s.remote.IsZero() {
			return false
		}
	}
	return true
}

// destination returns the address as a raw message needs it, nil for the peer
// of a connected socket.
func (s *DatagramSocket) destination(a PacketAddr) net.Addr {
	switch {
	case !a.IsZero():
		return net.UDPAddrFromAddrPort(a.AddrPort)
	case s.connected:
		return nil
	}
	return net.UDPAddrFromAddrPort(s.remote.AddrPort)
}

func (s *DatagramSocket) sendEach(ms []Message) (int, error) {
	for i := range ms {
		n, err := s.SendTo(ms[i].Data, ms[i].Addr)
		if err != nil {
			return i, err
		}
		ms[i].N = n
	}
	return len(ms), nil
}
