package tlsx_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

func renegotiate(t *testing.T, addr string, cfg tlsx.RawConfig) (tlsx.Renegotiation, error) {
	t.Helper()
	return ask(t, addr, tlsx.ProbeRenegotiation, cfg)
}

// TestProbeRenegotiation finishes handshakes of each version, key exchange and
// kind of record with openssl, which accepts a second one only when it is told
// to.
func TestProbeRenegotiation(t *testing.T) {
	rsa := selfSigned(t, "-newkey", "rsa:2048")
	ec := selfSigned(t, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
	for _, tt := range []struct {
		dir     string
		version uint16
		cipher  string
		more    string
	}{
		{rsa, tls.VersionTLS10, "AES128-SHA", ""},
		{rsa, tls.VersionTLS10, "ECDHE-RSA-AES256-SHA", ""},
		{rsa, tls.VersionTLS11, "DHE-RSA-AES128-SHA", ""},
		{rsa, tls.VersionTLS11, "ECDHE-RSA-AES128-SHA", "-verify 1"},
		{rsa, tls.VersionTLS12, "AES128-SHA256", ""},
		{rsa, tls.VersionTLS12, "ECDHE-RSA-AES256-SHA384", "-groups P-521"},
		{rsa, tls.VersionTLS12, "ECDHE-RSA-AES128-GCM-SHA256", "-verify 1"},
		{rsa, tls.VersionTLS12, "DHE-RSA-AES256-GCM-SHA384", "-no_ticket"},
		{ec, tls.VersionTLS12, "ECDHE-ECDSA-AES256-GCM-SHA384", "-groups P-384"},
		{ec, tls.VersionTLS12, "ECDHE-ECDSA-CHACHA20-POLY1305", "-groups P-256"},
	} {
		for _, mode := range []struct {
			flag string
			want tlsx.Renegotiation
		}{{"-client_renegotiation", tlsx.RenegotiationAccepted}, {"-no_renegotiation", tlsx.RenegotiationRefused}} {
			args := []string{"-cert", "cert.pem", "-key", "key.pem", "-cipher", tt.cipher + ":@SECLEVEL=0", mode.flag}
			addr := opensslServer(t, tt.dir, append(args, strings.Fields(tt.more)...)...)
			got, err := renegotiate(t, addr, tlsx.RawConfig{Versions: []uint16{tt.version}, ServerName: "localhost"})
			if got != mode.want || err != nil {
				t.Errorf("%s %s %s: ProbeRenegotiation = %s, %v; want %s", tlsx.VersionName(tt.version), tt.cipher, mode.flag, got, err, mode.want)
			}
		}
	}
}

// TestProbeRenegotiationOfGo meets crypto/tls, which refuses, also with triple
// DES, which openssl has no more.
func TestProbeRenegotiationOfGo(t *testing.T) {
	dir := selfSigned(t, "-newkey", "rsa:2048")
	id, err := tlsx.ParseIdentity(read(t, dir, "cert.pem"), read(t, dir, "key.pem"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, suites := range [][]uint16{nil, {tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}} {
		addr := goServer(t, &tls.Config{Certificates: []tls.Certificate{id}, MaxVersion: tls.VersionTLS12, CipherSuites: suites})
		got, err := renegotiate(t, addr, tlsx.RawConfig{Versions: []uint16{tls.VersionTLS12}})
		if got != tlsx.RenegotiationRefused || err != nil {
			t.Errorf("suites %x: ProbeRenegotiation = %s, %v; want %s", suites, got, err, tlsx.RenegotiationRefused)
		}
	}
}

// goServer shakes hands by crypto/tls and reads until the client hangs up.
func goServer(t *testing.T, cfg *tls.Config) (addr string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 1)) // handshakes; then it is the client's turn
			}()
		}
	}()
	return l.Addr().String()
}

// TestProbeRenegotiationUnanswered meets a server that never reads again.
func TestProbeRenegotiationUnanswered(t *testing.T) {
	dir := selfSigned(t, "-newkey", "rsa:2048")
	id, err := tlsx.ParseIdentity(read(t, dir, "cert.pem"), read(t, dir, "key.pem"), nil)
	if err != nil {
		t.Fatal(err)
	}
	client, server := pipe(t)
	go func() { _ = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{id}}).Handshake() }()
	got, err := tlsx.ProbeRenegotiation(t.Context(), client, tlsx.RawConfig{Versions: []uint16{tls.VersionTLS12}})
	if got != tlsx.RenegotiationIgnored || err != nil {
		t.Errorf("ProbeRenegotiation = %s, %v; want %s", got, err, tlsx.RenegotiationIgnored)
	}
}

func TestProbeRenegotiationSilentPeer(t *testing.T) {
	conn, _ := pipe(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	got, err := tlsx.ProbeRenegotiation(ctx, conn, tlsx.RawConfig{Versions: []uint16{tls.VersionTLS12}})
	if got != tlsx.RenegotiationNotTried || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ProbeRenegotiation = %s, %v; want %v", got, err, context.DeadlineExceeded)
	}
}

func TestProbeRenegotiationCancelled(t *testing.T) {
	conn, _ := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	got, err := tlsx.ProbeRenegotiation(ctx, conn, tlsx.RawConfig{Versions: []uint16{tls.VersionTLS12}})
	if got != tlsx.RenegotiationNotTried || !errors.Is(err, context.Canceled) {
		t.Errorf("ProbeRenegotiation = %s, %v; want %v", got, err, context.Canceled)
	}
}
