package dnsq_test

import (
	"context"
	"crypto"
	"encoding/base64"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// memZone is a signed root zone in memory.
type memZone struct {
	key    *dns.DNSKEY
	signer crypto.Signer
	sets   map[string][]dns.RR // by name and type, signatures included
}

func newMemZone(t testing.TB) *memZone { return newMemZoneWith(t, dns.ECDSAP256SHA256, 256) }

func newMemZoneWith(t testing.TB, algorithm uint8, bits int) *memZone {
	t.Helper()
	key := &dns.DNSKEY{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 300},
		Flags: 257, Protocol: 3, Algorithm: algorithm}
	private, err := key.Generate(bits)
	if err != nil {
		t.Fatal(err)
	}
	z := &memZone{key: key, signer: private.(crypto.Signer), sets: map[string][]dns.RR{}}
	z.add(t, key)
	return z
}

// add adds a set of records with its signature.
func (z *memZone) add(t testing.TB, set ...dns.RR) *dns.RRSIG {
	t.Helper()
	now := uint32(time.Now().Unix())
	sig := &dns.RRSIG{KeyTag: z.key.KeyTag(), SignerName: ".", Algorithm: z.key.Algorithm, Inception: now - 3600, Expiration: now + 3600}
	if err := sig.Sign(z.signer, set); err != nil {
		t.Fatal(err)
	}
	h := set[0].Header()
	z.sets[h.Name+dns.TypeToString[h.Rrtype]] = append(append([]dns.RR{}, set...), sig)
	return sig
}

func (z *memZone) fetch(_ context.Context, name string, qtype uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.Response = true
	m.Answer = z.sets[name+dns.TypeToString[qtype]]
	return m, nil
}

func (z *memZone) validate(t testing.TB, name string) *dnsq.Validation {
	t.Helper()
	v, err := dnsq.Validate(context.Background(), name, dns.TypeA, z.fetch, dnsq.ValidateConfig{Anchors: []dns.RR{z.key.ToDS(dns.SHA256)}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newRR(t testing.TB, s string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(s)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

// Many keys with the tag of the signature, and many signatures with that tag: the
// work must not be their product (KeyTrap, CVE-2023-50387).
func TestValidateKeyTrap(t *testing.T) {
	z := newMemZone(t)
	keys := []dns.RR{}
	for i := range 50 {
		keys = append(keys, collidingKey(t, z.key, byte(i+1)))
	}
	z.add(t, append(keys, z.key)...)
	sig := z.add(t, newRR(t, "www. 300 IN A 192.0.2.1"))
	var sigs []dns.RR
	for i := range 200 {
		c := *sig
		raw, _ := base64.StdEncoding.DecodeString(sig.Signature)
		raw[0] ^= byte(i + 1)
		c.Signature = base64.StdEncoding.EncodeToString(raw)
		sigs = append(sigs, &c)
	}
	z.sets["www.A"] = append([]dns.RR{z.sets["www.A"][0]}, sigs...)
	v := z.validate(t, "www.")
	if v.Verdict != dnsq.Bogus || v.Verifications > 40 {
		t.Errorf("verdict %s (%s) after %d verifications; want bogus after few", v.Verdict, v.Reason, v.Verifications)
	}
}

// collidingKey is a key that is no good but has the tag of k.
func collidingKey(t testing.TB, k *dns.DNSKEY, n byte) *dns.DNSKEY {
	t.Helper()
	c := *k
	raw, err := base64.StdEncoding.DecodeString(k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	// The tag is a sum of 16-bit words: what one word gains another loses.
	for i := 0; i < len(raw)-3; i += 2 {
		if raw[i] >= n && raw[i+2] < 255-n {
			raw[i], raw[i+2] = raw[i]-n, raw[i+2]+n
			break
		}
	}
	c.PublicKey = base64.StdEncoding.EncodeToString(raw)
	if c.KeyTag() != k.KeyTag() {
		t.Fatalf("tag %d; want %d", c.KeyTag(), k.KeyTag())
	}
	return &c
}

// A chain of aliases without end.
func TestValidateAliases(t *testing.T) {
	z := newMemZone(t)
	z.add(t, newRR(t, "a. 300 IN CNAME b."))
	z.add(t, newRR(t, "b. 300 IN CNAME a."))
	fetch := func(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
		m, err := z.fetch(ctx, name, qtype)
		if qtype == dns.TypeA {
			m.Answer = z.sets[name+"CNAME"]
		}
		return m, err
	}
	v, err := dnsq.Validate(context.Background(), "a.", dns.TypeA, fetch, dnsq.ValidateConfig{Anchors: []dns.RR{z.key.ToDS(dns.SHA256)}})
	if err != nil || v.Verdict != dnsq.Bogus || v.Fetches > 50 {
		t.Errorf("%+v, %v; want bogus after few questions", v, err)
	}
}

// A name of 127 labels does not make for endless questions.
func TestValidateDeepName(t *testing.T) {
	z := newMemZone(t)
	v := z.validate(t, strings.Repeat("a.", 127))
	if v.Verdict != dnsq.Bogus || v.Fetches > 256 {
		t.Errorf("%s (%s) after %d questions; want bogus", v.Verdict, v.Reason, v.Fetches)
	}
}

func TestValidateRevokedKey(t *testing.T) {
	z := newMemZone(t)
	z.add(t, newRR(t, "www. 300 IN A 192.0.2.1"))
	if v := z.validate(t, "www."); v.Verdict != dnsq.Secure {
		t.Fatalf("%s: %s", v.Verdict, v.Reason)
	}
	z.key.Flags |= dns.REVOKE
	z.add(t, z.key)
	if v := z.validate(t, "www."); v.Verdict != dnsq.Bogus {
		t.Errorf("with a revoked key: %s; want bogus", v.Verdict)
	}
	z.key.Flags = 1
	z.add(t, z.key)
	if v := z.validate(t, "www."); v.Verdict != dnsq.Bogus || v.EDEName != "No Zone Key Bit Set" {
		t.Errorf("without zone key: %s, %s; want bogus", v.Verdict, v.EDEName)
	}
}

func TestAnchors(t *testing.T) {
	root := dnsq.RootAnchors()
	if len(root) != 2 || root[0].(*dns.DS).KeyTag != 20326 || root[1].(*dns.DS).KeyTag != 38696 {
		t.Errorf("RootAnchors() = %v; want the keys 20326 and 38696", root)
	}
	// Debian's dns-root-data has IANA's file.
	if text, err := os.Open("/usr/share/dns/root.key"); err == nil {
		defer text.Close()
		keys, err := dnsq.ParseAnchors(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range keys {
			if ds := k.(*dns.DNSKEY).ToDS(dns.SHA256); !strings.EqualFold(ds.Digest, root[i].(*dns.DS).Digest) {
				t.Errorf("built-in anchor %v; the system has %v", root[i], ds)
			}
		}
	}
	for _, bad := range []string{"", "www. A 192.0.2.1", ". DS x", "; nothing"} {
		if got, err := dnsq.ParseAnchors(strings.NewReader(bad)); err == nil {
			t.Errorf("ParseAnchors(%q) = %v; want an error", bad, got)
		}
	}
}

// Every algorithm that is understood, and the policy about SHA-1.
func TestValidateAlgorithms(t *testing.T) {
	for _, tt := range []struct {
		algorithm uint8
		bits      int
		noSHA1    bool
		want      dnsq.Verdict
	}{
		{dns.RSASHA1, 2048, false, dnsq.Secure},
		{dns.RSASHA1, 2048, true, dnsq.Insecure},
		{dns.RSASHA1NSEC3SHA1, 2048, true, dnsq.Insecure},
		{dns.RSASHA256, 2048, true, dnsq.Secure},
		{dns.RSASHA256, 1024, true, dnsq.Secure},
		{dns.RSASHA512, 2048, true, dnsq.Secure},
		{dns.ECDSAP256SHA256, 256, true, dnsq.Secure},
		{dns.ECDSAP384SHA384, 384, true, dnsq.Secure},
		{dns.ED25519, 256, true, dnsq.Secure},
	} {
		z := newMemZoneWith(t, tt.algorithm, tt.bits)
		z.add(t, newRR(t, "www. 300 IN A 192.0.2.1"))
		for _, digest := range []uint8{dns.SHA1, dns.SHA256, dns.SHA384} {
			want := tt.want
			if digest == dns.SHA1 && tt.noSHA1 {
				want = dnsq.Insecure
			}
			cfg := dnsq.ValidateConfig{Anchors: []dns.RR{z.key.ToDS(digest)}, NoSHA1: tt.noSHA1}
			v, err := dnsq.Validate(context.Background(), "www.", dns.TypeA, z.fetch, cfg)
			if err != nil || v.Verdict != want {
				t.Errorf("%s with %s digest, NoSHA1 %v: %s (%s), %v; want %s",
					dns.AlgorithmToString[tt.algorithm], dns.HashToString[digest], tt.noSHA1, v.Verdict, v.Reason, err, want)
			}
		}
	}
}

// A SHA-1 digest does not count beside a better one (RFC 4509 section 3).
func TestValidateDigestDowngrade(t *testing.T) {
	z := newMemZone(t)
	z.add(t, newRR(t, "www. 300 IN A 192.0.2.1"))
	wrong := z.key.ToDS(dns.SHA256)
	wrong.Digest = strings.Repeat("00", 32)
	cfg := dnsq.ValidateConfig{Anchors: []dns.RR{z.key.ToDS(dns.SHA1), wrong}}
	v, err := dnsq.Validate(context.Background(), "www.", dns.TypeA, z.fetch, cfg)
	if err != nil || v.Verdict != dnsq.Bogus {
		t.Errorf("%+v, %v; want bogus", v, err)
	}
}

// A key longer than any the RFCs have is not used.
func TestValidateLongKey(t *testing.T) {
	z := newMemZoneWith(t, dns.RSASHA256, 2048)
	z.add(t, newRR(t, "www. 300 IN A 192.0.2.1"))
	z.key.PublicKey = base64.StdEncoding.EncodeToString(append([]byte{3, 1, 0, 1}, make([]byte, 600)...))
	z.sets[".DNSKEY"][0] = z.key
	if v := z.validate(t, "www."); v.Verdict != dnsq.Bogus || v.Verifications != 0 {
		t.Errorf("%s (%s) after %d verifications; want bogus without any", v.Verdict, v.Reason, v.Verifications)
	}
}
