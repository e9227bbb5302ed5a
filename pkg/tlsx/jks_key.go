package tlsx

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/sha1"
	"crypto/subtle"
	"fmt"
	"slices"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
)

// How Java's key stores encrypt private keys: each store has a scheme of its
// own, under numbers of Sun's.
const (
	oidJavaKeyProtector = "1.3.6.1.4.1.42.2.17.1.1" // JKS
	oidPBEMD53DES       = "1.3.6.1.4.1.42.2.19.1"   // JCEKS
)

// openJavaKey opens a private key of a JKS store: a salt, the key combined with
// a chain of SHA-1 sums over password and salt, and a sum over password and
// key. The password counts as UTF-16.
func openJavaKey(data, password []byte) ([]byte, error) {
	const sum = sha1.Size
	if len(data) < 2*sum {
		return nil, fmt.Errorf("encrypted data: %w", errMalformed)
	}
	salt, body, check := data[:sum], data[sum:len(data)-sum], data[len(data)-sum:]
	pass := utf16Octets(string(password))
	plain := make([]byte, 0, len(body)+sum)
	for link := salt; len(plain) < len(body); {
		next := sha1.Sum(append(pass[:len(pass):len(pass)], link...))
		link = next[:]
		plain = append(plain, link...)
	}
	plain = plain[:len(body)]
	subtle.XORBytes(plain, plain, body)
	want := sha1.Sum(append(pass[:len(pass):len(pass)], plain...))
	if !bytes.Equal(want[:], check) {
		return nil, ErrPassword
	}
	return plain, nil
}

// pbeMD53DES is what a JCEKS store uses: either half of the salt, hashed with
// the password again and again, gives sixteen of the octets of key and initial
// vector. Of the password, seven bits of each character count.
func pbeMD53DES(params cryptobyte.String, password []byte) (cipher.BlockMode, error) {
	salt, count, err := saltAndCount(params)
	if err != nil {
		return nil, err
	}
	if len(salt) != 8 {
		return nil, fmt.Errorf("a salt of %d octets: %w", len(salt), errMalformed)
	}
	salt = bytes.Clone(salt)
	if bytes.Equal(salt[:4], salt[4:]) {
		slices.Reverse(salt[:4]) // so that the halves of the result differ
	}
	var pass, material []byte
	for _, u := range utf16.Encode([]rune(string(password))) {
		pass = append(pass, byte(u&0x7f))
	}
	for _, half := range [][]byte{salt[:4], salt[4:]} {
		h := md5.New()
		link := half
		for range count {
			h.Reset()
			h.Write(link)
			h.Write(pass)
			link = h.Sum(nil)
		}
		material = append(material, link...)
	}
	return newCBC(des.NewTripleDESCipher, material[:24], material[24:])
}
