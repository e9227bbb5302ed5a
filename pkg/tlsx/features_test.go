package tlsx_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/brio-net/brio/pkg/tlsx"
)

// TestALPN covers the application protocol, agreed and not.
func TestALPN(t *testing.T) {
	_, cc, sc := good(t)
	cc.ALPN, sc.ALPN = []string{"h2", "http/1.1"}, []string{"http/1.1"}
	p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
	if err, _ := p.shake(t); err != nil || p.client.Info().ALPN != "http/1.1" {
		t.Errorf("ALPN %q, %v; want http/1.1", p.client.Info().ALPN, err)
	}
	if h := p.server.Info().Hello; h == nil || !slices.Equal(h.ALPN, cc.ALPN) {
		t.Errorf("the server saw %+v; want the client's list", h)
	}
	cc.ALPN = []string{"imap"}
	var e *tlsx.Error
	if err, _ := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{}).shake(t); !errors.As(err, &e) || e.Alert != 120 {
		t.Errorf("nothing in common: %v; want alert 120", err)
	}
}

// TestServerName covers SNI: sent, not sent, and the choice of the certificate.
func TestServerName(t *testing.T) {
	ca, cc, sc := good(t)
	other := ca.issue(newKey(t), nil)
	sc.Identities = append(sc.Identities, other)
	p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
	if p.shake(t); p.server.Info().ServerName != "localhost" {
		t.Errorf("the server saw %q; want localhost", p.server.Info().ServerName)
	}
	cc.NoServerName = true
	p = join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
	if err, _ := p.shake(t); err != nil || p.server.Info().ServerName != "" {
		t.Errorf("no-server-name: the server saw %q, %v", p.server.Info().ServerName, err)
	}
}

// TestGroups covers the choice of the key agreement.
func TestGroups(t *testing.T) {
	_, cc, sc := good(t)
	for _, name := range tlsx.Groups() {
		g, err := tlsx.ParseGroups(name)
		if err != nil {
			t.Fatal(err)
		}
		cc.Groups = g
		p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
		if err, _ := p.shake(t); err != nil || p.client.Info().Group != name || p.client.Info().PostQuantum != strings.Contains(name, "MLKEM") {
			t.Errorf("%s: %+v, %v", name, p.client.Info().Group, err)
		}
	}
	for _, bad := range []string{"X448", "nonsense"} {
		if _, err := tlsx.ParseGroups(bad); err == nil || !strings.Contains(err.Error(), "X25519MLKEM768") {
			t.Errorf("ParseGroups(%s) = %v; want an error that lists the known ones", bad, err)
		}
	}
	if g, err := tlsx.ParseGroups("prime256v1:secp384r1,x25519"); err != nil || !slices.Equal(g, []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.X25519}) {
		t.Errorf("ParseGroups with OpenSSL's names = %v, %v", g, err)
	}
}

// TestKeyLog covers the secrets for Wireshark.
func TestKeyLog(t *testing.T) {
	_, cc, sc := good(t)
	var log bytes.Buffer
	cc.KeyLog = &log
	join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{}).shake(t)
	if !strings.Contains(log.String(), "CLIENT_TRAFFIC_SECRET_0 ") {
		t.Errorf("key log %q; want the traffic secrets", log.String())
	}
}

// TestStapleInHandshake covers the response that a server sends with its certificate.
func TestStapleInHandshake(t *testing.T) {
	ca, cc, sc := good(t)
	dir := ca.files(sc.Identities[0])
	sc = tlsx.Config{Certificate: dir + "/cert.pem", Key: dir + "/key.pem", OCSPStaple: []byte("not a response")}
	cc.Verify = tlsx.VerifyNone
	p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
	if p.shake(t); p.client.Info().OCSPStaple != len("not a response") {
		t.Errorf("a staple of %d bytes; want %d", p.client.Info().OCSPStaple, len("not a response"))
	}
}

// TestECH covers the encrypted ClientHello: the real name is not on the wire,
// and the server accepts it.
func TestECH(t *testing.T) {
	_, cc, sc := good(t)
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	config := echConfig(key.PublicKey().Bytes())
	var list cryptobyte.Builder
	list.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(config) })
	cc.ECHConfigList = list.BytesOrPanic()
	raw, far := pipe(t)
	c, err := clientContext(t, cc).Client(raw, tlsx.Override{})
	if err != nil {
		t.Fatal(err)
	}
	seen := &recorder{Conn: far}
	server := tls.Server(seen, &tls.Config{Certificates: sc.Identities,
		EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{{Config: config, PrivateKey: key.Bytes(), SendAsRetry: true}}})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := c.Handshake(t.Context()); err != nil || !c.Info().ECHAccepted {
		t.Errorf("ECH accepted %v, %v", c.Info().ECHAccepted, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if bytes.Contains(seen.first, []byte("localhost")) || !bytes.Contains(seen.first, []byte("public.example")) {
		t.Errorf("the ClientHello %q shows the name", seen.first)
	}
}

// echConfig is an ECHConfig of RFC 9849 for a public key.
func echConfig(public []byte) []byte {
	var b cryptobyte.Builder
	b.AddUint16(0xfe0d)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8(7)       // config_id
		b.AddUint16(0x0020) // DHKEM(X25519, HKDF-SHA256)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(public) })
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(1) // HKDF-SHA256
			b.AddUint16(1) // AES-128-GCM
		})
		b.AddUint8(32)
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("public.example")) })
		b.AddUint16(0)
	})
	return b.BytesOrPanic()
}

// TestECHOptions covers what ECH cannot go with.
func TestECHOptions(t *testing.T) {
	config := echConfig(make([]byte, 32))
	list := append([]byte{byte(len(config) >> 8), byte(len(config))}, config...)
	for _, tt := range []struct {
		cfg  tlsx.Config
		want string // "" for none
	}{
		{tlsx.Config{ECHConfigList: list}, ""},
		{tlsx.Config{ECHConfigList: list, Methods: tlsx.MethodSet{tlsx.MethodTLS12}}, "needs TLS 1.3"},
		{tlsx.Config{ECHConfigList: []byte("-----BEGIN")}, "no list"},
		{tlsx.Config{ECHConfigList: []byte{0, 0}}, "no list"},
	} {
		_, err := tlsx.NewClientContext(tt.cfg)
		var option *tlsx.OptionError
		if (err == nil) != (tt.want == "") || err != nil && (!errors.As(err, &option) || !strings.Contains(option.Reason, tt.want)) {
			t.Errorf("NewClientContext(%x, %v) = %v; want %q", tt.cfg.ECHConfigList, tt.cfg.Methods, err, tt.want)
		}
	}
}

// recorder keeps what is read first.
type recorder struct {
	net.Conn
	first []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if len(r.first) < 2048 {
		r.first = append(r.first, p[:n]...)
	}
	return n, err
}

// TestSecurityLevel covers @SECLEVEL in the cipher string: it judges the keys of
// the chain too.
func TestSecurityLevel(t *testing.T) {
	id, root, err := tlsx.MakeChain([]string{"localhost"}, time.Hour, tlsx.FaultWeakKey)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := tlsx.ParseCertificate(root.Raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := &tlsx.Store{}
	roots.Add(trust)
	server := serverContext(t, tlsx.Config{Identities: []tls.Certificate{id}})
	for ciphers, want := range map[string]tlsx.VerifyCode{
		"":                    tlsx.CodeEEKeyTooSmall,
		"DEFAULT:@SECLEVEL=2": tlsx.CodeEEKeyTooSmall,
		"DEFAULT:@SECLEVEL=1": 0,
		"DEFAULT@SECLEVEL=0":  0,
	} {
		client := clientContext(t, tlsx.Config{Roots: roots, ServerName: "localhost", Ciphers: ciphers, Verify: tlsx.VerifyNone})
		p := join(t, client, server, tlsx.Override{})
		p.shake(t)
		if code, text := p.client.VerifyResult(); code != want {
			t.Errorf("ciphers %q: %d %s; want %d", ciphers, code, text, want)
		}
	}
}

// TestTwoIdentities covers a server with keys of two kinds: its cipher list
// decides which one it shows.
func TestTwoIdentities(t *testing.T) {
	ca, cc, sc := good(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sc.Identities = append(sc.Identities, ca.issue(key, nil))
	cc.Methods = tlsx.MethodSet{tlsx.MethodTLS12}
	for ciphers, index := range map[string]int{
		"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256": 1,
		"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256": 0,
		"AES128-SHA": 1,
	} {
		sc.Ciphers = ciphers
		p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
		if err, _ := p.shake(t); err != nil || !bytes.Equal(p.client.PeerChain()[0], sc.Identities[index].Certificate[0]) {
			t.Errorf("server ciphers %s: %v; want the certificate %d", ciphers, err, index)
		}
	}
}
