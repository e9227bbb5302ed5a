package tlsx

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// A Renegotiation is what a server does when a client asks for a second
// handshake on a connection, up to TLS 1.2. A server that accepts lets a client
// make it compute at little cost of its own.
type Renegotiation string

// What servers do with a client's second ClientHello.
const (
	RenegotiationAccepted Renegotiation = "accepted"
	RenegotiationRefused  Renegotiation = "refused"
	RenegotiationIgnored  Renegotiation = "ignored"   // no answer to it
	RenegotiationNotTried Renegotiation = "not-tried" // no first handshake was possible
)

// Patience with the answer to a second ClientHello: some servers give none.
const (
	renegotiatePatienceMin     = 500 * time.Millisecond
	renegotiatePatienceFactors = 10 // times what the first handshake took
)

// ProbeRenegotiation shakes hands over conn and begins a second handshake
// inside. cfg's version must be one of TLS 1.0 to 1.2. Nothing of the server is
// authenticated. The result is [RenegotiationNotTried] with any error; conn is
// used up.
func ProbeRenegotiation(ctx context.Context, conn net.Conn, cfg RawConfig) (Renegotiation, error) {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if len(cfg.Suites) == 0 {
		cfg.Suites = suites12()
	}
	cfg.Groups = []uint16{uint16(tls.X25519), uint16(tls.CurveP256), uint16(tls.CurveP384), uint16(tls.CurveP521)}
	p, err := newProber(conn, cfg)
	if err != nil {
		return RenegotiationNotTried, err
	}
	p.hello.noEncryptThenMAC = true
	start := time.Now()
	c := client12{prober: p}
	if err := c.handshake(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return RenegotiationNotTried, fmt.Errorf("raw handshake: %w", err)
	}
	patience := max(renegotiatePatienceMin, renegotiatePatienceFactors*time.Since(start))
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return RenegotiationNotTried, err
	}
	if ctx.Err() != nil { // its end may have come before the deadline above
		return RenegotiationNotTried, ctx.Err()
	}
	r, err := c.again()
	if ctx.Err() != nil {
		return RenegotiationNotTried, ctx.Err()
	}
	return r, err
}

// client12 finishes a handshake up to TLS 1.2 without verifying anything.
type client12 struct {
	*prober
	suite      suite12
	chain      [][]byte
	exchange   []byte // the ServerKeyExchange message
	wantsCert  bool
	out        *keys12
	verifyData []byte // of our Finished message
}

func (c *client12) handshake() error {
	if err := c.sendHello(); err != nil {
		return err
	}
	sh, err := c.serverHello()
	if err != nil {
		return err
	}
	row, ok := suiteRowByID(sh.suite)
	if !ok || sh.retry || sh.compression != 0 || sh.version < uint16(vTLS10) || sh.version > uint16(vTLS12) {
		return fmt.Errorf("%s with %s: %w", VersionName(sh.version), SuiteByID(sh.suite).Name, errors.ErrUnsupported)
	}
	c.suite = newSuite12(sh.version, row)
	if err := c.flight(); err != nil {
		return err
	}
	exchange, secret, err := c.agree()
	if err != nil {
		return err
	}
	return c.finish(sh, exchange, secret)
}

// flight reads the server's messages up to ServerHelloDone.
func (c *client12) flight() error {
	for {
		typ, msg, err := c.in.message()
		if err != nil {
			return err
		}
		c.sum.add(msg)
		switch typ {
		case typeCertificate:
			if c.chain, err = parseCertificates12(msg[4:]); err != nil {
				return err
			}
		case typeServerKeyExchange:
			c.exchange = msg[4:]
		case typeCertificateRequest:
			c.wantsCert = true
		case typeServerHelloDone:
			return nil
		}
	}
}

// agree returns the body of our ClientKeyExchange and the premaster secret.
func (c *client12) agree() (exchange, secret []byte, err error) {
	s := cryptobyte.String(c.exchange)
	switch c.suite.row.kx {
	case kECDHE:
		return agreeECDHE(s)
	case kDHE:
		return agreeDHE(s)
	}
	return c.agreeRSA()
}

func agreeECDHE(s cryptobyte.String) (exchange, secret []byte, err error) {
	group, point, ok := readECParams(&s)
	if !ok {
		return nil, nil, malformedMessage("ServerKeyExchange")
	}
	share, err := newKeyShare(group)
	if err != nil {
		return nil, nil, err
	}
	secret, err = share.agree(point)
	return append([]byte{byte(len(share.public))}, share.public...), secret, err
}

// maxFieldBits bounds what a server can make us compute.
const maxFieldBits = 8192

func agreeDHE(s cryptobyte.String) (exchange, secret []byte, err error) {
	p, g, y, ok := readDHParams(&s)
	if !ok {
		return nil, nil, malformedMessage("ServerKeyExchange")
	}
	prime, theirs := new(big.Int).SetBytes(p), new(big.Int).SetBytes(y)
	if prime.BitLen() > maxFieldBits || prime.Bit(0) == 0 || theirs.Cmp(prime) >= 0 || len(g) > len(p) {
		return nil, nil, malformedMessage("ServerKeyExchange")
	}
	random := make([]byte, 32)
	rand.Read(random)
	x := new(big.Int).SetBytes(random)
	ours := new(big.Int).Exp(new(big.Int).SetBytes(g), x, prime).Bytes()
	exchange = append([]byte{byte(len(ours) >> 8), byte(len(ours))}, ours...)
	return exchange, new(big.Int).Exp(theirs, x, prime).Bytes(), nil // without leading zeros: RFC 5246, 8.1.2
}

// agreeRSA encrypts a premaster secret to the key of the certificate (RFC 5246,
// section 7.4.7.1), of any size.
func (c *client12) agreeRSA() (exchange, secret []byte, err error) {
	if len(c.chain) == 0 {
		return nil, nil, malformedMessage("Certificate")
	}
	cert, err := ParseCertificate(c.chain[0])
	if err != nil {
		return nil, nil, err
	}
	k := &cert.PublicKey
	if k.Type != "RSA" || k.Problem != "" || k.x.BitLen() > maxRSABits || k.Exponent.BitLen() > 64 {
		return nil, nil, fmt.Errorf("encrypt to a key of the kind %s: %w", k.Type, errors.ErrUnsupported)
	}
	secret = make([]byte, 48)
	rand.Read(secret)
	secret[0], secret[1] = byte(c.hello.legacy>>8), byte(c.hello.legacy)
	size := (k.x.BitLen() + 7) / 8
	if size < len(secret)+11 {
		return nil, nil, fmt.Errorf("an RSA key of %d bits: %w", k.x.BitLen(), errors.ErrUnsupported)
	}
	block := make([]byte, size)
	padding := block[2 : size-len(secret)-1]
	rand.Read(padding)
	for i := range padding {
		padding[i] |= 1 // no zeros
	}
	block[1] = 2
	copy(block[size-len(secret):], secret)
	sealed := new(big.Int).Exp(new(big.Int).SetBytes(block), k.Exponent, k.x).FillBytes(make([]byte, size))
	return append([]byte{byte(size >> 8), byte(size)}, sealed...), secret, nil
}

// finish sends our second flight and reads the server's up to its Finished.
func (c *client12) finish(sh *serverHello, exchange, secret []byte) error {
	var flight []byte
	send := func(typ byte, body []byte) {
		msg := append([]byte{typ, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
		c.sum.add(msg)
		flight = append(flight, rawRecord(c.suite.version, msg)...)
	}
	if c.wantsCert {
		send(typeCertificate, []byte{0, 0, 0})
	}
	send(typeClientKeyExchange, exchange)
	seed, label := append(append([]byte{}, c.hello.random[:]...), sh.random...), "master secret"
	if sh.extendedMasterSecret { // RFC 7627, section 4
		seed, label = c.suite.transcriptHash(c.sum.bytes()), "extended master secret"
	}
	master := c.suite.prf(secret, label, seed, 48)
	out, in, err := c.suite.keys(master, c.hello.random[:], sh.random)
	if err != nil {
		return err
	}
	c.out = out
	c.verifyData = c.suite.prf(master, "client finished", c.suite.transcriptHash(c.sum.bytes()), 12)
	flight = append(flight, recordChangeCipherSpec, byte(c.suite.version>>8), byte(c.suite.version), 0, 1, 1)
	flight = append(flight, out.seal(recordHandshake, append([]byte{typeFinished, 0, 0, 12}, c.verifyData...))...)
	if _, err := c.conn.Write(flight); err != nil {
		return err
	}
	c.in.next = in
	for {
		if typ, _, err := c.in.message(); err != nil || typ == typeFinished {
			return err
		}
	}
}

// again begins the second handshake and says what came of it.
func (c *client12) again() (Renegotiation, error) {
	rand.Read(c.hello.random[:])
	c.hello.verifyData = c.verifyData
	hello, err := c.hello.marshal()
	if err != nil {
		return RenegotiationNotTried, err
	}
	var flight []byte
	for len(hello) > 0 {
		n := min(len(hello), maxRecord)
		flight = append(flight, c.out.seal(recordHandshake, hello[:n])...)
		hello = hello[n:]
	}
	if _, err := c.conn.Write(flight); err != nil {
		return RenegotiationRefused, nil // it hung up at once
	}
	c.in.skipData = true
	for {
		typ, _, err := c.in.message()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return RenegotiationIgnored, nil
		case err != nil && !isRefusal(err):
			return RenegotiationNotTried, err
		case err != nil:
			return RenegotiationRefused, nil
		case typ == typeServerHello:
			return RenegotiationAccepted, nil
		}
	}
}
