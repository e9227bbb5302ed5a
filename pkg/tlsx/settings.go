package tlsx

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// settings are what an [Override] can change, in the form that is used.
type settings struct {
	versions     []uint16
	suites       []uint16      // up to TLS 1.2; nil for Go's choice
	suites13     []uint16      // nil for Go's choice
	groups       []tls.CurveID // empty for Go's choice
	verify       VerifyMode
	maxDepth     int
	preferServer bool
	level        int // OpenSSL's security level, -1 when not said
	warnings     []string
}

func defaultSettings(client bool) settings {
	s := settings{maxDepth: DefaultContextDepth, preferServer: !client, verify: VerifyNone, level: -1}
	s.versions, _, _ = MethodSet(nil).Versions()
	if client {
		s.verify = VerifyRequired
		s.suites = defaultClientSuites()
	}
	return s
}

// defaultClientSuites are the suites of OpenSSL's DEFAULT that Go has. They are
// spelt out because reading the cipher string takes longer than the rest of a
// context.
func defaultClientSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	}
}

// with returns s with the fields of o that are set.
func (s settings) with(o *Override) (settings, error) {
	if o.Verify != VerifyDefault {
		s.verify = o.Verify
	}
	if o.MaxDepth != 0 {
		s.maxDepth = o.MaxDepth
	}
	if len(o.Groups) > 0 {
		s.groups = o.Groups
	}
	if o.CipherOrder != OrderDefault {
		s.preferServer = o.CipherOrder == OrderServer
	}
	for _, set := range []func(*Override) error{s.setMethods, s.setCiphers, s.setCiphersuites} {
		if err := set(o); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *settings) setMethods(o *Override) error {
	if len(o.Methods) == 0 {
		return nil
	}
	versions, warning, err := o.Methods.Versions()
	if err != nil {
		return err
	}
	s.versions = versions
	if warning != "" {
		s.warnings = append(s.warnings, warning)
	}
	return nil
}

func (s *settings) setCiphers(o *Override) error {
	if o.Ciphers == "" {
		return nil
	}
	list, err := ParseCiphers(o.Ciphers)
	if list != nil && len(list.Unknown) > 0 {
		return newCipherError(o.Ciphers, fmt.Sprintf("unknown word %q", list.Unknown[0]))
	}
	if err != nil {
		return err
	}
	s.suites = list.Available()
	if len(s.suites) == 0 {
		return newCipherError(o.Ciphers, fmt.Sprintf("selects only suites that are not available in Go (%s)", someNames(list.Suites)))
	}
	if list.SecurityLevel >= 0 {
		s.level = list.SecurityLevel
	}
	if named := unavailableByName(o.Ciphers, list); named != "" {
		s.warnings = append(s.warnings, "cipher suites not available in Go: "+named)
	}
	return nil
}

func (s *settings) setCiphersuites(o *Override) error {
	ids, err := ParseCiphersuites(o.Ciphersuites)
	if err != nil || ids == nil {
		return err
	}
	s.suites13 = ids
	return nil
}

// A CipherError is about a cipher string with a word that means nothing, or
// with suites only that Go lacks.
type CipherError struct {
	Ciphers string   // the cipher string
	Reason  string   // what is wrong with it
	Known   []string // the suites up to TLS 1.2 that Go has
}

func newCipherError(ciphers, reason string) *CipherError {
	e := &CipherError{Ciphers: ciphers, Reason: reason}
	for _, c := range cipherTable() {
		if goHasSuite(c.id) {
			e.Known = append(e.Known, c.name)
		}
	}
	return e
}

// Error is the reason with all the suites that are known.
func (e *CipherError) Error() string {
	return fmt.Sprintf("cipher string %q: %s; known suites are %s", e.Ciphers, e.Reason, strings.Join(e.Known, ", "))
}

func someNames(suites []CipherSuite) string {
	const most = 4
	var names []string
	for i, s := range suites {
		if i == most {
			names = append(names, "...")
			break
		}
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// unavailableByName lists the suites that s spells out and Go lacks. What a
// word like HIGH selects besides is nobody's explicit wish.
func unavailableByName(s string, list *CipherList) string {
	words := strings.FieldsFunc(s, func(r rune) bool { return r < 128 && isSeparator(byte(r)) })
	var names []string
	for _, suite := range list.Suites {
		if suite.Available {
			continue
		}
		for _, w := range words {
			if w == suite.Name {
				names = append(names, w)
			}
		}
	}
	return strings.Join(names, ", ")
}

func (c *Context) makeTicketKey() error {
	_, err := rand.Read(c.ticketKey[:])
	return err
}

// loadPins brings the pins to the form of [Certificate.Pin].
func (c *Context) loadPins() error {
	for _, p := range c.cfg.Pins {
		pin, err := ParsePin(p)
		if err != nil {
			return err
		}
		c.pins = append(c.pins, pin)
	}
	return nil
}

// ParsePin reads the SHA-256 of a public key in base64 or hexadecimal (with or
// without colons), on its own or after "sha256:", "sha256//" (as curl writes it)
// or "sha256/", and returns it in the form of [Certificate.Pin].
func ParsePin(s string) (string, error) {
	for _, prefix := range []string{"", "sha256:", "sha256//", "sha256/"} {
		if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
			continue
		}
		digest := s[len(prefix):]
		if raw, err := hex.DecodeString(strings.ReplaceAll(digest, ":", "")); err == nil && len(raw) == sha256.Size {
			return base64.StdEncoding.EncodeToString(raw), nil
		}
		if raw, err := base64.StdEncoding.DecodeString(digest); err == nil && len(raw) == sha256.Size {
			return base64.StdEncoding.EncodeToString(raw), nil
		}
	}
	return "", fmt.Errorf("pin %q: not a SHA-256 digest in base64 or hexadecimal", s)
}
