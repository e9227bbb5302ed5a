package tlsx

import (
	"encoding/hex"
	"testing"
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

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
