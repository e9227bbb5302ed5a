package dnsq

import (
	"net/netip"

	"github.com/miekg/dns"
)

// DefaultUDPSize is the size of reply announced: what passes without
// fragmentation nearly everywhere (DNS flag day 2020).
const DefaultUDPSize = 1232

// A Header says how a question is asked. The zero Header asks for recursion and
// announces EDNS.
type Header struct {
	Class        uint16 // zero means IN
	NoRecursion  bool   // leave out RD
	AD           bool   // ask for the AD bit (RFC 6840 section 5.7)
	CD           bool   // let the server not validate
	DO           bool   // ask for DNSSEC records (RFC 3225)
	NoEDNS       bool   // send no OPT record; what needs one is left out
	UDPSize      uint16 // announced by EDNS; zero means [DefaultUDPSize]
	NSID         bool   // ask for the name of the server instance (RFC 5001)
	ClientSubnet netip.Prefix
	Options      []dns.EDNS0 // further options, sent as they are
}

// NewQuery makes the question for records of type qtype at name, which must be
// absolute. Its id is zero: [Client.Exchange] picks one.
func NewQuery(name string, qtype uint16, h Header) *dns.Msg {
	class := h.Class
	if class == 0 {
		class = dns.ClassINET
	}
	m := &dns.Msg{
		MsgHdr:   dns.MsgHdr{RecursionDesired: !h.NoRecursion, AuthenticatedData: h.AD, CheckingDisabled: h.CD},
		Question: []dns.Question{{Name: name, Qtype: qtype, Qclass: class}},
	}
	if !h.NoEDNS {
		m.Extra = []dns.RR{h.opt()}
	}
	return m
}

// opt is the OPT record of a question.
func (h Header) opt() *dns.OPT {
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	size := h.UDPSize
	if size == 0 {
		size = DefaultUDPSize
	}
	opt.SetUDPSize(size)
	if h.DO {
		opt.SetDo()
	}
	if h.NSID {
		opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
	}
	if h.ClientSubnet.IsValid() {
		opt.Option = append(opt.Option, subnetOption(h.ClientSubnet))
	}
	opt.Option = append(opt.Option, h.Options...)
	return opt
}

// subnetOption is the client subnet option (RFC 7871); bits past the prefix are
// cleared as section 6 demands.
func subnetOption(p netip.Prefix) *dns.EDNS0_SUBNET {
	p = p.Masked()
	family := uint16(1)
	if p.Addr().Is6() {
		family = 2
	}
	return &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: family,
		SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}
}

// withoutEDNS is m without its OPT record.
func withoutEDNS(m *dns.Msg) *dns.Msg {
	c := m.Copy()
	c.Extra = nil
	for _, rr := range m.Extra {
		if rr.Header().Rrtype != dns.TypeOPT {
			c.Extra = append(c.Extra, rr)
		}
	}
	return c
}

// pad adds a padding option that makes the packed m a multiple of block octets
// (RFC 7830; RFC 8467 section 4.1 has 128 for queries).
func pad(m *dns.Msg, block int) {
	opt := m.IsEdns0()
	if opt == nil || block <= 0 {
		return
	}
	const optionHeader = 4
	n := (block - (m.Len()+optionHeader)%block) % block
	opt.Option = append(opt.Option, &dns.EDNS0_PADDING{Padding: make([]byte, n)})
}
