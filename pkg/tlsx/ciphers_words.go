package tlsx

// strength is the class and the flags a word of a cipher string can ask for.
// Unlike the other sets, a class and a flag are two independent criteria.
type strength uint8

const (
	sNone strength = 1 << iota // no encryption
	sMedium
	sHigh
	sFIPS
	sNotDefault

	// OpenSSL holds FIPS to be a class, so FIPS+HIGH selects nothing.
	sClass = sNone | sMedium | sHigh | sFIPS
)

func (c *suiteRow) strength() strength {
	var s strength
	switch {
	case c.enc == eNULL:
		s = sNone
	case c.weak():
		s = sMedium
	default:
		s = sHigh
	}
	if c.fips() {
		s |= sFIPS
	}
	if c.notDefault() {
		s |= sNotDefault
	}
	return s
}

// selector is what one element of a cipher string selects: in every field that
// is not zero, a suite must be in the set.
type selector struct {
	id   uint16
	min  version
	kx   kxSet
	auth authSet
	enc  encSet
	mac  macSet
	str  strength
}

func (s *selector) matches(c *suiteRow) bool {
	switch {
	case s.id != 0 && s.id != c.id,
		s.min != 0 && s.min != c.min,
		s.kx != 0 && s.kx&c.kx == 0,
		s.auth != 0 && s.auth&c.auth == 0,
		s.enc != 0 && s.enc&c.enc == 0,
		s.mac != 0 && s.mac&c.mac == 0:
		return false
	}
	if class := s.str & sClass; class != 0 && class&c.strength() == 0 {
		return false
	}
	return s.str&sNotDefault == 0 || c.notDefault()
}

// namesWeak reports whether s asks for suites outside OpenSSL's default build
// by name, and not merely by a word that covers everything.
func (s *selector) namesWeak() bool {
	return s.id != 0 || s.enc != 0 && s.enc&^eWeak == 0
}

// narrow intersects s with o. It reports false when nothing can match both.
func (s *selector) narrow(o selector) bool {
	if o.id != 0 {
		s.id = o.id // the protocol of a suite is no criterion
		o.min = 0
	}
	ok := meet(&s.kx, o.kx) && meet(&s.auth, o.auth) && meet(&s.enc, o.enc) && meet(&s.mac, o.mac)
	if !ok || o.min != 0 && s.min != 0 && s.min != o.min {
		return false
	}
	if o.min != 0 {
		s.min = o.min
	}
	return s.narrowStrength(o.str)
}

func (s *selector) narrowStrength(o strength) bool {
	class := s.str & sClass
	if !meet(&class, o&sClass) {
		return false
	}
	if s.str&sClass == 0 && o&sClass != 0 {
		s.str = o // as OpenSSL: the first class puts aside a flag before it
		return true
	}
	s.str = class | (s.str|o)&sNotDefault
	return true
}

func meet[T ~uint8 | ~uint16 | ~uint32](have *T, want T) bool {
	switch {
	case want == 0:
		return true
	case *have == 0:
		*have = want
	default:
		*have &= want
	}
	return *have != 0
}

// cipherWords returns the words of the cipher-string language.
func cipherWords() map[string]selector {
	return map[string]selector{
		"ALL":                 {enc: ^eNULL},
		"COMPLEMENTOFALL":     {enc: eNULL},
		"COMPLEMENTOFDEFAULT": {str: sNotDefault},

		"kRSA": {kx: kRSA}, "kEDH": {kx: kDHE}, "kDHE": {kx: kDHE}, "DH": {kx: kDHE},
		"kEECDH": {kx: kECDHE}, "kECDHE": {kx: kECDHE}, "ECDH": {kx: kECDHE},
		"kPSK": {kx: kPSK}, "kRSAPSK": {kx: kRSAPSK}, "kECDHEPSK": {kx: kECDHEPSK},
		"kDHEPSK": {kx: kDHEPSK}, "kSRP": {kx: kSRP},

		"aRSA": {auth: aRSA}, "aDSS": {auth: aDSS}, "DSS": {auth: aDSS}, "aNULL": {auth: aNULL},
		"aECDSA": {auth: aECDSA}, "ECDSA": {auth: aECDSA}, "aPSK": {auth: aPSK}, "aSRP": {auth: aSRP},

		"EDH": {kx: kDHE, auth: ^aNULL}, "DHE": {kx: kDHE, auth: ^aNULL},
		"EECDH": {kx: kECDHE, auth: ^aNULL}, "ECDHE": {kx: kECDHE, auth: ^aNULL},
		"RSA": {kx: kRSA, auth: aRSA}, "ADH": {kx: kDHE, auth: aNULL}, "AECDH": {kx: kECDHE, auth: aNULL},
		"PSK": {kx: kAnyPSK}, "SRP": {kx: kSRP},

		"NULL": {enc: eNULL}, "eNULL": {enc: eNULL},
		"AES128": {enc: eAES128 | eAES128GCM | eAES128CCM | eAES128CCM8},
		"AES256": {enc: eAES256 | eAES256GCM | eAES256CCM | eAES256CCM8},
		"AES":    {enc: eAES}, "AESGCM": {enc: eAESGCM}, "AESCCM": {enc: eAESCCM}, "AESCCM8": {enc: eAESCCM8},
		"CAMELLIA128": {enc: eCamellia128}, "CAMELLIA256": {enc: eCamellia256}, "CAMELLIA": {enc: eCamellia},
		"CHACHA20": {enc: eChaCha20},
		"ARIA":     {enc: eARIA}, "ARIAGCM": {enc: eARIA}, "ARIA128": {enc: eARIA128}, "ARIA256": {enc: eARIA256},
		"CBC": {enc: eCBC}, "3DES": {enc: e3DES}, "RC4": {enc: eRC4},

		"MD5": {mac: mMD5}, "SHA1": {mac: mSHA1}, "SHA": {mac: mSHA1}, "SHA256": {mac: mSHA256}, "SHA384": {mac: mSHA384},

		"SSLv3": {min: vSSL3}, "TLSv1": {min: vTLS10}, "TLSv1.0": {min: vTLS10}, "TLSv1.2": {min: vTLS12},

		"MEDIUM": {str: sMedium}, "HIGH": {str: sHigh}, "FIPS": {enc: ^eNULL, str: sFIPS},
	}
}

// emptyWords are words that OpenSSL has and its default build gives no suites.
func emptyWords() []string {
	return []string{"LOW", "EXP", "EXPORT", "EXPORT40", "EXPORT56", "RC2", "IDEA", "SEED", "DES", "GOST", "kGOST", "kGOST18",
		"aGOST", "aGOST01", "aGOST12", "GOST94", "GOST89MAC", "GOST12", "GOST89MAC12", "GOST2012", "SSLv2", "kECDH", "aECDH",
		"kDH", "kDHr", "kDHd", "aDH", "kECDHr", "kECDHe", "KRB5", "kKRB5", "aKRB5", "FZA", "kFZA", "aFZA", "eFZA", "AEAD"}
}
