package tlsx

import (
	"crypto/tls"
	"fmt"
	"sync"
)

// A CipherSuite describes one cipher suite by OpenSSL's and the standard names.
type CipherSuite struct {
	ID             uint16 `json:"id"`             // number on the wire
	Name           string `json:"name"`           // OpenSSL's name
	StandardName   string `json:"standard_name"`  // IANA's name
	Protocol       string `json:"protocol"`       // first protocol that has it, as "TLSv1.2"
	KeyExchange    string `json:"key_exchange"`   // "ECDH", "RSA", "DH" ...
	Authentication string `json:"authentication"` // "RSA", "ECDSA", "None" ...
	Encryption     string `json:"encryption"`     // "AESGCM(256)" ...
	MAC            string `json:"mac"`            // "AEAD", "SHA1" ...
	Bits           int    `json:"bits"`           // strength of the encryption
	Available      bool   `json:"available"`      // Go can speak it
}

// The parts of a cipher suite are sets of one bit, so that a word of a cipher
// string is a set of many.
type (
	kxSet   uint16
	authSet uint16
	encSet  uint32
	macSet  uint16
	version uint16
)

const (
	kRSA kxSet = 1 << iota
	kDHE
	kECDHE
	kPSK
	kRSAPSK
	kECDHEPSK
	kDHEPSK
	kSRP
	kAny // TLS 1.3 agrees on it apart

	kAnyPSK = kPSK | kRSAPSK | kECDHEPSK | kDHEPSK
)

const (
	aRSA authSet = 1 << iota
	aDSS
	aNULL
	aECDSA
	aPSK
	aSRP
	aAny
)

const (
	eNULL encSet = 1 << iota
	eAES128
	eAES256
	eAES128GCM
	eAES256GCM
	eAES128CCM
	eAES256CCM
	eAES128CCM8
	eAES256CCM8
	eCamellia128
	eCamellia256
	eARIA128
	eARIA256
	eChaCha20
	e3DES
	eRC4

	eAESGCM   = eAES128GCM | eAES256GCM
	eAESCCM8  = eAES128CCM8 | eAES256CCM8
	eAESCCM   = eAES128CCM | eAES256CCM | eAESCCM8
	eAES      = eAES128 | eAES256 | eAESGCM | eAESCCM
	eCamellia = eCamellia128 | eCamellia256
	eARIA     = eARIA128 | eARIA256
	eWeak     = e3DES | eRC4
	eCBC      = eAES128 | eAES256 | eCamellia | e3DES
)

const (
	mMD5 macSet = 1 << iota
	mSHA1
	mSHA256
	mSHA384
	mAEAD
)

const (
	vSSL3  version = 0x0300
	vTLS10 version = 0x0301
	vTLS12 version = 0x0303
	vTLS13 version = 0x0304
)

// suiteRow is one row of OpenSSL's table.
type suiteRow struct {
	id   uint16
	name string
	std  string
	min  version
	kx   kxSet
	auth authSet
	enc  encSet
	mac  macSet
}

// weak reports a suite that OpenSSL's default build lacks.
func (c *suiteRow) weak() bool { return c.enc&eWeak != 0 }

// fips reports what the word FIPS selects.
func (c *suiteRow) fips() bool { return c.enc&(eAES128|eAES256|eAESGCM) != 0 && c.kx != kSRP }

// notDefault reports what the word COMPLEMENTOFDEFAULT selects.
func (c *suiteRow) notDefault() bool {
	return c.enc&(eAESCCM|eARIA|eCamellia) != 0 || c.auth&(aNULL|aDSS) != 0 && c.enc != eNULL
}

// bits is the strength OpenSSL sorts by.
func (c *suiteRow) bits() int {
	switch c.enc {
	case eNULL:
		return 0
	case e3DES:
		return 112
	case eAES128, eAES128GCM, eAES128CCM, eAES128CCM8, eCamellia128, eARIA128, eRC4:
		return 128
	}
	return 256
}

func (c *suiteRow) suite() CipherSuite {
	return CipherSuite{
		ID: c.id, Name: c.name, StandardName: c.std, Protocol: c.min.name(),
		KeyExchange: c.kx.name(), Authentication: c.auth.name(), Encryption: c.enc.name(), MAC: c.mac.name(),
		Bits: c.bits(), Available: goHasSuite(c.id),
	}
}

// suites13Table returns the TLS 1.3 suites in OpenSSL's default order, then
// the two it leaves off by default.
func suites13Table() []suiteRow {
	return []suiteRow{
		{0x1302, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", vTLS13, kAny, aAny, eAES256GCM, mAEAD},
		{0x1303, "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256", vTLS13, kAny, aAny, eChaCha20, mAEAD},
		{0x1301, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", vTLS13, kAny, aAny, eAES128GCM, mAEAD},
		{0x1304, "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_SHA256", vTLS13, kAny, aAny, eAES128CCM, mAEAD},
		{0x1305, "TLS_AES_128_CCM_8_SHA256", "TLS_AES_128_CCM_8_SHA256", vTLS13, kAny, aAny, eAES128CCM8, mAEAD},
	}
}

var suitesByID = sync.OnceValue(func() map[uint16]CipherSuite {
	all := make(map[uint16]CipherSuite)
	for _, table := range [][]suiteRow{suites13Table(), cipherTable()} {
		for i := range table {
			all[table[i].id] = table[i].suite()
		}
	}
	return all
})

// SuiteByID describes the suite with number id. A suite that OpenSSL does not
// know has Name and StandardName "0x1234" and nothing else.
func SuiteByID(id uint16) CipherSuite {
	if s, ok := suitesByID()[id]; ok {
		return s
	}
	name := fmt.Sprintf("0x%04X", id)
	switch {
	case id == suiteRenegotiationSCSV:
		name = "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"
	case id == suiteFallbackSCSV:
		name = "TLS_FALLBACK_SCSV"
	case isGREASE(id):
		name = "GREASE"
	}
	return CipherSuite{ID: id, Name: name, StandardName: name}
}

// isGREASE reports a number that clients offer to keep servers tolerant of what
// they do not know (RFC 8701).
func isGREASE(id uint16) bool { return id&0x0f0f == 0x0a0a && id>>8 == id&0xff }

var goSuites = sync.OnceValue(func() map[uint16]bool {
	have := make(map[uint16]bool)
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, s := range list {
			have[s.ID] = true
		}
	}
	return have
})

func goHasSuite(id uint16) bool { return goSuites()[id] }

func (v version) name() string {
	switch v {
	case vSSL3:
		return "SSLv3"
	case vTLS10:
		return "TLSv1"
	case vTLS12:
		return "TLSv1.2"
	}
	return "TLSv1.3"
}

func (k kxSet) name() string {
	switch k {
	case kRSA:
		return "RSA"
	case kDHE:
		return "DH"
	case kECDHE:
		return "ECDH"
	case kPSK:
		return "PSK"
	case kRSAPSK:
		return "RSAPSK"
	case kECDHEPSK:
		return "ECDHEPSK"
	case kDHEPSK:
		return "DHEPSK"
	case kSRP:
		return "SRP"
	}
	return "any"
}

func (a authSet) name() string {
	switch a {
	case aRSA:
		return "RSA"
	case aDSS:
		return "DSS"
	case aNULL:
		return "None"
	case aECDSA:
		return "ECDSA"
	case aPSK:
		return "PSK"
	case aSRP:
		return "SRP"
	}
	return "any"
}

func (e encSet) name() string {
	switch e {
	case eAES128:
		return "AES(128)"
	case eAES256:
		return "AES(256)"
	case eAES128GCM:
		return "AESGCM(128)"
	case eAES256GCM:
		return "AESGCM(256)"
	case eAES128CCM:
		return "AESCCM(128)"
	case eAES256CCM:
		return "AESCCM(256)"
	case eAES128CCM8:
		return "AESCCM8(128)"
	case eAES256CCM8:
		return "AESCCM8(256)"
	case eCamellia128:
		return "Camellia(128)"
	case eCamellia256:
		return "Camellia(256)"
	case eARIA128:
		return "ARIAGCM(128)"
	case eARIA256:
		return "ARIAGCM(256)"
	case eChaCha20:
		return "CHACHA20/POLY1305(256)"
	case e3DES:
		return "3DES(168)"
	case eRC4:
		return "RC4(128)"
	}
	return "None"
}

func (m macSet) name() string {
	switch m {
	case mMD5:
		return "MD5"
	case mSHA1:
		return "SHA1"
	case mSHA256:
		return "SHA256"
	case mSHA384:
		return "SHA384"
	}
	return "AEAD"
}
