package tlsx

// A VerifyCode is a verification result as OpenSSL numbers it (the X509_V_*
// values of x509_vfy.h). The zero value is success.
type VerifyCode int

// The verification results. Numbers and names are those of OpenSSL, texts those
// of libcrypto 3.0; 95 and above came later and have texts of our own.
const (
	CodeOK                              VerifyCode = 0
	CodeUnspecified                     VerifyCode = 1
	CodeUnableToGetIssuerCert           VerifyCode = 2
	CodeUnableToGetCRL                  VerifyCode = 3
	CodeUnableToDecryptCertSignature    VerifyCode = 4
	CodeUnableToDecryptCRLSignature     VerifyCode = 5
	CodeUnableToDecodeIssuerPublicKey   VerifyCode = 6
	CodeCertSignatureFailure            VerifyCode = 7
	CodeCRLSignatureFailure             VerifyCode = 8
	CodeCertNotYetValid                 VerifyCode = 9
	CodeCertHasExpired                  VerifyCode = 10
	CodeCRLNotYetValid                  VerifyCode = 11
	CodeCRLHasExpired                   VerifyCode = 12
	CodeErrorInCertNotBeforeField       VerifyCode = 13
	CodeErrorInCertNotAfterField        VerifyCode = 14
	CodeErrorInCRLLastUpdateField       VerifyCode = 15
	CodeErrorInCRLNextUpdateField       VerifyCode = 16
	CodeOutOfMem                        VerifyCode = 17
	CodeDepthZeroSelfSignedCert         VerifyCode = 18
	CodeSelfSignedCertInChain           VerifyCode = 19
	CodeUnableToGetIssuerCertLocally    VerifyCode = 20
	CodeUnableToVerifyLeafSignature     VerifyCode = 21
	CodeCertChainTooLong                VerifyCode = 22
	CodeCertRevoked                     VerifyCode = 23
	CodeNoIssuerPublicKey               VerifyCode = 24
	CodePathLengthExceeded              VerifyCode = 25
	CodeInvalidPurpose                  VerifyCode = 26
	CodeCertUntrusted                   VerifyCode = 27
	CodeCertRejected                    VerifyCode = 28
	CodeSubjectIssuerMismatch           VerifyCode = 29
	CodeAKIDSKIDMismatch                VerifyCode = 30
	CodeAKIDIssuerSerialMismatch        VerifyCode = 31
	CodeKeyusageNoCertsign              VerifyCode = 32
	CodeUnableToGetCRLIssuer            VerifyCode = 33
	CodeUnhandledCriticalExtension      VerifyCode = 34
	CodeKeyusageNoCRLSign               VerifyCode = 35
	CodeUnhandledCriticalCRLExtension   VerifyCode = 36
	CodeInvalidNonCA                    VerifyCode = 37
	CodeProxyPathLengthExceeded         VerifyCode = 38
	CodeKeyusageNoDigitalSignature      VerifyCode = 39
	CodeProxyCertificatesNotAllowed     VerifyCode = 40
	CodeInvalidExtension                VerifyCode = 41
	CodeInvalidPolicyExtension          VerifyCode = 42
	CodeNoExplicitPolicy                VerifyCode = 43
	CodeDifferentCRLScope               VerifyCode = 44
	CodeUnsupportedExtensionFeature     VerifyCode = 45
	CodeUnnestedResource                VerifyCode = 46
	CodePermittedViolation              VerifyCode = 47
	CodeExcludedViolation               VerifyCode = 48
	CodeSubtreeMinmax                   VerifyCode = 49
	CodeApplicationVerification         VerifyCode = 50
	CodeUnsupportedConstraintType       VerifyCode = 51
	CodeUnsupportedConstraintSyntax     VerifyCode = 52
	CodeUnsupportedNameSyntax           VerifyCode = 53
	CodeCRLPathValidationError          VerifyCode = 54
	CodePathLoop                        VerifyCode = 55
	CodeSuiteBInvalidVersion            VerifyCode = 56
	CodeSuiteBInvalidAlgorithm          VerifyCode = 57
	CodeSuiteBInvalidCurve              VerifyCode = 58
	CodeSuiteBInvalidSignatureAlgorithm VerifyCode = 59
	CodeSuiteBLOSNotAllowed             VerifyCode = 60
	CodeSuiteBCannotSignP384WithP256    VerifyCode = 61
	CodeHostnameMismatch                VerifyCode = 62
	CodeEmailMismatch                   VerifyCode = 63
	CodeIPAddressMismatch               VerifyCode = 64
	CodeDANENoMatch                     VerifyCode = 65
	CodeEEKeyTooSmall                   VerifyCode = 66
	CodeCAKeyTooSmall                   VerifyCode = 67
	CodeCAMDTooWeak                     VerifyCode = 68
	CodeInvalidCall                     VerifyCode = 69
	CodeStoreLookup                     VerifyCode = 70
	CodeNoValidSCTs                     VerifyCode = 71
	CodeProxySubjectNameViolation       VerifyCode = 72
	CodeOCSPVerifyNeeded                VerifyCode = 73
	CodeOCSPVerifyFailed                VerifyCode = 74
	CodeOCSPCertUnknown                 VerifyCode = 75
	CodeUnsupportedSignatureAlgorithm   VerifyCode = 76
	CodeSignatureAlgorithmMismatch      VerifyCode = 77
	CodeSignatureAlgorithmInconsistency VerifyCode = 78
	CodeInvalidCA                       VerifyCode = 79
	CodePathlenInvalidForNonCA          VerifyCode = 80
	CodePathlenWithoutKUKeyCertSign     VerifyCode = 81
	CodeKUKeyCertSignInvalidForNonCA    VerifyCode = 82
	CodeIssuerNameEmpty                 VerifyCode = 83
	CodeSubjectNameEmpty                VerifyCode = 84
	CodeMissingAuthorityKeyIdentifier   VerifyCode = 85
	CodeMissingSubjectKeyIdentifier     VerifyCode = 86
	CodeEmptySubjectAltName             VerifyCode = 87
	CodeEmptySubjectSANNotCritical      VerifyCode = 88
	CodeCABconsNotCritical              VerifyCode = 89
	CodeAuthorityKeyIdentifierCritical  VerifyCode = 90
	CodeSubjectKeyIdentifierCritical    VerifyCode = 91
	CodeCACertMissingKeyUsage           VerifyCode = 92
	CodeExtensionsRequireVersion3       VerifyCode = 93
	CodeECKeyExplicitParams             VerifyCode = 94
	CodeRPKUntrusted                    VerifyCode = 95
	CodeOCSPRespInvalid                 VerifyCode = 96
	CodeOCSPSignatureFailure            VerifyCode = 97
	CodeOCSPNotYetValid                 VerifyCode = 98
	CodeOCSPHasExpired                  VerifyCode = 99
	CodeOCSPNoResponse                  VerifyCode = 100
	CodeCRLVerifyFailed                 VerifyCode = 101
	CodeEmptyAuthorityKeyIdentifier     VerifyCode = 102
	CodeAKIDIssuerSerialNotPaired       VerifyCode = 103
	CodeIDPOnlyUserCAAttrExclusive      VerifyCode = 104
)

// verifyCodes is indexed by the code. The texts up to 94 are those of OpenSSL
// 3.0, that of 95 of OpenSSL 3.2. The codes from 96 on have their numbers and
// names from OpenSSL's header; their texts are our own.
var verifyCodes = [...]struct{ name, text string }{
	{"X509_V_OK", "ok"},
	{"X509_V_ERR_UNSPECIFIED", "unspecified certificate verification error"},
	{"X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT", "unable to get issuer certificate"},
	{"X509_V_ERR_UNABLE_TO_GET_CRL", "unable to get certificate CRL"},
	{"X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE", "unable to decrypt certificate's signature"},
	{"X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE", "unable to decrypt CRL's signature"},
	{"X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY", "unable to decode issuer public key"},
	{"X509_V_ERR_CERT_SIGNATURE_FAILURE", "certificate signature failure"},
	{"X509_V_ERR_CRL_SIGNATURE_FAILURE", "CRL signature failure"},
	{"X509_V_ERR_CERT_NOT_YET_VALID", "certificate is not yet valid"},
	{"X509_V_ERR_CERT_HAS_EXPIRED", "certificate has expired"},
	{"X509_V_ERR_CRL_NOT_YET_VALID", "CRL is not yet valid"},
	{"X509_V_ERR_CRL_HAS_EXPIRED", "CRL has expired"},
	{"X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD", "format error in certificate's notBefore field"},
	{"X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD", "format error in certificate's notAfter field"},
	{"X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD", "format error in CRL's lastUpdate field"},
	{"X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD", "format error in CRL's nextUpdate field"},
	{"X509_V_ERR_OUT_OF_MEM", "out of memory"},
	{"X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"},
	{"X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain"},
	{"X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unable to get local issuer certificate"},
	{"X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate"},
	{"X509_V_ERR_CERT_CHAIN_TOO_LONG", "certificate chain too long"},
	{"X509_V_ERR_CERT_REVOKED", "certificate revoked"},
	{"X509_V_ERR_NO_ISSUER_PUBLIC_KEY", "issuer certificate doesn't have a public key"},
	{"X509_V_ERR_PATH_LENGTH_EXCEEDED", "path length constraint exceeded"},
	{"X509_V_ERR_INVALID_PURPOSE", "unsuitable certificate purpose"},
	{"X509_V_ERR_CERT_UNTRUSTED", "certificate not trusted"},
	{"X509_V_ERR_CERT_REJECTED", "certificate rejected"},
	{"X509_V_ERR_SUBJECT_ISSUER_MISMATCH", "subject issuer mismatch"},
	{"X509_V_ERR_AKID_SKID_MISMATCH", "authority and subject key identifier mismatch"},
	{"X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH", "authority and issuer serial number mismatch"},
	{"X509_V_ERR_KEYUSAGE_NO_CERTSIGN", "key usage does not include certificate signing"},
	{"X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER", "unable to get CRL issuer certificate"},
	{"X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION", "unhandled critical extension"},
	{"X509_V_ERR_KEYUSAGE_NO_CRL_SIGN", "key usage does not include CRL signing"},
	{"X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION", "unhandled critical CRL extension"},
	{"X509_V_ERR_INVALID_NON_CA", "invalid non-CA certificate (has CA markings)"},
	{"X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED", "proxy path length constraint exceeded"},
	{"X509_V_ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE", "key usage does not include digital signature"},
	{"X509_V_ERR_PROXY_CERTIFICATES_NOT_ALLOWED", "proxy certificates not allowed, please set the appropriate flag"},
	{"X509_V_ERR_INVALID_EXTENSION", "invalid or inconsistent certificate extension"},
	{"X509_V_ERR_INVALID_POLICY_EXTENSION", "invalid or inconsistent certificate policy extension"},
	{"X509_V_ERR_NO_EXPLICIT_POLICY", "no explicit policy"},
	{"X509_V_ERR_DIFFERENT_CRL_SCOPE", "different CRL scope"},
	{"X509_V_ERR_UNSUPPORTED_EXTENSION_FEATURE", "unsupported extension feature"},
	{"X509_V_ERR_UNNESTED_RESOURCE", "RFC 3779 resource not subset of parent's resources"},
	{"X509_V_ERR_PERMITTED_VIOLATION", "permitted subtree violation"},
	{"X509_V_ERR_EXCLUDED_VIOLATION", "excluded subtree violation"},
	{"X509_V_ERR_SUBTREE_MINMAX", "name constraints minimum and maximum not supported"},
	{"X509_V_ERR_APPLICATION_VERIFICATION", "application verification failure"},
	{"X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE", "unsupported name constraint type"},
	{"X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX", "unsupported or invalid name constraint syntax"},
	{"X509_V_ERR_UNSUPPORTED_NAME_SYNTAX", "unsupported or invalid name syntax"},
	{"X509_V_ERR_CRL_PATH_VALIDATION_ERROR", "CRL path validation error"},
	{"X509_V_ERR_PATH_LOOP", "path loop"},
	{"X509_V_ERR_SUITE_B_INVALID_VERSION", "Suite B: certificate version invalid"},
	{"X509_V_ERR_SUITE_B_INVALID_ALGORITHM", "Suite B: invalid public key algorithm"},
	{"X509_V_ERR_SUITE_B_INVALID_CURVE", "Suite B: invalid ECC curve"},
	{"X509_V_ERR_SUITE_B_INVALID_SIGNATURE_ALGORITHM", "Suite B: invalid signature algorithm"},
	{"X509_V_ERR_SUITE_B_LOS_NOT_ALLOWED", "Suite B: curve not allowed for this LOS"},
	{"X509_V_ERR_SUITE_B_CANNOT_SIGN_P_384_WITH_P_256", "Suite B: cannot sign P-384 with P-256"},
	{"X509_V_ERR_HOSTNAME_MISMATCH", "hostname mismatch"},
	{"X509_V_ERR_EMAIL_MISMATCH", "email address mismatch"},
	{"X509_V_ERR_IP_ADDRESS_MISMATCH", "IP address mismatch"},
	{"X509_V_ERR_DANE_NO_MATCH", "no matching DANE TLSA records"},
	{"X509_V_ERR_EE_KEY_TOO_SMALL", "EE certificate key too weak"},
	{"X509_V_ERR_CA_KEY_TOO_SMALL", "CA certificate key too weak"},
	{"X509_V_ERR_CA_MD_TOO_WEAK", "CA signature digest algorithm too weak"},
	{"X509_V_ERR_INVALID_CALL", "invalid certificate verification context"},
	{"X509_V_ERR_STORE_LOOKUP", "issuer certificate lookup error"},
	{"X509_V_ERR_NO_VALID_SCTS", "Certificate Transparency required, but no valid SCTs found"},
	{"X509_V_ERR_PROXY_SUBJECT_NAME_VIOLATION", "proxy subject name violation"},
	{"X509_V_ERR_OCSP_VERIFY_NEEDED", "OCSP verification needed"},
	{"X509_V_ERR_OCSP_VERIFY_FAILED", "OCSP verification failed"},
	{"X509_V_ERR_OCSP_CERT_UNKNOWN", "OCSP unknown cert"},
	{"X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM", "Cannot find certificate signature algorithm"},
	{"X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH", "subject signature algorithm and issuer public key algorithm mismatch"},
	{"X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY", "cert info signature and signature algorithm mismatch"},
	{"X509_V_ERR_INVALID_CA", "invalid CA certificate"},
	{"X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA", "Path length invalid for non-CA cert"},
	{"X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN", "Path length given without key usage keyCertSign"},
	{"X509_V_ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA", "Key usage keyCertSign invalid for non-CA cert"},
	{"X509_V_ERR_ISSUER_NAME_EMPTY", "Issuer name empty"},
	{"X509_V_ERR_SUBJECT_NAME_EMPTY", "Subject name empty"},
	{"X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER", "Missing Authority Key Identifier"},
	{"X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER", "Missing Subject Key Identifier"},
	{"X509_V_ERR_EMPTY_SUBJECT_ALT_NAME", "Empty Subject Alternative Name extension"},
	{"X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL", "Subject empty and Subject Alt Name extension not critical"},
	{"X509_V_ERR_CA_BCONS_NOT_CRITICAL", "Basic Constraints of CA cert not marked critical"},
	{"X509_V_ERR_AUTHORITY_KEY_IDENTIFIER_CRITICAL", "Authority Key Identifier marked critical"},
	{"X509_V_ERR_SUBJECT_KEY_IDENTIFIER_CRITICAL", "Subject Key Identifier marked critical"},
	{"X509_V_ERR_CA_CERT_MISSING_KEY_USAGE", "CA cert does not include key usage extension"},
	{"X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3", "Using cert extension requires at least X509v3"},
	{"X509_V_ERR_EC_KEY_EXPLICIT_PARAMS", "Certificate public key has explicit ECC parameters"},
	{"X509_V_ERR_RPK_UNTRUSTED", "Raw public key untrusted, no trusted keys configured"},
	{"X509_V_ERR_OCSP_RESP_INVALID", "OCSP response invalid"},
	{"X509_V_ERR_OCSP_SIGNATURE_FAILURE", "OCSP response signature failure"},
	{"X509_V_ERR_OCSP_NOT_YET_VALID", "OCSP response not yet valid"},
	{"X509_V_ERR_OCSP_HAS_EXPIRED", "OCSP response has expired"},
	{"X509_V_ERR_OCSP_NO_RESPONSE", "no OCSP response available for certificate"},
	{"X509_V_ERR_CRL_VERIFY_FAILED", "CRL verification failed"},
	{"X509_V_ERR_EMPTY_AUTHORITY_KEY_IDENTIFIER", "empty authority key identifier"},
	{"X509_V_ERR_AKID_ISSUER_SERIAL_NOT_PAIRED", "authority key identifier issuer and serial not paired"},
	{"X509_V_ERR_IDP_ONLY_USER_CA_ATTR_EXCLUSIVE", "IDP attributes onlyUser, onlyCA and onlyAttribute exclude one another"},
}

// Name returns the identifier of the code, such as X509_V_ERR_CERT_HAS_EXPIRED,
// or X509_V_ERR_UNKNOWN for a number that is not in the table.
func (c VerifyCode) Name() string {
	if c < 0 || int(c) >= len(verifyCodes) {
		return "X509_V_ERR_UNKNOWN"
	}
	return verifyCodes[c].name
}

// Text returns the sentence OpenSSL prints for the code; from 96 on, one of ours.
func (c VerifyCode) Text() string {
	if c < 0 || int(c) >= len(verifyCodes) {
		return "unknown certificate verification error"
	}
	return verifyCodes[c].text
}

// String returns the text of the code.
func (c VerifyCode) String() string { return c.Text() }

// VerifyCodes returns every code of the table in ascending order.
func VerifyCodes() []VerifyCode {
	codes := make([]VerifyCode, len(verifyCodes))
	for i := range codes {
		codes[i] = VerifyCode(i)
	}
	return codes
}
