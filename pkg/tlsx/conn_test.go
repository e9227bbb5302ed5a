package tlsx_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/tlsx"
)

// pair is a client and a server joined by a connection.
type pair struct {
	client, server *tlsx.Conn
}

func clientContext(t *testing.T, cfg tlsx.Config) *tlsx.Context {
	t.Helper()
	c, err := tlsx.NewClientContext(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serverContext(t *testing.T, cfg tlsx.Config) *tlsx.Context {
	t.Helper()
	c, err := tlsx.NewServerContext(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func join(t *testing.T, client, server *tlsx.Context, o tlsx.Override) pair {
	t.Helper()
	rawClient, rawServer := pipe(t)
	c, err := client.Client(rawClient, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Server(rawServer, tlsx.Override{})
	if err != nil {
		t.Fatal(err)
	}
	return pair{c, s}
}

// shake runs both handshakes and returns both outcomes.
func (p pair) shake(t *testing.T) (client, server error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		if server = p.server.Handshake(ctx); server != nil {
			p.server.Close()
		}
	})
	if client = p.client.Handshake(ctx); client != nil {
		p.client.Close()
	}
	wg.Wait()
	return client, server
}

// good returns contexts that get along.
func good(t *testing.T) (ca *authority, client, server tlsx.Config) {
	ca = newAuthority(t, "root", nil)
	return ca, tlsx.Config{Roots: ca.store(), ServerName: "localhost"},
		tlsx.Config{Identities: []tls.Certificate{ca.issue(newKey(t), nil)}}
}

func wantCode(t *testing.T, what string, err error, code tlsx.VerifyCode) {
	t.Helper()
	var e *tlsx.Error
	if !errors.As(err, &e) || e.VerifyResult != code {
		t.Errorf("%s = %v; want verification result %d", what, err, code)
	}
}

// TestMakeSSLContext covers make-ssl-client-context and make-ssl-server-context:
// files for certificate, key and ca-file, and one context for many connections.
func TestMakeSSLContext(t *testing.T) {
	ca := newAuthority(t, "root", nil)
	dir := ca.files(ca.issue(newKey(t), nil))
	client := clientContext(t, tlsx.Config{CAFiles: []string{dir + "/ca.pem"}, ServerName: "localhost"})
	server := serverContext(t, tlsx.Config{Certificate: dir + "/cert.pem", Key: dir + "/key.pem"})
	for range 3 {
		if c, s := join(t, client, server, tlsx.Override{}).shake(t); c != nil || s != nil {
			t.Errorf("Handshake = %v, %v", c, s)
		}
	}
	if _, err := tlsx.NewServerContext(tlsx.Config{}); err == nil {
		t.Error("NewServerContext without a certificate succeeds")
	}
	if _, err := tlsx.NewServerContext(tlsx.Config{Certificate: dir + "/cert.pem", ServerName: "x"}); err == nil {
		t.Error("NewServerContext with a server name succeeds")
	}
	if _, err := tlsx.NewClientContext(tlsx.Config{CAFiles: []string{dir + "/none.pem"}}); err == nil {
		t.Error("NewClientContext with a missing ca-file succeeds")
	}
}

// TestOverride covers the rule of make-ssl-client-stream: six keywords change
// for one connection, seven are refused.
func TestOverride(t *testing.T) {
	_, cc, sc := good(t)
	client, server := clientContext(t, cc), serverContext(t, sc)
	p := join(t, client, server, tlsx.Override{Methods: tlsx.MethodSet{tlsx.MethodTLS12}, Ciphers: "ECDHE-ECDSA-AES128-SHA", MaxDepth: 3})
	if c, _ := p.shake(t); c != nil {
		t.Fatal(c)
	}
	if st := p.client.ConnectionState(); st.Version != tls.VersionTLS12 || st.CipherSuite != tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA {
		t.Errorf("negotiated %x %x; want the overriding method and cipher", st.Version, st.CipherSuite)
	}
	p = join(t, client, server, tlsx.Override{Groups: []tls.CurveID{tls.CurveP384}})
	if c, _ := p.shake(t); c != nil || p.client.Info().Group != "P-384" {
		t.Errorf("with P-384 alone: %v, group %s", c, p.client.Info().Group)
	}
	p = join(t, client, server, tlsx.Override{})
	if c, _ := p.shake(t); c != nil || p.client.ConnectionState().Version != tls.VersionTLS13 {
		t.Errorf("the next connection: %v, %x; want the context's method", c, p.client.ConnectionState().Version)
	}
	raw, _ := pipe(t)
	for option, o := range map[string]tlsx.Override{
		"certificate":          {Certificate: "x"},
		"key":                  {Key: "x"},
		"certificate-password": {Password: pass("x")},
		"ca-file":              {CAFiles: []string{"x"}},
		"ca-directory":         {CADirectory: "x"},
		"crl-check":            {CRLCheck: tlsx.CRLLeaf},
		"crl-file":             {CRLFiles: []string{"x"}},
	} {
		var oe *tlsx.OptionError
		if _, err := client.Client(raw, o); !errors.As(err, &oe) || oe.Option != option {
			t.Errorf("Client with %s = %v; want an OptionError", option, err)
		}
	}
	if _, err := server.Client(raw, tlsx.Override{}); err == nil {
		t.Error("Client of a server's context succeeds")
	}
}

// TestMethodOnTheWire covers the keyword method between client and server, also
// a list with a gap.
func TestMethodOnTheWire(t *testing.T) {
	_, cc, sc := good(t)
	for _, tt := range []struct {
		client, server string
		want           uint16 // 0 when they must not agree
	}{
		{"tlsv1", "tlsv1+", tls.VersionTLS10},
		{"tlsv1+", "tlsv1.1", tls.VersionTLS11},
		{"tls", "tlsv1.2", tls.VersionTLS12},
		{"tlsv1+", "tlsv1+", tls.VersionTLS13},
		{"tlsv1.2", "tlsv1.1,tlsv1.3", 0},
		{"tlsv1+", "tlsv1.2,tlsv1", tls.VersionTLS12},
		{"tlsv1.1,tlsv1.2", "tlsv1,tlsv1.1", tls.VersionTLS11},
		{"tlsv1.3,tlsv1.1", "tlsv1.2", 0},
		{"tlsv1.1,tlsv1.2", "tlsv1.3,tlsv1.1", tls.VersionTLS11},
		{"tlsv1.3", "tlsv1.2", 0},
	} {
		cc.Methods, _ = tlsx.ParseMethods(tt.client)
		sc.Methods, _ = tlsx.ParseMethods(tt.server)
		p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
		err, _ := p.shake(t)
		if (err == nil) != (tt.want != 0) || err == nil && p.client.ConnectionState().Version != tt.want {
			t.Errorf("client %s, server %s: %x, %v; want %x", tt.client, tt.server, p.client.ConnectionState().Version, err, tt.want)
		}
	}
}

// TestVerify covers the keyword verify on both sides.
func TestVerify(t *testing.T) {
	ca, cc, sc := good(t)
	other := newAuthority(t, "other", nil)
	cc.Roots = other.store()
	for mode, fails := range map[tlsx.VerifyMode]bool{tlsx.VerifyDefault: true, tlsx.VerifyNone: false, tlsx.VerifyOptional: true, tlsx.VerifyRequired: true} {
		cc.Verify = mode
		p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
		err, _ := p.shake(t)
		if (err != nil) != fails {
			t.Errorf("client verify %v: Handshake = %v; want failure: %v", mode, err, fails)
		}
		if code, _ := p.client.VerifyResult(); code != tlsx.CodeUnableToGetIssuerCertLocally {
			t.Errorf("client verify %v: result %d; want 20", mode, code)
		}
	}
	cc.Roots, cc.Verify, sc.Roots = ca.store(), tlsx.VerifyDefault, ca.store()
	mine, foreign := []tls.Certificate{ca.issue(newKey(t), nil)}, []tls.Certificate{other.issue(newKey(t), nil)}
	for _, tt := range []struct {
		mode tlsx.VerifyMode
		ids  []tls.Certificate
		ok   bool
		peer bool
	}{
		{tlsx.VerifyDefault, mine, true, false},
		{tlsx.VerifyNone, mine, true, false},
		{tlsx.VerifyOptional, nil, true, false},
		{tlsx.VerifyOptional, mine, true, true},
		{tlsx.VerifyOptional, foreign, false, true},
		{tlsx.VerifyRequired, nil, false, false},
		{tlsx.VerifyRequired, mine, true, true},
		{tlsx.VerifyRequired, foreign, false, true},
	} {
		cc.Identities, sc.Verify = tt.ids, tt.mode
		p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
		_, err := p.shake(t)
		if (err == nil) != tt.ok || (len(p.server.PeerChain()) > 0) != tt.peer {
			t.Errorf("server verify %v, %d certificates: %v, peer %v; want ok %v, peer %v",
				tt.mode, len(tt.ids), err, len(p.server.PeerChain()) > 0, tt.ok, tt.peer)
		}
	}
}

// TestMaxDepth covers the keyword max-depth: intermediates allowed, code 22.
func TestMaxDepth(t *testing.T) {
	root := newAuthority(t, "root", nil)
	a := newAuthority(t, "a", root)
	b := newAuthority(t, "b", a)
	sc := tlsx.Config{Identities: []tls.Certificate{b.issue(newKey(t), nil, b, a)}}
	for depth, code := range map[int]tlsx.VerifyCode{0: 0, 2: 0, 1: tlsx.CodeCertChainTooLong} {
		cc := tlsx.Config{Roots: root.store(), ServerName: "localhost", MaxDepth: depth, Verify: tlsx.VerifyNone}
		p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
		p.shake(t)
		if got, text := p.client.VerifyResult(); got != code {
			t.Errorf("max-depth %d: result %d %s; want %d", depth, got, text, code)
		}
	}
}

// TestCADirectory covers the keyword ca-directory: OpenSSL's layout and a plain
// directory.
func TestCADirectory(t *testing.T) {
	ca, _, sc := good(t)
	dir := ca.files(sc.Identities[0])
	server := serverContext(t, sc)
	try := func(dir string) error {
		client := clientContext(t, tlsx.Config{CADirectory: dir, ServerName: "localhost"})
		err, _ := join(t, client, server, tlsx.Override{}).shake(t)
		return err
	}
	if err := try(dir); err != nil {
		t.Errorf("plain directory: %v", err)
	}
	hashed := t.TempDir()
	write(t, hashed, "ca.pem", read(t, dir, "ca.pem"))
	openssl(t, hashed, "rehash", hashed)
	if err := try(hashed); err != nil {
		t.Errorf("hashed directory: %v", err)
	}
	other := newAuthority(t, "other", nil)
	otherDir := other.files(sc.Identities[0])
	if err := try(otherDir + string(filepath.ListSeparator) + hashed); err != nil {
		t.Errorf("two directories: %v", err)
	}
	if err := try(otherDir); err == nil {
		t.Error("a directory of other authorities is enough")
	}
}

// TestCRLCheck covers the keywords crl-check and crl-file.
func TestCRLCheck(t *testing.T) {
	ca, cc, sc := good(t)
	server := serverContext(t, sc)
	dir := t.TempDir()
	empty := write(t, dir, "empty.crl", ca.crl())
	full := write(t, dir, "full.crl", ca.crl(sc.Identities[0]))
	for _, tt := range []struct {
		check tlsx.CRLCheck
		files []string
		want  tlsx.VerifyCode
	}{
		{tlsx.CRLOff, []string{full}, 0},
		{tlsx.CRLLeaf, nil, tlsx.CodeUnableToGetCRL},
		{tlsx.CRLLeaf, []string{empty}, 0},
		{tlsx.CRLLeaf, []string{full}, tlsx.CodeCertRevoked},
		{tlsx.CRLAll, []string{empty}, 0},
	} {
		cc.CRLCheck, cc.CRLFiles, cc.Verify = tt.check, tt.files, tlsx.VerifyNone
		p := join(t, clientContext(t, cc), server, tlsx.Override{})
		p.shake(t)
		if got, text := p.client.VerifyResult(); got != tt.want {
			t.Errorf("crl-check %v with %v: %d %s; want %d", tt.check, tt.files, got, text, tt.want)
		}
	}
	cc.CRLFiles = []string{dir + "/none"}
	if _, err := tlsx.NewClientContext(cc); err == nil {
		t.Error("a missing crl-file is no error")
	}
}

// TestCiphersuitesOnTheWire covers the keyword ciphersuites: every pair of
// suites, where only equal ones agree.
func TestCiphersuitesOnTheWire(t *testing.T) {
	_, cc, sc := good(t)
	for _, ours := range tlsx.Ciphersuites() {
		for _, theirs := range tlsx.Ciphersuites() {
			cc.Ciphersuites, sc.Ciphersuites = ours, theirs
			p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{Methods: tlsx.MethodSet{tlsx.MethodTLS13}})
			err, _ := p.shake(t)
			if (err == nil) != (ours == theirs) {
				t.Errorf("client %s, server %s: %v", ours, theirs, err)
			}
		}
	}
	for _, bad := range []string{"TLS_FOO", "TLS_AES_128_CCM_SHA256", "AES128-SHA"} {
		cc.Ciphersuites = bad
		if _, err := tlsx.NewClientContext(cc); err == nil || !strings.Contains(err.Error(), "TLS_AES_128_GCM_SHA256") {
			t.Errorf("ciphersuites %s: %v; want an error that lists the known ones", bad, err)
		}
	}
}

// TestPreferServerCipherOrder covers the keyword prefer-server-cipher-order,
// for TLS 1.2 and 1.3. The client's order is set through a plain crypto/tls
// client, whose order is Go's, or through the TLS 1.3 list.
func TestPreferServerCipherOrder(t *testing.T) {
	_, cc, sc := good(t)
	const a, b = "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"
	for _, tt := range []struct {
		client, server string
		order          tlsx.CipherOrder
		want           string
	}{
		{a + ":" + b, b + ":" + a, tlsx.OrderDefault, b},
		{a + ":" + b, b + ":" + a, tlsx.OrderServer, b},
		{a + ":" + b, b + ":" + a, tlsx.OrderClient, a},
		{b + ":" + a, "", tlsx.OrderClient, b},
	} {
		cc.Ciphersuites, sc.Ciphersuites, sc.CipherOrder = tt.client, tt.server, tt.order
		p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
		err, _ := p.shake(t)
		if got := tlsx.SuiteByID(p.client.ConnectionState().CipherSuite).Name; err != nil || got != tt.want {
			t.Errorf("client %s, server %s, order %v: %s, %v; want %s", tt.client, tt.server, tt.order, got, err, tt.want)
		}
	}
	cc.Ciphersuites, sc.Ciphersuites = "", ""
	cc.Methods = tlsx.MethodSet{tlsx.MethodTLS12}
	gos := "ECDHE-ECDSA-AES128-GCM-SHA256" // comes first in what Go's client offers of these
	for _, first := range []string{"ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"} {
		sc.Ciphers = first + ":" + gos
		cc.Ciphers = sc.Ciphers
		for order, want := range map[tlsx.CipherOrder]string{tlsx.OrderServer: first, tlsx.OrderClient: gos} {
			sc.CipherOrder = order
			p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
			err, _ := p.shake(t)
			if got := tlsx.SuiteByID(p.client.ConnectionState().CipherSuite).Name; err != nil || got != want {
				t.Errorf("server %s, order %v: %s, %v; want %s", sc.Ciphers, order, got, err, want)
			}
		}
	}
}

func TestCiphersThatCanNotBeHad(t *testing.T) {
	for s, part := range map[string]string{
		"AES129-SHA":      "unknown word",
		"DHE":             "not available in Go",
		"HIGH:AES129-SHA": "ECDHE-RSA-AES128-GCM-SHA256",
	} {
		if _, err := tlsx.NewClientContext(tlsx.Config{Ciphers: s}); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("ciphers %q: %v; want an error with %q", s, err, part)
		}
	}
	c := clientContext(t, tlsx.Config{Ciphers: "AES128-SHA:DHE-RSA-AES128-SHA", Methods: tlsx.MethodSet{tlsx.MethodSSL23}})
	if w := strings.Join(c.Warnings(), "; "); !strings.Contains(w, "DHE-RSA-AES128-SHA") || !strings.Contains(w, "sslv23") {
		t.Errorf("Warnings() = %s; want the missing suite and the method", w)
	}
}

// TestSSLDoHandshake covers ssl-do-handshake: on call, once, or with the first
// input or output.
func TestSSLDoHandshake(t *testing.T) {
	_, cc, sc := good(t)
	client, server := clientContext(t, cc), serverContext(t, sc)
	p := join(t, client, server, tlsx.Override{})
	if p.client.ConnectionState().HandshakeComplete {
		t.Error("the handshake happened before it was due")
	}
	if c, s := p.shake(t); c != nil || s != nil {
		t.Fatal(c, s)
	}
	if err := p.client.Handshake(t.Context()); err != nil {
		t.Errorf("second Handshake = %v", err)
	}
	lazy := join(t, client, server, tlsx.Override{})
	go func() { lazy.server.Write([]byte("hello")) }()
	b := make([]byte, 5)
	if _, err := io.ReadFull(lazy.client, b); err != nil || string(b) != "hello" {
		t.Errorf("Read = %q, %v; want hello", b, err)
	}
}

func TestHandshakeSilentPeer(t *testing.T) {
	_, cc, _ := good(t)
	raw, _ := pipe(t)
	c, _ := clientContext(t, cc).Client(raw, tlsx.Override{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := c.Handshake(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Handshake with a silent peer = %v; want %v", err, context.DeadlineExceeded)
	}
}

func TestHandshakeCancelled(t *testing.T) {
	_, cc, _ := good(t)
	raw, _ := pipe(t)
	c, _ := clientContext(t, cc).Client(raw, tlsx.Override{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := c.Handshake(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Handshake = %v; want %v", err, context.Canceled)
	}
}

// TestGetSSLPeerCertificate covers get-ssl-peer-certificate.
func TestGetSSLPeerCertificate(t *testing.T) {
	_, cc, sc := good(t)
	p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
	go p.server.Handshake(t.Context())
	first, err := p.client.PeerCertificate() // shakes hands
	if err != nil || first == nil || !bytes.Equal(first.Raw, sc.Identities[0].Certificate[0]) {
		t.Fatalf("PeerCertificate = %v, %v; want the server's", first, err)
	}
	if again, _ := p.client.PeerCertificate(); again != first {
		t.Error("PeerCertificate gives another object the second time")
	}
	if none, err := p.server.PeerCertificate(); none != nil || err != nil {
		t.Errorf("PeerCertificate of a client without one = %v, %v; want nil, nil", none, err)
	}
}

// TestGetSSLVerifyResult covers get-ssl-verify-result: ok before the handshake
// and without a certificate, else the number and text of OpenSSL.
func TestGetSSLVerifyResult(t *testing.T) {
	ca, cc, sc := good(t)
	cc.Verify = tlsx.VerifyNone
	sc.Identities = []tls.Certificate{ca.issue(newKey(t), func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	})}
	p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
	if code, text := p.client.VerifyResult(); code != 0 || text != "ok" {
		t.Errorf("VerifyResult before the handshake = %d %q; want 0 ok", code, text)
	}
	p.shake(t)
	if code, text := p.client.VerifyResult(); code != 10 || text != "certificate has expired" {
		t.Errorf("VerifyResult = %d %q; want 10, certificate has expired", code, text)
	}
	if code, text := p.server.VerifyResult(); code != 0 || text != "ok" {
		t.Errorf("VerifyResult of the server = %d %q; want 0 ok", code, text)
	}
}

// TestSSLError covers ssl-error: what, codes, strings, verify-result,
// verify-result-string.
func TestSSLError(t *testing.T) {
	_, cc, sc := good(t)
	cc.ServerName = "other.example"
	client, server := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{}).shake(t)
	var e *tlsx.Error
	if !errors.As(client, &e) || e.What != "handshake" || e.VerifyResult != tlsx.CodeHostnameMismatch ||
		e.VerifyResultString == "" || !slices.Equal(e.Codes, []uint32{0x0A000086}) || len(e.Strings) != 1 {
		t.Errorf("client's error = %+v; want a handshake error with result 62", e)
	}
	if !errors.As(server, &e) || !slices.Equal(e.Codes, []uint32{0x0A000412}) || e.Alert != 42 || e.VerifyResult != 0 ||
		e.Strings[0] != "error:0A000412:SSL routines::sslv3 alert bad certificate" {
		t.Errorf("server's error = %+v; want alert 42", e)
	}
	raw, other := pipe(t)
	go io.WriteString(other, "HTTP/1.1 400 Bad Request\r\n\r\n")
	c, _ := clientContext(t, cc).Client(raw, tlsx.Override{})
	if err := c.Handshake(t.Context()); !errors.As(err, &e) || !slices.Equal(e.Codes, []uint32{0x0A00009C}) {
		t.Errorf("a server that speaks HTTP: %v; want code 0A00009C", err)
	}
}

func TestAlertTexts(t *testing.T) {
	path := need.Tool(t, "openssl")
	for n := range 122 {
		want := opensslErrorText(t, path, uint32(0x0A000000+1000+n))
		if strings.HasPrefix(want, "reason(") {
			continue
		}
		if got := tlsx.AlertText(n); !strings.HasSuffix(want, got) {
			t.Errorf("AlertText(%d) = %q; openssl says %q", n, got, want)
		}
	}
}

// TestHalfClose covers CloseWrite: the other direction goes on.
func TestHalfClose(t *testing.T) {
	_, cc, sc := good(t)
	for _, m := range []tlsx.Method{tlsx.MethodTLS12, tlsx.MethodTLS13} {
		p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{Methods: tlsx.MethodSet{m}})
		go func() {
			data, _ := io.ReadAll(p.server)
			p.server.Write(bytes.ToUpper(data))
			p.server.Close()
		}()
		if _, err := p.client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if err := p.client.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(p.client); err != nil || string(got) != "HELLO" {
			t.Errorf("%s: after the half-close: %q, %v; want HELLO", m, got, err)
		}
	}
}

// TestTruncation covers a connection that ends without close_notify, at the end
// of a record and inside one.
func TestTruncation(t *testing.T) {
	_, cc, sc := good(t)
	for _, m := range []tlsx.Method{tlsx.MethodTLS12, tlsx.MethodTLS13} {
		for _, tail := range []string{"", "\x17\x03\x03\x01\x00half a record"} {
			p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{Methods: tlsx.MethodSet{m}})
			go func() {
				p.server.Write([]byte("hello"))
				io.WriteString(p.server.NetConn(), tail)
				p.server.Abort()
			}()
			got, err := io.ReadAll(p.client)
			if !errors.Is(err, tlsx.ErrTruncated) || string(got) != "hello" {
				t.Errorf("%s, tail %q: %q, %v; want hello, %v", m, tail, got, err, tlsx.ErrTruncated)
			}
			var e *tlsx.Error
			if !errors.As(err, &e) || !slices.Equal(e.Codes, []uint32{0x0A000126}) {
				t.Errorf("%s: %+v; want code 0A000126", m, e)
			}
		}
	}
}

// TestBulk covers the buffers below crypto/tls: what is written arrives, in
// any mixture of sizes, both ways at once.
func TestBulk(t *testing.T) {
	_, cc, sc := good(t)
	p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
	data := make([]byte, 3<<20+17)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	var wg sync.WaitGroup
	transfer := func(from, to *tlsx.Conn) {
		wg.Go(func() {
			for i, size := 0, 1; i < len(data); size = size*3 + 1 {
				n := min(size%(400<<10), len(data)-i)
				if _, err := from.Write(data[i : i+n]); err != nil {
					t.Error(err)
				}
				i += n
			}
			from.CloseWrite()
		})
		wg.Go(func() {
			if got, err := io.ReadAll(to); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes arrived, %v; want %d", len(got), err, len(data))
			}
		})
	}
	transfer(p.client, p.server)
	transfer(p.server, p.client)
	wg.Wait()
}

// TestReadDeadline covers a read that ends in time and can go on.
func TestReadDeadline(t *testing.T) {
	_, cc, sc := good(t)
	p := join(t, clientContext(t, cc), serverContext(t, sc), tlsx.Override{})
	p.shake(t)
	p.client.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, err := p.client.Read(make([]byte, 1))
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("Read = %v; want a time-out", err)
	}
	p.client.SetReadDeadline(time.Time{})
	go p.server.Write([]byte("x"))
	if n, err := p.client.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("Read after the time-out = %d, %v; want 1, nil", n, err)
	}
}
