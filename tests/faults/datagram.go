package faults

import (
	"net"
	"sync"
	"time"
)

// Datagrams says what happens to the datagrams that the server sends back: every
// n-th one meets the fault. Zero is never. The counts are kept apart, so that a
// run is repeatable.
type Datagrams struct {
	Drop      int           // is lost
	Double    int           // arrives twice
	Swap      int           // arrives after the one that follows it
	Damage    int           // has a bit changed
	Truncate  int           // loses its second half
	Delay     time.Duration // of every one
	DropQuery int           // of the client's datagrams: every n-th is lost
}

// A DatagramProxy passes datagrams between clients and one server.
type DatagramProxy struct {
	front  *net.UDPConn
	target *net.UDPAddr
	cfg    Datagrams

	mu    sync.Mutex
	peers map[string]*net.UDPConn
	asked int
	sent  int
	held  []byte // waits to be swapped
	wg    sync.WaitGroup
}

// NewDatagram starts a proxy to the UDP address target on a free port of
// 127.0.0.1.
func NewDatagram(target string, cfg Datagrams) (*DatagramProxy, error) {
	to, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		return nil, err
	}
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	p := &DatagramProxy{front: front, target: to, cfg: cfg, peers: map[string]*net.UDPConn{}}
	p.wg.Go(p.serve)
	return p, nil
}

// Addr is where the proxy listens.
func (p *DatagramProxy) Addr() string { return p.front.LocalAddr().String() }

// Close ends the proxy and waits until nothing of it is left.
func (p *DatagramProxy) Close() error {
	err := p.front.Close()
	p.mu.Lock()
	for _, c := range p.peers {
		_ = c.Close() // a second close is harmless
	}
	p.mu.Unlock()
	p.wg.Wait()
	return err
}

func (p *DatagramProxy) serve() {
	buf := make([]byte, 65536)
	for {
		n, from, err := p.front.ReadFromUDP(buf)
		if err != nil {
			return
		}
		if p.cfg.DropQuery > 0 && p.next(&p.asked)%p.cfg.DropQuery == 0 {
			continue
		}
		if c := p.peer(from); c != nil {
			_, _ = c.Write(buf[:n]) // a lost datagram is a lost datagram
		}
	}
}

func (p *DatagramProxy) next(n *int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	*n++
	return *n
}

// peer is the socket towards the server for one client.
func (p *DatagramProxy) peer(from *net.UDPAddr) *net.UDPConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.peers[from.String()]; c != nil {
		return c
	}
	c, err := net.DialUDP("udp", nil, p.target)
	if err != nil {
		return nil
	}
	p.peers[from.String()] = c
	p.wg.Go(func() { p.back(c, from) })
	return c
}

func (p *DatagramProxy) back(c *net.UDPConn, to *net.UDPAddr) {
	buf := make([]byte, 65536)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		time.Sleep(p.cfg.Delay)
		for _, d := range p.fate(append([]byte(nil), buf[:n]...)) {
			_, _ = p.front.WriteToUDP(d, to) // as above
		}
	}
}

// fate is what becomes of the datagram d: what is sent now, in order.
func (p *DatagramProxy) fate(d []byte) [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent++
	due := func(n int) bool { return n > 0 && p.sent%n == 0 }
	if due(p.cfg.Drop) {
		return nil
	}
	if due(p.cfg.Damage) && len(d) > 0 {
		d[len(d)/2] ^= 0x10
	}
	if due(p.cfg.Truncate) {
		d = d[:len(d)/2]
	}
	if due(p.cfg.Swap) {
		p.held = d
		return nil
	}
	out := [][]byte{d}
	if due(p.cfg.Double) {
		out = append(out, d)
	}
	if p.held != nil {
		out = append(out, p.held)
		p.held = nil
	}
	return out
}
