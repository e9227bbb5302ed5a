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

// maxKeyStoreEntries bounds the entries and the chain of one.
const maxKeyStoreEntries = 100000

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

// readKeyStore lists a JKS or JCEKS file. Its private keys stay encrypted; the
// certificates need no password.
func readKeyStore(data []byte) ([]Object, error) {
	r := &storeReader{b: data[4:]}
	version, n := r.u32(), r.u32()
	if r.bad || version < 1 || version > 2 || n > maxKeyStoreEntries {
		return nil, errKeyStore
	}
	var list []Object
	for i := range n {
		tag, alias := r.u32(), r.text()
		created := time.UnixMilli(int64(uint64(r.u32())<<32 | uint64(r.u32()))).UTC()
		if r.bad {
			return list, errKeyStore
		}
		where := fmt.Sprintf("key store entry %d", i+1)
		switch tag {
		case 1:
			r.take(r.u32())
			list = append(list, Object{Kind: ObjectEncryptedKey, Source: where, Label: alias, Created: &created, Key: &PrivateKeyInfo{Encrypted: true}})
			chain := r.u32()
			if chain > 100 {
				return list, errKeyStore
			}
			for range chain {
				list = append(list, r.certificate(version, where, alias))
			}
		case 2:
			o := r.certificate(version, where, alias)
			o.Created = &created
			list = append(list, o)
		default: // a sealed Java object, whose length only Java knows
			return list, fmt.Errorf("%s (%q): secret keys cannot be read", where, alias)
		}
		if r.bad {
			return list, errKeyStore
		}
	}
	if len(list) == 0 {
		return nil, ErrNoObjects
	}
	return list, nil
}

func (r *storeReader) certificate(version int, where, alias string) Object {
	kind := "X.509"
	if version == 2 {
		kind = r.text()
	}
	raw := r.take(r.u32())
	o := Object{Kind: ObjectUnknown, Source: where, Label: alias, DER: raw, Problem: "certificate of the kind " + kind}
	if kind == "X.509" {
		o = certificateObject(raw)
		o.Source, o.Label = where, alias
	}
	return o
}
