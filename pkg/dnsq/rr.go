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
		Name: h.Name, Type: TypeName(h.Rrtype), TypeCode: h.Rrtype, Class: ClassName(h.Class),
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
	return escapeText(s)
}
