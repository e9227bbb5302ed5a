package tlsx

import (
	"strconv"
	"strings"
	"sync"
)

// An oid is the content of an encoded OBJECT IDENTIFIER.
type oid string

// oidNames lists what is known by name: the dotted form, OpenSSL's short name
// and, where it reads better, a long one.
var oidNames = [...]struct{ dotted, short, long string }{
	{"2.5.4.3", "CN", "commonName"},
	{"2.5.4.4", "SN", "surname"},
	{"2.5.4.5", "serialNumber", ""},
	{"2.5.4.6", "C", "countryName"},
	{"2.5.4.7", "L", "localityName"},
	{"2.5.4.8", "ST", "stateOrProvinceName"},
	{"2.5.4.9", "street", "streetAddress"},
	{"2.5.4.10", "O", "organizationName"},
	{"2.5.4.11", "OU", "organizationalUnitName"},
	{"2.5.4.12", "title", ""},
	{"2.5.4.13", "description", ""},
	{"2.5.4.15", "businessCategory", ""},
	{"2.5.4.16", "postalAddress", ""},
	{"2.5.4.17", "postalCode", ""},
	{"2.5.4.20", "telephoneNumber", ""},
	{"2.5.4.41", "name", ""},
	{"2.5.4.42", "GN", "givenName"},
	{"2.5.4.43", "initials", ""},
	{"2.5.4.44", "generationQualifier", ""},
	{"2.5.4.45", "x500UniqueIdentifier", ""},
	{"2.5.4.46", "dnQualifier", ""},
	{"2.5.4.65", "pseudonym", ""},
	{"2.5.4.97", "organizationIdentifier", ""},
	{"1.2.840.113549.1.9.1", "emailAddress", ""},
	{"1.2.840.113549.1.9.2", "unstructuredName", ""},
	{"1.2.840.113549.1.9.8", "unstructuredAddress", ""},
	{"1.2.840.113549.1.9.7", "challengePassword", ""},
	{"1.2.840.113549.1.9.14", "extReq", "extension request"},
	{"0.9.2342.19200300.100.1.1", "UID", "userId"},
	{"0.9.2342.19200300.100.1.25", "DC", "domainComponent"},
	{"1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL", "jurisdictionLocalityName"},
	{"1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST", "jurisdictionStateOrProvinceName"},
	{"1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC", "jurisdictionCountryName"},

	{"2.5.29.9", "subjectDirectoryAttributes", "Subject Directory Attributes"},
	{"2.5.29.14", "subjectKeyIdentifier", "Subject Key Identifier"},
	{"2.5.29.15", "keyUsage", "Key Usage"},
	{"2.5.29.16", "privateKeyUsagePeriod", "Private Key Usage Period"},
	{"2.5.29.17", "subjectAltName", "Subject Alternative Name"},
	{"2.5.29.18", "issuerAltName", "Issuer Alternative Name"},
	{"2.5.29.19", "basicConstraints", "Basic Constraints"},
	{"2.5.29.20", "crlNumber", "CRL Number"},
	{"2.5.29.21", "CRLReason", "CRL Reason Code"},
	{"2.5.29.24", "invalidityDate", "Invalidity Date"},
	{"2.5.29.27", "deltaCRL", "Delta CRL Indicator"},
	{"2.5.29.28", "issuingDistributionPoint", "Issuing Distribution Point"},
	{"2.5.29.29", "certificateIssuer", "Certificate Issuer"},
	{"2.5.29.30", "nameConstraints", "Name Constraints"},
	{"2.5.29.31", "crlDistributionPoints", "CRL Distribution Points"},
	{"2.5.29.32", "certificatePolicies", "Certificate Policies"},
	{"2.5.29.32.0", "anyPolicy", "any policy"},
	{"2.5.29.33", "policyMappings", "Policy Mappings"},
	{"2.5.29.35", "authorityKeyIdentifier", "Authority Key Identifier"},
	{"2.5.29.36", "policyConstraints", "Policy Constraints"},
	{"2.5.29.37", "extendedKeyUsage", "Extended Key Usage"},
	{"2.5.29.46", "freshestCRL", "Freshest CRL"},
	{"2.5.29.54", "inhibitAnyPolicy", "Inhibit Any Policy"},
	{"1.3.6.1.5.5.7.1.1", "authorityInfoAccess", "Authority Information Access"},
	{"1.3.6.1.5.5.7.1.3", "qcStatements", "QC Statements"},
	{"1.3.6.1.5.5.7.1.7", "sbgp-ipAddrBlock", "IP Address Blocks"},
	{"1.3.6.1.5.5.7.1.8", "sbgp-autonomousSysNum", "Autonomous System Numbers"},
	{"1.3.6.1.5.5.7.1.11", "subjectInfoAccess", "Subject Information Access"},
	{"1.3.6.1.5.5.7.1.14", "proxyCertInfo", "Proxy Certificate Information"},
	{"1.3.6.1.5.5.7.1.24", "tlsfeature", "TLS Feature"},
	{"1.3.6.1.5.5.7.48.1.5", "noCheck", "OCSP No Check"},
	{"1.3.6.1.4.1.11129.2.4.2", "ct_precert_scts", "Signed Certificate Timestamps"},
	{"1.3.6.1.4.1.11129.2.4.3", "ct_precert_poison", "CT Precertificate Poison"},
	{"2.16.840.1.113730.1.1", "nsCertType", "Netscape Certificate Type"},
	{"2.16.840.1.113730.1.13", "nsComment", "Netscape Comment"},
	{"1.3.6.1.4.1.311.20.2", "msCertTemplateName", "Microsoft Certificate Template Name"},
	{"1.3.6.1.4.1.311.21.1", "msCAVersion", "Microsoft CA Version"},
	{"1.3.6.1.4.1.311.21.7", "msCertTemplate", "Microsoft Certificate Template"},
	{"1.3.6.1.4.1.311.21.10", "msApplicationPolicies", "Microsoft Application Policies"},

	{"2.5.29.37.0", "anyExtendedKeyUsage", "any"},
	{"1.3.6.1.5.5.7.3.1", "serverAuth", "TLS server"},
	{"1.3.6.1.5.5.7.3.2", "clientAuth", "TLS client"},
	{"1.3.6.1.5.5.7.3.3", "codeSigning", ""},
	{"1.3.6.1.5.5.7.3.4", "emailProtection", ""},
	{"1.3.6.1.5.5.7.3.8", "timeStamping", ""},
	{"1.3.6.1.5.5.7.3.9", "OCSPSigning", ""},
	{"1.3.6.1.5.5.7.3.10", "DVCS", ""},
	{"1.3.6.1.5.5.7.3.17", "ipsecIKE", ""},
	{"1.3.6.1.4.1.311.10.3.3", "msSGC", ""},
	{"2.16.840.1.113730.4.1", "nsSGC", ""},
	{"1.3.6.1.4.1.311.20.2.2", "msSmartcardLogin", ""},
	{"1.3.6.1.5.2.3.5", "pkInitKDC", ""},
	{"1.3.6.1.5.5.7.48.1", "OCSP", ""},
	{"1.3.6.1.5.5.7.48.2", "caIssuers", ""},
	{"1.3.6.1.5.5.7.2.1", "CPS", ""},
	{"1.3.6.1.5.5.7.2.2", "userNotice", ""},
	{"1.3.6.1.5.5.7.8.9", "smtpUTF8Mailbox", ""},
	{"1.3.6.1.4.1.311.20.2.3", "msUPN", ""},
	{"1.3.6.1.5.5.7.21.1", "independent", ""},

	{"1.2.840.113549.1.1.1", "rsaEncryption", "RSA"},
	{"1.2.840.113549.1.1.10", "rsassaPss", "RSA-PSS"},
	{"1.2.840.113549.1.1.8", "mgf1", ""},
	{"1.2.840.10045.2.1", "id-ecPublicKey", "EC"},
	{"1.2.840.10040.4.1", "dsaEncryption", "DSA"},
	{"1.3.101.110", "X25519", ""},
	{"1.3.101.111", "X448", ""},
	{"1.3.101.112", "ED25519", "Ed25519"},
	{"1.3.101.113", "ED448", "Ed448"},
	{"2.16.840.1.101.3.4.3.17", "ML-DSA-44", ""},
	{"2.16.840.1.101.3.4.3.18", "ML-DSA-65", ""},
	{"2.16.840.1.101.3.4.3.19", "ML-DSA-87", ""},

	{"1.3.14.3.2.26", "SHA1", ""},
	{"1.2.840.113549.2.5", "MD5", ""},
	{"2.16.840.1.101.3.4.2.4", "SHA224", ""},
	{"2.16.840.1.101.3.4.2.1", "SHA256", ""},
	{"2.16.840.1.101.3.4.2.2", "SHA384", ""},
	{"2.16.840.1.101.3.4.2.3", "SHA512", ""},

	{"1.2.840.113549.1.7.1", "pkcs7-data", ""},
	{"1.2.840.113549.1.7.2", "pkcs7-signedData", ""},
	{"1.2.840.113549.1.7.6", "pkcs7-encryptedData", ""},

	{"2.23.140.1.1", "ev-guidelines", "extended validation"},
	{"2.23.140.1.2.1", "domain-validated", ""},
	{"2.23.140.1.2.2", "organization-validated", ""},
	{"2.23.140.1.2.3", "individual-validated", ""},
}

// The object identifiers that code compares with, as encoded content.
const (
	oidCommonName oid = "\x55\x04\x03"
	oidEmail      oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"

	oidSKI            oid = "\x55\x1d\x0e"
	oidKeyUsage       oid = "\x55\x1d\x0f"
	oidSAN            oid = "\x55\x1d\x11"
	oidIssuerAltName  oid = "\x55\x1d\x12"
	oidBasic          oid = "\x55\x1d\x13"
	oidCRLNumber      oid = "\x55\x1d\x14"
	oidCRLReason      oid = "\x55\x1d\x15"
	oidInvalidityDate oid = "\x55\x1d\x18"
	oidDeltaCRL       oid = "\x55\x1d\x1b"
	oidIDP            oid = "\x55\x1d\x1c"
	oidCertIssuer     oid = "\x55\x1d\x1d"
	oidNameConstr     oid = "\x55\x1d\x1e"
	oidCRLDP          oid = "\x55\x1d\x1f"
	oidPolicies       oid = "\x55\x1d\x20"
	oidAnyPolicy      oid = "\x55\x1d\x20\x00"
	oidPolicyMaps     oid = "\x55\x1d\x21"
	oidAKI            oid = "\x55\x1d\x23"
	oidPolicyConstr   oid = "\x55\x1d\x24"
	oidEKU            oid = "\x55\x1d\x25"
	oidFreshestCRL    oid = "\x55\x1d\x2e"
	oidInhibitAny     oid = "\x55\x1d\x36"
	oidAIA            oid = "\x2b\x06\x01\x05\x05\x07\x01\x01"
	oidSIA            oid = "\x2b\x06\x01\x05\x05\x07\x01\x0b"
	oidIPBlocks       oid = "\x2b\x06\x01\x05\x05\x07\x01\x07"
	oidASNumbers      oid = "\x2b\x06\x01\x05\x05\x07\x01\x08"
	oidProxy          oid = "\x2b\x06\x01\x05\x05\x07\x01\x0e"
	oidTLSFeature     oid = "\x2b\x06\x01\x05\x05\x07\x01\x18"
	oidOCSPNoCheck    oid = "\x2b\x06\x01\x05\x05\x07\x30\x01\x05"
	oidSCTs           oid = "\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02"
	oidNSCertType     oid = "\x60\x86\x48\x01\x86\xf8\x42\x01\x01"
	oidNSComment      oid = "\x60\x86\x48\x01\x86\xf8\x42\x01\x0d"
	oidSMTPUTF8       oid = "\x2b\x06\x01\x05\x05\x07\x08\x09"
	oidExtReq         oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"
	oidOCSP           oid = "\x2b\x06\x01\x05\x05\x07\x30\x01"
	oidCAIssuers      oid = "\x2b\x06\x01\x05\x05\x07\x30\x02"

	oidAnyEKU       oid = "\x55\x1d\x25\x00"
	oidServerAuth   oid = "\x2b\x06\x01\x05\x05\x07\x03\x01"
	oidClientAuth   oid = "\x2b\x06\x01\x05\x05\x07\x03\x02"
	oidEmailProtect oid = "\x2b\x06\x01\x05\x05\x07\x03\x04"
	oidTimeStamping oid = "\x2b\x06\x01\x05\x05\x07\x03\x08"
	oidOCSPSigning  oid = "\x2b\x06\x01\x05\x05\x07\x03\x09"
	oidMSSGC        oid = "\x2b\x06\x01\x04\x01\x82\x37\x0a\x03\x03"
	oidNSSGC        oid = "\x60\x86\x48\x01\x86\xf8\x42\x04\x01"

	oidRSA     oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
	oidRSAPSS  oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
	oidMGF1    oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
	oidEC      oid = "\x2a\x86\x48\xce\x3d\x02\x01"
	oidDSA     oid = "\x2a\x86\x48\xce\x38\x04\x01"
	oidX25519  oid = "\x2b\x65\x6e"
	oidX448    oid = "\x2b\x65\x6f"
	oidEd25519 oid = "\x2b\x65\x70"
	oidEd448   oid = "\x2b\x65\x71"

	oidPKCS7Data      oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
	oidPKCS7Signed    oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
	oidPKCS7Encrypted oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06"
)

type oidName struct{ dotted, short, long string }

var oidTable = sync.OnceValue(func() map[oid]oidName {
	m := make(map[oid]oidName, len(oidNames))
	for _, n := range oidNames {
		o, _ := encodeOID(n.dotted)
		m[o] = oidName{n.dotted, n.short, n.long}
	}
	return m
})

// short returns OpenSSL's short name of o, or the dotted form.
func (o oid) short() string {
	if n, ok := oidTable()[o]; ok {
		return n.short
	}
	return o.String()
}

// long returns the name people use for o, or the dotted form.
func (o oid) long() string {
	n, ok := oidTable()[o]
	switch {
	case !ok:
		return o.String()
	case n.long != "":
		return n.long
	}
	return n.short
}

// String returns the dotted form. Octets that are not an object identifier
// come out as hex.
func (o oid) String() string {
	if n, ok := oidTable()[o]; ok {
		return n.dotted
	}
	return o.decode()
}

func (o oid) decode() string {
	var arcs []byte
	var n uint64
	first, start := true, true
	for i := 0; i < len(o); i++ {
		b := o[i]
		if n > 1<<56 || start && b == 0x80 {
			return o.hex()
		}
		n, start = n<<7|uint64(b&0x7f), false
		if b&0x80 != 0 {
			continue
		}
		if first {
			top := min(n/40, 2)
			arcs = strconv.AppendUint(arcs, top, 10)
			n, first = n-top*40, false
		}
		arcs = strconv.AppendUint(append(arcs, '.'), n, 10)
		n, start = 0, true
	}
	if !start || len(o) == 0 {
		return o.hex()
	}
	return string(arcs)
}

func (o oid) hex() string { return "0x" + hexString([]byte(o)) }

// wellFormed reports whether o ends where a number ends and no number has a
// leading zero.
func (o oid) wellFormed() bool {
	for i := range len(o) {
		if o[i] == 0x80 && (i == 0 || o[i-1] < 0x80) {
			return false
		}
	}
	return len(o) > 0 && o[len(o)-1] < 0x80
}

// encodeOID is the inverse of String.
func encodeOID(dotted string) (oid, bool) {
	parts := strings.Split(dotted, ".")
	if len(parts) < 2 {
		return "", false
	}
	var out []byte
	var first uint64
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 56)
		if err != nil {
			return "", false
		}
		switch {
		case i == 0:
			first = n * 40
		case i == 1:
			out = appendBase128(out, first+n)
		default:
			out = appendBase128(out, n)
		}
	}
	return oid(out), first <= 80
}

func appendBase128(out []byte, n uint64) []byte {
	l := 1
	for m := n >> 7; m > 0; m >>= 7 {
		l++
	}
	for i := l - 1; i >= 0; i-- {
		b := byte(n>>(7*i)) & 0x7f
		if i > 0 {
			b |= 0x80
		}
		out = append(out, b)
	}
	return out
}
