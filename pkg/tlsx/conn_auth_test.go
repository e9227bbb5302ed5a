package tlsx_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// TestResumption covers sessions: of a connection, from a file.
func TestResumption(t *testing.T) {
	_, cc, sc := good(t)
	client, server := clientContext(t, cc), serverContext(t, sc)
	for _, m := range []tlsx.Method{tlsx.MethodTLS12, tlsx.MethodTLS13} {
		o := tlsx.Override{Methods: tlsx.MethodSet{m}}
		p := join(t, client, server, o)
		go func() { p.server.Write([]byte("x")) }()
		p.client.Read(make([]byte, 1))
		if p.client.Session() == nil {
			t.Fatalf("%s: no session", m)
		}
		text, err := p.client.Session().MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if o.Session, err = tlsx.ParseSession(text); err != nil {
			t.Fatal(err)
		}
		p = join(t, client, server, o)
		c, s := p.shake(t)
		if c != nil || s != nil || !p.client.ConnectionState().DidResume {
			t.Errorf("%s: resumed %v, %v, %v; want a resumed connection", m, p.client.ConnectionState().DidResume, c, s)
		}
		if code, _ := p.client.VerifyResult(); code != 0 || len(p.client.PeerChain()) == 0 {
			t.Errorf("%s: a resumed connection has result %d, %d certificates", m, code, len(p.client.PeerChain()))
		}
	}
	for _, bad := range []string{"", "x", "-----BEGIN BRIO TLS SESSION-----\n/////w==\n-----END BRIO TLS SESSION-----\n"} {
		if _, err := tlsx.ParseSession([]byte(bad)); err == nil {
			t.Errorf("ParseSession(%q) succeeds", bad)
		}
	}
}

// TestLateRefusal covers a client certificate that a TLS 1.3 server refuses
// after the client's handshake.
func TestLateRefusal(t *testing.T) {
	ca, cc, sc := good(t)
	sc.Verify, sc.Roots = tlsx.VerifyRequired, ca.store()
	server := serverContext(t, sc)
	run := func() error {
		p := join(t, clientContext(t, cc), server, tlsx.Override{})
		p.shake(t)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return p.client.AwaitAcceptance(ctx)
	}
	var e *tlsx.Error
	if err := run(); !errors.As(err, &e) || e.Alert != 116 {
		t.Errorf("without a certificate: %v; want alert 116", err)
	}
	cc.Identities = []tls.Certificate{newAuthority(t, "other", nil).issue(newKey(t), nil)}
	if err := run(); !errors.As(err, &e) || e.Alert != 42 {
		t.Errorf("with a foreign certificate: %v; want alert 42", err)
	}
	cc.Identities = []tls.Certificate{ca.issue(newKey(t), nil)}
	if err := run(); err != nil {
		t.Errorf("with a good certificate: %v", err)
	}
}

// TestPins covers pinned keys, which count whatever the verify mode.
func TestPins(t *testing.T) {
	_, cc, sc := good(t)
	server := serverContext(t, sc)
	leaf, err := tlsx.ParseCertificate(sc.Identities[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	cc.Verify = tlsx.VerifyNone
	for _, pin := range []string{leaf.Pin(), "sha256:" + leaf.Pin(), "sha256//" + leaf.Pin()} {
		cc.Pins = []string{pin}
		if err, _ := join(t, clientContext(t, cc), server, tlsx.Override{}).shake(t); err != nil {
			t.Errorf("pin %s: %v", pin, err)
		}
	}
	cc.Pins = []string{"sha256:" + strings.Repeat("00", 32)}
	if err, _ := join(t, clientContext(t, cc), server, tlsx.Override{}).shake(t); !errors.Is(err, tlsx.ErrPin) {
		t.Errorf("another pin: %v; want %v", err, tlsx.ErrPin)
	}
	cc.Pins = []string{"sha256:short"}
	if _, err := tlsx.NewClientContext(cc); err == nil {
		t.Error("a malformed pin is no error")
	}
}

// TestAllow covers faults that are put up with.
func TestAllow(t *testing.T) {
	_, cc, sc := good(t)
	cc.ServerName, cc.Allow = "other.example", []tlsx.VerifyCode{tlsx.CodeHostnameMismatch}
	p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
	if err, _ := p.shake(t); err != nil {
		t.Errorf("Handshake = %v", err)
	}
	if r := p.client.Verification(); r == nil || !r.OK || len(r.Faults) != 1 {
		t.Errorf("Verification = %+v; want OK with the fault listed", r)
	}
	cc.Allow = nil
	cc.ExpectedName = "localhost"
	if err, _ := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{}).shake(t); err != nil {
		t.Errorf("with an expected name besides the SNI: %v", err)
	}
	cc.ExpectedName, cc.ServerName = "", "127.0.0.1"
	if err, _ := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{}).shake(t); err != nil {
		t.Errorf("by IP address: %v", err)
	}
	cc.ServerName = "127.0.0.2"
	err, _ := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{}).shake(t)
	wantCode(t, "another IP address", err, tlsx.CodeIPAddressMismatch)
}

// sessionText is a session of a connection, as a file has it.
func sessionText(m tlsx.Method) []byte {
	id := must(tlsx.SelfSigned([]string{"a.example"}, time.Hour))
	client := must(tlsx.NewClientContext(tlsx.Config{Verify: tlsx.VerifyNone, Methods: tlsx.MethodSet{m}}))
	server := must(tlsx.NewServerContext(tlsx.Config{Identities: []tls.Certificate{id}}))
	here, there := net.Pipe()
	c, s := must(client.Client(here, tlsx.Override{})), must(server.Server(there, tlsx.Override{}))
	defer c.Abort()
	defer s.Abort()
	go s.Write([]byte("x"))
	return must(c.AwaitSession(context.Background()).MarshalText())
}

// A session that was read is written and read again as it is. The body of the
// PEM block is what is fuzzed, for encoding/pem is not ours.
func FuzzParseSession(f *testing.F) {
	for _, m := range []tlsx.Method{tlsx.MethodTLS12, tlsx.MethodTLS13} {
		b, _ := pem.Decode(sessionText(m))
		f.Add(b.Bytes)
	}
	f.Add([]byte{0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := tlsx.ParseSession(pem.EncodeToMemory(&pem.Block{Type: "BRIO TLS SESSION", Bytes: body}))
		if err != nil {
			return
		}
		text, err := s.MarshalText()
		if err != nil {
			t.Fatalf("a session that was read can not be written: %v", err)
		}
		again, err := tlsx.ParseSession(text)
		if err != nil {
			t.Fatalf("a session that was written can not be read: %v", err)
		}
		if twice, err := again.MarshalText(); err != nil || !bytes.Equal(text, twice) {
			t.Errorf("%s becomes %s, %v", text, twice, err)
		}
	})
}

// A client that verifies must know whom it talks to; only "*" means anybody.
func TestClientNeedsName(t *testing.T) {
	raw, far := net.Pipe()
	defer raw.Close()
	defer far.Close()
	for _, tt := range []struct {
		name string
		cfg  tlsx.Config
		o    tlsx.Override
		ok   bool
	}{
		{"nothing", tlsx.Config{}, tlsx.Override{}, false},
		{"server name", tlsx.Config{ServerName: "a.example"}, tlsx.Override{}, true},
		{"override", tlsx.Config{}, tlsx.Override{ServerName: "a.example"}, true},
		{"expected name", tlsx.Config{ExpectedName: "a.example"}, tlsx.Override{}, true},
		{"any", tlsx.Config{ExpectedName: "*"}, tlsx.Override{}, true},
		{"no verification", tlsx.Config{Verify: tlsx.VerifyNone}, tlsx.Override{}, true},
		{"verification by override", tlsx.Config{Verify: tlsx.VerifyNone}, tlsx.Override{Verify: tlsx.VerifyRequired}, false},
	} {
		_, err := clientContext(t, tt.cfg).Client(raw, tt.o)
		var option *tlsx.OptionError
		if (err == nil) != tt.ok || err != nil && (!errors.As(err, &option) || option.Option != "server-name") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
