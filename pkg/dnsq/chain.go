package dnsq

import (
	"strings"

	"github.com/miekg/dns"
)

// maxAliases bounds the aliases followed in one reply. Resolvers give up at 8 to 16.
const maxAliases = 16

// A chain is the part of an answer section that answers its question.
type chain struct {
	aliases []dns.RR // the CNAME records followed, in order
	records []dns.RR // the records of the type asked for at the end
	target  string   // the name at the end, lower case
	loop    bool     // the aliases come back to a name already seen
}

// answerChain picks out of m what answers its one question. Records that no
// chain of aliases leads to are left out: they may be forged, or from a
// confused server.
func answerChain(m *dns.Msg) chain {
	q := m.Question[0]
	c := chain{target: dns.CanonicalName(q.Name)}
	seen := map[string]bool{}
	for len(c.aliases) <= maxAliases {
		c.records = recordsAt(m.Answer, c.target, q.Qtype, q.Qclass)
		if len(c.records) > 0 {
			return c
		}
		if seen[c.target] {
			c.loop = true
			return c
		}
		seen[c.target] = true
		alias := aliasAt(m.Answer, c.target, q.Qclass)
		if alias == nil {
			return c
		}
		c.aliases = append(c.aliases, alias)
		c.target = dns.CanonicalName(alias.Target)
	}
	c.loop = true
	return c
}

// recordsAt are the records of rrs with this owner (lower case), type and class.
func recordsAt(rrs []dns.RR, name string, qtype, class uint16) []dns.RR {
	var found []dns.RR
	for _, rr := range rrs {
		h := rr.Header()
		typed := h.Rrtype == qtype || qtype == dns.TypeANY
		if typed && (h.Class == class || class == dns.ClassANY) && strings.EqualFold(h.Name, name) {
			found = append(found, rr)
		}
	}
	return found
}

// aliasAt is the CNAME record at name, nil when there is none.
func aliasAt(rrs []dns.RR, name string, class uint16) *dns.CNAME {
	for _, rr := range recordsAt(rrs, name, dns.TypeCNAME, class) {
		if c, ok := rr.(*dns.CNAME); ok {
			return c
		}
	}
	return nil
}
