package tlsx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ErrPin is wrapped by errors about a certificate with another key than the
// pinned ones.
var ErrPin = errors.New("the peer's key is not the pinned one")

// verifyConnection is called by crypto/tls at the end of every handshake, also
// of a resumed one.
func (c *Conn) verifyConnection(cs tls.ConnectionState) error {
	if !slices.Contains(c.set.versions, cs.Version) {
		return fmt.Errorf("tls: server chose a protocol version that was not asked for: %s", VersionName(cs.Version))
	}
	c.peerMu.Lock()
	defer c.peerMu.Unlock()
	c.setPeer(cs)
	if len(c.chain) == 0 {
		return c.judgeNothing()
	}
	if err := c.checkPin(); err != nil {
		return err
	}
	if c.set.verify == VerifyNone {
		return nil // judged when somebody asks
	}
	return c.judge().Err()
}

// judgeNothing is the verdict on a peer without certificate. crypto/tls has
// refused a client without one where it is required, and servers always; but a
// session from a file is only as good as the file.
func (c *Conn) judgeNothing() error {
	switch {
	case len(c.ctx.pins) > 0:
		return fmt.Errorf("%w: it sent no certificate", ErrPin)
	case c.client && c.set.verify != VerifyNone:
		return errors.New("tls: the server has no certificate")
	}
	return nil
}

// setPeer keeps what the peer sent to prove who it is. The caller holds peerMu.
func (c *Conn) setPeer(cs tls.ConnectionState) {
	c.chain, c.staple, c.peer, c.verdict = nil, cs.OCSPResponse, nil, nil
	for _, cert := range cs.PeerCertificates {
		c.chain = append(c.chain, cert.Raw)
	}
}

// judgeECHRejection gives our verdict where crypto/tls's ended the handshake: when
// a server does not take our ECH, its certificate must be for the public name, or
// anybody on the way could have us give the hidden one away (RFC 9849, section
// 6.1.7). There is no way to put our verification in its place, as
// EncryptedClientHelloRejectionVerify is not shown the certificates.
func (c *Conn) judgeECHRejection(err error) error {
	var rejected *tls.CertificateVerificationError
	if !errors.As(err, &rejected) {
		return err
	}
	cs := c.tc.ConnectionState()
	cs.PeerCertificates = rejected.UnverifiedCertificates
	c.peerMu.Lock()
	defer c.peerMu.Unlock()
	c.setPeer(cs)
	o := c.verifyOptions()
	o.Hostname, o.IP = cs.ServerName, netip.Addr{}
	c.verdict = c.verifyBy(o, c.chain)
	if verdict := c.verdict.Err(); verdict != nil {
		return verdict
	}
	return err
}

func (c *Conn) checkPin() error {
	if len(c.ctx.pins) == 0 {
		return nil
	}
	peer, err := c.leaf()
	if err != nil {
		return err
	}
	if pin := peer.Pin(); !slices.Contains(c.ctx.pins, pin) {
		return fmt.Errorf("%w: it is sha256:%s", ErrPin, pin)
	}
	return nil
}

// leaf returns the parsed certificate of the peer. The caller holds peerMu.
func (c *Conn) leaf() (*Certificate, error) {
	if c.peer != nil || len(c.chain) == 0 {
		return c.peer, nil
	}
	peer, err := ParseCertificate(c.chain[0])
	c.peer = peer
	return peer, err
}

// judge verifies the chain once. The caller holds peerMu.
func (c *Conn) judge() *VerifyResult {
	if c.verdict == nil {
		c.verdict = c.verify(c.chain)
	}
	return c.verdict
}

func (c *Conn) verify(chain [][]byte) *VerifyResult { return c.verifyBy(c.verifyOptions(), chain) }

func (c *Conn) verifyBy(o VerifyOptions, chain [][]byte) *VerifyResult {
	var err error
	if o.Roots, err = c.ctx.roots(); err != nil {
		return failedResult(CodeUnspecified, err.Error())
	}
	r := Verify(chain, o)
	if len(c.ctx.cfg.Allow) > 0 {
		r.Allow(c.ctx.cfg.Allow...)
	}
	return r
}

// Judge verifies a chain that came another way, by [ProbeRaw] say, as if the
// peer of this connection had sent it. That proves nothing about the peer.
func (c *Conn) Judge(chain [][]byte) *VerifyResult {
	c.peerMu.Lock()
	defer c.peerMu.Unlock()
	return c.verify(chain)
}

func (c *Conn) verifyOptions() VerifyOptions {
	o := c.ctx.cfg.Options
	o.CRLs = slices.Concat(o.CRLs, c.ctx.crls)
	o.CRLCheck = c.ctx.cfg.CRLCheck
	o.MaxDepth = c.set.maxDepth
	switch {
	case c.set.level == 0:
		o.SecurityLevel = -1
	case c.set.level > 0:
		o.SecurityLevel = c.set.level
	}
	if !c.client {
		o.Purpose = PurposeClient
		return o
	}
	if o.Purpose == "" {
		o.Purpose = PurposeServer
	}
	o.OCSP, o.MustStaple = c.staple, true
	c.expectName(&o)
	return o
}

// expectName sets the name or address that the certificate must be for.
func (c *Conn) expectName(o *VerifyOptions) {
	name := c.ctx.cfg.ExpectedName
	if name == "" {
		name = c.name
	}
	if name == "*" {
		return
	}
	host, _, _ := strings.Cut(strings.Trim(name, "[]"), "%") // without the zone
	if ip, err := netip.ParseAddr(host); err == nil {
		o.IP = ip.Unmap()
		return
	}
	o.Hostname = strings.TrimSuffix(name, ".")
}

// PeerCertificate returns the certificate of the peer, the same object each
// time, and nil when the peer sent none. It shakes hands if that has not
// happened: get-ssl-peer-certificate.
func (c *Conn) PeerCertificate() (*Certificate, error) {
	if err := c.Handshake(context.Background()); err != nil {
		return nil, err
	}
	c.peerMu.Lock()
	defer c.peerMu.Unlock()
	return c.leaf()
}

// PeerChain returns the DER encoded certificates that the peer sent, in its
// order. A handshake that failed at the verification has left them too.
func (c *Conn) PeerChain() [][]byte {
	c.peerMu.Lock()
	defer c.peerMu.Unlock()
	return c.chain
}

// VerifyResult returns the verdict on the certificate of the peer as OpenSSL's
// number and text: get-ssl-verify-result. It is 0 and "ok" before the handshake
// and when the peer sent no certificate.
func (c *Conn) VerifyResult() (code VerifyCode, text string) {
	if r := c.Verification(); r != nil {
		return r.Code, r.Text
	}
	return CodeOK, CodeOK.Text()
}

// Verification returns the whole verdict, nil before the handshake and when
// the peer sent no certificate.
func (c *Conn) Verification() *VerifyResult {
	c.peerMu.Lock()
	defer c.peerMu.Unlock()
	if len(c.chain) == 0 {
		return nil
	}
	return c.judge()
}

// goPool makes crypto/tls's form of s, nil of nil. Roots that Go can not parse are
// not in it.
func goPool(s *Store) *x509.CertPool {
	if s == nil {
		return nil
	}
	pool := x509.NewCertPool()
	for _, c := range s.Certificates() {
		if std, err := c.Std(); err == nil {
			pool.AddCert(std)
		}
	}
	return pool
}
