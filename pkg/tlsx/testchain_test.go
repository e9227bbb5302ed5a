package tlsx_test

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// TestMakeChain checks that every fault is the one that its name says, and the
// only one.
func TestMakeChain(t *testing.T) {
	for fault, want := range map[tlsx.ChainFault]tlsx.VerifyCode{
		"":                            0,
		tlsx.FaultExpired:             tlsx.CodeCertHasExpired,
		tlsx.FaultExpiredChain:        tlsx.CodeCertHasExpired,
		tlsx.FaultNotYetValid:         tlsx.CodeCertNotYetValid,
		tlsx.FaultWrongName:           tlsx.CodeHostnameMismatch,
		tlsx.FaultSelfSigned:          tlsx.CodeDepthZeroSelfSignedCert,
		tlsx.FaultUntrustedRoot:       tlsx.CodeUnableToGetIssuerCertLocally,
		tlsx.FaultMissingIntermediate: tlsx.CodeUnableToGetIssuerCertLocally,
		tlsx.FaultWrongOrder:          0, // builders sort chains
		tlsx.FaultWeakKey:             tlsx.CodeEEKeyTooSmall,
		tlsx.FaultWeakSignature:       tlsx.CodeCAMDTooWeak,
		tlsx.FaultNoServerPurpose:     tlsx.CodeInvalidPurpose,
		tlsx.FaultNotCA:               79, // X509_V_ERR_INVALID_CA
	} {
		id, root, err := tlsx.MakeChain([]string{"localhost", "127.0.0.1"}, time.Hour, fault)
		if err != nil {
			t.Fatal(err)
		}
		trust, err := tlsx.ParseCertificate(root.Raw)
		if err != nil {
			t.Fatal(err)
		}
		roots := &tlsx.Store{}
		roots.Add(trust)
		r := tlsx.Verify(id.Certificate, tlsx.VerifyOptions{Roots: roots, Hostname: "localhost"})
		if r.Code != want {
			t.Errorf("fault %q: %d %s; want %d", fault, r.Code, r.Text, want)
		}
	}
	if _, _, err := tlsx.MakeChain(nil, time.Hour, "nonsense"); err == nil {
		t.Error("an unknown fault is no error")
	}
}

func TestSelfSigned(t *testing.T) {
	id, err := tlsx.SelfSigned([]string{"localhost"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	client := clientContext(t, tlsx.Config{ServerName: "localhost", Roots: &tlsx.Store{}, Allow: []tlsx.VerifyCode{tlsx.CodeDepthZeroSelfSignedCert}})
	p := join(t, client, serverContext(t, tlsx.Config{Identities: []tls.Certificate{id}}), tlsx.Override{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	go p.server.Handshake(ctx)
	if err := p.client.Handshake(ctx); err != nil {
		t.Errorf("Handshake with --allow self-signed = %v", err)
	}
}

// Certificates are judged at the moment that was asked for, wherever the clock
// of the machine stands: before they are valid, while, and after.
func TestVerifyClockJumps(t *testing.T) {
	id, root, err := tlsx.MakeChain([]string{"localhost"}, time.Hour, "")
	if err != nil {
		t.Fatal(err)
	}
	roots := &tlsx.Store{}
	roots.Add(must(tlsx.ParseCertificate(root.Raw)))
	leaf := must(tlsx.ParseCertificate(id.Certificate[0]))
	for _, tt := range []struct {
		at   time.Time
		want tlsx.VerifyCode
	}{
		{leaf.NotBefore.Add(-time.Second), tlsx.CodeCertNotYetValid},
		{leaf.NotBefore.Time, tlsx.CodeOK},
		{leaf.NotAfter.Add(-time.Second), tlsx.CodeOK},
		{leaf.NotAfter.Time, tlsx.CodeCertHasExpired}, // as OpenSSL has it
		{leaf.NotAfter.Add(time.Second), tlsx.CodeCertHasExpired},
		{time.Unix(0, 0), tlsx.CodeCertNotYetValid}, // a machine without battery
		{time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC), tlsx.CodeCertHasExpired},
	} {
		if r := tlsx.Verify(id.Certificate, tlsx.VerifyOptions{Roots: roots, Time: tt.at}); r.Code != tt.want {
			t.Errorf("at %v: %d %s; want %d", tt.at, r.Code, r.Text, tt.want)
		}
	}
}
