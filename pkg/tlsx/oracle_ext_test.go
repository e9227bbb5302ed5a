package tlsx_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"strconv"
	"testing"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/tlsx"
)

// extensionSamples are values of extensions, most of them right, as hex.
func extensionSamples() map[string][]string {
	return map[string][]string{
		"2.5.29.14":             {"0404aabbccdd", "0400"},
		"2.5.29.15":             {"03020780", "030205a0", "0303078080", "03020106"},
		"2.5.29.17":             {"300d820b6578616d706c652e636f6d", "30118704c00002018203616263810461406200", "3011a00f06032a0304a0080c06616161616161", "3006a30430020500", "300488022a03", "3000"},
		"2.5.29.19":             {"3000", "30030101ff", "30060101ff020100", "3003020105"},
		"2.5.29.30":             {"3010a00e300c820a6578616d706c652e636f", "300ea10c300a87087f000000ff000000", "3000", "300aa008300681046140622e"},
		"2.5.29.31":             {"3011300fa00da00b8609687474703a2f2f612f", "30023000", "3000", "3006300481020780"},
		"2.5.29.32":             {"3006300406022a03", "3000"},
		"2.5.29.35":             {"30068004aabbccdd", "3000", "3003820101"},
		"2.5.29.36":             {"3003800100", "3003810100", "3000"},
		"2.5.29.37":             {"300a06082b06010505070301", "3000", "300606042a030405"},
		"2.5.29.54":             {"020100"},
		"1.3.6.1.5.5.7.1.14":    {"300c300a06082b06010505071501"},
		"1.3.6.1.5.5.7.1.24":    {"3003020105"},
		"2.16.840.1.113730.1.1": {"03020640", "030202fc"},
	}
}

// mutate changes up to two octets of v, or adds some.
func (o *oracle) mutate(v []byte) []byte {
	for range o.r.IntN(3) {
		switch i := o.r.IntN(len(v)); o.r.IntN(3) {
		case 0:
			v[i] = byte(o.r.IntN(256))
		case 1:
			v[i] ^= 1 << o.r.IntN(8)
		default:
			v = append(v, 0)
		}
	}
	return v
}

// withExtension makes a chain of three certificates, one of which has e.
func (o *oracle) withExtension(t *testing.T, e pkix.Extension) *randomChain {
	t.Helper()
	c := &randomChain{certs: make([]*x509.Certificate, 3), keys: o.keys[:3]}
	where := o.r.IntN(3)
	for i := 2; i >= 0; i-- {
		o.serial++
		tmpl := &x509.Certificate{
			SerialNumber: big.NewInt(o.serial), Subject: pkix.Name{CommonName: "cert " + strconv.Itoa(i)},
			NotBefore: oracleTime().AddDate(-1, 0, 0), NotAfter: oracleTime().AddDate(1, 0, 0), BasicConstraintsValid: true,
		}
		if i > 0 {
			tmpl.IsCA, tmpl.KeyUsage = true, x509.KeyUsageCertSign
		} else {
			tmpl.DNSNames = []string{"www.example.com"}
		}
		if i == where {
			tmpl.ExtraExtensions = []pkix.Extension{e}
		}
		parent, signer := tmpl, c.keys[i]
		if i < 2 {
			parent, signer = c.certs[i+1], c.keys[i+1]
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &c.keys[i].PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		if c.certs[i], err = x509.ParseCertificate(der); err != nil {
			c.certs[i] = &x509.Certificate{Raw: der, RawSubject: subjectOf(t, der), PublicKey: &c.keys[i].PublicKey, SubjectKeyId: tmpl.SubjectKeyId}
		}
	}
	return c
}

// TestMalformedExtensionsAgainstOpenSSL compares codes for certificates whose
// extensions are damaged.
func TestMalformedExtensionsAgainstOpenSSL(t *testing.T) {
	path := need.Tool(t, "openssl")
	o := newOracle(t, 3)
	var exts []pkix.Extension
	for _, id := range []string{"2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.32", "2.5.29.35",
		"2.5.29.36", "2.5.29.37", "2.5.29.54", "1.3.6.1.5.5.7.1.14", "1.3.6.1.5.5.7.1.24", "2.16.840.1.113730.1.1"} {
		for _, s := range extensionSamples()[id] {
			v, err := hex.DecodeString(s)
			if err != nil {
				t.Fatal(err)
			}
			exts = append(exts, pkix.Extension{Id: parseOID(t, id), Value: v})
		}
	}
	dir := t.TempDir()
	same, total := 0, 0
	for range oracleCases(150) {
		e := exts[o.r.IntN(len(exts))]
		e.Value, e.Critical = o.mutate(append([]byte(nil), e.Value...)), o.chance(3)
		c := o.withExtension(t, e)
		o.ask(c)
		code, depth, text := c.openssl(t, path, dir)
		if code < 0 {
			continue
		}
		total++
		if r := c.brio(t); r.Code == code && (code == tlsx.CodeOK || r.Depth == depth) {
			same++
		} else {
			t.Logf("%s %x: code %d depth %d %+v; openssl %s", e.Id, e.Value, r.Code, r.Depth, r.Faults, text)
		}
	}
	t.Logf("of %d chains with a damaged extension: %d codes and depths are openssl's", total, same)
	if same*100 < total*97 {
		t.Errorf("of %d chains with a damaged extension: %d codes and depths are openssl's; want 97 %%", total, same)
	}
}

func parseOID(t *testing.T, s string) asn1.ObjectIdentifier {
	t.Helper()
	id, err := x509.ParseOID(s)
	if err != nil {
		t.Fatal(err)
	}
	var out asn1.ObjectIdentifier
	der, err := id.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(append([]byte{6, byte(len(der))}, der...), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
