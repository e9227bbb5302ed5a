package tlsx

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"slices"
)

// A CertificateRequest is a server's wish for a certificate of the client.
type CertificateRequest struct {
	// AcceptableCAs are the names of the authorities the server names. Empty
	// means any.
	AcceptableCAs []string `json:"acceptable_cas"`
	// SignatureSchemes are the ways of signing it takes.
	SignatureSchemes []string `json:"signature_schemes"`
	// Sent says that we had a certificate to send.
	Sent bool `json:"sent"`
}

// A ClientHello is what a client offered to a server.
type ClientHello struct {
	ServerName string   `json:"sni"`
	Versions   []string `json:"versions"`
	Suites     []string `json:"suites"`
	Groups     []string `json:"groups"`
	Signatures []string `json:"signature_schemes"`
	ALPN       []string `json:"alpn"`
}

func (c *Conn) commonConfig() *tls.Config {
	cfg := c.ctx.cfg
	return &tls.Config{
		MinVersion:             c.set.versions[0],
		MaxVersion:             c.set.versions[len(c.set.versions)-1],
		CipherSuites:           c.set.suites,
		NextProtos:             cfg.ALPN,
		CurvePreferences:       c.set.groups,
		KeyLogWriter:           cfg.KeyLog,
		SessionTicketsDisabled: cfg.NoTickets,
		VerifyConnection:       c.verifyConnection,
	}
}

func (c *Conn) clientConfig() *tls.Config {
	cfg := c.commonConfig()
	cfg.InsecureSkipVerify = true // verifyConnection does it, by OpenSSL's rules
	if !c.ctx.cfg.NoServerName {
		cfg.ServerName = c.name
	}
	cfg.ClientSessionCache = c.sessions
	cfg.GetClientCertificate = c.clientCertificate
	c.setECH(cfg)
	cfg.Renegotiation = tls.RenegotiateOnceAsClient // some servers ask for the certificate late
	return cfg
}

// setECH hides the server name. A server that does not take that is verified by
// crypto/tls, see judgeECHRejection.
func (c *Conn) setECH(cfg *tls.Config) {
	if cfg.EncryptedClientHelloConfigList = c.ctx.cfg.ECHConfigList; len(cfg.EncryptedClientHelloConfigList) == 0 {
		return
	}
	if c.set.verify == VerifyNone {
		cfg.EncryptedClientHelloRejectionVerify = func(tls.ConnectionState) error { return nil }
	}
	if roots, err := c.ctx.roots(); err == nil {
		cfg.RootCAs = goPool(roots)
	}
}

// clientCertificate is called when the server asks for one.
func (c *Conn) clientCertificate(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	req := &CertificateRequest{AcceptableCAs: []string{}, SignatureSchemes: []string{}, Sent: len(c.ctx.identities) > 0}
	for _, raw := range r.AcceptableCAs {
		req.AcceptableCAs = append(req.AcceptableCAs, rawName(raw))
	}
	for _, s := range r.SignatureSchemes {
		req.SignatureSchemes = append(req.SignatureSchemes, SignatureSchemeName(uint16(s)))
	}
	c.setRequest(req)
	for i := range c.ctx.identities {
		if r.SupportsCertificate(&c.ctx.identities[i]) == nil {
			return &c.ctx.identities[i], nil
		}
	}
	if req.Sent { // as OpenSSL: let the server say what it dislikes
		return &c.ctx.identities[0], nil
	}
	return &tls.Certificate{}, nil
}

func (c *Conn) setRequest(r *CertificateRequest) {
	c.peerMu.Lock()
	defer c.peerMu.Unlock()
	c.request = r
}

// requested returns what the server asked for, nil when it did not.
func (c *Conn) requested() *CertificateRequest {
	c.peerMu.Lock()
	defer c.peerMu.Unlock()
	return c.request
}

func rawName(raw []byte) string {
	v, err := parseDER(raw, tagSequence)
	if err != nil {
		return fmt.Sprintf("%x", raw)
	}
	return parseName(v, "name", &defects{}).String()
}

func (c *Conn) serverConfig() *tls.Config {
	cfg := c.commonConfig()
	cfg.Certificates = c.ctx.identities
	cfg.SetSessionTicketKeys([][32]byte{c.ctx.ticketKey})
	switch c.set.verify {
	case VerifyOptional:
		cfg.ClientAuth = tls.RequestClientCert
	case VerifyRequired:
		cfg.ClientAuth = tls.RequireAnyClientCert
	}
	if cfg.ClientAuth != tls.NoClientCert {
		cfg.ClientCAs = c.ctx.clientCAs
	}
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) { return c.configFor(cfg, hello) }
	return cfg
}

// configFor makes our choice of version and suite the only one left, because
// crypto/tls has an order of its own.
func (c *Conn) configFor(cfg *tls.Config, hello *tls.ClientHelloInfo) (*tls.Config, error) {
	c.hello = hello
	version, natural := c.chooseVersion(hello.SupportedVersions)
	chosen := cfg.Clone()
	chosen.GetConfigForClient = nil
	if version != natural { // crypto/tls would take one that is not in our list
		chosen.MinVersion, chosen.MaxVersion = version, version
	}
	if version == 0 { // only one that the client lacks makes crypto/tls refuse in the right words
		chosen.MinVersion, chosen.MaxVersion = c.set.versions[0], c.set.versions[0]
		return chosen, nil
	}
	if version == tls.VersionTLS13 {
		c.wire.onNextWrite(withSuites13(c.chooseSuites13(hello.CipherSuites)))
	} else if suite := c.chooseSuite(version, hello); suite != 0 {
		chosen.CipherSuites = []uint16{suite}
	}
	return chosen, nil
}

// chooseVersion returns the highest version that both sides allow, and the one
// that crypto/tls would take for lack of gaps in its settings.
func (c *Conn) chooseVersion(offered []uint16) (ours, natural uint16) {
	lowest, highest := c.set.versions[0], c.set.versions[len(c.set.versions)-1]
	for _, v := range offered {
		if lowest <= v && v <= highest {
			natural = max(natural, v)
		}
		if slices.Contains(c.set.versions, v) {
			ours = max(ours, v)
		}
	}
	return ours, natural
}

// chooseSuites13 returns the order for TLS 1.3, nil for Go's own.
func (c *Conn) chooseSuites13(offered []uint16) []uint16 {
	if c.set.preferServer {
		return c.set.suites13
	}
	allowed := c.set.suites13
	if allowed == nil {
		allowed = goSuites13Default()
	}
	for _, id := range offered {
		if slices.Contains(allowed, id) {
			return []uint16{id}
		}
	}
	return c.set.suites13
}

func goSuites13Default() []uint16 {
	return []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256}
}

// chooseSuite picks the suite for TLS 1.2 and older by the order that counts.
// It returns 0 to leave the choice to crypto/tls.
func (c *Conn) chooseSuite(version uint16, hello *tls.ClientHelloInfo) uint16 {
	if c.set.suites == nil && c.set.preferServer {
		return 0
	}
	first, second := c.set.suites, hello.CipherSuites
	if first == nil {
		first = goDefaultSuites()
	}
	if !c.set.preferServer {
		first, second = second, first
	}
	for _, id := range first {
		if slices.Contains(second, id) && c.usable(id, version, hello) {
			return id
		}
	}
	return 0
}

// goDefaultSuites are those that crypto/tls uses when nothing is said: the
// secure ones without the RSA key exchange.
func goDefaultSuites() []uint16 {
	var ids []uint16
	for _, s := range tls.CipherSuites() {
		if !slices.Contains(s.SupportedVersions, tls.VersionTLS13) || len(s.SupportedVersions) > 1 {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// usable reports whether we have what the suite needs: its version, a key of
// its kind, a curve in common.
func (c *Conn) usable(id, version uint16, hello *tls.ClientHelloInfo) bool {
	row, ok := suiteRowByID(id)
	if !ok || row.min == vTLS12 && version < tls.VersionTLS12 {
		return false
	}
	if row.kx == kECDHE && !slices.ContainsFunc(hello.SupportedCurves, func(g tls.CurveID) bool {
		return slices.Contains(c.groups(), g)
	}) {
		return false
	}
	return slices.ContainsFunc(c.ctx.identities, func(cert tls.Certificate) bool { return suiteFitsKey(cert, row, version) })
}

func (c *Conn) groups() []tls.CurveID {
	if len(c.set.groups) > 0 {
		return c.set.groups
	}
	return []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
}

func suiteFitsKey(cert tls.Certificate, row suiteRow, version uint16) bool {
	switch cert.PrivateKey.(type) {
	case *rsa.PrivateKey:
		return row.auth == aRSA
	case *ecdsa.PrivateKey:
		return row.auth == aECDSA
	case ed25519.PrivateKey:
		return row.auth == aECDSA && version == tls.VersionTLS12
	}
	return true // a key in hardware: let crypto/tls see
}

func suiteRowByID(id uint16) (suiteRow, bool) {
	for _, row := range cipherTable() {
		if row.id == id {
			return row, true
		}
	}
	return suiteRow{}, false
}

// newClientHello puts a ClientHello into words, nil for none.
func newClientHello(info *tls.ClientHelloInfo) *ClientHello {
	if info == nil {
		return nil
	}
	h := &ClientHello{ServerName: info.ServerName, Versions: []string{}, Suites: []string{}, Groups: []string{},
		Signatures: []string{}, ALPN: append([]string{}, info.SupportedProtos...)}
	for _, v := range info.SupportedVersions {
		h.Versions = append(h.Versions, VersionName(v))
	}
	for _, s := range info.CipherSuites {
		h.Suites = append(h.Suites, SuiteByID(s).Name)
	}
	for _, g := range info.SupportedCurves {
		h.Groups = append(h.Groups, GroupName(uint16(g)))
	}
	for _, s := range info.SignatureSchemes {
		h.Signatures = append(h.Signatures, SignatureSchemeName(uint16(s)))
	}
	return h
}
