package tlsx

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
)

// A CRL is a certificate revocation list (RFC 5280, section 5). It must not be
// changed.
type CRL struct {
	// Raw is the DER encoding.
	Raw []byte
	// Version is 0 for v1 and 1 for v2.
	Version    int
	Issuer     Name
	ThisUpdate Time
	// NextUpdate is the zero Time when the list names none.
	NextUpdate Time
	// Revoked are the entries, in encoded order.
	Revoked []RevokedCertificate
	// Number is the CRL number, nil when there is none; Base that of the list
	// a delta list builds on.
	Number, Base       *big.Int
	Extensions         []Extension
	SignatureAlgorithm SignatureAlgorithm
	Defects            []Defect

	tbs, signature     []byte
	innerAlg, outerAlg []byte
	akid               *authorityKeyID
	idp                *issuingDistPoint
	critical           oid // an unknown critical extension of the list or an entry
	hasCritical        bool
	freshest, invalid  bool
	bySerial           map[string]int // index of the last entry with it, from 1
	rawAKID, rawIDP    []byte
	hasNext            bool
}

// A RevokedCertificate is one entry of a list.
type RevokedCertificate struct {
	Serial *big.Int
	Date   Time
	// Reason is the reason code, 0 (unspecified) when absent.
	Reason    int
	HasReason bool
	// InvalidSince is the invalidity date, the zero Time when absent.
	InvalidSince Time

	issuer []GeneralName // of an indirect list; nil means the list's issuer
	before int           // index of the entry before with this serial number, from 1
}

// ReasonName returns the word of RFC 5280, section 5.3.1, for a reason code.
func ReasonName(code int) string {
	names := [...]string{"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
		"cessationOfOperation", "certificateHold", "", "removeFromCRL", "privilegeWithdrawn", "aACompromise"}
	if code < 0 || code >= len(names) || names[code] == "" {
		return fmt.Sprintf("reason %d", code)
	}
	return names[code]
}

const reasonRemoveFromCRL = 8

// allReasons are the bits of ReasonFlags, laid out as key usage bits are.
const allReasons = 0x807f

type issuingDistPoint struct {
	point                        *distPointName
	onlyUser, onlyCA, onlyAttr   bool
	indirect, someReasons, wrong bool
	reasons                      int
}

// A distPoint is one entry of CRL Distribution Points.
type distPoint struct {
	name      *distPointName
	reasons   int
	crlIssuer []GeneralName
}

// A distPointName is a full name, or one relative to the issuer (then made
// full).
type distPointName struct {
	full     []GeneralName
	relative bool
	name     Name
}

func parseDistPoints(e *Extension, issuer Name, bad *defects) ([]distPoint, error) {
	items, err := e.items()
	if err != nil {
		return nil, err
	}
	list := make([]distPoint, 0, len(items))
	for _, it := range items {
		dp, err := parseDistPoint(it, issuer, bad)
		if err != nil {
			return nil, err
		}
		list = append(list, dp)
	}
	return list, nil
}

func parseDistPoint(v tlv, issuer Name, bad *defects) (distPoint, error) {
	dp := distPoint{reasons: allReasons}
	if !v.is(tagSequence) || !v.constructed {
		return dp, errors.New("a distribution point is not a SEQUENCE")
	}
	d := v.inside()
	name, hasName, err := d.optional(0)
	if err != nil {
		return dp, err
	}
	reasons, hasReasons, err := d.optional(1)
	if err != nil {
		return dp, err
	}
	iss, hasIssuer, err := d.optional(2)
	if err != nil {
		return dp, err
	}
	if !d.empty() {
		return dp, errors.New("unexpected element in a distribution point")
	}
	if hasReasons {
		dp.reasons = reasonBits(reasons)
	}
	if !hasName && !hasIssuer {
		return dp, errors.New("a distribution point without a name")
	}
	base := issuer
	if hasIssuer {
		if dp.crlIssuer, err = parseGeneralNames(iss, "CRL Distribution Points", bad); err != nil {
			return dp, err
		}
		for _, g := range dp.crlIssuer {
			if g.kind == nameDirectory {
				base = g.name
				break
			}
		}
	}
	if hasName {
		dp.name, err = parseDistPointName(name, base, bad)
	}
	return dp, err
}

func reasonBits(v tlv) int {
	n := 0
	for i, b := range namedBits(v) {
		if i < 2 {
			n |= int(b) << (8 * i)
		}
	}
	return n & allReasons
}

func parseDistPointName(v tlv, base Name, bad *defects) (*distPointName, error) {
	d := v.inside()
	x, err := d.next()
	if err != nil {
		return nil, err
	}
	n := &distPointName{}
	switch {
	case x.isContext(0):
		n.full, err = parseGeneralNames(x, "distribution point", bad)
	case x.isContext(1):
		n.relative = true
		n.name = Name{Attributes: base.Attributes[:len(base.Attributes):len(base.Attributes)]}
		rdn := x
		rdn.class, rdn.tag = classUniversal, tagSet
		last := 0
		if len(n.name.Attributes) > 0 {
			last = n.name.Attributes[len(n.name.Attributes)-1].rdn + 1
		}
		n.name.addRDN(last, rdn, "distribution point", bad)
		n.name.canonical = canonicalName(n.name.Attributes)
	default:
		err = errors.New("malformed distribution point name")
	}
	return n, err
}

// sameDistPoint reports whether the names have one in common; a missing name
// agrees with any.
func sameDistPoint(a, b *distPointName) bool {
	switch {
	case a == nil || b == nil:
		return true
	case a.relative && b.relative:
		return a.name.Equal(b.name)
	case a.relative:
		return hasDirName(b.full, a.name)
	case b.relative:
		return hasDirName(a.full, b.name)
	}
	for _, x := range a.full {
		for _, y := range b.full {
			if sameName(x, y) {
				return true
			}
		}
	}
	return false
}

func hasDirName(list []GeneralName, n Name) bool {
	for _, g := range list {
		if g.kind == nameDirectory && g.name.Equal(n) {
			return true
		}
	}
	return false
}

// ErrNotCRL is wrapped by errors about octets that do not have the shape of a
// certificate revocation list.
var ErrNotCRL = errors.New("not a certificate revocation list")

// maxCRL bounds the size of a list that is read.
const maxCRL = 64 << 20

// ParseCRL reads a DER encoded revocation list. Departures from the standard
// are in Defects; an error wraps [ErrNotCRL]. The result aliases raw.
func ParseCRL(raw []byte) (*CRL, error) {
	if len(raw) > maxCRL {
		return nil, fmt.Errorf("%w: too large", ErrNotCRL)
	}
	c, err := parseCRL(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCRL, err)
	}
	return c, nil
}

func parseCRL(raw []byte) (*CRL, error) {
	d := der{b: raw}
	outer, err := d.want(tagSequence)
	if err != nil {
		return nil, err
	}
	c := &CRL{Raw: outer.full}
	var bad defects
	if !d.empty() {
		bad.add(d.off, "list", fmt.Sprintf("%d octets after the end", len(d.b)))
	}
	in := outer.inside()
	tbs, err := in.want(tagSequence)
	if err != nil {
		return nil, err
	}
	alg, err := in.want(tagSequence)
	if err != nil {
		return nil, err
	}
	sig, err := in.want(tagBitString)
	if err != nil {
		return nil, err
	}
	c.tbs, c.outerAlg, c.signature = tbs.full, alg.full, bitString(sig, "signature", &bad)
	c.SignatureAlgorithm = parseSignatureAlgorithm(alg, &bad)
	if err := c.parseTBS(tbs, &bad); err != nil {
		return nil, err
	}
	c.Defects = bad.list
	return c, nil
}

func (c *CRL) parseTBS(tbs tlv, bad *defects) error {
	d := tbs.inside()
	if d.peek(classUniversal, tagInteger) {
		v, err := d.next()
		if err != nil || len(v.content) != 1 {
			return errors.New("version: not a small INTEGER")
		}
		c.Version = int(v.content[0])
	}
	alg, err := d.want(tagSequence)
	if err != nil {
		return fmt.Errorf("signature algorithm: %w", err)
	}
	if c.innerAlg = alg.full; !bytes.Equal(c.innerAlg, c.outerAlg) {
		bad.add(alg.off, "signatureAlgorithm", "the two algorithms of the list differ")
	}
	issuer, err := d.want(tagSequence)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	c.Issuer = parseName(issuer, "issuer", bad)
	this, err := d.next()
	if err != nil {
		return fmt.Errorf("thisUpdate: %w", err)
	}
	c.ThisUpdate = parseTime(this, "thisUpdate", bad)
	if d.peek(classUniversal, tagUTCTime) || d.peek(classUniversal, tagGeneralTime) {
		next, err := d.next()
		if err != nil {
			return fmt.Errorf("nextUpdate: %w", err)
		}
		c.NextUpdate, c.hasNext = parseTime(next, "nextUpdate", bad), true
	}
	return c.parseLists(&d, bad)
}

// parseLists reads the entries and the extensions of the list.
func (c *CRL) parseLists(d *der, bad *defects) error {
	if d.peek(classUniversal, tagSequence) {
		list, err := d.next()
		if err != nil {
			return fmt.Errorf("entries: %w", err)
		}
		if err := c.parseEntries(list, bad); err != nil {
			return fmt.Errorf("entries: %w", err)
		}
	}
	v, ok, err := d.optional(0)
	if err != nil {
		return fmt.Errorf("extensions: %w", err)
	}
	if ok {
		in := v.inside()
		list, err := in.want(tagSequence)
		if err != nil {
			return fmt.Errorf("extensions: %w", err)
		}
		c.Extensions = parseExtensions(list, bad)
		for i := range c.Extensions {
			c.useExtension(&c.Extensions[i], bad)
		}
	}
	if c.Number == nil && c.Version == 1 {
		bad.add(0, "CRL Number", "missing")
	}
	return nil
}

func (c *CRL) parseEntries(list tlv, bad *defects) error {
	d := list.inside()
	c.bySerial = make(map[string]int)
	var issuer []GeneralName
	for !d.empty() {
		v, err := d.want(tagSequence)
		if err != nil {
			return err
		}
		in := v.inside()
		serial, err1 := in.want(tagInteger)
		date, err2 := in.next()
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		r := RevokedCertificate{Serial: bigInt(serial.content), Date: parseTime(date, "revocation date", bad)}
		if in.peek(classUniversal, tagSequence) {
			exts, err := in.next()
			if err != nil {
				return err
			}
			c.entryExtensions(&r, parseExtensions(exts, bad), &issuer, bad)
		}
		r.issuer, r.before = issuer, c.bySerial[string(serial.content)]
		c.Revoked = append(c.Revoked, r)
		c.bySerial[string(serial.content)] = len(c.Revoked)
	}
	return nil
}

func (c *CRL) entryExtensions(r *RevokedCertificate, exts []Extension, issuer *[]GeneralName, bad *defects) {
	for i := range exts {
		e := &exts[i]
		switch e.id {
		case oidCRLReason:
			if v, err := e.value(tagEnumerated); err == nil && len(v.content) == 1 {
				r.Reason, r.HasReason = int(v.content[0]), true
			} else {
				bad.add(e.off, e.Name, "malformed")
			}
		case oidInvalidityDate:
			if v, err := e.value(tagGeneralTime); err == nil {
				r.InvalidSince = parseTime(v, e.Name, &defects{})
			}
		case oidCertIssuer:
			v, err := e.value(tagSequence)
			if err == nil {
				*issuer, err = parseGeneralNames(v, e.Name, bad)
			}
			if err != nil {
				bad.add(e.off, e.Name, err.Error())
			}
			continue
		}
		if e.Critical {
			c.hasCritical, c.critical = true, e.id
		}
	}
}

func (c *CRL) useExtension(e *Extension, bad *defects) {
	var err error
	switch e.id {
	case oidCRLNumber:
		var v tlv
		if v, err = e.value(tagInteger); err == nil {
			c.Number = bigInt(v.content)
		}
	case oidDeltaCRL:
		var v tlv
		if v, err = e.value(tagInteger); err == nil {
			c.Base = bigInt(v.content)
		}
	case oidAKI:
		var v tlv
		if v, err = e.value(tagSequence); err == nil {
			c.akid, err = parseAKI(v, e.Name, bad)
		}
		c.rawAKID = e.Value
	case oidIDP:
		c.idp, err = parseIDP(e, c.Issuer, bad)
		c.rawIDP = e.Value
	case oidFreshestCRL:
		c.freshest = true
	}
	if err != nil {
		bad.add(e.off, e.Name, err.Error())
		c.invalid = true
	}
	if e.Critical && e.id != oidIDP && e.id != oidAKI && e.id != oidDeltaCRL {
		c.hasCritical, c.critical = true, e.id
	}
}

func parseIDP(e *Extension, issuer Name, bad *defects) (*issuingDistPoint, error) {
	v, err := e.value(tagSequence)
	if err != nil {
		return nil, err
	}
	p := &issuingDistPoint{reasons: allReasons}
	flags := [...]*bool{1: &p.onlyUser, 2: &p.onlyCA, 4: &p.indirect, 5: &p.onlyAttr}
	items, err := v.children(8)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		switch {
		case it.isContext(0):
			if p.point, err = parseDistPointName(it, issuer, bad); err != nil {
				return nil, err
			}
		case it.isContext(3):
			p.someReasons, p.reasons = true, reasonBits(it)
		case it.class == classContext && it.tag < len(flags) && len(it.content) == 1:
			*flags[it.tag] = it.content[0] != 0
		default:
			return nil, errors.New("malformed")
		}
	}
	only := 0
	for _, f := range []bool{p.onlyUser, p.onlyCA, p.onlyAttr} {
		if f {
			only++
		}
	}
	p.wrong = only > 1
	return p, nil
}

// find returns the entry for c, or nil.
func (l *CRL) find(c *Certificate) *RevokedCertificate {
	for i := l.bySerial[string(c.serial)]; i > 0; i = l.Revoked[i-1].before {
		r := &l.Revoked[i-1]
		if r.issuer == nil && l.Issuer.Equal(c.Issuer) || r.issuer != nil && hasDirName(r.issuer, c.Issuer) {
			return r
		}
	}
	return nil
}

// CheckSignature verifies that the holder of key signed the list.
func (l *CRL) CheckSignature(key *PublicKey) error {
	if !bytes.Equal(l.innerAlg, l.outerAlg) {
		return fmt.Errorf("%w: the two signature algorithms differ", errBadSignature)
	}
	return key.check(l.SignatureAlgorithm, l.tbs, l.signature)
}
