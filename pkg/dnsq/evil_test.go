package dnsq_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// forgedAddr is what no client may ever take for an answer.
const forgedAddr = "6.6.6.6"

// An evilServer answers over UDP and TCP with whatever its functions make of a
// question: datagrams, or octets of the stream. Nil functions say nothing.
type evilServer struct {
	udp func(q *dns.Msg) [][]byte
	tcp func(q *dns.Msg) [][]byte // nil entries close the connection
	// elsewhere are datagrams sent from another port.
	elsewhere func(q *dns.Msg) [][]byte
}

// start runs the server for one test and returns its address.
func (e evilServer) start(t *testing.T) dnsq.Server {
	t.Helper()
	for range 20 {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", pc.LocalAddr().String())
		if err != nil {
			_ = pc.Close()
			continue
		}
		t.Cleanup(func() { _, _ = pc.Close(), l.Close() })
		go e.datagrams(pc)
		go e.streams(l)
		srv, err := dnsq.ParseServer(pc.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		return srv
	}
	t.Fatal("no port free for both UDP and TCP")
	return dnsq.Server{}
}

func (e evilServer) datagrams(pc net.PacketConn) {
	buf := make([]byte, 65535)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		if q.Unpack(buf[:n]) != nil {
			continue
		}
		if e.elsewhere != nil {
			other, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				return
			}
			for _, b := range e.elsewhere(q) {
				_, _ = other.WriteTo(b, from)
			}
			_ = other.Close()
		}
		if e.udp == nil {
			continue
		}
		for _, b := range e.udp(q) {
			_, _ = pc.WriteTo(b, from)
		}
	}
}

func (e evilServer) streams(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			b, err := dnsq.ReadFrame(c, nil)
			q := new(dns.Msg)
			if err != nil || q.Unpack(b) != nil || e.tcp == nil {
				return
			}
			for _, b := range e.tcp(q) {
				if b == nil {
					return
				}
				if _, err := c.Write(b); err != nil {
					return
				}
			}
			_, _ = io.Copy(io.Discard, c) // until the client closes
		}()
	}
}

// answer is an honest reply to q with the address addr.
func answer(q *dns.Msg, addr string) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	rr, _ := dns.NewRR(fmt.Sprintf("%s 60 IN A %s", q.Question[0].Name, addr))
	m.Answer = []dns.RR{rr}
	return m
}

func good(q *dns.Msg) []byte { return mustPack(answer(q, "192.0.2.1")) }

// bad is a forged reply, changed in one point.
func bad(change func(*dns.Msg)) func(*dns.Msg) [][]byte {
	return func(q *dns.Msg) [][]byte { return [][]byte{evil(q, change)} }
}

func evil(q *dns.Msg, change func(*dns.Msg)) []byte {
	m := answer(q, forgedAddr)
	change(m)
	return mustPack(m)
}

// badThenGood is a forged reply, then the honest one.
func badThenGood(change func(*dns.Msg)) func(*dns.Msg) [][]byte {
	return func(q *dns.Msg) [][]byte { return [][]byte{evil(q, change), good(q)} }
}

// flood is n replies with wrong ids, then the honest one.
func flood(n int) func(*dns.Msg) [][]byte {
	return func(q *dns.Msg) (out [][]byte) {
		for i := range n {
			out = append(out, evil(q, func(m *dns.Msg) { m.Id += uint16(i + 1) }))
		}
		return append(out, good(q))
	}
}

// bytesOf sends b, changed by edit, as the only reply.
func bytesOf(edit func(b []byte) []byte) func(*dns.Msg) [][]byte {
	return func(q *dns.Msg) [][]byte { return [][]byte{edit(mustPack(answer(q, forgedAddr)))} }
}

// stream puts the length before each message.
func stream(f func(q *dns.Msg) [][]byte) func(q *dns.Msg) [][]byte {
	return func(q *dns.Msg) [][]byte {
		var out [][]byte
		for _, b := range f(q) {
			if b != nil {
				b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
			}
			out = append(out, b)
		}
		return out
	}
}

// truncated says TC over UDP.
func truncatedReply(q *dns.Msg) [][]byte {
	m := new(dns.Msg).SetReply(q)
	m.Truncated = true
	return [][]byte{mustPack(m)}
}

// raw puts data after the header and question of a reply to q with n answers.
func rawReply(q *dns.Msg, n uint16, data []byte) []byte {
	m := new(dns.Msg).SetReply(q)
	m.Compress = false
	b := mustPack(m)
	binary.BigEndian.PutUint16(b[6:], n)
	return append(b, data...)
}

// record is an A record whose owner is the octets name.
func record(name []byte, data ...byte) []byte {
	b := append([]byte(nil), name...)
	b = append(b, 0, 1, 0, 1, 0, 0, 0, 60)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// bomb is a reply of 64 KB whose names are all of full length when written out.
func bomb(q *dns.Msg) []byte {
	long := strings.Repeat("a123456789b123456789c123456789d123456789e123456789f123456789.", 4) + "x."
	m := new(dns.Msg).SetReply(q)
	m.Compress = true
	for range 4000 {
		m.Answer = append(m.Answer, &dns.NS{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeNS, Class: 1, Ttl: 60}, Ns: long})
	}
	return mustPack(m)
}

// TestAdversary asks a server that misbehaves. Every case ends in time, with the
// honest answer, or an error of the right kind, and never with a forged address.
func TestAdversary(t *testing.T) {
	cname := func(from, to string) dns.RR {
		return &dns.CNAME{Hdr: dns.RR_Header{Name: from, Rrtype: dns.TypeCNAME, Class: 1, Ttl: 60}, Target: to}
	}
	cases := []struct {
		name string
		evil evilServer
		want error // nil: the honest answer
	}{
		{"says nothing", evilServer{}, dnsq.ErrNoReply},
		{"wrong id", evilServer{udp: bad(func(m *dns.Msg) { m.Id++ })}, dnsq.ErrInvalidReply},
		{"wrong id, then good", evilServer{udp: badThenGood(func(m *dns.Msg) { m.Id++ })}, nil},
		{"some wrong ids, then good", evilServer{udp: flood(50)}, nil},
		{"a flood of wrong ids, good over TCP", evilServer{udp: flood(200), tcp: stream(func(q *dns.Msg) [][]byte { return [][]byte{good(q)} })}, nil},
		{"a flood of wrong ids, no TCP", evilServer{udp: flood(200), tcp: func(*dns.Msg) [][]byte { return [][]byte{nil} }}, dnsq.ErrInvalidReply},
		{"wrong name", evilServer{udp: bad(func(m *dns.Msg) { m.Question[0].Name = "other.example." })}, dnsq.ErrInvalidReply},
		{"wrong name, then good", evilServer{udp: badThenGood(func(m *dns.Msg) { m.Question[0].Name = "other.example." })}, nil},
		{"wrong type", evilServer{udp: bad(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA })}, dnsq.ErrInvalidReply},
		{"wrong class, then good", evilServer{udp: badThenGood(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS })}, nil},
		{"two questions", evilServer{udp: bad(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) })}, dnsq.ErrInvalidReply},
		{"no question", evilServer{udp: bad(func(m *dns.Msg) { m.Question = nil })}, dnsq.ErrInvalidReply},
		{"no question, SERVFAIL", evilServer{udp: bad(func(m *dns.Msg) { m.Question, m.Answer, m.Rcode = nil, nil, dns.RcodeServerFailure })}, dnsq.ErrServerFailure},
		{"a query, not a reply", evilServer{udp: bad(func(m *dns.Msg) { m.Response = false })}, dnsq.ErrInvalidReply},
		{"a query, then good", evilServer{udp: badThenGood(func(m *dns.Msg) { m.Response = false })}, nil},
		{"our own query back", evilServer{udp: func(q *dns.Msg) [][]byte { return [][]byte{mustPack(q)} }}, dnsq.ErrInvalidReply},
		{"wrong opcode", evilServer{udp: bad(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify })}, dnsq.ErrInvalidReply},
		{"from another port, then good", evilServer{elsewhere: func(q *dns.Msg) [][]byte { return [][]byte{mustPack(answer(q, forgedAddr))} },
			udp: func(q *dns.Msg) [][]byte { return [][]byte{good(q)} }}, nil},
		{"from another port only", evilServer{elsewhere: func(q *dns.Msg) [][]byte { return [][]byte{mustPack(answer(q, forgedAddr))} }}, dnsq.ErrNoReply},
		{"three octets", evilServer{udp: func(*dns.Msg) [][]byte { return [][]byte{{1, 2, 3}} }}, dnsq.ErrInvalidReply},
		{"three octets, then good", evilServer{udp: func(q *dns.Msg) [][]byte { return [][]byte{{1, 2, 3}, good(q)} }}, nil},
		{"an empty datagram, then good", evilServer{udp: func(q *dns.Msg) [][]byte { return [][]byte{{}, good(q)} }}, nil},
		{"a bare header, then good", evilServer{udp: func(q *dns.Msg) [][]byte { return [][]byte{good(q)[:12], good(q)} }}, nil},
		{"cut in the middle", evilServer{udp: bytesOf(func(b []byte) []byte { return b[:len(b)-2] })}, dnsq.ErrInvalidReply},
		{"cut in the middle, then good", evilServer{udp: func(q *dns.Msg) [][]byte {
			return [][]byte{mustPack(answer(q, forgedAddr))[:40], good(q)}
		}}, nil},
		{"more records announced than there are", evilServer{udp: bytesOf(func(b []byte) []byte { b[7] = 9; return b })}, dnsq.ErrInvalidReply},
		{"65535 records announced", evilServer{udp: bytesOf(func(b []byte) []byte { b[6], b[7], b[8], b[9] = 255, 255, 255, 255; return b })}, dnsq.ErrInvalidReply},
		{"a name that points to itself", evilServer{udp: func(q *dns.Msg) [][]byte {
			head := rawReply(q, 1, nil)
			at := len(head)
			return [][]byte{append(head, record([]byte{0xc0 | byte(at>>8), byte(at)}, 6, 6, 6, 6)...)}
		}}, dnsq.ErrInvalidReply},
		{"a name that points forward", evilServer{udp: func(q *dns.Msg) [][]byte {
			return [][]byte{rawReply(q, 1, record([]byte{0xc0, 0xff}, 6, 6, 6, 6))}
		}}, dnsq.ErrInvalidReply},
		{"two names that point to each other", evilServer{udp: func(q *dns.Msg) [][]byte {
			head := rawReply(q, 1, nil)
			at := len(head)
			name := []byte{1, 'a', 0xc0, byte(at + 4), 1, 'b', 0xc0, byte(at)}
			return [][]byte{append(head, record(name, 6, 6, 6, 6)...)}
		}}, dnsq.ErrInvalidReply},
		{"a reserved label type", evilServer{udp: func(q *dns.Msg) [][]byte {
			return [][]byte{rawReply(q, 1, record([]byte{0x80, 0}, 6, 6, 6, 6))}
		}}, dnsq.ErrInvalidReply},
		{"an address of three octets", evilServer{udp: func(q *dns.Msg) [][]byte {
			return [][]byte{rawReply(q, 1, record([]byte{0xc0, 12}, 6, 6, 6))}
		}}, dnsq.ErrInvalidReply},
		{"a record for another name", evilServer{udp: bad(func(m *dns.Msg) { m.Answer[0].Header().Name = "other.example." })}, dnsq.ErrNotFound},
		{"a record of another class", evilServer{udp: bad(func(m *dns.Msg) { m.Answer[0].Header().Class = dns.ClassCHAOS })}, dnsq.ErrNotFound},
		{"a foreign record beside the answer", evilServer{udp: func(q *dns.Msg) [][]byte {
			m := answer(q, "192.0.2.1")
			rr, _ := dns.NewRR("other.example. 60 IN A " + forgedAddr)
			m.Answer = append(m.Answer, rr)
			return [][]byte{mustPack(m)}
		}}, nil},
		{"an alias to itself", evilServer{udp: bad(func(m *dns.Msg) { m.Answer = []dns.RR{cname(m.Question[0].Name, m.Question[0].Name)} })}, dnsq.ErrNotFound},
		{"aliases in a circle", evilServer{udp: bad(func(m *dns.Msg) {
			m.Answer = []dns.RR{cname(m.Question[0].Name, "b."), cname("b.", "c."), cname("c.", "b.")}
		})}, dnsq.ErrNotFound},
		{"a chain of 300 aliases", evilServer{udp: bad(func(m *dns.Msg) {
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
		})}, dnsq.ErrNotFound},
		{"an alias that leads nowhere", evilServer{udp: bad(func(m *dns.Msg) { m.Answer = []dns.RR{cname(m.Question[0].Name, "b.")} })}, dnsq.ErrNotFound},
		{"NXDOMAIN with an answer", evilServer{udp: bad(func(m *dns.Msg) { m.Rcode = dns.RcodeNameError })}, dnsq.ErrNotFound},
		{"a referral", evilServer{udp: bad(func(m *dns.Msg) {
			m.RecursionAvailable, m.Answer = false, nil
			ns, _ := dns.NewRR("example. 60 IN NS ns.example.")
			m.Ns = []dns.RR{ns}
		})}, dnsq.ErrServerFailure},
		{"FORMERR at EDNS, good without", evilServer{udp: func(q *dns.Msg) [][]byte {
			if q.IsEdns0() != nil {
				return bad(func(m *dns.Msg) { m.Rcode, m.Answer = dns.RcodeFormatError, nil })(q)
			}
			return [][]byte{good(q)}
		}}, nil},
		{"drops EDNS, good without", evilServer{udp: func(q *dns.Msg) [][]byte {
			if q.IsEdns0() != nil {
				return nil
			}
			return [][]byte{good(q)}
		}}, nil},
		{"FORMERR always", evilServer{udp: bad(func(m *dns.Msg) { m.Rcode, m.Answer = dns.RcodeFormatError, nil })}, dnsq.ErrServerFailure},
		{"an unknown rcode", evilServer{udp: bad(func(m *dns.Msg) { m.Rcode, m.Answer = 11, nil })}, dnsq.ErrServerFailure},
		{"another client's cookie", evilServer{udp: bad(func(m *dns.Msg) {
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "00112233445566778899aabbccddeeff"}}
		})}, dnsq.ErrInvalidReply},
		{"BADCOOKIE for ever", evilServer{udp: bad(func(m *dns.Msg) { m.SetEdns0(1232, false); m.Rcode = dns.RcodeBadCookie }),
			tcp: stream(bad(func(m *dns.Msg) { m.SetEdns0(1232, false); m.Rcode = dns.RcodeBadCookie }))}, dnsq.ErrServerFailure},
		{"two OPT records", evilServer{udp: bad(func(m *dns.Msg) { m.SetEdns0(1232, false); m.Extra = append(m.Extra, m.Extra[0]); m.Answer = nil })}, dnsq.ErrNotFound},
		{"a bomb of 64 KB", evilServer{udp: truncatedReply, tcp: stream(func(q *dns.Msg) [][]byte { return [][]byte{bomb(q)} })}, dnsq.ErrNotFound},
		{"TC, good over TCP", evilServer{udp: truncatedReply, tcp: stream(func(q *dns.Msg) [][]byte { return [][]byte{good(q)} })}, nil},
		{"TC with a forged part, good over TCP", evilServer{udp: bad(func(m *dns.Msg) { m.Truncated = true }),
			tcp: stream(func(q *dns.Msg) [][]byte { return [][]byte{good(q)} })}, nil},
		{"TC cut in a record, good over TCP", evilServer{udp: func(q *dns.Msg) [][]byte {
			b := evil(q, func(m *dns.Msg) { m.Truncated = true })
			return [][]byte{b[:len(b)-3]}
		}, tcp: stream(func(q *dns.Msg) [][]byte { return [][]byte{good(q)} })}, nil},
		{"TC over TCP too", evilServer{udp: truncatedReply, tcp: stream(bad(func(m *dns.Msg) { m.Truncated = true }))}, dnsq.ErrTruncated},
		{"TC, TCP closes at once", evilServer{udp: truncatedReply, tcp: func(*dns.Msg) [][]byte { return [][]byte{nil} }}, io.ErrUnexpectedEOF},
		{"TC, TCP closes after the length", evilServer{udp: truncatedReply, tcp: func(*dns.Msg) [][]byte { return [][]byte{{0}, {200}, nil} }}, io.ErrUnexpectedEOF},
		{"TC, TCP closes in the message", evilServer{udp: truncatedReply, tcp: func(q *dns.Msg) [][]byte {
			b := stream(func(q *dns.Msg) [][]byte { return [][]byte{good(q)} })(q)[0]
			return [][]byte{b[:20], nil}
		}}, io.ErrUnexpectedEOF},
		{"TC, TCP says nothing", evilServer{udp: truncatedReply, tcp: func(*dns.Msg) [][]byte { return [][]byte{{}} }}, dnsq.ErrNoReply},
		{"TC, TCP octet by octet", evilServer{udp: truncatedReply, tcp: func(q *dns.Msg) (out [][]byte) {
			for _, c := range stream(func(q *dns.Msg) [][]byte { return [][]byte{good(q)} })(q)[0] {
				out = append(out, []byte{c})
			}
			return out
		}}, nil},
		{"TC, TCP with wrong id, then good", evilServer{udp: truncatedReply, tcp: stream(badThenGood(func(m *dns.Msg) { m.Id++ }))}, nil},
		{"TC, TCP with wrong ids only", evilServer{udp: truncatedReply, tcp: stream(bad(func(m *dns.Msg) { m.Id++ }))}, dnsq.ErrInvalidReply},
		{"TC, TCP with an endless stream of wrong replies", evilServer{udp: truncatedReply, tcp: func(q *dns.Msg) [][]byte {
			wrong := stream(bad(func(m *dns.Msg) { m.Id++ }))(q)[0]
			var out [][]byte
			for range 20000 {
				out = append(out, wrong)
			}
			return append(out, nil)
		}}, dnsq.ErrInvalidReply},
		{"TC, TCP with messages of no octets", evilServer{udp: truncatedReply, tcp: func(q *dns.Msg) [][]byte { return [][]byte{make([]byte, 1000), nil} }}, dnsq.ErrInvalidReply},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := tt.evil.start(t)
			r, err := dnsq.NewResolver(dnsq.Config{Nameservers: []dnsq.Server{srv}, Domain: "x", NoHosts: true})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			start := time.Now()
			a, err := r.Query(context.Background(), "www.example", dnsq.Options{Repeat: 2, Timeout: 200 * time.Millisecond})
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			shown := ""
			if err == nil {
				shown, err = show(a), a.Err()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v; want %v", err, tt.want)
			}
			if tt.want == nil && shown != "192.0.2.1 []" {
				t.Errorf("answer %s; want the honest one", shown)
			}
			if strings.Contains(shown, forgedAddr) && err == nil {
				t.Errorf("the forged answer was believed: %s", shown)
			}
		})
	}
	if len(cases) < 36 {
		t.Errorf("only %d behaviours", len(cases))
	}
}

// TestAdversaryMemory asks a server whose replies are as large as can be. Taking
// one apart must not cost more than a small multiple of what its names can hold.
func TestAdversaryMemory(t *testing.T) {
	q := dnsq.NewQuery("www.example.", dns.TypeNS, dnsq.Header{})
	b := bomb(q)
	m, err := dnsq.CheckReply(q, b)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resp := dnsq.NewResponse(m, dnsq.Server{Host: "127.0.0.1"}, dnsq.Timing{})
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("%d records took %d MiB", len(resp.Answers), used>>20)
	}
}
