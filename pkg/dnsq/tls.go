package dnsq

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
)

// A HandshakeError reports that TLS or QUIC could not be set up with a server.
// The cause tells a certificate that does not verify from the rest.
type HandshakeError struct {
	Server string // as [Server.String]
	Err    error
}

func (e *HandshakeError) Error() string { return "TLS handshake: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// A PinError reports that no certificate of the server has a pinned key.
type PinError struct {
	Got []string // SHA-256 digests (base64) of the keys the server showed
}

func (e *PinError) Error() string {
	return fmt.Sprintf("the key of the server is not a pinned one: it is %s", e.Got[0])
}

// handshakeError wraps err unless it says that time ran out or the connection broke.
func handshakeError(server Server, err error) error {
	if isTimeout(err) {
		return err
	}
	return &HandshakeError{server.String(), err}
}

// tlsConfig is the configuration for one server.
func (c *Client) tlsConfig(server Server, alpn ...string) *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLSConfig != nil {
		cfg = c.TLSConfig.Clone()
	}
	if cfg.ServerName == "" || server.ServerName != "" {
		cfg.ServerName = server.tlsName()
	}
	cfg.NextProtos = alpn
	if len(server.Pins) > 0 {
		cfg.VerifyConnection = pinVerifier(server.Pins, cfg.VerifyConnection)
	}
	return cfg
}

// pinVerifier checks that a certificate the server showed has one of the keys
// pins, after next, when that is not nil, agreed.
func pinVerifier(pins []string, next func(tls.ConnectionState) error) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if next != nil {
			if err := next(state); err != nil {
				return err
			}
		}
		var got []string
		for _, cert := range state.PeerCertificates {
			pin := SPKIPin(cert)
			if slices.Contains(pins, pin) {
				return nil
			}
			got = append(got, pin)
		}
		if len(got) == 0 {
			return errors.New("the server showed no certificate")
		}
		return &PinError{got}
	}
}

// SPKIPin is the SHA-256 digest of the public key of cert, in base64 (RFC 7858 section 4.2).
func SPKIPin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}
