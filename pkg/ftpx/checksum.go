package ftpx

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"strings"
)

// A Checksum is what the content of a file should add up to.
type Checksum struct {
	Algorithm string // "SHA-256", "SHA-512", "SHA-1", "MD5", "CRC32"
	Sum       string // hexadecimal
}

// NewHash returns the hash of an algorithm, nil for an unknown one.
func NewHash(algorithm string) hash.Hash {
	switch strings.ToUpper(strings.ReplaceAll(algorithm, "-", "")) {
	case "SHA256":
		return sha256.New()
	case "SHA512":
		return sha512.New()
	case "SHA1":
		return sha1.New()
	case "MD5":
		return md5.New()
	case "CRC32":
		return crc32.NewIEEE()
	}
	return nil
}

// Verify reads r to its end and compares. A difference is a [ChecksumError], a
// failure of r a [LocalError].
func (want Checksum) Verify(r io.Reader) error {
	h := NewHash(want.Algorithm)
	if h == nil {
		return fmt.Errorf("checksum %q: unknown algorithm", want.Algorithm)
	}
	if _, err := io.CopyBuffer(h, onlyReader{r}, make([]byte, copyStep)); err != nil {
		return localError("read", err)
	}
	got := hex.EncodeToString(h.Sum(nil))
	if !strings.EqualFold(got, strings.TrimSpace(want.Sum)) {
		return &ChecksumError{Algorithm: want.Algorithm, Got: got, Want: strings.ToLower(want.Sum)}
	}
	return nil
}

type onlyReader struct{ io.Reader }

// Checksum asks the server for the checksum of a file, by HASH, or by one of the
// X commands. It wraps [ErrNotSupported] when the server offers none.
func (c *Client) Checksum(ctx context.Context, path string) (Checksum, error) {
	if err := c.begin(ctx); err != nil {
		return Checksum{}, err
	}
	for _, way := range []struct{ verb, algorithm string }{
		{"HASH", ""}, {"XSHA256", "SHA-256"}, {"XSHA512", "SHA-512"}, {"XSHA1", "SHA-1"}, {"XMD5", "MD5"}, {"XCRC", "CRC32"},
	} {
		if !c.Has(way.verb) || c.badChecksum[way.verb] {
			continue
		}
		sum, err := c.askChecksum(way.verb, way.algorithm, path)
		if err == nil || !refusedCommand(err) {
			return sum, err
		}
		if c.badChecksum == nil {
			c.badChecksum = map[string]bool{}
		}
		c.badChecksum[way.verb] = true
	}
	return Checksum{}, fmt.Errorf("checksum of %s: %w", path, ErrNotSupported)
}

func (c *Client) askChecksum(verb, algorithm, path string) (Checksum, error) {
	if err := c.chooseType(Binary); err != nil {
		return Checksum{}, err
	}
	if err := c.chooseHash(verb); err != nil {
		return Checksum{}, err
	}
	reply, err := c.exchange(c.ctx, verb+" "+path)
	if err != nil {
		return Checksum{}, err
	}
	if err := reply.err(verb + " " + path); err != nil {
		return Checksum{}, err
	}
	return parseChecksum(reply.Message(), algorithm)
}

// chooseHash asks for SHA-256 where HASH offers it and would use another, such as
// the SHA-1 of ProFTPD: "HASH CRC32;MD5;SHA-1*;SHA-256" (draft-bryan-ftp-hash).
func (c *Client) chooseHash(verb string) error {
	if verb != "HASH" || c.hashChosen || !slices.Contains(strings.Split(c.features["HASH"], ";"), "SHA-256") {
		return nil
	}
	c.hashChosen = true
	_, err := c.exchange(c.ctx, "OPTS HASH SHA-256") // whatever it answers
	return err
}

// parseChecksum finds the sum: "SHA-256 0-49 169cd... name" in the reply to
// HASH, the first word of the right length in the others.
func parseChecksum(text, algorithm string) (Checksum, error) {
	words := strings.Fields(text)
	if algorithm == "" && len(words) >= 3 {
		algorithm, words = words[0], words[2:]
	}
	h := NewHash(algorithm)
	for _, word := range words {
		if h == nil {
			break
		}
		if b, err := hex.DecodeString(word); err == nil && len(b) == h.Size() {
			return Checksum{algorithm, strings.ToLower(word)}, nil
		}
	}
	return Checksum{}, fmt.Errorf("%w: checksum reply %.80q", ErrProtocol, text)
}
