package dnsq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

const (
	headerSize = 12    // RFC 1035 section 4.1.1
	maxMessage = 65535 // the length prefix of a stream has 16 bits
)

// A question is a packed query and what its reply must repeat.
type question struct {
	msg       *dns.Msg
	wire      []byte
	exactCase bool   // the name must come back letter by letter (0x20)
	cookie    string // the client cookie sent, in hexadecimal; empty when none
	mac       string // of our TSIG record; empty when not signed
	tsig      *TSIG
}

// errCase reports a reply that differs from its question in the case of letters only.
var errCase = errors.New("the question came back in another case")

var errShort = errors.New("shorter than a header")

// CheckReply parses the reply b to the query q. It refuses what does not belong
// to q: another id, opcode or question, a query instead of a reply (RFC 5452
// section 9.1), and what cannot be parsed. A reply with the TC bit may be cut
// off anywhere: then only its header and question count. A reply without a
// question is accepted from servers that could not read ours.
func CheckReply(q *dns.Msg, b []byte) (*dns.Msg, error) {
	return (&question{msg: q}).check(b)
}

func (q *question) check(b []byte) (*dns.Msg, error) {
	if len(b) < headerSize {
		return nil, errShort
	}
	if err := q.checkHeader(b); err != nil {
		return nil, err
	}
	if err := q.checkQuestion(b); err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		if !m.Truncated {
			return nil, fmt.Errorf("malformed message: %w", err)
		}
		m.Answer, m.Ns, m.Extra = nil, nil, nil
	} else if err := checkCounts(b, m); err != nil && !m.Truncated {
		return nil, err
	}
	if err := q.checkCookie(m); err != nil {
		return nil, err
	}
	if err := q.checkSubnet(m); err != nil {
		return nil, err
	}
	if err := q.checkTSIG(b, m); err != nil {
		return nil, err
	}
	return m, nil
}

func (q *question) checkHeader(b []byte) error {
	if id := binary.BigEndian.Uint16(b); id != q.msg.Id {
		return fmt.Errorf("id %d instead of %d", id, q.msg.Id)
	}
	if b[2]&0x80 == 0 {
		return errors.New("a query, not a reply")
	}
	if op := int(b[2] >> 3 & 0xf); op != q.msg.Opcode {
		return fmt.Errorf("opcode %s instead of %s", opcodeName(op), opcodeName(q.msg.Opcode))
	}
	return nil
}

// checkQuestion compares the question section of b with that of the query.
func (q *question) checkQuestion(b []byte) error {
	switch n := binary.BigEndian.Uint16(b[4:]); {
	case n == 0 && unreadable(int(b[3]&0xf)):
		return nil
	case int(n) != len(q.msg.Question):
		return fmt.Errorf("%d questions instead of %d", n, len(q.msg.Question))
	case n == 0:
		return nil
	}
	want := q.msg.Question[0]
	wantName := canonicalEscapes(want.Name)
	name, off, err := dns.UnpackDomainName(b, headerSize)
	if err != nil || off+4 > len(b) {
		return errors.New("malformed question")
	}
	qtype, class := binary.BigEndian.Uint16(b[off:]), binary.BigEndian.Uint16(b[off+2:])
	switch {
	case qtype != want.Qtype || class != want.Qclass || !strings.EqualFold(name, wantName):
		return fmt.Errorf("the question is %s %s %s", name, ClassName(class), TypeName(qtype))
	case q.exactCase && name != wantName:
		return errCase
	}
	return nil
}

// checkCounts refuses a message with fewer records than it announces, which the
// parser lets pass when it ends between two.
func checkCounts(b []byte, m *dns.Msg) error {
	for i, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		if n := int(binary.BigEndian.Uint16(b[6+2*i:])); n != len(section) {
			return fmt.Errorf("malformed message: %d records announced, %d there", n, len(section))
		}
	}
	return nil
}

// unreadable tells the rcodes with which a server may leave out the question.
func unreadable(rcode int) bool {
	switch rcode {
	case dns.RcodeFormatError, dns.RcodeServerFailure, dns.RcodeNotImplemented, dns.RcodeRefused:
		return true
	}
	return false
}

// canonicalEscapes writes name as the parser of messages would: \065 as A.
func canonicalEscapes(name string) string {
	if !strings.ContainsAny(name, nameSpecials) {
		return name
	}
	buf := make([]byte, 256)
	n, err := dns.PackDomainName(name, buf, 0, nil, false)
	if err != nil {
		return name
	}
	canonical, _, err := dns.UnpackDomainName(buf[:n], 0)
	if err != nil {
		return name
	}
	return canonical
}
