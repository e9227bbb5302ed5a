package tlsx

import (
	"crypto/x509"
	"testing"
	"time"
)

// TestPlatformRoots puts a verifier with roots of its own in the place of the
// one that Windows and macOS have: the verdict is ours, the trust is theirs.
func TestPlatformRoots(t *testing.T) {
	for fault, want := range map[ChainFault]VerifyCode{
		"":                       CodeOK,
		FaultExpired:             CodeCertHasExpired,
		FaultNotYetValid:         CodeCertNotYetValid,
		FaultUntrustedRoot:       CodeUnableToGetIssuerCertLocally,
		FaultMissingIntermediate: CodeUnableToGetIssuerCertLocally,
		FaultSelfSigned:          CodeDepthZeroSelfSignedCert,
	} {
		id, root, err := MakeChain([]string{"localhost"}, time.Hour, fault)
		if err != nil {
			t.Fatal(err)
		}
		platform := x509.NewCertPool()
		if fault != FaultSelfSigned { // whose root is itself
			platform.AddCert(root)
		}
		var certs []*Certificate
		for _, der := range id.Certificate {
			c, err := ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			certs = append(certs, c)
		}
		o := VerifyOptions{Hostname: "localhost", Untrusted: certs[1:]}
		o.Roots = platformRoots(certs[0], &o, func(c *x509.Certificate, opts x509.VerifyOptions) ([][]*x509.Certificate, error) {
			if opts.Roots != nil || opts.DNSName != "" {
				t.Errorf("fault %q: roots %v, name %q given to the platform", fault, opts.Roots, opts.DNSName)
			}
			opts.Roots = platform
			return c.Verify(opts)
		})
		if r := VerifyCertificate(certs[0], o); r.Code != want {
			t.Errorf("fault %q: %d %s; want %d", fault, r.Code, r.Text, want)
		}
	}
}

// TestPlatformRootsOfUnreadable asks the platform nothing that it cannot answer.
func TestPlatformRootsOfUnreadable(t *testing.T) {
	never := func(*x509.Certificate, x509.VerifyOptions) ([][]*x509.Certificate, error) {
		t.Error("a certificate that Go cannot read is given to the platform")
		return nil, nil
	}
	if s := platformRoots(&Certificate{}, &VerifyOptions{}, never); len(s.Certificates()) != 0 {
		t.Errorf("platformRoots = %v", s.Certificates())
	}
}
