package dnsq

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// AppendShort appends the data of each record that answers the question to b, in
// presentation form and a line each. Nothing comes of a result without answer.
func (r *BulkResult) AppendShort(b []byte) []byte {
	if r.Rcode() != dns.RcodeSuccess {
		return b
	}
	c := newWireChain(r.Message)
	for rr, ok := c.next(); ok; rr, ok = c.next() {
		b = appendWireData(b, r.Message, rr)
		b = append(b, '\n')
	}
	return b
}

// AppendRecords appends a line for each record that answers the question to b:
// the name asked for, TTL, type and data, separated by tabs.
func (r *BulkResult) AppendRecords(b []byte) []byte {
	if r.Rcode() != dns.RcodeSuccess {
		return b
	}
	c := newWireChain(r.Message)
	for rr, ok := c.next(); ok; rr, ok = c.next() {
		b = r.appendName(b)
		b = append(b, '\t')
		b = strconv.AppendUint(b, uint64(rr.ttl), 10)
		b = append(b, '\t')
		b = append(b, TypeName(rr.typ)...)
		b = append(b, '\t')
		b = appendWireData(b, r.Message, rr)
		b = append(b, '\n')
	}
	return b
}

// appendName appends the name asked for, absolute, with the case of letters as it
// was given: the reply may have another.
func (r *BulkResult) appendName(b []byte) []byte {
	if r.Name == "" || !isASCII(r.Name) || strings.ContainsAny(r.Name, nameSpecials) {
		return appendNameText(b, r.Message, headerSize)
	}
	if b = append(b, r.Name...); r.Name[len(r.Name)-1] != '.' {
		b = append(b, '.')
	}
	return b
}

// appendWireData appends the data of rr in presentation form. The usual types
// are written straight from the message, without allocation.
func appendWireData(b, msg []byte, rr wireRR) []byte {
	data := msg[rr.data:rr.end]
	switch rr.typ {
	case dns.TypeA:
		return netip.AddrFrom4([4]byte(data)).AppendTo(b)
	case dns.TypeAAAA:
		return netip.AddrFrom16([16]byte(data)).AppendTo(b)
	case dns.TypeCNAME, dns.TypeNS, dns.TypePTR:
		return appendNameText(b, msg, rr.data)
	case dns.TypeMX:
		b = strconv.AppendUint(b, uint64(binary.BigEndian.Uint16(data)), 10)
		return appendNameText(append(b, ' '), msg, rr.data+2)
	case dns.TypeTXT:
		return appendTXT(b, data)
	}
	full, _, err := dns.UnpackRR(msg, rr.owner)
	if err != nil {
		return append(b, "\\# malformed"...)
	}
	return append(b, dataText(full)...)
}

// appendTXT appends the strings of a TXT record, each in quotes.
func appendTXT(b, data []byte) []byte {
	for len(data) > 0 {
		n := min(1+int(data[0]), len(data))
		b = append(b, '"')
		for _, c := range data[1:n] {
			b = appendTXTOctet(b, c)
		}
		b = append(b, '"')
		if data = data[n:]; len(data) > 0 {
			b = append(b, ' ')
		}
	}
	return b
}

func appendTXTOctet(b []byte, c byte) []byte {
	if c == '"' || c == '\\' {
		return append(b, '\\', c)
	}
	return appendPrintable(b, c)
}

// appendPrintable appends c, as \DDD unless it is printable ASCII.
func appendPrintable(b []byte, c byte) []byte {
	if c < ' ' || c > '~' {
		return append(b, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
	}
	return append(b, c)
}

// appendNameText appends the name at off of msg in presentation form. A name
// that turns out malformed ends early.
func appendNameText(b, msg []byte, off int) []byte {
	begin := len(b)
	for range maxName {
		off = wireJump(msg, off)
		if off < 0 || msg[off] == 0 || msg[off] > maxLabel || off+1+int(msg[off]) > len(msg) {
			break
		}
		n := int(msg[off])
		for _, c := range msg[off+1 : off+1+n] {
			switch c {
			case '.', '\'', '@', ';', '(', ')', '"', '\\':
				b = append(b, '\\', c)
			case ' ':
				b = append(b, escapedSpace...)
			default:
				b = appendPrintable(b, c)
			}
		}
		b = append(b, '.')
		off += 1 + n
	}
	if len(b) == begin {
		return append(b, '.')
	}
	return b
}
