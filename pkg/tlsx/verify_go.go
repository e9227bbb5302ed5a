package tlsx

import (
	"crypto/x509"
	"net"
	"time"
)

// askGo has Go's verifier judge the same certificates by the same roots.
func (v *verifier) askGo(ours bool) *SecondOpinion {
	err := v.goVerdict()
	s := &SecondOpinion{OK: err == nil, Disagrees: (err == nil) != ours}
	if err != nil {
		s.Error = err.Error()
	}
	return s
}

func (v *verifier) goVerdict() error {
	leaf, err := v.leaf.Std()
	if err != nil {
		return err
	}
	opts := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: v.now, DNSName: v.o.Hostname,
		KeyUsages: goUsages(v.purpose())}
	if v.o.IP.IsValid() {
		opts.DNSName = net.IP(v.o.IP.Unmap().AsSlice()).String()
	}
	for _, c := range v.untrusted {
		if std, err := c.Std(); err == nil {
			opts.Intermediates.AddCert(std)
		}
	}
	// Only trusted certificates that the chain may end at need parsing.
	for _, c := range append(v.chain, v.untrusted...) {
		for _, root := range append(v.roots.bySubject(c.Issuer), v.roots.bySubject(c.Subject)...) {
			if std, err := root.Std(); err == nil && (root.SelfSigned() || v.o.PartialChain) {
				opts.Roots.AddCert(std)
			}
		}
	}
	_, err = leaf.Verify(opts)
	return err
}

func goUsages(p Purpose) []x509.ExtKeyUsage {
	switch p {
	case PurposeServer, PurposeNSServer:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case PurposeClient:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case PurposeSMIMESign, PurposeSMIMEEncrypt:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	case PurposeTimestamp:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}
	}
	return []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
}

// goVerifier is [x509.Certificate.Verify], which asks the platform when it is
// given no roots.
type goVerifier func(*x509.Certificate, x509.VerifyOptions) ([][]*x509.Certificate, error)

// maxPlatformQuestions bounds what a peer's chain can make the platform do.
const maxPlatformQuestions = 8

// platformRoots asks the platform's verifier, where its roots cannot be read,
// for a chain and takes the end of it as trusted. Dates are for us to judge, and
// what matters here is where a chain ends; so when the platform refuses the
// certificate it is asked again as of another day and for those above it.
func platformRoots(leaf *Certificate, o *VerifyOptions, verify goVerifier) *Store {
	s := &Store{}
	opts := x509.VerifyOptions{Intermediates: x509.NewCertPool(), CurrentTime: o.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	std, err := leaf.Std()
	if err != nil {
		return s
	}
	type question struct {
		cert *x509.Certificate
		at   time.Time
	}
	questions := []question{{std, o.Time}, {std, std.NotAfter}}
	for _, c := range o.Untrusted {
		if in, err := c.Std(); err == nil {
			opts.Intermediates.AddCert(in)
			questions = append(questions, question{in, o.Time})
		}
	}
	for _, q := range questions[:min(len(questions), maxPlatformQuestions)] {
		opts.CurrentTime = q.at
		chains, err := verify(q.cert, opts)
		if err != nil {
			continue
		}
		for _, chain := range chains {
			if c, err := ParseCertificate(chain[len(chain)-1].Raw); err == nil {
				s.Add(c)
			}
		}
		break
	}
	return s
}
