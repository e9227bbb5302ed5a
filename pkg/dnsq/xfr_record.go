package dnsq

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/miekg/dns"
)

// A TransferRecord is a record of a transfer. It is valid until the function it was
// given to returns. Nothing is taken apart that nobody asks for: zones have
// millions of records.
type TransferRecord struct {
	Change string // [ChangeDelete] or [ChangeAdd] in an incremental transfer, else ""

	msg  []byte
	wire wireRR
	rr   dns.RR // nil while nobody asked for it
}

// RR is the record taken apart.
func (r *TransferRecord) RR() dns.RR {
	if r.rr == nil {
		r.rr, _, _ = dns.UnpackRR(r.msg, r.wire.owner) // it was checked
	}
	return r.rr
}

// AppendText appends the record to b as a line of a zone file, without its end:
// owner, TTL, class, type and data, separated by tabs. Control characters and what
// is not UTF-8 are escaped.
func (r *TransferRecord) AppendText(b []byte) []byte {
	b = appendNameText(b, r.msg, r.wire.owner)
	b = append(b, '\t')
	b = strconv.AppendUint(b, uint64(r.wire.ttl), 10)
	b = append(b, '\t')
	b = append(b, ClassName(r.wire.class)...)
	b = append(b, '\t')
	b = append(b, TypeName(r.wire.typ)...)
	b = append(b, '\t')
	if r.rr != nil {
		return append(b, dataText(r.rr)...)
	}
	return appendWireData(b, r.msg, r.wire)
}

// set takes up the record at rr of msg. The usual types are checked where they
// are, the others by taking them apart.
func (r *TransferRecord) set(msg []byte, rr wireRR) error {
	*r = TransferRecord{msg: msg, wire: rr}
	if wireDataShown(msg, rr) {
		return nil
	}
	full, end, err := dns.UnpackRR(msg, rr.owner)
	if err == nil && end != rr.end {
		err = fmt.Errorf("data of %d octets, %d announced", end-rr.data, rr.end-rr.data)
	}
	if err != nil {
		return &InvalidReplyError{1, TypeName(rr.typ) + " record: " + err.Error()}
	}
	r.rr = full
	return nil
}

// wireDataShown reports whether [appendWireData] writes the data of rr straight
// from the message, and it is well formed.
func wireDataShown(msg []byte, rr wireRR) bool {
	var name [maxName]byte
	switch rr.typ {
	case dns.TypeA, dns.TypeAAAA:
		return wireDataFits(msg, rr)
	case dns.TypeCNAME, dns.TypeNS, dns.TypePTR:
		return wireDataFits(msg, rr) && wireName(msg, rr.data, name[:0]) != nil
	case dns.TypeMX:
		return wireDataFits(msg, rr) && wireName(msg, rr.data+2, name[:0]) != nil
	case dns.TypeTXT:
		data := msg[rr.data:rr.end]
		for len(data) > 0 && len(data) > int(data[0]) {
			data = data[1+int(data[0]):]
		}
		return len(data) == 0 && rr.end > rr.data
	}
	return false
}

// wireName appends the name at off of msg to b, in lower case and without
// pointers. It returns nil when that is malformed.
func wireName(msg []byte, off int, b []byte) []byte {
	begin := len(b)
	for {
		off = wireJump(msg, off)
		if off < 0 || msg[off] > maxLabel {
			return nil
		}
		n := 1 + int(msg[off])
		if off+n > len(msg) || len(b)-begin+n > maxName {
			return nil
		}
		b = append(b, msg[off])
		if n == 1 {
			return b
		}
		for _, c := range msg[off+1 : off+n] {
			b = append(b, lowerASCII(c))
		}
		off += n
	}
}

// isBelow reports whether name is zone or below it, both as [wireName] makes them.
func isBelow(name, zone []byte) bool {
	for len(name) > len(zone) {
		name = name[1+int(name[0]):]
	}
	return string(name) == string(zone)
}

// transferAnswers gives the records of the answer section of b, which is well
// formed, to each.
func transferAnswers(b []byte, each func(rr wireRR) error) error {
	off := wireQuestionEnd(b)
	for range binary.BigEndian.Uint16(b[6:]) {
		rr, _ := wireRecord(b, off)
		if err := each(rr); err != nil {
			return err
		}
		off = rr.end
	}
	return nil
}
