package tlsx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// A RawConfig says what the prober offers. The zero RawConfig offers all that
// the prober knows from TLS 1.0 on.
type RawConfig struct {
	// ServerName is sent as SNI unless it is empty or an address.
	ServerName string
	// Versions are the protocol versions to offer, SSL 3.0 to TLS 1.3. Only TLS
	// 1.3 has a way to leave out those in between. Empty means TLS 1.0 to 1.3.
	Versions []uint16
	// Suites, Groups and Schemes are what to offer in that order. Empty means
	// all that have a name.
	Suites, Groups, Schemes []uint16
	// ALPN lists application protocols. Empty means none.
	ALPN []string
	// Compressions are compression methods. Empty means no compression only.
	Compressions []byte
	// NoKeyShare offers TLS 1.3 groups without a key of ours, so that the
	// server names the one it likes in a HelloRetryRequest, and stops there.
	NoKeyShare bool
	// HelloOnly stops after the ServerHello.
	HelloOnly bool
}

// A RawResult is what a server answered to the prober. Nothing of it is
// authenticated: the prober verifies no signature and finishes no handshake.
type RawResult struct {
	Version         string      `json:"version"`
	Cipher          CipherSuite `json:"cipher"`
	Group           string      `json:"group"`            // of the key agreement, "" when not seen
	SignatureScheme string      `json:"signature_scheme"` // of the handshake's signature, "" when not seen
	ALPN            string      `json:"alpn"`
	HelloRetry      bool        `json:"hello_retry"`
	Compression     bool        `json:"compression"`
	// SecureRenegotiation and ExtendedMasterSecret are extensions of TLS 1.2
	// and older (RFC 5746, RFC 7627).
	SecureRenegotiation  bool `json:"secure_renegotiation"`
	ExtendedMasterSecret bool `json:"extended_master_secret"`
	EncryptThenMAC       bool `json:"encrypt_then_mac"`
	SessionTickets       bool `json:"session_tickets"`
	Heartbeat            bool `json:"heartbeat"`
	OCSPStaple           int  `json:"ocsp_staple_bytes"`
	CertificateRequested bool `json:"certificate_requested"`
	// DHBits is the size of the server's finite field, 0 when there is none.
	DHBits int      `json:"dh_bits"`
	Chain  [][]byte `json:"-"` // DER

	version, group, scheme uint16
}

// A RawAlert is a server's refusal of what the prober offered.
type RawAlert struct{ Alert int }

// Error returns the name of the alert.
func (e *RawAlert) Error() string {
	return fmt.Sprintf("the server sent alert %d: %s", e.Alert, AlertText(e.Alert))
}

// ErrNotTLS is wrapped by errors about answers that are not TLS.
var ErrNotTLS = errors.New("the answer is not TLS")

// Limits of a probe: what a server may send before we stop listening.
const (
	rawMaxMessage = 128 << 10
	rawMaxTotal   = 512 << 10
	rawMaxRecords = 512
)

// ProbeRaw sends a ClientHello of its own making over conn and reads the answer
// up to the certificate, for servers that crypto/tls can not talk to. It uses
// conn up: close it afterwards. A refusal is a *[RawAlert].
func ProbeRaw(ctx context.Context, conn net.Conn, cfg RawConfig) (*RawResult, error) {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	p, err := newProber(conn, cfg)
	if err != nil {
		return nil, err
	}
	if err := p.run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("raw probe: %w", err)
	}
	return &p.result, nil
}

// prober is one exchange with a server.
type prober struct {
	conn   net.Conn
	in     rawReader
	hello  rawHello
	stopAt stopPoint
	result RawResult
	sum    transcript
}

// stopPoint is how far a probe goes.
type stopPoint int

const (
	stopAtFlight stopPoint = iota // the server's whole first flight
	stopAtHello
)

func newProber(conn net.Conn, cfg RawConfig) (*prober, error) {
	p := &prober{conn: conn, in: rawReader{conn: conn}, hello: newRawHello(cfg)}
	if cfg.HelloOnly || cfg.NoKeyShare {
		p.stopAt = stopAtHello
	}
	if !cfg.NoKeyShare {
		return p, p.hello.makeShares()
	}
	return p, nil
}

func (p *prober) run() error {
	if err := p.sendHello(); err != nil {
		return err
	}
	sh, err := p.serverHello()
	if err != nil {
		return err
	}
	if sh.retry && p.stopAt == stopAtFlight {
		if sh, err = p.retry(sh); err != nil {
			return err
		}
	}
	p.note(sh)
	if p.stopAt == stopAtHello {
		return nil
	}
	if sh.version == uint16(vTLS13) {
		return p.flight13(sh)
	}
	return p.flight12()
}

func (p *prober) sendHello() error {
	msg, err := p.hello.marshal()
	if err != nil {
		return err
	}
	p.sum.add(msg)
	_, err = p.conn.Write(rawRecord(p.hello.recordVersion(), msg))
	return err
}

// serverHello reads the server's first message.
func (p *prober) serverHello() (*serverHello, error) {
	typ, msg, err := p.in.message()
	if err != nil {
		return nil, err
	}
	if typ != typeServerHello {
		return nil, fmt.Errorf("%w: handshake message %d instead of ServerHello", ErrNotTLS, typ)
	}
	sh, err := parseServerHello(msg[4:])
	if err != nil {
		return nil, err
	}
	if sh.retry {
		p.sum.retry(sh.suite)
	}
	p.sum.add(msg)
	return sh, nil
}

// retry answers a HelloRetryRequest with the share it asks for.
func (p *prober) retry(sh *serverHello) (*serverHello, error) {
	if err := p.hello.answerRetry(sh); err != nil {
		return nil, err
	}
	if err := p.sendHello(); err != nil {
		return nil, err
	}
	again, err := p.serverHello()
	if err != nil {
		return nil, err
	}
	if again.retry {
		return nil, fmt.Errorf("%w: a second HelloRetryRequest", ErrNotTLS)
	}
	p.result.HelloRetry = true
	return again, nil
}

// note takes what a ServerHello says.
func (p *prober) note(sh *serverHello) {
	r := &p.result
	r.version, r.Version = sh.version, VersionName(sh.version)
	r.Cipher = SuiteByID(sh.suite)
	r.HelloRetry = r.HelloRetry || sh.retry
	r.Compression = sh.compression != 0
	r.ALPN = sh.alpn
	r.SecureRenegotiation, r.ExtendedMasterSecret = sh.secureRenegotiation, sh.extendedMasterSecret
	r.EncryptThenMAC, r.SessionTickets, r.Heartbeat = sh.encryptThenMAC, sh.tickets, sh.heartbeat
	p.setGroup(sh.group)
}

func (p *prober) setGroup(id uint16) {
	if id != 0 {
		p.result.group, p.result.Group = id, GroupName(id)
	}
}

func (p *prober) setScheme(id uint16) {
	if id != 0 {
		p.result.scheme, p.result.SignatureScheme = id, SignatureSchemeName(id)
	}
}

// flight12 reads the rest of the server's first flight up to TLS 1.2, which is
// in the clear.
func (p *prober) flight12() error {
	for {
		typ, msg, err := p.in.message()
		if err != nil {
			return p.enough(err)
		}
		switch typ {
		case typeCertificate:
			if p.result.Chain, err = parseCertificates12(msg[4:]); err != nil {
				return err
			}
		case typeServerKeyExchange:
			p.keyExchange(msg[4:])
		case typeCertificateStatus:
			p.result.OCSPStaple = max(0, len(msg)-8)
		case typeCertificateRequest:
			p.result.CertificateRequested = true
		case typeServerHelloDone:
			return nil
		}
	}
}

// enough forgives a server that stops talking after its certificate.
func (p *prober) enough(err error) error {
	if len(p.result.Chain) > 0 {
		return nil
	}
	return err
}

func (p *prober) keyExchange(body []byte) {
	row, ok := suiteRowByID(p.result.Cipher.ID)
	if !ok {
		return
	}
	x := parseKeyExchange(body, row, p.result.version)
	p.setGroup(x.group)
	p.setScheme(x.scheme)
	p.result.DHBits = x.dhBits
}

// flight13 decrypts the server's flight in TLS 1.3.
func (p *prober) flight13(sh *serverHello) error {
	secret, err := p.hello.agree(sh.group, sh.share)
	if err != nil {
		return err
	}
	if p.in.keys, err = newRawKeys(sh.suite, secret, p.sum.bytes()); err != nil {
		return err
	}
	for {
		typ, msg, err := p.in.message()
		if err != nil {
			return p.enough(err)
		}
		switch typ {
		case typeEncryptedExtensions:
			p.result.ALPN = parseEncryptedExtensions(msg[4:])
		case typeCertificateRequest:
			p.result.CertificateRequested = true
		case typeCertificate:
			if p.result.Chain, p.result.OCSPStaple, err = parseCertificates13(msg[4:]); err != nil {
				return err
			}
		case typeCertificateVerify:
			if len(msg) >= 6 {
				p.setScheme(uint16(msg[4])<<8 | uint16(msg[5]))
			}
			return nil
		case typeFinished:
			return nil
		}
	}
}
