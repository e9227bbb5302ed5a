package tlsx

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func encExtension(id oid, value []byte) []byte {
	return enc(encSequence, enc(tagOID, []byte(id)), enc(tagOctetString, value))
}

func encTime(s string) []byte { return enc(tagUTCTime, []byte(s)) }

// encCRL is a list of version 2, its parts after the version as given.
func encCRL(parts ...[]byte) []byte {
	return enc(encSequence, enc(encSequence, enc(tagInteger, []byte{1}), slices.Concat(parts...)), encAlgorithm(oidRSA), enc(tagBitString, []byte{0, 1}))
}

func TestParseCRLMalformed(t *testing.T) {
	alg, name, date := encAlgorithm(oidRSA), enc(encSequence), encTime("260101000000Z")
	cut := []byte{encSequence, 9}
	for what, tt := range map[string]struct {
		raw  []byte
		want string
	}{
		"no list":             {enc(tagNull), "want SEQUENCE"},
		"nothing in it":       {enc(encSequence), "truncated"},
		"no algorithm":        {enc(encSequence, enc(encSequence)), "truncated"},
		"no signature":        {enc(encSequence, enc(encSequence), alg), "truncated"},
		"a long version":      {enc(encSequence, enc(encSequence, enc(tagInteger, []byte{1, 1})), alg, enc(tagBitString, []byte{0})), "version: "},
		"no inner algorithm":  {encCRL(), "signature algorithm: truncated"},
		"no issuer":           {encCRL(alg), "issuer: truncated"},
		"no date":             {encCRL(alg, name), "thisUpdate: truncated"},
		"a cut next date":     {encCRL(alg, name, date, []byte{tagUTCTime, 9}), "nextUpdate: truncated"},
		"cut entries":         {encCRL(alg, name, date, cut), "entries: truncated"},
		"an entry of NULL":    {encCRL(alg, name, date, enc(encSequence, enc(tagNull))), "entries: want SEQUENCE"},
		"an entry of nothing": {encCRL(alg, name, date, enc(encSequence, enc(encSequence))), "entries: truncated"},
		"a cut entry":         {encCRL(alg, name, date, enc(encSequence, enc(encSequence, enc(tagInteger, []byte{1}), date, cut))), "entries: truncated"},
		"cut extensions":      {encCRL(alg, name, date, []byte{encInside, 9}), "extensions: truncated"},
		"no extensions":       {encCRL(alg, name, date, enc(encInside, enc(tagNull))), "extensions: want SEQUENCE"},
	} {
		if l, err := ParseCRL(tt.raw); !errors.Is(err, ErrNotCRL) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, %v; want %v with %q", what, l, err, ErrNotCRL, tt.want)
		}
	}
	if _, err := ParseCRL(make([]byte, maxCRL+1)); !errors.Is(err, ErrNotCRL) || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a list of %d octets: %v", maxCRL+1, err)
	}
}

// What a list says comes out of Info: scope, base, reasons and dates; what is
// odd in it is a defect.
func TestCRLInfo(t *testing.T) {
	name := enc(encSequence, enc(encSetOf, encAttribute(oidCommonName, tagUTF8, "ca")))
	date := encTime("260101000000Z")
	uri := enc(encInside, enc(encInside, enc(encContext|nameURI, []byte("http://crl.example/"))))
	entry := func(serial byte, exts ...[]byte) []byte {
		return enc(encSequence, enc(tagInteger, []byte{serial}), date, enc(encSequence, exts...))
	}
	raw := encCRL(encAlgorithm(oidEC), name, date,
		enc(encSequence,
			entry(1, encExtension(oidCRLReason, enc(tagEnumerated, []byte{1}))),
			entry(2, encExtension(oidCRLReason, enc(tagEnumerated, []byte{7})), encExtension(oidInvalidityDate, enc(tagGeneralTime, []byte("20251231000000Z")))),
			entry(3, encExtension(oidCRLReason, enc(tagNull))),
			entry(4, encExtension(oidCertIssuer, enc(tagNull)))),
		enc(encInside, enc(encSequence,
			encExtension(oidCRLNumber, enc(tagInteger, []byte{9})),
			encExtension(oidDeltaCRL, enc(tagInteger, []byte{5})),
			encExtension(oidIDP, enc(encSequence, uri, enc(encContext|1, []byte{0xff}), enc(encContext|3, []byte{6, 0x40}), enc(encContext|4, []byte{0xff}))))))
	l, err := ParseCRL(append(raw, 0))
	if err != nil {
		t.Fatal(err)
	}
	i := l.Info()
	if i.Number != "9" || i.DeltaBase != "5" || i.Issuer != "CN=ca" || i.Version != "v2" {
		t.Errorf("Info() = %+v", i)
	}
	wantScope := "only certificates that are not CAs'; indirect: also certificates of other issuers; only some reasons; http://crl.example/"
	if got := strings.Join(i.Scope, "; "); !strings.Contains(strings.ReplaceAll(got, "URI:", ""), wantScope) {
		t.Errorf("Scope = %q; want %q", got, wantScope)
	}
	var reasons []string
	for _, r := range i.Revoked {
		reasons = append(reasons, r.Reason)
	}
	if got := strings.Join(reasons, ","); got != "keyCompromise,reason 7,," {
		t.Errorf("the reasons are %q", got)
	}
	if since := i.Revoked[1].InvalidSince; since == nil || !since.Equal(time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the second certificate is invalid since %v", since)
	}
	texts := encDefects(defects{l.Defects})
	for _, want := range []string{"1 octets after the end", "the two algorithms of the list differ", "malformed", "want SEQUENCE"} {
		if !strings.Contains(texts, want) {
			t.Errorf("the defects are %q; want %q among them", texts, want)
		}
	}
	if err := l.CheckSignature(&PublicKey{}); !errors.Is(err, errBadSignature) || !strings.Contains(err.Error(), "differ") {
		t.Errorf("CheckSignature of two algorithms = %v", err)
	}
}

// Distribution points (RFC 5280, section 4.2.1.13) that are no such thing.
func TestDistributionPointsMalformed(t *testing.T) {
	full := enc(encInside, enc(encInside, enc(encContext|nameURI, []byte("http://a.example/"))))
	for what, tt := range map[string]struct {
		point []byte
		want  string
	}{
		"good":                 {enc(encSequence, full), ""},
		"not a sequence":       {enc(tagNull), "a distribution point is not a SEQUENCE"},
		"empty":                {enc(encSequence), "a distribution point without a name"},
		"a cut name":           {enc(encSequence, []byte{encInside, 9}), "truncated"},
		"an empty name":        {enc(encSequence, enc(encInside)), "truncated"},
		"a name of a new kind": {enc(encSequence, enc(encInside, enc(encInside|2))), "malformed distribution point name"},
		"cut reasons":          {enc(encSequence, full, []byte{encContext | 1, 9}), "truncated"},
		"a cut issuer":         {enc(encSequence, full, []byte{encInside | 2, 9}), "truncated"},
		"an issuer of NULL":    {enc(encSequence, full, enc(encInside|2, enc(tagNull))), "at offset"},
		"a fourth element":     {enc(encSequence, full, enc(encInside|3)), "unexpected element in a distribution point"},
	} {
		list, err := parseDistPoints(&Extension{Value: enc(encSequence, tt.point)}, Name{}, &defects{})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, %v; want %q", what, list, err, tt.want)
		}
	}
}

// A certificate and a list have a distribution point in common when one name of
// one is one of the other (RFC 5280, section 6.3.3 (b)); relative names stand
// below the issuer.
func TestSameDistPoint(t *testing.T) {
	cn := enc(encSetOf, encAttribute(oidCommonName, tagUTF8, "ca"))
	part := encAttribute(oidCommonName, tagPrintable, "part 1")
	issuer, _ := nameOf(t, enc(encSequence, cn))
	point := func(raw []byte) *distPointName {
		t.Helper()
		v, err := (&der{b: enc(encInside, raw)}).next()
		if err != nil {
			t.Fatal(err)
		}
		n, err := parseDistPointName(v, issuer, &defects{})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	relative := point(enc(encInside|1, part))
	directory := point(enc(encInside, enc(encInside|nameDirectory, enc(encSequence, cn, enc(encSetOf, part)))))
	a := point(enc(encInside, enc(encContext|nameURI, []byte("http://a.example/"))))
	b := point(enc(encInside, enc(encContext|nameURI, []byte("http://b.example/")), enc(encContext|nameURI, []byte("http://a.example/"))))
	c := point(enc(encInside, enc(encContext|nameURI, []byte("http://c.example/"))))
	if got := relative.name.String(); got != "CN=ca, CN=part 1" {
		t.Errorf("the relative name is %q", got)
	}
	for _, tt := range []struct {
		x, y *distPointName
		want bool
	}{
		{nil, a, true}, {a, b, true}, {a, c, false}, {relative, relative, true},
		{relative, directory, true}, {relative, a, false}, {directory, a, false},
	} {
		if sameDistPoint(tt.x, tt.y) != tt.want || sameDistPoint(tt.y, tt.x) != tt.want {
			t.Errorf("%+v and %+v are the same: %v; want %v", tt.x, tt.y, !tt.want, tt.want)
		}
	}
}

// The examples of RFC 2268, section 5, whose effective length is the key's.
func TestRC2(t *testing.T) {
	for _, tt := range []struct{ key, plain, sealed string }{
		{"ffffffffffffffff", "ffffffffffffffff", "278b27e42e2f0d49"},
		{"3000000000000000", "1000000000000001", "30649edf9be7d2c2"},
		{"88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6"},
	} {
		c, err := newRC2(unhex(t, tt.key))
		if err != nil {
			t.Fatal(err)
		}
		plain, got := unhex(t, tt.plain), make([]byte, 8)
		if c.Encrypt(got, plain); hex.EncodeToString(got) != tt.sealed {
			t.Errorf("key %s: Encrypt(%s) = %x; want %s", tt.key, tt.plain, got, tt.sealed)
		}
		if c.Decrypt(got, got); !bytes.Equal(got, plain) {
			t.Errorf("key %s: Decrypt(%s) = %x; want %s", tt.key, tt.sealed, got, tt.plain)
		}
	}
}
