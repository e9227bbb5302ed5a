package dnsq

import (
	"fmt"

	"github.com/miekg/dns"
)

// transferState is how far a transfer has come.
type transferState struct {
	first  *dns.SOA        // the newest, which frames the transfer
	frame  *TransferRecord // that record
	second bool            // the record after the first has been seen: the kind is known
	done   bool

	// Of an incremental transfer: pairs of deletions and additions, each half
	// begun by the SOA record before and after the change (RFC 1995 section 4).
	adding bool
	serial uint32 // the version reached
}

// record takes up a record of a message with count records.
func (x *transfer) record(r *TransferRecord, count int) error {
	s := &x.state
	var soa *dns.SOA
	if r.wire.typ == dns.TypeSOA {
		if soa, _ = r.RR().(*dns.SOA); soa == nil || dns.CanonicalName(soa.Hdr.Name) != x.zone {
			return fmt.Errorf("%w: a SOA record of %s", ErrInvalidReply, r.RR().Header().Name)
		}
	}
	switch {
	case s.first == nil:
		return x.firstRecord(r, soa, count)
	case !s.second:
		return x.secondRecord(r, soa)
	case x.out.Kind == TransferIncremental:
		return x.changed(r, soa)
	case soa != nil:
		return x.end(soa)
	}
	return x.give(r, "")
}

// firstRecord must be the SOA record. Alone, in the reply to an incremental
// question, it may say that there is nothing new.
func (x *transfer) firstRecord(r *TransferRecord, soa *dns.SOA, count int) error {
	if soa == nil {
		return fmt.Errorf("%w: the first record is not the SOA record of %s", ErrInvalidReply, x.zone)
	}
	frame := *r
	frame.msg = append([]byte(nil), r.msg...) // it is given when the next message may have come
	x.state.first, x.state.frame = soa, &frame
	x.out.Serial = soa.Serial
	if x.cfg.Incremental && count == 1 && int32(soa.Serial-x.cfg.Serial) <= 0 { // RFC 1982 arithmetic
		x.out.Kind = TransferCurrent
		x.state.done = true
	}
	return nil
}

// secondRecord tells the kind: an incremental transfer goes on with a SOA record.
func (x *transfer) secondRecord(r *TransferRecord, soa *dns.SOA) error {
	s := &x.state
	s.second = true
	if x.cfg.Incremental && soa != nil && soa.Serial != s.first.Serial {
		x.out.Kind = TransferIncremental
		s.adding, s.serial = true, x.cfg.Serial
		return x.changed(r, soa)
	}
	x.out.Kind = TransferFull
	if err := x.give(s.frame, ""); err != nil {
		return err
	}
	if soa != nil {
		return x.end(soa)
	}
	return x.give(r, "")
}

// changed takes up a record of an incremental transfer.
func (x *transfer) changed(r *TransferRecord, soa *dns.SOA) error {
	s := &x.state
	switch {
	case soa == nil && s.adding:
		return x.give(r, ChangeAdd)
	case soa == nil:
		return x.give(r, ChangeDelete)
	case !s.adding:
		s.adding, s.serial = true, soa.Serial
		return x.give(r, ChangeAdd)
	case s.serial == s.first.Serial:
		return x.end(soa)
	case soa.Serial != s.serial:
		return fmt.Errorf("%w: changes of version %d, want %d", ErrInvalidReply, soa.Serial, s.serial)
	}
	s.adding = false
	return x.give(r, ChangeDelete)
}

// end checks that the last SOA record is the first again.
func (x *transfer) end(soa *dns.SOA) error {
	if first := x.state.first; soa.Serial != first.Serial || !dns.IsDuplicate(soa, first) {
		return fmt.Errorf("%w: the zone changed from version %d to %d during the transfer", ErrInvalidReply, first.Serial, soa.Serial)
	}
	x.state.done = true
	return nil
}

// give hands a record on. Records of other zones are a server's mistake or worse.
func (x *transfer) give(r *TransferRecord, change string) error {
	var buf [maxName]byte
	owner := wireName(r.msg, r.wire.owner, buf[:0])
	if owner == nil {
		return &InvalidReplyError{1, "malformed name"}
	}
	if !isBelow(owner, x.apex) {
		return fmt.Errorf("%w: %s is outside of the zone", ErrInvalidReply, appendNameText(nil, r.msg, r.wire.owner))
	}
	if x.out.Records >= x.cfg.MaxRecords {
		return fmt.Errorf("%w: more than %d records", ErrInvalidReply, x.cfg.MaxRecords)
	}
	x.out.Records++
	r.Change = change
	if err := x.each(r); err != nil {
		return stopError{err}
	}
	return nil
}
