package tlsx_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/tlsx"
)

// TestSecurityLevelsAgainstOpenSSL compares codes for every kind of key and
// digest at every security level.
func TestSecurityLevelsAgainstOpenSSL(t *testing.T) {
	path := need.Tool(t, "openssl")
	dir := t.TempDir()
	openssl(t, dir, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "leaf.key", "-subj", "/CN=leaf", "-out", "leaf.csr")
	openssl(t, dir, "genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024", "-out", "dsa.params")
	for _, tt := range []struct{ key, sign string }{
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "-sha256"},
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-md5"},
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-sha1"},
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-sha3-256"},
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-sha384 -sigopt rsa_padding_mode:pss"},
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:0 -sigopt rsa_mgf1_md:sha512"},
		{"-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", "-sha256"},
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:2052 -pkeyopt rsa_keygen_pubexp:3", "-sha256"},
		{"-algorithm EC -pkeyopt ec_paramgen_curve:P-192", "-sha256"},
		{"-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "-sha224"},
		{"-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP384r1", "-sha512"},
		{"-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "-sha1"},
		{"-algorithm ED25519", ""},
		{"-algorithm ED448", ""},
		{"-paramfile dsa.params", "-sha256"},
	} {
		openssl(t, dir, append([]string{"genpkey", "-out", "ca.key"}, strings.Fields(tt.key)...)...)
		sign := strings.Fields(tt.sign)
		openssl(t, dir, append([]string{"req", "-x509", "-key", "ca.key", "-subj", "/CN=CA", "-out", "ca.pem"}, sign...)...)
		openssl(t, dir, append([]string{"x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "1", "-out", "leaf.pem"}, sign...)...)
		roots := &tlsx.Store{}
		if err := roots.AddFile(filepath.Join(dir, "ca.pem")); err != nil {
			t.Fatal(err)
		}
		leaf := parsePEM(t, string(read(t, dir, "leaf.pem")))
		for level := range 6 {
			c := exec.Command(path, "verify", "-auth_level", fmt.Sprint(level), "-CAfile", "ca.pem", "leaf.pem")
			c.Dir = dir
			out, _ := c.CombinedOutput()
			want := "0"
			if m := lookupError.FindSubmatch(out); m != nil {
				want = string(m[1])
			} else if !bytes.Contains(out, []byte("leaf.pem: OK")) {
				t.Fatalf("%s %s: %s", tt.key, tt.sign, out)
			}
			o := tlsx.VerifyOptions{Roots: roots, SecurityLevel: level, Purpose: tlsx.PurposeAny}
			if level == 0 {
				o.SecurityLevel = -1
			}
			if r := tlsx.VerifyCertificate(leaf, o); fmt.Sprint(int(r.Code)) != want {
				t.Errorf("%s %s at level %d: code %d %+v; openssl says %s", tt.key, tt.sign, level, r.Code, r.Faults, want)
			}
		}
	}
}
