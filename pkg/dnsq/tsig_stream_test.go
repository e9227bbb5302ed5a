package dnsq

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// tsigMessages are a question's MAC and n signed messages of a transfer.
func tsigMessages(t *testing.T, algorithm string, n int) (TSIG, string, [][]byte) {
	t.Helper()
	key := TSIG{Name: "k.test", Algorithm: strings.TrimSuffix(algorithm, "."), Secret: "c2VjcmV0IHNlY3JldCBzZWNyZXQ="}
	_, requestMAC, err := key.sign(new(dns.Msg).SetQuestion("test.", dns.TypeAXFR))
	if err != nil {
		t.Fatal(err)
	}
	mac := requestMAC
	var list [][]byte
	for i := range n {
		m := tsigRecord(t, i)
		m.SetTsig("k.test.", algorithm, tsigFudge, time.Now().Unix())
		b, next, err := dns.TsigGenerate(m, key.Secret, mac, i > 0)
		if err != nil {
			t.Fatal(err)
		}
		list, mac = append(list, b), next
	}
	return key, requestMAC, list
}

// tsigRecord is a message with one record that depends on i.
func tsigRecord(t *testing.T, i int) *dns.Msg {
	t.Helper()
	rr, err := dns.NewRR("a.test. 300 IN A 192.0.2." + string(rune('1'+i)))
	if err != nil {
		t.Fatal(err)
	}
	return &dns.Msg{MsgHdr: dns.MsgHdr{Id: 77, Response: true}, Answer: []dns.RR{rr}}
}

// checkTSIGs feeds messages to a stream.
func checkTSIGs(key TSIG, mac string, messages [][]byte) error {
	s := &tsigStream{key: key, mac: mac}
	for _, b := range messages {
		if err := s.message(b); err != nil {
			return err
		}
	}
	return s.finished()
}

func TestTSIGStream(t *testing.T) {
	for _, alg := range []string{dns.HmacSHA256, dns.HmacSHA1, dns.HmacSHA224, dns.HmacSHA384, dns.HmacSHA512} {
		key, mac, list := tsigMessages(t, alg, 4)
		if err := checkTSIGs(key, mac, list); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestTSIGStreamTampered(t *testing.T) {
	key, mac, good := tsigMessages(t, dns.HmacSHA256, 4)
	unsigned, err := tsigRecord(t, 5).Pack()
	if err != nil {
		t.Fatal(err)
	}
	insert := func(at int, extra ...[]byte) [][]byte {
		return append(append(append([][]byte{}, good[:at]...), extra...), good[at:]...)
	}
	flipped := append([]byte(nil), good[2]...)
	flipped[headerSize+3] ^= 1
	otherKey := key
	otherKey.Secret = "b3RoZXI="
	otherName := key
	otherName.Name = "other.test"
	for what, tt := range map[string]struct {
		key  TSIG
		list [][]byte
	}{
		"first not signed":        {key, insert(0, unsigned)},
		"a message put in":        {key, insert(2, unsigned)},
		"a message left out":      {key, append(append([][]byte{}, good[:1]...), good[2:]...)},
		"two messages exchanged":  {key, [][]byte{good[0], good[2], good[1], good[3]}},
		"a message changed":       {key, [][]byte{good[0], good[1], flipped, good[3]}},
		"last not signed":         {key, insert(4, unsigned)},
		"another secret":          {otherKey, good},
		"another name":            {otherName, good},
		"too many without":        {key, insert(1, repeated(unsigned, maxUnsigned+1)...)},
		"not a message":           {key, insert(1, []byte("abc"))},
		"cut off in its own TSIG": {key, [][]byte{good[0], good[1][:len(good[1])-4]}},
	} {
		if err := checkTSIGs(tt.key, mac, tt.list); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

func repeated(b []byte, n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = b
	}
	return list
}

// The canonical order of names (the example of RFC 4034 section 6.1).
func TestCompareNames(t *testing.T) {
	sorted := []string{"example.", "a.example.", "yljkjljk.a.example.", "Z.a.example.", "zABC.a.EXAMPLE.", "z.example.", `\001.z.example.`, "*.z.example.", `\200.z.example.`}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := compareNames(a, b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("compareNames(%q, %q) = %d", a, b, got)
			}
		}
	}
}

// What an NSEC record covers, at the end of the zone and below a delegation.
func TestNSECCovers(t *testing.T) {
	d := &denial{zone: &signedZone{name: "example."}}
	for _, tt := range []struct {
		nsec, name string
		covers     bool
	}{
		{"a.example. NSEC c.example. A", "b.example.", true},
		{"a.example. NSEC c.example. A", "x.a.example.", true},
		{"a.example. NSEC c.example. A", "a.example.", false},
		{"a.example. NSEC c.example. A", "c.example.", false},
		{"a.example. NSEC c.example. A", "d.example.", false},
		{"x.example. NSEC example. A", "z.example.", true},
		{"x.example. NSEC example. A", "b.example.", false},
		{"example. NSEC example. SOA NS", "b.example.", true},
		{"a.example. NSEC c.example. NS", "x.a.example.", false},
		{"a.example. NSEC c.example. NS", "b.example.", true},
		{"a.example. NSEC c.example. DNAME", "x.a.example.", false},
	} {
		rr, err := dns.NewRR(tt.nsec)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.nsecCovers(rr.(*dns.NSEC), tt.name); got != tt.covers {
			t.Errorf("%s covers %s: %v; want %v", tt.nsec, tt.name, got, tt.covers)
		}
	}
}
