package socket

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A ProxyKind is the protocol that a proxy speaks.
type ProxyKind string

// The kinds of proxies. Socks4 and Socks5 get addresses, Socks4a and Socks5h
// names, which the proxy looks up; HTTP gets either.
const (
	Socks4    ProxyKind = "socks4"
	Socks4a   ProxyKind = "socks4a"
	Socks5    ProxyKind = "socks5"
	Socks5h   ProxyKind = "socks5h"
	HTTPProxy ProxyKind = "http"
)

// A Proxy connects to other hosts on behalf of its clients.
type Proxy struct {
	Kind     ProxyKind
	Address  string // "host:port"
	User     string // empty for none; SOCKS4 knows users without passwords
	Password string
}

var errProxyURL = errors.New("proxy: want KIND://[USER:PASSWORD@]HOST[:PORT]")

// ParseProxy reads KIND://[USER[:PASSWORD]@]HOST[:PORT]. Without a kind it is
// socks5h; without a port 1080, and 8080 for http.
func ParseProxy(s string) (Proxy, error) {
	text := s
	if !strings.Contains(text, "://") {
		text = string(Socks5h) + "://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return Proxy{}, errProxyURL // the cause would show what may be a password
	}
	p := Proxy{Kind: ProxyKind(u.Scheme), User: u.User.Username()}
	p.Password, _ = u.User.Password()
	port := "1080"
	switch p.Kind {
	case HTTPProxy:
		port = "8080"
	case Socks4, Socks4a, Socks5, Socks5h:
	default:
		return Proxy{}, fmt.Errorf("proxy: unknown kind %q; it is one of http, socks4, socks4a, socks5, socks5h", u.Scheme)
	}
	if u.Path != "" && u.Path != "/" {
		return Proxy{}, errProxyURL
	}
	if _, err := ParseHost(u.Hostname()); err != nil {
		return Proxy{}, fmt.Errorf("proxy: %w", err)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	p.Address = net.JoinHostPort(u.Hostname(), port)
	return p, nil
}

// String returns the proxy as [ParseProxy] reads it, without its password.
func (p Proxy) String() string { return string(p.Kind) + "://" + p.Address }

// A ProxyError reports that a proxy did not connect.
type ProxyError struct {
	Proxy  string // which proxy
	Target string // where it was to connect to
	Reason string // in the proxy's terms
	Code   int    // of the reply of the protocol, 0 when there was none
	Err    error  // the cause when the connection to the proxy failed, else nil
}

// Error says which proxy failed, to do what, and why.
func (e *ProxyError) Error() string {
	return fmt.Sprintf("proxy %s: connect to %s: %s", e.Proxy, e.Target, e.Reason)
}

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.Err }

// ThroughProxies makes a connection of conn, which leads to the first of the
// proxies, to address: each proxy is asked to connect to the next one, and the
// last to address. It reads no byte beyond what the proxies answer. Lookup finds
// the addresses that [Socks4] and [Socks5] need; nil means the system's
// resolver. Errors are of type [*ProxyError]; conn is of no use then.
func ThroughProxies(ctx context.Context, conn net.Conn, proxies []Proxy, address string, lookup func(ctx context.Context, host string) ([]netip.Addr, error)) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(aLongTimeAgo) })
	defer func() {
		stop()
		if ctx.Err() == nil {
			_ = conn.SetDeadline(time.Time{}) // fails only on a closed connection
		}
	}()
	for i, p := range proxies {
		target := address
		if i+1 < len(proxies) {
			target = proxies[i+1].Address
		}
		h := handshake{conn: conn, proxy: p, rules: lookupRules{lookup: lookup}}
		if err := h.connect(ctx, target); err != nil {
			return h.failure(ctx, target, err)
		}
	}
	return nil
}

// A handshake is the conversation with one proxy.
type handshake struct {
	conn  net.Conn
	proxy Proxy
	rules lookupRules
}

// A refusal is the answer of a proxy that does not connect.
type refusal struct {
	code   int
	reason string
}

func (r *refusal) Error() string { return r.reason }

func (h *handshake) failure(ctx context.Context, target string, err error) error {
	e := &ProxyError{Proxy: h.proxy.Address, Target: target, Reason: Reason(err), Err: err}
	if r, ok := errors.AsType[*refusal](err); ok {
		e.Code, e.Err = r.code, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		e.Reason, e.Err = Reason(cause), cause
	}
	return e
}

func (h *handshake) connect(ctx context.Context, target string) error {
	host, service, err := net.SplitHostPort(target)
	if err != nil {
		return err
	}
	port, err := LookupPort(ctx, service, "tcp")
	if err != nil {
		return err
	}
	switch h.proxy.Kind {
	case HTTPProxy:
		parsed, err := ParseHost(host) // what is no host could end the line of the request
		if err != nil {
			return err
		}
		return h.http(net.JoinHostPort(parsed.String(), strconv.Itoa(int(port))))
	case Socks4, Socks4a:
		return h.socks4(ctx, host, port)
	}
	return h.socks5(ctx, host, port)
}

// resolved returns the host as an address where that is needed or where it is
// one already, else the zero Addr.
func (h *handshake) resolved(ctx context.Context, host string, need bool, policy IPPolicy) (netip.Addr, error) {
	parsed, err := ParseHost(host)
	if err != nil || parsed.IsAddr() {
		return parsed.Addr(), err
	}
	if !need {
		return netip.Addr{}, nil
	}
	found, err := h.rules.ask(ctx, parsed.Name)
	if err != nil {
		return netip.Addr{}, err
	}
	if found = order(found, policy); len(found) == 0 {
		return netip.Addr{}, &net.AddrError{Err: "no address of the IP version this proxy knows", Addr: host}
	}
	return found[0], nil
}

// ask sends b and reads n bytes of the answer.
func (h *handshake) ask(b []byte, n int) ([]byte, error) {
	if _, err := h.conn.Write(b); err != nil {
		return nil, err
	}
	return h.read(n)
}

func (h *handshake) read(n int) ([]byte, error) {
	answer := make([]byte, n)
	if _, err := io.ReadFull(h.conn, answer); err != nil {
		return nil, ended(err)
	}
	return answer, nil
}

// ended makes an error of the end of a stream in the middle of an answer.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// socks4 speaks SOCKS protocol 4, or 4A when the proxy looks up the name.
func (h *handshake) socks4(ctx context.Context, host string, port uint16) error {
	a, err := h.resolved(ctx, host, h.proxy.Kind == Socks4, OnlyIPv4)
	if err != nil {
		return err
	}
	name := ""
	if !a.IsValid() {
		a, name = netip.AddrFrom4([4]byte{0, 0, 0, 1}), host // 4A: an address that cannot be
	}
	switch {
	case !a.Is4():
		return fmt.Errorf("SOCKS4 knows no IPv6: %w", ErrNotSupported)
	case strings.IndexByte(h.proxy.User, 0) >= 0:
		return errors.New("a zero byte would end the user") // and begin the name of 4A
	}
	b := binary.BigEndian.AppendUint16([]byte{4, 1}, port)
	b = append(append(append(b, a.AsSlice()...), h.proxy.User...), 0)
	if name != "" {
		b = append(append(b, name...), 0)
	}
	answer, err := h.ask(b, 8)
	switch {
	case err != nil:
		return err
	case answer[0] != 0:
		return &refusal{0, "does not speak SOCKS4"}
	case answer[1] != 90:
		return &refusal{int(answer[1]), socks4Reason(answer[1])}
	}
	return nil
}

func socks4Reason(code byte) string {
	switch code {
	case 91:
		return "request rejected or failed"
	case 92:
		return "rejected: the proxy cannot reach identd on this host"
	case 93:
		return "rejected: identd reports another user"
	}
	return fmt.Sprintf("reply %d", code)
}

// socks5 speaks RFC 1928.
func (h *handshake) socks5(ctx context.Context, host string, port uint16) error {
	a, err := h.resolved(ctx, host, h.proxy.Kind == Socks5, AnyIP)
	if err != nil {
		return err
	}
	if err := h.socks5Login(); err != nil {
		return err
	}
	b := []byte{5, 1, 0}
	switch {
	case a.Is4():
		b = append(append(b, 1), a.AsSlice()...)
	case a.IsValid():
		b = append(append(b, 4), a.AsSlice()...)
	case len(host) > 255:
		return fmt.Errorf("a name of more than 255 bytes")
	default:
		b = append(append(b, 3, byte(len(host))), host...)
	}
	answer, err := h.ask(binary.BigEndian.AppendUint16(b, port), 5)
	switch {
	case err != nil:
		return err
	case answer[0] != 5:
		return &refusal{0, "does not speak SOCKS5"}
	case answer[1] != 0:
		return &refusal{int(answer[1]), socks5Reason(answer[1])}
	}
	return h.skipBound(answer[3], answer[4])
}

// skipBound reads the rest of the address that the proxy connected from.
func (h *handshake) skipBound(kind, first byte) error {
	rest := 0
	switch kind {
	case 1:
		rest = 3
	case 3:
		rest = int(first)
	case 4:
		rest = 15
	default:
		return &refusal{0, fmt.Sprintf("answers with an address of unknown type %d", kind)}
	}
	_, err := h.read(rest + 2)
	return err
}

// socks5Login agrees on a method and, if it is that of RFC 1929, logs in.
func (h *handshake) socks5Login() error {
	methods := []byte{0}
	if h.proxy.User != "" {
		methods = append(methods, 2)
	}
	answer, err := h.ask(append([]byte{5, byte(len(methods))}, methods...), 2)
	switch {
	case err != nil:
		return err
	case answer[0] != 5:
		return &refusal{0, "does not speak SOCKS5"}
	case answer[1] == 0:
		return nil
	case answer[1] == 0xff || !slices.Contains(methods, answer[1]):
		return &refusal{int(answer[1]), "wants a login of another kind"}
	}
	user, password := h.proxy.User, h.proxy.Password
	if len(user) > 255 || len(password) > 255 {
		return fmt.Errorf("a user or password of more than 255 bytes")
	}
	b := append([]byte{1, byte(len(user))}, user...)
	b = append(append(b, byte(len(password))), password...)
	if answer, err = h.ask(b, 2); err == nil && answer[1] != 0 {
		return &refusal{int(answer[1]), "login refused"}
	}
	return err
}

func socks5Reason(code byte) string {
	reasons := [...]string{1: "general failure", 2: "not allowed by its rules", 3: "network unreachable",
		4: "host unreachable", 5: "connection refused", 6: "time to live expired", 7: "command not supported",
		8: "address type not supported"}
	if int(code) < len(reasons) {
		return reasons[code]
	}
	return fmt.Sprintf("reply %d", code)
}

// maxProxyHeader bounds the answer of an HTTP proxy, in bytes.
const maxProxyHeader = 64 << 10

// http asks with the method CONNECT (RFC 9110 section 9.3.6).
func (h *handshake) http(target string) error {
	request := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	if h.proxy.User != "" {
		login := base64.StdEncoding.EncodeToString([]byte(h.proxy.User + ":" + h.proxy.Password))
		request += "Proxy-Authorization: Basic " + login + "\r\n"
	}
	if _, err := io.WriteString(h.conn, request+"\r\n"); err != nil {
		return err
	}
	header, err := h.readHeader()
	if err != nil {
		return err
	}
	line, _, _ := bytes.Cut(header, []byte("\n"))
	version, status, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	code, err := strconv.Atoi(status[:min(3, len(status))])
	if err != nil || !strings.HasPrefix(version, "HTTP/1.") {
		return &refusal{0, "does not speak HTTP/1"}
	}
	if code < 200 || code > 299 {
		return &refusal{code, status}
	}
	return nil
}

// readHeader reads up to the empty line, byte by byte: what follows belongs to
// the connection.
func (h *handshake) readHeader() ([]byte, error) {
	var header []byte
	one := make([]byte, 1)
	for len(header) < maxProxyHeader {
		if _, err := h.conn.Read(one); err != nil {
			return nil, ended(err)
		}
		header = append(header, one[0])
		if bytes.HasSuffix(header, []byte("\n\r\n")) || bytes.HasSuffix(header, []byte("\n\n")) {
			return header, nil
		}
	}
	return nil, &refusal{0, "answers with too long a header"}
}
