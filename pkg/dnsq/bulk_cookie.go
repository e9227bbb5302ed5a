package dnsq

import (
	"bytes"
	crand "crypto/rand"
	"encoding/binary"

	"github.com/miekg/dns"
)

// Octets of cookies (RFC 7873 section 4).
const (
	clientCookieSize = clientCookieLen / 2
	minServerCookie  = 8
	maxCookie        = clientCookieSize + 32
)

// newCookie draws the cookie of ours for s.
func (s *bulkServer) newCookie() {
	cookie := make([]byte, clientCookieSize)
	_, _ = crand.Read(cookie) // never fails
	s.setCookie(cookie)
}

// setCookie puts cookie into the OPT record of questions to s.
func (s *bulkServer) setCookie(cookie []byte) {
	s.cookie = bytes.Clone(cookie)
	s.opt = appendOption(bytes.Clone(s.bare), dns.EDNS0COOKIE, s.cookie)
	setOptionsLen(s.opt)
}

// cookieFits reports whether the cookie in msg, if any, belongs to ours, and
// learns the server's part (RFC 7873 section 5.3).
func (s *bulkServer) cookieFits(msg []byte) bool {
	if len(s.cookie) == 0 {
		return true
	}
	got, _ := wireCookie(msg)
	if len(got) == 0 || bytes.Equal(got, s.cookie) {
		return true
	}
	n := len(got)
	if n < clientCookieSize || n > maxCookie || n > clientCookieSize && n < clientCookieSize+minServerCookie ||
		!bytes.Equal(got[:clientCookieSize], s.cookie[:clientCookieSize]) {
		return false
	}
	if n > clientCookieSize {
		s.setCookie(got)
	}
	return true
}

// wireCookie is the cookie in the OPT record of msg, and the upper octet of its
// rcode; empty and zero without.
func wireCookie(msg []byte) (cookie []byte, extended byte) {
	wireRecords(msg, func(rr wireRR) {
		if rr.typ != dns.TypeOPT || msg[rr.owner] != 0 {
			return
		}
		extended = byte(rr.ttl >> 24)
		for data := msg[rr.data:rr.end]; len(data) >= optionHead; {
			end := optionHead + int(binary.BigEndian.Uint16(data[2:]))
			if end > len(data) {
				return
			}
			if binary.BigEndian.Uint16(data) == dns.EDNS0COOKIE {
				cookie = data[optionHead:end]
			}
			data = data[end:]
		}
	})
	return cookie, extended
}

// wireBadCookie reports whether msg says BADCOOKIE. Its rcode has two octets, of
// which the header holds half of one.
func wireBadCookie(msg []byte) bool {
	if msg[3]&0xf != dns.RcodeBadCookie&0xf {
		return false
	}
	_, extended := wireCookie(msg)
	return extended == dns.RcodeBadCookie>>4
}
