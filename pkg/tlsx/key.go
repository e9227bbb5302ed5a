package tlsx

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrNoKey is wrapped by errors about files without a private key.
var ErrNoKey = errors.New("no private key")

// openSSHKeyError says what to do with a key that ssh-keygen has written.
func openSSHKeyError() error {
	return fmt.Errorf("private key in OpenSSH's own format: %w; ssh-keygen -p -m PKCS8 converts it", errors.ErrUnsupported)
}

// ErrKeyMismatch is wrapped by errors about a private key that belongs to none
// of the certificates.
var ErrKeyMismatch = errors.New("the private key belongs to none of the certificates")

// A PasswordFunc returns the password of what is encrypted in a file. It is
// called only when one is needed, and once for all that is in the files.
type PasswordFunc func() ([]byte, error)

// maxOpenTime bounds the opening of one file, whose parts may each ask for the
// iterations they like.
const maxOpenTime = 20 * time.Second

var errOpenTime = errors.New("opening all encrypted parts of the file takes too long")

// An opener opens the encrypted parts of one file while there is time. A nil
// one opens none.
type opener struct {
	ask   PasswordFunc // nil when there is no password to give
	until time.Time
}

func newOpener(ask PasswordFunc) *opener {
	o := &opener{until: time.Now().Add(maxOpenTime)}
	if ask != nil {
		o.ask = sync.OnceValues(ask)
	}
	return o
}

// password returns the password for one more part. The time it takes to ask for
// it does not count.
func (o *opener) password() ([]byte, error) {
	if o == nil || o.ask == nil {
		return nil, ErrPasswordRequired
	}
	if err := o.inTime(); err != nil {
		return nil, err
	}
	start := time.Now()
	defer func() { o.until = o.until.Add(time.Since(start)) }()
	return o.ask()
}

func (o *opener) inTime() error {
	if time.Now().After(o.until) {
		return errOpenTime
	}
	return nil
}

// ParsePrivateKey reads the first private key in data: PEM or DER, in the
// PKCS #8, PKCS #1 or SEC 1 form, encrypted by any of the usual ways, or the
// key of a PKCS #12 file or the first one of a Java key store. password may be
// nil when the key is not encrypted.
//
// The error wraps [ErrPassword] when the password is wrong,
// [ErrPasswordRequired] when there is none, and [ErrNoKey] when data has no key.
func ParsePrivateKey(data []byte, password PasswordFunc) (crypto.PrivateKey, error) {
	return parsePrivateKey(data, newOpener(password))
}

func parsePrivateKey(data []byte, open *opener) (crypto.PrivateKey, error) {
	switch {
	case IsPKCS12(data):
		id, err := parseIdentityP12(data, open)
		return id.key, err
	case isKeyStore(data):
		id, err := parseIdentityKeyStore(data, open)
		return id.key, err
	}
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if strings.HasSuffix(b.Type, "PRIVATE KEY") {
			return parseKeyBlock(b, open)
		}
	}
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		return nil, ErrNoKey
	}
	return parseKeyDER(data, open)
}

func parseKeyBlock(b *pem.Block, open *opener) (crypto.PrivateKey, error) {
	der := b.Bytes
	if b.Headers["DEK-Info"] != "" {
		var err error
		if der, err = decryptTraditional(b, open); err != nil {
			return nil, err
		}
		key, err := parseKeyDER(der, nil)
		if err != nil { // one wrong password in 256 leaves the padding right
			return nil, fmt.Errorf("private key: %w", ErrPassword)
		}
		return key, nil
	}
	if b.Type == "OPENSSH PRIVATE KEY" {
		return nil, openSSHKeyError()
	}
	return parseKeyDER(der, open)
}

// decryptTraditional opens the "DEK-Info" encryption of RFC 1421.
func decryptTraditional(b *pem.Block, open *opener) ([]byte, error) {
	pass, err := open.password()
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	//lint:ignore SA1019 the form is insecure, but the files exist
	der, err := x509.DecryptPEMBlock(b, pass)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, fmt.Errorf("private key: %w", ErrPassword)
	}
	if err != nil {
		return nil, fmt.Errorf("private key encrypted with %.40q: %w", b.Headers["DEK-Info"], err)
	}
	return der, nil
}

func parseKeyDER(der []byte, open *opener) (crypto.PrivateKey, error) {
	if isEncryptedPKCS8(der) {
		pass, err := open.password()
		if err != nil {
			return nil, fmt.Errorf("private key: %w", err)
		}
		if der, err = decryptPKCS8(der, pass); err != nil {
			return nil, err
		}
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	if !looksLikeKey(der) {
		return nil, ErrNoKey
	}
	return nil, fmt.Errorf("private key: %w", err)
}

// looksLikeKey reports a sequence that starts with a small integer, which all
// forms of private keys do.
func looksLikeKey(der []byte) bool {
	s := cryptobyte.String(der)
	var seq cryptobyte.String
	var version int
	return s.ReadASN1(&seq, cbasn1.SEQUENCE) && seq.ReadASN1Integer(&version)
}

// isEncryptedPKCS8 recognises EncryptedPrivateKeyInfo (RFC 5958, section 3): a
// sequence of an algorithm and an octet string.
func isEncryptedPKCS8(der []byte) bool {
	s := cryptobyte.String(der)
	var seq cryptobyte.String
	return s.ReadASN1(&seq, cbasn1.SEQUENCE) && seq.SkipASN1(cbasn1.SEQUENCE) && seq.SkipASN1(cbasn1.OCTET_STRING) && seq.Empty()
}

// decryptPKCS8 opens an EncryptedPrivateKeyInfo and returns the PKCS #8 key.
func decryptPKCS8(der, password []byte) ([]byte, error) {
	s := cryptobyte.String(der)
	var seq, alg cryptobyte.String
	var data []byte
	if !s.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1Element(&alg, cbasn1.SEQUENCE) || !seq.ReadASN1Bytes(&data, cbasn1.OCTET_STRING) {
		return nil, fmt.Errorf("encrypted private key: %w", errMalformed)
	}
	plain, err := decryptPBE(alg, data, password)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	if !looksLikeKey(plain) {
		return nil, fmt.Errorf("private key: %w", ErrPassword)
	}
	return plain, nil
}

// identity is a chain with the key of its first certificate.
type identity struct {
	chain [][]byte
	key   crypto.PrivateKey
}

// ParseIdentity reads a certificate chain and its private key. certificate is
// PEM, DER, PKCS #12 or a Java key store. key is the same and may be nil: the
// key is then in certificate. The certificate of the key comes first in the result, whatever
// its place in the file.
//
// The errors are those of [ParsePrivateKey], and [ErrKeyMismatch].
func ParseIdentity(certificate, key []byte, password PasswordFunc) (tls.Certificate, error) {
	var id identity
	var err error
	open := newOpener(password)
	switch {
	case IsPKCS12(certificate):
		id, err = parseIdentityP12(certificate, open)
	case isKeyStore(certificate):
		id, err = parseIdentityKeyStore(certificate, open)
	default:
		id.chain = certificatesIn(certificate)
	}
	if err != nil && !(errors.Is(err, ErrNoKey) && key != nil) {
		return tls.Certificate{}, err
	}
	if key == nil {
		key = certificate
	}
	if id.key == nil {
		if id.key, err = parsePrivateKey(key, open); err != nil {
			return tls.Certificate{}, err
		}
	}
	return id.certificate()
}

// ReadIdentity is [ParseIdentity] for files. An empty key means that the key is
// in the file of the certificate.
func ReadIdentity(certificate, key string, password PasswordFunc) (tls.Certificate, error) {
	chain, err := readLimited(certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	var keyData []byte
	if key != "" {
		if keyData, err = readLimited(key); err != nil {
			return tls.Certificate{}, err
		}
	}
	id, err := ParseIdentity(chain, keyData, password)
	if err != nil {
		name := certificate
		if key != "" && (errors.Is(err, ErrPassword) || errors.Is(err, ErrPasswordRequired) || errors.Is(err, ErrNoKey)) {
			name = key
		}
		return tls.Certificate{}, fmt.Errorf("%s: %w", name, err)
	}
	return id, nil
}

func parseIdentityP12(data []byte, open *opener) (identity, error) {
	pass := []byte{}
	bags, err := parsePKCS12(data, pass, open)
	if errors.Is(err, ErrPassword) {
		if pass, err = open.password(); err != nil {
			return identity{}, fmt.Errorf("PKCS #12: %w", err)
		}
		bags, err = parsePKCS12(data, pass, open)
	}
	if err != nil {
		return identity{}, err
	}
	var id identity
	for _, b := range bags {
		switch {
		case b.Kind == P12Certificate:
			id.chain = append(id.chain, b.DER)
		case b.Kind == P12Key && id.key == nil:
			if id.key, err = parseKeyDER(b.DER, nil); err != nil {
				return identity{}, err
			}
		}
	}
	if id.key == nil {
		return id, fmt.Errorf("PKCS #12: %w", ErrNoKey)
	}
	return id, nil
}

// certificatesIn returns the DER of every certificate in PEM data, or data
// itself when it is not PEM.
func certificatesIn(data []byte) [][]byte {
	var chain [][]byte
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		switch b.Type {
		case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
			chain = append(chain, firstElement(b.Bytes))
		}
	}
	if chain == nil && !bytes.Contains(data, []byte("-----BEGIN ")) {
		chain = [][]byte{data}
	}
	return chain
}

// firstElement cuts off what follows the certificate in OpenSSL's "TRUSTED
// CERTIFICATE".
func firstElement(der []byte) []byte {
	s := cryptobyte.String(der)
	var first cryptobyte.String
	if !s.ReadAnyASN1Element(&first, nil) {
		return der
	}
	return first
}

// certificate puts the certificate of the key first.
func (id identity) certificate() (tls.Certificate, error) {
	signer, ok := id.key.(crypto.Signer)
	if !ok {
		return tls.Certificate{}, fmt.Errorf("a private key of type %T can not sign: %w", id.key, errors.ErrUnsupported)
	}
	var parseErr error
	for i, der := range id.chain {
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			parseErr = err
			continue
		}
		if !samePublicKey(leaf.PublicKey, signer.Public()) {
			continue
		}
		chain := append([][]byte{der}, id.chain[:i]...)
		return tls.Certificate{Certificate: append(chain, id.chain[i+1:]...), PrivateKey: id.key, Leaf: leaf}, nil
	}
	switch {
	case len(id.chain) == 0:
		return tls.Certificate{}, errors.New("no certificate")
	case parseErr != nil:
		return tls.Certificate{}, fmt.Errorf("%w; Go can not use a certificate: %w", ErrKeyMismatch, parseErr)
	}
	return tls.Certificate{}, ErrKeyMismatch
}

func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
