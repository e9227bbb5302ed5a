package dnsq

import (
	"encoding/binary"
	"time"

	"github.com/miekg/dns"
)

// Bounds of what a run remembers.
const (
	bulkKnownMax  = 16384    // replies
	bulkKnownSize = 16 << 20 // octets of them

	bulkFailureTime = 5 * time.Second // for which a failure counts again (RFC 9520 section 3.2)
)

// bulkQueue has equal questions asked once: one that is under way is waited for,
// and a reply counts again while it is valid.
type bulkQueue struct {
	flying map[string]uint16 // slot of each question under way
	known  map[string]bulkKnown
	size   int // octets of known
}

// A bulkKnown is a reply, or that none came, which counts until it expires.
type bulkKnown struct {
	msg     []byte // nil when err is set
	err     error
	server  Server
	stored  time.Duration // on the clock of the run
	expires time.Duration
}

// A bulkFollower is a question that waits for the reply to an equal one.
type bulkFollower struct {
	seq int64
	q   BulkQuestion
}

func newBulkQueue() *bulkQueue {
	return &bulkQueue{flying: map[string]uint16{}, known: map[string]bulkKnown{}}
}

// appendKey appends what equal questions have in common to b.
func (p *bulkPacked) appendKey(b []byte) []byte {
	q := p.question()
	for _, c := range q[:len(q)-typeClass] {
		b = append(b, lowerASCII(c))
	}
	return append(b, q[len(q)-typeClass:]...)
}

// join gives question p the reply that is known, or has it wait for an equal
// question. False means that it has to be asked.
func (b *bulk) join(seq int64, p *bulkPacked, key []byte) bool {
	if k, ok := b.queue.known[string(key)]; ok {
		if b.now < k.expires {
			b.countAgain(k.msg)
			b.deliver(seq, &p.BulkQuestion, BulkResult{Server: k.server, Message: k.msg, Err: k.err, Cached: true, age: b.now - k.stored})
			return true
		}
		b.queue.forget(string(key), k)
	}
	i, ok := b.queue.flying[string(key)]
	if ok {
		b.slots[i].followers = append(b.slots[i].followers, bulkFollower{seq, p.BulkQuestion})
	}
	return ok
}

func (q *bulkQueue) forget(key string, k bulkKnown) {
	delete(q.known, key)
	q.size -= len(k.msg)
}

// keep remembers what res says.
func (q *bulkQueue) keep(key string, res *BulkResult, now time.Duration) {
	ttl := bulkFailureTime
	if res.Message != nil {
		ttl = wireTTL(res.Message)
	}
	if ttl <= 0 {
		return
	}
	for other, k := range q.known { // any will do: names that come again come soon
		if len(q.known) < bulkKnownMax && q.size+len(res.Message) <= bulkKnownSize {
			break
		}
		q.forget(other, k)
	}
	q.known[key] = bulkKnown{append([]byte(nil), res.Message...), res.Err, res.Server, now, now + ttl}
	q.size += len(res.Message)
}

// countAgain counts a result that another question's reply msg has settled; nil
// means that it had none.
func (b *bulk) countAgain(msg []byte) {
	b.sum.Cached++
	if msg == nil {
		b.sum.Failed++
		return
	}
	b.sum.Answered++
	b.countReply(msg)
}

// settle ends the wait of the questions equal to that of slot i, which res answers.
func (b *bulk) settle(s *bulkSlot, res BulkResult) {
	if s.key == "" {
		return
	}
	delete(b.queue.flying, s.key)
	b.queue.keep(s.key, &res, b.now)
	res.Cached = true
	for _, f := range s.followers {
		b.countAgain(res.Message)
		b.deliver(f.seq, &f.q, res)
	}
}

// wireTTL is how long a reply is valid: the least TTL of its answer section, or
// what the SOA record of a negative reply says (RFC 2308 section 5). Zero means
// not at all.
func wireTTL(msg []byte) time.Duration {
	if rcode := msg[3] & 0xf; rcode != dns.RcodeSuccess && rcode != dns.RcodeNameError {
		return bulkFailureTime
	}
	off := wireQuestionEnd(msg)
	answers, authority := int(binary.BigEndian.Uint16(msg[6:])), int(binary.BigEndian.Uint16(msg[8:]))
	least := uint32(1 << 31) // RFC 2181 section 8: from here on a TTL is none
	for i := range answers + authority {
		rr, ok := wireRecord(msg, off)
		if !ok {
			return 0
		}
		off = rr.end
		switch {
		case i < answers:
			least = min(least, rr.ttl)
		case answers == 0 && rr.typ == dns.TypeSOA && rr.end-rr.data >= 4:
			least = min(rr.ttl, binary.BigEndian.Uint32(msg[rr.end-4:])) // its last field
		}
	}
	if least >= 1<<31 {
		return 0
	}
	return time.Duration(least) * time.Second
}
