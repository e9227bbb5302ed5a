package tlsx

import (
	"errors"
	"fmt"
	"net/netip"
)

// The tags of GeneralName (RFC 5280, section 4.2.1.6).
const (
	nameOther = iota
	nameEmail
	nameDNS
	nameX400
	nameDirectory
	nameEDI
	nameURI
	nameIP
	nameRID
)

// A GeneralName is one name of a Subject Alternative Name and its like.
type GeneralName struct {
	// Type is what OpenSSL prints: otherName, email, DNS, X400Name, DirName,
	// EdiPartyName, URI, IP Address or Registered ID.
	Type string `json:"type"`
	// Value is the name as text. Nothing is escaped: it is the CA's text.
	Value string `json:"value"`

	kind    int
	content []byte // as encoded: the string, the octets of the address
	name    Name   // of a DirName
	other   oid    // of an otherName, or the registered ID
}

var errNameShape = errors.New("malformed name")

// parseGeneralName reads one GeneralName. An error means that OpenSSL would
// not decode it; departures of its text are reported instead.
func parseGeneralName(v tlv, field string, bad *defects) (GeneralName, error) {
	g := GeneralName{kind: v.tag, content: v.content}
	if v.class != classContext || v.tag > nameRID {
		return g, fmt.Errorf("%w: %s at offset %d", errNameShape, tagName(v.class, v.tag), v.off)
	}
	wantConstructed := v.tag == nameOther || v.tag == nameX400 || v.tag == nameDirectory || v.tag == nameEDI
	if v.constructed != wantConstructed {
		return g, fmt.Errorf("%w: primitive and constructed mixed up at offset %d", errNameShape, v.off)
	}
	g.Type = [...]string{"otherName", "email", "DNS", "X400Name", "DirName", "EdiPartyName", "URI", "IP Address", "Registered ID"}[v.tag]
	var err error
	switch v.tag {
	case nameOther:
		err = g.parseOther(v)
	case nameEmail, nameDNS, nameURI:
		g.Value = latin1(v.content)
		checkNameText(g, v, field, bad)
	case nameX400:
		g.Value = "#" + hexString(v.content)
	case nameEDI:
		g.Value = "#" + hexString(v.content)
		err = checkParty(v)
	case nameDirectory:
		d := v.inside()
		var seq tlv
		if seq, err = d.want(tagSequence); err == nil {
			g.name = parseName(seq, field, bad)
			g.Value = g.name.String()
			if g.name.broken {
				err = errNameShape
			}
		}
	case nameIP:
		g.parseIP(v, field, bad)
	case nameRID:
		g.other = oid(v.content)
		g.Value = g.other.String()
		if !g.other.wellFormed() {
			err = errNameShape
		}
	}
	return g, err
}

// checkParty judges an EDIPartyName: names in [0] and [1].
func checkParty(v tlv) error {
	parts, err := v.children(2)
	for _, p := range parts {
		if p.class != classContext || p.tag > 1 || !p.constructed {
			return errNameShape
		}
	}
	return err
}

func (g *GeneralName) parseOther(v tlv) error {
	d := v.inside()
	id, err := d.want(tagOID)
	if err != nil {
		return err
	}
	if g.other = oid(id.content); !g.other.wellFormed() {
		return errNameShape
	}
	val, ok, err := d.optional(0)
	if err != nil || !ok || !val.constructed {
		return fmt.Errorf("%w: otherName without a value at offset %d", errNameShape, v.off)
	}
	in := val.inside()
	x, err := in.next()
	if err != nil {
		return err
	}
	if x.is(tagBMP) && len(x.content)%2 != 0 || x.is(tagUniversal) && len(x.content)%4 != 0 {
		return errNameShape
	}
	text, _, _ := decodeString(x)
	g.Value = g.other.short() + ":" + text
	g.content = x.content
	return nil
}

func (g *GeneralName) parseIP(v tlv, field string, bad *defects) {
	if a, ok := netip.AddrFromSlice(v.content); ok {
		g.Value = a.String()
		return
	}
	g.Value = "#" + hexString(v.content)
	switch len(v.content) { // a network, as in name constraints
	case 8, 32:
		half := len(v.content) / 2
		a, _ := netip.AddrFromSlice(v.content[:half])
		m, _ := netip.AddrFromSlice(v.content[half:])
		g.Value = a.String() + "/" + m.String()
	default:
		bad.add(v.off, field, fmt.Sprintf("IP address of %d octets", len(v.content)))
	}
}

func checkNameText(g GeneralName, v tlv, field string, bad *defects) {
	switch {
	case len(v.content) == 0 && field != nameConstraintsField:
		bad.add(v.off, field, "empty "+g.Type+" name")
	case hasByte(v.content, func(c byte) bool { return c >= 0x80 }):
		bad.add(v.off, field, g.Type+" name with a character that is not ASCII")
	case hasByte(v.content, func(c byte) bool { return c < ' ' || c == 0x7f }):
		bad.add(v.off, field, g.Type+" name with a control character")
	case g.kind == nameDNS && field != nameConstraintsField && !validDNSPattern(g.Value):
		bad.add(v.off, field, fmt.Sprintf("%q is not a host name", g.Value))
	case g.kind == nameEmail && field != nameConstraintsField && !validEmail(g.Value):
		bad.add(v.off, field, fmt.Sprintf("%q is not an email address", g.Value))
	case g.kind == nameURI && field != nameConstraintsField && uriHost(g.Value) == "" && !hasScheme(g.Value):
		bad.add(v.off, field, fmt.Sprintf("%q is not an absolute URI", g.Value))
	}
}

func hasByte(b []byte, f func(byte) bool) bool {
	for _, c := range b {
		if f(c) {
			return true
		}
	}
	return false
}

// maxGeneralNames bounds one list of names.
const maxGeneralNames = 1 << 15

// parseGeneralNames reads the content of v as a list of names.
func parseGeneralNames(v tlv, field string, bad *defects) ([]GeneralName, error) {
	d := v.inside()
	var list []GeneralName
	for !d.empty() {
		x, err := d.next()
		if err != nil {
			return list, err
		}
		if len(list) == maxGeneralNames {
			return list, fmt.Errorf("more than %d names", maxGeneralNames)
		}
		g, err := parseGeneralName(x, field, bad)
		if err != nil {
			return list, err
		}
		list = append(list, g)
	}
	return list, nil
}

// sameName compares two general names as GENERAL_NAME_cmp does.
func sameName(a, b GeneralName) bool {
	switch {
	case a.kind != b.kind:
		return false
	case a.kind == nameDirectory:
		return a.name.Equal(b.name)
	}
	return string(a.content) == string(b.content) && a.other == b.other
}
