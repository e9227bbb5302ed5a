package tlsx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/tlsx"
)

func systemBundle(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		need.Missing(t, "no system roots: %v", err)
	}
	return data
}

// TestSubjectHash compares hashes, serial numbers and fingerprints of the
// system's certificates with those of openssl x509.
func TestSubjectHash(t *testing.T) {
	objects, err := tlsx.ReadObjects(systemBundle(t), nil)
	if err != nil || len(objects) < 50 {
		t.Fatalf("ReadObjects = %d objects, %v", len(objects), err)
	}
	for _, o := range objects {
		c := exec.Command(need.Tool(t, "openssl"), "x509", "-inform", "DER", "-noout", "-subject_hash", "-issuer_hash", "-subject_hash_old", "-serial", "-fingerprint", "-sha256")
		c.Stdin = bytes.NewReader(o.DER)
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		i := o.Certificate.Info()
		want := strings.Split(strings.TrimSpace(string(out)), "\n")
		got := []string{i.SubjectHash, i.IssuerHash, i.SubjectHashOld, "serial=" + strings.TrimPrefix(strings.ToUpper(i.SerialHex), "00"),
			strings.ReplaceAll(want[4][strings.IndexByte(want[4], '=')+1:], ":", "")}
		for n := range 3 {
			if got[n] != want[n] {
				t.Errorf("%s: hash %d = %s; openssl says %s", i.Subject, n, got[n], want[n])
			}
		}
		if got[3] != want[3] && i.Serial != "0" {
			t.Errorf("%s: %s; openssl says %s", i.Subject, got[3], want[3])
		}
		if !strings.EqualFold(got[4], i.Fingerprints.SHA256) {
			t.Errorf("%s: fingerprint %s; openssl says %s", i.Subject, i.Fingerprints.SHA256, want[4])
		}
	}
}

// TestReadObjects reads what openssl and keytool write, in every container.
func TestReadObjects(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) { openssl(t, dir, args...) }
	run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=one.example", "-addext", "subjectAltName=DNS:one.example,IP:192.0.2.1")
	run("req", "-new", "-key", "key.pem", "-subj", "/CN=one.example", "-addext", "subjectAltName=DNS:one.example", "-out", "csr.pem")
	run("x509", "-in", "cert.pem", "-outform", "DER", "-out", "cert.der")
	run("x509", "-in", "cert.pem", "-addtrust", "serverAuth", "-addreject", "clientAuth", "-setalias", "me", "-trustout", "-out", "trusted.pem")
	run("crl2pkcs7", "-nocrl", "-certfile", "cert.pem", "-out", "p7.pem")
	run("crl2pkcs7", "-nocrl", "-certfile", "cert.pem", "-outform", "DER", "-out", "p7.der")
	run("pkcs12", "-export", "-in", "cert.pem", "-inkey", "key.pem", "-passout", "pass:secret", "-name", "entry", "-out", "store.p12")
	run("pkcs8", "-topk8", "-in", "key.pem", "-passout", "pass:secret", "-out", "encrypted.pem")
	run("ec", "-in", "key.pem", "-aes128", "-passout", "pass:secret", "-out", "traditional.pem")
	run("ec", "-in", "key.pem", "-outform", "DER", "-out", "key.der")
	run("pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
	kinds := func(name string, password string) (list []string) {
		t.Helper()
		var open tlsx.PasswordFunc
		if password != "" {
			open = pass(password)
		}
		objects, err := tlsx.ReadObjects(read(t, dir, name), open)
		if err != nil {
			return []string{err.Error()}
		}
		for _, o := range objects {
			s := string(o.Kind)
			if o.Problem != "" {
				s += ": " + o.Problem
			}
			list = append(list, s)
		}
		return list
	}
	for _, tt := range []struct{ file, password, want string }{
		{"cert.pem", "", "certificate"},
		{"cert.der", "", "certificate"},
		{"csr.pem", "", "request"},
		{"trusted.pem", "", "certificate"},
		{"p7.pem", "", "certificate"},
		{"p7.der", "", "certificate"},
		{"store.p12", "secret", "certificate private-key"},
		{"store.p12", "", "PKCS #12: a password is required"},
		{"encrypted.pem", "", "encrypted-private-key"},
		{"encrypted.pem", "secret", "private-key"},
		{"traditional.pem", "secret", "private-key"},
		{"key.pem", "", "private-key"},
		{"key.der", "", "private-key"},
		{"public.pem", "", "public-key"},
	} {
		if got := strings.Join(kinds(tt.file, tt.password), " "); got != tt.want {
			t.Errorf("ReadObjects(%s) with password %q = %q; want %q", tt.file, tt.password, got, tt.want)
		}
	}
}

// TestKeyMatches makes keys of every kind openssl knows and compares their
// public halves with those in certificates, and checks the signatures.
func TestKeyMatches(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"RSA", "-pkeyopt", "rsa_keygen_bits:1024"}, {"RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"},
		{"EC", "-pkeyopt", "ec_paramgen_curve:P-384"}, {"EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"},
		{"EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"}, {"EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP512t1"},
		{"EC", "-pkeyopt", "ec_paramgen_curve:P-192"}, {"EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"},
		{"ED25519"}, {"ED448"},
	} {
		name := strings.Join(args, " ")
		openssl(t, dir, append([]string{"genpkey", "-out", "key.pem", "-algorithm"}, args...)...)
		openssl(t, dir, "req", "-x509", "-key", "key.pem", "-subj", "/CN=x", "-out", "cert.pem")
		objects, err := tlsx.ReadObjects(append(read(t, dir, "key.pem"), read(t, dir, "cert.pem")...), nil)
		if err != nil || len(objects) != 2 || objects[0].Key == nil || objects[1].Certificate == nil {
			t.Fatalf("%s: ReadObjects = %+v, %v", name, objects, err)
		}
		k, c := objects[0].Key, objects[1].Certificate
		if !k.Matches(c) || objects[0].Problem != "" {
			t.Errorf("%s: the key does not match: %s; %+v", name, objects[0].Problem, k.PublicKey)
		}
		if k.Pin() != c.Pin() {
			t.Errorf("%s: pin of the key %s, of the certificate %s", name, k.Pin(), c.Pin())
		}
		if err := c.CheckSignature(&c.PublicKey); err != nil {
			t.Errorf("%s: CheckSignature = %v", name, err)
		}
		broken := *c
		broken.Signature = bytes.Clone(c.Signature)
		broken.Signature[len(broken.Signature)-1] ^= 1
		if broken.CheckSignature(&c.PublicKey) == nil {
			t.Errorf("%s: a broken signature passes", name)
		}
	}
}

// TestReadKeyStore reads what keytool writes. The keys are protected by ways of
// Java's own.
func TestReadKeyStore(t *testing.T) {
	keytool := need.Tool(t, "keytool")
	dir := t.TempDir()
	for _, typ := range []string{"JKS", "JCEKS"} {
		store := filepath.Join(dir, typ)
		cmd := exec.Command(keytool, "-genkeypair", "-alias", "server", "-keyalg", "RSA", "-storetype", typ, "-keystore", store,
			"-storepass", "changeit", "-keypass", "changeit", "-dname", "CN=one.example")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("keytool: %v\n%s", err, out)
		}
		data := read(t, store)
		objects, err := tlsx.ReadObjects(data, nil)
		if err != nil || len(objects) != 2 || objects[0].Kind != tlsx.ObjectEncryptedKey || objects[1].Certificate == nil {
			t.Fatalf("%s: ReadObjects = %+v, %v", typ, objects, err)
		}
		cert := objects[1].Certificate
		if o := objects[1]; o.Label != "server" || cert.Subject.First("CN") != "one.example" {
			t.Errorf("%s: %+v", typ, o)
		}
		for password, want := range map[string]error{"changeit": nil, "changeme": tlsx.ErrPassword} {
			give := func() ([]byte, error) { return []byte(password), nil }
			objects, err := tlsx.ReadObjects(data, give)
			if err != nil || len(objects) != 2 || !errors.Is(objects[0].Err, want) || want == nil && !objects[0].Key.Matches(cert) {
				t.Errorf("%s with %s: ReadObjects = %+v, %v; want %v", typ, password, objects, err, want)
			}
			if id, err := tlsx.ParseIdentity(data, nil, give); !errors.Is(err, want) || want == nil && !bytes.Equal(id.Certificate[0], cert.Raw) {
				t.Errorf("%s with %s: ParseIdentity = %v; want %v", typ, password, err, want)
			}
		}
		if _, err := tlsx.ParseIdentity(data, nil, nil); !errors.Is(err, tlsx.ErrPasswordRequired) {
			t.Errorf("%s: ParseIdentity without a password = %v; want %v", typ, err, tlsx.ErrPasswordRequired)
		}
	}
}

func FuzzReadObjects(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("\xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02\x00\x01a"))
	for _, s := range []string{seedExtensions, seedPKCS12Plain} {
		f.Add(seed(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if slow(data) {
			return
		}
		objects, err := tlsx.ReadObjects(data, func() ([]byte, error) { return []byte("x"), nil })
		if err == nil && len(objects) == 0 {
			t.Error("no objects and no error")
		}
		for _, o := range objects {
			o.PEM()
			if _, err := json.Marshal(o.Info()); err != nil {
				t.Errorf("%x: %v", data, err)
			}
		}
	})
}

func FuzzParseCertificate(f *testing.F) {
	for _, s := range []string{seedExtensions, seedP256, seedEd25519} {
		f.Add(seed(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := tlsx.ParseCertificate(data)
		if err != nil {
			return
		}
		if _, err := json.Marshal(c.Info()); err != nil {
			t.Errorf("%x: %v", data, err)
		}
		c.Lint(c.NotBefore.Time)
		c.MatchesHostname("a.example", true)
		root := &tlsx.Store{}
		root.Add(c)
		tlsx.VerifyCertificate(c, tlsx.VerifyOptions{Roots: root, Strict: true, PolicyCheck: true, CheckRootSignature: true})
		if len(c.Defects) > 64 {
			t.Errorf("%d defects", len(c.Defects))
		}
	})
}

func FuzzParseCRL(f *testing.F) {
	f.Add([]byte{0x30, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		if l, err := tlsx.ParseCRL(data); err == nil && l.Issuer.Raw == nil {
			t.Error("a list without an issuer")
		}
	})
}

func FuzzParseOCSP(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x0a, 0x01, 0x06})
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := tlsx.ParseOCSP(data); err == nil && r == nil {
			t.Error("no response and no error")
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte{0x30, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := tlsx.ParseRequest(data); err == nil {
			_ = r.CheckSignature() // any verdict will do
		}
	})
}
