package tlsx_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brio-net/brio/pkg/tlsx"
)

// Every kind of key that OpenSSL makes, in every form it writes, belongs to the
// certificate that was made with it, and to no other.
func TestKeysOfEveryKind(t *testing.T) {
	dir := t.TempDir()
	openssl(t, dir, "genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024", "-out", "dsa.param")
	read := func(name string) tlsx.Object {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		objects, err := tlsx.ReadObjects(data, nil)
		if err != nil || len(objects) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		return objects[len(objects)-1] // after parameters
	}
	var before *tlsx.Certificate
	for name, args := range map[string][]string{
		"rsa":       {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"},
		"rsa-pss":   {"-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:1024"},
		"p224":      {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-224"},
		"p256":      {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"},
		"p384":      {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"},
		"p521":      {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"},
		"secp256k1": {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"},
		"brainpool": {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"},
		"explicit":  {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"},
		"ed25519":   {"-algorithm", "ED25519"},
		"ed448":     {"-algorithm", "ED448"},
		"dsa":       {"-paramfile", "dsa.param"},
	} {
		openssl(t, dir, append(append([]string{"genpkey"}, args...), "-out", name+".key")...)
		openssl(t, dir, "req", "-x509", "-new", "-key", name+".key", "-subj", "/CN="+name, "-days", "2", "-out", name+".pem")
		openssl(t, dir, "req", "-new", "-key", name+".key", "-subj", "/CN="+name, "-addext", "subjectAltName=DNS:"+name+".example", "-out", name+".csr")
		openssl(t, dir, "pkey", "-in", name+".key", "-outform", "DER", "-out", name+".der")
		openssl(t, dir, "pkey", "-in", name+".key", "-pubout", "-out", name+".pub")
		forms := []string{name + ".key", name + ".der"}
		if !strings.HasPrefix(name, "ed") && name != "rsa-pss" {
			openssl(t, dir, "pkey", "-in", name+".key", "-traditional", "-out", name+".old")
			forms = append(forms, name+".old")
		}
		c := read(name + ".pem").Certificate
		if c == nil {
			t.Fatalf("%s: no certificate", name)
		}
		for _, form := range forms {
			k := read(form).Key
			if k == nil || !k.Matches(c) || k.Pin() != c.Pin() || before != nil && k.Matches(before) {
				t.Errorf("%s: %+v does not belong to its certificate", form, k)
			}
		}
		r := read(name + ".csr").Request
		if r == nil || !r.Matches(c) || len(r.SubjectAltNames()) != 1 {
			t.Errorf("%s: the request %+v", name, r)
		} else if err := r.CheckSignature(); err != nil {
			t.Errorf("%s: the signature of the request: %v", name, err)
		}
		if p := read(name + ".pub").PublicKey; p == nil || p.Type != c.PublicKey.Type || p.Bits != c.PublicKey.Bits {
			t.Errorf("%s: the public key %+v", name, p)
		}
		c.Lint(c.NotBefore.Time)
		before = c
	}
}

// A certificate is fit for what its extensions say, and its info says so.
func TestPurposesWithOpenSSL(t *testing.T) {
	dir := t.TempDir()
	for usage, purpose := range map[string]tlsx.Purpose{
		"emailProtection": tlsx.PurposeSMIMEEncrypt, "timeStamping": tlsx.PurposeTimestamp, "OCSPSigning": tlsx.PurposeOCSP,
	} {
		critical := map[bool]string{true: "critical,"}[usage == "timeStamping"]
		openssl(t, dir, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k", "-subj", "/CN=x", "-days", "2",
			"-addext", "extendedKeyUsage="+critical+usage, "-addext", "keyUsage=digitalSignature,keyEncipherment", "-addext", "basicConstraints=critical,CA:FALSE",
			"-addext", "authorityInfoAccess=OCSP;URI:http://ocsp.example/", "-out", usage)
		data, err := os.ReadFile(filepath.Join(dir, usage))
		if err != nil {
			t.Fatal(err)
		}
		objects, err := tlsx.ReadObjects(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := objects[0].Certificate
		if got := c.OCSPServers(); len(got) != 1 || got[0] != "http://ocsp.example/" {
			t.Errorf("%s: OCSP servers %q", usage, got)
		}
		roots := &tlsx.Store{}
		roots.Add(c)
		for _, p := range []tlsx.Purpose{purpose, tlsx.PurposeAny} {
			// A time stamping certificate may have no other key usage (RFC 3161 section 2.3).
			want := usage != "timeStamping" || p == tlsx.PurposeAny
			if r := tlsx.VerifyCertificate(c, tlsx.VerifyOptions{Roots: roots, Purpose: p}); r.OK != want {
				t.Errorf("%s for %s: %v; want %v", usage, p, r, want)
			}
		}
	}
}
