package tlsx

import (
	"errors"
	"fmt"
)

// The ASN.1 classes and the universal tags used here (X.690, section 8.1.2).
const (
	classUniversal = 0
	classContext   = 2

	tagBoolean     = 1
	tagInteger     = 2
	tagBitString   = 3
	tagOctetString = 4
	tagNull        = 5
	tagOID         = 6
	tagEnumerated  = 10
	tagUTF8        = 12
	tagSequence    = 16
	tagSet         = 17
	tagNumeric     = 18
	tagPrintable   = 19
	tagT61         = 20
	tagIA5         = 22
	tagUTCTime     = 23
	tagGeneralTime = 24
	tagVisible     = 26
	tagGeneral     = 27
	tagUniversal   = 28
	tagBMP         = 30
)

// A tlv is one ASN.1 value. Its bytes alias the input.
type tlv struct {
	class       int
	tag         int
	constructed bool
	full        []byte // header and content
	content     []byte
	off         int // of full in the outermost input
}

// is reports whether v has a universal tag.
func (v tlv) is(tag int) bool { return v.class == classUniversal && v.tag == tag }

// isContext reports whether v has the context-specific tag n.
func (v tlv) isContext(n int) bool { return v.class == classContext && v.tag == n }

// inside returns a reader of the content of v.
func (v tlv) inside() der {
	return der{b: v.content, off: v.off + len(v.full) - len(v.content)}
}

// children reads the values in the content of v, at most limit of them.
func (v tlv) children(limit int) ([]tlv, error) {
	d := v.inside()
	list := make([]tlv, 0, min(limit, 4))
	for !d.empty() {
		if len(list) == limit {
			return list, fmt.Errorf("more than %d elements at offset %d", limit, v.off)
		}
		x, err := d.next()
		if err != nil {
			return list, err
		}
		list = append(list, x)
	}
	return list, nil
}

var (
	errTruncated  = errors.New("truncated")
	errIndefinite = errors.New("indefinite length (BER, not DER)")
	errBigLength  = errors.New("length too large")
	errBigTag     = errors.New("tag too large")
)

// A der reads ASN.1 values one after the other. Lengths need not be minimal;
// the caller that cares compares.
type der struct {
	b   []byte
	off int // of b[0] in the outermost input
}

func (d *der) empty() bool { return len(d.b) == 0 }

// peek reports whether the next value has this class and tag.
func (d *der) peek(class, tag int) bool {
	return len(d.b) > 0 && int(d.b[0]>>6) == class && int(d.b[0]&0x1f) == tag
}

// next reads one value of any kind.
func (d *der) next() (tlv, error) {
	v, err := readTLV(d.b)
	if err != nil {
		return tlv{}, fmt.Errorf("%w at offset %d", err, d.off)
	}
	v.off = d.off
	d.b, d.off = d.b[len(v.full):], d.off+len(v.full)
	return v, nil
}

// want reads one value that must have a universal tag.
func (d *der) want(tag int) (tlv, error) {
	off := d.off
	v, err := d.next()
	switch {
	case err != nil:
	case !v.is(tag):
		err = fmt.Errorf("want %s, got %s at offset %d", tagName(classUniversal, tag), tagName(v.class, v.tag), off)
	case v.constructed != (tag == tagSequence || tag == tagSet):
		err = fmt.Errorf("%s with the wrong form bit at offset %d", tagName(classUniversal, tag), off)
	}
	return v, err
}

// optional reads the next value if it has this context-specific tag.
func (d *der) optional(n int) (tlv, bool, error) {
	if !d.peek(classContext, n) {
		return tlv{}, false, nil
	}
	v, err := d.next()
	return v, err == nil, err
}

func readTLV(b []byte) (tlv, error) {
	if len(b) < 2 {
		return tlv{}, errTruncated
	}
	v := tlv{class: int(b[0] >> 6), constructed: b[0]&0x20 != 0, tag: int(b[0] & 0x1f)}
	i := 1
	if v.tag == 0x1f {
		v.tag = 0
		for {
			if i >= len(b) {
				return tlv{}, errTruncated
			}
			if v.tag > 1<<20 {
				return tlv{}, errBigTag
			}
			v.tag = v.tag<<7 | int(b[i]&0x7f)
			i++
			if b[i-1]&0x80 == 0 {
				break
			}
		}
	}
	n, i, err := readLength(b, i)
	if err != nil {
		return tlv{}, err
	}
	if n > len(b)-i {
		return tlv{}, errTruncated
	}
	v.full, v.content = b[:i+n:i+n], b[i:i+n:i+n]
	return v, nil
}

// readLength reads the length at b[i] and returns it and where the content
// starts.
func readLength(b []byte, i int) (n, next int, err error) {
	if i >= len(b) {
		return 0, 0, errTruncated
	}
	if b[i] < 0x80 {
		return int(b[i]), i + 1, nil
	}
	k := int(b[i] & 0x7f)
	i++
	switch {
	case k == 0:
		return 0, 0, errIndefinite
	case k > len(b)-i:
		return 0, 0, errTruncated
	}
	for _, c := range b[i : i+k] {
		if n >= 1<<23 {
			return 0, 0, errBigLength
		}
		n = n<<8 | int(c)
	}
	return n, i + k, nil
}

// parseDER reads b as exactly one value with a universal tag.
func parseDER(b []byte, tag int) (tlv, error) {
	d := der{b: b}
	v, err := d.want(tag)
	if err == nil && !d.empty() {
		err = fmt.Errorf("%d bytes after the end", len(d.b))
	}
	return v, err
}

func tagName(class, tag int) string {
	switch {
	case class == classContext:
		return fmt.Sprintf("[%d]", tag)
	case class != classUniversal:
		return fmt.Sprintf("class %d tag %d", class, tag)
	}
	names := [...]string{1: "BOOLEAN", 2: "INTEGER", 3: "BIT STRING", 4: "OCTET STRING", 5: "NULL", 6: "OBJECT IDENTIFIER",
		10: "ENUMERATED", 12: "UTF8String", 16: "SEQUENCE", 17: "SET", 18: "NumericString", 19: "PrintableString",
		20: "TeletexString", 22: "IA5String", 23: "UTCTime", 24: "GeneralizedTime", 26: "VisibleString", 28: "UniversalString", 30: "BMPString"}
	if tag < len(names) && names[tag] != "" {
		return names[tag]
	}
	return fmt.Sprintf("tag %d", tag)
}
