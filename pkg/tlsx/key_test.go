package tlsx_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/tlsx"
	"software.sslmate.com/src/go-pkcs12"
)

// openssl runs openssl in dir.
func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command(need.Tool(t, "openssl"), args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %q: %v\n%s", args, err, out)
	}
}

func read(t *testing.T, parts ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func pass(s string) tlsx.PasswordFunc { return func() ([]byte, error) { return []byte(s), nil } }

// keyDir makes a P-256 key and a certificate for it.
func keyDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	openssl(t, dir, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "plain.pem")
	openssl(t, dir, "req", "-x509", "-key", "plain.pem", "-subj", "/CN=key.example", "-days", "2", "-out", "cert.pem")
	return dir
}

// TestCertificatePassword covers the keyword certificate-password: every way a
// key is encrypted, the right and the wrong password, and none.
func TestCertificatePassword(t *testing.T) {
	dir := keyDir(t)
	want, err := tlsx.ParsePrivateKey(read(t, dir, "plain.pem"), nil)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(args ...string) []string {
		return append([]string{"pkcs8", "-topk8", "-in", "plain.pem", "-passout", "pass:sesame", "-out", "key.pem"}, args...)
	}
	for name, args := range map[string][]string{
		"DES-EDE3-CBC":          {"ec", "-in", "plain.pem", "-des3", "-passout", "pass:sesame", "-out", "key.pem"},
		"AES-128-CBC":           {"ec", "-in", "plain.pem", "-aes128", "-passout", "pass:sesame", "-out", "key.pem"},
		"AES-256-CBC":           {"ec", "-in", "plain.pem", "-aes256", "-passout", "pass:sesame", "-out", "key.pem"},
		"PBES2":                 pkcs8(),
		"PBES2 AES-128 SHA-1":   pkcs8("-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"),
		"PBES2 AES-192 SHA-224": pkcs8("-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA224"),
		"PBES2 AES-256 SHA-384": pkcs8("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA384"),
		"PBES2 AES-256 SHA-512": pkcs8("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"),
		"PBES2 3DES":            pkcs8("-v2", "des3"),
		"PBES2 DER":             pkcs8("-outform", "DER"),
		"scrypt":                pkcs8("-scrypt"),
		"PBE-SHA1-3DES":         pkcs8("-v1", "PBE-SHA1-3DES"),
		"PBE-SHA1-2DES":         pkcs8("-v1", "PBE-SHA1-2DES"),
		"PBE-MD5-DES":           pkcs8("-v1", "PBE-MD5-DES", "-provider", "legacy", "-provider", "default"),
		"PBE-SHA1-DES":          pkcs8("-v1", "PBE-SHA1-DES", "-provider", "legacy", "-provider", "default"),
		"PBE-SHA1-RC2-40":       pkcs8("-v1", "PBE-SHA1-RC2-40", "-provider", "legacy", "-provider", "default"),
		"PBE-SHA1-RC2-128":      pkcs8("-v1", "PBE-SHA1-RC2-128", "-provider", "legacy", "-provider", "default"),
		"PBE-SHA1-RC2-64":       pkcs8("-v1", "PBE-SHA1-RC2-64", "-provider", "legacy", "-provider", "default"),
		"PBE-MD5-RC2-64":        pkcs8("-v1", "PBE-MD5-RC2-64", "-provider", "legacy", "-provider", "default"),
		"PBE-SHA1-RC4-128":      pkcs8("-v1", "PBE-SHA1-RC4-128", "-provider", "legacy", "-provider", "default"),
		"PBE-SHA1-RC4-40":       pkcs8("-v1", "PBE-SHA1-RC4-40", "-provider", "legacy", "-provider", "default"),
	} {
		t.Run(name, func(t *testing.T) {
			openssl(t, dir, args...)
			data := read(t, dir, "key.pem")
			got, err := tlsx.ParsePrivateKey(data, pass("sesame"))
			if err != nil || !got.(interface{ Equal(crypto.PrivateKey) bool }).Equal(want) {
				t.Errorf("right password: %v; want the key", err)
			}
			if _, err := tlsx.ParsePrivateKey(data, pass("wrong")); !errors.Is(err, tlsx.ErrPassword) {
				t.Errorf("wrong password: %v; want %v", err, tlsx.ErrPassword)
			}
			if _, err := tlsx.ParsePrivateKey(data, nil); !errors.Is(err, tlsx.ErrPasswordRequired) {
				t.Errorf("no password: %v; want %v", err, tlsx.ErrPasswordRequired)
			}
		})
	}
}

func TestPlainKeys(t *testing.T) {
	dir := keyDir(t)
	openssl(t, dir, "ec", "-in", "plain.pem", "-out", "sec1.pem")
	openssl(t, dir, "ec", "-in", "plain.pem", "-outform", "DER", "-out", "sec1.der")
	openssl(t, dir, "genrsa", "-traditional", "-out", "pkcs1.pem", "2048")
	openssl(t, dir, "genpkey", "-algorithm", "ED25519", "-out", "ed25519.pem")
	for _, name := range []string{"plain.pem", "sec1.pem", "sec1.der", "pkcs1.pem", "ed25519.pem"} {
		if _, err := tlsx.ParsePrivateKey(read(t, dir, name), nil); err != nil {
			t.Errorf("ParsePrivateKey(%s) = %v", name, err)
		}
	}
	if _, err := tlsx.ParsePrivateKey(read(t, dir, "cert.pem"), nil); !errors.Is(err, tlsx.ErrNoKey) {
		t.Errorf("ParsePrivateKey(cert.pem) = %v; want %v", err, tlsx.ErrNoKey)
	}
}

// TestPKCS12 covers PKCS #12 files of openssl and of another writer, with and
// without a key.
func TestPKCS12(t *testing.T) {
	dir := keyDir(t)
	export := func(args ...string) []byte {
		openssl(t, dir, append([]string{"pkcs12", "-export", "-in", "cert.pem", "-inkey", "plain.pem", "-name", "brio", "-out", "id.p12"}, args...)...)
		return read(t, dir, "id.p12")
	}
	for name, data := range map[string][]byte{
		"modern": export("-passout", "pass:sesame"),
		"legacy": export("-passout", "pass:sesame", "-legacy"),
		"no MAC": export("-passout", "pass:sesame", "-nomac"),
		"own":    otherP12(t, dir, "sesame"),
	} {
		id, err := tlsx.ParseIdentity(data, nil, pass("sesame"))
		if err != nil || len(id.Certificate) != 1 || id.Leaf.Subject.CommonName != "key.example" {
			t.Errorf("%s: ParseIdentity = %d certificates, %v; want 1, nil", name, len(id.Certificate), err)
		}
		if _, err := tlsx.ParseIdentity(data, nil, pass("wrong")); !errors.Is(err, tlsx.ErrPassword) {
			t.Errorf("%s: wrong password: %v; want %v", name, err, tlsx.ErrPassword)
		}
		if _, err := tlsx.ParseIdentity(data, nil, nil); !errors.Is(err, tlsx.ErrPasswordRequired) {
			t.Errorf("%s: no password: %v; want %v", name, err, tlsx.ErrPasswordRequired)
		}
	}
	if _, err := tlsx.ParseIdentity(export("-passout", "pass:"), nil, nil); err != nil {
		t.Errorf("empty password: %v", err)
	}
	for name, data := range map[string][]byte{
		"certificates only":         export("-nokeys", "-passout", "pass:sesame"),
		"certificates only, legacy": export("-nokeys", "-passout", "pass:sesame", "-legacy"),
	} {
		bags, err := tlsx.ParsePKCS12(data, []byte("sesame"))
		if err != nil || len(bags) != 1 || bags[0].Kind != tlsx.P12Certificate || !bags[0].Encrypted {
			t.Errorf("%s: ParsePKCS12 = %+v, %v; want one encrypted certificate", name, bags, err)
		}
		if _, err := tlsx.ParseIdentity(data, nil, pass("sesame")); !errors.Is(err, tlsx.ErrNoKey) {
			t.Errorf("%s: ParseIdentity = %v; want %v", name, err, tlsx.ErrNoKey)
		}
		if _, err := tlsx.ParseIdentity(data, read(t, dir, "plain.pem"), pass("sesame")); err != nil {
			t.Errorf("%s and a key file: %v", name, err)
		}
	}
	bags, err := tlsx.ParsePKCS12(export("-passout", "pass:sesame"), []byte("sesame"))
	if err != nil || len(bags) != 2 || bags[0].FriendlyName != "brio" || !bytes.Equal(bags[0].LocalKeyID, bags[1].LocalKeyID) {
		t.Errorf("ParsePKCS12 = %+v, %v; want a key and its certificate named brio", bags, err)
	}
}

// otherP12 is a file that go-pkcs12 wrote.
func otherP12(t *testing.T, dir, password string) []byte {
	t.Helper()
	key, err := tlsx.ParsePrivateKey(read(t, dir, "plain.pem"), nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := tlsx.ParseIdentity(read(t, dir, "cert.pem"), read(t, dir, "plain.pem"), nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := pkcs12.Modern2023.WithRand(rand.Reader).Encode(key, id.Leaf, nil, password)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestIdentityOrder(t *testing.T) {
	dir := keyDir(t)
	openssl(t, dir, "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "ca.key", "-subj", "/CN=ca.example", "-out", "ca.pem")
	file := append(read(t, dir, "ca.pem"), read(t, dir, "cert.pem")...)
	id, err := tlsx.ParseIdentity(file, read(t, dir, "plain.pem"), nil)
	if err != nil || len(id.Certificate) != 2 {
		t.Fatalf("ParseIdentity = %d certificates, %v; want 2, nil", len(id.Certificate), err)
	}
	if first, err := x509.ParseCertificate(id.Certificate[0]); err != nil || first.Subject.CommonName != "key.example" {
		t.Errorf("first certificate is not that of the key: %v", err)
	}
	if _, err := tlsx.ParseIdentity(read(t, dir, "ca.pem"), read(t, dir, "plain.pem"), nil); !errors.Is(err, tlsx.ErrKeyMismatch) {
		t.Errorf("ParseIdentity of a foreign certificate = %v; want %v", err, tlsx.ErrKeyMismatch)
	}
}

// The password is asked for once, however many parts of a file want it.
func TestPasswordAskedOnce(t *testing.T) {
	dir := keyDir(t)
	openssl(t, dir, "ec", "-in", "plain.pem", "-aes128", "-passout", "pass:sesame", "-out", "key.pem")
	key, asked := read(t, dir, "key.pem"), 0
	objects, err := tlsx.ReadObjects(bytes.Repeat(key, 3), func() ([]byte, error) {
		asked++
		return []byte("sesame"), nil
	})
	if err != nil || len(objects) != 3 || asked != 1 {
		t.Errorf("%d objects, asked %d times, %v", len(objects), asked, err)
	}
}

// slow reports data with a number that may be a count of iterations and is more
// than a hundred: the files decide how much work it takes to open them, up to
// some seconds, in which the parsers have nothing to do.
func slow(data []byte) bool {
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	for i := range data {
		b := data[i:]
		if len(b) < 3 || b[0] != 2 || b[1] == 0 || b[1] > 4 || len(b) < 2+int(b[1]) {
			continue
		}
		n := 0
		for _, c := range b[2 : 2+int(b[1])] {
			n = n<<8 | int(c)
		}
		if n > 100 {
			return true
		}
	}
	return false
}

// FuzzParseIdentity gives the parsers of keys any file and any password.
func FuzzParseIdentity(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"), []byte("x"))
	f.Add([]byte("0\x03\x02\x01\x03"), []byte(""))
	for _, s := range []string{seedPBES2, seedPBES1, seedPKCS12, seedPKCS12Plain} {
		f.Add(seed(s), []byte("x"))
	}
	f.Fuzz(func(t *testing.T, data, password []byte) {
		if len(data) > 4096 || slow(data) {
			return
		}
		id, err := tlsx.ParseIdentity(data, nil, func() ([]byte, error) { return password, nil })
		if err == nil && (len(id.Certificate) == 0 || id.PrivateKey == nil) {
			t.Errorf("ParseIdentity(%q) = %+v without an error", data, id)
		}
	})
}
