package tlsx_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
		o := objects[len(objects)-1] // after parameters
		if i := o.Info(); i.Problem != "" || i.Kind != o.Kind {
			t.Errorf("%s: %+v", name, i)
		}
		return o
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

// A chain in any order is one tree, from its root to its end.
func TestBundleIsATree(t *testing.T) {
	id, root, err := tlsx.MakeChain([]string{"localhost"}, time.Hour, "")
	if err != nil {
		t.Fatal(err)
	}
	certs := []*tlsx.Certificate{must(tlsx.ParseCertificate(root.Raw))}
	for _, der := range id.Certificate {
		certs = append(certs, must(tlsx.ParseCertificate(der)))
	}
	b := tlsx.NewBundle(certs)
	if roots := b.Roots(); !slices.Equal(roots, []int{0}) {
		t.Errorf("Roots() = %v", roots)
	}
	chain := b.Chain(1)
	if len(chain) != len(certs) || chain[len(chain)-1] != 0 {
		t.Errorf("Chain(1) = %v", chain)
	}
	for i, c := range chain[1:] {
		if !slices.Contains(b.Children(c), chain[i]) {
			t.Errorf("Children(%d) = %v", c, b.Children(c))
		}
	}
}

// Words of the command line and of JSON are read as they are written.
func TestWordsComeBack(t *testing.T) {
	for _, mode := range []tlsx.VerifyMode{tlsx.VerifyNone, tlsx.VerifyOptional, tlsx.VerifyRequired} {
		text, err := mode.MarshalText()
		var back tlsx.VerifyMode
		if err != nil || back.UnmarshalText(text) != nil || back != mode {
			t.Errorf("%v is %q, which is %v", mode, text, back)
		}
	}
	for _, check := range []tlsx.CRLCheck{tlsx.CRLOff, tlsx.CRLLeaf, tlsx.CRLAll} {
		text, err := check.MarshalText()
		var back tlsx.CRLCheck
		if err != nil || back.UnmarshalText(text) != nil || back != check {
			t.Errorf("%v is %q, which is %v", check, text, back)
		}
	}
	for _, word := range []string{"client", "server"} {
		var order tlsx.CipherOrder
		if err := order.UnmarshalText([]byte(word)); err != nil || order.String() != word {
			t.Errorf("%q is %v, %v", word, order, err)
		}
	}
	if new(tlsx.CipherOrder).UnmarshalText([]byte("x")) == nil {
		t.Error("an order that is none is taken")
	}
}

// Requests, lists, responses and containers of OpenSSL show what is in them.
func TestContainersOfOpenSSL(t *testing.T) {
	dir := t.TempDir()
	openssl(t, dir, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k", "-subj", "/CN=x", "-days", "2", "-out", "c")
	if err := os.WriteFile(filepath.Join(dir, "index"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte("[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\ncrlnumber=n\ndefault_crl_days=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "n"), []byte("01\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	openssl(t, dir, "ca", "-config", "conf", "-gencrl", "-keyfile", "k", "-cert", "c", "-out", "crl")
	openssl(t, dir, "ocsp", "-index", "index", "-CA", "c", "-rsigner", "c", "-rkey", "k", "-issuer", "c", "-cert", "c", "-respout", "ocsp", "-no_nonce", "-noverify")
	openssl(t, dir, "crl2pkcs7", "-in", "crl", "-certfile", "c", "-out", "p7")
	openssl(t, dir, "crl2pkcs7", "-in", "crl", "-certfile", "c", "-outform", "DER", "-out", "p7.der")
	for _, how := range [][]string{{"aes", "-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC"}, {"des", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"},
		{"sha512", "-macalg", "sha512"}, {"nomac", "-nomac"}, {"open", "-keypbe", "NONE", "-certpbe", "NONE"}} {
		openssl(t, dir, append([]string{"pkcs12", "-export", "-inkey", "k", "-in", "c", "-name", "me", "-passout", "pass:x", "-out", how[0] + ".p12"}, how[1:]...)...)
	}
	for name, want := range map[string][]tlsx.ObjectKind{
		"crl": {tlsx.ObjectCRL}, "ocsp": {tlsx.ObjectOCSP}, "p7": {tlsx.ObjectCertificate, tlsx.ObjectCRL}, "p7.der": {tlsx.ObjectCertificate, tlsx.ObjectCRL},
		"aes.p12": {tlsx.ObjectCertificate, tlsx.ObjectKey}, "des.p12": {tlsx.ObjectCertificate, tlsx.ObjectKey},
		"sha512.p12": {tlsx.ObjectCertificate, tlsx.ObjectKey}, "nomac.p12": {tlsx.ObjectCertificate, tlsx.ObjectKey},
		"open.p12": {tlsx.ObjectCertificate, tlsx.ObjectKey},
	} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		objects, err := tlsx.ReadObjects(data, func() ([]byte, error) { return []byte("x"), nil })
		var got []tlsx.ObjectKind
		for _, o := range objects {
			i := o.Info()
			got = append(got, i.Kind)
			if i.Problem != "" {
				t.Errorf("%s: %s", name, i.Problem)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s holds %v, %v; want %v", name, got, err, want)
		}
	}
}
