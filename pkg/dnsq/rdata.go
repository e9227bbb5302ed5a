package dnsq

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/miekg/dns"
)

// A Field is one field of the data of a record.
type Field struct {
	Name  string // snake_case
	Value any    // string, number, bool, list or Rdata
}

// Rdata is the data of a record, field by field in the order of the wire. In
// JSON it is an object. Names are in presentation form; text fields hold the
// octets themselves when they are UTF-8, else the field is called NAME_b64 and
// holds base64.
type Rdata []Field

// Value is the field called name, nil when there is none.
func (d Rdata) Value(name string) any {
	for _, f := range d {
		if f.Name == name {
			return f.Value
		}
	}
	return nil
}

// MarshalJSON keeps the order of the fields.
func (d Rdata) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range d {
		if i > 0 {
			b.WriteByte(',')
		}
		v, err := json.Marshal(f.Value)
		if err != nil {
			return nil, err
		}
		b.WriteByte('"')
		b.WriteString(f.Name) // made of letters, digits and _ only
		b.WriteString(`":`)
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// rdataOf takes the data of rr apart.
func rdataOf(rr dns.RR) Rdata {
	switch rr := rr.(type) {
	case *dns.A:
		return Rdata{{"address", rr.A.String()}}
	case *dns.AAAA:
		return Rdata{{"address", addr16(rr.AAAA)}}
	case *dns.NS:
		return Rdata{{"target", rr.Ns}}
	case *dns.CNAME:
		return Rdata{{"target", rr.Target}}
	case *dns.PTR:
		return Rdata{{"target", rr.Ptr}}
	case *dns.MX:
		return Rdata{{"preference", rr.Preference}, {"exchange", rr.Mx}}
	case *dns.TXT:
		return txtData("strings", rr.Txt)
	case *dns.SOA:
		return Rdata{{"mname", rr.Ns}, {"rname", rr.Mbox}, {"serial", rr.Serial}, {"refresh", rr.Refresh},
			{"retry", rr.Retry}, {"expire", rr.Expire}, {"minimum", rr.Minttl}}
	case *dns.SVCB:
		return svcbData(rr)
	case *dns.HTTPS:
		return svcbData(&rr.SVCB)
	case *dns.APL:
		return Rdata{{"prefixes", strings.Fields(dataText(rr))}}
	case *dns.RFC3597:
		return Rdata{{"hex", rr.Rdata}}
	}
	return structData(reflect.ValueOf(rr).Elem())
}

// addr16 writes an IPv6 address; one that maps IPv4 keeps its IPv6 form.
func addr16(ip net.IP) string {
	if ip.To4() != nil && len(ip) == net.IPv6len {
		return "::ffff:" + ip.String()
	}
	return ip.String()
}

// svcbData is the data of SVCB and HTTPS records (RFC 9460).
func svcbData(rr *dns.SVCB) Rdata {
	params := Rdata{}
	for _, kv := range rr.Value {
		params = append(params, Field{jsonName(kv.Key().String()), svcbValue(kv)})
	}
	return Rdata{{"priority", rr.Priority}, {"target", rr.Target}, {"params", params}}
}

// svcbValue is the value of a parameter, a list where the key takes one.
func svcbValue(kv dns.SVCBKeyValue) any {
	switch kv := kv.(type) {
	case *dns.SVCBAlpn:
		return append([]string{}, kv.Alpn...)
	case *dns.SVCBPort:
		return kv.Port
	case *dns.SVCBIPv4Hint, *dns.SVCBIPv6Hint, *dns.SVCBMandatory:
		return strings.FieldsFunc(kv.String(), func(r rune) bool { return r == ',' })
	case *dns.SVCBNoDefaultAlpn, *dns.SVCBOhttp:
		return true
	}
	return escapeText(kv.String())
}

// structData takes a record apart by the fields of its Go type: the types that
// rdataOf does not name.
func structData(v reflect.Value) Rdata {
	data := Rdata{}
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Type == reflect.TypeFor[dns.RR_Header]():
		case f.Anonymous && f.Type.Kind() == reflect.Struct: // CDS is a DS, ...
			data = append(data, structData(v.Field(i))...)
		case f.Name == "TypeCovered":
			data = append(data, Field{"type_covered", TypeName(uint16(v.Field(i).Uint()))})
		case f.Type.Kind() == reflect.Uint32 && (f.Name == "Inception" || f.Name == "Expiration"):
			data = append(data, Field{jsonName(f.Name), signatureTime(uint32(v.Field(i).Uint())).Format(time.RFC3339)})
		default:
			data = append(data, structField(jsonName(f.Name), f.Tag.Get("dns"), v.Field(i).Interface())...)
		}
	}
	return data
}

// structField is one field of a record; tag tells how the DNS library packs it.
func structField(name, tag string, value any) Rdata {
	switch value := value.(type) {
	case net.IP:
		if value == nil {
			return nil
		}
		return Rdata{{name, addr16(value)}}
	case []string:
		if tag == "txt" {
			return txtData(name, value)
		}
		return Rdata{{name, append([]string{}, value...)}}
	case []uint16: // the type bit map of NSEC, NSEC3, CSYNC
		types := []string{}
		for _, t := range value {
			types = append(types, TypeName(t))
		}
		return Rdata{{name, types}}
	case string:
		if tag == "" || tag == "octet" || tag == "any" {
			return textData(name, value)
		}
		return Rdata{{name, value}}
	}
	return Rdata{{name, value}}
}

// signatureTime is the moment a field of an RRSIG record means: serial number
// arithmetic modulo 2^32 around now is not needed before 2106 (RFC 4034 section 3.1.5).
func signatureTime(seconds uint32) time.Time { return time.Unix(int64(seconds), 0).UTC() }

// txtData is a field that is a list of character strings.
func txtData(name string, escaped []string) Rdata {
	strs := make([]string, 0, len(escaped))
	text := true
	for _, s := range escaped {
		s = Unescape(s)
		text = text && utf8.ValidString(s)
		strs = append(strs, s)
	}
	if text {
		return Rdata{{name, strs}}
	}
	for i := range strs {
		strs[i] = base64.StdEncoding.EncodeToString([]byte(strs[i]))
	}
	return Rdata{{name + "_b64", strs}}
}

// textData is a field that is one character string.
func textData(name, escaped string) Rdata {
	s := Unescape(escaped)
	if utf8.ValidString(s) {
		return Rdata{{name, s}}
	}
	return Rdata{{name + "_b64", base64.StdEncoding.EncodeToString([]byte(s))}}
}

// Unescape takes the escapes \DDD and \C of the presentation form away. The
// result may hold any octet.
func Unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		i++
		if n, ok := decimalOctet(s[i:]); ok {
			b = append(b, n)
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// decimalOctet reads three digits with a value below 256.
func decimalOctet(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s[:3]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return byte(n), n < 256
}

// jsonName turns a Go or SVCB name into snake_case: KeyTag, OrigTTL, no-default-alpn.
func jsonName(s string) string {
	var b strings.Builder
	for i, r := range s {
		upper := r >= 'A' && r <= 'Z'
		switch {
		case r == '-':
			b.WriteByte('_')
			continue
		case upper && i > 0 && (s[i-1] < 'A' || s[i-1] > 'Z') && s[i-1] != '-':
			b.WriteByte('_')
		}
		if upper {
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
