package cmd

import (
	"context"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/tlsx"
)

// certInfoOptions are the flags of cert-info.
type certInfoOptions struct {
	trust    trustFlags
	dial     dialFlags
	password identityFlags

	pem    bool
	tree   bool
	leaf   bool
	lint   bool
	aia    bool
	batch  string
	rehash string

	verify    bool
	host      string
	email     string
	untrusted []string
	ocspFile  string
	key       string

	expiresWithin time.Duration
	expectIssuer  string
	expectSubject string
	expectSAN     []string
	expectKey     string
	expectPin     string
	minRSA        int
	noDefects     bool

	startTLS         string
	sni              string
	handshakeTimeout time.Duration
	parallel         int
	watch            time.Duration
	count            int
}

const groupCertChecks = "Check"

func newCertInfoCmd(e *env) *cobra.Command {
	o := certInfoOptions{}
	c := &cobra.Command{
		Use:   "cert-info [FILE|ADDR|-]...",
		Short: "show and check certificates, keys, requests and revocation lists",
		Long: `Shows everything in a file (PEM, DER, PKCS #7, PKCS #12, Java key stores; -: stdin)
or every certificate a server sends (host:port). What is broken is shown with
what is wrong with it, and never refused.

With --verify each chain is judged in OpenSSL's order, with OpenSSL's numbers
and all faults. The --expect flags make it a check for scripts: status 11 when
one does not hold. With -q such a check prints only what failed.`,
		Example: `  brio cert-info cert.pem
  brio cert-info example.com:443
  brio cert-info --verify --ca-file ca.pem --host www.example.com cert.pem
  brio cert-info --expires-within 30d --quiet example.com:443 cert.pem
  brio cert-info --format short /etc/ssl/certs/ca-certificates.crt
  brio cert-info --starttls smtp --tree mail.example.com:25
  brio cert-info --key key.pem cert.pem
  brio cert-info --get objects.0.certificate.not_after cert.pem`,
		Args: cobra.ArbitraryArgs,
	}
	o.addShow(c)
	o.addCheck(c)
	o.addServer(c)
	o.trust.add(c)
	o.dial.add(c)
	c.RunE = e.runBriefly(func(ctx context.Context, args []string) error { return runCertInfo(ctx, e, &o, args) })
	results(e, c, certResult{}, batchResult{}, tlsx.HashReport{})
	return exits(answers(c, "short"),
		statusLine{statusNotFound, "no such host name or service"},
		statusLine{statusRefused, ""},
		statusLine{statusDenied, "the file may not be read, or its password is wrong"},
		statusLine{statusHandshake, "the server does not agree on TLS"},
		statusLine{statusLocalIO, "a file cannot be read, or stdout not be written"},
		statusLine{statusExpectation, "an expectation is not met: it expires too soon, has another name, issuer, key"},
		statusLine{statusVerify, "a chain or a host name does not verify"},
		statusLine{statusPartial, "some of several files and servers failed"},
	)
}

func (o *certInfoOptions) addShow(c *cobra.Command) {
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.BoolVar(&o.verify, "verify", false, "judge the chain; status 13 when it is bad")
		f.Var((*leadTimeValue)(&o.expiresWithin), "expires-within", "fail with status 11 if a certificate expires within `DURATION` (30d)")
		f.BoolVar(&o.tree, "tree", false, "draw how the certificates hang together")
		f.BoolVar(&o.pem, "pem", false, "print the objects as PEM")
		f.BoolVar(&o.leaf, "leaf", false, "show the first certificate only")
		f.BoolVar(&o.lint, "lint", false, "show weaknesses, too")
		enumVar(f, &o.startTLS, "starttls", "", tlsx.StartTLSProtocols(), "start in the clear with the talk of `PROTOCOL`")
	})
	flagGroup(c, "Input", func(f *pflag.FlagSet) {
		f.StringVar(&o.password.password, "password", "", "open what is encrypted with `PASSWORD` (others can see it: better --password-file or BRIO_PASSWORD)")
		f.StringVar(&o.password.passwordFile, "password-file", "", "open what is encrypted with the first line of `FILE` (-: stdin)")
		f.IntVar(&o.parallel, "parallel", 8, "work on `N` files and servers at once")
		f.StringVar(&o.batch, "batch", "", "judge the cases of `FILE` (-: stdin): x509-limbo's JSON, or one case a line")
		f.StringVar(&o.rehash, "rehash", "", "make the links of a hashed directory in `DIR`, as openssl rehash")
	})
	secretFlag(c.Flags(), "password")
	exclusive(c, "password", "password-file")
}

func (o *certInfoOptions) addCheck(c *cobra.Command) {
	flagGroup(c, groupCertChecks, func(f *pflag.FlagSet) {
		f.StringVar(&o.host, "host", "", "the certificate must be for host `NAME` or this address (default: the server's; none: any)")
		f.StringVar(&o.email, "email", "", "the certificate must be for mailbox `ADDRESS`")
		f.StringArrayVar(&o.untrusted, "untrusted", nil, "take intermediate certificates from `FILE` (may be repeated)")
		f.StringVar(&o.ocspFile, "ocsp-file", "", "take the OCSP response from `FILE`")
		f.BoolVar(&o.aia, "aia", false, "fetch missing issuers from the addresses in the certificates")
		f.StringVar(&o.key, "key", "", "the private key in `FILE` must belong to the certificate")
		f.StringVar(&o.expectIssuer, "expect-issuer", "", "the issuer must contain `TEXT`")
		f.StringVar(&o.expectSubject, "expect-subject", "", "the subject must contain `TEXT`")
		f.StringSliceVar(&o.expectSAN, "expect-san", nil, "the certificate must be for these names (`NAME`, ...)")
		f.StringVar(&o.expectKey, "expect-key", "", "the key must be of `TYPE`: rsa, ec, ed25519, p-256, rsa-2048, ...")
		f.StringVar(&o.expectPin, "expect-pin", "", "the SHA-256 of the key must be `PIN` (base64 or hex)")
		f.IntVar(&o.minRSA, "min-rsa", 0, "RSA keys must have at least `BITS` bits")
		f.BoolVar(&o.noDefects, "expect-no-defects", false, "nothing may depart from the standards")
	})
}

func (o *certInfoOptions) addServer(c *cobra.Command) {
	flagGroup(c, "Server", func(f *pflag.FlagSet) {
		f.StringVar(&o.sni, "sni", "", "ask for the certificate of `NAME` (none: of nobody; default: the host)")
		durationVar(f, &o.handshakeTimeout, "handshake-timeout", 15*time.Second, "give up a handshake after `DURATION`")
		durationVar(f, &o.watch, "watch", 0, "look again every `DURATION` and show what changed")
		f.IntVar(&o.count, "count", 0, "with --watch, look `N` times (default: until interrupted)")
	})
}

// A leadTimeValue is a duration that needs a unit, unless it is one of seconds
// as openssl x509 -checkend takes them: who writes 30 means days, and would be
// told for long that all is well.
type leadTimeValue time.Duration

func (d *leadTimeValue) Type() string   { return "duration" }
func (d *leadTimeValue) String() string { return (*durationValue)(d).String() }

func (d *leadTimeValue) Set(s string) error {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n > 0 && n < time.Hour.Seconds() {
		return usagef("%q has no unit", s).hint("%sd are days, %ss seconds", s, s)
	}
	return (*durationValue)(d).Set(s)
}

// verdictWanted reports whether chains are to be judged.
func (o *certInfoOptions) verdictWanted() bool {
	return o.verify || o.host != "" && o.host != "none" || o.email != ""
}

// runCertInfo does what the flags ask.
func runCertInfo(ctx context.Context, e *env, o *certInfoOptions, args []string) error {
	switch {
	case o.batch != "" && o.rehash != "":
		return usagef("--batch and --rehash exclude each other")
	case (o.batch != "" || o.rehash != "") && len(args) > 0:
		return usagef("unexpected argument %q", args[0])
	case o.rehash != "":
		e.catchSignals(ctx) // one does not stop it half-way
		return runRehash(e, o.rehash)
	case o.tree && o.pem:
		return usagef("--tree and --pem exclude each other")
	}
	if err := e.checkNeeds(flagNeed{"count", "--watch", o.watch > 0}); err != nil {
		return err
	}
	if err := wantPositive(e, "min-rsa", "count"); err != nil {
		return err
	}
	s, err := newCertSession(e, o)
	if err != nil {
		return err
	}
	debug.SetGCPercent(400) // most runs end before there is anything to collect
	switch {
	case o.batch != "":
		return s.runBatch(e.catchSignals(ctx), o.batch)
	case len(args) == 0 && e.inIsTerminal():
		return usagef("needs a file or a server").hint("see: %s -h", e.name())
	case len(args) == 0:
		args = []string{"-"}
	}
	if o.watch > 0 {
		return s.watch(e.catchSignals(ctx), args)
	}
	return s.run(ctx, args)
}
