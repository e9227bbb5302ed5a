package tlsx

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// Handshake messages and extensions, by the registries of RFC 8447.
const (
	typeClientHello         = 1
	typeServerHello         = 2
	typeEncryptedExtensions = 8
	typeCertificate         = 11
	typeServerKeyExchange   = 12
	typeCertificateRequest  = 13
	typeServerHelloDone     = 14
	typeCertificateVerify   = 15
	typeClientKeyExchange   = 16
	typeFinished            = 20
	typeCertificateStatus   = 22
	typeMessageHash         = 254

	extServerName           = 0
	extStatusRequest        = 5
	extSupportedGroups      = 10
	extPointFormats         = 11
	extSignatureAlgorithms  = 13
	extHeartbeat            = 15
	extALPN                 = 16
	extEncryptThenMAC       = 22
	extExtendedMasterSecret = 23
	extSessionTicket        = 35
	extSupportedVersions    = 43
	extCookie               = 44
	extPSKModes             = 45
	extKeyShare             = 51
	extRenegotiationInfo    = 0xff01
)

// Numbers in the list of suites that are signals (RFC 5746, RFC 7507).
const (
	suiteRenegotiationSCSV = 0x00ff
	suiteFallbackSCSV      = 0x5600
)

// rawHello is a ClientHello with all that can be chosen in it.
type rawHello struct {
	versions     []uint16 // newest first
	legacy       uint16   // the version field
	with13       bool
	only13       bool
	suites       []uint16
	groups       []uint16
	schemes      []uint16
	alpn         []string
	serverName   string
	compressions []byte
	random       [32]byte
	sessionID    [32]byte
	cookie       []byte
	shares       []keyShare

	noEncryptThenMAC bool
	verifyData       []byte // of the first handshake, in a second one (RFC 5746)
}

// keyShare is our half of a key agreement of TLS 1.3.
type keyShare struct {
	group  uint16
	public []byte
	agree  func(peer []byte) ([]byte, error)
}

func newRawHello(cfg RawConfig) rawHello {
	h := rawHello{
		suites: cfg.Suites, groups: cfg.Groups, schemes: cfg.Schemes, alpn: cfg.ALPN,
		compressions: append([]byte{}, cfg.Compressions...),
	}
	rand.Read(h.random[:])
	rand.Read(h.sessionID[:])
	h.versions = slices.Sorted(slices.Values(cfg.Versions))
	if len(h.versions) == 0 {
		h.versions = []uint16{uint16(vTLS10), 0x0302, uint16(vTLS12), uint16(vTLS13)}
	}
	slices.Reverse(h.versions)
	h.with13 = h.versions[0] == uint16(vTLS13)
	h.only13 = h.with13 && len(h.versions) == 1
	h.legacy = min(h.versions[0], uint16(vTLS12))
	if _, err := netip.ParseAddr(cfg.ServerName); err != nil {
		h.serverName = cfg.ServerName
	}
	h.fill()
	return h
}

// fill puts all that is known where nothing was chosen.
func (h *rawHello) fill() {
	if len(h.suites) == 0 {
		h.suites = allSuites(!h.only13, h.with13)
	}
	if len(h.groups) == 0 {
		for _, g := range groupTable() {
			h.groups = append(h.groups, uint16(g.id))
		}
	}
	if len(h.schemes) == 0 {
		for _, s := range schemeTable() {
			h.schemes = append(h.schemes, s.id)
		}
	}
	if !slices.Contains(h.compressions, 0) {
		h.compressions = append(h.compressions, 0)
	}
}

// allSuites are the suites with a name, TLS 1.3 first.
func allSuites(with12, with13 bool) []uint16 {
	var ids []uint16
	if with13 {
		for _, row := range suites13Table() {
			ids = append(ids, row.id)
		}
	}
	if with12 {
		for _, row := range preferredOrder() {
			ids = append(ids, row.id)
		}
		ids = append(ids, obsoleteSuites()...)
	}
	return ids
}

// makeShares generates key shares for the groups that most servers take.
func (h *rawHello) makeShares() error {
	if !h.with13 {
		return nil
	}
	for _, g := range []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256} {
		if !slices.Contains(h.groups, uint16(g)) {
			continue
		}
		if err := h.addShare(uint16(g)); err != nil {
			return err
		}
	}
	if len(h.shares) > 0 {
		return nil
	}
	for _, g := range h.groups { // the rest only when asked for
		if err := h.addShare(g); err == nil {
			return nil
		}
	}
	return nil // without a share the server asks for one
}

func (h *rawHello) addShare(group uint16) error {
	s, err := newKeyShare(group)
	if err == nil {
		h.shares = append(h.shares, s)
	}
	return err
}

func newKeyShare(group uint16) (keyShare, error) {
	switch tls.CurveID(group) {
	case tls.X25519:
		return ecdhShare(group, ecdh.X25519())
	case tls.CurveP256:
		return ecdhShare(group, ecdh.P256())
	case tls.CurveP384:
		return ecdhShare(group, ecdh.P384())
	case tls.CurveP521:
		return ecdhShare(group, ecdh.P521())
	case tls.X25519MLKEM768:
		return hybridShare(group)
	}
	return keyShare{}, fmt.Errorf("group %s: %w", GroupName(group), errors.ErrUnsupported)
}

func ecdhShare(group uint16, curve ecdh.Curve) (keyShare, error) {
	key, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		return keyShare{}, err
	}
	agree := func(peer []byte) ([]byte, error) {
		public, err := curve.NewPublicKey(peer)
		if err != nil {
			return nil, err
		}
		return key.ECDH(public)
	}
	return keyShare{group: group, public: key.PublicKey().Bytes(), agree: agree}, nil
}

// hybridShare is X25519MLKEM768: the ML-KEM part first on the wire and in the
// secret.
func hybridShare(group uint16) (keyShare, error) {
	kem, err := mlkem.GenerateKey768()
	if err != nil {
		return keyShare{}, err
	}
	x, err := ecdhShare(group, ecdh.X25519())
	if err != nil {
		return keyShare{}, err
	}
	agree := func(peer []byte) ([]byte, error) {
		if len(peer) != mlkem.CiphertextSize768+32 {
			return nil, fmt.Errorf("key share: %w", errMalformed)
		}
		first, err := kem.Decapsulate(peer[:mlkem.CiphertextSize768])
		if err != nil {
			return nil, err
		}
		second, err := x.agree(peer[mlkem.CiphertextSize768:])
		return append(first, second...), err
	}
	return keyShare{group: group, public: append(kem.EncapsulationKey().Bytes(), x.public...), agree: agree}, nil
}

// agree returns the secret that our share for group and the server's make.
func (h *rawHello) agree(group uint16, peer []byte) ([]byte, error) {
	for _, s := range h.shares {
		if s.group == group {
			return s.agree(peer)
		}
	}
	return nil, fmt.Errorf("key share for group %s, which we did not offer: %w", GroupName(group), errMalformed)
}

// answerRetry changes the hello as RFC 8446, section 4.1.2 says.
func (h *rawHello) answerRetry(sh *serverHello) error {
	h.cookie = sh.cookie
	if sh.group == 0 {
		return nil
	}
	h.shares = nil
	return h.addShare(sh.group)
}

// recordVersion is what the record layer of the first flight carries: old
// servers refuse anything newer.
func (h *rawHello) recordVersion() uint16 { return min(h.legacy, uint16(vTLS10)) }

// rawRecord puts a handshake message into records.
func rawRecord(version uint16, msg []byte) []byte {
	var out []byte
	for len(msg) > 0 {
		n := min(len(msg), maxRecord)
		out = append(out, recordHandshake, byte(version>>8), byte(version), byte(n>>8), byte(n))
		out = append(out, msg[:n]...)
		msg = msg[n:]
	}
	return out
}

// marshal makes the message. It fails when a name, a list, or the cookie that a
// server wants back is too long for its place.
func (h *rawHello) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(typeClientHello)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(h.legacy)
		b.AddBytes(h.random[:])
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
			if h.with13 {
				b.AddBytes(h.sessionID[:])
			}
		})
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { addUint16s(b, h.suites) })
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.compressions) })
		if h.legacy >= uint16(vTLS10) {
			b.AddUint16LengthPrefixed(h.extensions)
		}
	})
	msg, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("ClientHello: %w", err)
	}
	return msg, nil
}

func addUint16s(b *cryptobyte.Builder, list []uint16) {
	for _, v := range list {
		b.AddUint16(v)
	}
}

// extension adds one extension.
func extension(b *cryptobyte.Builder, id uint16, body func(*cryptobyte.Builder)) {
	b.AddUint16(id)
	b.AddUint16LengthPrefixed(body)
}

func (h *rawHello) extensions(b *cryptobyte.Builder) {
	if h.serverName != "" {
		extension(b, extServerName, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(h.serverName)) })
			})
		})
	}
	extension(b, extStatusRequest, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 0, 0, 0, 0}) })
	extension(b, extSupportedGroups, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { addUint16s(b, h.groups) })
	})
	extension(b, extPointFormats, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 0}) })
	if h.legacy >= uint16(vTLS12) {
		extension(b, extSignatureAlgorithms, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { addUint16s(b, h.schemes) })
		})
	}
	if len(h.alpn) > 0 {
		extension(b, extALPN, h.alpnList)
	}
	if !h.noEncryptThenMAC {
		extension(b, extEncryptThenMAC, func(*cryptobyte.Builder) {})
	}
	for _, id := range []uint16{extExtendedMasterSecret, extSessionTicket} {
		extension(b, id, func(*cryptobyte.Builder) {})
	}
	extension(b, extHeartbeat, func(b *cryptobyte.Builder) { b.AddUint8(1) })
	extension(b, extRenegotiationInfo, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.verifyData) })
	})
	if h.with13 {
		h.extensions13(b)
	}
}

func (h *rawHello) alpnList(b *cryptobyte.Builder) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, p := range h.alpn {
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(p)) })
		}
	})
}

func (h *rawHello) extensions13(b *cryptobyte.Builder) {
	extension(b, extSupportedVersions, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
			addUint16s(b, h.versions)
		})
	})
	extension(b, extPSKModes, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 1}) })
	if h.cookie != nil {
		extension(b, extCookie, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.cookie) })
		})
	}
	extension(b, extKeyShare, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, s := range h.shares {
				b.AddUint16(s.group)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.public) })
			}
		})
	})
}
