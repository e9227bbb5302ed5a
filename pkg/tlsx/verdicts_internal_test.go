package tlsx

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// A server that gives no answer to a needless downgrade does not refuse it.
func TestScanFallbackWithoutAnswer(t *testing.T) {
	s := &scanner{slots: make(chan struct{}, 1), cfg: ScanConfig{
		ProbeTimeout: 50 * time.Millisecond,
		Dial: func(context.Context) (net.Conn, error) {
			here, there := net.Pipe()
			go io.Copy(io.Discard, there)
			return here, nil
		},
	}}
	s.result.Versions = []ScanVersion{{number: tls.VersionTLS12, Supported: true}, {number: tls.VersionTLS13, Supported: true}}
	if s.scanFallback(t.Context()) || s.failures.Load() != 1 {
		t.Errorf("scanFallback of a silent server is true, or the silence no failure (%d)", s.failures.Load())
	}
}

func TestParseGroupsOnce(t *testing.T) {
	if ids, err := ParseGroups("X25519:P-256,x25519 secp256r1"); err != nil || len(ids) != 2 {
		t.Errorf("ParseGroups = %v, %v; want two groups", ids, err)
	}
	if ids, err := ParseGroups(":"); err == nil {
		t.Errorf("ParseGroups of a colon = %v", ids)
	}
}

func TestLongestValidity(t *testing.T) {
	for date, want := range map[string]int{"2020-08-31": 0, "2020-09-01": 398, "2026-03-14": 398, "2026-03-15": 200, "2027-03-15": 100, "2030-01-01": 47} {
		begins, err := time.Parse(time.DateOnly, date)
		if got := longestValidity(begins); err != nil || got != want {
			t.Errorf("longestValidity(%s) = %d, %v; want %d", date, got, err, want)
		}
	}
}

// Every digest is found by its number and has that number back.
func TestDigestTable(t *testing.T) {
	for _, d := range digestTable {
		if !d.hash.Available() || hashByOID(d.id) != d.hash || hashOID(d.hash) != d.id {
			t.Errorf("%s: %s, available %v", d.id, d.hash, d.hash.Available())
		}
	}
	if id, _ := encodeOID("2.16.840.1.101.3.4.2.9"); hashByOID(id) != crypto.SHA3_384 {
		t.Errorf("%s is %v", id, hashByOID(id))
	}
}

// A password that is not UTF-8 counts as Latin-1; one outside the first plane is
// a pair of surrogates.
func TestBMPPassword(t *testing.T) {
	for in, want := range map[string]string{"a": "\x00a\x00\x00", "p\xe9": "\x00p\x00\xe9\x00\x00", "p\u00e9": "\x00p\x00\xe9\x00\x00", "\U0001F511": "\xd8\x3d\xdd\x11\x00\x00", "": "\x00\x00"} {
		if got := string(bmpPassword([]byte(in))); got != want {
			t.Errorf("bmpPassword(%q) = %q; want %q", in, got, want)
		}
	}
	if bmpPassword(nil) != nil {
		t.Error("no password is not nothing")
	}
}

func TestOpenSSHKeyIsNamed(t *testing.T) {
	objects, err := ReadObjects([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n"), nil)
	if err != nil || len(objects) != 1 || !errors.Is(objects[0].Err, errors.ErrUnsupported) {
		t.Errorf("ReadObjects = %+v, %v", objects, err)
	}
}
