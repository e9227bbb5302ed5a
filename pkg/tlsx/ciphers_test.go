package tlsx_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/tlsx"
)

// opensslCiphers returns what openssl selects up to TLS 1.2, and whether it
// accepts s at all.
func opensslCiphers(t *testing.T, openssl, s string) ([]string, bool) {
	t.Helper()
	cmd := exec.Command(openssl, "ciphers", s)
	cmd.Env = append(os.Environ(), "OPENSSL_CONF=/dev/null")
	out, err := cmd.Output()
	if err != nil {
		return nil, false
	}
	names := strings.Split(strings.TrimSpace(string(out)), ":")
	return slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, "TLS_") }), true
}

func realCipherStrings() []string {
	return []string{
		"DEFAULT", "ALL", "HIGH", "HIGH:!aNULL:!MD5", "HIGH:!aNULL:!kRSA:!PSK:!SRP", "ALL:COMPLEMENTOFALL", "COMPLEMENTOFDEFAULT",
		"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305",
		"EECDH+AESGCM:EDH+AESGCM:AES256+EECDH:AES256+EDH", "EECDH+CHACHA20:EECDH+AES128:RSA+AES128:EECDH+AES256:RSA+AES256:EECDH+3DES:RSA+3DES:!MD5",
		"ECDH+AESGCM:DH+AESGCM:ECDH+AES256:DH+AES256:ECDH+AES128:DH+AES:RSA+AESGCM:RSA+AES:!aNULL:!MD5:!DSS", "kEECDH+ECDSA:kEECDH:kEDH:HIGH:+SHA:!aNULL:!eNULL",
		"ALL:!ADH:!LOW:!EXP:!MD5:@STRENGTH", "HIGH:MEDIUM:!SSLv2", "TLSv1.2:!aNULL", "FIPS:!aNULL", "FIPS", "DEFAULT@SECLEVEL=1", "DEFAULT:@SECLEVEL=0",
		"ALL:@STRENGTH", "AES:-kRSA:ALL", "AES128:+AES128-SHA", "DEFAULT:!AES128:AES128", "DEFAULT:-AES128:AES128", "ALL:+HIGH:+SHA384",
		"SUITEB128", "SUITEB192", "SUITEB128ONLY", "SUITEB128C2", "SUITEB128:AES128-SHA", "DEFAULTX:AES128-SHA", "AES128-SHA:DEFAULT", "AES128-SHA DEFAULT;AES256-SHA,FOO",
		"FOO", "", "AES128-SHA:@FOO", "AES128-SHA:@SECLEVEL=6", "AES128-SHA:(", "@STRENGTH", "HIGH+", "HIGH+:ALL", "HIGH++AES", "+AES128", "!ALL", "AES128-SHA:!!ALL", "AESCCM+AESGCM",
		"HIGH+COMPLEMENTOFDEFAULT", "COMPLEMENTOFDEFAULT+HIGH", "COMPLEMENTOFDEFAULT+HIGH+AES", "FIPS+HIGH", "HIGH+FIPS", "AES128-SHA+HIGH", "TLSv1+AES128-SHA", "AES128-SHA+TLSv1.2", "CBC", "CBC+ECDHE", "eNULL", "eNULL:ALL@STRENGTH",
	}
}

// randomCipherString joins words of the language at random.
func randomCipherString(r *rand.Rand) string {
	words := strings.Fields(`ALL COMPLEMENTOFALL COMPLEMENTOFDEFAULT kRSA kDHE kEDH DH kECDHE ECDH kPSK kRSAPSK kECDHEPSK kDHEPSK kSRP
		aRSA aDSS aNULL aECDSA aPSK aSRP EDH EECDH ECDHE NULL RSA ADH AECDH PSK SRP eNULL AES128 AES256 AES AESGCM AESCCM AESCCM8 CAMELLIA128
		CAMELLIA256 CAMELLIA CHACHA20 ARIA ARIA128 ARIA256 CBC MD5 SHA1 SHA256 SHA384 SSLv3 TLSv1 TLSv1.2 HIGH MEDIUM LOW FIPS
		AES128-SHA ECDHE-RSA-AES128-GCM-SHA256 PSK-AES128-CBC-SHA ECDHE-ECDSA-CHACHA20-POLY1305 AECDH-NULL-SHA FOO`)
	var b strings.Builder
	b.WriteString([]string{"", "", "DEFAULT:", "ALL:"}[r.IntN(4)])
	for i := range 1 + r.IntN(6) {
		if i > 0 {
			b.WriteByte(":: ,;"[r.IntN(5)])
		}
		switch r.IntN(12) {
		case 0:
			b.WriteString("@STRENGTH")
			continue
		case 1:
			b.WriteString("@SECLEVEL=1")
			continue
		case 2, 3:
			b.WriteByte("!+-"[r.IntN(3)])
		}
		b.WriteString(words[r.IntN(len(words))])
		for r.IntN(3) == 0 {
			b.WriteString("+" + words[r.IntN(len(words))])
		}
	}
	return strings.TrimLeft(b.String(), "-")
}

// TestCiphersMatchOpenSSL covers the keyword ciphers: set and order are those
// of "openssl ciphers".
func TestCiphersMatchOpenSSL(t *testing.T) {
	openssl := need.Tool(t, "openssl")
	strs := realCipherStrings()
	r := rand.New(rand.NewPCG(4, 2))
	total := 1200
	if testing.Short() {
		total = 100
	}
	for len(strs) < total {
		strs = append(strs, randomCipherString(r))
	}
	for _, s := range strs {
		want, ok := opensslCiphers(t, openssl, s)
		l, err := tlsx.ParseCiphers(s)
		if (err == nil && len(l.Suites) > 0) != ok {
			t.Errorf("ParseCiphers(%q) = %v; openssl accepts it: %v", s, err, ok)
			continue
		}
		if got := suiteNames(l); ok && !slices.Equal(got, want) {
			t.Errorf("ParseCiphers(%q) =\n%v; want\n%v", s, got, want)
		}
	}
}

func suiteNames(l *tlsx.CipherList) []string {
	if l == nil {
		return nil
	}
	var names []string
	for _, s := range l.Suites {
		names = append(names, s.Name)
	}
	return names
}

func TestCiphersOutsideOpenSSLsBuild(t *testing.T) {
	for s, want := range map[string][]uint16{
		"RC4-SHA":         {tls.TLS_RSA_WITH_RC4_128_SHA},
		"kRSA+3DES":       {tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
		"AES128-SHA:3DES": {tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
		"RC4:AES128-SHA":  {tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_RC4_128_SHA},
		"RC4:3DES:!RC4":   {tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
	} {
		l, err := tlsx.ParseCiphers(s)
		if err != nil || !slices.Equal(l.Available(), want) {
			t.Errorf("ParseCiphers(%q).Available() = %#04x, %v; want %#04x", s, l.Available(), err, want)
		}
	}
}

func TestCiphersErrors(t *testing.T) {
	if _, err := tlsx.ParseCiphers("FOO"); !errors.Is(err, tlsx.ErrNoCipherMatch) {
		t.Errorf("ParseCiphers(FOO) = %v; want %v", err, tlsx.ErrNoCipherMatch)
	}
	if _, err := tlsx.ParseCiphers("ALL:@FOO"); !errors.Is(err, tlsx.ErrInvalidCipherCommand) {
		t.Errorf("ParseCiphers(ALL:@FOO) = %v; want %v", err, tlsx.ErrInvalidCipherCommand)
	}
	l, err := tlsx.ParseCiphers("AES128-SHA:AES129-SHA:@SECLEVEL=1:LOW")
	if err != nil || !slices.Equal(l.Unknown, []string{"AES129-SHA"}) || l.SecurityLevel != 1 {
		t.Errorf("Unknown, SecurityLevel = %v, %d, %v; want [AES129-SHA], 1, nil", l.Unknown, l.SecurityLevel, err)
	}
}

func TestSuitesThatGoHas(t *testing.T) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if got := tlsx.SuiteByID(s.ID); !got.Available || got.StandardName != s.Name {
			t.Errorf("SuiteByID(%#04x) = %+v; want %s, available", s.ID, got, s.Name)
		}
	}
	if got := tlsx.SuiteByID(0xC09F); got.Available || got.Name != "DHE-RSA-AES256-CCM" {
		t.Errorf("SuiteByID(0xC09F) = %+v; want DHE-RSA-AES256-CCM, not available", got)
	}
}

func FuzzParseCiphers(f *testing.F) {
	for _, s := range realCipherStrings() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := tlsx.ParseCiphers(s)
		if l == nil {
			return
		}
		if n := len(l.Suites) + len(l.Weak); err == nil && (n == 0 || n > 160) {
			t.Errorf("ParseCiphers(%q) selects %d suites without an error", s, n)
		}
	})
}

// opensslErrorText returns the reason that openssl has for an error code.
func opensslErrorText(t *testing.T, openssl string, code uint32) string {
	t.Helper()
	out, err := exec.Command(openssl, "errstr", fmt.Sprintf("%08X", code)).Output()
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(strings.TrimSpace(string(out)), ":")
	return parts[len(parts)-1]
}
