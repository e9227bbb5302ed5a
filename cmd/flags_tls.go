package cmd

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/tlsx"
)

// trustFlags say what to trust and how to judge a certificate. tls-client,
// tls-server and cert-info share them.
type trustFlags struct {
	caFiles      []string
	caDirectory  string
	crlCheck     string
	crlFiles     []string
	maxDepth     int
	allow        []string
	at           string
	purpose      string
	opensslNames bool
	partialChain bool
	strict       bool
	mustStaple   bool
	level        int
	policies     []string
	profile      string
	second       bool
	more         tlsx.VerifyOptions // flags that set one option each
}

// add defines the flags of t in their groups.
func (t *trustFlags) add(c *cobra.Command) {
	flagGroup(c, "Trust", func(f *pflag.FlagSet) {
		f.StringArrayVar(&t.caFiles, "ca-file", nil, "trust the certificates in `FILE` instead of the system's (may be repeated)")
		f.StringVar(&t.caDirectory, "ca-directory", "", "trust the certificates in `DIR` (several as in PATH): OpenSSL's hashed layout, or any PEM files (default: $SSL_CERT_DIR)")
		enumVar(f, &t.crlCheck, "crl-check", "off", []string{"off", "leaf", "all"}, "look certificates up in revocation lists: `WHICH`")
		f.StringArrayVar(&t.crlFiles, "crl-file", nil, "read revocation lists from `FILE` (may be repeated)")
		f.IntVar(&t.maxDepth, "max-depth", tlsx.DefaultContextDepth, "allow at most `N` intermediate certificates")
		f.StringSliceVar(&t.allow, "allow", nil, "put up with these faults: "+strings.Join(faultWords(), ", ")+", or OpenSSL's numbers (`LIST`)")
		f.StringVar(&t.at, "at", "", "judge as of `TIME` (2006-01-02, RFC 3339, or seconds since 1970)")
		enumVar(f, &t.purpose, "purpose", "", purposeWords(), "what the certificate must be for: `PURPOSE`")
		f.BoolVar(&t.opensslNames, "openssl-names", false, "match host names as OpenSSL does: the common name counts, wildcards may be partial")
		f.BoolVar(&t.partialChain, "partial-chain", false, "accept a chain that ends at a trusted certificate that is no root")
		f.BoolVar(&t.strict, "strict", false, "check as strictly as openssl -x509_strict")
		f.BoolVar(&t.mustStaple, "require-ocsp", false, "fail without a good stapled OCSP response")
		f.IntVar(&t.level, "security-level", tlsx.DefaultSecurityLevel, "ask of keys and signatures what OpenSSL's security level `N` does (0-5)")
		f.StringSliceVar(&t.policies, "policy", nil, "accept only these certificate policies (`OID`s)")
		enumVar(f, &t.profile, "rules", string(tlsx.ProfileOpenSSL), []string{string(tlsx.ProfileOpenSSL), string(tlsx.ProfileRFC5280), string(tlsx.ProfileWebPKI)}, "judge by the `RULES` of OpenSSL, of RFC 5280, or of the web")
		f.BoolVar(&t.more.PolicyCheck, "policy-check", false, "process certificate policies")
		f.BoolVar(&t.more.ExplicitPolicy, "explicit-policy", false, "demand an acceptable policy (RFC 5280, 6.1.1)")
		f.BoolVar(&t.more.InhibitAny, "inhibit-any-policy", false, "take the any policy for no policy")
		f.BoolVar(&t.more.InhibitMap, "inhibit-policy-mapping", false, "ignore mappings of policies")
		f.BoolVar(&t.more.ExtendedCRL, "crl-extended", false, "use revocation lists that are indirect or for some reasons only")
		f.BoolVar(&t.more.UseDeltas, "crl-deltas", false, "use delta revocation lists")
		f.BoolVar(&t.more.IgnoreCritical, "ignore-critical", false, "put up with unknown critical extensions")
		f.BoolVar(&t.more.AllowProxy, "allow-proxy-certificates", false, "accept proxy certificates (RFC 3820)")
		f.BoolVar(&t.more.CheckRootSignature, "check-root-signature", false, "verify the signature of the root, too")
		f.BoolVar(&t.more.NoCheckTime, "no-check-time", false, "leave dates out of the verdict")
		f.BoolVar(&t.second, "second-opinion", false, "ask Go's own verifier too, and show where it disagrees")
	})
}

func purposeWords() []string {
	var words []string
	for _, p := range tlsx.Purposes() {
		words = append(words, string(p))
	}
	return words
}

// options are the verification options that the flags describe, without roots,
// revocation lists and names.
func (t *trustFlags) options() (tlsx.VerifyOptions, error) {
	o := t.more
	o.Purpose, o.Profile, o.SecondOpinion = tlsx.Purpose(t.purpose), tlsx.Profile(t.profile), t.second
	o.OpenSSLNames, o.PartialChain, o.Strict, o.OCSPRequired = t.opensslNames, t.partialChain, t.strict, t.mustStaple
	o.SecurityLevel, o.MaxDepth = t.level, t.maxDepth
	if o.Policies = t.policies; len(t.policies) > 0 {
		o.ExplicitPolicy = true
	}
	if t.level < 0 || t.level > 5 {
		return o, usagef("--security-level: %d is not a number from 0 to 5", t.level)
	}
	if t.level == 0 {
		o.SecurityLevel = -1
	}
	if t.maxDepth <= 0 {
		o.MaxDepth = -1
	}
	if err := o.CRLCheck.UnmarshalText([]byte(t.crlCheck)); err != nil {
		return o, usagef("%w", err)
	}
	var err error
	o.Time, err = parseTime(t.at)
	return o, err
}

// places are where the trusted certificates are: the flags', else those of
// $SSL_CERT_FILE and $SSL_CERT_DIR, else none, which means the system's.
func (t *trustFlags) places() (files []string, dir string) {
	if len(t.caFiles) > 0 || t.caDirectory != "" {
		return t.caFiles, t.caDirectory
	}
	if name := os.Getenv("SSL_CERT_FILE"); name != "" {
		files = []string{name}
	}
	return files, presentDirectories(os.Getenv("SSL_CERT_DIR"))
}

// presentDirectories is list without the directories that are missing, which
// OpenSSL passes over, but list itself when all are.
func presentDirectories(list string) string {
	var found []string
	for _, dir := range filepath.SplitList(list) {
		if _, err := os.Stat(dir); err == nil {
			found = append(found, dir)
		}
	}
	if found == nil {
		return list
	}
	return strings.Join(found, string(filepath.ListSeparator))
}

// allowed are the faults of --allow.
func (t *trustFlags) allowed() ([]tlsx.VerifyCode, error) {
	var codes []tlsx.VerifyCode
	for _, word := range t.allow {
		if n, err := strconv.Atoi(word); err == nil && n > 0 && n < len(tlsx.VerifyCodes()) {
			codes = append(codes, tlsx.VerifyCode(n))
			continue
		}
		of := faultCodes(word)
		if of == nil {
			return nil, unknownValue("fault in --allow", word, faultWords())
		}
		codes = append(codes, of...)
	}
	return codes, nil
}

// faultWords are the words that --allow knows.
func faultWords() []string {
	return []string{"expired", "not-yet-valid", "self-signed", "untrusted", "name", "revoked", "no-crl", "weak-key", "weak-signature", "too-long", "purpose"}
}

func faultCodes(word string) []tlsx.VerifyCode {
	switch word {
	case "expired":
		return []tlsx.VerifyCode{tlsx.CodeCertHasExpired}
	case "not-yet-valid":
		return []tlsx.VerifyCode{tlsx.CodeCertNotYetValid}
	case "self-signed":
		return []tlsx.VerifyCode{tlsx.CodeDepthZeroSelfSignedCert, tlsx.CodeSelfSignedCertInChain}
	case "untrusted":
		return []tlsx.VerifyCode{tlsx.CodeUnableToGetIssuerCert, tlsx.CodeUnableToGetIssuerCertLocally, tlsx.CodeUnableToVerifyLeafSignature,
			tlsx.CodeDepthZeroSelfSignedCert, tlsx.CodeSelfSignedCertInChain, tlsx.CodeCertUntrusted}
	case "name":
		return []tlsx.VerifyCode{tlsx.CodeHostnameMismatch, tlsx.CodeEmailMismatch, tlsx.CodeIPAddressMismatch}
	case "revoked":
		return []tlsx.VerifyCode{tlsx.CodeCertRevoked}
	case "no-crl":
		return []tlsx.VerifyCode{tlsx.CodeUnableToGetCRL, tlsx.CodeCRLHasExpired, tlsx.CodeCRLNotYetValid, tlsx.CodeUnableToGetCRLIssuer}
	case "weak-key":
		return []tlsx.VerifyCode{tlsx.CodeEEKeyTooSmall, tlsx.CodeCAKeyTooSmall}
	case "weak-signature":
		return []tlsx.VerifyCode{tlsx.CodeCAMDTooWeak}
	case "too-long":
		return []tlsx.VerifyCode{tlsx.CodeCertChainTooLong}
	case "purpose":
		return []tlsx.VerifyCode{tlsx.CodeInvalidPurpose}
	}
	return nil
}

// parseTime reads a moment of the command line; "" is the zero time.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) > 8 {
		return time.Unix(n, 0).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("%q is not a time", s).hint("write 2030-01-31, 2030-01-31T12:00:00Z, or seconds since 1970")
}

// identityFlags name our own certificate and what opens its key.
type identityFlags struct {
	certificate  string
	key          string
	password     string
	passwordFile string
}

func (i *identityFlags) add(c *cobra.Command, what string) {
	flagGroup(c, "Certificate", func(f *pflag.FlagSet) {
		f.StringVar(&i.certificate, "certificate", "", what+" with the certificate and chain in `FILE` (PEM, DER, PKCS #12, Java key store)")
		f.StringVar(&i.key, "key", "", "read the private key from `FILE` (default: the file of the certificate)")
		f.StringVar(&i.password, "password", "", "open the key with `PASSWORD` (others can see it: better --password-file or BRIO_PASSWORD)")
		f.StringVar(&i.passwordFile, "password-file", "", "open the key with the first line of `FILE` (-: stdin)")
	})
	secretFlag(c.Flags(), "password")
	exclusive(c, "password", "password-file")
}

// passwordFunc gives the password where the flags or the environment have one.
func (i *identityFlags) passwordFunc(e *env) tlsx.PasswordFunc {
	return func() ([]byte, error) {
		if i.password != "" {
			return []byte(i.password), nil
		}
		if i.passwordFile != "" {
			return readSecret(e, i.passwordFile)
		}
		if s := os.Getenv("BRIO_PASSWORD"); s != "" {
			return []byte(s), nil
		}
		return nil, tlsx.ErrPasswordRequired
	}
}

// readSecret reads the first line of a file that holds a secret.
func readSecret(e *env, name string) ([]byte, error) {
	r := e.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, 64<<10))
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), err
}

// maxSmallFile bounds the files of --ech, --session-in and --ocsp-staple.
const maxSmallFile = 1 << 20

// readSmall reads a file that should be small.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, readFailure(name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmallFile+1))
	switch {
	case err != nil:
		return nil, readFailure(name, err)
	case len(data) > maxSmallFile:
		return nil, &failure{err: fmt.Errorf("more than %d bytes", maxSmallFile), op: "read", target: name, status: statusLocalIO, kind: "local-io"}
	}
	return data, nil
}

// identityError is the failure to read a certificate and its key.
func identityError(err error) error {
	var path *fs.PathError
	switch {
	case errors.Is(err, tlsx.ErrPassword):
		return failf(statusDenied, "wrong-password", "%w", err)
	case errors.Is(err, tlsx.ErrKeyMismatch):
		return failf(statusUsage, "key-mismatch", "%w", err)
	case errors.As(err, &path):
		return readFailure(path.Path, err)
	}
	return usagef("%w", err)
}

// tlsFlags are the flags of a TLS connection, of either end.
type tlsFlags struct {
	trust        trustFlags
	identity     identityFlags
	methods      []string
	ciphers      string
	ciphersuites string
	groups       string
	alpn         []string
	verify       string
	keyLog       string
	noTickets    bool
	startTLS     string
	handshakeFor time.Duration
}

// add defines the flags of t. server says which end they are for.
func (t *tlsFlags) add(c *cobra.Command, server bool) {
	what, verify, protocols := "authenticate to the server", "required", tlsx.StartTLSProtocols()
	verifyHelp := "what a bad certificate of the server means: `MODE` (none: go on, and tell)"
	if server {
		what, verify, protocols = "serve", "none", tlsx.StartTLSServerProtocols()
		verifyHelp = "ask clients for a certificate: `MODE` (optional: verify it if there is one; required: refuse without)"
	}
	t.identity.add(c, what)
	flagGroup(c, "TLS", func(f *pflag.FlagSet) {
		f.StringSliceVarP(&t.methods, "method", "m", []string{"tls"}, "allow these protocols: "+strings.Join(methodWords(), ", ")+" (`LIST`)")
		f.StringVar(&t.ciphers, "ciphers", "", "allow the suites of an OpenSSL cipher string up to TLS 1.2: `STRING`")
		f.StringVar(&t.ciphersuites, "ciphersuites", "", "allow these suites of TLS 1.3, best first (`LIST` with colons)")
		f.StringVar(&t.groups, "groups", "", "allow these key agreement groups, as X25519MLKEM768:X25519:P-256 (`LIST`)")
		f.StringSliceVar(&t.alpn, "alpn", nil, "offer or accept these application protocols, as h2,http/1.1 (`LIST`)")
		enumVar(f, &t.verify, "verify", verify, []string{"none", "optional", "required"}, verifyHelp)
		f.StringVar(&t.keyLog, "key-log", "", "append the secrets of the connection to `FILE`, for Wireshark (default: $SSLKEYLOGFILE)")
		f.BoolVar(&t.noTickets, "no-tickets", false, "use no session tickets")
		enumVar(f, &t.startTLS, "starttls", "", protocols, "start in the clear with the talk of `PROTOCOL`")
		durationVar(f, &t.handshakeFor, "handshake-timeout", 15*time.Second, "give up the handshake after `DURATION`")
	})
	t.trust.add(c)
	_ = c.RegisterFlagCompletionFunc("method", cobra.FixedCompletions(methodWords(), cobra.ShellCompDirectiveNoFileComp)) // fails only when registered twice
	_ = c.RegisterFlagCompletionFunc("ciphersuites", cobra.FixedCompletions(tlsx.Ciphersuites(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("groups", cobra.FixedCompletions(tlsx.Groups(), cobra.ShellCompDirectiveNoFileComp))
}

func methodWords() []string {
	var words []string
	for _, m := range tlsx.Methods() {
		if m != tlsx.MethodSSL2 && m != tlsx.MethodSSL3 {
			words = append(words, string(m))
		}
	}
	return words
}

// config is the configuration that the flags describe. The function returned
// closes the key log.
func (t *tlsFlags) config(e *env) (cfg tlsx.Config, done func(), err error) {
	done = func() {}
	cfg = tlsx.Config{
		Certificate: t.identity.certificate, Key: t.identity.key, Password: t.identity.passwordFunc(e),
		Ciphers: t.ciphers, Ciphersuites: t.ciphersuites, ALPN: t.alpn, NoTickets: t.noTickets,
		CRLFiles: t.trust.crlFiles,
	}
	cfg.CAFiles, cfg.CADirectory = t.trust.places()
	if cfg.Methods, err = tlsx.ParseMethods(strings.Join(t.methods, ",")); err != nil {
		return cfg, done, wordError(err, t.methods, methodWords())
	}
	if cfg.Groups, err = tlsx.ParseGroups(t.groups); err != nil {
		return cfg, done, wordError(err, strings.FieldsFunc(t.groups, isListSeparator), tlsx.Groups())
	}
	if cfg.Options, err = t.trust.options(); err != nil {
		return cfg, done, err
	}
	cfg.CRLCheck, cfg.MaxDepth = cfg.Options.CRLCheck, cfg.Options.MaxDepth
	if cfg.Allow, err = t.trust.allowed(); err != nil {
		return cfg, done, err
	}
	if err := cfg.Verify.UnmarshalText([]byte(t.verify)); err != nil {
		return cfg, done, usagef("%w", err)
	}
	return t.openKeyLog(cfg)
}

func (t *tlsFlags) openKeyLog(cfg tlsx.Config) (tlsx.Config, func(), error) {
	name := t.keyLog
	if name == "" {
		name = os.Getenv("SSLKEYLOGFILE")
	}
	if name == "" {
		return cfg, func() {}, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return cfg, func() {}, &outputError{name, plainCause(err)}
	}
	cfg.KeyLog = f
	return cfg, func() { _ = f.Close() }, nil // what could not be written there loses nobody's data
}

func isListSeparator(r rune) bool { return r == ':' || r == ',' || r == ' ' }

// wantPositive refuses flags of numbers that were given and are less than one:
// zero means that the flag is not there.
func wantPositive(e *env, names ...string) error {
	for _, name := range names {
		f := e.cmd.Flags().Lookup(name)
		if n, err := strconv.Atoi(f.Value.String()); f.Changed && (err != nil || n < 1) {
			return usagef("--%s: %s is not a number of at least 1", name, f.Value)
		}
	}
	return nil
}

// wordError is a usage failure about one of words, with the nearest known one.
func wordError(err error, words, known []string) *failure {
	f := usagef("%w", err)
	for _, w := range words {
		if slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, w) }) {
			continue
		}
		if near := nearest(w, known); near != "" {
			return f.hint("did you mean %s?", near)
		}
	}
	return f
}

// contextError is the failure to make a context of what the flags say.
func (t *tlsFlags) contextError(err error) error {
	var (
		option  *tlsx.OptionError
		ciphers *tlsx.CipherError
	)
	switch {
	case errors.Is(err, tlsx.ErrPasswordRequired):
		return failf(statusUsage, "password-required", "%w", err).
			hint("give it with --password-file FILE (-: stdin) or in BRIO_PASSWORD")
	case errors.Is(err, tlsx.ErrNoKey) && t.identity.key == "":
		return usagef("%w", err).hint("is the key in another file? --key FILE")
	case errors.As(err, &option):
		return usagef("--%s %s", option.Option, option.Reason)
	case errors.As(err, &ciphers):
		return cipherError(ciphers)
	case t.ciphers != "" && strings.HasPrefix(err.Error(), "cipher string"):
		return usagef("%w", err)
	case t.ciphersuites != "" && strings.HasPrefix(err.Error(), "ciphersuite"):
		return wordError(err, strings.Split(t.ciphersuites, ":"), tlsx.Ciphersuites())
	}
	return identityError(err)
}

// cipherError is a usage failure about one of the words of a cipher string. The
// suites are too many for a message.
func cipherError(e *tlsx.CipherError) error {
	err := fmt.Errorf("cipher string %q: %s", e.Ciphers, e.Reason)
	words := strings.FieldsFunc(e.Ciphers, isListSeparator)
	for _, w := range words {
		if slices.Contains(tlsx.Ciphersuites(), w) {
			return usagef("%w", err).hint("suites of TLS 1.3 go with --ciphersuites")
		}
		if name := opensslName(w); name != "" {
			return usagef("%w", err).hint("OpenSSL's name for %s is %s", w, name)
		}
	}
	return wordError(err, words, e.Known).
		hint("suites have OpenSSL's names, such as %s; the TAB key after --ciphers lists all (see: brio completion -h)", e.Known[0])
}

// opensslName is OpenSSL's name of a suite under its name of IANA, or "".
func opensslName(iana string) string {
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if s.Name == iana {
			return tlsx.SuiteByID(s.ID).Name
		}
	}
	return ""
}

// tlsStatus is the exit status of an error of a TLS connection, 0 for others.
func tlsStatus(err error) status {
	var (
		verdict *tlsx.VerifyError
		e       *tlsx.Error
		start   *tlsx.StartTLSError
	)
	switch {
	case errors.As(err, &verdict), errors.Is(err, tlsx.ErrPin):
		return statusVerify
	case errors.Is(err, tlsx.ErrTruncated):
		return statusBroken
	case errors.As(err, &start), errors.Is(err, tlsx.ErrDataBeforeTLS):
		return statusHandshake
	case errors.As(err, &e) && len(e.Codes) > 0:
		return streamStatus(e)
	}
	return 0
}

// streamStatus is the exit status of a failure of TLS itself: in the handshake,
// or after it when a server refuses the client's certificate late, or ends the
// stream, or spoils it.
func streamStatus(e *tlsx.Error) status {
	late := e.Alert >= 42 && e.Alert <= 49 || e.Alert == 116
	switch {
	case e.What == "handshake", late:
		return statusHandshake
	case e.Alert >= 0:
		return statusBroken
	}
	return statusProtocol
}

// tlsKind is the identifier of an error of a TLS connection, "" for others.
func tlsKind(err error) string {
	var e *tlsx.Error
	switch {
	case errors.Is(err, tlsx.ErrPin):
		return "pin-mismatch"
	case errors.Is(err, tlsx.ErrTruncated):
		return "truncated"
	case errors.As(err, &e) && e.VerifyResult != tlsx.CodeOK:
		return "verification-failed"
	}
	switch tlsStatus(err) {
	case statusVerify:
		return "verification-failed"
	case statusHandshake:
		return "tls-handshake"
	case statusBroken:
		return "tls-alert"
	case statusProtocol:
		return "tls-protocol"
	}
	return ""
}

// A tlsErrorObject is what a TLS failure adds to the error object: ssl-error.
type tlsErrorObject struct {
	What               string   `json:"what"`
	Codes              []string `json:"codes"` // OpenSSL's, in hexadecimal
	Strings            []string `json:"strings"`
	VerifyResult       int      `json:"verify_result"`
	VerifyResultString string   `json:"verify_result_string"`
	Alert              int      `json:"alert"` // of the peer, -1 when it sent none
}

func tlsErrorOf(err error) *tlsErrorObject {
	var e *tlsx.Error
	if !errors.As(err, &e) {
		return nil
	}
	o := &tlsErrorObject{What: e.What, Codes: []string{}, Strings: append([]string{}, e.Strings...),
		VerifyResult: int(e.VerifyResult), VerifyResultString: e.VerifyResultString, Alert: e.Alert}
	for _, c := range e.Codes {
		o.Codes = append(o.Codes, fmt.Sprintf("%08X", c))
	}
	return o
}
