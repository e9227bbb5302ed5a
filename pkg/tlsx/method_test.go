package tlsx_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/brio-net/brio/pkg/tlsx"
)

// TestMethods covers the keyword method: single values, lists, and what is
// refused or warned about.
func TestMethods(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []uint16 // nil when it must be refused
		warn bool
	}{
		{"tls", []uint16{0x303, 0x304}, false},
		{":tlsv1.2", []uint16{0x303}, false},
		{"TLSv1", []uint16{0x301}, false},
		{"tlsv1.1", []uint16{0x302}, false},
		{"tlsv1.3", []uint16{0x304}, false},
		{"tlsv1+", []uint16{0x301, 0x302, 0x303, 0x304}, false},
		{"sslv3+", []uint16{0x301, 0x302, 0x303, 0x304}, true},
		{"sslv23", []uint16{0x301, 0x302, 0x303, 0x304}, true},
		{"tlsv1.3, tlsv1.2", []uint16{0x303, 0x304}, false},
		{"tlsv1.3,tlsv1.1", []uint16{0x302, 0x304}, false},
		{"sslv3,tlsv1", []uint16{0x301}, true},
		{"sslv2", nil, false},
		{"sslv3", nil, false},
		{"sslv2,sslv3", nil, false},
	} {
		set, err := tlsx.ParseMethods(tt.in)
		if err != nil {
			t.Errorf("ParseMethods(%q) = %v", tt.in, err)
			continue
		}
		got, warning, err := set.Versions()
		if !slices.Equal(got, tt.want) || (warning != "") != tt.warn {
			t.Errorf("Versions(%q) = %x, %q, %v; want %x, warning %v", tt.in, got, warning, err, tt.want, tt.warn)
		}
		if tt.want == nil && !errors.Is(err, tlsx.ErrUnsupportedMethod) {
			t.Errorf("Versions(%q) = %v; want %v", tt.in, err, tlsx.ErrUnsupportedMethod)
		}
	}
	if set, err := tlsx.ParseMethods("tlsv1.4"); err == nil {
		t.Errorf(`ParseMethods("tlsv1.4") = %v; want an error`, set)
	}
	if got, _, err := tlsx.MethodSet(nil).Versions(); err != nil || !slices.Equal(got, []uint16{0x303, 0x304}) {
		t.Errorf("Versions() of the empty set = %x, %v; want TLS 1.2 and 1.3", got, err)
	}
}
