package dnsq

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

const clientCookieLen = 16 // hexadecimal digits of 8 octets (RFC 7873 section 4)

// serverState is what a client remembers about a server.
type serverState struct {
	noEDNS       bool   // answers FORMERR to queries with an OPT record
	takesEDNS    bool   // has replied to a query with one
	silent       bool   // the last query with one got no reply
	dropsEDNS    bool   // never replied to one, but to a query without
	clientCookie string // hexadecimal
	serverCookie string // hexadecimal, empty until the server gave one
}

// without reports whether q has to do without its OPT record. That a server drops
// such questions is a guess: what asks for DNSSEC records is not changed by it.
func (s serverState) without(q *dns.Msg) bool {
	return s.noEDNS || s.dropsEDNS && !wantsDNSSEC(q)
}

// wantsDNSSEC reports whether q asks for DNSSEC records (RFC 3225).
func wantsDNSSEC(q *dns.Msg) bool {
	opt := q.IsEdns0()
	return opt != nil && opt.Do()
}

// addCookie puts the cookie option into the OPT record of m and returns the
// client part. Without OPT record it does nothing.
func (s *serverState) addCookie(m *dns.Msg) string {
	opt := m.IsEdns0()
	if opt == nil {
		return ""
	}
	if s.clientCookie == "" {
		b := make([]byte, clientCookieLen/2)
		_, _ = rand.Read(b) // never fails
		s.clientCookie = hex.EncodeToString(b)
	}
	opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: s.clientCookie + s.serverCookie})
	return s.clientCookie
}

// cookieOf is the cookie in the OPT record of m, empty when there is none.
func cookieOf(m *dns.Msg) string {
	opt := m.IsEdns0()
	if opt == nil {
		return ""
	}
	for _, o := range opt.Option {
		if c, ok := o.(*dns.EDNS0_COOKIE); ok {
			return strings.ToLower(c.Cookie)
		}
	}
	return ""
}

// checkCookie refuses a reply that carries another client cookie than ours (RFC
// 7873 section 5.3). A reply without cookie is accepted: the server may not know them.
func (q *question) checkCookie(m *dns.Msg) error {
	got := cookieOf(m)
	if q.cookie == "" || got == "" {
		return nil
	}
	// RFC 7873 section 4: 8 octets of ours, 8 to 32 of the server's.
	if n := len(got); n < 16 || n > 80 || n > 16 && n < 32 || got[:clientCookieLen] != q.cookie {
		return errors.New("another cookie than ours")
	}
	return nil
}

// checkSubnet refuses a reply that echoes another client subnet than ours (RFC
// 7871 section 7.3). A reply without the option is accepted: the server may not
// know it.
func (q *question) checkSubnet(m *dns.Msg) error {
	sent, got := subnetOf(q.msg), subnetOf(m)
	if sent == nil || got == nil {
		return nil
	}
	if got.Family != sent.Family || got.SourceNetmask != sent.SourceNetmask || !got.Address.Equal(sent.Address) {
		return fmt.Errorf("the client subnet is %s/%d", got.Address, got.SourceNetmask)
	}
	return nil
}

// subnetOf is the client subnet option of m, nil when there is none.
func subnetOf(m *dns.Msg) *dns.EDNS0_SUBNET {
	opt := m.IsEdns0()
	if opt == nil {
		return nil
	}
	for _, o := range opt.Option {
		if s, ok := o.(*dns.EDNS0_SUBNET); ok {
			return s
		}
	}
	return nil
}
