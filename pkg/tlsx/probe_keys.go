package tlsx

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"
)

func suiteHash(suite uint16) func() hash.Hash {
	if suite == 0x1302 {
		return sha512.New384
	}
	return sha256.New
}

// rawKeys decrypt the server's handshake records in TLS 1.3.
type rawKeys struct {
	aead cipher.AEAD  // nil for CCM
	ccm  cipher.Block // crypto/cipher has no CCM
	tag  int
	iv   []byte
	seq  uint64
}

// newRawKeys runs the key schedule of RFC 8446, section 7.1 as far as the
// server's handshake keys.
func newRawKeys(suite uint16, secret, transcript []byte) (*rawKeys, error) {
	h := suiteHash(suite)
	size := h().Size()
	early, err := hkdf.Extract(h, make([]byte, size), nil)
	if err != nil {
		return nil, err
	}
	derived, err := expandLabel(h, early, "derived", h().Sum(nil), size)
	if err != nil {
		return nil, err
	}
	handshake, err := hkdf.Extract(h, secret, derived)
	if err != nil {
		return nil, err
	}
	sum := h()
	sum.Write(transcript)
	traffic, err := expandLabel(h, handshake, "s hs traffic", sum.Sum(nil), size)
	if err != nil {
		return nil, err
	}
	return trafficKeys(suite, h, traffic)
}

func trafficKeys(suite uint16, h func() hash.Hash, traffic []byte) (*rawKeys, error) {
	keySize := 16
	if suite == 0x1302 || suite == 0x1303 {
		keySize = 32
	}
	key, err := expandLabel(h, traffic, "key", nil, keySize)
	if err != nil {
		return nil, err
	}
	k := &rawKeys{tag: 16}
	if k.iv, err = expandLabel(h, traffic, "iv", nil, 12); err != nil {
		return nil, err
	}
	if suite == 0x1303 {
		k.aead, err = chacha20poly1305.New(key)
		return k, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	switch suite {
	case 0x1301, 0x1302:
		k.aead, err = cipher.NewGCM(block)
	case 0x1304:
		k.ccm = block
	case 0x1305:
		k.ccm, k.tag = block, 8
	default:
		err = fmt.Errorf("suite %s in TLS 1.3: %w", SuiteByID(suite).Name, errors.ErrUnsupported)
	}
	return k, err
}

func expandLabel(h func() hash.Hash, secret []byte, label string, context []byte, size int) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint16(uint16(size))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("tls13 " + label)) })
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(context) })
	info, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return hkdf.Expand(h, secret, string(info), size)
}

// open decrypts a record and returns its inner type and content.
func (k *rawKeys) open(header, body []byte) (byte, []byte, error) {
	nonce := append([]byte(nil), k.iv...)
	for i := range 8 {
		nonce[len(nonce)-1-i] ^= byte(k.seq >> (8 * i))
	}
	k.seq++
	plain, err := k.decrypt(nonce, header, body)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: a record that does not decrypt", ErrNotTLS)
	}
	for i := len(plain) - 1; i >= 0; i-- {
		if plain[i] != 0 {
			return plain[i], plain[:i], nil
		}
	}
	return 0, nil, fmt.Errorf("%w: an empty record", ErrNotTLS)
}

func (k *rawKeys) decrypt(nonce, header, body []byte) ([]byte, error) {
	if k.aead != nil {
		return k.aead.Open(nil, nonce, body, header)
	}
	if len(body) < k.tag {
		return nil, errMalformed
	}
	// CCM (RFC 3610) is counter mode from block 1 on with a tag behind, which
	// need not be checked here: the prober's results are unauthenticated.
	counter := append(append([]byte{2}, nonce...), 0, 0, 1)
	plain := make([]byte, len(body)-k.tag)
	cipher.NewCTR(k.ccm, counter).XORKeyStream(plain, body[:len(plain)])
	return plain, nil
}
