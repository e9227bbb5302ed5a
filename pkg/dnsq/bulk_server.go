package dnsq

import (
	crand "crypto/rand"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

const (
	bulkBatch       = 64   // datagrams per system call
	bulkSocketLife  = 1024 // questions before a new source port is taken: a forger has to guess it anew
	bulkSocketsOpen = 8    // sockets of one server at most, old ones waiting for late replies
	bulkFirstWindow = 128  // questions under way before anything is known about loss
)

// bulkRand makes unpredictable numbers: ChaCha8 seeded by the system. It is used
// under the mutex of the run, or by one goroutine.
type bulkRand struct{ rand.ChaCha8 }

func newBulkRand() *bulkRand {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails: see crypto/rand
	return &bulkRand{*rand.NewChaCha8(seed)}
}

// A bulkServer is the state of one server.
type bulkServer struct {
	Server
	sockets  []*bulkSocket // the last is the one in use
	stream   *bulkStream
	inflight int
	window   float64
	limit    int  // of the window
	slow     bool // left slow start: the window grows by an eighth at a time
	refused  error
	sent     int64
	received int64

	plain     bool // does not know EDNS: it is asked without
	knowsEDNS bool // has replied to a question with EDNS

	opt    []byte // the OPT record of questions, with the cookie; empty without EDNS
	bare   []byte // the same without
	cookie []byte // ours, then the server's when it has given one; empty when none is sent
	block  int    // octets to pad questions to a multiple of; zero means not at all

	srtt, rttvar time.Duration // RFC 6298
	epochSent    int           // since the window was last reviewed
	epochLost    int
}

func newBulkServer(s Server, cfg *BulkConfig, opt []byte) *bulkServer {
	b := &bulkServer{Server: s, limit: cfg.Window, opt: opt, bare: opt, block: max(0, cfg.Client.paddingFor(s.transport()))}
	switch t := s.transport(); {
	case t == HTTPS || t == QUIC:
		// One question makes the connection that the others share.
		b.window, b.limit = 1, min(b.limit, maxStreams)
		return b
	case t == UDP && len(opt) > 0 && !cfg.Client.NoCookie:
		b.newCookie()
	}
	b.window = float64(min(bulkFirstWindow, b.limit))
	return b
}

// open lets more than one question go once it is known whether there is a
// connection for them.
func (s *bulkServer) open() {
	if s.window <= 1 {
		s.window = float64(min(bulkFirstWindow, s.limit))
	}
}

// rto is how long to wait for a reply before trying again (RFC 6298 section 2).
func (s *bulkServer) rto() time.Duration {
	if s.srtt == 0 {
		return bulkFirstRTO
	}
	return max(s.srtt+4*s.rttvar, bulkMinRTO)
}

// measured takes a round trip into account.
func (s *bulkServer) measured(rtt time.Duration) {
	if s.srtt == 0 {
		s.srtt, s.rttvar = rtt, rtt/2
		return
	}
	s.rttvar += ((s.srtt - rtt).Abs() - s.rttvar) / 4
	s.srtt += (rtt - s.srtt) / 8
}

func (s *bulkServer) countSent() {
	s.sent++
	s.epochSent++
}

func (s *bulkServer) countLost() {
	s.epochLost++
	s.review()
}

// review fits the window to the loss since the last review: names that a
// resolver cannot find in time are lost too, so a few per cent change nothing.
func (s *bulkServer) review() {
	if s.epochSent < max(int(s.window), 32) {
		return
	}
	switch loss := float64(s.epochLost) / float64(s.epochSent); {
	case loss > 0.10:
		s.window = max(s.window/2, 8)
		s.slow = true
	case loss < 0.03 && s.slow:
		s.window += s.window / 8
	case loss < 0.03:
		s.window *= 2
	}
	s.window = min(s.window, float64(s.limit))
	s.epochSent, s.epochLost = 0, 0
}

func (s *bulkServer) flush() {
	for _, sock := range s.sockets {
		sock.flush()
	}
}

func (s *bulkServer) close() {
	for _, sock := range s.sockets {
		sock.close()
	}
	if s.stream != nil {
		s.stream.close()
	}
}

// A bulkSocket is a connected UDP socket: the kernel drops what comes from elsewhere.
type bulkSocket struct {
	server   *bulkServer
	conn     *net.UDPConn
	batch    *bulkConn
	out      [][]byte // to be sent
	asked    int
	inflight int
	closed   bool
}

// socket is the socket to send to s with: a new one after every bulkSocketLife questions.
func (b *bulk) socket(s *bulkServer) (*bulkSocket, error) {
	var sock *bulkSocket
	if n := len(s.sockets); n > 0 {
		sock = s.sockets[n-1]
	}
	if sock == nil || sock.asked >= bulkSocketLife && len(s.sockets) < bulkSocketsOpen {
		fresh, err := b.openSocket(s)
		if err != nil && sock == nil {
			return nil, err
		}
		if err == nil {
			s.sockets = append(s.sockets, fresh)
			if sock != nil {
				sock.flush()
				sock.closeIfDone()
			}
			sock = fresh
		}
	}
	if sock.asked++; sock.asked%32 == 0 {
		s.review()
	}
	return sock, nil
}

func (b *bulk) openSocket(s *bulkServer) (*bulkSocket, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(bulkAddr(s.Server)))
	if err != nil {
		return nil, err
	}
	sock := &bulkSocket{server: s, conn: conn, batch: newBulkConn(conn, max(int(b.cfg.Header.UDPSize), 2048))}
	go b.receive(sock)
	return sock, nil
}

// receive reads the datagrams of a socket until it is closed. With the mutex
// taken it drives the run on by itself.
func (b *bulk) receive(sock *bulkSocket) {
	for {
		n, err := sock.batch.read()
		b.lock()
		for i := range n {
			if b.err == nil {
				b.received(sock, sock.batch.message(i))
			}
		}
		if cause := unreachable(err); cause != nil {
			sock.server.refused = cause
		}
		if b.err == nil {
			b.pump()
		}
		closed := sock.closed || err != nil && !isTemporary(err)
		b.mu.Unlock()
		if closed {
			return
		}
	}
}

// isTemporary tells errors of a socket that do not stay: ICMP messages, for the most part.
func isTemporary(err error) bool { return !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) }

// unreachable is the cause of err when it says that the server cannot be reached,
// else nil.
func unreachable(err error) error {
	for _, cause := range []error{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES, syscall.EPERM} {
		if errors.Is(err, cause) {
			return cause
		}
	}
	return nil
}

// flush sends what waits. What cannot be sent counts as lost: its time runs.
func (k *bulkSocket) flush() {
	for left := k.out; len(left) > 0 && !k.closed; {
		n, err := k.batch.write(left)
		if cause := unreachable(err); cause != nil {
			k.server.refused = cause
		}
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EINTR) {
			continue // about an earlier datagram, or nothing at all: this one is still unsent
		}
		if err != nil {
			break
		}
		left = left[n:]
	}
	k.out = k.out[:0]
}

// closeIfDone closes a socket that was replaced and expects no more replies.
func (k *bulkSocket) closeIfDone() {
	list := k.server.sockets
	if k.inflight > 0 || k.closed || list[len(list)-1] == k {
		return
	}
	for i, other := range list {
		if other == k {
			k.server.sockets = append(list[:i], list[i+1:]...)
			break
		}
	}
	k.close()
}

func (k *bulkSocket) close() {
	k.closed = true
	_ = k.conn.Close() // nothing was buffered
}
