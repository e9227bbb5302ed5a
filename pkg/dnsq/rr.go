package dnsq

import (
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// An RR is a resource record.
type RR struct {
	Name     string `json:"name"` // presentation form, absolute
	Type     string `json:"type"`
	TypeCode uint16 `json:"type_code"`
	Class    string `json:"class"`
	TTL      uint32 `json:"ttl"`
	Data     string `json:"data"`  // the data in the presentation form of zone files
	Rdata    Rdata  `json:"rdata"` // the data field by field

	rr dns.RR
}

// NewRR takes rr apart. It keeps rr: see [RR.Raw].
func NewRR(rr dns.RR) RR {
	h := rr.Header()
	return RR{
		Name: nameText(h.Name), Type: TypeName(h.Rrtype), TypeCode: h.Rrtype, Class: ClassName(h.Class),
		TTL: h.Ttl, Data: dataText(rr), Rdata: rdataOf(rr), rr: rr,
	}
}

// NewRRs takes the records rrs apart, without OPT records. The result is never nil.
func NewRRs(rrs []dns.RR) []RR {
	list := make([]RR, 0, len(rrs))
	for _, rr := range rrs {
		if rr.Header().Rrtype != dns.TypeOPT {
			list = append(list, NewRR(rr))
		}
	}
	return list
}

// Raw is the record of the DNS library. It must not be changed.
func (r RR) Raw() dns.RR { return r.rr }

// String is the record as a line of a zone file, fields separated by tabs.
func (r RR) String() string {
	return escapeText(r.Name) + "\t" + strconv.FormatUint(uint64(r.TTL), 10) + "\t" + r.Class + "\t" + r.Type + "\t" + r.Data
}

// dataText is the data of rr in presentation form.
func dataText(rr dns.RR) string {
	s := rr.String()
	// Owner, TTL, class and type: names hold no tab, it is escaped as \009.
	for range 4 {
		i := strings.IndexByte(s, '\t')
		if i < 0 {
			return ""
		}
		s = s[i+1:]
	}
	return escapeText(nameText(strings.TrimSuffix(s, " "))) // which unknown types without data have
}

// escapedSpace is how a space in a name is written: the form of the DNS library, a
// backslash and the space, falls apart where text is split into words.
const escapedSpace = `\032`

// nameText is a name of the DNS library, or text with names, for output.
func nameText(s string) string {
	if !strings.Contains(s, `\ `) {
		return s
	}
	b := make([]byte, 0, len(s)+len(escapedSpace))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b = append(b, s[i])
		case s[i+1] == ' ':
			b = append(b, escapedSpace...)
			i++
		default:
			b = append(b, s[i], s[i+1])
			i++
		}
	}
	return string(b)
}
