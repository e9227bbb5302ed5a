package tlsx

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/brio-net/brio/internal/need"
)

// TestPKCS12Time gives up a file that takes too long to open, in parts that are
// encrypted as a whole and in single keys.
func TestPKCS12Time(t *testing.T) {
	openssl := need.Tool(t, "openssl")
	dir := t.TempDir()
	for _, args := range [][]string{
		{"req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=x"},
		{"pkcs12", "-export", "-nomac", "-certpbe", "NONE", "-inkey", "key.pem", "-in", "cert.pem", "-out", "key.p12", "-passout", "pass:"},
		{"pkcs12", "-export", "-nomac", "-keypbe", "NONE", "-inkey", "key.pem", "-in", "cert.pem", "-out", "cert.p12", "-passout", "pass:"},
	} {
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %q: %v\n%s", args, err, out)
		}
	}
	for _, file := range []string{"key.p12", "cert.p12"} {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		s := cryptobyte.String(data)
		var pfx, content cryptobyte.String
		if !s.ReadASN1(&pfx, cbasn1.SEQUENCE) || !pfx.SkipASN1(cbasn1.INTEGER) {
			t.Fatalf("%s is malformed", file)
		}
		_, safe, err := readContentInfo(&pfx)
		if err != nil || !safe.ReadASN1(&content, cbasn1.OCTET_STRING) {
			t.Fatalf("%s is malformed: %v", file, err)
		}
		if bags, err := readAuthenticatedSafe(content, []byte{}, newOpener(nil)); err != nil || len(bags) != 2 {
			t.Errorf("%s: readAuthenticatedSafe = %d bags, %v; want 2", file, len(bags), err)
		}
		if _, err := readAuthenticatedSafe(content, []byte{}, &opener{}); !errors.Is(err, errOpenTime) {
			t.Errorf("%s: readAuthenticatedSafe = %v; want %v", file, err, errOpenTime)
		}
	}
}
