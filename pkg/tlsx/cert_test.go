package tlsx_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// makeCertificate makes a self-signed certificate of what change says.
func makeCertificate(t *testing.T, change func(*x509.Certificate)) *tlsx.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: oracleTime(), NotAfter: oracleTime().AddDate(0, 3, 0)}
	change(tmpl)
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tlsx.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestX509CertificateSubject covers the operators x509-certificate-subject and
// x509-certificate-issuer: an ordered list of pairs, repeats kept, types by
// short name or dotted.
func TestX509CertificateSubject(t *testing.T) {
	c := makeCertificate(t, func(x *x509.Certificate) {
		x.Subject.ExtraNames = []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "DE"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "first"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "second"},
			{Type: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: "strange"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Zoë"},
		}
	})
	want := []string{"C=DE", "OU=first", "OU=second", "1.2.3.4=strange", "CN=Zoë"}
	for what, n := range map[string]tlsx.Name{"Subject": c.Subject, "Issuer": c.Issuer} {
		var got []string
		for _, a := range n.Attributes {
			got = append(got, a.Type+"="+a.Value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s = %q; want %q", what, got, want)
		}
	}
	if got := c.Subject.First("OU"); got != "first" {
		t.Errorf("First(OU) = %q; want first", got)
	}
}

// TestX509CertificateSubjectAltName covers x509-certificate-subject-alt-name:
// pairs of type and value, in order.
func TestX509CertificateSubjectAltName(t *testing.T) {
	u, err := url.Parse("https://a.example/x")
	if err != nil {
		t.Fatal(err)
	}
	c := makeCertificate(t, func(x *x509.Certificate) {
		x.DNSNames, x.EmailAddresses = []string{"a.example", "*.b.example"}, []string{"me@a.example"}
		x.IPAddresses, x.URIs = []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")}, []*url.URL{u}
	})
	var got []string
	for _, g := range c.SubjectAltNames() {
		got = append(got, g.Type+":"+g.Value)
	}
	want := []string{"DNS:a.example", "DNS:*.b.example", "email:me@a.example", "IP Address:192.0.2.1", "IP Address:2001:db8::1", "URI:https://a.example/x"}
	if !slices.Equal(got, want) {
		t.Errorf("SubjectAltNames = %q; want %q", got, want)
	}
}

// TestX509CertificateSerialNumber covers x509-certificate-serial-number: an
// integer of any size.
func TestX509CertificateSerialNumber(t *testing.T) {
	n, _ := new(big.Int).SetString("123456789012345678901234567890123456789012345", 10)
	c := makeCertificate(t, func(x *x509.Certificate) { x.SerialNumber = n })
	if c.SerialNumber.Cmp(n) != 0 {
		t.Errorf("SerialNumber = %v; want %v", c.SerialNumber, n)
	}
}

// TestX509CertificateNotBefore covers x509-certificate-not-before and
// -not-after, in both encodings.
func TestX509CertificateNotBefore(t *testing.T) {
	from, to := time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2051, 2, 28, 1, 2, 3, 0, time.UTC)
	c := makeCertificate(t, func(x *x509.Certificate) { x.NotBefore, x.NotAfter = from, to })
	if !c.NotBefore.Equal(from) || !c.NotAfter.Equal(to) || !c.NotBefore.Strict || !c.NotAfter.Strict {
		t.Errorf("NotBefore, NotAfter = %v, %v; want %v, %v", c.NotBefore, c.NotAfter, from, to)
	}
}

// TestX509CertificateVersion covers x509-certificate-version: v1 to v3, or the
// raw number.
func TestX509CertificateVersion(t *testing.T) {
	c := makeCertificate(t, func(x *x509.Certificate) { x.DNSNames = []string{"a.example"} })
	for number, want := range map[byte]string{1: "v2", 2: "v3", 9: "9"} {
		raw := slices.Clone(c.Raw)
		raw[slices.Index(raw, 0xa0)+4] = number // [0] { INTEGER n }
		d, err := tlsx.ParseCertificate(raw)
		if err != nil || d.VersionString() != want {
			t.Errorf("version %d = %q, %v; want %q", number, d.VersionString(), err, want)
		}
	}
	if (&tlsx.Certificate{}).VersionString() != "v1" {
		t.Error("version 0 is not v1")
	}
}

// TestTolerantParser damages certificates: each defect is reported, and the
// rest is read.
func TestTolerantParser(t *testing.T) {
	base := func(x *x509.Certificate) { x.DNSNames = []string{"a.example"} }
	for _, tt := range []struct {
		name   string
		change func(*x509.Certificate)
		defect string
	}{
		{"empty DNS name", func(x *x509.Certificate) {
			x.ExtraExtensions = []pkix.Extension{{Id: oid(2, 5, 29, 17), Value: []byte{0x30, 2, 0x82, 0}}}
		}, "Subject Alternative Name: empty DNS name"},
		{"IP address of three octets", func(x *x509.Certificate) {
			x.ExtraExtensions = []pkix.Extension{{Id: oid(2, 5, 29, 17), Value: []byte{0x30, 5, 0x87, 3, 1, 2, 3}}}
		}, "Subject Alternative Name: IP address of 3 octets"},
		{"URI without scheme", func(x *x509.Certificate) {
			x.ExtraExtensions = []pkix.Extension{{Id: oid(2, 5, 29, 17), Value: []byte{0x30, 5, 0x86, 3, ':', '/', 'x'}}}
		}, `":/x" is not an absolute URI`},
		{"repeated extension", func(x *x509.Certificate) {
			base(x)
			x.ExtraExtensions = []pkix.Extension{{Id: oid(1, 2, 3), Value: []byte{5, 0}}, {Id: oid(1, 2, 3), Value: []byte{5, 0}}}
		}, "1.2.3: the extension is repeated"},
		{"malformed basic constraints", func(x *x509.Certificate) {
			x.ExtraExtensions = []pkix.Extension{{Id: oid(2, 5, 29, 19), Value: []byte{4, 0}}}
		}, "Basic Constraints: want SEQUENCE, got OCTET STRING"},
		{"octets after a value", func(x *x509.Certificate) {
			x.ExtraExtensions = []pkix.Extension{{Id: oid(2, 5, 29, 19), Value: []byte{0x30, 0, 0}}}
		}, "Basic Constraints: 1 octets after the value"},
		{"empty AIA", func(x *x509.Certificate) {
			x.ExtraExtensions = []pkix.Extension{{Id: oid(1, 3, 6, 1, 5, 5, 7, 1, 1), Value: []byte{0x30, 0}}}
		}, "Authority Information Access: no access descriptions"},
	} {
		c := makeCertificate(t, tt.change)
		found := slices.ContainsFunc(c.Defects, func(d tlsx.Defect) bool { return strings.Contains(d.String(), tt.defect) && d.Offset > 0 })
		if !found {
			t.Errorf("%s: defects %v; want %q", tt.name, c.Defects, tt.defect)
		}
		if c.PublicKey.Curve != "P-256" || c.Info() == nil {
			t.Errorf("%s: the rest was not read: %+v", tt.name, c.PublicKey)
		}
	}
}

// TestNegativeSerial reads what Go's parser refuses.
func TestNegativeSerial(t *testing.T) {
	c := makeCertificate(t, func(x *x509.Certificate) { x.SerialNumber = big.NewInt(0x7f) })
	raw := slices.Clone(c.Raw)
	raw[slices.Index(raw, 0x7f)] = 0xff
	d, err := tlsx.ParseCertificate(raw)
	if err != nil || d.SerialNumber.Int64() != -1 || len(d.Defects) == 0 || d.Defects[0].Text != "negative" {
		t.Errorf("ParseCertificate = %v, %v, %v; want serial -1 and a defect", d.SerialNumber, d.Defects, err)
	}
	if _, err := d.Std(); err == nil {
		t.Error("Go's parser reads negative serial numbers now")
	}
}

// TestInfoHasNoNull checks the promise of the JSON schema.
func TestInfoHasNoNull(t *testing.T) {
	c := makeCertificate(t, func(x *x509.Certificate) { x.IsCA, x.BasicConstraintsValid = true, true })
	doc, err := json.Marshal(c.Info())
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{"subject_alt_names", "key_usage", "scts", "extensions", "defects", "policies", "ocsp_servers"} {
		if strings.Contains(string(doc), `"`+member+`":null`) {
			t.Errorf("%s is null", member)
		}
	}
}

// TestCanonicalNames compares names as OpenSSL does, whatever their encoding.
func TestCanonicalNames(t *testing.T) {
	name := func(tag int, value string) tlsx.Name {
		return makeCertificate(t, func(x *x509.Certificate) {
			x.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oid(2, 5, 4, 3), Value: asn1.RawValue{Tag: tag, Bytes: []byte(value)}}}
		}).Subject
	}
	a := name(asn1.TagPrintableString, "Some  Name ")
	for _, n := range []tlsx.Name{name(asn1.TagUTF8String, "some name"), name(asn1.TagT61String, " SOME\tNAME"), name(asn1.TagBMPString, "\x00s\x00o\x00m\x00e\x00 \x00N\x00a\x00m\x00e")} {
		if !a.Equal(n) || a.Hash() != n.Hash() {
			t.Errorf("%q and %q are not the same name", a, n)
		}
	}
	if b := name(asn1.TagUTF8String, "somename"); a.Equal(b) {
		t.Errorf("%q and %q are the same name", a, b)
	}
}

func TestMatchesHostname(t *testing.T) {
	for _, tt := range []struct {
		pattern, host string
		strict, lax   bool
	}{
		{"www.example.com", "www.example.com", true, true},
		{"www.example.com", "WWW.Example.COM.", true, true},
		{"*.example.com", "www.example.com", true, true},
		{"*.example.com", "example.com", false, false},
		{"*.example.com", "a.b.example.com", false, false},
		{"*.com", "example.com", false, false},
		{"*", "localhost", false, false},
		{"w*.example.com", "www.example.com", false, true},
		{"*w.example.com", "www.example.com", false, true},
		{"w*w.example.com", "www.example.com", false, false},
		{"xn--*.example.com", "xn--a.example.com", false, false},
		{"*.example.com", "xn--a.example.com", true, true},
		{"www.*.com", "www.example.com", false, false},
		{"a_b.example.com", "a_b.example.com", true, true},
		{".example.com", ".example.com", false, false},
		{"192.0.2.1", "192.0.2.1", false, true},
	} {
		c := makeCertificate(t, func(x *x509.Certificate) {
			value := append([]byte{0x30, byte(len(tt.pattern) + 2), 0x82, byte(len(tt.pattern))}, tt.pattern...)
			x.ExtraExtensions = []pkix.Extension{{Id: oid(2, 5, 29, 17), Value: value}}
		})
		if got := c.MatchesHostname(tt.host, false); got != tt.strict {
			t.Errorf("%q: MatchesHostname(%q) = %v; want %v", tt.pattern, tt.host, got, tt.strict)
		}
		if got := c.MatchesHostname(tt.host, true); got != tt.lax {
			t.Errorf("%q: MatchesHostname(%q) by OpenSSL's rule = %v; want %v", tt.pattern, tt.host, got, tt.lax)
		}
	}
}

func TestCommonNameCountsOnlyWhenLax(t *testing.T) {
	c := makeCertificate(t, func(x *x509.Certificate) { x.Subject.CommonName = "www.example.com" })
	if c.MatchesHostname("www.example.com", false) || !c.MatchesHostname("www.example.com", true) {
		t.Error("the common name counts by RFC 9525, or does not by OpenSSL's rule")
	}
}

func TestMatchesIPAndEmail(t *testing.T) {
	c := makeCertificate(t, func(x *x509.Certificate) {
		x.IPAddresses, x.EmailAddresses = []net.IP{net.ParseIP("192.0.2.1")}, []string{"Me@Example.com"}
	})
	for ip, want := range map[string]bool{"192.0.2.1": true, "::ffff:192.0.2.1": true, "192.0.2.2": false} {
		if got := c.MatchesIP(netip.MustParseAddr(ip)); got != want {
			t.Errorf("MatchesIP(%s) = %v; want %v", ip, got, want)
		}
	}
	for email, want := range map[string]bool{"Me@example.COM": true, "me@example.com": false, "Me@other.example": false} {
		if got := c.MatchesEmail(email); got != want {
			t.Errorf("MatchesEmail(%s) = %v; want %v", email, got, want)
		}
	}
}

func TestLint(t *testing.T) {
	c := makeCertificate(t, func(x *x509.Certificate) {
		x.Subject.CommonName, x.DNSNames = "www.example.com", []string{"*.com", "10.0.0.1", "intranet"}
		x.NotAfter = x.NotBefore.AddDate(3, 0, 0)
	})
	var got []string
	for _, l := range c.Lint(oracleTime().AddDate(4, 0, 0)) {
		got = append(got, l.ID)
	}
	want := []string{"expired", "common-name-not-listed", "wide-wildcard", "ip-as-dns-name", "internal-name", "no-extended-key-usage", "self-signed"}
	if !slices.Equal(got, want) {
		t.Errorf("Lint = %q; want %q", got, want)
	}
}
