package tlsx_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/brio-net/brio/pkg/tlsx"
)

// TestVerifyCodes checks the table of X509_V codes at its ends, and where the
// documented operators name a number.
func TestVerifyCodes(t *testing.T) {
	codes := tlsx.VerifyCodes()
	if len(codes) != 105 {
		t.Errorf("%d codes; want 105", len(codes))
	}
	names := map[string]bool{}
	table := sha256.New()
	for i, c := range codes {
		if i <= 94 {
			fmt.Fprintf(table, "%d %s %s\n", i, c.Name(), c.Text())
		}
		if int(c) != i || names[c.Name()] || c.Text() == "" || !strings.HasPrefix(c.Name(), "X509_V_") {
			t.Errorf("code %d: %d %s %q", i, c, c.Name(), c.Text())
		}
		names[c.Name()] = true
	}
	// Over the numbers and names of x509_vfy.h and what
	// X509_verify_cert_error_string of OpenSSL 3.0.19 returns.
	if got, want := fmt.Sprintf("%x", table.Sum(nil)), "7149efa580c08fbe827e20738829bf72da9ec10d283f1a461b0cdd73619b2871"; got != want {
		t.Errorf("the table up to 94 has the sum %s; want %s", got, want)
	}
	for code, want := range map[tlsx.VerifyCode][2]string{
		0:  {"X509_V_OK", "ok"},
		2:  {"X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT", "unable to get issuer certificate"},
		3:  {"X509_V_ERR_UNABLE_TO_GET_CRL", "unable to get certificate CRL"},
		4:  {"X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE", "unable to decrypt certificate's signature"},
		10: {"X509_V_ERR_CERT_HAS_EXPIRED", "certificate has expired"},
		18: {"X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"},
		19: {"X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain"},
		20: {"X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unable to get local issuer certificate"},
		21: {"X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate"},
		22: {"X509_V_ERR_CERT_CHAIN_TOO_LONG", "certificate chain too long"},
		23: {"X509_V_ERR_CERT_REVOKED", "certificate revoked"},
		50: {"X509_V_ERR_APPLICATION_VERIFICATION", "application verification failure"},
		62: {"X509_V_ERR_HOSTNAME_MISMATCH", "hostname mismatch"},
		94: {"X509_V_ERR_EC_KEY_EXPLICIT_PARAMS", "Certificate public key has explicit ECC parameters"},
	} {
		if code.Name() != want[0] || code.Text() != want[1] {
			t.Errorf("code %d = %s, %q; want %q", code, code.Name(), code.Text(), want)
		}
	}
	if c := tlsx.VerifyCode(4711); c.Name() != "X509_V_ERR_UNKNOWN" {
		t.Errorf("an unknown code is called %s", c.Name())
	}
}

func TestVerifyNothing(t *testing.T) {
	if r := tlsx.Verify(nil, tlsx.VerifyOptions{}); r.OK || r.Code != tlsx.CodeInvalidCall {
		t.Errorf("Verify(nil) = %+v", r)
	}
	if r := tlsx.Verify([][]byte{{1, 2, 3}}, tlsx.VerifyOptions{}); r.OK || r.Code != tlsx.CodeUnspecified || r.Err() == nil {
		t.Errorf("Verify(junk) = %+v", r)
	}
}

func TestAllowFaults(t *testing.T) {
	ca := newAuthority(t, "CA", nil)
	id := ca.issue(newKey(t), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	r := tlsx.Verify(id.Certificate, tlsx.VerifyOptions{Roots: ca.store(), Hostname: "other.example"})
	if r.Code != tlsx.CodeHostnameMismatch || len(r.Faults) != 2 {
		t.Fatalf("Verify = %+v; want a wrong name and an expired certificate", r.Faults)
	}
	var verdict *tlsx.VerifyError
	if err := r.Err(); !errors.As(err, &verdict) || !strings.Contains(err.Error(), "hostname mismatch (code 62, depth 0") || !strings.HasSuffix(err.Error(), "and 1 more") {
		t.Errorf("Err() = %v", err)
	}
	if r.Allow(tlsx.CodeHostnameMismatch); r.OK || r.Code != tlsx.CodeCertHasExpired {
		t.Errorf("after Allow(62): %d %v", r.Code, r.OK)
	}
	if r.Allow(tlsx.CodeHostnameMismatch, tlsx.CodeCertHasExpired); !r.OK || r.Err() != nil || len(r.Faults) != 2 {
		t.Errorf("after Allow(62, 10): %d %v", r.Code, r.Faults)
	}
}

func TestSecondOpinion(t *testing.T) {
	ca := newAuthority(t, "CA", nil)
	id := ca.issue(newKey(t), nil)
	for host, want := range map[string]bool{"localhost": true, "other.example": false} {
		r := tlsx.Verify(id.Certificate, tlsx.VerifyOptions{Roots: ca.store(), Hostname: host, SecondOpinion: true})
		if r.OK != want || r.Go == nil || r.Go.OK != want || r.Go.Disagrees {
			t.Errorf("%s: OK %v, Go %+v", host, r.OK, r.Go)
		}
	}
}

// TestTrustedCertificate covers the settings behind a TRUSTED CERTIFICATE.
func TestTrustedCertificate(t *testing.T) {
	ca := newAuthority(t, "CA", nil)
	id := ca.issue(newKey(t), nil)
	dir := ca.files(id)
	for args, want := range map[string]tlsx.VerifyCode{
		"-addtrust serverAuth": tlsx.CodeOK, "-addtrust emailProtection": tlsx.CodeCertRejected,
		"-addreject serverAuth": tlsx.CodeCertRejected, "-addreject emailProtection": tlsx.CodeOK,
	} {
		openssl(t, dir, append([]string{"x509", "-in", "ca.pem", "-trustout", "-out", "trusted.pem"}, strings.Fields(args)...)...)
		s := &tlsx.Store{}
		if err := s.AddFile(filepath.Join(dir, "trusted.pem")); err != nil {
			t.Fatal(err)
		}
		if r := tlsx.Verify(id.Certificate, tlsx.VerifyOptions{Roots: s}); r.Code != want {
			t.Errorf("%s: code %d; want %d: %+v", args, r.Code, want, r.Faults)
		}
	}
}

func TestOCSPStaple(t *testing.T) {
	ca, other := newAuthority(t, "CA", nil), newAuthority(t, "Other", nil)
	id := ca.issue(newKey(t), nil)
	respond := func(by *authority, change func(*ocsp.Response)) []byte {
		t.Helper()
		now := time.Now()
		tmpl := ocsp.Response{Status: ocsp.Good, SerialNumber: id.Leaf.SerialNumber, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour), IssuerHash: crypto.SHA1}
		if change != nil {
			change(&tmpl)
		}
		der, err := ocsp.CreateResponse(by.cert, by.cert, tmpl, by.key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	for _, tt := range []struct {
		name   string
		der    []byte
		code   tlsx.VerifyCode
		status string
	}{
		{"none", nil, tlsx.CodeOCSPVerifyNeeded, ""},
		{"junk", []byte{1}, tlsx.CodeOCSPRespInvalid, ""},
		{"refused", []byte{0x30, 3, 0x0a, 1, 6}, tlsx.CodeOCSPVerifyFailed, "error"},
		{"good", respond(ca, nil), tlsx.CodeOK, "good"},
		{"revoked", respond(ca, func(r *ocsp.Response) {
			r.Status, r.RevokedAt, r.RevocationReason = ocsp.Revoked, time.Now().Add(-time.Hour), ocsp.KeyCompromise
		}), tlsx.CodeCertRevoked, "revoked"},
		{"unknown", respond(ca, func(r *ocsp.Response) { r.Status = ocsp.Unknown }), tlsx.CodeOCSPCertUnknown, "unknown"},
		{"expired", respond(ca, func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(-30 * time.Minute) }), tlsx.CodeOCSPHasExpired, "good"},
		{"early", respond(ca, func(r *ocsp.Response) { r.ThisUpdate = time.Now().Add(30 * time.Minute) }), tlsx.CodeOCSPNotYetValid, "good"},
		{"forged", respond(other, nil), tlsx.CodeOCSPSignatureFailure, ""},
		{"another certificate", respond(ca, func(r *ocsp.Response) { r.SerialNumber = ca.cert.SerialNumber }), tlsx.CodeOCSPNoResponse, "error"},
	} {
		r := tlsx.Verify(id.Certificate, tlsx.VerifyOptions{Roots: ca.store(), OCSP: tt.der, OCSPRequired: true})
		status := ""
		if r.OCSP != nil && tt.name != "forged" {
			status = r.OCSP.Status
		}
		if r.Code != tt.code || status != tt.status {
			t.Errorf("%s: code %d, status %q; want %d, %q: %+v", tt.name, r.Code, status, tt.code, tt.status, r.Faults)
		}
	}
}

// TestRehash makes the same links as openssl rehash, and finds the
// certificates by them.
func TestRehash(t *testing.T) {
	ours, theirs := t.TempDir(), t.TempDir()
	ca, twin, other := newAuthority(t, "CA", nil), newAuthority(t, "CA", nil), newAuthority(t, "Other", nil)
	for _, dir := range []string{ours, theirs} {
		for name, a := range map[string]*authority{"a.pem": ca, "b.pem": twin, "c.pem": other, "same.pem": ca} {
			write(t, dir, name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
		}
		write(t, dir, "list.crl", ca.crl())
	}
	openssl(t, theirs, "rehash", ".")
	for range 2 { // the second run replaces the links of the first
		if _, err := tlsx.Rehash(ours); err != nil {
			t.Fatal(err)
		}
	}
	links := func(dir string) (list []string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if _, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && !strings.Contains(e.Name(), ".r") {
				list = append(list, e.Name())
			}
		}
		return list
	}
	if got, want := links(ours), links(theirs); !slices.Equal(got, want) {
		t.Errorf("Rehash made %q; openssl rehash makes %q", got, want)
	}
	s := &tlsx.Store{}
	if err := s.AddAnyDirectory(ours); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Certificates()); n != 0 {
		t.Errorf("%d certificates were read before they were needed", n)
	}
	for _, a := range []*authority{ca, twin, other} {
		if r := tlsx.Verify(a.issue(newKey(t), nil).Certificate, tlsx.VerifyOptions{Roots: s}); !r.OK {
			t.Errorf("%s: %+v", a.cert.Subject, r.Faults)
		}
	}
	id := ca.issue(newKey(t), nil)
	if r := tlsx.Verify(id.Certificate, tlsx.VerifyOptions{Roots: s, CRLCheck: tlsx.CRLLeaf}); !r.OK {
		t.Errorf("the list in the directory was not found: %+v", r.Faults)
	}
}

func TestBundle(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	mid := newAuthority(t, "Mid", root)
	stranger := newAuthority(t, "Stranger", nil)
	leaf := mid.issue(newKey(t), nil).Leaf
	kinds := func(certs ...*x509.Certificate) string {
		t.Helper()
		var list []*tlsx.Certificate
		for _, c := range certs {
			x, err := tlsx.ParseCertificate(c.Raw)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, x)
		}
		var out []string
		for _, f := range tlsx.NewBundle(list).Findings {
			out = append(out, f.Kind)
		}
		return strings.Join(out, " ")
	}
	for _, tt := range []struct{ got, want string }{
		{kinds(leaf, mid.cert), ""},
		{kinds(leaf, mid.cert, root.cert), "root-included"},
		{kinds(leaf, root.cert, mid.cert), "wrong-order wrong-order root-included"},
		{kinds(leaf, mid.cert, mid.cert), "duplicate"},
		{kinds(leaf, mid.cert, stranger.cert), "extra"},
		{kinds(leaf, root.cert), "extra missing-issuer"},
		{kinds(root.cert, mid.cert), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("findings %q; want %q", tt.got, tt.want)
		}
	}
}

func TestFetchIssuers(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	mid := newAuthority(t, "Mid", root)
	leaf := mid.issue(newKey(t), func(c *x509.Certificate) {
		c.IssuingCertificateURL = []string{"http://bad.example/", "http://good.example/"}
	})
	c, err := tlsx.ParseCertificate(leaf.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(ctx context.Context, url string) ([]byte, error) {
		if url == "http://good.example/" {
			return mid.cert.Raw, ctx.Err()
		}
		return nil, net.ErrClosed
	}
	found, err := tlsx.FetchIssuers(t.Context(), []*tlsx.Certificate{c}, root.store(), fetch)
	if err != nil || len(found) != 1 || found[0].Subject.First("CN") != "Mid" {
		t.Errorf("FetchIssuers = %v, %v", found, err)
	}
	if _, err := tlsx.FetchIssuers(t.Context(), []*tlsx.Certificate{c}, nil, fetch); err == nil {
		t.Error("a chain without end is complete")
	}
	dir := mid.files(leaf)
	openssl(t, dir, "crl2pkcs7", "-nocrl", "-certfile", "ca.pem", "-out", "ca.p7b")
	openssl(t, dir, "crl2pkcs7", "-nocrl", "-certfile", "ca.pem", "-outform", "DER", "-out", "ca.p7c")
	openssl(t, dir, "pkcs12", "-export", "-nokeys", "-in", "ca.pem", "-passout", "pass:", "-out", "ca.p12")
	for file, want := range map[string]int{"ca.pem": 1, "ca.p7b": 1, "ca.p7c": 1, "ca.p12": 0} {
		give := func(context.Context, string) ([]byte, error) { return read(t, dir, file), nil }
		if found, err := tlsx.FetchIssuers(t.Context(), []*tlsx.Certificate{c}, root.store(), give); len(found) != want || (err == nil) != (want == 1) {
			t.Errorf("FetchIssuers from %s = %v, %v; want %d", file, found, err, want)
		}
	}
	many := mid.issue(newKey(t), func(c *x509.Certificate) {
		for i := range 100 {
			c.IssuingCertificateURL = append(c.IssuingCertificateURL, fmt.Sprintf("http://%d.example/", i))
		}
	})
	hungry, err := tlsx.ParseCertificate(many.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	refuse := func(context.Context, string) ([]byte, error) { asked++; return nil, net.ErrClosed }
	if _, err := tlsx.FetchIssuers(t.Context(), []*tlsx.Certificate{hungry}, root.store(), refuse); err == nil || asked > 4 {
		t.Errorf("FetchIssuers = %v after %d of 100 addresses; want an error after 4", err, asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tlsx.FetchIssuers(ctx, []*tlsx.Certificate{c}, root.store(), fetch); err == nil {
		t.Error("FetchIssuers does not hear of the end of its context")
	}
}

// TestOCSPResponder covers responders that the issuer appointed (RFC 6960,
// section 4.2.2.2).
func TestOCSPResponder(t *testing.T) {
	ca := newAuthority(t, "CA", nil)
	id := ca.issue(newKey(t), nil)
	for _, tt := range []struct {
		name   string
		by     *authority
		change func(*x509.Certificate)
		code   tlsx.VerifyCode
	}{
		{"appointed", ca, nil, tlsx.CodeOK},
		{"not for OCSP", ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, tlsx.CodeOCSPSignatureFailure},
		{"expired", ca, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, tlsx.CodeOCSPSignatureFailure},
		{"of another CA", newAuthority(t, "CA", nil), nil, tlsx.CodeOCSPSignatureFailure},
	} {
		key := newKey(t)
		responder := tt.by.issue(key, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
			if tt.change != nil {
				tt.change(c)
			}
		})
		der, err := ocsp.CreateResponse(ca.cert, responder.Leaf, ocsp.Response{
			Status: ocsp.Good, SerialNumber: id.Leaf.SerialNumber, ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour), Certificate: responder.Leaf,
		}, key)
		if err != nil {
			t.Fatal(err)
		}
		if r := tlsx.Verify(id.Certificate, tlsx.VerifyOptions{Roots: ca.store(), OCSP: der}); r.Code != tt.code {
			t.Errorf("%s: code %d; want %d: %+v", tt.name, r.Code, tt.code, r.Faults)
		}
	}
}

func TestMustStaple(t *testing.T) {
	ca := newAuthority(t, "CA", nil)
	id := ca.issue(newKey(t), func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: oid(1, 3, 6, 1, 5, 5, 7, 1, 24), Value: []byte{0x30, 3, 2, 1, 5}}}
	})
	if r := tlsx.Verify(id.Certificate, tlsx.VerifyOptions{Roots: ca.store()}); !r.OK {
		t.Errorf("a file cannot staple, yet: %+v", r.Faults)
	}
	if r := tlsx.Verify(id.Certificate, tlsx.VerifyOptions{Roots: ca.store(), MustStaple: true}); r.Code != tlsx.CodeOCSPVerifyNeeded {
		t.Errorf("code %d; want %d", r.Code, tlsx.CodeOCSPVerifyNeeded)
	}
}

// TestOtherPaths: a profile finds the way around a bad intermediate, where
// OpenSSL does not go back on its choice.
func TestOtherPaths(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	mid := newAuthority(t, "Mid", root)
	barred := *mid
	tmpl := template("Mid")
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage = true, true, x509.KeyUsageCertSign
	tmpl.ExcludedDNSDomains, tmpl.PermittedDNSDomainsCritical = []string{"localhost"}, true
	tmpl.SubjectKeyId = mid.cert.SubjectKeyId
	barred.cert = root.sign(t, tmpl, mid.key)
	leaf := mid.issue(newKey(t), func(c *x509.Certificate) { c.Subject.CommonName = "localhost" })
	chain := [][]byte{leaf.Certificate[0], barred.cert.Raw, mid.cert.Raw}
	if r := tlsx.Verify(chain, tlsx.VerifyOptions{Roots: root.store(), Hostname: "localhost"}); r.Code != tlsx.CodeExcludedViolation {
		t.Errorf("OpenSSL's path: code %d %+v", r.Code, r.Faults)
	}
	if r := tlsx.Verify(chain, tlsx.VerifyOptions{Roots: root.store(), Hostname: "localhost", Profile: tlsx.ProfileRFC5280}); !r.OK {
		t.Errorf("the other path: code %d %+v", r.Code, r.Faults)
	}
}
