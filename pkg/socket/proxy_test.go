package socket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

func TestParseProxy(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want socket.Proxy
	}{
		{"socks5://127.0.0.1", socket.Proxy{Kind: socket.Socks5, Address: "127.0.0.1:1080"}},
		{"proxy.test:9050", socket.Proxy{Kind: socket.Socks5h, Address: "proxy.test:9050"}},
		{"http://u:p%40ss@[::1]:3128/", socket.Proxy{Kind: socket.HTTPProxy, Address: "[::1]:3128", User: "u", Password: "p@ss"}},
		{"socks4a://me@h:1", socket.Proxy{Kind: socket.Socks4a, Address: "h:1", User: "me"}},
		{"http://h", socket.Proxy{Kind: socket.HTTPProxy, Address: "h:8080"}},
		{"ftp://h", socket.Proxy{}},
		{"socks5://", socket.Proxy{}},
		{"socks5://h/path", socket.Proxy{}},
		{"socks5://u:secret@[::", socket.Proxy{}},
	} {
		got, err := socket.ParseProxy(tt.in)
		if (err == nil) != (tt.want.Kind != "") || got != tt.want {
			t.Errorf("ParseProxy(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// A fakeProxy speaks every protocol of this package on one port and connects,
// or answers with a refusal.
type fakeProxy struct {
	refuse bool
	login  string // "user:password" that is needed
}

func startProxy(t *testing.T, p *fakeProxy) string {
	t.Helper()
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	go func() {
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return l.Addr().String()
}

func (p *fakeProxy) serve(c *socket.Conn) {
	defer c.Close()
	first := readN(c, 1)
	var target string
	var refusal, grant []byte
	switch first[0] {
	case 4:
		target = p.socks4(c)
		refusal, grant = []byte{0, 91, 0, 0, 0, 0, 0, 0}, []byte{0, 90, 0, 0, 0, 0, 0, 0}
	case 5:
		target = p.socks5(c)
		refusal = []byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0}
		grant = append([]byte{5, 0, 0, 3, 4}, "name\x00\x01"...)
	default:
		target = p.http(c)
		refusal, grant = []byte("HTTP/1.1 502 Bad Gateway\r\n\r\n"), []byte("HTTP/1.0 200 Fine\r\nX: y\r\n\r\n")
	}
	if p.refuse {
		c.Write(refusal)
		return
	}
	out, err := net.Dial("tcp", target)
	if err != nil {
		c.Write(refusal)
		return
	}
	defer out.Close()
	c.Write(grant)
	go io.Copy(out, c)
	io.Copy(c, out)
}

func readN(c io.Reader, n int) []byte {
	b := make([]byte, n)
	io.ReadFull(c, b)
	return b
}

func readUntil(c io.Reader, end string) string {
	var b []byte
	for !bytes.HasSuffix(b, []byte(end)) {
		one := make([]byte, 1)
		if _, err := c.Read(one); err != nil {
			break
		}
		b = append(b, one[0])
	}
	return strings.TrimSuffix(string(b), end)
}

func (p *fakeProxy) socks4(c io.Reader) string {
	b := readN(c, 7)
	readUntil(c, "\x00")
	ip, _ := netip.AddrFromSlice(b[3:7])
	host := ip.String()
	if strings.HasPrefix(host, "0.0.0.") {
		host = readUntil(c, "\x00")
	}
	return netJoin(host, b[1:3])
}

func (p *fakeProxy) socks5(c io.ReadWriter) string {
	methods := readN(c, int(readN(c, 1)[0]))
	if p.login != "" {
		if !bytes.Contains(methods, []byte{2}) {
			c.Write([]byte{5, 0xff})
			return ""
		}
		c.Write([]byte{5, 2})
		readN(c, 1)
		user := readN(c, int(readN(c, 1)[0]))
		password := readN(c, int(readN(c, 1)[0]))
		if string(user)+":"+string(password) != p.login {
			c.Write([]byte{1, 1})
			return ""
		}
		c.Write([]byte{1, 0})
	} else {
		c.Write([]byte{5, 0})
	}
	var host string
	switch readN(c, 4)[3] {
	case 1:
		ip, _ := netip.AddrFromSlice(readN(c, 4))
		host = ip.String()
	case 3:
		host = string(readN(c, int(readN(c, 1)[0])))
	case 4:
		ip, _ := netip.AddrFromSlice(readN(c, 16))
		host = ip.String()
	}
	return netJoin(host, readN(c, 2))
}

func (p *fakeProxy) http(c io.Reader) string {
	header := readUntil(c, "\r\n\r\n") // its first byte has been read
	return strings.Fields(header)[1]
}

func netJoin(host string, port []byte) string {
	if host == "there.test" {
		host = "127.0.0.1"
	}
	a := netip.AddrPortFrom(netip.MustParseAddr(host), binary.BigEndian.Uint16(port))
	return a.String()
}

// greeter makes a server that speaks first and echoes then.
func greeter(t *testing.T) string {
	t.Helper()
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	go func() {
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			io.WriteString(c, "hello")
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

func TestThroughProxies(t *testing.T) {
	target := greeter(t)
	_, port, _ := net.SplitHostPort(target)
	proxy := startProxy(t, &fakeProxy{login: "me:secret"})
	plain := startProxy(t, &fakeProxy{})
	for _, tt := range []struct{ name, chain, target string }{
		{"socks4", "socks4://" + plain, target},
		{"socks4, name", "socks4://" + plain, "there.test:" + port},
		{"socks4a, name", "socks4a://" + plain, "there.test:" + port},
		{"socks5", "socks5://" + plain, target},
		{"socks5 with login", "socks5://me:secret@" + proxy, target},
		{"socks5h, name", "socks5h://" + plain, "there.test:" + port},
		{"http", "http://" + plain, target},
		{"http, an address in a short form", "http://" + plain, "127.1:" + port},
		{"chain", "socks5://" + plain + " http://" + plain + " socks4://" + plain, target},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := through(t, tt.chain, tt.target)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(readN(c, 5)); got != "hello" {
				t.Errorf("the server's first bytes are %q", got)
			}
			io.WriteString(c, "echo")
			if got := string(readN(c, 4)); got != "echo" {
				t.Errorf("the echo is %q", got)
			}
		})
	}
}

// through connects to a target through a chain of proxies.
func through(t *testing.T, chain, target string) (*socket.Conn, error) {
	t.Helper()
	var proxies []socket.Proxy
	for _, s := range strings.Fields(chain) {
		p, err := socket.ParseProxy(s)
		if err != nil {
			t.Fatal(err)
		}
		proxies = append(proxies, p)
	}
	c, err := socket.Dial(t.Context(), "tcp", proxies[0].Address, socket.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, socket.ThroughProxies(within(t, 10*time.Second), c, proxies, target, hosts("127.0.0.1"))
}

func TestProxyRefuses(t *testing.T) {
	plain := startProxy(t, &fakeProxy{refuse: true})
	login := startProxy(t, &fakeProxy{login: "me:secret"})
	for _, tt := range []struct {
		chain, reason string
		code          int
	}{
		{"socks4://" + plain, "request rejected or failed", 91},
		{"socks5://" + plain, "connection refused", 5},
		{"http://" + plain, "502 Bad Gateway", 502},
		{"socks5://" + login, "wants a login of another kind", 255},
		{"socks5://me:wrong@" + login, "login refused", 1},
	} {
		_, err := through(t, tt.chain, "127.0.0.1:9")
		e, ok := errors.AsType[*socket.ProxyError](err)
		if !ok || e.Reason != tt.reason || e.Code != tt.code {
			t.Errorf("%s: %+v; want %q, %d", tt.chain, e, tt.reason, tt.code)
		}
	}
}

func TestProxySpeaksSomethingElse(t *testing.T) {
	server := greeter(t)
	for _, kind := range []string{"socks4", "socks5", "http"} {
		c, err := socket.Dial(t.Context(), "tcp", server, socket.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		p := socket.Proxy{Kind: socket.ProxyKind(kind), Address: server}
		err = socket.ThroughProxies(within(t, 200*time.Millisecond), c, []socket.Proxy{p}, "127.0.0.1:9", nil)
		if _, ok := errors.AsType[*socket.ProxyError](err); !ok {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestSilentProxy(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	for _, kind := range []socket.ProxyKind{socket.Socks4, socket.Socks5, socket.HTTPProxy} {
		c := dial(t, l, socket.Config{})
		p := socket.Proxy{Kind: kind, Address: l.Addr().String()}
		err := socket.ThroughProxies(within(t, 30*time.Millisecond), c, []socket.Proxy{p}, "127.0.0.1:9", nil)
		identified(t, err, socket.TimedOut)
	}
}

func TestProxyHeader(t *testing.T) {
	v4 := socket.ProxyHeader{Source: netip.MustParseAddrPort("192.0.2.1:5000"), Destination: netip.MustParseAddrPort("192.0.2.2:80")}
	v6 := socket.ProxyHeader{Source: netip.MustParseAddrPort("[2001:db8::1]:5000"), Destination: netip.MustParseAddrPort("[2001:db8::2]:80")}
	paths := socket.ProxyHeader{SourcePath: "/a", DestinationPath: "/b"}
	if got, want := string(v4.AppendText(nil)), "PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n"; got != want {
		t.Errorf("version 1: %q, want %q", got, want)
	}
	for _, h := range []socket.ProxyHeader{v4, v6, paths, {}} {
		text, bin := h.AppendText(nil), must(h.AppendBinary(nil))
		for i, header := range [][]byte{text, bin} {
			want := h
			if i == 0 && h == paths {
				want = socket.ProxyHeader{} // version 1 has no paths
			}
			r := strings.NewReader(string(header) + "rest")
			got, err := socket.ReadProxyHeader(r)
			if err != nil || got != want || r.Len() != 4 {
				t.Errorf("ReadProxyHeader(%q) = %+v, %v, %d bytes left", header, got, err, r.Len())
			}
		}
	}
	for _, bad := range []string{"", "GET / HTTP/1.1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 ::1 ::1 1 1\r\n",
		"PROXY " + strings.Repeat("x", 200) + "\r\n", "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x01x"} {
		if h, err := socket.ReadProxyHeader(strings.NewReader(bad)); err == nil {
			t.Errorf("ReadProxyHeader(%q) = %+v", bad, h)
		}
	}
}

func FuzzReadProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n"))
	f.Add(must(socket.ProxyHeader{SourcePath: "/a"}.AppendBinary(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := socket.ReadProxyHeader(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := socket.ReadProxyHeader(bytes.NewReader(must(h.AppendBinary(nil))))
		if err != nil || again != h {
			t.Errorf("%+v became %+v, %v", h, again, err)
		}
	})
}

func FuzzParseProxy(f *testing.F) {
	f.Add("socks5://user:password@[::1]:1080")
	f.Add("h:1")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := socket.ParseProxy(s)
		if err != nil {
			return
		}
		again, err := socket.ParseProxy(p.String())
		if err != nil || again.Kind != p.Kind || again.Address != p.Address {
			t.Errorf("%q: %+v became %+v, %v", s, p, again, err)
		}
	})
}

// Whatever a proxy answers, the handshake ends, and takes no more than the
// longest header there can be.
func FuzzProxyAnswer(f *testing.F) {
	for _, answer := range []string{"HTTP/1.1 200 Fine\r\n\r\nrest", "\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50", "\x00\x5a\x00\x00\x00\x00\x00\x00"} {
		for kind := range byte(5) {
			f.Add(kind, []byte(answer))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, answer []byte) {
		p := socket.Proxy{Kind: []socket.ProxyKind{socket.Socks4, socket.Socks4a, socket.Socks5, socket.Socks5h, socket.HTTPProxy}[kind%5], Address: "p:1", User: "u"}
		c := &scripted{Reader: bytes.NewReader(answer)}
		err := socket.ThroughProxies(t.Context(), c, []socket.Proxy{p}, "192.0.2.1:80", nil)
		if e, ok := errors.AsType[*socket.ProxyError](err); err != nil && !ok {
			t.Errorf("error is %T %v", err, e)
		}
	})
}

// What is no host, or no user, must not become another request.
func TestProxyRefusesToForge(t *testing.T) {
	for _, tt := range []struct {
		p      socket.Proxy
		target string
	}{
		{socket.Proxy{Kind: socket.HTTPProxy}, "h HTTP/1.1\r\nX: :80"},
		{socket.Proxy{Kind: socket.Socks5h}, "h\r\n:80"},
		{socket.Proxy{Kind: socket.Socks4a, User: "u\x00elsewhere.example"}, "h:80"},
	} {
		c := &scripted{Reader: bytes.NewReader(nil)}
		err := socket.ThroughProxies(t.Context(), c, []socket.Proxy{tt.p}, tt.target, nil)
		if err == nil || c.written != 0 {
			t.Errorf("%s to %q: %v, after %d bytes", tt.p.Kind, tt.target, err, c.written)
		}
	}
}

// A scripted connection answers with what was written before.
type scripted struct {
	net.Conn
	*bytes.Reader
	written int
}

func (s *scripted) Read(b []byte) (int, error)    { return s.Reader.Read(b) }
func (s *scripted) Write(b []byte) (int, error)   { s.written += len(b); return len(b), nil }
func (s *scripted) SetDeadline(t time.Time) error { return nil }
