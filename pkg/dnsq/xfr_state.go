package dnsq

import (
	"fmt"

	"github.com/miekg/dns"
)

// transferState is how far a transfer has come.
type transferState struct {
	first  *dns.SOA // the newest, which frames the transfer
	second bool     // the record after the first has been seen: the kind is known
	done   bool

	// Of an incremental transfer: pairs of deletions and additions, each half
	// begun by the SOA record before and after the change (RFC 1995 section 4).
	adding bool
	serial uint32 // the version reached
}

// record takes up a record of a message with count records.
func (x *transfer) record(rr dns.RR, count int) error {
	s := &x.state
	soa, isSOA := rr.(*dns.SOA)
	if isSOA && dns.CanonicalName(soa.Hdr.Name) != x.zone {
		return fmt.Errorf("%w: a SOA record of %s", ErrInvalidReply, soa.Hdr.Name)
	}
	switch {
	case s.first == nil:
		return x.firstRecord(soa, count)
	case !s.second:
		return x.secondRecord(rr, soa)
	case x.out.Kind == TransferIncremental:
		return x.changed(rr, soa)
	case isSOA:
		return x.end(soa)
	}
	return x.give(rr, "")
}

// firstRecord must be the SOA record. Alone, in the reply to an incremental
// question, it may say that there is nothing new.
func (x *transfer) firstRecord(soa *dns.SOA, count int) error {
	if soa == nil {
		return fmt.Errorf("%w: the first record is not the SOA record of %s", ErrInvalidReply, x.zone)
	}
	x.state.first = soa
	x.out.Serial = soa.Serial
	if x.cfg.Incremental && count == 1 && int32(soa.Serial-x.cfg.Serial) <= 0 { // RFC 1982 arithmetic
		x.out.Kind = TransferCurrent
		x.state.done = true
	}
	return nil
}

// secondRecord tells the kind: an incremental transfer goes on with a SOA record.
func (x *transfer) secondRecord(rr dns.RR, soa *dns.SOA) error {
	s := &x.state
	s.second = true
	if x.cfg.Incremental && soa != nil && soa.Serial != s.first.Serial {
		x.out.Kind = TransferIncremental
		s.adding, s.serial = true, x.cfg.Serial
		return x.changed(rr, soa)
	}
	x.out.Kind = TransferFull
	if err := x.give(s.first, ""); err != nil {
		return err
	}
	if soa != nil {
		return x.end(soa)
	}
	return x.give(rr, "")
}

// changed takes up a record of an incremental transfer.
func (x *transfer) changed(rr dns.RR, soa *dns.SOA) error {
	s := &x.state
	switch {
	case soa == nil && s.adding:
		return x.give(rr, ChangeAdd)
	case soa == nil:
		return x.give(rr, ChangeDelete)
	case !s.adding:
		s.adding, s.serial = true, soa.Serial
		return x.give(soa, ChangeAdd)
	case s.serial == s.first.Serial:
		return x.end(soa)
	case soa.Serial != s.serial:
		return fmt.Errorf("%w: changes of version %d, want %d", ErrInvalidReply, soa.Serial, s.serial)
	}
	s.adding = false
	return x.give(soa, ChangeDelete)
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
func (x *transfer) give(rr dns.RR, change string) error {
	if owner := rr.Header().Name; !dns.IsSubDomain(x.zone, owner) {
		return fmt.Errorf("%w: %s is outside of the zone", ErrInvalidReply, escapeText(owner))
	}
	if x.out.Records >= x.cfg.MaxRecords {
		return fmt.Errorf("%w: more than %d records", ErrInvalidReply, x.cfg.MaxRecords)
	}
	x.out.Records++
	if err := x.each(rr, change); err != nil {
		return stopError{err}
	}
	return nil
}
