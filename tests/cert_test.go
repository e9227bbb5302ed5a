package tests

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A certMaker makes the certificates of the cert-info scripts, which all begin
// in 2024 and end in 2034 if nothing else is said.
type certMaker struct {
	dir    string
	serial int64
}

type issued struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (m *certMaker) make(name string, parent *issued, change func(*x509.Certificate)) (*issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	m.serial++
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1000 + m.serial), Subject: pkix.Name{CommonName: name, Organization: []string{"Brio Tests"}},
		NotBefore: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2034, 1, 1, 0, 0, 0, 0, time.UTC),
		BasicConstraintsValid: true,
	}
	if change != nil {
		change(t)
	}
	issuer, signer := t, crypto.Signer(key)
	if parent != nil {
		issuer, signer = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, issuer, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &issued{cert, key}, err
}

func asCA(t *x509.Certificate) {
	t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
}

func asServer(t *x509.Certificate) {
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.DNSNames, t.IPAddresses = []string{"www.example.com", "*.api.example.com"}, []net.IP{net.IPv4(127, 0, 0, 1)}
}

func (m *certMaker) write(name string, parts ...[]byte) error {
	return os.WriteFile(filepath.Join(m.dir, name), bytes.Join(parts, nil), 0o600)
}

func pemOf(c *issued) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})
}

func keyPEM(c *issued) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(c.key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// setupCert writes certificates and starts servers: $GOOD sends a whole chain,
// $SHORT leaves the intermediate out, $SELF has a self-signed one, $SMTP starts
// with a talk, $CLOSED refuses connections, $SILENT says nothing.
func setupCert(env *testscript.Env) error {
	m := &certMaker{dir: env.WorkDir}
	aia, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Defer(func() { _ = aia.Close() })
	root, err := m.make("Root", nil, asCA)
	if err != nil {
		return err
	}
	inter, err := m.make("Issuing CA", root, asCA)
	if err != nil {
		return err
	}
	serve := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(inter.cert.Raw) }
	go http.Serve(aia, http.HandlerFunc(serve)) //nolint:errcheck // ends with the listener
	leaf, err := m.make("www.example.com", inter, func(t *x509.Certificate) {
		asServer(t)
		t.IssuingCertificateURL = []string{"http://" + aia.Addr().String() + "/issuing.cer"}
		t.CRLDistributionPoints = []string{"http://crl.example.com/ca.crl"}
	})
	if err != nil {
		return err
	}
	if err := m.writeFiles(root, inter, leaf); err != nil {
		return err
	}
	self, err := m.make("self.example.com", nil, func(t *x509.Certificate) {
		asServer(t)
		t.NotAfter = time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	})
	if err != nil {
		return err
	}
	if err := m.write("self.pem", pemOf(self)); err != nil {
		return err
	}
	return startCertServers(env, root, inter, leaf, self)
}

func (m *certMaker) writeFiles(root, inter, leaf *issued) error {
	key, err := keyPEM(leaf)
	if err != nil {
		return err
	}
	hostile, err := m.make("\x1b[2Jgone\u202e\x07\nfake: line", inter, func(t *x509.Certificate) {
		asServer(t)
		t.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: asn1.RawValue{Tag: asn1.TagT61String, Bytes: []byte("\x9b31m")}}}
		t.DNSNames = []string{"evil\x1b[31m.example.com"}
	})
	if err != nil {
		return err
	}
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(7), ThisUpdate: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), NextUpdate: time.Date(2033, 1, 1, 0, 0, 0, 0, time.UTC),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: leaf.cert.SerialNumber, RevocationTime: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), ReasonCode: 1}},
	}, inter.cert, inter.key)
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "new.example.com"}, DNSNames: []string{"new.example.com"}}, leaf.key)
	if err != nil {
		return err
	}
	files := map[string][][]byte{
		"root.pem": {pemOf(root)}, "inter.pem": {pemOf(inter)}, "leaf.pem": {pemOf(leaf)}, "leaf.key": {key},
		"chain.pem": {pemOf(leaf), pemOf(inter)}, "disorder.pem": {pemOf(leaf), pemOf(root), pemOf(inter), pemOf(inter), pemOf(hostile)},
		"leaf.der": {leaf.cert.Raw}, "all.pem": {key, pemOf(leaf)}, "hostile.pem": {pemOf(hostile)},
		"ca.crl":   {pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl})},
		"new.csr":  {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})},
		"junk.pem": {[]byte("no certificate here\n")}, "broken.pem": {pemOf(leaf), []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")},
	}
	for name, parts := range files {
		if err := m.write(name, parts...); err != nil {
			return err
		}
	}
	return m.writeCases(root, inter, leaf)
}

// writeCases writes cases for --batch, as lines of JSON.
func (m *certMaker) writeCases(root, inter, leaf *issued) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for _, c := range []struct{ id, name, want string }{{"good", "www.example.com", "SUCCESS"}, {"wrong-name", "other.example.com", "FAILURE"}, {"surprise", "other.example.com", "SUCCESS"}} {
		if err := e.Encode(map[string]any{
			"id": c.id, "expected_result": c.want, "trusted_certs": []string{string(pemOf(root))}, "untrusted_intermediates": []string{string(pemOf(inter))},
			"peer_certificate": string(pemOf(leaf)), "expected_peer_name": map[string]string{"kind": "DNS", "value": c.name}, "validation_time": "2030-01-01T00:00:00Z",
		}); err != nil {
			return err
		}
	}
	return m.write("cases.json", b.Bytes())
}

func startCertServers(env *testscript.Env, root, inter, leaf, self *issued) error {
	tlsCert := func(chain ...*issued) *tls.Config {
		c := tls.Certificate{PrivateKey: chain[0].key}
		for _, x := range chain {
			c.Certificate = append(c.Certificate, x.cert.Raw)
		}
		return &tls.Config{Certificates: []tls.Certificate{c}}
	}
	good := tlsCert(leaf, inter)
	for _, s := range []struct {
		name  string
		serve func(net.Conn)
	}{
		{"GOOD", shakeHands(good)},
		{"SHORT", shakeHands(tlsCert(leaf))},
		{"SELF", shakeHands(tlsCert(self))},
		{"SMTP", func(c net.Conn) { talkSMTP(c, good) }},
		{"SILENT", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		env.Setenv(s.name, l.Addr().String())
		env.Defer(func() { _ = l.Close() })
		go acceptAll(l, s.serve)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("CLOSED", closed.Addr().String())
	if err := closed.Close(); err != nil || !strings.Contains(filepath.Base(env.WorkDir), "server") {
		return err
	}
	return startPSS(env)
}

// startPSS starts openssl with a certificate that Go's TLS does not talk to:
// $PSS. Without openssl there is none.
func startPSS(env *testscript.Env) error {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		return nil
	}
	gen := exec.Command(openssl, "req", "-x509", "-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048", "-nodes", "-keyout", "pss.key", "-out", "pss.pem", "-subj", "/CN=pss.example.com")
	gen.Dir = env.WorkDir
	if out, err := gen.CombinedOutput(); err != nil {
		return fmt.Errorf("openssl req: %w: %s", err, out)
	}
	serve := exec.Command(openssl, "s_server", "-accept", "127.0.0.1:0", "-cert", "pss.pem", "-key", "pss.key", "-www")
	serve.Dir = env.WorkDir
	out, err := serve.StdoutPipe()
	if err != nil {
		return err
	}
	if err := serve.Start(); err != nil {
		return err
	}
	env.Defer(func() {
		_ = serve.Process.Kill()
		_ = serve.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			env.Setenv("PSS", addr)
			go io.Copy(io.Discard, out)
			return nil
		}
	}
	return errors.New("openssl s_server does not listen")
}

func acceptAll(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(patience))
			serve(c)
		}()
	}
}

func shakeHands(cfg *tls.Config) func(net.Conn) {
	return func(c net.Conn) {
		t := tls.Server(c, cfg)
		if t.Handshake() == nil {
			_, _ = io.Copy(io.Discard, t)
		}
	}
}

func talkSMTP(c net.Conn, cfg *tls.Config) {
	fmt.Fprint(c, "220 mail.example.com ESMTP\r\n")
	s := bufio.NewScanner(c)
	for s.Scan() {
		switch line := s.Text(); {
		case len(line) >= 4 && line[:4] == "EHLO":
			fmt.Fprint(c, "250-mail.example.com\r\n250 STARTTLS\r\n")
		case line == "STARTTLS":
			fmt.Fprint(c, "220 go ahead\r\n")
			shakeHands(cfg)(c)
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}
