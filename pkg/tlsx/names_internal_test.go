package tlsx

import (
	"slices"
	"strings"
	"testing"
)

// enc is one DER value.
func enc(tag byte, parts ...[]byte) []byte { return appendTLV(nil, tag, slices.Concat(parts...)) }

const (
	encSequence = tagSequence | 0x20
	encSetOf    = tagSet | 0x20
	encContext  = 0x80 // [0], primitive
	encInside   = 0xa0 // [0], constructed
)

// encAttribute is an AttributeTypeAndValue.
func encAttribute(id oid, tag byte, value string) []byte {
	return enc(encSequence, enc(tagOID, []byte(id)), enc(tag, []byte(value)))
}

func encDefects(bad defects) string {
	var texts []string
	for _, d := range bad.list {
		texts = append(texts, d.Text)
	}
	return strings.Join(texts, "; ")
}

func nameOf(t *testing.T, raw []byte) (Name, string) {
	t.Helper()
	v, err := parseDER(raw, tagSequence)
	if err != nil {
		t.Fatal(err)
	}
	var bad defects
	n := parseName(v, "subject", &bad)
	return n, encDefects(bad)
}

// The string types of X.680 come out as UTF-8; what does not fit its type is
// said, and kept as far as it can be read.
func TestNameStringTypes(t *testing.T) {
	for _, tt := range []struct {
		tag              byte
		value            string
		want, wantDefect string
	}{
		{tagUTF8, "zoë", "CN=zoë", ""},
		{tagUTF8, "a\xff", "CN=a\ufffd", "not valid UTF-8"},
		{tagT61, "zo\xeb", "CN=zoë", ""},
		{tagPrintable, "a@b", "CN=a@b", "PrintableString with the character '@'"},
		{tagPrintable, "a\x01", "CN=a\x01", "PrintableString with the character 0x01"},
		{tagIA5, "a\xeb", "CN=aë", "IA5String with a character that is not ASCII"},
		{tagBMP, "\x00a\x20\xac", "CN=a€", ""},
		{tagBMP, "\x00a\x20", "CN=a", "BMPString of odd length"},
		{tagUniversal, "\x00\x00\x00a\x00\x01\xf6\x00", "CN=a😀", ""},
		{tagUniversal, "\x00\x00\x00a\x00", "CN=a", "UniversalString whose length is no multiple of four"},
		{tagOctetString, "a", "CN=#040161", ""},
		{encContext | 1, "a", "CN=#810161", "not a universal string type"},
	} {
		n, defect := nameOf(t, enc(encSequence, enc(encSetOf, encAttribute(oidCommonName, tt.tag, tt.value))))
		if n.String() != tt.want || !strings.HasSuffix(defect, tt.wantDefect) || (defect == "") != (tt.wantDefect == "") || n.broken {
			t.Errorf("tag %d %q: %q with the defect %q; want %q with %q", tt.tag, tt.value, n, defect, tt.want, tt.wantDefect)
		}
	}
}

// A relative name of several attributes is written with plus signs, and is
// equal to the same set in another order.
func TestNameOfSets(t *testing.T) {
	cn, mail := encAttribute(oidCommonName, tagUTF8, "A  b"), encAttribute(oidEmail, tagIA5, "x@a.example")
	a, _ := nameOf(t, enc(encSequence, enc(encSetOf, cn, mail)))
	b, _ := nameOf(t, enc(encSequence, enc(encSetOf, mail, encAttribute(oidCommonName, tagPrintable, " a B"))))
	two, _ := nameOf(t, enc(encSequence, enc(encSetOf, cn), enc(encSetOf, mail)))
	if !a.Equal(b) || a.Hash() != b.Hash() || a.OldHash() == b.OldHash() {
		t.Errorf("%q and %q are not equal", a, b)
	}
	if a.Equal(two) {
		t.Errorf("%q is equal to %q", a, two)
	}
	if got := a.String(); got != "CN=A  b + emailAddress=x@a.example" {
		t.Errorf("String() = %q", got)
	}
	if a.First("CN") != "A  b" || a.First("O") != "" {
		t.Errorf("First(CN) = %q, First(O) = %q", a.First("CN"), a.First("O"))
	}
	long, defect := nameOf(t, enc(encSequence, enc(encSetOf, encAttribute(oidCommonName, tagUTF8, strings.Repeat("A", 70000)))))
	if want := strings.Repeat("a", 70000); !strings.HasSuffix(long.canonical, want) || defect != "" {
		t.Errorf("a name of 70000 letters has the canonical form of %d octets, %q", len(long.canonical), defect)
	}
	if v, err := parseDER([]byte(long.canonical), tagSet); err != nil || len(v.content) < 70000 {
		t.Errorf("the canonical form of a long name: %v", err)
	}
}

// A name whose structure cannot be followed is broken, and has what was read.
func TestBrokenNames(t *testing.T) {
	good := enc(encSetOf, encAttribute(oidCommonName, tagUTF8, "a"))
	for what, tt := range map[string]struct {
		rdns       []byte
		wantDefect string
		broken     bool
	}{
		"not a set":       {enc(encSequence, encAttribute(oidCommonName, tagUTF8, "b")), "not a SET", true},
		"an empty set":    {enc(encSetOf), "empty relative name", false},
		"a cut set":       {[]byte{encSetOf, 9, 0}, "truncated", true},
		"a cut attribute": {enc(encSetOf, []byte{encSequence, 9}), "truncated", true},
		"no type":         {enc(encSetOf, enc(encSequence, enc(tagInteger, []byte{1}))), "attribute: want OBJECT IDENTIFIER", true},
		"no value":        {enc(encSetOf, enc(encSequence, enc(tagOID, []byte(oidCommonName)))), "attribute value: truncated", true},
	} {
		n, defect := nameOf(t, enc(encSequence, good, tt.rdns))
		if !strings.Contains(defect, tt.wantDefect) || n.broken != tt.broken || n.First("CN") != "a" {
			t.Errorf("%s: %q, broken %v, defect %q; want %v and %q", what, n, n.broken, defect, tt.broken, tt.wantDefect)
		}
	}
}

func constraintsOf(t *testing.T, lists ...[]byte) (*nameConstraints, error) {
	t.Helper()
	return parseNameConstraints(&Extension{Value: enc(encSequence, lists...)}, &defects{})
}

func TestNameConstraintsMalformed(t *testing.T) {
	base := enc(encContext|nameDNS, []byte("a.example"))
	for what, tt := range map[string]struct {
		list []byte
		want string
	}{
		"a cut list":       {[]byte{encInside, 9}, "truncated"},
		"not a sequence":   {enc(encContext, []byte{1}), "subtrees are not a SEQUENCE"},
		"a cut subtree":    {enc(encInside, []byte{encSequence, 9}), "truncated"},
		"no subtree":       {enc(encInside, enc(tagInteger, []byte{1})), "a subtree is not a SEQUENCE"},
		"an empty subtree": {enc(encInside, enc(encSequence)), "truncated"},
		"no name":          {enc(encInside, enc(encSequence, enc(tagNull))), "at offset"},
		"more than a name": {enc(encInside, enc(encSequence, base, base)), "unexpected element in a subtree"},
		"a third list":     {enc(encInside|2, enc(encSequence, base)), "unexpected element"},
	} {
		if nc, err := constraintsOf(t, tt.list); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, %v; want %q", what, nc, err, tt.want)
		}
	}
	if nc, err := constraintsOf(t, enc(encContext), enc(encInside|1, enc(encSequence, base))); err != nil || len(nc.permitted) != 0 || len(nc.excluded) != 1 {
		t.Errorf("an implicit NULL before a list: %+v, %v", nc, err)
	}
}

// RFC 5280, section 4.2.1.10: minimum is 0 and maximum absent. A subtree with
// other numbers is refused when a name of its kind comes, not before.
func TestNameConstraintsMinMax(t *testing.T) {
	base := enc(encContext|nameDNS, []byte("a.example"))
	host := GeneralName{kind: nameDNS, content: []byte("x.a.example")}
	mail := GeneralName{kind: nameEmail, content: []byte("x@b.example")}
	for what, tt := range map[string]struct {
		bounds []byte
		want   VerifyCode
	}{
		"minimum 0": {enc(encContext, []byte{0}), CodeOK},
		"minimum 1": {enc(encContext, []byte{1}), CodeSubtreeMinmax},
		"maximum 0": {enc(encContext|1, []byte{0}), CodeSubtreeMinmax},
	} {
		tree := enc(encSequence, base, tt.bounds)
		permitted, err := constraintsOf(t, enc(encInside, tree))
		if err != nil {
			t.Fatal(err)
		}
		if got := permitted.match(host); got != tt.want {
			t.Errorf("%s, permitted: %v; want %v", what, got, tt.want)
		}
		excluded, err := constraintsOf(t, enc(encInside|1, tree))
		if err != nil {
			t.Fatal(err)
		}
		if want := max(tt.want, CodeExcludedViolation); tt.want == CodeOK && excluded.match(host) != want || tt.want != CodeOK && excluded.match(host) != tt.want {
			t.Errorf("%s, excluded: %v", what, excluded.match(host))
		}
		if permitted.match(mail) != CodeOK || excluded.match(mail) != CodeOK {
			t.Errorf("%s: a name of another kind is judged", what)
		}
	}
}

// What lies in a subtree, for each kind of name.
func TestSubtreeCovers(t *testing.T) {
	for _, tt := range []struct {
		kind       int
		base, name string
		want       VerifyCode
	}{
		{nameEmail, "a@b.example", "a@B.EXAMPLE", CodeOK},
		{nameEmail, "a@b.example", "A@b.example", CodePermittedViolation}, // local parts have a case
		{nameEmail, "a@b.example", "aa@b.example", CodePermittedViolation},
		{nameEmail, "a@b.example", "\x00@b.example", CodeUnsupportedNameSyntax},
		{nameEmail, "b.example", "a@b.example", CodeOK},
		{nameEmail, "b.example", "a@c.b.example", CodePermittedViolation},
		{nameEmail, ".b.example", "a@c.b.example", CodeOK},
		{nameEmail, "b.example", "b.example", CodeUnsupportedNameSyntax},
		{nameURI, "b.example", "http://b.example/x", CodeOK},
		{nameURI, "b.example", "http://c.b.example:80/x", CodePermittedViolation},
		{nameURI, ".b.example", "http://c.B.example:80/x", CodeOK},
		{nameURI, ".b.example", "http://b.example", CodePermittedViolation},
		{nameURI, "b.example", "urn:b.example", CodeUnsupportedNameSyntax},
		{nameIP, "\xc0\x00\x02\x00\xff\xff\xff\x00", "\xc0\x00\x02\x07", CodeOK},
		{nameIP, "\xc0\x00\x02\x00\xff\xff\xff\x00", "\xc0\x00\x03\x07", CodePermittedViolation},
		{nameIP, "\xc0\x00\x02\x00\xff\xff\xff\x00", strings.Repeat("\x00", 16), CodePermittedViolation},
		{nameIP, "\xc0\x00\x02\x00", "\xc0\x00\x02\x07", CodeUnsupportedNameSyntax},
		{nameRID, "\x2a", "\x2a", CodeUnsupportedConstraintType},
	} {
		base := GeneralName{kind: tt.kind, content: []byte(tt.base)}
		if got := base.covers(GeneralName{kind: tt.kind, content: []byte(tt.name)}); got != tt.want {
			t.Errorf("%q covers %q: %v; want %v", tt.base, tt.name, got, tt.want)
		}
	}
	mailbox := GeneralName{kind: nameOther, other: oidSMTPUTF8}
	for kind, want := range map[int]bool{nameEmail: true, nameOther: false, nameDNS: false} {
		s := subtree{base: GeneralName{kind: kind}}
		if got := s.concerns(mailbox); got != want {
			t.Errorf("a constraint of the kind %d concerns an internationalized mailbox: %v; want %v (RFC 8398, section 6)", kind, got, want)
		}
	}
}

// The addresses in a subject are judged as those in alternative names are, and
// the common names that look like host names too.
func TestNameConstraintsOfSubjects(t *testing.T) {
	mail, err := constraintsOf(t, enc(encInside, enc(encSequence, enc(encContext|nameEmail, []byte("b.example")))))
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := constraintsOf(t, enc(encInside|1, enc(encSequence, enc(encContext|nameDNS, []byte("b.example")))))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id    oid
		tag   byte
		value string
		want  VerifyCode
	}{
		{oidEmail, tagIA5, "x@b.example", CodeOK},
		{oidEmail, tagIA5, "x@c.example", CodePermittedViolation},
		{oidEmail, tagUTF8, "x@b.example", CodeUnsupportedNameSyntax},
		{oidCommonName, tagUTF8, "www.c.example", CodeOK},
		{oidCommonName, tagUTF8, "www.b.example", CodeExcludedViolation},
		{oidCommonName, tagUTF8, "www.b.example\x00", CodeExcludedViolation},
		{oidCommonName, tagUTF8, "www.c.example\x00.b.example", CodeUnsupportedNameSyntax},
		{oidCommonName, tagUTF8, "of b.example", CodeOK},
		{oidCommonName, tagUTF8, "-.b.example", CodeOK},
	} {
		n, _ := nameOf(t, enc(encSequence, enc(encSetOf, encAttribute(tt.id, tt.tag, tt.value))))
		c := &Certificate{Subject: n}
		got := mail.check(c)
		if tt.id == oidCommonName {
			got = hosts.checkCommonNames(c)
		}
		if got != tt.want {
			t.Errorf("%q: %v; want %v", n, got, tt.want)
		}
	}
}

func TestHostPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, host string
		lax, want     bool
	}{
		{"", "a.example", false, false},
		{"a.example", "", false, false},
		{"*.", "a.example", false, false},
		{"*.a.example", "x.A.example", false, true},
		{"*.a.example", ".a.example", false, false},
		{"*.a.example", "x.y.a.example", false, false},
		{"*.a-.example", "x.a-.example", false, false},
		{"*.a.example", "*.a.example", false, true},
		{"w*.a.example", "www.a.example", true, true},
		{"w*.a.example", "www.a.example", false, false},
		{"x*.a.example", "xn--y.a.example", true, false},
		{strings.Repeat("a.", 127) + "a", strings.Repeat("a.", 127) + "a", false, false},
	} {
		if got := matchHost(tt.pattern, tt.host, tt.lax); got != tt.want {
			t.Errorf("matchHost(%q, %q, %v) = %v; want %v", tt.pattern, tt.host, tt.lax, got, tt.want)
		}
	}
	n, _ := nameOf(t, enc(encSequence, enc(encSetOf, encAttribute(oidEmail, tagIA5, "x@b.example"))))
	c := &Certificate{Subject: n}
	for email, want := range map[string]bool{"x@B.example": true, "X@b.example": false, "x": false, "": false} {
		if got := c.MatchesEmail(email); got != want {
			t.Errorf("MatchesEmail(%q) = %v with the subject %q; want %v", email, got, n, want)
		}
	}
}

// Policy extensions that RFC 5280, sections 4.2.1.4, 4.2.1.5 and 4.2.1.11, forbid.
func TestPolicyExtensionsMalformed(t *testing.T) {
	id := func(s oid) []byte { return enc(tagOID, []byte(s)) }
	policy := enc(encSequence, id("\x2a\x03"))
	for _, tt := range []struct {
		id    oid
		value []byte
		want  string
	}{
		{oidPolicies, enc(encSequence, policy), ""},
		{oidPolicies, enc(encSequence), "no policies"},
		{oidPolicies, enc(encSequence, id("\x2a\x03")), "a policy is not a SEQUENCE"},
		{oidPolicies, enc(encSequence, enc(encSequence, enc(tagNull))), "want OBJECT IDENTIFIER"},
		{oidPolicies, enc(encSequence, enc(encSequence, id("\x2a\x83"))), "a policy is not an OBJECT IDENTIFIER"},
		{oidPolicies, enc(encSequence, policy, policy), "policy 1.2.3 twice"},
		{oidPolicyMaps, enc(encSequence, enc(encSequence, id("\x2a\x03"), id("\x2a\x04"))), ""},
		{oidPolicyMaps, enc(tagNull), "want SEQUENCE"},
		{oidPolicyMaps, enc(encSequence), "no mappings"},
		{oidPolicyMaps, enc(encSequence, policy), "truncated"},
		{oidPolicyMaps, enc(encSequence, enc(encSequence, id("\x2a\x03"), id(oidAnyPolicy))), "the any policy is mapped"},
		{oidPolicyConstr, enc(encSequence), "no constraints"},
		{oidPolicyConstr, enc(encSequence, enc(encContext, []byte{1}), enc(encContext|1, []byte{0})), ""},
		{oidPolicyConstr, enc(encSequence, enc(encContext)), "not an INTEGER"},
		{oidPolicyConstr, enc(encSequence, enc(encContext|1, []byte{0xff})), "negative number"},
		{oidPolicyConstr, enc(encSequence, enc(encContext|2, []byte{1})), "unexpected element"},
		{oidAnyPolicy, enc(tagInteger, []byte{2}), ""},
		{oidAnyPolicy, enc(tagInteger, []byte{0x7f, 0, 0, 0, 0}), ""},
		{oidAnyPolicy, enc(tagOctetString, []byte{2}), "not an INTEGER"},
		{oidAnyPolicy, nil, "truncated"},
	} {
		err := (&policyCache{}).read(&Extension{id: tt.id, Value: tt.value})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %x: %v; want %q", tt.id, tt.value, err, tt.want)
		}
	}
}
