package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/brio-net/brio/pkg/socket"
	"github.com/brio-net/brio/pkg/tlsx"
)

// A certResult is what cert-info says of one file or server.
type certResult struct {
	Target string `json:"target"`
	// Kind is file, stdin or server.
	Kind     string               `json:"kind"`
	OK       bool                 `json:"ok"`
	Server   *certServer          `json:"server,omitempty"`
	Objects  []certObject         `json:"objects"`
	Chain    []chainNode          `json:"chain"`
	Findings []tlsx.BundleFinding `json:"findings"`
	Verify   *tlsx.VerifyResult   `json:"verify"`
	Checks   []certCheck          `json:"checks"`

	objects []tlsx.Object
	bundle  *tlsx.Bundle
	certs   []*tlsx.Certificate
	hidden  []*tlsx.Certificate // by --leaf; they still make the chain
}

// A certServer tells how a server's certificates were had.
type certServer struct {
	Address string `json:"address"`
	// Protocol and CipherSuite are those agreed on.
	Protocol    string `json:"protocol"`
	CipherSuite string `json:"cipher_suite"`
	StartTLS    string `json:"starttls,omitempty"`
	ServerName  string `json:"server_name"`
	OCSPStapled bool   `json:"ocsp_stapled"`
	// Authenticated says that the server proved to hold the key.
	Authenticated bool   `json:"authenticated"`
	Note          string `json:"note,omitempty"`
}

// A certObject is one object, with what depends on the time of the look.
type certObject struct {
	Index int `json:"index"`
	tlsx.ObjectInfo
	// DaysLeft are the days until a certificate or list expires, negative when
	// it has; null for others.
	DaysLeft *int               `json:"days_left"`
	Lints    []tlsx.LintFinding `json:"lints,omitempty"`
	// KeyMatches holds the indexes of the certificates a private key is for.
	KeyMatches []int `json:"key_matches,omitempty"`
}

// A chainNode says who issued a certificate.
type chainNode struct {
	Index int `json:"index"`
	// Issuer is the index of the issuer: the same for a self-signed
	// certificate, null when it is not here.
	Issuer *int `json:"issuer"`
}

// A certCheck is one expectation and how it went.
type certCheck struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Index int    `json:"index"`
	Text  string `json:"text"`
}

// A certSession holds what all targets of one run share.
type certSession struct {
	e         *env
	o         *certInfoOptions
	now       time.Time
	verify    tlsx.VerifyOptions
	allow     []tlsx.VerifyCode
	untrusted []*tlsx.Certificate
	key       *tlsx.PrivateKeyInfo
	pin       string // of --expect-pin
	dial      socket.Config
}

func newCertSession(e *env, o *certInfoOptions) (*certSession, error) {
	s := &certSession{e: e, o: o}
	var err error
	if s.verify, err = o.trust.options(); err != nil {
		return nil, err
	}
	if s.now = s.verify.Time; s.now.IsZero() {
		s.now = time.Now()
	}
	if s.allow, err = o.trust.allowed(); err != nil {
		return nil, err
	}
	if o.expectPin != "" {
		if s.pin, err = tlsx.ParsePin(o.expectPin); err != nil {
			return nil, usagef("--expect-pin: %w", err)
		}
	}
	if o.parallel < 1 {
		return nil, usagef("--parallel: %d is not a number of at least 1", o.parallel)
	}
	if s.dial, err = o.dial.config(); err != nil {
		return nil, err
	}
	if err := s.loadTrust(); err != nil {
		return nil, err
	}
	return s, s.loadKey()
}

// loadTrust reads the files of the verification.
func (s *certSession) loadTrust() error {
	t := &s.o.trust
	if err := s.loadRoots(); err != nil {
		return err
	}
	for _, name := range t.crlFiles {
		objects, err := s.readKind(name, tlsx.ObjectCRL)
		if err != nil {
			return err
		}
		for _, x := range objects {
			s.verify.CRLs = append(s.verify.CRLs, x.CRL)
		}
	}
	for _, name := range s.o.untrusted {
		objects, err := s.readKind(name, tlsx.ObjectCertificate)
		if err != nil {
			return err
		}
		s.untrusted = append(s.untrusted, certificatesOf(objects)...)
	}
	if s.o.ocspFile != "" {
		objects, err := s.readKind(s.o.ocspFile, tlsx.ObjectOCSP)
		if err != nil {
			return err
		}
		s.verify.OCSP = objects[0].DER
	}
	return s.expectName()
}

// readKind reads the objects of one kind from a file that must have some: a
// check that the user asked for must not quietly go without.
func (s *certSession) readKind(name string, kind tlsx.ObjectKind) ([]tlsx.Object, error) {
	objects, err := s.readFile(name)
	if err != nil {
		return nil, err
	}
	objects = slices.DeleteFunc(objects, func(x tlsx.Object) bool { return x.Kind != kind || x.Err != nil })
	if len(objects) == 0 {
		return nil, usagef("%s: holds no %s that can be read", name, kind)
	}
	return objects, nil
}

// loadRoots reads the trusted certificates, where they are needed; nil means
// the system's.
func (s *certSession) loadRoots() error {
	if !s.o.verdictWanted() && !s.o.aia {
		return nil
	}
	files, dir := s.o.trust.places()
	if len(files) == 0 && dir == "" {
		return nil
	}
	s.verify.Roots = &tlsx.Store{}
	for _, name := range files {
		if err := s.verify.Roots.AddFile(name); err != nil {
			return readFailure(name, err)
		}
	}
	if dir == "" {
		return nil
	}
	if err := s.verify.Roots.AddAnyDirectory(dir); err != nil {
		return readFailure(dir, err)
	}
	return nil
}

// expectName reads --host, which may be a name or an address.
func (s *certSession) expectName() error {
	s.verify.Email = s.o.email
	if s.o.host == "" || s.o.host == "none" {
		return nil
	}
	setExpectedName(&s.verify, s.o.host)
	return nil
}

func setExpectedName(o *tlsx.VerifyOptions, host string) {
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		o.IP = ip
		return
	}
	o.Hostname = strings.TrimSuffix(asciiHost(host), ".")
}

// asciiHost is a host name in the form that certificates and SNI have it, in
// ASCII (RFC 5890); what is no name stays as it is.
func asciiHost(host string) string {
	if ascii, err := idna.Lookup.ToASCII(host); err == nil && !strings.Contains(host, ":") {
		return ascii
	}
	return host
}

func (s *certSession) loadKey() error {
	if s.o.key == "" {
		return nil
	}
	objects, err := s.readFile(s.o.key)
	if err != nil {
		return err
	}
	for _, x := range objects {
		switch {
		case x.Kind == tlsx.ObjectEncryptedKey:
			return passwordFailure(s.o.key, tlsx.ErrPasswordRequired)
		case x.Kind == tlsx.ObjectKey && x.Err != nil:
			return passwordFailure(s.o.key, x.Err)
		case x.Kind == tlsx.ObjectKey:
			s.key = x.Key
			return nil
		}
	}
	return &failure{err: tlsx.ErrNoKey, target: s.o.key, status: statusUsage, kind: "no-key"}
}

func passwordFailure(target string, err error) error {
	f := &failure{err: err, target: target, status: statusOther, kind: "unreadable"}
	switch {
	case errors.Is(err, tlsx.ErrPasswordRequired):
		f.status, f.kind = statusUsage, "password-required"
		return f.hint("give it with --password-file FILE (-: stdin) or in BRIO_PASSWORD")
	case errors.Is(err, tlsx.ErrPassword):
		f.status, f.kind = statusDenied, "wrong-password"
	}
	return f
}

// readFailure is the failure to read a file that the user named.
func readFailure(name string, err error) *failure {
	f := &failure{err: plainCause(err), op: "read", target: name, status: statusLocalIO, kind: "unreadable"}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.kind = "no-such-file"
	case errors.Is(err, fs.ErrPermission):
		f.status, f.kind = statusDenied, "access-denied"
	}
	return f
}

// hintServer says how to name a server, where the name of a file that is not
// there could be one's.
func hintServer(name string, f *failure) error {
	if f.kind == "no-such-file" && !isCertificateName(name) && !isPort(name) && validHost(name) == nil {
		f.hint("for a server, write its port: %s:443", name)
	}
	return f
}

// readFile reads the objects of a file; "-" is stdin.
func (s *certSession) readFile(name string) ([]tlsx.Object, error) {
	const limit = 256 << 20
	r := s.e.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, hintServer(name, readFailure(name, err))
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, readFailure(name, err)
	}
	if len(data) > limit {
		return nil, &failure{err: fmt.Errorf("more than %d bytes", limit), target: name, status: statusLocalIO, kind: "local-io"}
	}
	objects, err := tlsx.ReadObjects(data, s.o.password.passwordFunc(s.e))
	if err == nil {
		return objects, nil
	}
	if errors.Is(err, tlsx.ErrPasswordRequired) || errors.Is(err, tlsx.ErrPassword) {
		return nil, passwordFailure(name, err)
	}
	return nil, &failure{err: err, target: name, status: statusOther, kind: "no-certificate"}
}

func certificatesOf(objects []tlsx.Object) []*tlsx.Certificate {
	var list []*tlsx.Certificate
	for _, x := range objects {
		if x.Certificate != nil {
			list = append(list, x.Certificate)
		}
	}
	return list
}

// look makes the result of one target. The result is there even if err is not
// nil, as far as it goes.
func (s *certSession) look(ctx context.Context, target string) (certResult, error) {
	r := certResult{Target: target, Kind: "file", Objects: []certObject{}, Chain: []chainNode{}, Findings: []tlsx.BundleFinding{}, Checks: []certCheck{}}
	verify := s.verify
	var err error
	if a, ok := serverAddress(target); ok {
		r.Kind = "server"
		err = s.fetchServer(ctx, &r, a, &verify)
	} else {
		if target == "-" {
			r.Kind = "stdin"
		}
		r.objects, err = s.readFile(target)
	}
	if err != nil && len(r.objects) == 0 {
		return r, err
	}
	if s.o.leaf {
		r.hidden = certificatesOf(r.objects)
		r.objects = firstCertificate(r.objects)
	}
	if s.o.aia {
		s.completeChain(ctx, &r)
	}
	s.fill(&r)
	if s.o.verdictWanted() && len(r.certs) > 0 {
		s.judge(&r, verify)
	}
	s.check(&r)
	if err == nil {
		err = r.failure()
	}
	r.OK = err == nil
	return r, err
}

func firstCertificate(objects []tlsx.Object) []tlsx.Object {
	i := slices.IndexFunc(objects, func(x tlsx.Object) bool { return x.Certificate != nil })
	if i < 0 {
		return objects
	}
	return objects[i : i+1]
}

// serverAddress decides whether a target is a server: a file of that name goes
// first, then whatever reads as host:port or scheme://host.
func serverAddress(target string) (address, bool) {
	if target == "-" || strings.HasPrefix(target, "/") || strings.HasPrefix(target, "./") || strings.HasPrefix(target, "../") {
		return address{}, false
	}
	if _, err := os.Stat(target); err == nil {
		return address{}, false
	}
	a, err := parseAddress(target, useConnect)
	if err != nil || a.scheme == "fd" {
		return address{}, false
	}
	return a, true
}

// fill decodes the objects and finds out how the certificates hang together.
func (s *certSession) fill(r *certResult) {
	r.certs = certificatesOf(r.objects)
	for i := range r.objects {
		r.Objects = append(r.Objects, s.object(i, &r.objects[i], r))
	}
	r.bundle = tlsx.NewBundle(r.certs)
	r.Findings = r.bundle.Findings
	for i, p := range r.bundle.Parents {
		n := chainNode{Index: i}
		if p >= 0 {
			n.Issuer = &p
		}
		r.Chain = append(r.Chain, n)
	}
}

func (s *certSession) object(i int, x *tlsx.Object, r *certResult) certObject {
	o := certObject{Index: i, ObjectInfo: x.Info()}
	if c := x.Certificate; c != nil {
		o.DaysLeft = s.daysLeft(c.NotAfter.Time)
		if s.o.lint {
			o.Lints = c.Lint(s.now)
		}
	}
	if x.CRL != nil {
		o.DaysLeft = s.daysLeft(x.CRL.NextUpdate.Time)
	}
	if x.Key != nil {
		for n, c := range r.certs {
			if x.Key.Matches(c) {
				o.KeyMatches = append(o.KeyMatches, n)
			}
		}
	}
	return o
}

func (s *certSession) daysLeft(t time.Time) *int {
	if t.IsZero() {
		return nil
	}
	days := wholeDays(t.Sub(s.now))
	return &days
}

// judge verifies the first certificate with the others as its chain.
func (s *certSession) judge(r *certResult, o tlsx.VerifyOptions) {
	o.Untrusted = slices.Concat(r.certs[1:], r.hidden, s.untrusted)
	for _, x := range r.objects {
		if x.CRL != nil {
			o.CRLs = append(o.CRLs[:len(o.CRLs):len(o.CRLs)], x.CRL)
		}
	}
	r.Verify = tlsx.VerifyCertificate(r.certs[0], o)
	r.Verify.Allow(s.allow...)
}

// failure is what is wrong with the target as a whole.
func (r *certResult) failure() error {
	if r.Verify != nil {
		if err := r.Verify.Err(); err != nil {
			f := &failure{err: err, op: "verify", target: r.Target, status: statusVerify, kind: "verification-failed"}
			explainVerdict(f, r.Verify)
			return f
		}
	}
	var failed []string
	for _, c := range r.Checks {
		if !c.OK {
			failed = append(failed, c.Text)
		}
	}
	if len(failed) > 0 {
		return &failure{err: errors.New(strings.Join(failed, "; ")), op: "check", target: r.Target, status: statusExpectation, kind: "expectation-failed"}
	}
	for i, x := range r.Objects {
		if x.Problem != "" {
			f := &failure{err: fmt.Errorf("%s: %s", x.Source, x.Problem), op: "read", target: r.Target, status: statusOther, kind: "unreadable"}
			if errors.Is(r.objects[i].Err, tlsx.ErrPassword) {
				f.status, f.kind = statusDenied, "wrong-password"
			}
			return f
		}
	}
	return nil
}

// A certOutcome is the result of one target on its way to the printer.
type certOutcome struct {
	result certResult
	err    error
}

// run looks at all targets at once and prints them in order.
func (s *certSession) run(ctx context.Context, targets []string) error {
	if len(targets) == 1 {
		r, err := s.look(ctx, targets[0])
		return s.show(&r, err, false)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make([]chan certOutcome, len(targets))
	slots := make(chan struct{}, s.o.parallel)
	for i := range results {
		results[i] = make(chan certOutcome, 1)
	}
	go func() {
		for i, t := range targets {
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				r, err := s.look(ctx, t)
				results[i] <- certOutcome{r, err}
			}()
		}
	}()
	return s.print(ctx, results)
}

// print prints the results as they come, in order. The run ends with the status
// that all failures share, or 16.
func (s *certSession) print(ctx context.Context, results []chan certOutcome) error {
	failed, shared := 0, statusOK
	for i := range results {
		var out certOutcome
		select {
		case out = <-results[i]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		err := s.show(&out.result, out.err, true)
		if err == nil {
			continue
		}
		st := statusOf(err)
		if st == statusPipe || errors.As(err, new(*outputError)) {
			return err
		}
		if failed++; failed == 1 {
			shared = st
		} else if shared != st {
			shared = statusPartial
		}
		s.e.report(err, st)
	}
	if failed > 0 && failed < len(results) {
		shared = statusPartial
	}
	return exitWith(shared)
}
