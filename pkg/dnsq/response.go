package dnsq

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/miekg/dns"
)

// A Question is what was asked.
type Question struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Class string `json:"class"`
}

// A Response is a reply, taken apart.
type Response struct {
	ID         uint16     `json:"id"`
	Opcode     string     `json:"opcode"`
	Rcode      string     `json:"rcode"`       // extended rcode included
	Flags      []string   `json:"flags"`       // keywords: see [FlagKeywords]
	FlagsValue uint16     `json:"flags_value"` // the second 16 bits of the header
	Question   []Question `json:"question"`
	Answers    []RR       `json:"answers"`
	Authority  []RR       `json:"authority"`
	Additional []RR       `json:"additional"` // without the OPT record: see EDNS
	EDNS       *EDNS      `json:"edns"`       // nil when the reply carries no OPT record
	EDE        []string   `json:"ede"`        // texts of the extended errors (RFC 8914)
	Server     string     `json:"server"`
	Transport  Transport  `json:"transport"` // the one the reply came over
	Size       int        `json:"size"`      // octets
	Invalid    int        `json:"invalid"`   // replies dropped while waiting for this one
	Timing     Timing     `json:"timing"`

	msg *dns.Msg
}

// EDNS is the OPT record of a reply (RFC 6891).
type EDNS struct {
	Version      uint8           `json:"version"`
	UDPSize      uint16          `json:"udp_size"`
	DO           bool            `json:"do"`
	NSID         string          `json:"nsid,omitempty"`          // as text when it is text, else in hexadecimal
	ClientSubnet string          `json:"client_subnet,omitempty"` // address/source/scope
	Cookie       string          `json:"cookie,omitempty"`        // hexadecimal, client and server part
	Padding      int             `json:"padding,omitempty"`       // octets
	Errors       []ExtendedError `json:"errors"`
	Other        []EDNSOption    `json:"other"`
}

// An ExtendedError is an extended DNS error (RFC 8914).
type ExtendedError struct {
	Code uint16 `json:"code"`
	Name string `json:"name"` // of the code, "" when it is not assigned
	Text string `json:"text"` // what the server adds, control characters escaped
}

func (e ExtendedError) String() string {
	name := e.Name
	if name == "" {
		name = fmt.Sprintf("extended error %d", e.Code)
	}
	if e.Text == "" {
		return name
	}
	return name + " (" + e.Text + ")"
}

// An EDNSOption is an option this package does not take apart.
type EDNSOption struct {
	Code uint16 `json:"code"`
	Data string `json:"data"` // presentation form of the DNS library
}

// NewResponse takes the reply m of srv apart. It keeps m: see [Response.Msg].
func NewResponse(m *dns.Msg, srv Server, t Timing) *Response {
	r := &Response{
		ID: m.Id, Opcode: opcodeName(m.Opcode), Rcode: RcodeName(m.Rcode),
		FlagsValue: FlagsValue(m), Question: []Question{},
		Answers: NewRRs(m.Answer), Authority: NewRRs(m.Ns), Additional: NewRRs(m.Extra),
		EDE: extendedErrors(m), Server: srv.String(), Transport: srv.transport(),
		Size: t.Size, Invalid: t.Invalid, Timing: t, msg: m,
	}
	if t.Transport != "" {
		r.Transport = t.Transport
	}
	r.Flags = FlagKeywords(r.FlagsValue&^0xf | uint16(m.Rcode&0xf))
	for _, q := range m.Question {
		r.Question = append(r.Question, Question{nameText(q.Name), TypeName(q.Qtype), ClassName(q.Qclass)})
	}
	if opt := m.IsEdns0(); opt != nil {
		r.EDNS = newEDNS(opt)
	}
	return r
}

// extendedErrors are the texts of the extended errors of m (RFC 8914).
func extendedErrors(m *dns.Msg) []string {
	texts := []string{}
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if ede, ok := o.(*dns.EDNS0_EDE); ok {
				texts = append(texts, newExtendedError(ede).String())
			}
		}
	}
	return texts
}

func newExtendedError(o *dns.EDNS0_EDE) ExtendedError {
	return ExtendedError{o.InfoCode, dns.ExtendedErrorCodeToString[o.InfoCode], escapeText(o.ExtraText)}
}

// Msg is the message itself. It must not be changed.
func (r *Response) Msg() *dns.Msg { return r.msg }

// Err is nil when the reply has an answer to its question, [ErrTruncated] when it
// was cut off, else a *[ReplyError].
func (r *Response) Err() error {
	if r.msg.Truncated {
		return ErrTruncated
	}
	q := Question{}
	if len(r.Question) > 0 {
		q = r.Question[0]
	}
	if r.Rcode == "NOERROR" && hasAnswer(r.msg) {
		return nil
	}
	referral := isReferral(r.msg)
	return &ReplyError{Name: q.Name, Type: q.Type, Rcode: r.Rcode, EDE: r.EDE, Server: r.Server,
		Referral: referral, lame: referral && r.msg.RecursionDesired}
}

// FlagsValue is the second 16-bit word of the header of m.
func FlagsValue(m *dns.Msg) uint16 {
	v := uint16(m.Opcode&0xf)<<11 | uint16(m.Rcode&0xf)
	for _, f := range headerFlags {
		if f.get(&m.MsgHdr) {
			v |= f.bit
		}
	}
	return v
}

// headerFlags are the flag bits of the header, from the first (RFC 1035 section
// 4.1.1, RFC 4035 section 3.1.6 for the last two).
var headerFlags = []struct {
	bit     uint16
	short   string
	keyword string
	get     func(*dns.MsgHdr) bool
}{
	{1 << 15, "qr", "response", func(h *dns.MsgHdr) bool { return h.Response }},
	{1 << 10, "aa", "authoritative", func(h *dns.MsgHdr) bool { return h.Authoritative }},
	{1 << 9, "tc", "truncated", func(h *dns.MsgHdr) bool { return h.Truncated }},
	{1 << 8, "rd", "recursion-desired", func(h *dns.MsgHdr) bool { return h.RecursionDesired }},
	{1 << 7, "ra", "recursion-available", func(h *dns.MsgHdr) bool { return h.RecursionAvailable }},
	{1 << 6, "z", "reserved", func(h *dns.MsgHdr) bool { return h.Zero }},
	{1 << 5, "ad", "authentic-data", func(h *dns.MsgHdr) bool { return h.AuthenticatedData }},
	{1 << 4, "cd", "checking-disabled", func(h *dns.MsgHdr) bool { return h.CheckingDisabled }},
}

// FlagKeywords names the bits of a flags value, then its rcode unless that is
// NOERROR: response, authoritative, truncated, recursion-desired,
// recursion-available, reserved, authentic-data, checking-disabled;
// format-error, nameserver-internal-error (SERVFAIL), no-such-domain (NXDOMAIN),
// not-implemented, refused, or the lower-case name of another rcode.
func FlagKeywords(value uint16) []string {
	words := []string{}
	for _, f := range headerFlags {
		if value&f.bit != 0 {
			words = append(words, f.keyword)
		}
	}
	switch rcode := int(value & 0xf); rcode {
	case dns.RcodeSuccess:
	case dns.RcodeFormatError:
		words = append(words, "format-error")
	case dns.RcodeServerFailure:
		words = append(words, "nameserver-internal-error")
	case dns.RcodeNameError:
		words = append(words, "no-such-domain")
	case dns.RcodeNotImplemented:
		words = append(words, "not-implemented")
	default:
		words = append(words, strings.ToLower(RcodeName(rcode)))
	}
	return words
}

// ShortFlags names the bits of a flags value with the two letters of the RFCs.
func ShortFlags(value uint16) []string {
	words := []string{}
	for _, f := range headerFlags {
		if value&f.bit != 0 {
			words = append(words, f.short)
		}
	}
	return words
}

// newEDNS takes an OPT record apart.
func newEDNS(opt *dns.OPT) *EDNS {
	e := &EDNS{Version: opt.Version(), UDPSize: opt.UDPSize(), DO: opt.Do(),
		Errors: []ExtendedError{}, Other: []EDNSOption{}}
	for _, o := range opt.Option {
		switch o := o.(type) {
		case *dns.EDNS0_NSID:
			e.NSID = hexText(o.Nsid)
		case *dns.EDNS0_SUBNET:
			e.ClientSubnet = fmt.Sprintf("%s/%d/%d", o.Address, o.SourceNetmask, o.SourceScope)
		case *dns.EDNS0_COOKIE:
			e.Cookie = o.Cookie
		case *dns.EDNS0_PADDING:
			e.Padding = len(o.Padding)
		case *dns.EDNS0_EDE:
			e.Errors = append(e.Errors, newExtendedError(o))
		default:
			e.Other = append(e.Other, EDNSOption{o.Option(), escapeText(o.String())})
		}
	}
	return e
}

// hexText is the text that h encodes in hexadecimal, or h when that is not printable.
func hexText(h string) string {
	b, err := hex.DecodeString(h)
	if err != nil || !utf8.Valid(b) || escapeText(string(b)) != string(b) {
		return h
	}
	return string(b)
}

// escapeText writes what could control a terminal as \DDD: control characters
// (C1 included) and octets that are not UTF-8.
func escapeText(s string) string {
	clean := true
	for _, r := range s {
		if unsafeRune(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if unsafeRune(r) {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, "\\%03d", c)
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// unsafeRune tells control characters, the marks that turn the direction of
// writing, and what is not UTF-8.
func unsafeRune(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError ||
		r == 0x200e || r == 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// RcodeName is the name of an rcode, RCODEnnn when it has none.
func RcodeName(rcode int) string {
	if rcode == dns.RcodeBadVers { // 16 is also BADSIG, which only a TSIG record carries
		return "BADVERS"
	}
	if s, ok := dns.RcodeToString[rcode]; ok {
		return s
	}
	return fmt.Sprintf("RCODE%d", rcode)
}

func opcodeName(op int) string {
	if s, ok := dns.OpcodeToString[op]; ok {
		return s
	}
	return fmt.Sprintf("OPCODE%d", op)
}

// hasAnswer reports whether the answer section of m has a record of the type
// asked for on the chain of aliases from the name asked for.
func hasAnswer(m *dns.Msg) bool {
	if len(m.Question) != 1 {
		return len(m.Answer) > 0
	}
	return len(answerChain(m).records) > 0
}
