package tlsx

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rc4"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/scrypt"
)

// ErrPassword is wrapped by errors about a password that does not open a key.
var ErrPassword = errors.New("wrong password")

// ErrPasswordRequired is wrapped by errors about an encrypted key for which no
// password was given.
var ErrPasswordRequired = errors.New("a password is required")

// errMalformed is wrapped by errors about files that do not parse.
var errMalformed = errors.New("malformed")

// Limits for what an encrypted file may cost. OpenSSL writes 2048 iterations,
// careful tools up to some millions.
const (
	maxIterations   = 10_000_000
	maxScryptMemory = 256 << 20
	maxScryptWork   = 1 << 30
)

// Object identifiers of password-based encryption: PKCS #5 (RFC 8018), PKCS #12
// (RFC 7292), scrypt (RFC 7914).
const (
	oidPBES2         = "1.2.840.113549.1.5.13"
	oidPBKDF2        = "1.2.840.113549.1.5.12"
	oidPBMAC1        = "1.2.840.113549.1.5.14"
	oidScrypt        = "1.3.6.1.4.1.11591.4.11"
	oidPBEMD5DES     = "1.2.840.113549.1.5.3"
	oidPBESHA1DES    = "1.2.840.113549.1.5.10"
	oidPBEMD5RC2     = "1.2.840.113549.1.5.6"
	oidPBESHA1RC2    = "1.2.840.113549.1.5.11"
	oidP12RC4x128    = "1.2.840.113549.1.12.1.1"
	oidP12RC4x40     = "1.2.840.113549.1.12.1.2"
	oidP123DES       = "1.2.840.113549.1.12.1.3"
	oidP12DES2Key    = "1.2.840.113549.1.12.1.4"
	oidP12RC2x128    = "1.2.840.113549.1.12.1.5"
	oidP12RC2x40     = "1.2.840.113549.1.12.1.6"
	oidAES128CBC     = "2.16.840.1.101.3.4.1.2"
	oidAES192CBC     = "2.16.840.1.101.3.4.1.22"
	oidAES256CBC     = "2.16.840.1.101.3.4.1.42"
	oidDESEDE3CBC    = "1.2.840.113549.3.7"
	oidDESCBC        = "1.3.14.3.2.7"
	oidHMACSHA1      = "1.2.840.113549.2.7"
	oidHMACSHA224    = "1.2.840.113549.2.8"
	oidHMACSHA256    = "1.2.840.113549.2.9"
	oidHMACSHA384    = "1.2.840.113549.2.10"
	oidHMACSHA512    = "1.2.840.113549.2.11"
	oidHMACSHA512224 = "1.2.840.113549.2.12"
	oidHMACSHA512256 = "1.2.840.113549.2.13"
)

// readAlgorithm reads an AlgorithmIdentifier: its identifier and the rest of it.
func readAlgorithm(s *cryptobyte.String) (oid string, params cryptobyte.String, err error) {
	var seq cryptobyte.String
	var id asn1.ObjectIdentifier
	if !s.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&id) {
		return "", nil, fmt.Errorf("algorithm identifier: %w", errMalformed)
	}
	return id.String(), seq, nil
}

// decryptPBE opens data that was encrypted with a password by the algorithm
// identifier alg. A wrong password shows as wrong padding: [ErrPassword].
func decryptPBE(alg cryptobyte.String, data, password []byte) ([]byte, error) {
	oid, params, err := readAlgorithm(&alg)
	if err != nil {
		return nil, err
	}
	var mode cipher.BlockMode
	switch oid {
	case oidPBES2:
		mode, err = pbes2(params, password)
	case oidPBEMD5DES, oidPBESHA1DES, oidPBEMD5RC2, oidPBESHA1RC2:
		mode, err = pbes1(oid, params, password)
	case oidP12RC4x128, oidP12RC4x40:
		return p12RC4(oid, params, data, password)
	case oidP123DES, oidP12DES2Key, oidP12RC2x128, oidP12RC2x40:
		mode, err = p12Block(oid, params, password)
	case oidJavaKeyProtector:
		return openJavaKey(data, password)
	case oidPBEMD53DES:
		mode, err = pbeMD53DES(params, password)
	default:
		return nil, fmt.Errorf("encryption %s: %w", oid, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, err
	}
	return decryptCBC(mode, data)
}

func decryptCBC(mode cipher.BlockMode, data []byte) ([]byte, error) {
	if len(data) == 0 || len(data)%mode.BlockSize() != 0 {
		return nil, fmt.Errorf("encrypted data: %w", errMalformed)
	}
	out := make([]byte, len(data))
	mode.CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad == 0 || pad > mode.BlockSize() {
		return nil, ErrPassword
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			return nil, ErrPassword
		}
	}
	return out[:len(out)-pad], nil
}

// pbes2 is RFC 8018, section 6.2: any derivation with any cipher.
func pbes2(params cryptobyte.String, password []byte) (cipher.BlockMode, error) {
	var seq cryptobyte.String
	if !params.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return nil, fmt.Errorf("PBES2: %w", errMalformed)
	}
	kdf, kdfParams, err := readAlgorithm(&seq)
	if err != nil {
		return nil, err
	}
	enc, encParams, err := readAlgorithm(&seq)
	if err != nil {
		return nil, err
	}
	var iv []byte
	if !encParams.ReadASN1Bytes(&iv, cbasn1.OCTET_STRING) {
		return nil, fmt.Errorf("PBES2: %w", errMalformed)
	}
	size, block := pbes2Cipher(enc)
	if block == nil {
		return nil, fmt.Errorf("encryption %s: %w", enc, errors.ErrUnsupported)
	}
	key, err := deriveKey(kdf, kdfParams, password, size)
	if err != nil {
		return nil, err
	}
	return newCBC(block, key, iv)
}

func pbes2Cipher(oid string) (keySize int, block func([]byte) (cipher.Block, error)) {
	switch oid {
	case oidAES128CBC:
		return 16, aes.NewCipher
	case oidAES192CBC:
		return 24, aes.NewCipher
	case oidAES256CBC:
		return 32, aes.NewCipher
	case oidDESEDE3CBC:
		return 24, des.NewTripleDESCipher
	case oidDESCBC:
		return 8, des.NewCipher
	}
	return 0, nil
}

func newCBC(block func([]byte) (cipher.Block, error), key, iv []byte) (cipher.BlockMode, error) {
	b, err := block(key)
	if err != nil {
		return nil, err
	}
	if len(iv) != b.BlockSize() {
		return nil, fmt.Errorf("initial vector: %w", errMalformed)
	}
	return cipher.NewCBCDecrypter(b, iv), nil
}

func deriveKey(oid string, params cryptobyte.String, password []byte, size int) ([]byte, error) {
	switch oid {
	case oidPBKDF2:
		return derivePBKDF2(params, password, size)
	case oidScrypt:
		return deriveScrypt(params, password, size)
	}
	return nil, fmt.Errorf("key derivation %s: %w", oid, errors.ErrUnsupported)
}

func derivePBKDF2(params cryptobyte.String, password []byte, size int) ([]byte, error) {
	var seq, salt cryptobyte.String
	var iterations int
	if !params.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1(&salt, cbasn1.OCTET_STRING) || !seq.ReadASN1Integer(&iterations) {
		return nil, fmt.Errorf("PBKDF2: %w", errMalformed)
	}
	var keyLen int
	if seq.PeekASN1Tag(cbasn1.INTEGER) && (!seq.ReadASN1Integer(&keyLen) || keyLen < 1 || keyLen > 64) {
		return nil, fmt.Errorf("PBKDF2: %w", errMalformed)
	}
	if keyLen != 0 {
		size = keyLen
	}
	prf := oidHMACSHA1
	if !seq.Empty() {
		var err error
		if prf, _, err = readAlgorithm(&seq); err != nil {
			return nil, err
		}
	}
	h := hmacHash(prf)
	if h == nil {
		return nil, fmt.Errorf("pseudo-random function %s: %w", prf, errors.ErrUnsupported)
	}
	if iterations < 1 || iterations > maxIterations {
		return nil, fmt.Errorf("PBKDF2 with %d iterations: %w", iterations, errors.ErrUnsupported)
	}
	return pbkdf2.Key(h, string(password), salt, iterations, size)
}

func hmacHash(oid string) func() hash.Hash {
	switch oid {
	case oidHMACSHA1:
		return sha1.New
	case oidHMACSHA224:
		return sha256.New224
	case oidHMACSHA256:
		return sha256.New
	case oidHMACSHA384:
		return sha512.New384
	case oidHMACSHA512:
		return sha512.New
	case oidHMACSHA512224:
		return sha512.New512_224
	case oidHMACSHA512256:
		return sha512.New512_256
	}
	return nil
}

func deriveScrypt(params cryptobyte.String, password []byte, size int) ([]byte, error) {
	var seq, salt cryptobyte.String
	var n, r, p int64
	if !params.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1(&salt, cbasn1.OCTET_STRING) ||
		!seq.ReadASN1Integer(&n) || !seq.ReadASN1Integer(&r) || !seq.ReadASN1Integer(&p) || n < 2 || r < 1 || p < 1 {
		return nil, fmt.Errorf("scrypt: %w", errMalformed)
	}
	if n > maxScryptMemory || r > maxScryptMemory || 128*n*r > maxScryptMemory || p > maxScryptWork/(128*n*r) {
		return nil, fmt.Errorf("scrypt with N=%d r=%d p=%d: %w", n, r, p, errors.ErrUnsupported)
	}
	return scrypt.Key(password, salt, int(n), int(r), int(p), size)
}

// saltAndCount reads the parameters of PKCS #5 version 1.5 and of PKCS #12.
func saltAndCount(params cryptobyte.String) (salt []byte, count int, err error) {
	var seq cryptobyte.String
	if !params.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1Bytes(&salt, cbasn1.OCTET_STRING) || !seq.ReadASN1Integer(&count) {
		return nil, 0, fmt.Errorf("encryption parameters: %w", errMalformed)
	}
	if count < 1 || count > maxIterations {
		return nil, 0, fmt.Errorf("%d iterations: %w", count, errors.ErrUnsupported)
	}
	return salt, count, nil
}

// pbes1 is RFC 8018, section 6.1: eight bytes of key and eight of initial
// vector out of a repeated hash.
func pbes1(oid string, params cryptobyte.String, password []byte) (cipher.BlockMode, error) {
	salt, count, err := saltAndCount(params)
	if err != nil {
		return nil, err
	}
	h := sha1.New()
	if oid == oidPBEMD5DES || oid == oidPBEMD5RC2 {
		h = md5.New()
	}
	sum := append(append([]byte(nil), password...), salt...)
	for range count {
		h.Reset()
		h.Write(sum)
		sum = h.Sum(sum[:0])
	}
	block := des.NewCipher
	if oid == oidPBEMD5RC2 || oid == oidPBESHA1RC2 {
		block = newRC2
	}
	return newCBC(block, sum[:8], sum[8:16])
}

// p12Block is RFC 7292, appendix B with a block cipher.
func p12Block(oid string, params cryptobyte.String, password []byte) (cipher.BlockMode, error) {
	salt, count, err := saltAndCount(params)
	if err != nil {
		return nil, err
	}
	pass := bmpPassword(password)
	derive := func(id byte, size int) []byte { return p12KDF(sha1.New, 64, pass, salt, count, id, size) }
	iv := derive(2, 8)
	switch oid {
	case oidP12RC2x128:
		return newCBC(newRC2, derive(1, 16), iv)
	case oidP12RC2x40:
		return newCBC(newRC2, derive(1, 5), iv)
	case oidP12DES2Key:
		key := derive(1, 16)
		return newCBC(des.NewTripleDESCipher, append(key, key[:8]...), iv)
	}
	return newCBC(des.NewTripleDESCipher, derive(1, 24), iv)
}

func p12RC4(oid string, params cryptobyte.String, data, password []byte) ([]byte, error) {
	salt, count, err := saltAndCount(params)
	if err != nil {
		return nil, err
	}
	size := 16
	if oid == oidP12RC4x40 {
		size = 5
	}
	c, err := rc4.NewCipher(p12KDF(sha1.New, 64, bmpPassword(password), salt, count, 1, size))
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(data))
	c.XORKeyStream(out, data)
	return out, nil
}

// p12KDF is RFC 7292, appendix B.2. blockSize is that of the hash in bytes.
func p12KDF(newHash func() hash.Hash, blockSize int, password, salt []byte, count int, id byte, size int) []byte {
	input := append(fillBlocks(salt, blockSize), fillBlocks(password, blockSize)...)
	diversifier := make([]byte, blockSize)
	for i := range diversifier {
		diversifier[i] = id
	}
	var out []byte
	h := newHash()
	for len(out) < size {
		h.Reset()
		h.Write(diversifier)
		h.Write(input)
		sum := h.Sum(nil)
		for range count - 1 {
			h.Reset()
			h.Write(sum)
			sum = h.Sum(sum[:0])
		}
		out = append(out, sum...)
		addToBlocks(input, fillBlocks(sum, blockSize)[:blockSize])
	}
	return out[:size]
}

// fillBlocks repeats b until whole blocks are full.
func fillBlocks(b []byte, size int) []byte {
	if len(b) == 0 {
		return nil
	}
	out := make([]byte, (len(b)+size-1)/size*size)
	for i := range out {
		out[i] = b[i%len(b)]
	}
	return out
}

// addToBlocks adds add + 1 to every block of b, as numbers.
func addToBlocks(b, add []byte) {
	for start := 0; start < len(b); start += len(add) {
		carry := 1
		for i := len(add) - 1; i >= 0; i-- {
			carry += int(b[start+i]) + int(add[i])
			b[start+i] = byte(carry)
			carry >>= 8
		}
	}
}

// bmpPassword is a password as PKCS #12 wants it: UTF-16 with a final zero. A
// nil password stays empty, which some programs take for "no password". One that
// is not UTF-8 counts as Latin-1, as OpenSSL has it.
func bmpPassword(password []byte) []byte {
	if password == nil {
		return nil
	}
	text := string(password)
	if !utf8.Valid(password) {
		text = latin1(password)
	}
	return append(utf16Octets(text), 0, 0)
}

// utf16Octets is text in UTF-16, the high octets first.
func utf16Octets(text string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(text)) {
		out = append(out, byte(u>>8), byte(u))
	}
	return out
}
