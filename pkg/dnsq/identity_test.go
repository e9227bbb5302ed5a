package dnsq_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// A connection made without pins does not serve a question with pins.
func TestTLSPinsEachConnection(t *testing.T) {
	cert, pool, pin := testCert(t)
	addr, conns := serveStream(t, &tls.Config{Certificates: []tls.Certificate{cert}}, bulkEcho)
	c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(func() { _ = c.Close() })
	srv := server(t, "tls://"+addr)
	q := dnsq.NewQuery("a.", dns.TypeA, dnsq.Header{})
	for i, tt := range []struct {
		pin  string
		good bool
	}{{"", true}, {strings.Repeat("A", 43) + "=", false}, {pin, true}} {
		if srv.Pins = nil; tt.pin != "" {
			srv.Pins = []string{tt.pin}
		}
		_, _, err := c.Exchange(t.Context(), srv, q)
		if wrong := new(dnsq.PinError); (err == nil) != tt.good || !tt.good && !errors.As(err, &wrong) || conns.Load() != int32(i+1) {
			t.Errorf("pin %q: %v after %d connections; want success %v and %d", tt.pin, err, conns.Load(), tt.good, i+1)
		}
	}
}

// Servers that go by one name are two: what one has said counts for it alone.
func TestServersOfOneName(t *testing.T) {
	noEDNS := func(w dns.ResponseWriter, q *dns.Msg) {
		if q.IsEdns0() != nil {
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeFormatError))
			return
		}
		bulkEcho(w, q)
	}
	withEDNS := func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.IsEdns0() == nil {
			m.Rcode = dns.RcodeRefused
		}
		_ = w.WriteMsg(m)
	}
	c := new(dnsq.Client)
	c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		to := map[string]string{"192.0.2.1:53": bulkServe(t, noEDNS).String(), "192.0.2.2:53": bulkServe(t, withEDNS).String()}[addr]
		return new(net.Dialer).DialContext(ctx, network, to)
	}
	for i, addr := range []string{"192.0.2.1", "192.0.2.2"} {
		srv := dnsq.Server{Host: "ns.example", Addr: netip.MustParseAddr(addr)}
		m, timing, err := c.Exchange(t.Context(), srv, dnsq.NewQuery("a.", dns.TypeA, dnsq.Header{}))
		if err != nil || m.Rcode != dns.RcodeSuccess || timing.Sent != 2-i {
			t.Errorf("%s: %v after %d messages, %v; want NOERROR after %d", addr, m, timing.Sent, err, 2-i)
		}
	}
}

// The zone of an address belongs into the URL, escaped.
func TestHTTPSZone(t *testing.T) {
	reached := ""
	stop := errors.New("enough")
	c := &dnsq.Client{Dial: func(_ context.Context, _, addr string) (net.Conn, error) {
		reached = addr
		return nil, stop
	}}
	srv := server(t, "https://[fe80::1%eth0]:8443/q")
	_, _, err := c.Exchange(t.Context(), srv, dnsq.NewQuery("a.", dns.TypeA, dnsq.Header{}))
	if !errors.Is(err, stop) || reached != "[fe80::1%eth0]:8443" || srv.String() != "https://[fe80::1%eth0]:8443/q" {
		t.Errorf("%s: %v after dialling %q", srv, err, reached)
	}
}
