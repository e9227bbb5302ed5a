package dnsq

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// rootHints are the servers of the root zone and their addresses, as IANA
// publishes them in https://www.internic.net/domain/named.root. The letter stands
// for LETTER.root-servers.net.
const rootHints = `a 198.41.0.4 2001:503:ba3e::2:30
b 170.247.170.2 2801:1b8:10::b
c 192.33.4.12 2001:500:2::c
d 199.7.91.13 2001:500:2d::d
e 192.203.230.10 2001:500:a8::e
f 192.5.5.241 2001:500:2f::f
g 192.112.36.4 2001:500:12::d0d
h 198.97.190.53 2001:500:1::53
i 192.36.148.17 2001:7fe::53
j 192.58.128.30 2001:503:c27::2:30
k 193.0.14.129 2001:7fd::1
l 199.7.83.42 2001:500:9f::42
m 202.12.27.33 2001:dc3::35`

// A Delegation is the servers of a zone.
type Delegation struct {
	Zone    string       // absolute
	Servers []NameServer // in the order found
}

// A NameServer is one server of a zone.
type NameServer struct {
	Name  string       `json:"name"`
	Addrs []netip.Addr `json:"addresses"` // known ones; empty when they have to be looked up
}

// Bounds of a file of root hints: octets, and records.
const (
	maxHintsFile = 1 << 20
	maxHints     = 1024
)

// RootHints returns the servers of the root zone that are built in.
func RootHints() Delegation {
	d := Delegation{Zone: "."}
	for line := range strings.Lines(rootHints) {
		fields := strings.Fields(line)
		ns := NameServer{Name: fields[0] + ".root-servers.net."}
		for _, a := range fields[1:] {
			ns.Addrs = append(ns.Addrs, netip.MustParseAddr(a))
		}
		d.Servers = append(d.Servers, ns)
	}
	return d
}

// ParseHints reads root hints: NS records of the root and A and AAAA records of
// their targets, as in a zone file. A server without address, and an input
// without any server, are errors.
func ParseHints(r io.Reader) (Delegation, error) {
	z := dns.NewZoneParser(io.LimitReader(r, maxHintsFile), ".", "")
	z.SetDefaultTTL(3600)
	var ns, glue []dns.RR
	for rr, ok := z.Next(); ok; rr, ok = z.Next() {
		if len(ns)+len(glue) == maxHints {
			return Delegation{}, fmt.Errorf("root hints: more than %d records", maxHints)
		}
		if rr.Header().Rrtype == dns.TypeNS && rr.Header().Name == "." {
			ns = append(ns, rr)
		} else {
			glue = append(glue, rr)
		}
	}
	if err := z.Err(); err != nil {
		return Delegation{}, fmt.Errorf("root hints: %w", err)
	}
	d := delegationFrom(".", ns, glue, ".")
	if len(d.Servers) == 0 {
		return Delegation{}, fmt.Errorf("root hints: no NS record of the root")
	}
	for _, s := range d.Servers {
		if len(s.Addrs) == 0 {
			return Delegation{}, fmt.Errorf("root hints: no address of %s", s.Name)
		}
	}
	return d, nil
}

// delegationFrom makes a delegation of NS records. Addresses count only for names
// at or below bailiwick, the zone whose server has given them: others may be forged.
func delegationFrom(zone string, ns, glue []dns.RR, bailiwick string) Delegation {
	d := Delegation{Zone: zone}
	for _, rr := range ns {
		target, ok := rr.(*dns.NS)
		if !ok || len(d.Servers) == maxNameServers {
			continue
		}
		s := NameServer{Name: dns.CanonicalName(target.Ns), Addrs: []netip.Addr{}}
		if dns.IsSubDomain(bailiwick, s.Name) {
			s.Addrs = append(s.Addrs, hostAddrs(glue, s.Name)...)
		}
		d.Servers = append(d.Servers, s)
	}
	return d
}

// hostAddrs are the addresses of name in rrs, without repetition and at most 8.
func hostAddrs(rrs []dns.RR, name string) []netip.Addr {
	var addrs []netip.Addr
	for _, rr := range rrs {
		var a netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			a, _ = netip.AddrFromSlice(rr.A.To4())
		case *dns.AAAA:
			a, _ = netip.AddrFromSlice(rr.AAAA.To16())
		}
		if a.IsValid() && strings.EqualFold(rr.Header().Name, name) && !slices.Contains(addrs, a) && len(addrs) < 8 {
			addrs = append(addrs, a)
		}
	}
	return addrs
}
