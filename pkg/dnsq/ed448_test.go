package dnsq

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"

	"github.com/miekg/dns"
)

// ed448Vectors are those of RFC 8032 section 7.4 without context.
var ed448Vectors = []struct{ name, public, message, sig string }{
	{"Blank",
		"5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180",
		"",
		"533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22ddd47d7828c59bd0a21bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600"},
	{"1 octet",
		"43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4cb82169c235160627b4c3a9480",
		"03",
		"26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b143c4b981b7e18f62de8ccdf633fc1bf037ab7cd779805e0dbcc0aae1cbcee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1953d2a0ff3348ab21aa4adafd1d234441cf807c03a00"},
	{"11 octets",
		"dcea9e78f35a1bf3499a831b10b86c90aac01cd84b67a0109b55a36e9328b1e365fce161d71ce7131a543ea4cb5f7e9f1d8b00696447001400",
		"0c3e544074ec63b0265e0c",
		"1f0a8888ce25e8d458a21130879b840a9089d999aaba039eaf3e3afa090a09d389dba82c4ff2ae8ac5cdfb7c55e94d5d961a29fe0109941e00b8dbdeea6d3b051068df7254c0cdc129cbe62db2dc957dbb47b51fd3f213fb8698f064774250a5028961c9bf8ffd973fe5d5c206492b140e00"},
	{"12 octets",
		"3ba16da0c6f2cc1f30187740756f5e798d6bc5fc015d7c63cc9510ee3fd44adc24d8e968b6e46e6f94d19b945361726bd75e149ef09817f580",
		"64a65f3cdedcdd66811e2915",
		"7eeeab7c4e50fb799b418ee5e3197ff6bf15d43a14c34389b59dd1a7b1b85b4ae90438aca634bea45e3a2695f1270f07fdcdf7c62b8efeaf00b45c2c96ba457eb1a8bf075a3db28e5c24f6b923ed4ad747c3c9e03c7079efb87cb110d3a99861e72003cbae6d6b8b827e4e6c143064ff3c00"},
	{"13 octets",
		"b3da079b0aa493a5772029f0467baebee5a8112d9d3a22532361da294f7bb3815c5dc59e176b4d9f381ca0938e13c6c07b174be65dfa578e80",
		"64a65f3cdedcdd66811e2915e7",
		"6a12066f55331b6c22acd5d5bfc5d71228fbda80ae8dec26bdd306743c5027cb4890810c162c027468675ecf645a83176c0d7323a2ccde2d80efe5a1268e8aca1d6fbc194d3f77c44986eb4ab4177919ad8bec33eb47bbb5fc6e28196fd1caf56b4e7e0ba5519234d047155ac727a1053100"},
	{"64 octets",
		"df9705f58edbab802c7f8363cfe5560ab1c6132c20a9f1dd163483a26f8ac53a39d6808bf4a1dfbd261b099bb03b3fb50906cb28bd8a081f00",
		"bd0f6a3747cd561bdddf4640a332461a4a30a12a434cd0bf40d766d9c6d458e5512204a30c17d1f50b5079631f64eb3112182da3005835461113718d1a5ef944",
		"554bc2480860b49eab8532d2a533b7d578ef473eeb58c98bb2d0e1ce488a98b18dfde9b9b90775e67f47d4a1c3482058efc9f40d2ca033a0801b63d45b3b722ef552bad3b4ccb667da350192b61c508cf7b6b5adadc2c8d9a446ef003fb05cba5f30e88e36ec2703b349ca229c2670833900"},
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVerifyEd448(t *testing.T) {
	for _, v := range ed448Vectors {
		public, message, sig := unhex(t, v.public), unhex(t, v.message), unhex(t, v.sig)
		if !verifyEd448(public, message, sig) {
			t.Errorf("%s: the signature of the RFC does not hold", v.name)
		}
		if verifyEd448(public, append(slices.Clone(message), 0), sig) {
			t.Errorf("%s: the signature holds for another message", v.name)
		}
		for i := 0; i < len(sig); i += 7 {
			spoiled := slices.Clone(sig)
			spoiled[i] ^= 1 << (i % 8)
			if verifyEd448(public, message, spoiled) {
				t.Errorf("%s: the signature holds with octet %d changed", v.name, i)
			}
		}
		other := slices.Clone(public)
		other[3] ^= 1
		if verifyEd448(other, message, sig) {
			t.Errorf("%s: the signature holds for another key", v.name)
		}
	}
}

// What RFC 8032 section 5.2.7 has a verifier refuse: S not below the order of the
// group (the same signature in another form), coordinates not below p, points not
// on the curve, and wrong lengths.
func TestVerifyEd448Refuses(t *testing.T) {
	v := ed448Vectors[0]
	public, sig := unhex(t, v.public), unhex(t, v.sig)
	s := littleEndian(sig[ed448PublicKeySize:])
	again := slices.Clone(sig)
	slices.Reverse(new(big.Int).Add(s, ed448().order).FillBytes(again[ed448PublicKeySize : ed448SignatureSize-1]))
	if verifyEd448(public, nil, again) {
		t.Error("S above the order of the group is accepted")
	}
	tooLarge := bytes.Repeat([]byte{0xff}, ed448PublicKeySize)
	tooLarge[ed448PublicKeySize-1] = 0
	zeroNegative := make([]byte, ed448PublicKeySize) // y = 1 is x = 0, which has no sign
	zeroNegative[0], zeroNegative[ed448PublicKeySize-1] = 1, 0x80
	lastOctet := slices.Clone(public)
	lastOctet[ed448PublicKeySize-1] |= 1
	for name, key := range map[string][]byte{
		"no octets": nil, "one octet short": public[:56], "one octet more": append(slices.Clone(public), 0),
		"y above p": tooLarge, "minus zero": zeroNegative, "bits in the last octet": lastOctet,
	} {
		if verifyEd448(key, nil, sig) {
			t.Errorf("key with %s is accepted", name)
		}
	}
	for _, bad := range [][]byte{nil, sig[:113], append(slices.Clone(sig), 0)} {
		if verifyEd448(public, nil, bad) {
			t.Errorf("a signature of %d octets is accepted", len(bad))
		}
	}
}

func FuzzVerifyEd448(f *testing.F) {
	for _, v := range ed448Vectors[:2] {
		public, _ := hex.DecodeString(v.public)
		message, _ := hex.DecodeString(v.message)
		sig, _ := hex.DecodeString(v.sig)
		f.Add(public, message, sig)
	}
	f.Fuzz(func(t *testing.T, public, message, sig []byte) {
		// The arithmetic takes a hundred times as long as all that reads the
		// input, and depends on it only through numbers: one in 256 will do.
		sum := sha256.Sum256(slices.Concat(public, message, sig))
		whole := len(sig) == ed448SignatureSize && len(public) == ed448PublicKeySize
		if (!whole || sum[0] == 0) && verifyEd448(public, message, sig) && !whole {
			t.Errorf("a signature of %d octets holds for a key of %d", len(sig), len(public))
		}
		if len(public) != ed448PublicKeySize {
			return
		}
		// A point that can be read is written the same.
		if p, ok := ed448().decode(public); ok && !bytes.Equal(ed448().encode(p), public) {
			t.Errorf("%x comes back as %x", public, ed448().encode(p))
		}
	})
}

// The data that is signed must be what the DNS library signs, wildcards and key
// tag zero included: here for Ed25519, which both can do.
func TestSignedData(t *testing.T) {
	for _, tt := range []struct {
		owner  string
		labels uint8
		tag    uint16
	}{{"www.Example.test.", 3, 4711}, {"a.b.wild.test.", 2, 4711}, {"*.wild.test.", 2, 1}, {"www.test.", 2, 0}} {
		a, _ := dns.NewRR(tt.owner + " 60 IN MX 10 Mail.Example.test.")
		b, _ := dns.NewRR(tt.owner + " 60 IN MX 5 x.test.")
		set := []dns.RR{a, b}
		sig := &dns.RRSIG{Hdr: dns.RR_Header{Name: tt.owner, Rrtype: dns.TypeRRSIG, Class: 1}, TypeCovered: dns.TypeMX,
			Algorithm: dns.ED25519, Labels: tt.labels, OrigTtl: 3600, Expiration: 2000, Inception: 1000, KeyTag: tt.tag, SignerName: "Test."}
		got, err := signedData(sig, set)
		if err != nil {
			t.Fatal(err)
		}
		if sig.Labels != tt.labels || sig.Signature != "" || a.Header().Name != tt.owner {
			t.Errorf("signedData has changed its arguments: %v %v", sig, a)
		}
		key := &dns.DNSKEY{Hdr: dns.RR_Header{Name: "test.", Rrtype: dns.TypeDNSKEY, Class: 1}, Flags: 257, Protocol: 3, Algorithm: dns.ED25519}
		private, err := key.Generate(256)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := private.(crypto.Signer).Sign(nil, signedDataFor(t, sig, set, key.KeyTag()), crypto.Hash(0))
		if err != nil {
			t.Fatal(err)
		}
		held := *sig
		held.KeyTag, held.Signature = key.KeyTag(), base64.StdEncoding.EncodeToString(signature)
		if err := held.Verify(key, set); err != nil {
			t.Errorf("%s, %d labels: the DNS library says %v of a signature over %x", tt.owner, tt.labels, err, got)
		}
	}
}

// signedDataFor is signedData with another key tag.
func signedDataFor(t *testing.T, sig *dns.RRSIG, set []dns.RR, tag uint16) []byte {
	t.Helper()
	c := *sig
	c.KeyTag = tag
	data, err := signedData(&c, set)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func BenchmarkVerifyEd448(b *testing.B) {
	public, _ := hex.DecodeString(ed448Vectors[1].public)
	message, _ := hex.DecodeString(ed448Vectors[1].message)
	sig, _ := hex.DecodeString(ed448Vectors[1].sig)
	for b.Loop() {
		if !verifyEd448(public, message, sig) {
			b.Fatal("does not hold")
		}
	}
}
