package socket

import (
	"net/netip"
	"strconv"
	"strings"
	"sync"
)

// A Class says what an address is for, after the IANA registries of special
// purpose addresses and RFC 4291 section 2.4.
type Class struct {
	Name   string       `json:"name"`             // a word in kebab case, "global" for an ordinary public address
	Prefix netip.Prefix `json:"prefix"`           // the block that decides
	RFC    string       `json:"rfc"`              // where the block is defined: "RFC 1918"
	Global bool         `json:"global_reachable"` // whether packets to it may cross the internet
}

// blocks lists what the registries say, one block a line: prefix, name, RFC,
// and a + where the block is globally reachable.
const blocks = `
0.0.0.0/0           global               791  +
0.0.0.0/8           this-network         791
0.0.0.0/32          unspecified          1122
10.0.0.0/8          private              1918
100.64.0.0/10       shared               6598
127.0.0.0/8         loopback             1122
169.254.0.0/16      link-local           3927
172.16.0.0/12       private              1918
192.0.0.0/24        ietf-protocol        6890
192.0.0.0/29        ipv4-continuity      7335
192.0.0.8/32        dummy                7600
192.0.0.9/32        pcp-anycast          7723 +
192.0.0.10/32       turn-anycast         8155 +
192.0.0.170/31      nat64-discovery      7050
192.0.2.0/24        documentation        5737
192.31.196.0/24     as112                7535 +
192.52.193.0/24     amt                  7450 +
192.88.99.0/24      6to4-relay           7526
192.168.0.0/16      private              1918
192.175.48.0/24     as112                7534 +
198.18.0.0/15       benchmarking         2544
198.51.100.0/24     documentation        5737
203.0.113.0/24      documentation        5737
224.0.0.0/4         multicast            1112
240.0.0.0/4         reserved             1112
255.255.255.255/32  broadcast            919
::/0                reserved             4291
::/128              unspecified          4291
::1/128             loopback             4291
::/96               ipv4-compatible      4291
::ffff:0:0/96       ipv4-mapped          4291
64:ff9b::/96        nat64                6052 +
64:ff9b:1::/48      nat64-local          8215
100::/64            discard              6666
100:0:0:1::/64      dummy                9780
2000::/3            global               4291 +
2001::/23           ietf-protocol        2928
2001::/32           teredo               4380
2001:1::1/128       pcp-anycast          7723 +
2001:1::2/128       turn-anycast         8155 +
2001:1::3/128       srp-anycast          9665 +
2001:2::/48         benchmarking         5180
2001:3::/32         amt                  7450 +
2001:4:112::/48     as112                7535 +
2001:10::/28        orchid               4843
2001:20::/28        orchid               7343 +
2001:30::/28        drone-id             9374 +
2001:db8::/32       documentation        3849
2002::/16           6to4                 3056
2620:4f:8000::/48   as112                7534 +
3fff::/20           documentation        9637
5f00::/16           srv6                 9602
fc00::/7            private              4193
fe80::/10           link-local           4291
fec0::/10           site-local           3879
ff00::/8            multicast            4291
`

var classes = sync.OnceValue(func() []Class {
	var all []Class
	for line := range strings.Lines(blocks) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		all = append(all, Class{
			Prefix: netip.MustParsePrefix(f[0]),
			Name:   f[1],
			RFC:    "RFC " + f[2],
			Global: len(f) == 4,
		})
	}
	return all
})

// ClassOf returns the class of a: that of the longest block that holds it. An
// IPv4-mapped address is of the class "ipv4-mapped"; see [Embedded]. The zero
// Addr gives the zero Class.
func ClassOf(a netip.Addr) Class {
	var best Class
	a = a.WithZone("")
	for _, c := range classes() {
		if c.Prefix.Contains(a) && c.Prefix.Bits() >= best.Prefix.Bits() {
			best = c
		}
	}
	return best
}

// ClassNames returns every word that [Class] can have as its name.
func ClassNames() []string {
	var names []string
	seen := map[string]bool{}
	for _, c := range classes() {
		if !seen[c.Name] {
			seen[c.Name] = true
			names = append(names, c.Name)
		}
	}
	return names
}

// Embedded returns the IPv4 address inside an IPv6 address that is mapped (RFC
// 4291), compatible (RFC 4291), translated (RFC 6052), 6to4 (RFC 3056) or
// Teredo (RFC 4380 section 4: that of the client).
func Embedded(a netip.Addr) (v4 netip.Addr, ok bool) {
	if !a.Is6() {
		return v4, false
	}
	b := a.As16()
	switch ClassOf(a).Name {
	case "ipv4-mapped", "ipv4-compatible", "nat64":
		return netip.AddrFrom4([4]byte(b[12:])), true
	case "6to4":
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case "teredo":
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true
	}
	return v4, false
}

// ParsePrefix reads a block of addresses as "192.0.2.0/24" or "2001:db8::/32",
// or an address alone, which is a block of one. Bits beyond the length are
// cleared. Short, octal, hexadecimal and integer forms are refused: 10/8 means
// 0.0.0.10/8 to some programs and 10.0.0.0/8 to others. Errors are of type
// [*ParseError].
func ParsePrefix(s string) (netip.Prefix, error) {
	text, length, sized := strings.Cut(s, "/")
	fail := func(at int, reason, hint string) (netip.Prefix, error) {
		return netip.Prefix{}, &ParseError{"prefix", s, at, reason, hint}
	}
	l, err := ParseStrict(text)
	if err != nil {
		e := err.(*ParseError)
		return fail(e.Offset, e.Reason, e.Hint)
	}
	if l.Addr.Zone() != "" {
		return fail(strings.IndexByte(s, '%'), "a block has no scope id", "")
	}
	if !sized {
		return netip.PrefixFrom(l.Addr, l.Addr.BitLen()), nil
	}
	bits, ok := parseBits(length)
	if !ok || bits > l.Addr.BitLen() {
		return fail(len(text)+1, "the length is not a number up to "+strconv.Itoa(l.Addr.BitLen()), "")
	}
	return netip.PrefixFrom(l.Addr, bits).Masked(), nil
}

// parseBits reads one to three decimal digits without a leading zero.
func parseBits(s string) (bits int, ok bool) {
	if s == "" || len(s) > 3 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		bits = bits*10 + int(s[i]-'0')
	}
	return bits, true
}

// Contains reports whether block p holds a. The scope id of a does not count,
// and where p is an IPv4 block an IPv4-mapped address counts as the address it
// stands for, which is how a socket of both families reports its peers.
func Contains(p netip.Prefix, a netip.Addr) bool {
	a = a.WithZone("")
	if p.Addr().Is4() {
		a = a.Unmap()
	}
	return p.Contains(a)
}
