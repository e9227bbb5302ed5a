package tlsx

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// groupRow is one key agreement group: its number and its names, the usual one
// first.
type groupRow struct {
	id    tls.CurveID
	names []string
	usual bool // Go can use it
}

func groupTable() []groupRow {
	return []groupRow{
		{tls.X25519MLKEM768, []string{"X25519MLKEM768"}, true},
		{tls.SecP256r1MLKEM768, []string{"SecP256r1MLKEM768"}, true},
		{tls.SecP384r1MLKEM1024, []string{"SecP384r1MLKEM1024"}, true},
		{tls.X25519, []string{"X25519"}, true},
		{tls.CurveP256, []string{"P-256", "secp256r1", "prime256v1"}, true},
		{tls.CurveP384, []string{"P-384", "secp384r1"}, true},
		{tls.CurveP521, []string{"P-521", "secp521r1"}, true},
		{30, []string{"X448"}, false},
		{22, []string{"secp256k1"}, false},
		{26, []string{"brainpoolP256r1"}, false},
		{27, []string{"brainpoolP384r1"}, false},
		{28, []string{"brainpoolP512r1"}, false},
		{31, []string{"brainpoolP256r1tls13"}, false},
		{32, []string{"brainpoolP384r1tls13"}, false},
		{33, []string{"brainpoolP512r1tls13"}, false},
		{41, []string{"curveSM2"}, false},
		{19, []string{"secp192r1"}, false},
		{21, []string{"secp224r1"}, false},
		{256, []string{"ffdhe2048"}, false},
		{257, []string{"ffdhe3072"}, false},
		{258, []string{"ffdhe4096"}, false},
		{259, []string{"ffdhe6144"}, false},
		{260, []string{"ffdhe8192"}, false},
		{0x6399, []string{"X25519Kyber768Draft00"}, false},
		{512, []string{"MLKEM512"}, false},
		{513, []string{"MLKEM768"}, false},
		{514, []string{"MLKEM1024"}, false},
	}
}

// GroupName returns the name of a key agreement group, as "X25519MLKEM768" or
// "P-256", and "0x1234" for an unknown one.
func GroupName(id uint16) string {
	for _, g := range groupTable() {
		if g.id == tls.CurveID(id) {
			return g.names[0]
		}
	}
	if isGREASE(id) {
		return "GREASE"
	}
	return fmt.Sprintf("0x%04X", id)
}

// Groups returns the names of the key agreement groups that can be used.
func Groups() []string {
	var names []string
	for _, g := range groupTable() {
		if g.usual {
			names = append(names, g.names[0])
		}
	}
	return names
}

// ParseGroups reads key agreement groups joined by colons or commas, with the
// names of [GroupName] or OpenSSL's ("P-256", "secp256r1", "prime256v1"). The
// empty string gives nil, and a group that is there twice counts once. Servers with an elliptic-curve certificate want its
// curve in the list for TLS 1.2 and older.
func ParseGroups(s string) ([]tls.CurveID, error) {
	var ids []tls.CurveID
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == ',' || r == ' ' }) {
		g, err := lookupGroup(word)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, g) {
			ids = append(ids, g)
		}
	}
	if ids == nil && s != "" {
		return nil, fmt.Errorf("groups %q: none; known are %s", s, strings.Join(Groups(), ", "))
	}
	return ids, nil
}

func lookupGroup(word string) (tls.CurveID, error) {
	reason := "unknown"
	for _, g := range groupTable() {
		for _, name := range g.names {
			if !strings.EqualFold(name, word) {
				continue
			}
			if g.usual {
				return g.id, nil
			}
			reason = "not available in Go"
		}
	}
	return 0, fmt.Errorf("group %q: %s; known are %s", word, reason, strings.Join(Groups(), ", "))
}
