package tlsx

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// suite12 is what a suite up to TLS 1.2 needs for its keys.
type suite12 struct {
	version  uint16
	row      suiteRow
	prfHash  func() hash.Hash // of TLS 1.2
	macHash  func() hash.Hash // nil for AEAD
	macSize  int
	keySize  int
	fixedIV  int // octets of the key block for the nonce or first vector
	newBlock func([]byte) (cipher.Block, error)
}

// suites12 are the suites whose handshake the prober can finish.
func suites12() []uint16 {
	var ids []uint16
	for _, row := range preferredOrder() {
		if row.kx&(kRSA|kECDHE|kDHE) != 0 && row.auth != aNULL && row.enc&(eAES128|eAES256|eAESGCM|eChaCha20|e3DES) != 0 {
			ids = append(ids, row.id)
		}
	}
	return ids
}

func newSuite12(version uint16, row suiteRow) suite12 {
	s := suite12{version: version, row: row, prfHash: sha256.New, keySize: 16, fixedIV: 4, newBlock: aes.NewCipher}
	switch row.enc {
	case eAES256GCM:
		s.keySize, s.prfHash = 32, sha512.New384
	case eAES256:
		s.keySize = 32
	case eChaCha20:
		s.keySize, s.fixedIV = 32, 12
	case e3DES:
		s.keySize, s.newBlock = 24, des.NewTripleDESCipher
	}
	switch row.mac {
	case mSHA1:
		s.macHash, s.macSize = sha1.New, sha1.Size
	case mSHA256:
		s.macHash, s.macSize = sha256.New, sha256.Size
	case mSHA384:
		s.macHash, s.macSize, s.prfHash = sha512.New384, sha512.Size384, sha512.New384
	}
	if s.macHash != nil {
		s.fixedIV = 0
		if version == uint16(vTLS10) { // later every record has its own
			s.fixedIV = s.blockSize()
		}
	}
	return s
}

func (s *suite12) blockSize() int {
	if s.row.enc == e3DES {
		return des.BlockSize
	}
	return aes.BlockSize
}

// prf is the pseudorandom function of TLS 1.2 (RFC 5246, section 5), or that of
// the versions before (RFC 2246, section 5).
func (s *suite12) prf(secret []byte, label string, seed []byte, size int) []byte {
	seed = append([]byte(label), seed...)
	if s.version >= uint16(vTLS12) {
		return expand12(s.prfHash, secret, seed, size)
	}
	half := (len(secret) + 1) / 2
	out := expand12(md5.New, secret[:half], seed, size)
	subtle.XORBytes(out, out, expand12(sha1.New, secret[len(secret)-half:], seed, size))
	return out
}

// expand12 is P_hash of RFC 5246, section 5.
func expand12(newHash func() hash.Hash, secret, seed []byte, size int) []byte {
	m := hmac.New(newHash, secret)
	sum := func(parts ...[]byte) []byte {
		m.Reset()
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	var out []byte
	for a := sum(seed); len(out) < size; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:size]
}

// transcriptHash is the hash of a handshake that Finished covers.
func (s *suite12) transcriptHash(messages []byte) []byte {
	if s.version >= uint16(vTLS12) {
		h := s.prfHash()
		h.Write(messages)
		return h.Sum(nil)
	}
	m, h := md5.Sum(messages), sha1.Sum(messages)
	return append(m[:], h[:]...)
}

// keys makes the keys of both directions from the master secret.
func (s *suite12) keys(master, clientRandom, serverRandom []byte) (client, server *keys12, err error) {
	seed := append(append([]byte{}, serverRandom...), clientRandom...)
	block := s.prf(master, "key expansion", seed, 2*(s.macSize+s.keySize+s.fixedIV))
	take := func(n int) []byte {
		out := block[:n:n]
		block = block[n:]
		return out
	}
	client, server = &keys12{suite: s}, &keys12{suite: s}
	client.mac, server.mac = take(s.macSize), take(s.macSize)
	clientKey, serverKey := take(s.keySize), take(s.keySize)
	client.iv, server.iv = take(s.fixedIV), take(s.fixedIV)
	if err := client.init(clientKey); err != nil {
		return nil, nil, err
	}
	return client, server, server.init(serverKey)
}

// keys12 protect the records of one direction up to TLS 1.2.
type keys12 struct {
	suite *suite12
	aead  cipher.AEAD  // nil for CBC
	block cipher.Block // nil for AEAD
	mac   []byte
	iv    []byte // part of every nonce, or the vector of TLS 1.0's next record
	seq   uint64
}

func (k *keys12) init(key []byte) (err error) {
	if k.suite.row.enc == eChaCha20 {
		k.aead, err = chacha20poly1305.New(key)
		return err
	}
	if k.block, err = k.suite.newBlock(key); err != nil || k.suite.macHash != nil {
		return err
	}
	k.aead, err = cipher.NewGCM(k.block)
	return err
}

// pseudoHeader is what the integrity check covers besides the content.
func (k *keys12) pseudoHeader(typ byte, size int) []byte {
	h := binary.BigEndian.AppendUint64(nil, k.seq)
	h = append(h, typ)
	h = binary.BigEndian.AppendUint16(h, k.suite.version)
	return binary.BigEndian.AppendUint16(h, uint16(size))
}

// nonce returns that of the record, and the part of it that is sent along.
func (k *keys12) nonce() (nonce, explicit []byte) {
	number := binary.BigEndian.AppendUint64(nil, k.seq)
	nonce = append([]byte{}, k.iv...)
	if len(nonce) == 4 { // RFC 5288, section 3
		return append(nonce, number...), number
	}
	subtle.XORBytes(nonce[4:], nonce[4:], number) // RFC 7905, section 2
	return nonce, nil
}

// seal returns a record.
func (k *keys12) seal(typ byte, plain []byte) []byte {
	var body []byte
	if k.aead != nil {
		nonce, explicit := k.nonce()
		body = k.aead.Seal(explicit, nonce, plain, k.pseudoHeader(typ, len(plain)))
	} else {
		body = k.sealCBC(typ, plain)
	}
	k.seq++
	v := k.suite.version
	return append([]byte{typ, byte(v >> 8), byte(v), byte(len(body) >> 8), byte(len(body))}, body...)
}

func (k *keys12) sealCBC(typ byte, plain []byte) []byte {
	m := hmac.New(k.suite.macHash, k.mac)
	m.Write(k.pseudoHeader(typ, len(plain)))
	m.Write(plain)
	body := m.Sum(append([]byte{}, plain...))
	size := k.block.BlockSize()
	for pad, i := size-len(body)%size, 0; i < pad; i++ {
		body = append(body, byte(pad-1))
	}
	iv, sent := k.iv, []byte(nil)
	if len(iv) == 0 {
		iv = make([]byte, size)
		rand.Read(iv)
		sent = iv
	}
	cipher.NewCBCEncrypter(k.block, iv).CryptBlocks(body, body)
	if sent == nil {
		k.iv = body[len(body)-size:]
	}
	return append(sent, body...)
}

// open decrypts a record. The code of CBC records is not checked: the prober's
// results are unauthenticated.
func (k *keys12) open(header, body []byte) (byte, []byte, error) {
	typ := header[0]
	plain, err := k.decrypt(typ, body)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: a record that does not decrypt", ErrNotTLS)
	}
	k.seq++
	return typ, plain, nil
}

func (k *keys12) decrypt(typ byte, body []byte) ([]byte, error) {
	if k.aead == nil {
		return k.decryptCBC(body)
	}
	nonce, explicit := k.nonce()
	if len(body) < len(explicit)+k.aead.Overhead() {
		return nil, errMalformed
	}
	if len(explicit) > 0 { // the server counts as it likes
		copy(nonce[4:], body)
		body = body[len(explicit):]
	}
	return k.aead.Open(nil, nonce, body, k.pseudoHeader(typ, len(body)-k.aead.Overhead()))
}

func (k *keys12) decryptCBC(body []byte) ([]byte, error) {
	size := k.block.BlockSize()
	iv := k.iv
	if len(iv) == 0 && len(body) >= size {
		iv, body = body[:size], body[size:]
	}
	if len(body) == 0 || len(body)%size != 0 || len(iv) != size {
		return nil, errMalformed
	}
	plain := make([]byte, len(body))
	cipher.NewCBCDecrypter(k.block, iv).CryptBlocks(plain, body)
	if len(k.iv) > 0 {
		k.iv = body[len(body)-size:]
	}
	n := len(plain) - int(plain[len(plain)-1]) - 1 - k.suite.macSize
	if n < 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return plain[:n], nil
}
