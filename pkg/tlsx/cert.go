package tlsx

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"
)

// A Defect is one way in which an object departs from its standard.
type Defect struct {
	// Offset is where in the DER encoding the fault lies.
	Offset int `json:"offset"`
	// Field is the part it lies in, such as "serial" or an extension's name.
	Field string `json:"field"`
	// Text says what is wrong.
	Text string `json:"text"`
}

// String returns "field: text (offset n)".
func (d Defect) String() string { return fmt.Sprintf("%s: %s (offset %d)", d.Field, d.Text, d.Offset) }

// maxDefects bounds what one object can make us report.
const maxDefects = 64

type defects struct{ list []Defect }

func (d *defects) add(off int, field, text string) {
	if len(d.list) < maxDefects {
		d.list = append(d.list, Defect{off, field, text})
	}
}

// A Time is a date of a certificate. Time is zero when it could not be read.
type Time struct {
	time.Time
	// Raw is the text of the certificate.
	Raw string
	// Strict says that Raw has the one form RFC 5280 allows; OpenSSL compares
	// no other.
	Strict bool
}

// A Certificate is an X.509 certificate, read without refusing what other
// parsers refuse. It must not be changed.
type Certificate struct {
	// Raw is the DER encoding.
	Raw []byte
	// Version is the number in the certificate: 0 for v1, 2 for v3.
	Version int
	// SerialNumber may be negative or zero.
	SerialNumber *big.Int
	Issuer       Name
	Subject      Name
	NotBefore    Time
	NotAfter     Time
	// PublicKey is the subject's key.
	PublicKey PublicKey
	// Extensions are in encoded order, repeats kept.
	Extensions []Extension
	// SignatureAlgorithm says how the issuer signed.
	SignatureAlgorithm SignatureAlgorithm
	// Signature are the octets of the signature.
	Signature []byte
	// Defects are the departures from RFC 5280 that parsing met.
	Defects []Defect

	// Aux holds what a TRUSTED CERTIFICATE says besides; nil for others.
	Aux *TrustSettings

	tbs       []byte
	serial    []byte // content of the INTEGER
	innerAlg  []byte // AlgorithmIdentifier inside
	outerAlg  []byte // and outside
	spki      []byte
	ext       extensionCache
	serialOff int
}

// TrustSettings are the settings after the certificate in a BEGIN TRUSTED
// CERTIFICATE block.
type TrustSettings struct {
	// Trust and Reject list purposes by object identifier or short name.
	Trust  []string `json:"trust"`
	Reject []string `json:"reject"`
	Alias  string   `json:"alias"`

	trust, reject []oid
	hasTrust      bool
}

// ErrNotCertificate is wrapped by errors about octets that do not have the
// shape of a certificate at all.
var ErrNotCertificate = errors.New("not a certificate")

// maxCertificate bounds the size of a certificate that is read.
const maxCertificate = 4 << 20

// ParseCertificate reads a DER encoded certificate. It reports departures from
// the standard in Defects and fails, wrapping [ErrNotCertificate], only where
// the outer structure cannot be followed. The result aliases raw.
func ParseCertificate(raw []byte) (*Certificate, error) {
	if len(raw) > maxCertificate {
		return nil, fmt.Errorf("%w: %d octets are too many", ErrNotCertificate, len(raw))
	}
	d := der{b: raw}
	outer, err := d.want(tagSequence)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCertificate, err)
	}
	c := &Certificate{Raw: outer.full}
	var bad defects
	if !d.empty() {
		bad.add(d.off, "certificate", fmt.Sprintf("%d octets after the end", len(d.b)))
	}
	if err := c.parseOuter(outer, &bad); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCertificate, err)
	}
	c.ext.read(c, &bad)
	c.Defects = bad.list
	return c, nil
}

func (c *Certificate) parseOuter(outer tlv, bad *defects) error {
	d := outer.inside()
	tbs, err := d.want(tagSequence)
	if err != nil {
		return fmt.Errorf("tbsCertificate: %w", err)
	}
	alg, err := d.want(tagSequence)
	if err != nil {
		return fmt.Errorf("signatureAlgorithm: %w", err)
	}
	sig, err := d.want(tagBitString)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	if !d.empty() {
		bad.add(d.off, "certificate", "elements after the signature")
	}
	c.tbs, c.outerAlg = tbs.full, alg.full
	c.Signature = bitString(sig, "signature", bad)
	c.SignatureAlgorithm = parseSignatureAlgorithm(alg, bad)
	return c.parseTBS(tbs, alg, bad)
}

// bitString returns the octets of a BIT STRING that should have no unused bits.
func bitString(v tlv, field string, bad *defects) []byte {
	if len(v.content) == 0 {
		bad.add(v.off, field, "empty BIT STRING")
		return nil
	}
	if v.content[0] != 0 {
		bad.add(v.off, field, fmt.Sprintf("%d unused bits", v.content[0]))
	}
	return v.content[1:]
}

func (c *Certificate) parseTBS(tbs, outerAlg tlv, bad *defects) error {
	d := tbs.inside()
	if err := c.parseVersion(&d, bad); err != nil {
		return err
	}
	serial, err := d.next()
	if err != nil {
		return fmt.Errorf("serial: %w", err)
	}
	c.setSerial(serial, bad)
	alg, err := d.want(tagSequence)
	if err != nil {
		return fmt.Errorf("signature algorithm: %w", err)
	}
	if c.innerAlg = alg.full; !bytes.Equal(alg.full, outerAlg.full) {
		bad.add(alg.off, "signatureAlgorithm", "the two algorithms of the certificate differ")
	}
	issuer, err := d.want(tagSequence)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	c.Issuer = parseName(issuer, "issuer", bad)
	if c.Issuer.Empty() {
		bad.add(issuer.off, "issuer", "empty name")
	}
	validity, err := d.want(tagSequence)
	if err != nil {
		return fmt.Errorf("validity: %w", err)
	}
	c.parseValidity(validity, bad)
	subject, err := d.want(tagSequence)
	if err != nil {
		return fmt.Errorf("subject: %w", err)
	}
	if c.Subject = c.Issuer; !bytes.Equal(subject.full, issuer.full) {
		c.Subject = parseName(subject, "subject", bad)
	}
	spki, err := d.want(tagSequence)
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	c.spki = spki.full
	c.PublicKey = parseSPKI(spki, bad)
	return c.parseTail(&d, bad)
}

func (c *Certificate) parseVersion(d *der, bad *defects) error {
	v, ok, err := d.optional(0)
	if err != nil {
		return fmt.Errorf("version: %w", err)
	}
	if !ok {
		return nil
	}
	in := v.inside()
	n, err := in.want(tagInteger)
	if err != nil || len(n.content) == 0 || len(n.content) > 4 {
		bad.add(v.off, "version", "not a small INTEGER")
		return nil
	}
	c.Version = int(bigInt(n.content).Int64())
	switch {
	case c.Version == 0:
		bad.add(v.off, "version", "v1 is encoded, though it is the default")
	case c.Version < 0 || c.Version > 2:
		bad.add(v.off, "version", fmt.Sprintf("unknown version %d", c.Version))
	}
	return nil
}

func (c *Certificate) setSerial(v tlv, bad *defects) {
	c.serial, c.serialOff, c.SerialNumber = v.content, v.off, bigInt(v.content)
	switch {
	case !v.is(tagInteger):
		bad.add(v.off, "serial", "not an INTEGER")
	case len(v.content) == 0:
		bad.add(v.off, "serial", "empty INTEGER")
	case !minimalInt(v.content):
		bad.add(v.off, "serial", "INTEGER is not minimal")
	}
	switch s := c.SerialNumber; {
	case s.Sign() < 0:
		bad.add(v.off, "serial", "negative")
	case s.Sign() == 0:
		bad.add(v.off, "serial", "zero")
	case len(v.content) > 20:
		bad.add(v.off, "serial", fmt.Sprintf("%d octets, more than 20", len(v.content)))
	}
}

func minimalInt(b []byte) bool {
	return len(b) < 2 || !(b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80)
}

// bigInt reads two's complement.
func bigInt(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return n
}

func (c *Certificate) parseValidity(v tlv, bad *defects) {
	d := v.inside()
	for _, f := range []struct {
		name string
		t    *Time
	}{{"notBefore", &c.NotBefore}, {"notAfter", &c.NotAfter}} {
		x, err := d.next()
		if err != nil {
			bad.add(v.off, f.name, err.Error())
			return
		}
		*f.t = parseTime(x, f.name, bad)
	}
	if !c.NotBefore.IsZero() && !c.NotAfter.IsZero() && c.NotAfter.Before(c.NotBefore.Time) {
		bad.add(v.off, "validity", "ends before it begins")
	}
}

// parseTime reads a UTCTime or GeneralizedTime, also in the forms of X.680
// that RFC 5280 forbids.
func parseTime(v tlv, field string, bad *defects) Time {
	t := Time{Raw: string(v.content)}
	var ok bool
	switch {
	case v.is(tagUTCTime):
		t.Time, t.Strict, ok = readTime(t.Raw, 2)
	case v.is(tagGeneralTime):
		t.Time, t.Strict, ok = readTime(t.Raw, 4)
		if ok && t.Year() < 2050 {
			bad.add(v.off, field, "GeneralizedTime for a year before 2050")
		}
	default:
		bad.add(v.off, field, "not a time: "+tagName(v.class, v.tag))
		return t
	}
	switch {
	case !ok:
		bad.add(v.off, field, "unreadable time "+strconv.Quote(t.Raw))
	case !t.Strict:
		bad.add(v.off, field, "time is not in the form YYMMDDHHMMSSZ: "+strconv.Quote(t.Raw))
	}
	return t
}

// readTime reads a time with a year of so many digits. One that its zone moves
// out of the years 0 to 9999 has no form in RFC 3339, and is no time here.
func readTime(s string, yearDigits int) (t time.Time, strict, ok bool) {
	full := yearDigits + 10
	if len(s) == full+1 && s[full] == 'Z' {
		if t, ok := timeDigits(s[:full], yearDigits); ok {
			return t, true, true
		}
		return time.Time{}, false, false
	}
	for _, layout := range []string{"20060102150405Z0700", "20060102150405.999999999Z0700", "200601021504Z0700", "20060102150405", "2006010215Z0700"} {
		in := s
		if yearDigits == 2 && len(s) > 2 {
			in = century(s) + s
		}
		if t, err := time.Parse(layout, in); err == nil && writable(t.UTC()) {
			return t.UTC(), false, true
		}
	}
	return time.Time{}, false, false
}

// writable reports whether RFC 3339 has a form for t, which is in UTC.
func writable(t time.Time) bool { return t.Year() >= 0 && t.Year() <= 9999 }

// century is what a year of two digits lacks (RFC 5280, section 4.1.2.5.1).
func century(s string) string {
	if s[0] >= '5' {
		return "19"
	}
	return "20"
}

func timeDigits(s string, yearDigits int) (time.Time, bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return time.Time{}, false
		}
	}
	two := func(i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }
	year, rest := two(0), 2
	if yearDigits == 4 {
		year, rest = year*100+two(2), 4
	} else if year += 1900; year < 1950 {
		year += 100
	}
	month, day, hour, minute, sec := two(rest), two(rest+2), two(rest+4), two(rest+6), two(rest+8)
	t := time.Date(year, time.Month(month), day, hour, minute, sec, 0, time.UTC)
	return t, month >= 1 && month <= 12 && t.Day() == day && hour < 24 && minute < 60 && sec < 60
}

// parseTail reads what may follow the public key.
func (c *Certificate) parseTail(d *der, bad *defects) error {
	for !d.empty() {
		v, err := d.next()
		if err != nil {
			return fmt.Errorf("extensions: %w", err)
		}
		switch {
		case v.isContext(1), v.isContext(2):
			if c.Version < 1 {
				bad.add(v.off, "uniqueID", "a v1 certificate with a unique identifier")
			}
		case v.isContext(3) && c.Extensions == nil:
			in := v.inside()
			list, err := in.want(tagSequence)
			if err != nil {
				bad.add(v.off, "extensions", err.Error())
				continue
			}
			c.Extensions = parseExtensions(list, bad)
			if c.Version != 2 {
				bad.add(v.off, "extensions", "extensions in a certificate that is not v3")
			}
		default:
			bad.add(v.off, "certificate", "unexpected "+tagName(v.class, v.tag))
		}
	}
	return nil
}

// VersionString returns v1, v2 or v3, or the raw number of another version.
func (c *Certificate) VersionString() string {
	if c.Version >= 0 && c.Version <= 2 {
		return "v" + strconv.Itoa(c.Version+1)
	}
	return strconv.Itoa(c.Version)
}

// SubjectAltNames returns the names of the Subject Alternative Name extension
// in order, none when there is no such extension.
func (c *Certificate) SubjectAltNames() []GeneralName { return c.ext.san }

// SHA256 returns the SHA-256 fingerprint of the certificate.
func (c *Certificate) SHA256() [32]byte { return sha256.Sum256(c.Raw) }

// SHA1 returns the SHA-1 fingerprint of the certificate.
func (c *Certificate) SHA1() [20]byte { return sha1.Sum(c.Raw) }

// Pin returns the SHA-256 of the public key in base64, the form of RFC 7469
// and of curl --pinnedpubkey (without "sha256//").
func (c *Certificate) Pin() string { return pinOf(c.spki) }

// RawSPKI returns the encoded SubjectPublicKeyInfo.
func (c *Certificate) RawSPKI() []byte { return c.spki }

// SelfIssued reports whether issuer and subject are the same name.
func (c *Certificate) SelfIssued() bool { return c.ext.selfIssued }

// SelfSigned reports whether the certificate names itself as its issuer, by
// name and by key identifier. The signature is not checked.
func (c *Certificate) SelfSigned() bool { return c.ext.selfSigned }

// IsCA reports whether the basic constraints say so.
func (c *Certificate) IsCA() bool { return c.ext.ca }

// Std returns the certificate as Go's parser reads it, or why it does not.
func (c *Certificate) Std() (*x509.Certificate, error) { return x509.ParseCertificate(c.Raw) }

// Equal reports whether both are the same certificate.
func (c *Certificate) Equal(d *Certificate) bool { return bytes.Equal(c.Raw, d.Raw) }
