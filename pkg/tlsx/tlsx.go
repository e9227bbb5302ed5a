// Package tlsx speaks TLS and judges certificates as OpenSSL would, with Go's
// cryptography.
//
// A [Context] holds what many connections share (methods, cipher lists,
// certificate, trust) and makes streams out of connections:
//
//	c, err := tlsx.NewClientContext(tlsx.Config{ServerName: "example.com"})
//	if err != nil {
//		return err
//	}
//	s, err := c.Client(conn, tlsx.Override{})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	err = s.Handshake(ctx)
//
// Verification results carry OpenSSL's numbers and texts (X509_V_...).
package tlsx

import (
	"fmt"
	"runtime"
	"strings"
)

// A VerifyMode says what a missing or bad certificate of the peer means.
type VerifyMode int

// The verify modes. The client of a TLS connection always gets a certificate,
// so for it VerifyOptional and VerifyRequired are the same.
const (
	// VerifyDefault is VerifyRequired for a client and VerifyNone for a server.
	VerifyDefault VerifyMode = iota
	// VerifyNone verifies what the peer sends, keeps the result and goes on.
	// A server asks for no certificate.
	VerifyNone
	// VerifyOptional verifies the certificate if the peer sends one, and ends
	// the handshake when it is bad.
	VerifyOptional
	// VerifyRequired ends the handshake when the certificate is bad or missing.
	VerifyRequired
)

func verifyModeNames() []string { return []string{"default", "none", "optional", "required"} }

// String returns "default", "none", "optional" or "required".
func (m VerifyMode) String() string { return enumName(verifyModeNames(), int(m)) }

// MarshalText returns the word of [VerifyMode.String].
func (m VerifyMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText accepts the words of [VerifyMode.String].
func (m *VerifyMode) UnmarshalText(text []byte) error {
	n, err := enumValue("verify mode", verifyModeNames(), string(text))
	*m = VerifyMode(n)
	return err
}

// A CRLCheck says which certificates of a chain are looked up in a revocation
// list. Where a check is on, a certificate without a usable list fails (code 3).
type CRLCheck int

// The revocation checks.
const (
	CRLOff  CRLCheck = iota // no revocation lists
	CRLLeaf                 // the certificate of the peer only
	CRLAll                  // every certificate of the chain
)

func crlCheckNames() []string { return []string{"off", "leaf", "all"} }

// String returns "off", "leaf" or "all".
func (c CRLCheck) String() string { return enumName(crlCheckNames(), int(c)) }

// MarshalText returns the word of [CRLCheck.String].
func (c CRLCheck) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts the words of [CRLCheck.String].
func (c *CRLCheck) UnmarshalText(text []byte) error {
	n, err := enumValue("CRL check", crlCheckNames(), string(text))
	*c = CRLCheck(n)
	return err
}

func enumName(names []string, n int) string {
	if n < 0 || n >= len(names) {
		return fmt.Sprintf("unknown(%d)", n)
	}
	return names[n]
}

func enumValue(what string, names []string, s string) (int, error) {
	for i, name := range names {
		if strings.EqualFold(name, s) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%s %q: not one of %s", what, s, strings.Join(names, ", "))
}

// Version names the TLS implementation and its version.
func Version() string { return "Go crypto/tls " + strings.TrimPrefix(runtime.Version(), "go") }
