package dnsq

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// A Transport is the way messages travel to a server.
type Transport string

// The transports. The empty one means UDP, with TCP when a reply is truncated.
const (
	UDP   Transport = "udp"
	TCP   Transport = "tcp"
	TLS   Transport = "tls"   // RFC 7858
	HTTPS Transport = "https" // RFC 8484
	QUIC  Transport = "quic"  // RFC 9250
)

// defaultPath is the path of DNS over HTTPS when none is given (RFC 8484 section 4.1.1 uses it).
const defaultPath = "/dns-query"

// Port is the port a server of this transport listens on by default.
func (t Transport) Port() uint16 {
	switch t {
	case TLS, QUIC:
		return 853
	case HTTPS:
		return 443
	}
	return 53
}

// A Server is where to ask, and how.
type Server struct {
	Transport  Transport  // empty means UDP
	Host       string     // name or address literal, IPv6 without brackets and with its zone
	Addr       netip.Addr // address to connect to; the zero Addr means Host (looked up when it is a name)
	Port       uint16     // zero means the transport's own
	ServerName string     // name the certificate must carry; empty means Host
	Path       string     // of DNS over HTTPS; empty means /dns-query
	Pins       []string   // acceptable SHA-256 digests (base64) of the server's public key (RFC 7858 section 4.2); empty means no pinning
}

// A ServerError reports text that is not a server.
type ServerError struct {
	Input  string // the text given
	Reason string // why it was refused
}

func (e *ServerError) Error() string { return fmt.Sprintf("server %q: %s", e.Input, e.Reason) }

// ParseServer reads a server: HOST, HOST:PORT, [V6]:PORT or V6, with an optional
// scheme udp://, tcp://, tls://, https:// (which may have a path) or quic://, and
// an optional #NAME at the end, the name its certificate must carry. Errors are
// of type *[ServerError].
func ParseServer(s string) (Server, error) {
	var srv Server
	rest := s
	if scheme, after, ok := strings.Cut(s, "://"); ok {
		srv.Transport = Transport(strings.ToLower(scheme))
		rest = after
	}
	switch srv.Transport {
	case "", UDP, TCP, TLS, HTTPS, QUIC:
	default:
		return Server{}, &ServerError{s, fmt.Sprintf("transport %q is not one of udp, tcp, tls, https, quic", srv.Transport)}
	}
	rest, srv.ServerName, _ = strings.Cut(rest, "#")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		if srv.Transport != HTTPS && rest[i:] != "/" {
			return Server{}, &ServerError{s, "only https:// takes a path"}
		}
		if srv.Transport == HTTPS {
			srv.Path = rest[i:]
		}
		rest = rest[:i]
	}
	if err := srv.setHostPort(rest); err != nil {
		return Server{}, &ServerError{s, err.Error()}
	}
	if srv.Path != "" {
		if _, err := url.ParseRequestURI(srv.Path); err != nil {
			return Server{}, &ServerError{s, "bad path"}
		}
	}
	return srv, nil
}

// setHostPort fills Host and Port from hp, the part of a server between scheme and path.
func (s *Server) setHostPort(hp string) error {
	host, port := hp, ""
	_, errAddr := netip.ParseAddr(hp)
	switch {
	case errAddr == nil: // a bare address; IPv6 has colons of its own
	case strings.HasPrefix(hp, "[") && strings.HasSuffix(hp, "]"):
		host = hp[1 : len(hp)-1]
	case strings.Contains(hp, ":"):
		var err error
		if host, port, err = net.SplitHostPort(hp); err != nil {
			return fmt.Errorf("not HOST, HOST:PORT or [V6]:PORT")
		}
		if port == "" {
			return fmt.Errorf("no port after the colon")
		}
	}
	if strings.HasPrefix(hp, "[") && !strings.Contains(host, ":") {
		return fmt.Errorf("brackets are for IPv6 addresses")
	}
	if err := checkServerHost(host); err != nil {
		return err
	}
	s.Host = host
	if port == "" {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	s.Port = uint16(n)
	return nil
}

// checkServerHost refuses what is neither an address nor can be a host name. A
// last label of digits only would be an address (WHATWG URL, section 3.5), so it
// is never looked up.
func checkServerHost(host string) error {
	if a, err := netip.ParseAddr(host); err == nil {
		if strings.ContainsAny(a.Zone(), "[]%") { // netip takes any text for a zone
			return fmt.Errorf("%q is not a zone", a.Zone())
		}
		return nil
	}
	name := strings.TrimSuffix(host, ".")
	if name == "" {
		return fmt.Errorf("no host")
	}
	if strings.ContainsAny(name, ":%@[] \t\r\n\\\"") || strings.Contains(name, "..") || len(name) > 253 {
		return fmt.Errorf("%q is neither an address nor a host name", host)
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if strings.Trim(last, "0123456789") == "" {
		return fmt.Errorf("%q is not an address", host)
	}
	return nil
}

// address is the host:port to connect to.
func (s Server) address() string {
	host := s.Host
	if s.Addr.IsValid() {
		host = s.Addr.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(s.port())))
}

func (s Server) port() uint16 {
	if s.Port != 0 {
		return s.Port
	}
	return s.Transport.Port()
}

// transport is s.Transport with the empty one resolved.
func (s Server) transport() Transport {
	if s.Transport == "" {
		return UDP
	}
	return s.Transport
}

// tlsName is the name the server's certificate must carry.
func (s Server) tlsName() string {
	if s.ServerName != "" {
		return strings.TrimSuffix(s.ServerName, ".")
	}
	host, _, _ := strings.Cut(s.Host, "%")
	return strings.TrimSuffix(host, ".")
}

// identity is what a connection has to agree in to serve for s.
func (s Server) identity() string {
	return s.address() + " " + s.tlsName() + " " + strings.Join(s.Pins, " ")
}

// url is the address of a server of DNS over HTTPS, with host in place of its own.
func (s Server) url(host string) string {
	path := s.Path
	if path == "" {
		path = defaultPath
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(int(s.port()))) + path
}

// String is the server in the form that [ParseServer] reads: host:port for UDP,
// with a scheme for the others.
func (s Server) String() string {
	hp := net.JoinHostPort(s.Host, strconv.Itoa(int(s.port())))
	switch s.transport() {
	case UDP:
		return hp
	case HTTPS:
		return s.url(s.Host)
	}
	return string(s.Transport) + "://" + hp
}

// MarshalText is String, so that a Server is a string in JSON.
func (s Server) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is [ParseServer].
func (s *Server) UnmarshalText(text []byte) error {
	srv, err := ParseServer(string(text))
	if err == nil {
		*s = srv
	}
	return err
}
