package tlsx_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// A certificate with a changed octet is never verified, unless the change lies
// outside of what is signed and of the signature.
func FuzzTamperedCertificate(f *testing.F) {
	identity, _, err := tlsx.MakeChain([]string{"a.example"}, time.Hour, tlsx.ChainFault(""))
	if err != nil {
		f.Fatal(err)
	}
	// The issuer is trusted, so that one signature is checked in each execution:
	// that over the octets which are changed.
	o := tlsx.VerifyOptions{Roots: &tlsx.Store{}, PartialChain: true}
	o.Roots.Add(must(tlsx.ParseCertificate(identity.Certificate[1])))
	leaf := identity.Certificate[0]
	signed := must(x509.ParseCertificate(leaf)).RawTBSCertificate
	start := bytes.Index(leaf, signed)
	if r := tlsx.VerifyCertificate(must(tlsx.ParseCertificate(leaf)), o); !r.OK {
		f.Fatalf("the certificate itself: %v", r)
	}
	f.Add(uint16(10), byte(1), uint16(0), byte(0))
	f.Add(uint16(len(leaf)-1), byte(1), uint16(4), byte(0x80))
	f.Fuzz(func(t *testing.T, at uint16, bits byte, at2 uint16, bits2 byte) {
		der := bytes.Clone(leaf)
		der[int(at)%len(der)] ^= bits
		der[int(at2)%len(der)] ^= bits2
		c, err := tlsx.ParseCertificate(der)
		if err != nil {
			return
		}
		r := tlsx.VerifyCertificate(c, o)
		if r.OK && !bytes.Equal(der[start:start+len(signed)], signed) {
			t.Errorf("changes at %d (%x) and %d (%x) were not seen: %v", int(at)%len(der), bits, int(at2)%len(der), bits2, r)
		}
	})
}

// A scripted is a peer that has said everything from the start, hears nothing and
// costs neither goroutines nor the scheduler.
type scripted struct{ io.Reader }

// says is a connection to a peer that says data and then hangs up.
func says(data []byte) net.Conn { return scripted{bytes.NewReader(data)} }

func (scripted) Write(b []byte) (int, error)      { return len(b), nil }
func (scripted) Close() error                     { return nil }
func (scripted) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (scripted) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (scripted) SetDeadline(time.Time) error      { return nil }
func (scripted) SetReadDeadline(time.Time) error  { return nil }
func (scripted) SetWriteDeadline(time.Time) error { return nil }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func FuzzParseMethods(f *testing.F) {
	for _, s := range []string{"tls", "tlsv1.2,tlsv1.3", ":TLSv1+", "sslv3", "sslv23 , tlsv1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		set, err := tlsx.ParseMethods(s)
		if err != nil {
			return
		}
		if again, err := tlsx.ParseMethods(set.String()); err != nil || !slices.Equal(again, set) {
			t.Errorf("ParseMethods(%q) = %v, which reads as %v, %v", s, set, again, err)
		}
		if versions, _, err := set.Versions(); err == nil && (len(versions) == 0 || len(versions) > 4 || !slices.IsSorted(versions)) {
			t.Errorf("%v has the versions %x", set, versions)
		}
	})
}

// Suites of TLS 1.3 and groups are those with a name, and each is known by it.
func FuzzParseNames(f *testing.F) {
	for _, s := range []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256", "X25519:P-256", "prime256v1,secp384r1", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		suites, err := tlsx.ParseCiphersuites(s)
		for _, id := range suites {
			if name := tlsx.SuiteByID(id).Name; err == nil && !strings.Contains(s, name) {
				t.Errorf("ParseCiphersuites(%q) has %s", s, name)
			}
		}
		groups, err := tlsx.ParseGroups(s)
		if err != nil {
			return
		}
		for _, id := range groups {
			if again, err := tlsx.ParseGroups(tlsx.GroupName(uint16(id))); err != nil || !slices.Equal(again, []tls.CurveID{id}) {
				t.Errorf("ParseGroups(%q) has %v, which reads as %v, %v", s, id, again, err)
			}
		}
	})
}
