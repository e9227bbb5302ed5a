package dnsq

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// overRequest sends slot i as a request of its own over HTTPS or QUIC, which carry
// many at a time on one connection.
func (b *bulk) overRequest(i uint16) {
	s := &b.slots[i]
	srv := b.servers[s.server]
	b.release(i)
	s.tcp, s.id = true, 0 // RFC 8484 section 4.1, RFC 9250 section 4.2.1
	s.deadline = b.now + b.cfg.Timeout
	b.order.due = min(b.order.due, s.deadline)
	query := append([]byte(nil), b.message(s)...)
	srv.countSent()
	if srv.epochSent%32 == 0 {
		srv.review()
	}
	go b.request(bulkTry{i, s.seq, s.tries}, srv, query)
}

// A bulkTry names one try of a question: its slot may be another's by the time
// the reply comes.
type bulkTry struct {
	slot  uint16
	seq   int64
	tries int
}

// request sends query to srv and deals with what comes of it. It ends with the
// time of the try, or the run.
func (b *bulk) request(try bulkTry, srv *bulkServer, query []byte) {
	ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
	defer cancel()
	msg, age, err := b.cfg.Client.roundTrip(ctx, srv.Server, query, new(Timing))
	b.lock()
	defer b.mu.Unlock()
	s := &b.slots[try.slot]
	if b.err != nil || !s.active || s.seq != try.seq || s.tries != try.tries {
		return
	}
	srv.open()
	if err == nil {
		b.sum.Received++
		srv.received++
		err = b.usable(s, msg)
	}
	if err == nil && age > 0 {
		wireTakeOff(msg, age)
	}
	if err != nil {
		b.requestFailed(s, srv, err)
	} else {
		b.reply(try.slot, msg)
	}
	b.pump()
}

// usable says what is wrong with the reply msg to s, if anything. Nothing else can
// come on its stream.
func (b *bulk) usable(s *bulkSlot, msg []byte) error {
	switch {
	case len(msg) < headerSize || !wireWellFormed(msg):
		b.sum.Malformed++
		return &InvalidReplyError{1, "malformed"}
	case binary.BigEndian.Uint16(msg) != 0 || !s.matches(msg, false):
		b.sum.Mismatched++
		return &InvalidReplyError{1, "not to this question"}
	}
	return nil
}

// requestFailed has s tried again in a moment. A server that cannot be talked to at
// all is not tried as often as one that lost something.
func (b *bulk) requestFailed(s *bulkSlot, srv *bulkServer, err error) {
	s.err = err
	switch {
	case isTimeout(err):
		s.err = fmt.Errorf("%w within %s", ErrNoReply, b.cfg.Timeout)
	case !errors.Is(err, ErrInvalidReply):
		srv.refused = err
	}
	s.deadline = b.now + bulkMinRTO
	b.order.due = min(b.order.due, s.deadline)
}
