package tlsx_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// selfSigned makes key.pem and cert.pem with openssl in a new directory.
func selfSigned(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	openssl(t, dir, append([]string{"req", "-x509", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"}, args...)...)
	return dir
}

func certDER(t *testing.T, dir string) []byte {
	t.Helper()
	b, _ := pem.Decode(read(t, dir, "cert.pem"))
	return b.Bytes
}

// ask puts one question to the server at addr.
func ask[T any](t *testing.T, addr string, question func(context.Context, net.Conn, tlsx.RawConfig) (T, error), cfg tlsx.RawConfig) (T, error) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return question(ctx, conn, cfg)
}

func rawProbe(t *testing.T, addr string, cfg tlsx.RawConfig) (*tlsx.RawResult, error) {
	t.Helper()
	return ask(t, addr, tlsx.ProbeRaw, cfg)
}

// TestProbeRaw fetches the certificate of servers that crypto/tls can and can
// not talk to.
func TestProbeRaw(t *testing.T) {
	rsa := []string{"-newkey", "rsa:2048"}
	ec := []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}
	for _, tt := range []struct {
		name    string
		key     []string
		server  []string
		version string
		cipher  string
		group   string
		scheme  string
	}{
		{"RSA TLS 1.2", rsa, []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"}, "TLSv1.2", "ECDHE-RSA-AES128-SHA256", "X25519", ""},
		{"RSA key transport", rsa, []string{"-tls1_2", "-cipher", "AES128-SHA"}, "TLSv1.2", "AES128-SHA", "", ""},
		{"DHE only", rsa, []string{"-tls1_2", "-cipher", "DHE-RSA-AES128-SHA"}, "TLSv1.2", "DHE-RSA-AES128-SHA", "", ""},
		{"CCM only", ec, []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"}, "TLSv1.2", "ECDHE-ECDSA-AES128-CCM8", "X25519", ""},
		{"TLS 1.0", rsa, []string{"-tls1", "-cipher", "ALL:@SECLEVEL=0"}, "TLSv1", "ECDHE-RSA-AES256-SHA", "X25519", ""},
		{"brainpool", []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"}, []string{"-tls1_2"}, "TLSv1.2", "", "", ""},
		{"RSA-PSS key", []string{"-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"}, nil, "TLSv1.3", "", "", "rsa_pss_pss_sha256"},
		{"Ed448", []string{"-newkey", "ed448"}, nil, "TLSv1.3", "", "", "ed448"},
		{"AES-128", ec, []string{"-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"}, "TLSv1.3", "TLS_AES_128_GCM_SHA256", "X25519", ""},
		{"AES-256", ec, []string{"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}, "TLSv1.3", "TLS_AES_256_GCM_SHA384", "X25519", ""},
		{"ChaCha20", ec, []string{"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256", "X25519", ""},
		{"CCM 1.3", ec, []string{"-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"}, "TLSv1.3", "TLS_AES_128_CCM_SHA256", "X25519", ""},
		{"CCM-8 1.3", ec, []string{"-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_8_SHA256"}, "TLSv1.3", "TLS_AES_128_CCM_8_SHA256", "X25519", ""},
		{"hello retry", ec, []string{"-tls1_3", "-groups", "P-521", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}, "TLSv1.3", "", "P-521", "ecdsa_secp256r1_sha256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := selfSigned(t, tt.key...)
			addr := opensslServer(t, dir, append([]string{"-cert", "cert.pem", "-key", "key.pem"}, tt.server...)...)
			r, err := rawProbe(t, addr, tlsx.RawConfig{ServerName: "localhost"})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Chain) != 1 || !bytes.Equal(r.Chain[0], certDER(t, dir)) {
				t.Errorf("chain of %d certificates is not the server's", len(r.Chain))
			}
			if r.Version != tt.version || tt.cipher != "" && r.Cipher.Name != tt.cipher || tt.group != "" && r.Group != tt.group ||
				tt.scheme != "" && r.SignatureScheme != tt.scheme {
				t.Errorf("got %s %s %s %s; want %s %s %s %s", r.Version, r.Cipher.Name, r.Group, r.SignatureScheme, tt.version, tt.cipher, tt.group, tt.scheme)
			}
			if tt.name == "hello retry" && !r.HelloRetry {
				t.Error("no HelloRetryRequest seen")
			}
		})
	}
}

func TestProbeRawRefused(t *testing.T) {
	dir := selfSigned(t, "-newkey", "rsa:2048")
	addr := opensslServer(t, dir, "-cert", "cert.pem", "-key", "key.pem", "-tls1_3")
	var alert *tlsx.RawAlert
	if _, err := rawProbe(t, addr, tlsx.RawConfig{Versions: []uint16{tls.VersionTLS11}}); !errors.As(err, &alert) || alert.Alert != 70 {
		t.Errorf("ProbeRaw with TLS 1.1 = %v; want alert 70", err)
	}
}

func TestProbeRawSilentPeer(t *testing.T) {
	conn, _ := pipe(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := tlsx.ProbeRaw(ctx, conn, tlsx.RawConfig{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ProbeRaw with a silent peer = %v; want %v", err, context.DeadlineExceeded)
	}
}

func TestProbeRawCancelled(t *testing.T) {
	conn, _ := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := tlsx.ProbeRaw(ctx, conn, tlsx.RawConfig{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ProbeRaw = %v; want %v", err, context.Canceled)
	}
}

// FuzzProbeRenegotiation feeds any bytes to the client that finishes handshakes.
func FuzzProbeRenegotiation(f *testing.F) {
	hello := append([]byte("\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03"), make([]byte, 32)...)
	done := "\x16\x03\x03\x00\x04\x0e\x00\x00\x00"
	f.Add(append(append(hello, 0, 0xc0, 0x2f, 0), done...))
	f.Add(append(append(hello, 0, 0x00, 0x9e, 0), "\x16\x03\x03\x00\x0d\x0c\x00\x00\x09\x00\x01\x17\x00\x01\x02\x00\x01\x05"+done...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := tlsx.ProbeRenegotiation(context.Background(), says(data), tlsx.RawConfig{Versions: []uint16{tls.VersionTLS12}})
		if (err != nil) != (r == tlsx.RenegotiationNotTried) {
			t.Errorf("ProbeRenegotiation = %s, %v", r, err)
		}
	})
}

// TestScan compares a scan with what the server was told to support.
func TestScan(t *testing.T) {
	dir := selfSigned(t, "-newkey", "rsa:2048")
	addr := opensslServer(t, dir, "-cert", "cert.pem", "-key", "key.pem", "-serverpref", "-alpn", "h2,http/1.1",
		"-cipher", "ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-SHA:AES128-SHA:@SECLEVEL=0",
		"-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", "-groups", "P-384:X25519")
	dial := func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}
	r, err := tlsx.Scan(t.Context(), tlsx.ScanConfig{Dial: dial, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"SSLv2": nil, "SSLv3": nil,
		"TLSv1":   {"DHE-RSA-AES128-SHA", "AES128-SHA"},
		"TLSv1.1": {"DHE-RSA-AES128-SHA", "AES128-SHA"},
		"TLSv1.2": {"ECDHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES128-SHA", "AES128-SHA"},
		"TLSv1.3": {"TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"},
	}
	for _, v := range r.Versions {
		var names []string
		for _, s := range v.Suites {
			names = append(names, s.Name)
		}
		if !slices.Equal(names, want[v.Version]) || v.Supported != (want[v.Version] != nil) || v.Supported && v.Preference != "server" {
			t.Errorf("%s: supported %v, %v, preference %s; want %v", v.Version, v.Supported, names, v.Preference, want[v.Version])
		}
		if v.Version == "TLSv1.2" && v.DHBits == 0 {
			t.Error("TLSv1.2: no size of the DH field")
		}
	}
	if !slices.Equal(r.Groups, []string{"P-384", "X25519"}) || !slices.Equal(r.Groups12, []string{"P-384", "X25519"}) {
		t.Errorf("groups %v, %v; want P-384, X25519 both", r.Groups, r.Groups12)
	}
	if !slices.Equal(r.ALPN, []string{"h2", "http/1.1"}) {
		t.Errorf("ALPN %v; want h2, http/1.1", r.ALPN)
	}
	if !slices.Contains(r.SignatureSchemes, "rsa_pss_rsae_sha256") || !slices.Contains(r.SignatureSchemes12, "rsa_pkcs1_sha256") {
		t.Errorf("signature schemes %v, %v; want those of an RSA key", r.SignatureSchemes, r.SignatureSchemes12)
	}
	if r.ClientRenegotiation != tlsx.RenegotiationRefused {
		t.Errorf("client renegotiation %s; want %s", r.ClientRenegotiation, tlsx.RenegotiationRefused)
	}
	if r.Compression || !r.SecureRenegotiation || !r.ExtendedMasterSecret || !r.FallbackSCSV || len(r.Chains) != 1 || r.Failures != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestScanUnreachable(t *testing.T) {
	want := errors.New("no way")
	_, err := tlsx.Scan(t.Context(), tlsx.ScanConfig{Dial: func(context.Context) (net.Conn, error) { return nil, want }})
	if !errors.Is(err, want) {
		t.Errorf("Scan = %v; want %v", err, want)
	}
}

// dialSilent connects to a server that never says a word.
func dialSilent(t *testing.T) func(context.Context) (net.Conn, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", l.Addr().String())
	}
}

// TestScanSilentPeer tells a server that says nothing from one that says no.
func TestScanSilentPeer(t *testing.T) {
	r, err := tlsx.Scan(t.Context(), tlsx.ScanConfig{Dial: dialSilent(t), ProbeTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Versions {
		if v.Supported || !v.Unanswered {
			t.Errorf("%s: supported %v, unanswered %v; want no answer", v.Version, v.Supported, v.Unanswered)
		}
	}
	if r.Failures != r.Probes || r.Probes != len(r.Versions) {
		t.Errorf("%d of %d questions failed; want one for each version, all", r.Failures, r.Probes)
	}
}

// TestScanCancelled ends a scan in the middle.
func TestScanCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := tlsx.Scan(ctx, tlsx.ScanConfig{Dial: dialSilent(t)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Scan = %v; want %v", err, context.Canceled)
	}
}
