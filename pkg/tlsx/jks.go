package tlsx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf16"
)

// The first octets of Java's two key store formats.
const (
	magicJKS   = 0xfeedfeed
	magicJCEKS = 0xcececece
)

var errKeyStore = errors.New("malformed Java key store")

// maxKeyStoreEntries and maxKeyStoreChain bound the entries and the chain of
// one.
const (
	maxKeyStoreEntries = 100000
	maxKeyStoreChain   = 100
)

func isKeyStore(data []byte) bool {
	if len(data) < 12 {
		return false
	}
	magic := binary.BigEndian.Uint32(data)
	return magic == magicJKS || magic == magicJCEKS
}

// A storeReader reads the big-endian fields of a key store.
type storeReader struct {
	b   []byte
	bad bool
}

func (r *storeReader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *storeReader) u16() int {
	if b := r.take(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *storeReader) u32() int {
	if b := r.take(4); b != nil {
		return int(binary.BigEndian.Uint32(b))
	}
	return 0
}

// text reads Java's modified UTF-8; characters beyond the first plane are
// pairs of surrogates in it.
func (r *storeReader) text() string {
	b := r.take(r.u16())
	var u []uint16
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c < 0x80:
			u = append(u, uint16(c))
			i++
		case c&0xe0 == 0xc0 && i+1 < len(b):
			u = append(u, uint16(c&0x1f)<<6|uint16(b[i+1]&0x3f))
			i += 2
		case c&0xf0 == 0xe0 && i+2 < len(b):
			u = append(u, uint16(c&0x0f)<<12|uint16(b[i+1]&0x3f)<<6|uint16(b[i+2]&0x3f))
			i += 3
		default:
			r.bad = true
			return ""
		}
	}
	return string(utf16.Decode(u))
}

// A storeEntry is a private key with its chain, or one trusted certificate.
type storeEntry struct {
	alias   string
	created *time.Time // nil for a date that cannot be written
	key     []byte     // EncryptedPrivateKeyInfo, nil for a trusted certificate
	certs   []storeCertificate
}

type storeCertificate struct {
	kind string // "X.509"
	raw  []byte
}

// keyStoreEntries takes a JKS or JCEKS file apart. The entries before an error
// come with it.
func keyStoreEntries(data []byte) ([]storeEntry, error) {
	r := &storeReader{b: data[4:]}
	version, n := r.u32(), r.u32()
	if r.bad || version < 1 || version > 2 || n > maxKeyStoreEntries {
		return nil, errKeyStore
	}
	var list []storeEntry
	for i := range n {
		tag := r.u32()
		e := storeEntry{alias: r.text()}
		if t := time.UnixMilli(int64(uint64(r.u32())<<32 | uint64(r.u32()))).UTC(); writable(t) {
			e.created = &t
		}
		chain := 1
		switch {
		case r.bad:
		case tag == 1:
			e.key = r.take(r.u32())
			chain = r.u32()
		case tag != 2: // a sealed Java object, whose length only Java knows
			return list, fmt.Errorf("key store entry %d (%q): secret keys cannot be read", i+1, e.alias)
		}
		if r.bad || chain > maxKeyStoreChain {
			return list, errKeyStore
		}
		for range chain {
			e.certs = append(e.certs, r.certificate(version))
		}
		if r.bad {
			return list, errKeyStore
		}
		list = append(list, e)
	}
	return list, nil
}

func (r *storeReader) certificate(version int) storeCertificate {
	c := storeCertificate{kind: "X.509"}
	if version == 2 {
		c.kind = r.text()
	}
	c.raw = r.take(r.u32())
	return c
}

// readKeyStore lists a JKS or JCEKS file. Only its private keys need the
// password.
func readKeyStore(data []byte, open *opener) ([]Object, error) {
	entries, err := keyStoreEntries(data)
	var list []Object
	for i, e := range entries {
		where := fmt.Sprintf("key store entry %d", i+1)
		if e.key != nil {
			o := keyObject(pemBlock{data: e.key}, open)
			o.Source, o.Label, o.Created = where, e.alias, e.created
			list = append(list, o)
		}
		for _, c := range e.certs {
			o := Object{Kind: ObjectUnknown, DER: c.raw, Problem: "certificate of the kind " + c.kind}
			if c.kind == "X.509" {
				o = certificateObject(c.raw)
			}
			o.Source, o.Label = where, e.alias
			if e.key == nil {
				o.Created = e.created
			}
			list = append(list, o)
		}
	}
	if err == nil && len(list) == 0 {
		err = ErrNoObjects
	}
	return list, err
}

// parseIdentityKeyStore returns the first private key of a key store with its
// chain.
func parseIdentityKeyStore(data []byte, open *opener) (identity, error) {
	entries, err := keyStoreEntries(data)
	for _, e := range entries {
		if e.key == nil {
			continue
		}
		var id identity
		for _, c := range e.certs {
			id.chain = append(id.chain, c.raw)
		}
		if id.key, err = parseKeyDER(e.key, open); err != nil {
			return identity{}, fmt.Errorf("key store entry %q: %w", e.alias, err)
		}
		return id, nil
	}
	if err == nil {
		err = fmt.Errorf("key store: %w", ErrNoKey)
	}
	return identity{}, err
}
