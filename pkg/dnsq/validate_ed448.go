package dnsq

import (
	"crypto"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"

	"github.com/miekg/dns"
)

// holds reports whether sig, made by k, signs set. The DNS library checks all
// algorithms but Ed448.
func holds(sig *dns.RRSIG, k *dns.DNSKEY, set []dns.RR) bool {
	if sig.Algorithm != dns.ED448 {
		return sig.Verify(k, set) == nil
	}
	public, err1 := base64.StdEncoding.DecodeString(k.PublicKey)
	signature, err2 := base64.StdEncoding.DecodeString(sig.Signature)
	data, err3 := signedData(sig, set)
	return err1 == nil && err2 == nil && err3 == nil && verifyEd448(public, data, signature)
}

// signedData is what sig signs: its own fields, then the records of set in
// canonical form and order (RFC 4034 section 3.1.8.1). The DNS library makes it
// only on the way to sign, so a signer takes it down; the fields are written here
// since the library takes neither algorithm 16 nor key tag zero.
func signedData(sig *dns.RRSIG, set []dns.RR) ([]byte, error) {
	rrs := make([]dns.RR, len(set))
	for i, rr := range set {
		rrs[i] = dns.Copy(rr)
		h := rrs[i].Header()
		h.Ttl = sig.OrigTtl
		if labels := dns.SplitDomainName(h.Name); len(labels) > int(sig.Labels) { // made from a wildcard
			h.Name = wildcardAt(dns.Fqdn(strings.Join(labels[len(labels)-int(sig.Labels):], ".")))
		}
	}
	var signed dataTaker
	proxy := *sig
	proxy.Algorithm, proxy.KeyTag = dns.ED25519, 1
	if err := proxy.Sign(&signed, rrs); err != nil {
		return nil, err
	}
	fields := binary.BigEndian.AppendUint16(nil, sig.TypeCovered)
	fields = append(fields, sig.Algorithm, sig.Labels)
	for _, n := range []uint32{sig.OrigTtl, sig.Expiration, sig.Inception} {
		fields = binary.BigEndian.AppendUint32(fields, n)
	}
	fields = binary.BigEndian.AppendUint16(fields, sig.KeyTag)
	fields = appendWireName(fields, dns.CanonicalName(sig.SignerName))
	return append(fields, signed.data[len(fields):]...), nil
}

// A dataTaker is a signer that keeps what it should sign.
type dataTaker struct{ data []byte }

// Public is part of [crypto.Signer].
func (*dataTaker) Public() crypto.PublicKey { return nil }

// Sign keeps data. Its signature is of no use.
func (d *dataTaker) Sign(_ io.Reader, data []byte, _ crypto.SignerOpts) ([]byte, error) {
	d.data = data
	return []byte{0}, nil
}
