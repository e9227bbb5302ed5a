package tlsx

import (
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"
)

// TestPBEMD53DES opens what Java's PBEWithMD5AndTripleDES made, also from a
// salt with equal halves, which counts in another form.
func TestPBEMD53DES(t *testing.T) {
	for _, salt := range []string{"0403020101020304", "0102030401020304"} {
		alg := unhex(t, "301b06092b060104012a021301300e0408"+salt+"020203e8")
		plain, err := decryptPBE(alg, unhex(t, "87903aa2d623bf6d"), []byte("changeit"))
		if err != nil || hex.EncodeToString(plain) != "3003020100" {
			t.Errorf("salt %s: decryptPBE = %x, %v; want 3003020100", salt, plain, err)
		}
	}
	if _, err := decryptPBE(unhex(t, "301b06092b060104012a021301300e0404010203040202"+"03e8"), nil, nil); err == nil {
		t.Error("a short salt is accepted")
	}
}

// TestOpenTime gives up the encrypted keys of a file when its time is over,
// whatever the file.
func TestOpenTime(t *testing.T) {
	key := "3027" + "301b06092b060104012a021301300e0408" + "0403020101020304" + "020203e8" + "040887903aa2d623bf6d"
	store := unhex(t, "cececece"+"00000002"+"00000001"+"00000001"+"000161"+"0000000000000000"+"00000029"+key+"00000000")
	ask := func() ([]byte, error) { return []byte("changeit"), nil }
	late := func() *opener { return &opener{ask: ask} }

	if _, err := parseIdentityKeyStore(store, newOpener(ask)); err == nil || errors.Is(err, errOpenTime) {
		t.Errorf("in time: %v; want an error about the key", err)
	}
	if _, err := parseIdentityKeyStore(store, late()); !errors.Is(err, errOpenTime) {
		t.Errorf("parseIdentityKeyStore: %v; want %v", err, errOpenTime)
	}
	if _, err := parsePrivateKey(unhex(t, key), late()); !errors.Is(err, errOpenTime) {
		t.Errorf("parsePrivateKey: %v; want %v", err, errOpenTime)
	}
	stored, err := readKeyStore(store, late())
	inPEM, perr := objectsOfPEM([]pemBlock{{typ: "ENCRYPTED PRIVATE KEY", data: unhex(t, key)}}, late())
	inDER, derr := objectsOfDER(unhex(t, key), "DER", late())
	if err := errors.Join(err, perr, derr); err != nil {
		t.Fatal(err)
	}
	for _, o := range slices.Concat(stored, inPEM, inDER) {
		if !errors.Is(o.Err, errOpenTime) {
			t.Errorf("%s: %v; want %v", o.Source, o.Err, errOpenTime)
		}
	}
}

// TestOpenTimeOfAsking does not count the time in which a password is typed.
func TestOpenTimeOfAsking(t *testing.T) {
	o := newOpener(func() ([]byte, error) { time.Sleep(10 * time.Millisecond); return nil, nil })
	before := o.until
	if _, err := o.password(); err != nil || o.until.Sub(before) < 10*time.Millisecond {
		t.Errorf("%v later, %v; want at least 10ms", o.until.Sub(before), err)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
