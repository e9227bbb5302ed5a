package dnsq

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// maxUnsigned is the most messages in a row without signature (RFC 8945 section 5.3.1).
const maxUnsigned = 99

// tsigStream verifies the messages of a transfer, of which the first, the last
// and at least every hundredth are signed; a signature covers the unsigned
// messages before it. It is hashed here because the DNS library takes only
// signed messages.
type tsigStream struct {
	key      TSIG
	mac      string    // of the message signed last, in hexadecimal
	messages int       // so far
	unsigned int       // since the one signed last
	pending  hash.Hash // over what the next signature covers so far; nil at its beginning
}

// message takes up the next message.
func (s *tsigStream) message(b []byte) error {
	sig, end, err := findTSIG(b)
	if err != nil {
		return err
	}
	s.messages++
	if s.messages == 1 {
		return s.first(b, sig)
	}
	h, err := s.digest()
	if err != nil {
		return err
	}
	if sig == nil {
		if s.unsigned++; s.unsigned > maxUnsigned {
			return fmt.Errorf("more than %d messages without TSIG", maxUnsigned)
		}
		_, _ = h.Write(b) // a hash takes everything
		return nil
	}
	return s.signed(b, sig, end, h)
}

// first verifies the first message, which is signed like any reply.
func (s *tsigStream) first(b []byte, sig *dns.TSIG) error {
	if sig == nil {
		if int(b[3]&0xf) == dns.RcodeNotAuth { // an unknown key cannot sign (RFC 8945 section 5.2.1)
			return nil
		}
		return errors.New("not signed with TSIG")
	}
	if !strings.EqualFold(sig.Hdr.Name, dns.Fqdn(s.key.Name)) {
		return fmt.Errorf("signed with another TSIG key: %s", escapeText(sig.Hdr.Name))
	}
	if sig.MACSize == 0 && int(b[3]&0xf) == dns.RcodeNotAuth {
		return nil
	}
	if err := dns.TsigVerify(b, s.key.Secret, s.mac, false); err != nil {
		return fmt.Errorf("TSIG: %w", err)
	}
	s.mac = sig.MAC
	return nil
}

// digest is the hash the next signature is checked with. It begins with the
// signature before.
func (s *tsigStream) digest() (hash.Hash, error) {
	if s.pending != nil {
		return s.pending, nil
	}
	secret, err := base64.StdEncoding.DecodeString(s.key.Secret)
	if err != nil {
		return nil, err
	}
	alg, err := tsigAlgorithm(s.key.Algorithm)
	if err != nil {
		return nil, err
	}
	h := hmac.New(tsigHash(alg), secret)
	mac, err := hex.DecodeString(s.mac)
	if err != nil {
		return nil, err
	}
	_, _ = h.Write(binary.BigEndian.AppendUint16(nil, uint16(len(mac))))
	_, _ = h.Write(mac)
	s.pending = h
	return h, nil
}

// signed verifies a signed message that is not the first: it is hashed without
// its TSIG record, which begins at end, and with the time of that.
func (s *tsigStream) signed(b []byte, sig *dns.TSIG, end int, h hash.Hash) error {
	if !strings.EqualFold(sig.Hdr.Name, dns.Fqdn(s.key.Name)) {
		return fmt.Errorf("signed with another TSIG key: %s", escapeText(sig.Hdr.Name))
	}
	header := append([]byte(nil), b[:headerSize]...)
	binary.BigEndian.PutUint16(header, sig.OrigId)
	binary.BigEndian.PutUint16(header[10:], binary.BigEndian.Uint16(b[10:])-1)
	_, _ = h.Write(header)
	_, _ = h.Write(b[headerSize:end])
	timers := binary.BigEndian.AppendUint64(nil, sig.TimeSigned<<16|uint64(sig.Fudge)) // 48 and 16 bits
	_, _ = h.Write(timers)
	mac, err := hex.DecodeString(sig.MAC)
	if err != nil || !hmac.Equal(mac, h.Sum(nil)) {
		return fmt.Errorf("TSIG: %w", dns.ErrSig)
	}
	if off := time.Since(time.Unix(int64(sig.TimeSigned), 0)).Abs(); off > time.Duration(sig.Fudge)*time.Second {
		return fmt.Errorf("TSIG: %w", dns.ErrTime)
	}
	s.mac, s.unsigned, s.pending = sig.MAC, 0, nil
	return nil
}

// finished reports whether the last message was signed.
func (s *tsigStream) finished() error {
	if s.unsigned > 0 {
		return &InvalidReplyError{1, "the last message is not signed with TSIG"}
	}
	return nil
}

// findTSIG is the TSIG record at the end of b and its offset; nil when there is none.
func findTSIG(b []byte) (*dns.TSIG, int, error) {
	if len(b) < headerSize || !wireWellFormed(b) {
		return nil, 0, errors.New("malformed message")
	}
	off := wireQuestionEnd(b)
	n := wireCount(b)
	var last wireRR
	for range n {
		last, _ = wireRecord(b, off)
		off = last.end
	}
	if n == 0 || last.typ != dns.TypeTSIG || binary.BigEndian.Uint16(b[10:]) == 0 {
		return nil, 0, nil
	}
	if off != len(b) {
		return nil, 0, errors.New("octets after the TSIG record")
	}
	rr, _, err := dns.UnpackRR(b, last.owner)
	sig, ok := rr.(*dns.TSIG)
	if err != nil || !ok {
		return nil, 0, fmt.Errorf("malformed TSIG record: %w", err)
	}
	return sig, last.owner, nil
}

// tsigHash is the hash of an algorithm that [tsigAlgorithm] knows.
func tsigHash(alg string) func() hash.Hash {
	switch alg {
	case dns.HmacSHA1:
		return sha1.New
	case dns.HmacSHA224:
		return sha256.New224
	case dns.HmacSHA384:
		return sha512.New384
	case dns.HmacSHA512:
		return sha512.New
	}
	return sha256.New
}
