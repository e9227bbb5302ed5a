package tests

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/need"
)

// A brokenServer is a server that a client must not put up with.
type brokenServer struct {
	name   string
	server func(*tlsRig) (port string)
	args   []string
	status int
	code   int   // of the verification, -1 when it never comes to it
	faults []int // all of them
	words  string
}

// leafServer serves a certificate that change has spoilt, issued by issuer.pem.
func leafServer(change func(*x509.Certificate)) func(*tlsRig) string {
	return func(r *tlsRig) string {
		r.issue("bad", change)
		return r.opensslServer("-cert", "bad.pem", "-key", "bad.key")
	}
}

// keyServer serves a certificate that openssl made with a key of its own.
func keyServer(key []string, args ...string) func(*tlsRig) string {
	return func(r *tlsRig) string {
		r.openssl(append([]string{"req", "-x509", "-nodes", "-keyout", "bad.key", "-out", "bad.pem", "-days", "2", "-subj", "/CN=localhost",
			"-addext", "subjectAltName=DNS:localhost"}, key...)...)
		return r.opensslServer(append([]string{"-cert", "bad.pem", "-key", "bad.key"}, args...)...)
	}
}

func faultServer(fault string) func(*tlsRig) string {
	return func(r *tlsRig) string {
		port := r.start(r.brio, "tls-server", "-qk", "127.0.0.1:PORT", "--www", "--fault", fault, "--root-out", "bad.pem")
		r.awaitFile("bad.pem")
		return port
	}
}

// awaitFile waits until a file is there: it comes after the socket.
func (r *tlsRig) awaitFile(name string) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(r.dir, name)); err == nil {
			return
		}
	}
	r.t.Fatalf("%s does not appear", name)
}

func brokenServers() []brokenServer {
	trust := []string{"--ca-file", "root.pem"}
	bad := []string{"--ca-file", "bad.pem"}
	return []brokenServer{
		{"expired", leafServer(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }), trust, 13, 10, []int{10}, "certificate has expired"},
		{"not yet valid", leafServer(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), trust, 13, 9, []int{9}, "not yet valid"},
		{"wrong host", leafServer(func(c *x509.Certificate) { c.DNSNames = []string{"other.example"} }), trust, 13, 62, []int{62}, "hostname mismatch"},
		{"expired and wrong host", leafServer(func(c *x509.Certificate) {
			c.NotAfter, c.DNSNames = time.Now().Add(-time.Hour), []string{"other.example"}
		}), trust, 13, 62, []int{62, 10}, "and 1 more"},
		{"wrong purpose", leafServer(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }), trust, 13, 26, []int{26}, "unsuitable certificate purpose"},
		{"self-signed", keyServer([]string{"-newkey", "rsa:2048"}), trust, 13, 18, []int{18}, "self-signed certificate"},
		{"untrusted root", faultServer("untrusted-root"), bad, 13, 20, []int{20}, "unable to get local issuer"},
		{"missing intermediate", faultServer("missing-intermediate"), bad, 13, 20, []int{20, 21}, "unable to get local issuer"},
		{"expired intermediate", faultServer("expired-chain"), bad, 13, 10, []int{10}, "depth 1"},
		{"weak key", faultServer("weak-key"), bad, 13, 66, []int{66}, "too weak"},
		{"weak signature", faultServer("weak-signature"), bad, 13, 68, []int{68}, "too weak"},
		{"revoked", revokedServer, []string{"--ca-file", "root.pem", "--crl-check", "leaf", "--crl-file", "list.crl"}, 13, 23, []int{23}, "certificate revoked"},
		{"no revocation list", leafServer(nil), []string{"--ca-file", "root.pem", "--crl-check", "leaf"}, 13, 3, []int{3}, "unable to get certificate CRL"},
		{"wrong pin", leafServer(nil), []string{"--ca-file", "root.pem", "--pin", "sha256:" + strings.Repeat("00", 32)}, 13, 0, nil, "pinned"},
		// What crypto/tls can not talk to: the raw prober still gets the chain.
		{"RSA-PSS key", keyServer([]string{"-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"}), bad, 10, -1, nil, "handshake failure"},
		{"brainpool", keyServer([]string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"}, "-tls1_2"), bad, 10, -1, nil, "handshake"},
		{"Ed448", keyServer([]string{"-newkey", "ed448"}), bad, 10, -1, nil, "handshake"},
		{"DHE only", keyServer([]string{"-newkey", "rsa:2048"}, "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"), bad, 10, -1, nil, "handshake failure"},
		{"CCM only", keyServer([]string{"-newkey", "rsa:2048"}, "-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"), bad, 10, -1, nil, "handshake failure"},
		{"TLS 1.0 only", keyServer([]string{"-newkey", "rsa:2048"}, "-tls1", "-cipher", "ALL:@SECLEVEL=0"), bad, 10, -1, nil, "protocol version"},
		{"bad URI in SAN", badURIServer, trust, 10, -1, nil, "parse certificate"},
		{"client certificate required", func(r *tlsRig) string {
			r.issue("bad", nil)
			return r.opensslServer("-cert", "bad.pem", "-key", "bad.key", "-Verify", "1", "-verify_return_error", "-CAfile", "root.pem")
		}, trust, 10, 0, nil, "certificate required"},
	}
}

// TestBrokenServers meets servers of more than twenty kinds: each gets its code,
// its status, and all its faults.
func TestBrokenServers(t *testing.T) {
	for _, b := range brokenServers() {
		t.Run(b.name, func(t *testing.T) {
			r := newTLSRig(t)
			port := b.server(r)
			o := r.run("", r.brio, append([]string{"tls-client", "-4", "--probe", "--json", "localhost:" + port}, b.args...)...)
			var report struct {
				Verify *struct {
					Code   int
					Faults []struct{ Code int }
				}
				Certificates  []json.RawMessage
				Authenticated bool
			}
			if err := json.Unmarshal([]byte(o.stdout), &report); err != nil {
				t.Fatalf("%v in %s\n%s", err, o.stdout, o.stderr)
			}
			if o.status != b.status || !strings.Contains(o.stderr, b.words) {
				t.Errorf("status %d; want %d and %q\n%s", o.status, b.status, b.words, o.stderr)
			}
			if len(report.Certificates) == 0 || report.Authenticated && b.code < 0 {
				t.Errorf("%d certificates, authenticated %v; want some", len(report.Certificates), report.Authenticated)
			}
			if b.code < 0 && (report.Verify == nil || len(report.Verify.Faults) == 0 && b.name == "bad URI in SAN") {
				t.Errorf("no verdict on the unauthenticated chain in %s", o.stdout)
			}
			if b.faults == nil {
				return
			}
			if report.Verify == nil {
				t.Fatalf("no verdict in %s", o.stdout)
			}
			var faults []int
			for _, f := range report.Verify.Faults {
				faults = append(faults, f.Code)
			}
			if report.Verify.Code != b.code || !slices.Equal(faults, b.faults) {
				t.Errorf("code %d, faults %v; want %d, %v", report.Verify.Code, faults, b.code, b.faults)
			}
		})
	}
}

// issue makes NAME.pem and NAME.key, issued by a root that replaces root.pem.
func (r *tlsRig) issue(name string, change func(*x509.Certificate)) (root, leaf *issued) {
	r.t.Helper()
	m := &certMaker{dir: r.dir}
	root, err := m.make("Root", nil, asCA)
	r.check(err)
	leaf, err = m.make("localhost", root, func(c *x509.Certificate) {
		asServer(c)
		c.DNSNames = []string{"localhost"}
		if change != nil {
			change(c)
		}
	})
	r.check(err)
	key, err := keyPEM(leaf)
	r.check(err)
	r.check(m.write("root.pem", pemOf(root)))
	r.check(m.write(name+".pem", pemOf(leaf)))
	r.check(m.write(name+".key", key))
	return root, leaf
}

func (r *tlsRig) openssl(args ...string) {
	r.t.Helper()
	c := exec.Command(need.Tool(r.t, "openssl"), args...)
	c.Dir = r.dir
	if out, err := c.CombinedOutput(); err != nil {
		r.t.Fatalf("openssl %q: %v\n%s", args, err, out)
	}
}

func revokedServer(r *tlsRig) string {
	root, leaf := r.issue("bad", nil)
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: leaf.cert.SerialNumber, RevocationTime: time.Now().Add(-time.Hour)}},
	}, root.cert, root.key)
	r.check(err)
	m := &certMaker{dir: r.dir}
	r.check(m.write("list.crl", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})))
	return r.opensslServer("-cert", "bad.pem", "-key", "bad.key")
}

// badURIServer has a name that Go's parser refuses, which would end the
// handshake without a word about the certificate.
func badURIServer(r *tlsRig) string {
	r.openssl("req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", "bad.key", "-out", "bad.pem", "-days", "2", "-subj", "/CN=localhost",
		"-addext", "subjectAltName=DNS:localhost,URI:http://[bad/%zz")
	return r.opensslServer("-cert", "bad.pem", "-key", "bad.key")
}
