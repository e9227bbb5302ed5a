package tlsx

import (
	"slices"
	"testing"
)

func TestDefaultClientSuites(t *testing.T) {
	l, err := ParseCiphers("DEFAULT")
	if err != nil || !slices.Equal(defaultClientSuites(), l.Available()) {
		t.Errorf("defaultClientSuites() = %#04x; DEFAULT has %#04x, %v", defaultClientSuites(), l.Available(), err)
	}
}
