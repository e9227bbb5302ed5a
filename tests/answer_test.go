package tests

import (
	"strings"

	"github.com/miekg/dns"
)

// answerA makes the reply to a question for an address in zone, or nil.
func answerA(query []byte, zone map[string]string) []byte {
	q := new(dns.Msg)
	if q.Unpack(query) != nil || len(q.Question) != 1 {
		return nil
	}
	r := new(dns.Msg).SetReply(q)
	name := q.Question[0].Name
	rr, err := dns.NewRR(name + " 60 IN A " + zone[strings.ToLower(name)])
	if err != nil {
		return nil
	}
	r.Answer = []dns.RR{rr}
	reply, err := r.Pack()
	if err != nil {
		return nil
	}
	return reply
}
