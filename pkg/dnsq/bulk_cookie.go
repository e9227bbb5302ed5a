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

// cookieFits reports whether the cookie in the OPT record opt of msg, if any,
// belongs to ours, and learns the server's part (RFC 7873 section 5.3).
func (s *bulkServer) cookieFits(msg []byte, opt wireRR) bool {
	if len(s.cookie) == 0 || opt.end == 0 {
		return true
	}
	got := wireCookie(msg[opt.data:opt.end])
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

// wireCookie is the cookie among the EDNS options, empty without.
func wireCookie(options []byte) []byte {
	for len(options) >= optionHead {
		end := optionHead + int(binary.BigEndian.Uint16(options[2:]))
		switch {
		case end > len(options):
			return nil
		case binary.BigEndian.Uint16(options) == dns.EDNS0COOKIE:
			return options[optionHead:end]
		}
		options = options[end:]
	}
	return nil
}

// wireBadCookie reports whether msg says BADCOOKIE. Its rcode has two parts: four
// bits in the header and eight in the OPT record (RFC 6891 section 6.1.3).
func wireBadCookie(msg []byte, opt wireRR) bool {
	return int(opt.ttl>>24)<<4|int(msg[3]&0xf) == dns.RcodeBadCookie
}
