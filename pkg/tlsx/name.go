package tlsx

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// An Attribute is one part of a name. Repeated types are kept, in order.
type Attribute struct {
	// Type is OpenSSL's short name ("CN"), or the dotted object identifier.
	Type string `json:"type"`
	// Value is the text in UTF-8. Nothing is escaped: it is the CA's text.
	Value string `json:"value"`
	// OID is the dotted object identifier of the type.
	OID string `json:"oid"`

	id    oid
	rdn   int // index of the relative name it belongs to
	tag   int // of the encoded value
	raw   []byte
	plain bool // the value is a character string
}

// A Name is a distinguished name, in encoded order.
type Name struct {
	Attributes []Attribute
	// Raw is the DER encoding.
	Raw []byte

	canonical string
	broken    bool // its structure could not be followed to the end
}

// String returns the name as "CN=a, O=b", in encoded order, as openssl x509
// -nameopt oneline does less its escaping of special characters: commas and
// control characters in values come as they are.
func (n Name) String() string {
	var b strings.Builder
	for i, a := range n.Attributes {
		switch {
		case i == 0:
		case a.rdn == n.Attributes[i-1].rdn:
			b.WriteString(" + ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(a.Type)
		b.WriteByte('=')
		b.WriteString(a.Value)
	}
	return b.String()
}

// First returns the value of the first attribute of a type ("CN"), or "".
func (n Name) First(typ string) string {
	for _, a := range n.Attributes {
		if a.Type == typ {
			return a.Value
		}
	}
	return ""
}

// Empty reports whether the name has no attributes.
func (n Name) Empty() bool { return len(n.Attributes) == 0 }

// Equal compares names as OpenSSL does: case and blanks do not count, nor does
// the string type.
func (n Name) Equal(m Name) bool { return n.canonical == m.canonical }

// Hash returns the number by which a hashed directory files the name: the
// one openssl x509 -hash prints.
func (n Name) Hash() uint32 {
	sum := sha1.Sum([]byte(n.canonical))
	return binary.LittleEndian.Uint32(sum[:4])
}

// OldHash returns the number OpenSSL before 1.0 used (-subject_hash_old).
func (n Name) OldHash() uint32 {
	sum := md5.Sum(n.Raw)
	return binary.LittleEndian.Uint32(sum[:4])
}

const maxNameAttributes = 8192

// parseName reads an RDNSequence. Bad parts are reported and left out.
func parseName(v tlv, what string, bad *defects) Name {
	n := Name{Raw: v.full}
	d := v.inside()
	n.Attributes = make([]Attribute, 0, 6)
	for i := 0; !d.empty() && i < maxNameAttributes; i++ {
		rdn, err := d.next()
		if err != nil {
			bad.add(v.off, what, err.Error())
			n.broken = true
			break
		}
		n.addRDN(i, rdn, what, bad)
	}
	n.canonical = canonicalName(n.Attributes)
	return n
}

func (n *Name) addRDN(i int, rdn tlv, what string, bad *defects) {
	d := rdn.inside()
	switch {
	case !rdn.is(tagSet):
		bad.add(rdn.off, what, "relative name is not a SET")
		n.broken = true
	case d.empty():
		bad.add(rdn.off, what, "empty relative name")
	}
	for !d.empty() && len(n.Attributes) < maxNameAttributes {
		ava, err := d.next()
		if err != nil {
			bad.add(rdn.off, what, err.Error())
			n.broken = true
			return
		}
		a, ok := parseAttribute(ava, what, bad)
		if !ok {
			n.broken = true
			continue
		}
		a.rdn = i
		n.Attributes = append(n.Attributes, a)
	}
}

func parseAttribute(ava tlv, what string, bad *defects) (Attribute, bool) {
	d := ava.inside()
	typ, err := d.want(tagOID)
	if err != nil {
		bad.add(ava.off, what, "attribute: "+err.Error())
		return Attribute{}, false
	}
	val, err := d.next()
	if err != nil {
		bad.add(ava.off, what, "attribute value: "+err.Error())
		return Attribute{}, false
	}
	a := Attribute{id: oid(typ.content), tag: val.tag, raw: val.full}
	a.Type, a.OID = a.id.short(), a.id.String()
	var problem string
	a.Value, a.plain, problem = decodeString(val)
	if problem != "" {
		bad.add(val.off, what, a.Type+": "+problem)
	}
	return a, true
}

// decodeString returns the text of an ASN.1 character string as UTF-8, whether
// it is one at all, and what is wrong with it.
func decodeString(v tlv) (s string, plain bool, problem string) {
	if v.class != classUniversal {
		return "#" + hexString(v.full), false, "not a universal string type"
	}
	switch v.tag {
	case tagPrintable, tagIA5, tagVisible, tagNumeric:
		return latin1(v.content), true, checkCharset(v)
	case tagT61, tagGeneral:
		return latin1(v.content), true, ""
	case tagUTF8:
		if !utf8.Valid(v.content) {
			return strings.ToValidUTF8(string(v.content), "\ufffd"), true, "not valid UTF-8"
		}
		return string(v.content), true, ""
	case tagBMP:
		return decodeBMP(v.content)
	case tagUniversal:
		return decodeUniversal(v.content)
	}
	return "#" + hexString(v.full), false, ""
}

func checkCharset(v tlv) string {
	for _, c := range v.content {
		if c >= 0x80 {
			return tagName(v.class, v.tag) + " with a character that is not ASCII"
		}
		if v.tag == tagPrintable && !printableByte(c) {
			return "PrintableString with the character " + quoteByte(c)
		}
	}
	return ""
}

func quoteByte(c byte) string {
	if c < ' ' || c == 0x7f {
		return "0x" + hexString([]byte{c})
	}
	return "'" + string(rune(c)) + "'"
}

func printableByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte(" '()+,-./:=?", c) >= 0
}

func latin1(b []byte) string {
	for _, c := range b {
		if c >= 0x80 {
			r := make([]rune, len(b))
			for i, c := range b {
				r[i] = rune(c)
			}
			return string(r)
		}
	}
	return string(b)
}

func decodeBMP(b []byte) (string, bool, string) {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	if len(b)%2 != 0 {
		return string(utf16.Decode(u)), true, "BMPString of odd length"
	}
	return string(utf16.Decode(u)), true, ""
}

func decodeUniversal(b []byte) (string, bool, string) {
	r := make([]rune, len(b)/4)
	for i := range r {
		r[i] = rune(binary.BigEndian.Uint32(b[4*i:]))
	}
	if len(b)%4 != 0 {
		return string(r), true, "UniversalString whose length is no multiple of four"
	}
	return string(r), true, ""
}

// canonicalName returns the form in which names are compared and hashed: the
// SETs one after the other, without the outer SEQUENCE, every string as a
// UTF8String in lower-case ASCII with single inner blanks.
func canonicalName(attrs []Attribute) string {
	out := make([]byte, 0, 256)
	for i := 0; i < len(attrs); {
		j := i + 1
		for j < len(attrs) && attrs[j].rdn == attrs[i].rdn {
			j++
		}
		out = appendTLV(out, tagSet|0x20, canonicalRDN(attrs[i:j]))
		i = j
	}
	return string(out)
}

func canonicalRDN(attrs []Attribute) []byte {
	if len(attrs) == 1 {
		return canonicalAttribute(&attrs[0])
	}
	parts := make([][]byte, len(attrs))
	for i := range attrs {
		parts[i] = canonicalAttribute(&attrs[i])
	}
	slices.SortFunc(parts, bytes.Compare) // the order of a DER SET OF
	return bytes.Join(parts, nil)
}

func canonicalAttribute(a *Attribute) []byte {
	body := appendTLV(make([]byte, 0, len(a.id)+len(a.Value)+16), tagOID, []byte(a.id))
	if a.plain && a.tag != tagNumeric && a.tag != tagGeneral {
		body = appendTLV(body, tagUTF8, canonicalText(a.Value))
	} else {
		body = append(body, a.raw...)
	}
	return appendTLV(make([]byte, 0, len(body)+4), tagSequence|0x20, body)
}

func canonicalText(s string) []byte {
	out := make([]byte, 0, len(s))
	blank := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == ' ' || c >= '\t' && c <= '\r' {
			blank = len(out) > 0
			continue
		}
		if blank {
			out, blank = append(out, ' '), false
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return out
}

func appendTLV(out []byte, tag byte, content []byte) []byte {
	out = append(out, tag)
	switch n := len(content); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	case n < 0x10000:
		out = append(out, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, content...)
}

func hexString(b []byte) string { return hex.EncodeToString(b) }
