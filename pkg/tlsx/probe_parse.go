package tlsx

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/bits"
	"net"

	"golang.org/x/crypto/cryptobyte"
)

// Record types.
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordData             = 23
)

// rawReader reads handshake messages from records, within the limits.
type rawReader struct {
	conn     net.Conn
	keys     recordKeys // nil while records are in the clear
	next     recordKeys // those from ChangeCipherSpec on, up to TLS 1.2
	skipData bool       // application data is no mistake
	pending  []byte     // handshake bytes that are not a whole message
	total    int
	records  int
}

// recordKeys decrypt the records of the server.
type recordKeys interface {
	// open returns the type and the content of a record.
	open(header, body []byte) (byte, []byte, error)
}

// message returns the next handshake message with its header.
func (r *rawReader) message() (typ byte, msg []byte, err error) {
	for {
		if len(r.pending) >= 4 {
			n := int(r.pending[1])<<16 | int(r.pending[2])<<8 | int(r.pending[3])
			if n > rawMaxMessage {
				return 0, nil, fmt.Errorf("%w: a message of %d bytes", ErrNotTLS, n)
			}
			if len(r.pending) >= 4+n {
				msg, r.pending = r.pending[:4+n], r.pending[4+n:]
				return msg[0], msg, nil
			}
		}
		if err := r.record(); err != nil {
			return 0, nil, err
		}
	}
}

// record reads one record and keeps what it has for message.
func (r *rawReader) record() error {
	var header [recordHeader]byte
	if _, err := io.ReadFull(r.conn, header[:]); err != nil {
		return unexpectedEOF(err)
	}
	n := int(header[3])<<8 | int(header[4])
	r.total += n
	r.records++
	if header[1] != 3 || header[0] < recordChangeCipherSpec || header[0] > recordData || n > maxRecord+2048 {
		return ErrNotTLS
	}
	if r.total > rawMaxTotal || r.records > rawMaxRecords {
		return fmt.Errorf("%w: too much of it", ErrNotTLS)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r.conn, body); err != nil {
		return unexpectedEOF(err)
	}
	return r.take(header[:], body)
}

func (r *rawReader) take(header, body []byte) error {
	typ := header[0]
	if r.keys != nil && (typ == recordData || r.next != nil) {
		var err error
		if typ, body, err = r.keys.open(header, body); err != nil {
			return err
		}
	}
	switch {
	case typ == recordChangeCipherSpec && r.next != nil:
		r.keys = r.next
	case typ == recordHandshake:
		r.pending = append(r.pending, body...)
	case typ == recordAlert && len(body) >= 2 && !(body[0] == 1 && body[1] == 112):
		// "unrecognized name" as a warning is how some servers shrug
		return &RawAlert{int(body[1])}
	case typ == recordData && !r.skipData:
		return fmt.Errorf("%w: data before the handshake", ErrNotTLS)
	}
	return nil
}

// transcript is the handshake so far, for the key schedule of TLS 1.3.
type transcript struct{ b []byte }

func (t *transcript) add(msg []byte) { t.b = append(t.b, msg...) }

func (t *transcript) bytes() []byte { return t.b }

// retry puts the hash of the first ClientHello in its place (RFC 8446, 4.4.1).
func (t *transcript) retry(suite uint16) {
	h := suiteHash(suite)()
	h.Write(t.b)
	sum := h.Sum(nil)
	t.b = append([]byte{typeMessageHash, 0, 0, byte(len(sum))}, sum...)
}

// serverHello is what counts of a ServerHello or HelloRetryRequest.
type serverHello struct {
	random               []byte
	version              uint16
	suite                uint16
	compression          byte
	retry                bool
	group                uint16
	share                []byte
	cookie               []byte
	alpn                 string
	secureRenegotiation  bool
	extendedMasterSecret bool
	encryptThenMAC       bool
	tickets              bool
	heartbeat            bool
}

func malformedMessage(what string) error {
	return fmt.Errorf("%w: %s: %w", ErrNotTLS, what, errMalformed)
}

func parseServerHello(body []byte) (*serverHello, error) {
	s := cryptobyte.String(body)
	var h serverHello
	var random []byte
	var session, extensions cryptobyte.String
	if !s.ReadUint16(&h.version) || !s.ReadBytes(&random, 32) || !s.ReadUint8LengthPrefixed(&session) ||
		!s.ReadUint16(&h.suite) || !s.ReadUint8(&h.compression) {
		return nil, malformedMessage("ServerHello")
	}
	retry := sha256.Sum256([]byte("HelloRetryRequest")) // the random of one, RFC 8446, 4.1.3
	h.random, h.retry = random, bytes.Equal(random, retry[:])
	if s.Empty() {
		return &h, nil
	}
	if !s.ReadUint16LengthPrefixed(&extensions) {
		return nil, malformedMessage("ServerHello")
	}
	return &h, eachExtension(extensions, h.extension)
}

// eachExtension calls f for every extension of a list.
func eachExtension(list cryptobyte.String, f func(id uint16, body cryptobyte.String) bool) error {
	for !list.Empty() {
		var id uint16
		var body cryptobyte.String
		if !list.ReadUint16(&id) || !list.ReadUint16LengthPrefixed(&body) || !f(id, body) {
			return malformedMessage("extensions")
		}
	}
	return nil
}

func (h *serverHello) extension(id uint16, body cryptobyte.String) bool {
	switch id {
	case extSupportedVersions:
		return body.ReadUint16(&h.version)
	case extKeyShare:
		return h.keyShare(body)
	case extCookie:
		var cookie cryptobyte.String
		ok := body.ReadUint16LengthPrefixed(&cookie)
		h.cookie = cookie
		return ok
	case extALPN:
		return readALPN(body, &h.alpn)
	case extRenegotiationInfo:
		h.secureRenegotiation = true
	case extExtendedMasterSecret:
		h.extendedMasterSecret = true
	case extEncryptThenMAC:
		h.encryptThenMAC = true
	case extSessionTicket:
		h.tickets = true
	case extHeartbeat:
		h.heartbeat = true
	}
	return true
}

func (h *serverHello) keyShare(body cryptobyte.String) bool {
	var share cryptobyte.String
	if !body.ReadUint16(&h.group) {
		return false
	}
	if body.Empty() { // of a HelloRetryRequest
		return true
	}
	ok := body.ReadUint16LengthPrefixed(&share)
	h.share = share
	return ok
}

func readALPN(body cryptobyte.String, protocol *string) bool {
	var list, name cryptobyte.String
	if !body.ReadUint16LengthPrefixed(&list) || !list.ReadUint8LengthPrefixed(&name) {
		return false
	}
	*protocol = string(name)
	return true
}

func parseEncryptedExtensions(body []byte) (alpn string) {
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) {
		return ""
	}
	_ = eachExtension(list, func(id uint16, body cryptobyte.String) bool { // what parsed before counts
		return id != extALPN || readALPN(body, &alpn)
	})
	return alpn
}

// maxChain bounds the certificates of one message.
const maxChain = 64

func parseCertificates12(body []byte) ([][]byte, error) {
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&list) {
		return nil, malformedMessage("Certificate")
	}
	var chain [][]byte
	for !list.Empty() && len(chain) < maxChain {
		var der cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) {
			return nil, malformedMessage("Certificate")
		}
		chain = append(chain, bytes.Clone(der))
	}
	return chain, nil
}

func parseCertificates13(body []byte) (chain [][]byte, staple int, err error) {
	s := cryptobyte.String(body)
	var context, list cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&context) || !s.ReadUint24LengthPrefixed(&list) {
		return nil, 0, malformedMessage("Certificate")
	}
	for !list.Empty() && len(chain) < maxChain {
		var der, extensions cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || !list.ReadUint16LengthPrefixed(&extensions) {
			return nil, 0, malformedMessage("Certificate")
		}
		chain = append(chain, bytes.Clone(der))
		err := eachExtension(extensions, func(id uint16, body cryptobyte.String) bool {
			if id == extStatusRequest && staple == 0 {
				staple = max(0, len(body)-4)
			}
			return true
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return chain, staple, nil
}

// keyExchange is what a ServerKeyExchange message shows.
type keyExchange struct {
	group, scheme uint16
	dhBits        int
}

func parseKeyExchange(body []byte, row suiteRow, version uint16) keyExchange {
	s := cryptobyte.String(body)
	var x keyExchange
	switch row.kx {
	case kECDHE:
		group, _, ok := readECParams(&s)
		if x.group = group; !ok {
			return x
		}
	case kDHE:
		p, _, _, ok := readDHParams(&s)
		if !ok {
			return x
		}
		x.dhBits = bitLength(p)
	default:
		return x
	}
	if version >= uint16(vTLS12) && row.auth != aNULL {
		s.ReadUint16(&x.scheme)
	}
	return x
}

// readECParams reads the server's share on a named curve (RFC 8422, section 5.4).
func readECParams(s *cryptobyte.String) (group uint16, point cryptobyte.String, ok bool) {
	const namedCurve = 3
	var kind uint8
	ok = s.ReadUint8(&kind) && kind == namedCurve && s.ReadUint16(&group) && s.ReadUint8LengthPrefixed(&point)
	return group, point, ok
}

// readDHParams reads the server's field and share (RFC 5246, section 7.4.3).
func readDHParams(s *cryptobyte.String) (p, g, y cryptobyte.String, ok bool) {
	ok = s.ReadUint16LengthPrefixed(&p) && s.ReadUint16LengthPrefixed(&g) && s.ReadUint16LengthPrefixed(&y)
	return p, g, y, ok
}

func bitLength(b []byte) int {
	b = bytes.TrimLeft(b, "\x00")
	if len(b) == 0 {
		return 0
	}
	return 8*(len(b)-1) + bits.Len8(b[0])
}

// obsoleteSuites are suites that OpenSSL 3.0 no longer knows and old servers
// may still have: DES, export, SEED, IDEA, DHE with triple DES and the rest of
// RC4.
func obsoleteSuites() []uint16 {
	return []uint16{
		0x0016, 0x0013, 0x0018, 0x001B, 0xC008, 0xC016, 0xC017, // triple DES, RC4 with other key exchanges
		0x0004, 0x0007, 0x0009, 0x0015, 0x0012, 0x001A, // RC4-MD5, IDEA, DES
		0x0096, 0x0099, 0x009A, 0x009B, // SEED
		0x0003, 0x0006, 0x0008, 0x0011, 0x0014, 0x0017, 0x0019, 0x0062, 0x0064, // export
	}
}
