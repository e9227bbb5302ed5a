package dnsq_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/dnstest"
	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/dnsq"
)

// testCert makes a self-signed certificate for dns.example and 127.0.0.1, the
// pool that trusts it, and its pin.
func testCert(t *testing.T) (tls.Certificate, *x509.CertPool, string) {
	t.Helper()
	cert, pool := dnstest.Certificate(t)
	return cert, pool, dnsq.SPKIPin(cert.Leaf)
}

// serveStream starts a server with length-prefixed messages on l, under TLS when
// cfg is not nil, and counts its connections.
func serveStream(t *testing.T, cfg *tls.Config, h dns.HandlerFunc) (addr string, conns *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	conns = new(atomic.Int32)
	l = countingListener{l, conns}
	if cfg != nil {
		l = tls.NewListener(l, cfg)
	}
	s := &dns.Server{Listener: l, Handler: h}
	started := make(chan struct{})
	s.NotifyStartedFunc = func() { close(started) }
	go s.ActivateAndServe()
	<-started
	t.Cleanup(func() { _ = s.Shutdown() })
	return addr, conns
}

type countingListener struct {
	net.Listener
	n *atomic.Int32
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.n.Add(1)
	}
	return c, err
}

func server(t *testing.T, s string) dnsq.Server {
	t.Helper()
	srv, err := dnsq.ParseServer(s)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

var questionA = dnsq.NewQuery("www.example.", dns.TypeA, dnsq.Header{})

func TestTCP(t *testing.T) {
	addr, conns := serveStream(t, nil, bulkEcho)
	c := new(dnsq.Client)
	defer c.Close()
	for i := range 3 {
		m, timing, err := c.Exchange(context.Background(), server(t, "TCP://"+addr), questionA)
		if err != nil || len(m.Answer) != 1 || timing.Transport != dnsq.TCP || timing.Sent != 1 || timing.Received != 1 {
			t.Fatalf("exchange %d: %v, %+v", i, err, timing)
		}
		if (timing.Connect > 0) != (i == 0) {
			t.Errorf("exchange %d: connect %v", i, timing.Connect)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections, want one for all", n)
	}
}

// TestTCPIdleClosed: a server may close an idle connection at any time (RFC 7766 section 6.2.3).
func TestTCPIdleClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b, err := dnsq.ReadFrame(c, nil)
			q := new(dns.Msg)
			if err == nil && q.Unpack(b) == nil {
				_ = dnsq.WriteFrame(c, dnstest.Good(q))
			}
			_ = c.Close()
		}
	}()
	c := new(dnsq.Client)
	defer c.Close()
	for i := range 3 {
		if _, _, err := c.Exchange(context.Background(), server(t, "TCP://"+l.Addr().String()), questionA); err != nil {
			t.Fatalf("exchange %d: %v", i, err)
		}
	}
}

func TestTLS(t *testing.T) {
	cert, pool, pin := testCert(t)
	addr, conns := serveStream(t, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"dot"}}, bulkEcho)
	_, port, _ := net.SplitHostPort(addr)
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		pinned  *dnsq.PinError
	)
	for _, tt := range []struct {
		name  string
		srv   string
		pins  []string
		roots *x509.CertPool
		want  any // nil: an answer; else what errors.As finds
	}{
		{"by address", "tls://127.0.0.1:" + port, nil, pool, nil},
		{"by name", "tls://127.0.0.1:" + port + "#dns.example", nil, pool, nil},
		{"another name", "tls://127.0.0.1:" + port + "#other.example", nil, pool, &host},
		{"untrusted", "tls://127.0.0.1:" + port, nil, x509.NewCertPool(), &unknown},
		{"pinned", "tls://127.0.0.1:" + port, []string{pin}, pool, nil},
		{"pinned to another key", "tls://127.0.0.1:" + port, []string{base64.StdEncoding.EncodeToString(make([]byte, 32))}, pool, &pinned},
	} {
		conns.Store(0)
		c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: tt.roots}}
		srv := server(t, tt.srv)
		srv.Pins = tt.pins
		for range 2 {
			m, timing, err := c.Exchange(context.Background(), srv, questionA)
			switch {
			case tt.want == nil && (err != nil || len(m.Answer) != 1 || timing.Transport != dnsq.TLS):
				t.Errorf("%s: %v, %+v", tt.name, err, timing)
			case tt.want != nil && (err == nil || !errors.As(err, tt.want)):
				t.Errorf("%s: %v, want %T", tt.name, err, tt.want)
			}
		}
		if n := conns.Load(); tt.want == nil && n != 1 {
			t.Errorf("%s: %d connections for two questions", tt.name, n)
		}
		_ = c.Close()
	}
}

// TestTLSPadding: questions over TLS are padded (RFC 8467 section 4.1).
func TestTLSPadding(t *testing.T) {
	cert, pool, _ := testCert(t)
	size := make(chan int, 1)
	addr, _ := serveStream(t, &tls.Config{Certificates: []tls.Certificate{cert}}, func(w dns.ResponseWriter, q *dns.Msg) {
		size <- q.Len()
		bulkEcho(w, q)
	})
	c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: pool}}
	defer c.Close()
	for _, name := range []string{"a.", "www.example.", strings.Repeat("a23456789.", 12)} {
		if _, _, err := c.Exchange(context.Background(), server(t, "tls://"+addr), dnsq.NewQuery(name, dns.TypeA, dnsq.Header{})); err != nil {
			t.Fatal(err)
		}
		if n := <-size; n%128 != 0 {
			t.Errorf("question for %s of %d octets", name, n)
		}
	}
}

// silentTCP accepts connections and says nothing.
func silentTCP(t *testing.T) string {
	return serveTCP(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c); _ = c.Close() })
}

// TestSilent and TestCancelled: every transport gives up in time.
func TestSilent(t *testing.T) {
	addr := silentTCP(t)
	for _, scheme := range []string{"tcp", "tls", "https"} {
		c := &dnsq.Client{Timeout: 100 * time.Millisecond}
		start := time.Now()
		_, _, err := c.Exchange(context.Background(), server(t, scheme+"://"+addr), questionA)
		if !errors.Is(err, dnsq.ErrNoReply) || time.Since(start) > 2*time.Second {
			t.Errorf("%s: %v after %v; want ErrNoReply", scheme, err, time.Since(start))
		}
		_ = c.Close()
	}
}

func TestCancelled(t *testing.T) {
	addr := silentTCP(t)
	for _, scheme := range []string{"udp", "tcp", "tls", "https"} {
		c := new(dnsq.Client)
		srv := server(t, scheme+"://"+addr)
		if scheme == "udp" {
			srv = server(t, dnstest.Server{}.Start(t))
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		start := time.Now()
		_, _, err := c.Exchange(ctx, srv, questionA)
		if !errors.Is(err, context.Canceled) || time.Since(start) > 2*time.Second {
			t.Errorf("%s: %v after %v; want context.Canceled", scheme, err, time.Since(start))
		}
		_ = c.Close()
	}
}

// serveHTTPS starts a DoH server.
func serveHTTPS(t *testing.T, h http.HandlerFunc) (dnsq.Server, *x509.CertPool) {
	t.Helper()
	cert, pool, _ := testCert(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, ReadHeaderTimeout: time.Minute}
	go s.ServeTLS(l, "", "")
	t.Cleanup(func() { _ = s.Close() })
	return server(t, "https://"+l.Addr().String()), pool
}

// dohReply answers a DoH request honestly.
func dohReply(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	if r.Method == http.MethodGet {
		b, _ = base64.RawURLEncoding.DecodeString(r.URL.Query().Get("dns"))
	}
	q := new(dns.Msg)
	if q.Unpack(b) != nil || r.URL.Path != "/dns-query" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/dns-message")
	_, _ = w.Write(dnstest.Good(q))
}

func TestHTTPS(t *testing.T) {
	var method, proto atomic.Value
	srv, pool := serveHTTPS(t, func(w http.ResponseWriter, r *http.Request) {
		method.Store(r.Method)
		proto.Store(r.Proto)
		dohReply(w, r)
	})
	for _, get := range []bool{false, true} {
		c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: pool}, HTTPGet: get}
		m, timing, err := c.Exchange(context.Background(), srv, questionA)
		if err != nil || len(m.Answer) != 1 || timing.Transport != dnsq.HTTPS || timing.Handshake == 0 {
			t.Errorf("get %v: %v, %+v", get, err, timing)
		}
		if want := map[bool]string{false: "POST", true: "GET"}[get]; method.Load() != want || proto.Load() != "HTTP/2.0" {
			t.Errorf("%v over %v; want %s over HTTP/2", method.Load(), proto.Load(), want)
		}
		_ = c.Close()
	}
	c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: x509.NewCertPool()}}
	defer c.Close()
	var unknown x509.UnknownAuthorityError
	if _, _, err := c.Exchange(context.Background(), srv, questionA); !errors.As(err, &unknown) || !errors.As(err, new(*dnsq.HandshakeError)) {
		t.Errorf("untrusted: %v", err)
	}
}

func TestHTTPSBadReply(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		want error
	}{
		{"503", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "\x1b[31mbusy", http.StatusServiceUnavailable)
		}, dnsq.ErrServerFailure},
		{"a web page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, dnsq.ErrServerFailure},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1:1/", http.StatusFound)
		}, dnsq.ErrServerFailure},
		{"garbage", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/dns-message")
			_, _ = w.Write([]byte("garbage"))
		}, dnsq.ErrInvalidReply},
		{"too much", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/dns-message")
			for range 1000 {
				_, _ = w.Write(make([]byte, 1000))
			}
		}, dnsq.ErrInvalidReply},
	} {
		srv, pool := serveHTTPS(t, tt.h)
		c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: pool}}
		_, _, err := c.Exchange(context.Background(), srv, questionA)
		if !errors.Is(err, tt.want) || err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
		_ = c.Close()
	}
}

func TestQUICNotSupported(t *testing.T) {
	_, _, err := new(dnsq.Client).Exchange(context.Background(), server(t, "quic://127.0.0.1"), questionA)
	if !errors.Is(err, dnsq.ErrNotSupported) {
		t.Errorf("QUIC without hook: %v", err)
	}
}

// TestRandomCase: a server that turns the name to lower case is asked over TCP.
func TestRandomCase(t *testing.T) {
	name := "a.name.with.many.letters.example."
	lower := func(q *dns.Msg) [][]byte {
		m := dnstest.Answer(q, "192.0.2.1")
		m.Question[0].Name = strings.ToLower(m.Question[0].Name)
		return [][]byte{mustPack(m)}
	}
	for _, e := range []dnstest.Server{
		{UDP: func(q *dns.Msg) [][]byte { return [][]byte{dnstest.Good(q)} }},
		{UDP: lower, TCP: dnstest.Stream(lower)},
	} {
		c := &dnsq.Client{RandomCase: true}
		m, timing, err := c.Exchange(context.Background(), server(t, e.Start(t)), dnsq.NewQuery(name, dns.TypeA, dnsq.Header{}))
		if err != nil || m.Question[0].Name != name || !strings.EqualFold(m.Answer[0].Header().Name, name) {
			t.Errorf("%v, %+v: %v", err, timing, m)
		}
		if want := map[bool]dnsq.Transport{false: dnsq.UDP, true: dnsq.TCP}[e.TCP != nil]; timing.Transport != want {
			t.Errorf("over %s, want %s", timing.Transport, want)
		}
		_ = c.Close()
	}
}

// TestCookie: the server's cookie is sent back, and a refusal for the lack of
// one is tried again (RFC 7873 section 5.2.3).
func TestCookie(t *testing.T) {
	const serverCookie = "0123456789abcdef"
	var mu sync.Mutex // questions come one after the other, from goroutines of the server
	var seen []string
	e := dnstest.Server{UDP: func(q *dns.Msg) [][]byte {
		var got string
		for _, o := range q.IsEdns0().Option {
			if c, ok := o.(*dns.EDNS0_COOKIE); ok {
				got = c.Cookie
			}
		}
		mu.Lock()
		seen = append(seen, got)
		mu.Unlock()
		m := dnstest.Answer(q, "192.0.2.1")
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: got[:16] + serverCookie}}
		if len(got) == 16 {
			m.Rcode, m.Answer = dns.RcodeBadCookie, nil
		}
		return [][]byte{mustPack(m)}
	}}
	c := new(dnsq.Client)
	defer c.Close()
	srv := server(t, e.Start(t))
	for range 2 {
		if m, _, err := c.Exchange(context.Background(), srv, questionA); err != nil || len(m.Answer) != 1 {
			t.Fatalf("%v, %v", m, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 3 || len(seen[0]) != 16 || seen[1] != seen[0]+serverCookie || seen[2] != seen[1] {
		t.Errorf("cookies sent: %q", seen)
	}
}

func TestTSIG(t *testing.T) {
	key := &dnsq.TSIG{Name: "key.example", Algorithm: "hmac-sha256", Secret: "c2VjcmV0IG9mIHRoZSB0ZXN0"}
	h := func(w dns.ResponseWriter, q *dns.Msg) {
		m := dnstest.Answer(q, "192.0.2.1")
		if w.TsigStatus() != nil || q.IsTsig() == nil {
			m.Rcode, m.Answer = dns.RcodeNotAuth, nil
		} else {
			m.SetTsig("key.example.", dns.HmacSHA256, 300, time.Now().Unix())
		}
		_ = w.WriteMsg(m)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(h), TsigSecret: map[string]string{"key.example.": key.Secret}}
	started := make(chan struct{})
	s.NotifyStartedFunc = func() { close(started) }
	go s.ActivateAndServe()
	<-started
	t.Cleanup(func() { _ = s.Shutdown() })
	srv := server(t, pc.LocalAddr().String())
	wrong := *key
	wrong.Secret = "d3Jvbmc="
	for _, tt := range []struct {
		key   *dnsq.TSIG
		rcode int
	}{{key, dns.RcodeSuccess}, {&wrong, dns.RcodeNotAuth}, {nil, dns.RcodeNotAuth}} {
		c := &dnsq.Client{TSIG: tt.key, Timeout: time.Second}
		m, _, err := c.Exchange(context.Background(), srv, questionA)
		if err != nil || m.Rcode != tt.rcode {
			t.Errorf("key %+v: %v, %v; want rcode %d", tt.key, m, err, tt.rcode)
		}
	}
	// A reply that is not signed, or with another key, is forged.
	plain := server(t, dnstest.Server{UDP: func(q *dns.Msg) [][]byte { return [][]byte{dnstest.Good(q)} }}.Start(t))
	c := &dnsq.Client{TSIG: key, Timeout: 100 * time.Millisecond}
	if _, _, err := c.Exchange(context.Background(), plain, questionA); !errors.Is(err, dnsq.ErrInvalidReply) {
		t.Errorf("unsigned reply: %v", err)
	}
}

func TestParseTSIG(t *testing.T) {
	for _, tt := range []struct {
		in string
		ok bool
	}{
		{"key.example:c2VjcmV0", true}, {"hmac-sha512:key.example:c2VjcmV0", true},
		{"key.example", false}, {"hmac-foo:key:c2VjcmV0", false}, {"key:not base64", false}, {"key:", false}, {"a..b:c2VjcmV0", false},
	} {
		if k, err := dnsq.ParseTSIG(tt.in); (err == nil) != tt.ok {
			t.Errorf("ParseTSIG(%q) = %+v, %v", tt.in, k, err)
		} else if err != nil && strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("ParseTSIG(%q) shows the secret: %v", tt.in, err)
		}
	}
}

// TestQuestion: what a header asks for is what a server sees.
func TestQuestion(t *testing.T) {
	h := dnsq.Header{NoRecursion: true, CD: true, AD: true, DO: true, NSID: true, UDPSize: 4096}
	h.ClientSubnet = must(t, "192.0.2.77/24")
	q := dnsq.NewQuery("www.example.", dns.TypeTXT, h)
	opt := q.IsEdns0()
	if q.RecursionDesired || !q.CheckingDisabled || !q.AuthenticatedData || opt == nil || !opt.Do() || opt.UDPSize() != 4096 {
		t.Errorf("question %v", q)
	}
	text := q.String()
	for _, want := range []string{"NSID", "192.0.2.0/24"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if m := dnsq.NewQuery("x.", dns.TypeA, dnsq.Header{NoEDNS: true}); m.IsEdns0() != nil || !m.RecursionDesired {
		t.Errorf("plain question %v", m)
	}
	if m := dnsq.NewQuery("x.", dns.TypeA, dnsq.Header{}); m.IsEdns0().UDPSize() != 1232 {
		t.Errorf("default question %v", m)
	}
}

// TestClientSubnetEcho: a reply about another client subnet is not ours (RFC 7871 section 7.3).
func TestClientSubnetEcho(t *testing.T) {
	q := dnsq.NewQuery("www.example.", dns.TypeA, dnsq.Header{ClientSubnet: must(t, "192.0.2.0/24")})
	reply := func(text string) []byte {
		m := dnstest.Answer(q, "192.0.2.1")
		p := must(t, text)
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), SourceScope: 20, Address: p.Addr().AsSlice()}}
		return mustPack(m)
	}
	if _, err := dnsq.CheckReply(q, reply("192.0.2.0/24")); err != nil {
		t.Errorf("our own subnet: %v", err)
	}
	for _, other := range []string{"198.51.100.0/24", "192.0.2.0/23"} {
		if _, err := dnsq.CheckReply(q, reply(other)); err == nil {
			t.Errorf("%s was accepted", other)
		}
	}
}

// TestHTTPSAge: the time a cache of HTTP has kept a reply counts (RFC 8484 section 5.1).
func TestHTTPSAge(t *testing.T) {
	srv, pool := serveHTTPS(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Age", "50")
		dohReply(w, r)
	})
	c := &dnsq.Client{TLSConfig: &tls.Config{RootCAs: pool}}
	defer c.Close()
	m, _, err := c.Exchange(context.Background(), srv, questionA)
	if err != nil || m.Answer[0].Header().Ttl != 10 {
		t.Errorf("%v, %v; want a TTL of 60-50", m, err)
	}
}

// TestIPv6Server asks a server on ::1.
func TestIPv6Server(t *testing.T) {
	pc, err := net.ListenPacket("udp", "[::1]:0")
	if err != nil {
		need.Missing(t, "no IPv6 here: %v", err)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(bulkEcho)}
	started := make(chan struct{})
	s.NotifyStartedFunc = func() { close(started) }
	go s.ActivateAndServe()
	<-started
	t.Cleanup(func() { _ = s.Shutdown() })
	if m, _, err := new(dnsq.Client).Exchange(context.Background(), server(t, pc.LocalAddr().String()), questionA); err != nil || len(m.Answer) != 1 {
		t.Errorf("%v, %v", m, err)
	}
}
