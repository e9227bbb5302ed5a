package dnsq

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A TSIG is a key shared with a server that signs messages (RFC 8945).
type TSIG struct {
	Name      string // of the key
	Algorithm string // hmac-sha256, ...; empty means hmac-sha256
	Secret    string // base64
}

// tsigFudge is how far the clocks may differ, in seconds (RFC 8945 section 10).
const tsigFudge = 300

// ParseTSIG reads a key as dig -y has it: [ALGORITHM:]NAME:SECRET.
func ParseTSIG(s string) (TSIG, error) {
	parts := strings.Split(s, ":")
	t := TSIG{Algorithm: "hmac-sha256"}
	switch len(parts) {
	case 2:
		t.Name, t.Secret = parts[0], parts[1]
	case 3:
		t.Algorithm, t.Name, t.Secret = strings.ToLower(parts[0]), parts[1], parts[2]
	default:
		return TSIG{}, errors.New("a TSIG key is [ALGORITHM:]NAME:SECRET")
	}
	return t, t.check()
}

// check says what is wrong with a key, never showing its secret.
func (t TSIG) check() error {
	if _, err := tsigAlgorithm(t.Algorithm); err != nil {
		return err
	}
	if b, err := base64.StdEncoding.DecodeString(t.Secret); err != nil || len(b) == 0 { // line breaks alone are base64 too
		return errors.New("the secret of a TSIG key must be base64")
	}
	_, err := AbsoluteName(t.Name)
	return err
}

// tsigAlgorithm is the domain name of an algorithm.
func tsigAlgorithm(name string) (string, error) {
	switch name = strings.TrimSuffix(strings.ToLower(name), "."); name {
	case "":
		return dns.HmacSHA256, nil
	case "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512":
		return name + ".", nil
	}
	return "", fmt.Errorf("TSIG algorithm %q is not one of hmac-sha256, hmac-sha224, hmac-sha384, hmac-sha512, hmac-sha1", name)
}

// sign packs m with a TSIG record and returns its MAC.
func (t TSIG) sign(m *dns.Msg) (wire []byte, mac string, err error) {
	if err := t.check(); err != nil {
		return nil, "", err
	}
	alg, err := tsigAlgorithm(t.Algorithm)
	if err != nil {
		return nil, "", err
	}
	m.SetTsig(dns.CanonicalName(t.Name), alg, tsigFudge, time.Now().Unix())
	return dns.TsigGenerate(m, t.Secret, "", false)
}

// checkTSIG verifies the signature of the reply b, parsed into m. A server that
// does not know the key answers NOTAUTH unsigned (RFC 8945 section 5.2.1): that
// passes, it is no answer.
func (q *question) checkTSIG(b []byte, m *dns.Msg) error {
	if q.tsig == nil {
		return nil
	}
	t := m.IsTsig()
	if m.Rcode == dns.RcodeNotAuth && (t == nil || t.MACSize == 0) {
		return nil
	}
	if t == nil {
		return errors.New("not signed with TSIG")
	}
	if !strings.EqualFold(t.Hdr.Name, dns.Fqdn(q.tsig.Name)) {
		return fmt.Errorf("signed with another TSIG key: %s", t.Hdr.Name)
	}
	if err := dns.TsigVerify(b, q.tsig.Secret, q.mac, false); err != nil {
		return fmt.Errorf("TSIG: %w", err)
	}
	return nil
}
