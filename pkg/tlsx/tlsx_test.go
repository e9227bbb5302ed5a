package tlsx_test

import (
	"strings"
	"testing"

	"github.com/brio-net/brio/pkg/tlsx"
)

// TestOpenSSLVersion covers the operator openssl-version.
func TestOpenSSLVersion(t *testing.T) {
	if got := tlsx.Version(); !strings.Contains(got, "crypto/tls") || !strings.Contains(got, "crypto/tls 1.") {
		t.Errorf("Version() = %q; want the name of the TLS implementation and its version", got)
	}
}

func TestVerifyModeText(t *testing.T) {
	for _, m := range []tlsx.VerifyMode{tlsx.VerifyDefault, tlsx.VerifyNone, tlsx.VerifyOptional, tlsx.VerifyRequired} {
		var got tlsx.VerifyMode
		if err := got.UnmarshalText([]byte(m.String())); err != nil || got != m {
			t.Errorf("UnmarshalText(%q) = %v, %v; want %v", m, got, err, m)
		}
	}
	var m tlsx.VerifyMode
	if err := m.UnmarshalText([]byte("maybe")); err == nil || !strings.Contains(err.Error(), "optional") {
		t.Errorf(`UnmarshalText("maybe") = %v; want an error that lists the modes`, err)
	}
}

func TestCRLCheckText(t *testing.T) {
	for _, c := range []tlsx.CRLCheck{tlsx.CRLOff, tlsx.CRLLeaf, tlsx.CRLAll} {
		var got tlsx.CRLCheck
		if err := got.UnmarshalText([]byte(c.String())); err != nil || got != c {
			t.Errorf("UnmarshalText(%q) = %v, %v; want %v", c, got, err, c)
		}
	}
}
