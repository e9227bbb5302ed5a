package dnstest

import (
	"fmt"

	"github.com/miekg/dns"
)

// An Outcome is what a careful client makes of a server.
type Outcome string

// The outcomes.
const (
	Answered Outcome = "the honest answer"
	NotFound Outcome = "no such name or record"
	Failure  Outcome = "the server failed"
	Invalid  Outcome = "only invalid replies"
	NoReply  Outcome = "no reply"
	Broken   Outcome = "cut off"
)

// A Behaviour is a way to misbehave.
type Behaviour struct {
	Name   string
	Server Server
	Want   Outcome
}

// Behaviours are all of them.
func Behaviours() []Behaviour {
	cname := func(from, to string) dns.RR {
		return &dns.CNAME{Hdr: dns.RR_Header{Name: from, Rrtype: dns.TypeCNAME, Class: 1, Ttl: 60}, Target: to}
	}
	return []Behaviour{
		{"says nothing", Server{}, NoReply},
		{"wrong id", Server{UDP: bad(func(m *dns.Msg) { m.Id++ })}, Invalid},
		{"wrong id, then good", Server{UDP: badThenGood(func(m *dns.Msg) { m.Id++ })}, Answered},
		{"some wrong ids, then good", Server{UDP: flood(50)}, Answered},
		{"a flood of wrong ids, good over TCP", Server{UDP: flood(200), TCP: Stream(func(q *dns.Msg) [][]byte { return [][]byte{Good(q)} })}, Answered},
		{"a flood of wrong ids, no TCP", Server{UDP: flood(200), TCP: func(*dns.Msg) [][]byte { return [][]byte{nil} }}, Invalid},
		{"wrong name", Server{UDP: bad(func(m *dns.Msg) { m.Question[0].Name = "other.example." })}, Invalid},
		{"wrong name, then good", Server{UDP: badThenGood(func(m *dns.Msg) { m.Question[0].Name = "other.example." })}, Answered},
		{"wrong type", Server{UDP: bad(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA })}, Invalid},
		{"wrong class, then good", Server{UDP: badThenGood(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS })}, Answered},
		{"two questions", Server{UDP: bad(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) })}, Invalid},
		{"no question", Server{UDP: bad(func(m *dns.Msg) { m.Question = nil })}, Invalid},
		{"no question, SERVFAIL", Server{UDP: bad(func(m *dns.Msg) { m.Question, m.Answer, m.Rcode = nil, nil, dns.RcodeServerFailure })}, Failure},
		{"a query, not a reply", Server{UDP: bad(func(m *dns.Msg) { m.Response = false })}, Invalid},
		{"a query, then good", Server{UDP: badThenGood(func(m *dns.Msg) { m.Response = false })}, Answered},
		{"our own query back", Server{UDP: func(q *dns.Msg) [][]byte { return [][]byte{pack(q)} }}, Invalid},
		{"wrong opcode", Server{UDP: bad(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify })}, Invalid},
		{"from another port, then good", Server{Elsewhere: func(q *dns.Msg) [][]byte { return [][]byte{pack(Answer(q, ForgedAddr))} },
			UDP: func(q *dns.Msg) [][]byte { return [][]byte{Good(q)} }}, Answered},
		{"from another port only", Server{Elsewhere: func(q *dns.Msg) [][]byte { return [][]byte{pack(Answer(q, ForgedAddr))} }}, NoReply},
		{"three octets", Server{UDP: func(*dns.Msg) [][]byte { return [][]byte{{1, 2, 3}} }}, Invalid},
		{"three octets, then good", Server{UDP: func(q *dns.Msg) [][]byte { return [][]byte{{1, 2, 3}, Good(q)} }}, Answered},
		{"an empty datagram, then good", Server{UDP: func(q *dns.Msg) [][]byte { return [][]byte{{}, Good(q)} }}, Answered},
		{"a bare header, then good", Server{UDP: func(q *dns.Msg) [][]byte { return [][]byte{Good(q)[:12], Good(q)} }}, Answered},
		{"cut in the middle", Server{UDP: bytesOf(func(b []byte) []byte { return b[:len(b)-2] })}, Invalid},
		{"cut in the middle, then good", Server{UDP: func(q *dns.Msg) [][]byte {
			return [][]byte{half(pack(Answer(q, ForgedAddr))), Good(q)}
		}}, Answered},
		{"more records announced than there are", Server{UDP: bytesOf(func(b []byte) []byte { b[7] = 9; return b })}, Invalid},
		{"65535 records announced", Server{UDP: bytesOf(func(b []byte) []byte { b[6], b[7], b[8], b[9] = 255, 255, 255, 255; return b })}, Invalid},
		{"a name that points to itself", Server{UDP: func(q *dns.Msg) [][]byte {
			head := rawReply(q, 1, nil)
			at := len(head)
			return [][]byte{append(head, record([]byte{0xc0 | byte(at>>8), byte(at)}, 6, 6, 6, 6)...)}
		}}, Invalid},
		{"a name that points forward", Server{UDP: func(q *dns.Msg) [][]byte {
			return [][]byte{rawReply(q, 1, record([]byte{0xc0, 0xff}, 6, 6, 6, 6))}
		}}, Invalid},
		{"two names that point to each other", Server{UDP: func(q *dns.Msg) [][]byte {
			head := rawReply(q, 1, nil)
			at := len(head)
			name := []byte{1, 'a', 0xc0, byte(at + 4), 1, 'b', 0xc0, byte(at)}
			return [][]byte{append(head, record(name, 6, 6, 6, 6)...)}
		}}, Invalid},
		{"a reserved label type", Server{UDP: func(q *dns.Msg) [][]byte {
			return [][]byte{rawReply(q, 1, record([]byte{0x80, 0}, 6, 6, 6, 6))}
		}}, Invalid},
		{"an address of three octets", Server{UDP: func(q *dns.Msg) [][]byte {
			return [][]byte{rawReply(q, 1, record([]byte{0xc0, 12}, 6, 6, 6))}
		}}, Invalid},
		{"a record for another name", Server{UDP: bad(func(m *dns.Msg) { m.Answer[0].Header().Name = "other.example." })}, NotFound},
		{"a record of another class", Server{UDP: bad(func(m *dns.Msg) { m.Answer[0].Header().Class = dns.ClassCHAOS })}, NotFound},
		{"a foreign record beside the answer", Server{UDP: func(q *dns.Msg) [][]byte {
			m := Answer(q, "192.0.2.1")
			rr, _ := dns.NewRR("other.example. 60 IN A " + ForgedAddr)
			m.Answer = append(m.Answer, rr)
			return [][]byte{pack(m)}
		}}, Answered},
		{"an alias to itself", Server{UDP: bad(func(m *dns.Msg) { m.Answer = []dns.RR{cname(m.Question[0].Name, m.Question[0].Name)} })}, NotFound},
		{"aliases in a circle", Server{UDP: bad(func(m *dns.Msg) {
			m.Answer = []dns.RR{cname(m.Question[0].Name, "b."), cname("b.", "c."), cname("c.", "b.")}
		})}, NotFound},
		{"a chain of 300 aliases", Server{UDP: bad(func(m *dns.Msg) {
			last := m.Answer[0]
			m.Answer = nil
			name := m.Question[0].Name
			for i := range 300 {
				next := fmt.Sprintf("a%d.", i)
				m.Answer = append(m.Answer, cname(name, next))
				name = next
			}
			last.Header().Name = name
			m.Answer = append(m.Answer, last)
			m.Compress = true
		})}, NotFound},
		{"an alias that leads nowhere", Server{UDP: bad(func(m *dns.Msg) { m.Answer = []dns.RR{cname(m.Question[0].Name, "b.")} })}, NotFound},
		{"NXDOMAIN with an answer", Server{UDP: bad(func(m *dns.Msg) { m.Rcode = dns.RcodeNameError })}, NotFound},
		{"a referral", Server{UDP: bad(func(m *dns.Msg) {
			m.RecursionAvailable, m.Answer = false, nil
			ns, _ := dns.NewRR("example. 60 IN NS ns.example.")
			m.Ns = []dns.RR{ns}
		})}, Failure},
		{"FORMERR at EDNS, good without", Server{UDP: func(q *dns.Msg) [][]byte {
			if q.IsEdns0() != nil {
				return bad(func(m *dns.Msg) { m.Rcode, m.Answer = dns.RcodeFormatError, nil })(q)
			}
			return [][]byte{Good(q)}
		}}, Answered},
		{"drops EDNS, good without", Server{UDP: func(q *dns.Msg) [][]byte {
			if q.IsEdns0() != nil {
				return nil
			}
			return [][]byte{Good(q)}
		}}, Answered},
		{"FORMERR always", Server{UDP: bad(func(m *dns.Msg) { m.Rcode, m.Answer = dns.RcodeFormatError, nil })}, Failure},
		{"an unknown rcode", Server{UDP: bad(func(m *dns.Msg) { m.Rcode, m.Answer = 11, nil })}, Failure},
		{"another client's cookie", Server{UDP: bad(func(m *dns.Msg) {
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "00112233445566778899aabbccddeeff"}}
		})}, Invalid},
		{"BADCOOKIE for ever", Server{UDP: bad(func(m *dns.Msg) { m.SetEdns0(1232, false); m.Rcode = dns.RcodeBadCookie }),
			TCP: Stream(bad(func(m *dns.Msg) { m.SetEdns0(1232, false); m.Rcode = dns.RcodeBadCookie }))}, Failure},
		{"two OPT records", Server{UDP: bad(func(m *dns.Msg) { m.SetEdns0(1232, false); m.Extra = append(m.Extra, m.Extra[0]); m.Answer = nil })}, NotFound},
		{"a bomb of 64 KB", Server{UDP: truncatedReply, TCP: Stream(func(q *dns.Msg) [][]byte { return [][]byte{Bomb(q)} })}, NotFound},
		{"TC, good over TCP", Server{UDP: truncatedReply, TCP: Stream(func(q *dns.Msg) [][]byte { return [][]byte{Good(q)} })}, Answered},
		{"TC with a forged part, good over TCP", Server{UDP: bad(func(m *dns.Msg) { m.Truncated = true }),
			TCP: Stream(func(q *dns.Msg) [][]byte { return [][]byte{Good(q)} })}, Answered},
		{"TC cut in a record, good over TCP", Server{UDP: func(q *dns.Msg) [][]byte {
			b := evil(q, func(m *dns.Msg) { m.Truncated = true })
			return [][]byte{b[:len(b)-3]}
		}, TCP: Stream(func(q *dns.Msg) [][]byte { return [][]byte{Good(q)} })}, Answered},
		{"TC over TCP too", Server{UDP: truncatedReply, TCP: Stream(bad(func(m *dns.Msg) { m.Truncated = true }))}, Broken},
		{"TC, TCP closes at once", Server{UDP: truncatedReply, TCP: func(*dns.Msg) [][]byte { return [][]byte{nil} }}, Broken},
		{"TC, TCP closes after the length", Server{UDP: truncatedReply, TCP: func(*dns.Msg) [][]byte { return [][]byte{{0}, {200}, nil} }}, Broken},
		{"TC, TCP closes in the message", Server{UDP: truncatedReply, TCP: func(q *dns.Msg) [][]byte {
			b := Stream(func(q *dns.Msg) [][]byte { return [][]byte{Good(q)} })(q)[0]
			return [][]byte{b[:20], nil}
		}}, Broken},
		{"TC, TCP says nothing", Server{UDP: truncatedReply, TCP: func(*dns.Msg) [][]byte { return [][]byte{{}} }}, NoReply},
		{"TC, TCP octet by octet", Server{UDP: truncatedReply, TCP: func(q *dns.Msg) (out [][]byte) {
			for _, c := range Stream(func(q *dns.Msg) [][]byte { return [][]byte{Good(q)} })(q)[0] {
				out = append(out, []byte{c})
			}
			return out
		}}, Answered},
		{"TC, TCP with wrong id, then good", Server{UDP: truncatedReply, TCP: Stream(badThenGood(func(m *dns.Msg) { m.Id++ }))}, Answered},
		{"TC, TCP with wrong ids only", Server{UDP: truncatedReply, TCP: Stream(bad(func(m *dns.Msg) { m.Id++ }))}, Invalid},
		{"TC, TCP with an endless stream of wrong replies", Server{UDP: truncatedReply, TCP: func(q *dns.Msg) [][]byte {
			wrong := Stream(bad(func(m *dns.Msg) { m.Id++ }))(q)[0]
			var out [][]byte
			for range 20000 {
				out = append(out, wrong)
			}
			return append(out, nil)
		}}, Invalid},
		{"TC, TCP with messages of no octets", Server{UDP: truncatedReply, TCP: func(q *dns.Msg) [][]byte { return [][]byte{make([]byte, 1000), nil} }}, Invalid},
	}
}

// half is the first half of b, the header at least.
func half(b []byte) []byte { return b[:max(len(b)/2, 12)] }
