package tlsx

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"
)

// A ChainFault is something wrong with a made certificate chain, for testing
// clients.
type ChainFault string

// The faults. The empty fault is none.
const (
	FaultExpired             ChainFault = "expired"              // the certificate has expired
	FaultExpiredChain        ChainFault = "expired-chain"        // its issuer has
	FaultNotYetValid         ChainFault = "not-yet-valid"        // the certificate is not valid yet
	FaultWrongName           ChainFault = "wrong-name"           // it is for another name
	FaultSelfSigned          ChainFault = "self-signed"          // there is no issuer
	FaultUntrustedRoot       ChainFault = "untrusted-root"       // Root is not the root of the chain
	FaultMissingIntermediate ChainFault = "missing-intermediate" // its issuer is not sent
	FaultWrongOrder          ChainFault = "wrong-order"          // the chain is sent backwards, after the certificate
	FaultWeakKey             ChainFault = "weak-key"             // RSA with 1024 bits
	FaultWeakSignature       ChainFault = "weak-signature"       // signed with SHA-1
	FaultNoServerPurpose     ChainFault = "wrong-purpose"        // for clients only
	FaultNotCA               ChainFault = "not-ca"               // the issuer may not issue
)

// ChainFaults returns every fault.
func ChainFaults() []ChainFault {
	return []ChainFault{FaultExpired, FaultExpiredChain, FaultNotYetValid, FaultWrongName, FaultSelfSigned, FaultUntrustedRoot,
		FaultMissingIntermediate, FaultWrongOrder, FaultWeakKey, FaultWeakSignature, FaultNoServerPurpose, FaultNotCA}
}

// SelfSigned makes a certificate for the names and addresses, with a new P-256
// key, valid for the time given. It signs itself.
func SelfSigned(names []string, valid time.Duration) (tls.Certificate, error) {
	m := chainMaker{names: names, valid: valid}
	leaf, err := m.selfSigned()
	return leaf, err
}

// MakeChain makes a root, an intermediate and a certificate for the names and
// addresses, with one fault. root is what a client would have to trust.
func MakeChain(names []string, valid time.Duration, fault ChainFault) (identity tls.Certificate, root *x509.Certificate, err error) {
	if fault != "" && !slices.Contains(ChainFaults(), fault) {
		return tls.Certificate{}, nil, fmt.Errorf("fault %q: not one of %v", fault, ChainFaults())
	}
	m := chainMaker{names: names, valid: valid, fault: fault}
	return m.chain()
}

// chainMaker makes certificates and remembers the first thing that went wrong.
type chainMaker struct {
	names []string
	valid time.Duration
	fault ChainFault
	err   error
}

type madeCert struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (m *chainMaker) selfSigned() (tls.Certificate, error) {
	c := m.make(m.leafTemplate(), nil)
	return m.identity(c)
}

func (m *chainMaker) identity(c madeCert, chain ...madeCert) (tls.Certificate, error) {
	if m.err != nil {
		return tls.Certificate{}, m.err
	}
	id := tls.Certificate{Certificate: [][]byte{c.cert.Raw}, PrivateKey: c.key, Leaf: c.cert}
	for _, issuer := range chain {
		id.Certificate = append(id.Certificate, issuer.cert.Raw)
	}
	return id, nil
}

func (m *chainMaker) chain() (tls.Certificate, *x509.Certificate, error) {
	root := m.make(m.caTemplate("brio test root"), nil)
	trusted := root
	if m.fault == FaultUntrustedRoot {
		trusted = m.make(m.caTemplate("brio other root"), nil)
	}
	middle := m.make(m.middleTemplate(), &root)
	issuer := &middle
	if m.fault == FaultSelfSigned {
		issuer = nil
	}
	leaf := m.make(m.leafTemplate(), issuer)
	var sent []madeCert
	switch m.fault {
	case FaultSelfSigned, FaultMissingIntermediate:
	case FaultWrongOrder:
		sent = []madeCert{root, middle}
	default:
		sent = []madeCert{middle}
	}
	id, err := m.identity(leaf, sent...)
	return id, trusted.cert, err
}

// make makes a certificate; without an issuer it signs itself.
func (m *chainMaker) make(tmpl *x509.Certificate, issuer *madeCert) madeCert {
	if m.err != nil {
		return madeCert{}
	}
	var c madeCert
	if c.key, m.err = m.newKey(tmpl); m.err != nil {
		return c
	}
	if issuer == nil {
		issuer = &madeCert{tmpl, c.key}
	}
	var der []byte
	if der, m.err = x509.CreateCertificate(rand.Reader, tmpl, issuer.cert, c.key.Public(), issuer.key); m.err != nil {
		return c
	}
	c.cert, m.err = x509.ParseCertificate(der)
	return c
}

func (m *chainMaker) newKey(tmpl *x509.Certificate) (crypto.Signer, error) {
	switch {
	case m.fault == FaultWeakKey && !tmpl.IsCA:
		return rsa.GenerateKey(rand.Reader, 1024)
	case m.fault == FaultWeakSignature && tmpl.IsCA:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func (m *chainMaker) template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		m.err = err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(m.valid),
	}
}

func (m *chainMaker) caTemplate(name string) *x509.Certificate {
	t := m.template(name)
	t.IsCA, t.BasicConstraintsValid = true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return t
}

func (m *chainMaker) middleTemplate() *x509.Certificate {
	t := m.caTemplate("brio test intermediate")
	switch m.fault {
	case FaultExpiredChain:
		expire(t)
	case FaultNotCA:
		t.IsCA, t.KeyUsage = false, x509.KeyUsageDigitalSignature
	}
	return t
}

func (m *chainMaker) leafTemplate() *x509.Certificate {
	names := m.names
	if m.fault == FaultWrongName {
		names = []string{"wrong.name.invalid"}
	}
	t := m.template(strings.Join(names[:min(1, len(names))], ""))
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	switch m.fault {
	case FaultExpired:
		expire(t)
	case FaultNotYetValid:
		t.NotBefore, t.NotAfter = time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour)
	case FaultWeakSignature:
		t.SignatureAlgorithm = x509.SHA1WithRSA
	case FaultNoServerPurpose:
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	return t
}

func expire(t *x509.Certificate) {
	t.NotBefore, t.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
}
