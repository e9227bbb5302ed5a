package doq_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"

	"github.com/brio-net/brio/internal/dnstest"
	"github.com/brio-net/brio/pkg/dnsq"
	"github.com/brio-net/brio/pkg/dnsq/doq"
)

// serve starts a DoQ server that answers each stream with answer(query).
func serve(t *testing.T, answer func([]byte) []byte) (dnsq.Server, *x509.CertPool) {
	t.Helper()
	cert, pool := dnstest.Certificate(t)
	l, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"doq"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				for {
					s, err := conn.AcceptStream(context.Background())
					if err != nil {
						return
					}
					go func() {
						b, err := io.ReadAll(s)
						if err != nil || len(b) < 2 {
							return
						}
						if reply := answer(b[2:]); reply != nil {
							_, _ = s.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
							_ = s.Close()
						}
					}()
				}
			}()
		}
	}()
	srv, err := dnsq.ParseServer("quic://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return srv, pool
}

func echo(query []byte) []byte {
	q := new(dns.Msg)
	if q.Unpack(query) != nil || q.Id != 0 {
		return nil
	}
	m := new(dns.Msg).SetReply(q)
	rr, _ := dns.NewRR(q.Question[0].Name + " 60 IN A 192.0.2.1")
	m.Answer = []dns.RR{rr}
	b, _ := m.Pack()
	return b
}

func TestExchange(t *testing.T) {
	srv, pool := serve(t, echo)
	var quic doq.Client
	defer quic.Close()
	c := dnsq.Client{QUIC: quic.Exchange, TLSConfig: &tls.Config{RootCAs: pool}}
	q := dnsq.NewQuery("www.example.", dns.TypeA, dnsq.Header{})
	for i := range 2 {
		m, timing, err := c.Exchange(context.Background(), srv, q)
		if err != nil || len(m.Answer) != 1 || timing.Transport != dnsq.QUIC {
			t.Fatalf("exchange %d: %v, %v, %+v", i, m, err, timing)
		}
		if (timing.Handshake > 0) != (i == 0) {
			t.Errorf("exchange %d: handshake took %v; the second must use the same connection", i, timing.Handshake)
		}
	}
}

func TestExchangeUntrusted(t *testing.T) {
	srv, _ := serve(t, echo)
	var quic doq.Client
	defer quic.Close()
	c := dnsq.Client{QUIC: quic.Exchange, TLSConfig: &tls.Config{RootCAs: x509.NewCertPool()}}
	_, _, err := c.Exchange(context.Background(), srv, dnsq.NewQuery("www.example.", dns.TypeA, dnsq.Header{}))
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("untrusted certificate: %v", err)
	}
}

func TestExchangeSilent(t *testing.T) {
	srv, pool := serve(t, func([]byte) []byte { return nil })
	var quic doq.Client
	defer quic.Close()
	c := dnsq.Client{QUIC: quic.Exchange, TLSConfig: &tls.Config{RootCAs: pool}, Timeout: 200 * time.Millisecond}
	_, _, err := c.Exchange(context.Background(), srv, dnsq.NewQuery("www.example.", dns.TypeA, dnsq.Header{}))
	if !errors.Is(err, dnsq.ErrNoReply) {
		t.Errorf("silent server: %v; want ErrNoReply", err)
	}
}

func TestExchangeCancelled(t *testing.T) {
	srv, pool := serve(t, func([]byte) []byte { return nil })
	var quic doq.Client
	defer quic.Close()
	c := dnsq.Client{QUIC: quic.Exchange, TLSConfig: &tls.Config{RootCAs: pool}}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	_, _, err := c.Exchange(ctx, srv, dnsq.NewQuery("www.example.", dns.TypeA, dnsq.Header{}))
	if !errors.Is(err, context.Canceled) || time.Since(start) > 2*time.Second {
		t.Errorf("cancelled: %v after %v", err, time.Since(start))
	}
}
