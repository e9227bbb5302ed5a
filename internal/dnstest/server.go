// Package dnstest has name servers that misbehave, for tests.
package dnstest

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// HonestAddr is the address in the honest answer.
const HonestAddr = "192.0.2.1"

// ForgedAddr is what no client may ever take for an answer.
const ForgedAddr = "6.6.6.6"

// A Server answers over UDP and TCP with whatever its functions make of a
// question: datagrams, or octets of the stream. Nil functions say nothing.
type Server struct {
	UDP       func(q *dns.Msg) [][]byte
	TCP       func(q *dns.Msg) [][]byte // nil entries close the connection
	Elsewhere func(q *dns.Msg) [][]byte // datagrams sent from another port
}

// Start runs the server for one test and returns its address.
func (e Server) Start(t testing.TB) string {
	t.Helper()
	pc, l := Listen(t)
	go e.datagrams(pc)
	go e.streams(l)
	return pc.LocalAddr().String()
}

func (e Server) datagrams(pc net.PacketConn) {
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
		if e.Elsewhere != nil {
			other, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				return
			}
			for _, b := range e.Elsewhere(q) {
				_, _ = other.WriteTo(b, from)
			}
			_ = other.Close()
		}
		if e.UDP == nil {
			continue
		}
		for _, b := range e.UDP(q) {
			_, _ = pc.WriteTo(b, from)
		}
	}
}

func (e Server) streams(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go e.stream(c)
	}
}

// stream answers the questions that come on c, until the client closes it.
func (e Server) stream(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	for {
		q, err := (&dns.Conn{Conn: c}).ReadMsg()
		if err != nil || e.TCP == nil {
			return
		}
		for _, b := range e.TCP(q) {
			if b == nil {
				return
			}
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
}

// Answer is an honest reply to q with the address addr.
func Answer(q *dns.Msg, addr string) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	rr, _ := dns.NewRR(fmt.Sprintf("%s 60 IN A %s", q.Question[0].Name, addr))
	m.Answer = []dns.RR{rr}
	return m
}

func pack(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// Good is the honest reply, packed.
func Good(q *dns.Msg) []byte { return pack(Answer(q, "192.0.2.1")) }

// bad is a forged reply, changed in one point.
func bad(change func(*dns.Msg)) func(*dns.Msg) [][]byte {
	return func(q *dns.Msg) [][]byte { return [][]byte{evil(q, change)} }
}

func evil(q *dns.Msg, change func(*dns.Msg)) []byte {
	m := Answer(q, ForgedAddr)
	change(m)
	return pack(m)
}

// badThenGood is a forged reply, then the honest one.
func badThenGood(change func(*dns.Msg)) func(*dns.Msg) [][]byte {
	return func(q *dns.Msg) [][]byte { return [][]byte{evil(q, change), Good(q)} }
}

// flood is n replies with wrong ids, then the honest one.
func flood(n int) func(*dns.Msg) [][]byte {
	return func(q *dns.Msg) (out [][]byte) {
		for i := range n {
			out = append(out, evil(q, func(m *dns.Msg) { m.Id += uint16(i + 1) }))
		}
		return append(out, Good(q))
	}
}

// bytesOf sends b, changed by edit, as the only reply.
func bytesOf(edit func(b []byte) []byte) func(*dns.Msg) [][]byte {
	return func(q *dns.Msg) [][]byte { return [][]byte{edit(pack(Answer(q, ForgedAddr)))} }
}

// Stream puts the length before each message.
func Stream(f func(q *dns.Msg) [][]byte) func(q *dns.Msg) [][]byte {
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
	return [][]byte{pack(m)}
}

// rawReply puts data after the header and question of a reply to q with n answers.
func rawReply(q *dns.Msg, n uint16, data []byte) []byte {
	m := new(dns.Msg).SetReply(q)
	m.Compress = false
	b := pack(m)
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

// Bomb is a reply of 64 KB whose names are all of full length when written out.
func Bomb(q *dns.Msg) []byte {
	long := strings.Repeat("a123456789b123456789c123456789d123456789e123456789f123456789.", 4) + "x."
	m := new(dns.Msg).SetReply(q)
	m.Compress = true
	for range 4000 {
		m.Answer = append(m.Answer, &dns.NS{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeNS, Class: 1, Ttl: 60}, Ns: long})
	}
	return pack(m)
}
