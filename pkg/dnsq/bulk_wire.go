package dnsq

import (
	"encoding/binary"
	"fmt"

	"github.com/miekg/dns"
)

const (
	flagTC    = 0x02 // in octet 2 of the header
	typeClass = 4    // octets of type and class after a name

	optionHead = 4                                                        // octets of code and length of an EDNS option
	bulkEDNS   = 128                                                      // room for an OPT record with options of the caller's
	bulkPad    = 128                                                      // largest block that questions are padded to
	bulkOPT    = bulkEDNS + optionHead + maxCookie + optionHead + bulkPad // with cookie and padding
)

// A bulkPacked is a question ready to be sent.
type bulkPacked struct {
	BulkQuestion
	wire [headerSize + maxName + typeClass + bulkOPT]byte
	qlen int // of name, type and class
}

// A bulkTemplate is what all messages have in common.
type bulkTemplate struct {
	header [headerSize]byte
	class  uint16
	opt    []byte // the OPT record, empty when there is none
}

func newBulkTemplate(cfg *BulkConfig) (bulkTemplate, error) {
	var t bulkTemplate
	m := NewQuery(".", cfg.Type, cfg.Header)
	b, err := m.Pack()
	if err != nil {
		return t, fmt.Errorf("pack question: %w", err)
	}
	copy(t.header[:], b)
	t.class = m.Question[0].Qclass
	t.opt = b[headerSize+1+typeClass:]
	if len(t.opt) > bulkEDNS {
		return t, fmt.Errorf("%w: EDNS options of more than %d octets", ErrUsage, bulkEDNS)
	}
	return t, nil
}

// pack fills p.wire. Errors go to p.Err.
func (p *bulkPacked) pack(q BulkQuestion, t *bulkTemplate, mix *bulkRand) {
	p.BulkQuestion, p.qlen = q, 0
	if p.Err != nil {
		return
	}
	name, err := p.Name, error(nil)
	if !isASCII(name) {
		name, err = ParseName(name)
	}
	if err == nil {
		name, err = AbsoluteName(name)
	}
	if err != nil {
		p.Err = err
		return
	}
	b := appendWireName(append(p.wire[:0], t.header[:]...), name)
	if mix != nil {
		mixCase(b[headerSize:], mix)
	}
	b = binary.BigEndian.AppendUint16(b, p.Type)
	b = binary.BigEndian.AppendUint16(b, t.class)
	p.qlen = len(b) - headerSize
}

// message is the message to send under an id, with the OPT record opt unless that
// is empty, padded to a multiple of block octets unless that is zero.
func (p *bulkPacked) message(id uint16, opt []byte, block int) []byte {
	binary.BigEndian.PutUint16(p.wire[:], id)
	p.wire[11] = 0
	msg := p.wire[:headerSize+p.qlen]
	if len(opt) == 0 {
		return msg
	}
	p.wire[11] = 1
	at := len(msg)
	if msg = append(msg, opt...); block <= 0 {
		return msg
	}
	n := (block - (len(msg)+optionHead)%block) % block
	msg = appendOption(msg, dns.EDNS0PADDING, make([]byte, bulkPad)[:n])
	setOptionsLen(msg[at:])
	return msg
}

// appendOption appends an EDNS option to an OPT record at the end of b.
func appendOption(b []byte, code uint16, data []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// setOptionsLen writes the length of the options of the OPT record opt.
func setOptionsLen(opt []byte) {
	const fixed = 11 // octets before them: root, type, class, TTL and the length
	binary.BigEndian.PutUint16(opt[fixed-2:], uint16(len(opt)-fixed))
}

// question is name, type and class.
func (p *bulkPacked) question() []byte { return p.wire[headerSize : headerSize+p.qlen] }

// matches reports whether msg, whose id fits, is a reply to s: QR set, opcode
// QUERY, the same question. A header alone is enough to report a failure.
func (s *bulkSlot) matches(msg []byte, exactCase bool) bool {
	if msg[2]&0xf8 != 0x80 {
		return false
	}
	q := s.question()
	if msg[4] == 0 && msg[5] == 0 {
		return unreadable(int(msg[3] & 0xf))
	}
	if msg[4] != 0 || msg[5] != 1 || len(msg) < headerSize+len(q) {
		return false
	}
	got := msg[headerSize : headerSize+len(q)]
	if string(got) == string(q) {
		return true
	}
	name := len(q) - typeClass
	return !exactCase && equalFoldASCII(got[:name], q[:name]) && string(got[name:]) == string(q[name:])
}

// equalFoldASCII compares as names compare (RFC 4343): the lengths of labels are
// below 64 and so never letters.
func equalFoldASCII(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lowerASCII(a[i]) != lowerASCII(b[i]) {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// mixCase flips letters of a name at random.
func mixCase(name []byte, rng *bulkRand) {
	bits, left := uint64(0), 0
	for i, c := range name {
		if c = lowerASCII(c); c < 'a' || c > 'z' {
			continue
		}
		if left == 0 {
			bits, left = rng.Uint64(), 64
		}
		name[i] = c ^ byte(bits&1)<<5
		bits, left = bits>>1, left-1
	}
}

// appendWireName appends name, which [AbsoluteName] has made, to b in wire form.
func appendWireName(b []byte, name string) []byte {
	if name == "." {
		return append(b, 0)
	}
	label := len(b) // where its length goes
	b = append(b, 0)
	for i := 0; i < len(name); i++ {
		switch c := name[i]; c {
		case '.':
			b[label] = byte(len(b) - label - 1)
			label = len(b)
			b = append(b, 0)
		case '\\':
			n, _ := escapeLen(name[i:])
			if n == 4 {
				c, _ = decimalOctet(name[i+1:])
			} else {
				c = name[i+1]
			}
			b = append(b, c)
			i += n - 1
		default:
			b = append(b, c)
		}
	}
	return b
}

// A wireRR is the place of a record in a message.
type wireRR struct {
	owner int // offsets
	typ   uint16
	class uint16
	ttl   uint32
	data  int
	end   int
}

// wireRecord reads the record at off.
func wireRecord(msg []byte, off int) (wireRR, bool) {
	rr := wireRR{owner: off}
	off = skipWireName(msg, off)
	if off < 0 || off+10 > len(msg) {
		return rr, false
	}
	rr.typ = binary.BigEndian.Uint16(msg[off:])
	rr.class = binary.BigEndian.Uint16(msg[off+2:])
	rr.ttl = binary.BigEndian.Uint32(msg[off+4:])
	rr.data = off + 10
	rr.end = rr.data + int(binary.BigEndian.Uint16(msg[off+8:]))
	return rr, rr.end <= len(msg)
}

// skipWireName is the offset after the name at off, -1 when it is malformed.
// Pointers must go backwards; where they lead is checked when the name is used.
func skipWireName(msg []byte, off int) int {
	for off < len(msg) {
		c := int(msg[off])
		switch {
		case c == 0:
			return off + 1
		case c >= 0xc0:
			if off+1 >= len(msg) || (c&0x3f)<<8|int(msg[off+1]) >= off {
				return -1
			}
			return off + 2
		case c > maxLabel:
			return -1
		}
		off += 1 + c
	}
	return -1
}

// wireQuestionEnd is the offset of the answer section, -1 when the question is malformed.
func wireQuestionEnd(msg []byte) int {
	off := headerSize
	for range binary.BigEndian.Uint16(msg[4:]) {
		if off = skipWireName(msg, off); off < 0 || off+4 > len(msg) {
			return -1
		}
		off += 4
	}
	return off
}

// wireCheck walks over all records of msg, whose header is complete. It reports
// whether they are well formed, and where the OPT record is; its end is zero when
// there is none.
func wireCheck(msg []byte) (opt wireRR, ok bool) {
	off := wireQuestionEnd(msg)
	if off < 0 {
		return opt, false
	}
	for range wireCount(msg) {
		rr, ok := wireRecord(msg, off)
		if !ok || !wireDataFits(msg, rr) {
			return opt, false
		}
		if rr.typ == dns.TypeOPT {
			opt = rr
		}
		off = rr.end
	}
	return opt, true
}

// wireCount is the number of records that msg announces.
func wireCount(msg []byte) int {
	return int(binary.BigEndian.Uint16(msg[6:])) + int(binary.BigEndian.Uint16(msg[8:])) + int(binary.BigEndian.Uint16(msg[10:]))
}

// wireWellFormed reports whether all records of msg can be parsed.
func wireWellFormed(msg []byte) bool {
	_, ok := wireCheck(msg)
	return ok
}

// wireEDNSUnknown is [ednsUnknown] for the well-formed reply msg to a question with
// an OPT record.
func wireEDNSUnknown(msg []byte) bool {
	rcode := int(msg[3] & 0xf)
	if rcode != dns.RcodeFormatError && rcode != dns.RcodeNotImplemented {
		return false
	}
	opt, _ := wireCheck(msg)
	return opt.end == 0
}

// wireLame reports whether the well-formed msg, which says NOERROR, is a referral
// though it was asked to recurse: see [conclusive].
func wireLame(msg []byte) bool {
	const flagAA, flagRD, flagRA = 0x04, 0x01, 0x80 // in octets 2, 2 and 3 of the header
	if msg[6]|msg[7] != 0 || msg[2]&flagRD == 0 || msg[2]&flagAA != 0 || msg[3]&flagRA != 0 {
		return false
	}
	off, referral := wireQuestionEnd(msg), false
	for range binary.BigEndian.Uint16(msg[8:]) {
		rr, _ := wireRecord(msg, off)
		if rr.typ == dns.TypeSOA {
			return false
		}
		referral = referral || rr.typ == dns.TypeNS
		off = rr.end
	}
	return referral
}

// wireTakeOff takes age seconds off the TTLs of msg, which is well formed.
func wireTakeOff(msg []byte, age uint32) {
	off := wireQuestionEnd(msg)
	for range wireCount(msg) {
		rr, _ := wireRecord(msg, off)
		if rr.typ != dns.TypeOPT {
			binary.BigEndian.PutUint32(msg[rr.data-6:], rr.ttl-min(rr.ttl, age))
		}
		off = rr.end
	}
}

// wireDataFits checks the data of the types that are shown straight from the wire.
func wireDataFits(msg []byte, rr wireRR) bool {
	switch rr.typ {
	case dns.TypeA:
		return rr.end-rr.data == 4
	case dns.TypeAAAA:
		return rr.end-rr.data == 16
	case dns.TypeCNAME, dns.TypeNS, dns.TypePTR:
		return skipWireName(msg, rr.data) == rr.end
	case dns.TypeMX:
		return rr.end-rr.data > 2 && skipWireName(msg, rr.data+2) == rr.end
	}
	return true
}

// wireJump follows pointers from off to a label. The hops go backwards, so they end.
func wireJump(msg []byte, off int) int {
	for off >= 0 && off+1 < len(msg) && msg[off] >= 0xc0 {
		to := int(msg[off]&0x3f)<<8 | int(msg[off+1])
		if to >= off {
			return -1
		}
		off = to
	}
	if off >= len(msg) {
		return -1
	}
	return off
}

// sameWireName compares the names at two offsets of msg.
func sameWireName(msg []byte, a, b int) bool {
	for range maxName {
		a, b = wireJump(msg, a), wireJump(msg, b)
		switch {
		case a < 0 || b < 0 || msg[a] != msg[b] || msg[a] > maxLabel:
			return false
		case a == b || msg[a] == 0:
			return true
		}
		n := 1 + int(msg[a])
		if a+n > len(msg) || b+n > len(msg) || !equalFoldASCII(msg[a:a+n], msg[b:b+n]) {
			return false
		}
		a, b = a+n, b+n
	}
	return false
}

// A wireChain walks over the records that answer the question of a message: those
// of its type at the end of the chain of aliases. Others may be forged.
type wireChain struct {
	msg    []byte
	first  int // offset of the answer section
	count  int
	qtype  uint16
	class  uint16
	name   int // offset of the name looked for
	off    int
	left   int
	alias  int // offset of the target of an alias at name, 0 when none was seen
	found  bool
	follow int
}

func newWireChain(msg []byte) wireChain {
	c := wireChain{msg: msg, name: headerSize}
	if c.first = wireQuestionEnd(msg); c.first < headerSize+5 {
		return c
	}
	c.qtype = binary.BigEndian.Uint16(msg[c.first-4:])
	c.class = binary.BigEndian.Uint16(msg[c.first-2:])
	c.count = int(binary.BigEndian.Uint16(msg[6:]))
	c.off, c.left = c.first, c.count
	return c
}

// next is the next record of the answer.
func (c *wireChain) next() (wireRR, bool) {
	for {
		for c.left > 0 {
			rr, ok := wireRecord(c.msg, c.off)
			if !ok || !wireDataFits(c.msg, rr) {
				return rr, false
			}
			c.off, c.left = rr.end, c.left-1
			typed := rr.typ == c.qtype || c.qtype == dns.TypeANY
			if !typed && rr.typ != dns.TypeCNAME || rr.class != c.class && c.class != dns.ClassANY || !sameWireName(c.msg, rr.owner, c.name) {
				continue
			}
			if typed {
				c.found = true
				return rr, true
			}
			if c.alias == 0 {
				c.alias = rr.data
			}
		}
		if c.found || c.alias == 0 || c.follow == maxAliases {
			return wireRR{}, false
		}
		c.follow++
		c.name, c.alias = c.alias, 0
		c.off, c.left = c.first, c.count
	}
}

func wireHasAnswer(msg []byte) bool {
	c := newWireChain(msg)
	_, ok := c.next()
	return ok
}
