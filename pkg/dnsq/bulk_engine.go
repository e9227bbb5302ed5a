package dnsq

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/miekg/dns"
)

const (
	bulkFirstRTO = 500 * time.Millisecond // until a round trip has been measured
	bulkMinRTO   = 50 * time.Millisecond  // shorter than any scheduler hiccup would be noise
	bulkGiveUp   = 128                    // failures in a row without any reply that end a run
	bulkBadLimit = 2                      // unusable replies to one question before it goes over TCP
)

// A bulkSlot is a question under way.
type bulkSlot struct {
	bulkPacked
	seq    int64
	id     uint16
	server int         // who was asked last
	asked  uint64      // bit per server that has answered with a failure
	sock   *bulkSocket // it was sent through; nil when over TCP or idle
	stream *bulkStream // it goes over, when tcp is set
	tries  int
	bad    int // unusable replies
	active bool
	tcp    bool // it goes over a stream or as a request, where no datagram can be forged
	noOPT  bool // sent without OPT record

	badCookie bool // refused once
	sent      time.Duration
	deadline  time.Duration
	failure   []byte // reply with SERVFAIL or the like, given when no server knows better
	err       error  // what went wrong last

	key       string         // in the queue; empty without
	followers []bulkFollower // equal questions
}

// pump sends what may be sent, sets the timer, and ends the run when all is done.
func (b *bulk) pump() {
	b.addTokens()
	for b.err == nil && b.tokens >= 1 && len(b.free) > 0 && b.order.room() {
		s := b.pickServer()
		if s < 0 {
			break
		}
		p := b.nextPacked()
		if p == nil {
			break
		}
		b.begin(p, s)
	}
	for _, s := range b.servers {
		s.flush()
	}
	if b.err == nil && b.eof && b.order.empty() {
		b.end(io.EOF)
	}
	b.arm()
}

func (b *bulk) addTokens() {
	if math.IsInf(b.cfg.Rate, 1) {
		b.tokens = math.Inf(1)
		return
	}
	burst := max(1, b.cfg.Rate/100)
	if b.filled == 0 {
		b.tokens = burst
	}
	b.tokens = min(burst, b.tokens+b.cfg.Rate*(b.now-b.filled).Seconds())
	b.filled = b.now
}

// pickServer is the next server in turn with room in its window, -1 when none has.
func (b *bulk) pickServer() int {
	for range b.servers {
		i := b.turn
		b.turn = (b.turn + 1) % len(b.servers)
		if s := b.servers[i]; s.inflight < int(s.window) {
			return i
		}
	}
	return -1
}

// begin takes up the question p and sends it to a server.
func (b *bulk) begin(p *bulkPacked, server int) {
	seq := b.order.add()
	if p.Err != nil {
		b.sum.Invalid++
		b.deliver(seq, &p.BulkQuestion, BulkResult{Err: p.Err})
		return
	}
	var key []byte
	if b.queue != nil {
		if key = p.appendKey(b.keyBuf[:0]); b.join(seq, p, key) {
			return
		}
	}
	i := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	s := &b.slots[i]
	*s = bulkSlot{seq: seq, active: true, server: server, key: string(key)}
	s.bulkPacked = *p
	if b.queue != nil {
		b.queue.flying[s.key] = i
	}
	b.servers[server].inflight++
	b.send(i, server)
}

// send sends slot i to a server, for the first time or again. Asking the same
// server again keeps id and socket, so that a late reply to the first try counts.
func (b *bulk) send(i uint16, server int) {
	s, srv := &b.slots[i], b.servers[server]
	again := s.tries > 0 && server == s.server && s.sock != nil && !s.sock.closed
	if server != s.server {
		b.servers[s.server].inflight--
		srv.inflight++
	}
	s.server = server
	s.tries++
	b.sum.Sent++
	if s.tries > 1 {
		b.sum.Retries++
	}
	b.tokens--
	s.sent = b.now
	s.deadline = b.now + b.patience(s, srv)
	b.order.due = min(b.order.due, s.deadline)
	// Some servers drop what carries an OPT record: the last try goes without,
	// unless this one has answered such a question before.
	lastTry := s.tries > 1 && s.tries >= b.cfg.Tries && !srv.knowsEDNS
	s.noOPT = srv.plain || lastTry || len(srv.opt) == 0
	switch srv.transport() {
	case TCP, TLS:
		b.overStream(i)
		return
	case HTTPS, QUIC:
		b.overRequest(i)
		return
	}
	if !again {
		b.release(i)
		s.sock, s.err = b.socket(srv)
		if s.sock == nil { // after a moment another server, or this one again, may do
			srv.refused = s.err
			s.deadline = b.now + bulkMinRTO
			b.order.due = min(b.order.due, s.deadline)
			return
		}
		s.id = b.newID(i)
		s.sock.inflight++
	}
	s.sock.out = append(s.sock.out, b.message(s))
	srv.countSent()
	if len(s.sock.out) == bulkBatch {
		s.sock.flush()
	}
}

// message is what to send for s to its server.
func (b *bulk) message(s *bulkSlot) []byte {
	srv := b.servers[s.server]
	if s.noOPT {
		return s.bulkPacked.message(s.id, nil, 0)
	}
	return s.bulkPacked.message(s.id, srv.opt, srv.block)
}

// patience is how long to wait for the reply to the try of s that is being sent.
func (b *bulk) patience(s *bulkSlot, srv *bulkServer) time.Duration {
	if s.tries >= b.cfg.Tries {
		return b.cfg.Timeout
	}
	return min(srv.rto()<<min(s.tries-1, 10), b.cfg.Timeout)
}

// newID draws an id that nothing under way has.
func (b *bulk) newID(i uint16) uint16 {
	for {
		id := uint16(b.rng.Uint64())
		if b.ids[id] == 0 {
			b.ids[id] = i + 1
			return id
		}
	}
}

// release gives id and socket or stream of slot i back.
func (b *bulk) release(i uint16) {
	s := &b.slots[i]
	if b.ids[s.id] == i+1 {
		b.ids[s.id] = 0
	}
	s.stream, s.tcp = nil, false
	if s.sock != nil {
		s.sock.inflight--
		s.sock.closeIfDone()
		s.sock = nil
	}
}

// arm sets the timer to the earliest thing that is due.
func (b *bulk) arm() {
	if b.err != nil {
		return
	}
	due := b.order.due
	if b.tokens < 1 {
		due = min(due, b.now+time.Duration((1-b.tokens)/b.cfg.Rate*float64(time.Second)))
	}
	if due == math.MaxInt64 || b.armed != 0 && b.armed <= due {
		return
	}
	b.armed = due
	b.timer.Reset(max(due-b.now, time.Millisecond))
}

// tick is the timer: it sends what got no reply again.
func (b *bulk) tick() {
	b.lock()
	defer b.mu.Unlock()
	b.armed = 0
	b.order.due = math.MaxInt64
	for i := range b.slots {
		s := &b.slots[i]
		if s.active && s.deadline <= b.now && b.err == nil {
			b.expired(uint16(i))
		}
		if s.active {
			b.order.due = min(b.order.due, s.deadline)
		}
	}
	b.pump()
}

// expired deals with slot i, whose reply did not come in time.
func (b *bulk) expired(i uint16) {
	s := &b.slots[i]
	srv := b.servers[s.server]
	srv.countLost()
	if s.err == nil {
		s.err = ErrNoReply
	}
	if srv.refused != nil {
		s.err = srv.refused
	}
	// A full connection table refuses too, for a moment: who has answered before may again.
	hopeless := srv.refused != nil && srv.received == 0
	if s.tries >= b.cfg.Tries || hopeless && s.tries > len(b.servers) {
		b.giveUp(i, s.err)
		return
	}
	b.send(i, (s.server+1)%len(b.servers))
}

// giveUp ends slot i without an answer.
func (b *bulk) giveUp(i uint16, err error) {
	s := &b.slots[i]
	if s.failure != nil {
		b.finish(i, s.failure)
		return
	}
	cause := err
	srv := b.servers[s.server].Server
	if s.bad > 0 && !errors.Is(err, ErrTruncated) {
		err = &InvalidReplyError{Count: s.bad, Reason: "malformed or not to this question"}
	}
	res := BulkResult{Server: srv, Tries: s.tries, viaTCP: s.tcp, Err: &ServerFailedError{srv, err}}
	b.putBack(i)
	b.sum.Failed++
	b.deliver(s.seq, &s.BulkQuestion, res)
	b.settle(s, res)
	if b.silent++; b.silent >= bulkGiveUp && !b.eof {
		b.end(fmt.Errorf("%w: %w", errSilent, cause))
	}
}

// received deals with a datagram.
func (b *bulk) received(sock *bulkSocket, msg []byte) {
	b.sum.Received++
	sock.server.received++
	if len(msg) < headerSize {
		b.sum.Malformed++
		return
	}
	i := b.ids[uint16(msg[0])<<8|uint16(msg[1])]
	if i == 0 || b.slots[i-1].sock != sock {
		b.sum.Mismatched++
		return
	}
	s := &b.slots[i-1]
	opt, ok := wireCheck(msg)
	switch {
	case !s.matches(msg, b.cfg.RandomCase) || ok && !sock.server.cookieFits(msg, opt):
		b.sum.Mismatched++
		b.unusable(i - 1)
	case !ok:
		b.malformed(i - 1)
	case len(sock.server.cookie) > 0 && !s.noOPT && wireBadCookie(msg, opt):
		b.refusedCookie(i - 1) // the server knows us from now on (RFC 7873 section 5.2.3)
	default:
		b.reply(i-1, msg)
	}
}

// refusedCookie sends slot i again with the cookie its server has just given out.
// A second refusal means that it cannot see who asks, and TCP proves that.
func (b *bulk) refusedCookie(i uint16) {
	s := &b.slots[i]
	if s.badCookie {
		b.overStream(i)
		return
	}
	s.badCookie = true
	b.sendAnew(i)
}

// sendAnew sends slot i to its server again in another form: late replies to the
// form before, which has another id, must not count.
func (b *bulk) sendAnew(i uint16) {
	s := &b.slots[i]
	b.release(i)
	s.tries--
	b.send(i, s.server)
}

// unusable counts a bad reply to slot i. A forger of datagrams cannot join a TCP
// connection, and a broken path may mangle only datagrams.
func (b *bulk) unusable(i uint16) {
	s := &b.slots[i]
	if s.bad++; s.bad >= bulkBadLimit && !s.tcp {
		b.overStream(i)
	}
}

// malformed counts a reply to slot i that cannot be parsed.
func (b *bulk) malformed(i uint16) {
	b.sum.Malformed++
	b.unusable(i)
}

// reply deals with a well-formed message that belongs to slot i.
func (b *bulk) reply(i uint16, msg []byte) {
	s := &b.slots[i]
	srv := b.servers[s.server]
	b.silent = 0
	srv.refused = nil
	srv.knowsEDNS = srv.knowsEDNS || !s.noOPT
	srv.plain = srv.plain || s.noOPT && !srv.knowsEDNS
	// Karn: the reply to a repeated question tells no round trip.
	if s.tries == 1 && s.tcp == (srv.transport() != UDP) {
		first := srv.srtt == 0
		if srv.measured(b.now - s.sent); first {
			b.hasten(s.server)
		}
	}
	switch rcode := int(msg[3] & 0xf); {
	case msg[2]&flagTC != 0 && !s.tcp:
		b.overStream(i)
	case msg[2]&flagTC != 0: // nothing is longer than what TCP carries: a part is no answer
		b.giveUp(i, ErrTruncated)
	case !s.noOPT && wireEDNSUnknown(msg):
		srv.plain = true // RFC 6891 section 7
		b.sendAnew(i)
	case rcode == dns.RcodeNameError || rcode == dns.RcodeSuccess && !wireLame(msg):
		b.finish(i, msg)
	default:
		b.tryOther(i, msg)
	}
}

// hasten shortens the waits for a server that began before its round trip was known.
func (b *bulk) hasten(server int) {
	rto := b.servers[server].rto()
	for i := range b.slots {
		if s := &b.slots[i]; s.active && !s.tcp && s.server == server && s.tries == 1 && b.cfg.Tries > 1 {
			s.deadline = min(s.deadline, s.sent+rto)
			b.order.due = min(b.order.due, s.deadline)
		}
	}
}

// tryOther asks a server that slot i has not asked yet, after the failure or the
// referral msg of this one.
func (b *bulk) tryOther(i uint16, msg []byte) {
	s := &b.slots[i]
	s.asked |= 1 << s.server
	for k := 1; k < len(b.servers); k++ {
		next := (s.server + k) % len(b.servers)
		if s.asked&(1<<next) == 0 {
			s.failure = append([]byte(nil), msg...)
			b.send(i, next)
			return
		}
	}
	b.finish(i, msg)
}

// finish ends slot i with the reply msg.
func (b *bulk) finish(i uint16, msg []byte) {
	s := &b.slots[i]
	srv, res := b.servers[s.server].Server, BulkResult{Message: msg, RTT: b.now - s.sent, viaTCP: s.tcp}
	b.putBack(i)
	b.sum.Answered++
	b.countReply(msg)
	res.Server, res.Tries = srv, s.tries
	b.deliver(s.seq, &s.BulkQuestion, res)
	b.settle(s, res)
}

func (b *bulk) countReply(msg []byte) {
	b.sum.rcodes[msg[3]&0xf]++
	if msg[3]&0xf == dns.RcodeSuccess && !wireHasAnswer(msg) && !wireLame(msg) {
		b.sum.NoData++
	}
}

// putBack frees slot i. Its contents stay readable until the next begin.
func (b *bulk) putBack(i uint16) {
	b.release(i)
	s := &b.slots[i]
	s.active = false
	b.servers[s.server].inflight--
	b.free = append(b.free, i)
}

// deliver completes res and gives it, and those that waited for it, to emit.
func (b *bulk) deliver(seq int64, q *BulkQuestion, res BulkResult) {
	res.Seq, res.Line, res.Name, res.Type = seq, q.Line, q.Name, q.Type
	b.order.finished(seq, q.End)
	if !b.cfg.Ordered {
		b.order.advance()
		res.Resume = b.order.resume
		b.give(&res)
		return
	}
	if !b.order.isNext(seq) {
		b.order.keep(&res)
		return
	}
	res.Resume = b.order.given(seq)
	b.give(&res)
	for r := b.order.kept(); r != nil; r = b.order.kept() {
		r.Resume = b.order.given(r.Seq)
		b.give(r)
		b.order.reuse(r)
	}
}

// give calls emit. The time it takes, a full pipe for instance, is nobody's delay.
func (b *bulk) give(r *BulkResult) {
	if b.err != nil {
		return
	}
	b.res = *r
	b.sum.Questions++
	begin := time.Now()
	err := b.emit(&b.res)
	if d := time.Since(begin); d > time.Millisecond {
		b.stalled += d
	}
	if err != nil {
		b.end(err)
	}
}
