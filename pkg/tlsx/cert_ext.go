package tlsx

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
)

// An Extension is one extension as it stands in the certificate.
type Extension struct {
	// OID is the dotted object identifier, Name what people call it.
	OID  string
	Name string
	// Critical says that who does not know it must refuse the certificate.
	Critical bool
	// Value is the content of the OCTET STRING.
	Value []byte

	id  oid
	off int // of Value
}

// The bits of the Key Usage extension, the first octet low (as OpenSSL keeps
// them: the second octet is shifted left by eight).
const (
	usageDigitalSignature = 0x80
	usageNonRepudiation   = 0x40
	usageKeyEncipherment  = 0x20
	usageDataEncipherment = 0x10
	usageKeyAgreement     = 0x08
	usageCertSign         = 0x04
	usageCRLSign          = 0x02
	usageEncipherOnly     = 0x01
	usageDecipherOnly     = 0x8000
)

// The purposes of the Extended Key Usage extension.
const (
	ekuServer = 1 << iota
	ekuClient
	ekuSMIME
	ekuSGC
	ekuOCSPSign
	ekuTimestamp
	ekuAny
	ekuOther
)

// The bits of the Netscape certificate type.
const (
	nsSSLClient = 0x80
	nsSSLServer = 0x40
	nsSMIME     = 0x20
	nsSSLCA     = 0x04
	nsSMIMECA   = 0x02
	nsAnyCA     = 0x07
)

// maxExtensions bounds the extensions of one object.
const maxExtensions = 1024

func parseExtensions(list tlv, bad *defects) []Extension {
	items, err := list.children(maxExtensions)
	if err != nil {
		bad.add(list.off, "extensions", err.Error())
	}
	if len(items) == 0 {
		bad.add(list.off, "extensions", "empty list")
	}
	exts := make([]Extension, 0, len(items))
	for _, v := range items {
		e, err := parseExtension(v, bad)
		if err != nil {
			bad.add(v.off, "extensions", err.Error())
			continue
		}
		if findExtension(exts, e.id) != nil {
			bad.add(v.off, e.Name, "the extension is repeated")
		}
		exts = append(exts, e)
	}
	return exts
}

func parseExtension(v tlv, bad *defects) (Extension, error) {
	d := v.inside()
	id, err := d.want(tagOID)
	if err != nil {
		return Extension{}, err
	}
	e := Extension{id: oid(id.content)}
	e.OID, e.Name = e.id.String(), e.id.long()
	if d.peek(classUniversal, tagBoolean) {
		b, err := d.next()
		if err != nil || len(b.content) != 1 {
			return e, errors.New("critical: malformed BOOLEAN")
		}
		e.Critical = b.content[0] != 0
		if b.content[0] != 0xff {
			bad.add(b.off, e.Name, "critical is encoded as "+fmt.Sprintf("0x%02x", b.content[0]))
		}
	}
	val, err := d.want(tagOctetString)
	if err != nil {
		return e, err
	}
	e.Value, e.off = val.content, val.off+len(val.full)-len(val.content)
	if !d.empty() {
		bad.add(d.off, e.Name, "an element after the value")
	}
	e.checkEnd(bad)
	return e, nil
}

// reader returns a reader of the extension's value.
func (e *Extension) reader() der { return der{b: e.Value, off: e.off} }

// value reads the extension as one value with a tag. Octets after it are
// passed over, as OpenSSL does; parsing has reported them.
func (e *Extension) value(tag int) (tlv, error) {
	d := e.reader()
	return d.want(tag)
}

// items reads the extension as a sequence and returns what is in it.
func (e *Extension) items() ([]tlv, error) {
	v, err := e.value(tagSequence)
	if err != nil {
		return nil, err
	}
	return v.children(maxExtensions)
}

// checkEnd reports octets after the value of an extension.
func (e *Extension) checkEnd(bad *defects) {
	d := e.reader()
	if _, err := d.next(); err == nil && !d.empty() {
		bad.add(d.off, e.Name, fmt.Sprintf("%d octets after the value", len(d.b)))
	}
}

// find returns the first extension with this identifier, or nil.
func findExtension(exts []Extension, id oid) *Extension {
	for i := range exts {
		if exts[i].id == id {
			return &exts[i]
		}
	}
	return nil
}

// An extensionCache holds the decoded extensions on which verification rests,
// as OpenSSL's flags of a certificate do.
type extensionCache struct {
	invalid       bool // an extension that OpenSSL decodes at once is malformed
	invalidPolicy bool // a policy extension is malformed
	unknown       oid  // of the first critical extension that is not known
	unknownCrit   bool

	hasBasic, basicCritical, ca bool
	pathLen                     int // -1 when there is none

	hasUsage bool
	usage    int
	hasEKU   bool
	eku      int
	ekuIDs   []oid
	ekuCrit  bool
	hasNS    bool
	ns       int

	skid                   []byte
	hasSKID                bool
	akid                   *authorityKeyID
	selfIssued, selfSigned bool

	san                 []GeneralName
	hasSAN, sanCritical bool
	nc                  *nameConstraints
	crldp               []distPoint
	freshest            bool
	proxy               bool
	proxyPathLen        int // -1 when there is none
	policies            *policyCache
	mustStaple          bool
	ocspNoCheck         bool
	ipBlocks, asNumbers bool
}

// An authorityKeyID is the extension of RFC 5280, section 4.2.1.1.
type authorityKeyID struct {
	keyID     []byte
	hasKeyID  bool
	issuer    []GeneralName
	hasIssuer bool
	serial    []byte
	hasSerial bool
}

// read fills the cache from the extensions of c.
func (x *extensionCache) read(c *Certificate, bad *defects) {
	x.pathLen, x.proxyPathLen = -1, -1
	x.usage = -1 // no restriction
	for i := range c.Extensions {
		e := &c.Extensions[i]
		if findExtension(c.Extensions, e.id) != e {
			x.invalid = x.invalid || cachedExtension(e.id)
			x.invalidPolicy = x.invalidPolicy || policyExtension(e.id)
			continue
		}
		if err := x.decode(c, e, bad); err != nil {
			bad.add(e.off, e.Name, err.Error())
			x.invalid = x.invalid || cachedExtension(e.id)
			x.invalidPolicy = x.invalidPolicy || policyExtension(e.id) && !errors.Is(err, errNoPolicies)
		}
		x.noteCritical(e)
	}
	if x.proxy && (x.ca || x.hasSAN || findExtension(c.Extensions, oidIssuerAltName) != nil) {
		x.invalid = true
		bad.add(0, "Proxy Certificate Information", "in a CA certificate, or beside an alternative name")
	}
	if findExtension(c.Extensions, oidPolicies) == nil && findExtension(c.Extensions, oidPolicyConstr) == nil {
		x.invalidPolicy = false // the others are not looked at then
	}
	x.noteSelf(c)
}

// cachedExtension reports whether OpenSSL decodes the extension before
// anything else, so that a malformed one spoils the certificate.
func cachedExtension(id oid) bool {
	switch id {
	case oidBasic, oidProxy, oidKeyUsage, oidEKU, oidNSCertType, oidSKI, oidAKI, oidSAN, oidNameConstr, oidCRLDP, oidIPBlocks, oidASNumbers:
		return true
	}
	return false
}

func policyExtension(id oid) bool {
	return id == oidPolicies || id == oidPolicyMaps || id == oidPolicyConstr || id == oidInhibitAny
}

// knownCritical reports whether OpenSSL processes the extension. The key
// identifiers are not among them: they must not be critical.
func knownCritical(id oid) bool {
	switch id {
	case oidSKI, oidAKI:
		return false
	case oidOCSPNoCheck:
		return true
	}
	return cachedExtension(id) || policyExtension(id)
}

func (x *extensionCache) noteCritical(e *Extension) {
	x.freshest = x.freshest || e.id == oidFreshestCRL
	if !e.Critical || x.unknownCrit {
		return
	}
	switch {
	case !knownCritical(e.id): // which ends the search in OpenSSL, too
		x.unknownCrit, x.unknown = true, e.id
	case e.id == oidBasic:
		x.basicCritical = true
	case e.id == oidEKU:
		x.ekuCrit = true
	case e.id == oidSAN:
		x.sanCritical = true
	}
}

func (x *extensionCache) noteSelf(c *Certificate) {
	x.selfIssued = c.Subject.Equal(c.Issuer)
	x.selfSigned = x.selfIssued && matchAKID(x.akid, c) == CodeOK && keyFits(&c.PublicKey, c) == CodeOK
}

func (x *extensionCache) decode(c *Certificate, e *Extension, bad *defects) error {
	switch e.id {
	case oidBasic:
		return x.readBasic(e)
	case oidKeyUsage:
		return x.readUsage(e)
	case oidEKU:
		return x.readEKU(e)
	case oidNSCertType:
		return x.readNS(e)
	case oidSKI:
		v, err := e.value(tagOctetString)
		x.skid, x.hasSKID = v.content, err == nil
		return err
	case oidAKI:
		return x.readAKI(e, bad)
	case oidSAN:
		return x.readSAN(e, bad)
	case oidNameConstr:
		nc, err := parseNameConstraints(e, bad)
		x.nc = nc
		return err
	case oidCRLDP:
		dps, err := parseDistPoints(e, c.Issuer, bad)
		x.crldp = dps
		return err
	case oidProxy:
		return x.readProxy(e)
	case oidPolicies, oidPolicyMaps, oidPolicyConstr, oidInhibitAny:
		if x.policies == nil {
			x.policies = &policyCache{explicit: -1, inhibitMap: -1, inhibitAny: -1}
		}
		return x.policies.read(e)
	case oidTLSFeature:
		return x.readTLSFeature(e)
	case oidOCSPNoCheck:
		x.ocspNoCheck = true
	case oidIPBlocks:
		x.ipBlocks = true
	case oidASNumbers:
		x.asNumbers = true
	case oidAIA, oidSIA:
		return checkAccessDescriptions(e)
	}
	return nil
}

func (x *extensionCache) readBasic(e *Extension) error {
	v, err := e.value(tagSequence)
	if err != nil {
		return err
	}
	d := v.inside()
	x.hasBasic = true
	if d.peek(classUniversal, tagBoolean) {
		b, err := d.want(tagBoolean)
		if err != nil || len(b.content) != 1 {
			return errors.New("cA: malformed BOOLEAN")
		}
		x.ca = b.content[0] != 0
	}
	if d.empty() {
		return nil
	}
	n, err := d.want(tagInteger)
	if err != nil || len(n.content) == 0 {
		return errors.New("path length: not an INTEGER")
	}
	l := bigInt(n.content)
	if l.Sign() < 0 {
		return errors.New("negative path length")
	}
	x.pathLen = int(min(l.Uint64(), 1<<30))
	if !l.IsUint64() {
		x.pathLen = 1 << 30
	}
	if !d.empty() {
		return errors.New("elements after the path length")
	}
	return nil
}

func (x *extensionCache) readUsage(e *Extension) error {
	v, err := e.value(tagBitString)
	if err != nil {
		return err
	}
	if len(v.content) == 0 || v.content[0] > 7 {
		return errBits
	}
	bits := namedBits(v)
	x.hasUsage, x.usage = true, 0
	if len(bits) > 0 {
		x.usage = int(bits[0])
	}
	if len(bits) > 1 {
		x.usage |= int(bits[1]) << 8
	}
	if x.usage == 0 {
		return errors.New("no usage is set")
	}
	return nil
}

var errBits = errors.New("malformed BIT STRING")

// namedBits returns the octets of a BIT STRING with the unused bits cleared.
func namedBits(v tlv) []byte {
	if len(v.content) < 2 || v.content[0] > 7 {
		return nil
	}
	b := bytes.Clone(v.content[1:])
	b[len(b)-1] &= 0xff << v.content[0]
	return b
}

func (x *extensionCache) readEKU(e *Extension) error {
	items, err := e.items()
	if err != nil {
		return err
	}
	x.hasEKU = true
	for _, it := range items {
		if !it.is(tagOID) || it.constructed || !oid(it.content).wellFormed() {
			return errors.New("a usage is not an OBJECT IDENTIFIER")
		}
		x.ekuIDs = append(x.ekuIDs, oid(it.content))
		x.eku |= ekuBit(oid(it.content))
	}
	return nil
}

func ekuBit(id oid) int {
	switch id {
	case oidServerAuth:
		return ekuServer
	case oidClientAuth:
		return ekuClient
	case oidEmailProtect:
		return ekuSMIME
	case oidMSSGC, oidNSSGC:
		return ekuSGC
	case oidOCSPSigning:
		return ekuOCSPSign
	case oidTimeStamping:
		return ekuTimestamp
	case oidAnyEKU:
		return ekuAny
	}
	return ekuOther
}

func (x *extensionCache) readNS(e *Extension) error {
	v, err := e.value(tagBitString)
	if err != nil {
		return err
	}
	if len(v.content) == 0 || v.content[0] > 7 {
		return errBits
	}
	x.hasNS = true
	if bits := namedBits(v); len(bits) > 0 {
		x.ns = int(bits[0])
	}
	return nil
}

func (x *extensionCache) readAKI(e *Extension, bad *defects) error {
	v, err := e.value(tagSequence)
	if err != nil {
		return err
	}
	a, err := parseAKI(v, e.Name, bad)
	if err == nil {
		x.akid = a
	}
	return err
}

func parseAKI(v tlv, field string, bad *defects) (*authorityKeyID, error) {
	a := &authorityKeyID{}
	d := v.inside()
	k, ok, err := d.optional(0)
	if err != nil {
		return nil, err
	}
	a.keyID, a.hasKeyID = k.content, ok
	iss, ok, err := d.optional(1)
	if err != nil {
		return nil, err
	}
	if ok {
		if a.issuer, err = parseGeneralNames(iss, field, bad); err != nil {
			return nil, err
		}
		a.hasIssuer = true
	}
	s, ok, err := d.optional(2)
	if err != nil {
		return nil, err
	}
	a.serial, a.hasSerial = s.content, ok
	if !d.empty() {
		return nil, fmt.Errorf("unexpected element at offset %d", d.off)
	}
	if a.hasIssuer != a.hasSerial {
		bad.add(v.off, field, "issuer and serial number must come together")
	}
	return a, nil
}

func (x *extensionCache) readSAN(e *Extension, bad *defects) error {
	v, err := e.value(tagSequence)
	if err != nil {
		return err
	}
	names, err := parseGeneralNames(v, e.Name, bad)
	x.san = names // what could be read is shown even if the rest is bad
	if err != nil {
		return err
	}
	x.hasSAN = true
	if len(names) == 0 {
		bad.add(v.off, e.Name, "no names")
	}
	return nil
}

func (x *extensionCache) readProxy(e *Extension) error {
	v, err := e.value(tagSequence)
	if err != nil {
		return err
	}
	d := v.inside()
	if d.peek(classUniversal, tagInteger) {
		n, err := d.next()
		if err != nil {
			return err
		}
		x.proxyPathLen = int(min(new(big.Int).Abs(bigInt(n.content)).Uint64(), 1<<30))
	}
	if _, err := d.want(tagSequence); err != nil {
		return fmt.Errorf("proxy policy: %w", err)
	}
	x.proxy = true
	return nil
}

func (x *extensionCache) readTLSFeature(e *Extension) error {
	v, err := e.value(tagSequence)
	if err != nil {
		return err
	}
	items, err := v.children(64)
	for _, it := range items {
		if it.is(tagInteger) && bytes.Equal(it.content, []byte{5}) { // status_request
			x.mustStaple = true
		}
	}
	return err
}

// checkAccessDescriptions reports a malformed Authority or Subject Information
// Access extension.
func checkAccessDescriptions(e *Extension) error {
	list, err := accessDescriptions(e)
	if err == nil && len(list) == 0 {
		err = errors.New("no access descriptions")
	}
	return err
}

type accessDescription struct {
	method   oid
	location GeneralName
}

func accessDescriptions(e *Extension) ([]accessDescription, error) {
	items, err := e.items()
	var list []accessDescription
	for _, it := range items {
		d := it.inside()
		m, err := d.want(tagOID)
		if err != nil {
			return list, err
		}
		loc, err := d.next()
		if err != nil {
			return list, err
		}
		g, err := parseGeneralName(loc, e.Name, &defects{})
		if err != nil {
			return list, err
		}
		list = append(list, accessDescription{oid(m.content), g})
	}
	return list, err
}
