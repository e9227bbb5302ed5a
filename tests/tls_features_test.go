package tests

import (
	"bufio"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// Encrypted ClientHello from the command line: the configuration as DNS has it
// (base64) or raw, and a server whose key is another one.
func TestTLSEncryptedClientHello(t *testing.T) {
	r := newTLSRig(t)
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	r.check(err)
	other, err := ecdh.X25519().GenerateKey(rand.Reader)
	r.check(err)
	config := echConfig(key.PublicKey().Bytes())
	serve := func(name string) (port string) {
		pair, err := tls.LoadX509KeyPair(filepath.Join(r.dir, name+".pem"), filepath.Join(r.dir, name+".key"))
		r.check(err)
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair},
			EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{{Config: config, PrivateKey: key.Bytes(), SendAsRetry: true}}})
		r.check(err)
		t.Cleanup(func() { l.Close() })
		go acceptAll(l, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
		_, port, err = net.SplitHostPort(l.Addr().String())
		r.check(err)
		return port
	}
	r.issue("both", func(c *x509.Certificate) { c.DNSNames = []string{"localhost", "public.example"} })
	r.check(os.Rename(filepath.Join(r.dir, "root.pem"), filepath.Join(r.dir, "both-root.pem")))
	r.issue("inner", nil)
	inner, both := serve("inner"), serve("both")
	r.check(os.WriteFile(filepath.Join(r.dir, "ech"), echList(config), 0o600))
	r.check(os.WriteFile(filepath.Join(r.dir, "ech64"), []byte(base64.StdEncoding.EncodeToString(echList(config))+"\n"), 0o600))
	r.check(os.WriteFile(filepath.Join(r.dir, "stale"), echList(echConfig(other.PublicKey().Bytes())), 0o600))
	for _, tt := range []struct {
		file, port, root string
		status           int
		words            string
	}{
		{"ech", inner, "root.pem", 0, "ech\taccepted\n"},
		{"ech64", inner, "root.pem", 0, "ech\taccepted\n"},
		// Who refuses ECH must prove to be the public name first.
		{"stale", inner, "root.pem", 13, "hostname mismatch (code 62, depth 0: wanted public.example"},
		{"stale", both, "both-root.pem", 10, "hint: the server has other ECH configurations by now"},
		{"root.pem", inner, "root.pem", 2, "--ech is no list of ECH configurations"},
	} {
		o := r.run("", r.brio, "tls-client", "-4", "--probe", "--ca-file", tt.root, "--ech", tt.file, "localhost:"+tt.port)
		if o.status != tt.status || !strings.Contains(o.stdout+o.stderr, tt.words) {
			t.Errorf("--ech %s: status %d; want %d and %q\n%s%s", tt.file, o.status, tt.status, tt.words, o.stdout, o.stderr)
		}
	}
}

func echList(config []byte) []byte {
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(config) })
	return b.BytesOrPanic()
}

// echConfig is an ECHConfig for an X25519 key (RFC 9849, section 4).
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

// cert-info --watch shows a certificate again when another one has taken its
// place, and only then.
func TestCertInfoWatch(t *testing.T) {
	r := newTLSRig(t)
	file := filepath.Join(r.dir, "watched.pem")
	put := func(name string) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(r.dir, name))
		r.check(err)
		r.check(os.WriteFile(file+".new", data, 0o600))
		r.check(os.Rename(file+".new", file))
	}
	put("server.pem")
	c := exec.CommandContext(t.Context(), r.brio, "cert-info", "--watch", "20ms", "--short", file)
	out, err := c.StdoutPipe()
	r.check(err)
	r.check(c.Start())
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	for _, name := range []string{"server", "client", "server"} {
		select {
		case l := <-lines:
			if !strings.Contains(l, "CN="+name) {
				t.Fatalf("shown is %q; want the certificate of %s", l, name)
			}
		case <-time.After(patience):
			t.Fatalf("the certificate of %s is not shown", name)
		}
		if name == "server" {
			put("client.pem")
		} else {
			put("server.pem")
		}
	}
}
