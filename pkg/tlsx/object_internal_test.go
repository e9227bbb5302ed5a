package tlsx

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// encAlgorithm is an AlgorithmIdentifier.
func encAlgorithm(id oid, params ...[]byte) []byte {
	return enc(encSequence, enc(tagOID, []byte(id)), slices.Concat(params...))
}

func encKey(alg, key []byte) []byte {
	return enc(encSequence, alg, enc(tagBitString, []byte{0}, key))
}

// What is wrong with a public key is said, and such a key has no strength.
func TestPublicKeyProblems(t *testing.T) {
	integer := func(b ...byte) []byte { return enc(tagInteger, b) }
	rsa := func(n, e []byte) []byte { return encKey(encAlgorithm(oidRSA), enc(encSequence, n, e)) }
	dsa := func(p, q, g, y []byte) []byte {
		return encKey(encAlgorithm(oidDSA, enc(encSequence, p, q, g)), y)
	}
	p256 := enc(tagOID, []byte("\x2a\x86\x48\xce\x3d\x03\x01\x07"))
	one, three, minus := integer(1), integer(3), integer(0xff)
	for _, tt := range []struct {
		spki []byte
		kind string // of String
		want string
	}{
		{enc(encSequence), "unreadable", "truncated"},
		{enc(encSequence, encAlgorithm(oidRSA)), "rsaEncryption", "truncated"},
		{encKey(encAlgorithm(oidRSA), integer(1)), "RSA 0", "RSA key: want SEQUENCE"},
		{encKey(encAlgorithm(oidRSA), enc(encSequence, one)), "RSA 0", "RSA key: want two INTEGERs"},
		{rsa(minus, three), "RSA 1", "RSA modulus is not positive"},
		{rsa(three, one), "RSA 2", "RSA exponent is not an odd number above 1"},
		{rsa(three, integer(4)), "RSA 2", "RSA exponent is not an odd number above 1"},
		{encKey(encAlgorithm(oidEC), []byte{4}), "EC ", "EC key without a curve"},
		{encKey(encAlgorithm(oidEC, enc(tagOID, []byte("\x2a\x03"))), []byte{4}), "EC 1.2.3", "unsupported curve 1.2.3"},
		{encKey(encAlgorithm(oidEC, enc(encSequence, one)), []byte{4}), "EC explicit parameters", "unsupported curve explicit parameters"},
		{encKey(encAlgorithm(oidEC, enc(encSequence, one, enc(encSequence), enc(encSequence), enc(tagOctetString), one)), []byte{4}), "EC explicit parameters", "unsupported curve explicit parameters"},
		{encKey(encAlgorithm(oidEC, p256), make([]byte, 65)), "EC P-256", "not a point of P-256"},
		{encKey(encAlgorithm(oidDSA), three), "DSA 0", "DSA key without parameters"},
		{dsa(three, three, nil, three), "DSA 0", "DSA key: malformed"},
		{dsa(three, three, three, nil), "DSA 0", "DSA key: malformed"},
		{dsa(three, three, minus, three), "DSA 2", "DSA key: numbers out of range"},
		{dsa(three, append([]byte{tagInteger, 66, 1}, make([]byte, 65)...), three, three), "DSA 2", "DSA key: numbers out of range"},
		{encKey(encAlgorithm(oidEd25519), make([]byte, 31)), "Ed25519", "Ed25519 key of 31 octets, want 32"},
		{encKey(encAlgorithm(oidEd448), make([]byte, 58)), "Ed448", "Ed448 key of 58 octets, want 57"},
		{encKey(encAlgorithm(oidX25519), make([]byte, 33)), "X25519", "X25519 key of 33 octets, want 32"},
		{encKey(encAlgorithm(oidX448), nil), "X448", "X448 key of 0 octets, want 56"},
	} {
		v, err := parseDER(tt.spki, tagSequence)
		if err != nil {
			t.Fatal(err)
		}
		var bad defects
		k := parseSPKI(v, &bad)
		if !strings.Contains(k.Problem, tt.want) || encDefects(bad) != k.Problem {
			t.Errorf("%x: %q with the defects %q; want %q", tt.spki, k.Problem, encDefects(bad), tt.want)
		}
		if k.Key != nil || k.usable() || k.SecurityBits() != 0 || k.sameKey(&k) || strings.TrimRight(tt.kind, " ") != strings.TrimRight(k.String(), " ") {
			t.Errorf("%x: %q is usable; want %q of no use", tt.spki, k, tt.kind)
		}
	}
}

// NIST SP 800-57, part 1, table 2 and SP 800-56B, appendix D, as OpenSSL rounds them.
func TestSecurityBits(t *testing.T) {
	for _, tt := range []struct {
		key  PublicKey
		want int
	}{
		{PublicKey{Type: "RSA", Bits: 7}, 0},
		{PublicKey{Type: "RSA", Bits: 1024}, 80},
		{PublicKey{Type: "RSA", Bits: 2048}, 112},
		{PublicKey{Type: "RSA-PSS", Bits: 3072}, 128},
		{PublicKey{Type: "RSA", Bits: 4096}, 152},
		{PublicKey{Type: "RSA", Bits: 6144}, 176},
		{PublicKey{Type: "RSA", Bits: 7680}, 192},
		{PublicKey{Type: "RSA", Bits: 8192}, 200},
		{PublicKey{Type: "RSA", Bits: 15360}, 256},
		{PublicKey{Type: "DSA", Bits: 512, qBits: 160}, 0},
		{PublicKey{Type: "DSA", Bits: 1024, qBits: 160}, 80},
		{PublicKey{Type: "DSA", Bits: 2048, qBits: 256}, 112},
		{PublicKey{Type: "DSA", Bits: 2048, qBits: 160}, 80},
		{PublicKey{Type: "DSA", Bits: 3072, qBits: 256}, 128},
		{PublicKey{Type: "DSA", Bits: 7680, qBits: 512}, 192},
		{PublicKey{Type: "DSA", Bits: 15360, qBits: 512}, 256},
		{PublicKey{Type: "EC", Bits: 112}, 56},
		{PublicKey{Type: "EC", Bits: 256}, 128},
		{PublicKey{Type: "EC", Bits: 521}, 256},
		{PublicKey{Type: "X25519", Bits: 253}, 128},
		{PublicKey{Type: "X448", Bits: 448}, 224},
		{PublicKey{Type: "ML-KEM-768", Bits: 9472}, 0},
	} {
		if got := tt.key.SecurityBits(); got != tt.want {
			t.Errorf("%s with %d bits: SecurityBits() = %d; want %d", tt.key.Type, tt.key.Bits, got, tt.want)
		}
	}
}

// An EC key without its public half (RFC 5915 makes it optional) gets it from
// the base point; the curve may stand in the key or before it.
func TestKeyWithoutPublicHalf(t *testing.T) {
	curve := enc(tagOID, []byte("\x2a\x86\x48\xce\x3d\x03\x01\x07"))
	private := func(d *big.Int, rest ...[]byte) []byte {
		return enc(encSequence, enc(tagInteger, []byte{1}), enc(tagOctetString, d.FillBytes(make([]byte, 32))), slices.Concat(rest...))
	}
	pkcs8 := func(alg, key []byte) []byte {
		return enc(encSequence, enc(tagInteger, []byte{0}), alg, enc(tagOctetString, key))
	}
	order := curvesByOID()[oid("\x2a\x86\x48\xce\x3d\x03\x01\x07")].n
	two := big.NewInt(2)
	for what, tt := range map[string]struct {
		der  []byte
		want string
	}{
		"the curve before":      {pkcs8(encAlgorithm(oidEC, curve), private(two)), ""},
		"the curve inside":      {private(two, enc(encInside, curve)), ""},
		"no curve":              {private(two, enc(encInside|1, enc(tagBitString, []byte{0, 4}))), "EC key without a curve"},
		"an unknown curve":      {private(two, enc(encInside, enc(tagOID, []byte("\x2a\x03")))), "unsupported curve"},
		"no parameters":         {pkcs8(encAlgorithm(oidEC), private(two)), "unsupported curve"},
		"odd parameters":        {pkcs8(encAlgorithm(oidEC, enc(encSequence)), private(two)), "unsupported curve"},
		"a cut key":             {pkcs8(encAlgorithm(oidEC, curve), enc(encSequence, enc(tagInteger, []byte{1}))), "EC key: malformed"},
		"RSA of two numbers":    {pkcs8(encAlgorithm(oidRSA), enc(encSequence, enc(tagInteger, []byte{0}))), "RSA key: malformed"},
		"DSA without numbers":   {pkcs8(encAlgorithm(oidDSA, enc(encSequence)), enc(tagInteger, []byte{1})), "DSA key: malformed"},
		"DSA without x":         {pkcs8(encAlgorithm(oidDSA, enc(encSequence)), enc(tagNull)), "want INTEGER"},
		"DSA of modulus 0":      {pkcs8(encAlgorithm(oidDSA, enc(encSequence, enc(tagInteger, []byte{0}), enc(tagInteger, []byte{1}), enc(tagInteger, []byte{1}))), enc(tagInteger, []byte{1})), "out of range"},
		"a short Ed25519":       {pkcs8(encAlgorithm(oidEd25519), enc(tagOctetString, make([]byte, 31))), "private key of the kind"},
		"a bare Ed25519":        {pkcs8(encAlgorithm(oidEd25519), make([]byte, 32)), "want OCTET STRING"},
		"a short X25519":        {pkcs8(encAlgorithm(oidX25519), enc(tagOctetString, make([]byte, 31))), "invalid"},
		"the point at infinity": {private(order, enc(encInside, curve)), ""},
	} {
		objects, err := ReadObjects(tt.der, nil)
		if err != nil || len(objects) != 1 || objects[0].Kind != ObjectKey {
			t.Errorf("%s: %+v, %v; want a key", what, objects, err)
			continue
		}
		if o := objects[0]; (o.Problem == "") != (tt.want == "") || !strings.Contains(o.Problem, tt.want) {
			t.Errorf("%s: the problem %q; want %q", what, o.Problem, tt.want)
		}
	}
	objects, _ := ReadObjects(private(two, enc(encInside, curve)), nil)
	v, err := parseDER(objects[0].Key.spki, tagSequence)
	if err != nil {
		t.Fatal(err)
	}
	// 2G, as in the test vectors of NIST's curves.
	x, _ := new(big.Int).SetString("7cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978", 16)
	if k := parseSPKI(v, &defects{}); k.x == nil || k.x.Cmp(x) != 0 {
		t.Errorf("the public half of the key 2 is %x; want %x", k.x, x)
	}
}

// Every kind of object is recognised in DER and in base64 without a frame.
func TestReadObjectsByShape(t *testing.T) {
	id, root, err := MakeChain([]string{"localhost"}, time.Hour, "")
	if err != nil {
		t.Fatal(err)
	}
	signed := func(tbs ...[]byte) []byte {
		return enc(encSequence, enc(encSequence, tbs...), encAlgorithm(oidRSA), enc(tagBitString, []byte{0, 1}))
	}
	name, date := enc(encSequence), enc(tagUTCTime, []byte("260101000000Z"))
	zero := enc(tagInteger, []byte{0})
	spki, err := x509.MarshalPKIXPublicKey(id.Leaf.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	trust := enc(encSequence, enc(tagUTF8, []byte("me")))
	for what, tt := range map[string]struct {
		data []byte
		want string
	}{
		"a certificate":              {id.Leaf.Raw, "certificate"},
		"two certificates":           {slices.Concat(id.Leaf.Raw, root.Raw), "certificate certificate"},
		"trust settings":             {slices.Concat(id.Leaf.Raw, trust), "certificate"},
		"text behind a certificate":  {slices.Concat(id.Leaf.Raw, []byte("x")), "certificate unknown"},
		"a request":                  {signed(zero, name, spki, enc(encInside)), "request"},
		"a request of nothing":       {signed(zero, name, spki), "request"},
		"a list":                     {signed(enc(tagInteger, []byte{1}), encAlgorithm(oidRSA), name, date), "crl"},
		"a list of the old version":  {signed(encAlgorithm(oidRSA), name, date), "crl"},
		"a public key":               {spki, "public-key"},
		"an encrypted key":           {enc(encSequence, encAlgorithm(oidRSA), enc(tagOctetString, []byte{1})), "encrypted-private-key"},
		"an OCSP response":           {enc(encSequence, enc(tagEnumerated, []byte{6})), "ocsp-response"},
		"numbers":                    {enc(encSequence, zero), "unknown"},
		"an empty sequence":          {enc(encSequence), "unknown"},
		"a sequence of cut elements": {enc(encSequence, []byte{encSequence, 9}), "unknown"},
	} {
		for form, data := range map[string][]byte{"DER": tt.data, "base64": []byte(" " + base64.StdEncoding.EncodeToString(tt.data) + " \n")} {
			objects, err := ReadObjects(data, nil)
			if err != nil {
				t.Errorf("%s, %s: %v", what, form, err)
			}
			var kinds []string
			for _, o := range objects {
				kinds = append(kinds, string(o.Kind))
				if o.Source != form {
					t.Errorf("%s, %s: the source %q", what, form, o.Source)
				}
				if o.Kind == ObjectUnknown && (o.Problem == "" || o.PEM() != nil) {
					t.Errorf("%s, %s: an unknown object without a problem", what, form)
				}
			}
			if got := strings.Join(kinds, " "); got != tt.want {
				t.Errorf("%s, %s: %q; want %q", what, form, got, tt.want)
			}
		}
	}
	objects, _ := ReadObjects(slices.Concat(id.Leaf.Raw, trust), nil)
	if c := objects[0].Certificate; c == nil || c.Aux == nil || c.Aux.Alias != "me" || c.Aux.hasTrust {
		t.Errorf("the trust settings behind a certificate: %+v", objects[0])
	}
	again, err := ReadObjects(objects[0].PEM(), nil)
	if err != nil || len(again) != 1 || string(again[0].DER) != string(id.Leaf.Raw) {
		t.Errorf("what PEM writes is read as %+v, %v", again, err)
	}
	if _, err := ReadObjects([]byte{encSequence, 9}, nil); !errors.Is(err, errTruncated) {
		t.Errorf("a cut file: %v; want %v", err, errTruncated)
	}
	for _, s := range []string{"", "hello", "AQID"} {
		if _, err := ReadObjects([]byte(s), nil); err != ErrNoObjects {
			t.Errorf("ReadObjects(%q) = %v; want %v", s, err, ErrNoObjects)
		}
	}
}

// PEM blocks of each type, good and broken: what one block spoils is said for
// that block, and the others are read.
func TestReadObjectsPEMTypes(t *testing.T) {
	block := func(typ, body string) string {
		return pemBegin + typ + pemDash + "\n" + body + "\n" + pemEnd + typ + pemDash + "\n"
	}
	b64 := func(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }
	pkcs7 := func(parts ...[]byte) string { return b64(enc(encSequence, parts...)) }
	signed := enc(tagOID, []byte(oidPKCS7Signed))
	rsa := enc(encSequence, enc(tagInteger, []byte{0x0c, 0xa1}), enc(tagInteger, []byte{17}))
	for _, tt := range []struct{ typ, body, kind, problem string }{
		{"RSA PUBLIC KEY", b64(rsa), "public-key", ""},
		{"PUBLIC KEY", b64([]byte{1, 2, 3}), "public-key", "truncated"},
		{"OCSP RESPONSE", b64(enc(encSequence, enc(tagEnumerated, []byte{6}))), "ocsp-response", ""},
		{"DH PARAMETERS", "", "", ""},
		{"EC PARAMETERS", "", "", ""},
		{"SSH2 PUBLIC KEY", "AQID", "unknown", "not known"},
		{"CERTIFICATE", "A*ID", "unknown", "broken PEM: illegal base64"},
		{"CERTIFICATE", "AQ ID", "certificate", "truncated"},
		{"X509 CRL", "AQID", "crl", "truncated"},
		{"TRUSTED CERTIFICATE", "AQID", "certificate", "truncated"},
		{"CMS", "AQID", "unknown", "PKCS #7: "},
		{"PKCS7", pkcs7(enc(tagNull)), "unknown", "PKCS #7: want OBJECT IDENTIFIER"},
		{"PKCS7", pkcs7(enc(tagOID, []byte("\x2a\x03"))), "unknown", "PKCS #7: 1.2.3 holds no certificates"},
		{"PKCS7", pkcs7(signed), "unknown", "PKCS #7: no content"},
		{"PKCS7", pkcs7(signed, enc(encInside, enc(tagNull))), "unknown", "PKCS #7: want SEQUENCE"},
		{"PKCS7", pkcs7(signed, enc(encInside, enc(encSequence, []byte{encSequence, 9}))), "unknown", "PKCS #7: truncated"},
		{"PKCS7", pkcs7(signed, enc(encInside, enc(encSequence, enc(encInside, []byte{encSequence, 9})))), "unknown", "PKCS #7: truncated"},
		{"PKCS7", pkcs7(signed, enc(encInside, enc(encSequence, enc(encInside|1, enc(encSequence))))), "crl", "truncated"},
	} {
		objects, err := ReadObjects([]byte(block(tt.typ, tt.body)), nil)
		if tt.kind == "" {
			if err != ErrNoObjects {
				t.Errorf("%s: %v; want %v", tt.typ, err, ErrNoObjects)
			}
			continue
		}
		if err != nil || len(objects) != 1 {
			t.Errorf("%s %s: %+v, %v; want one object", tt.typ, tt.body, objects, err)
			continue
		}
		o := objects[0]
		if string(o.Kind) != tt.kind || (o.Problem == "") != (tt.problem == "") || !strings.Contains(o.Problem, tt.problem) || o.Label != tt.typ {
			t.Errorf("%s %s: %s %q with the problem %q; want %s with %q", tt.typ, tt.body, o.Kind, o.Label, o.Problem, tt.kind, tt.problem)
		}
		if i := o.Info(); string(i.Kind) != tt.kind || i.Problem != o.Problem {
			t.Errorf("%s %s: Info() = %+v", tt.typ, tt.body, i)
		}
	}
	mixed := "text\n" + pemBegin + "NOT A LINE\n" + block("CERTIFICATE", "A*ID") + pemBegin + "CERTIFICATE" + pemDash + "\nAQID\n" + block("RSA PUBLIC KEY", b64(rsa))
	objects, err := ReadObjects([]byte(mixed), nil)
	if err != nil || len(objects) != 3 || objects[1].Problem != "broken PEM: no END line" {
		t.Fatalf("a file with two broken blocks: %+v, %v", objects, err)
	}
	if k := objects[2].PublicKey; k == nil || k.Bits != 12 || k.Exponent.Int64() != 17 {
		t.Errorf("the key behind two broken blocks: %+v", k)
	}
}
