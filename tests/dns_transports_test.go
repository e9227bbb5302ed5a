package tests

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"
	"github.com/rogpeppe/go-internal/testscript"
)

// setupDNSTransports starts name servers over TLS, HTTPS and QUIC in this
// process: $DOT, $DOH, $DOQ; $CA is what to trust, $PIN the digest of their key.
func setupDNSTransports(env *testscript.Env) error {
	if err := writeDNSCertificate(env.WorkDir); err != nil {
		return err
	}
	ca := filepath.Join(env.WorkDir, "cert.pem")
	cert, err := tls.LoadX509KeyPair(ca, filepath.Join(env.WorkDir, "key.pem"))
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return err
	}
	pin := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	env.Setenv("CA", ca)
	env.Setenv("PIN", base64.StdEncoding.EncodeToString(pin[:]))
	h, err := dnsScriptServer()
	if err != nil {
		return err
	}
	for _, start := range []func(*testscript.Env, tls.Certificate, dns.HandlerFunc) error{serveDoT, serveDoH, serveDoQ} {
		if err := start(env, cert, h); err != nil {
			return err
		}
	}
	return nil
}

func serveDoT(env *testscript.Env, cert tls.Certificate, h dns.HandlerFunc) error {
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		return err
	}
	s := &dns.Server{Listener: l, Handler: h}
	started := make(chan struct{})
	s.NotifyStartedFunc = func() { close(started) }
	go s.ActivateAndServe()
	<-started
	env.Defer(func() { _ = s.Shutdown() })
	env.Setenv("DOT", l.Addr().String())
	return nil
}

func serveDoH(env *testscript.Env, cert tls.Certificate, h dns.HandlerFunc) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if r.Method == http.MethodGet {
				b, _ = base64.RawURLEncoding.DecodeString(r.URL.Query().Get("dns"))
			}
			reply := dnsReplyTo(h, b)
			if reply == nil {
				http.Error(w, "not a question", http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/dns-message")
			_, _ = w.Write(reply)
		})}
	go s.ServeTLS(l, "", "")
	env.Defer(func() { _ = s.Close() })
	env.Setenv("DOH", l.Addr().String())
	return nil
}

func serveDoQ(env *testscript.Env, cert tls.Certificate, h dns.HandlerFunc) error {
	l, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"doq"}}, nil)
	if err != nil {
		return err
	}
	env.Defer(func() { _ = l.Close() })
	env.Setenv("DOQ", l.Addr().String())
	go func() {
		for {
			conn, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go serveDoQConn(conn, h)
		}
	}()
	return nil
}

// serveDoQConn answers a question on each stream (RFC 9250 section 4.2).
func serveDoQConn(conn *quic.Conn, h dns.HandlerFunc) {
	for {
		s, err := conn.AcceptStream(context.Background())
		if err != nil {
			return
		}
		b, err := io.ReadAll(s)
		if err != nil || len(b) < 2 {
			continue
		}
		if reply := dnsReplyTo(h, b[2:]); reply != nil {
			_, _ = s.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
			_ = s.Close()
		}
	}
}

// dnsReplyTo is the reply of h to the packed question b, nil when there is none.
func dnsReplyTo(h dns.HandlerFunc, b []byte) []byte {
	q := new(dns.Msg)
	if q.Unpack(b) != nil {
		return nil
	}
	w := new(dnsReplyWriter)
	h(w, q)
	return w.reply
}

// A dnsReplyWriter keeps what a handler answers.
type dnsReplyWriter struct {
	dns.ResponseWriter
	reply []byte
}

func (w *dnsReplyWriter) LocalAddr() net.Addr { return &net.TCPAddr{} } // nothing is ever truncated

func (w *dnsReplyWriter) WriteMsg(m *dns.Msg) (err error) {
	w.reply, err = m.Pack()
	return err
}
