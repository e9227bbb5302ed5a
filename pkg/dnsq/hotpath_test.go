package dnsq_test

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/hotpath"
	"github.com/brio-net/brio/pkg/dnsq"
)

func hotPaths(tb testing.TB) []hotpath.Path {
	reply := new(dns.Msg).SetReply(dnsq.NewQuery("www.example.com.", dns.TypeA, dnsq.Header{}))
	for _, text := range []string{"www.example.com. 60 IN CNAME web.example.com.", "web.example.com. 60 IN A 192.0.2.1", "web.example.com. 60 IN A 192.0.2.2"} {
		rr, err := dns.NewRR(text)
		if err != nil {
			tb.Fatal(err)
		}
		reply.Answer = append(reply.Answer, rr)
	}
	wire, err := reply.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	room := make([]byte, 512)
	return []hotpath.Path{
		{Name: "pack a question", Most: 5, Run: func() {
			if _, err := dnsq.NewQuery("www.example.com.", dns.TypeA, dnsq.Header{}).PackBuffer(room); err != nil {
				tb.Fatal(err)
			}
		}},
		{Name: "parse an answer", Most: 50, Bytes: len(wire), Run: func() {
			m := new(dns.Msg)
			if err := m.Unpack(wire); err != nil {
				tb.Fatal(err)
			}
			dnsq.NewResponse(m, dnsq.Server{}, dnsq.Timing{})
		}},
	}
}

func TestHotPathAllocations(t *testing.T) { hotpath.Check(t, hotPaths(t)) }

func BenchmarkHotPath(b *testing.B) { hotpath.Benchmark(b, hotPaths(b)) }
