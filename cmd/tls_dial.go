package cmd

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/tlsx"
)

// tlsClientFlags say how to make a TLS connection to a server. tls-client and
// cert-info share them.
type tlsClientFlags struct {
	dial       dialFlags
	tls        tlsFlags
	serverName string
	noName     bool
	expectName string
	insecure   bool
	pins       []string
	ech        string
	sessionIn  string
	proxies    []string
}

// add defines the flags of t in their groups.
func (t *tlsClientFlags) add(c *cobra.Command) {
	t.dial.add(c)
	t.tls.add(c, false)
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.StringVar(&t.serverName, "server-name", "", "ask for `NAME` (SNI) and expect it in the certificate (default: the host)")
		f.BoolVarP(&t.insecure, "insecure", "k", false, "accept any certificate (the same as --verify none)")
	})
	flagGroup(c, "TLS", func(f *pflag.FlagSet) {
		f.BoolVar(&t.noName, "no-server-name", false, "send no server name")
		f.StringVar(&t.expectName, "expect-name", "", "expect `NAME` or address in the certificate, whatever was asked for (*: any)")
		f.StringArrayVar(&t.pins, "pin", nil, "accept only this public key: sha256:`DIGEST` in base64 or hexadecimal (may be repeated)")
		f.StringVar(&t.ech, "ech", "", "hide the server name with the ECH configurations in `FILE` (base64 or raw)")
		f.StringVar(&t.sessionIn, "session-in", "", "resume the session in `FILE`")
		f.StringArrayVar(&t.proxies, "proxy", nil, "connect through a proxy: socks5h, socks5, socks4a, socks4 or http `URL` (repeated: a chain)")
	})
	secretFlag(c.Flags(), "proxy")
	exclusive(c, "insecure", "verify")
}

// A tlsDialer makes TLS connections to one target.
type tlsDialer struct {
	e         *env
	flags     *tlsClientFlags
	target    address
	context   *tlsx.Context
	connector *connector
	probing   bool // the report shows all there is to see
	done      func()
}

// dialer reads the address and makes what the connections share. The caller
// calls done.
func (t *tlsClientFlags) dialer(e *env, args []string) (*tlsDialer, error) {
	a, err := parseAddressArgs(args, useHostOnly)
	if err != nil {
		return nil, err
	}
	if a.port == "" && a.path == "" {
		a.port = t.defaultPort()
	}
	if t.tls.startTLS == "" {
		t.tls.startTLS = startTLSOfScheme(a.scheme)
	}
	d := &tlsDialer{e: e, flags: t, target: a, done: func() {}}
	if d.connector, err = t.connector(e); err != nil {
		return nil, err
	}
	if t.insecure {
		t.tls.verify = tlsx.VerifyNone.String()
	}
	cfg, done, err := t.tls.config(e)
	if err != nil {
		return nil, err
	}
	d.done = done
	if err := t.complete(&cfg, a); err != nil {
		done()
		return nil, err
	}
	if d.context, err = tlsx.NewClientContext(cfg); err != nil {
		done()
		return nil, t.tls.contextError(err)
	}
	for _, w := range d.context.Warnings() {
		e.note("%s", w)
	}
	return d, nil
}

// connector connects as the flags of connect with these values would.
func (t *tlsClientFlags) connector(e *env) (*connector, error) {
	o := &connectOptions{dialFlags: t.dial, proxies: t.proxies, proxyHeader: "none"}
	cfg, err := o.config()
	if err != nil {
		return nil, err
	}
	proxies, err := o.parseProxies()
	return &connector{e: e, o: o, cfg: cfg, proxies: proxies}, err
}

// startTLSOfScheme is the talk before TLS that a scheme implies.
func startTLSOfScheme(scheme string) string {
	switch scheme {
	case "smtp", "submission":
		return "smtp"
	case "imap", "pop3", "ftp", "ldap":
		return scheme
	}
	return ""
}

func (t *tlsClientFlags) defaultPort() string {
	if p := tlsx.StartTLSPort(t.tls.startTLS); p != 0 {
		return strconv.Itoa(int(p))
	}
	return "443"
}

// complete adds what only a client's configuration has.
func (t *tlsClientFlags) complete(cfg *tlsx.Config, a address) error {
	cfg.NoServerName, cfg.ExpectedName, cfg.Pins = t.noName, asciiHost(t.expectName), t.pins
	cfg.ServerName = asciiHost(t.nameFor(a))
	if a.path != "" && cfg.ServerName == "" && cfg.ExpectedName == "" {
		cfg.ExpectedName = "*" // a socket on this machine has no name to compare
	}
	if t.ech != "" {
		data, err := readSmall(t.ech)
		if err != nil {
			return err
		}
		cfg.ECHConfigList = decodeMaybeBase64(data)
	}
	if t.sessionIn == "" {
		return nil
	}
	data, err := readSmall(t.sessionIn)
	if err != nil {
		return err
	}
	if cfg.Session, err = tlsx.ParseSession(data); err != nil {
		return usagef("--session-in %s: %w", t.sessionIn, err)
	}
	return nil
}

// A tlsLink is a TLS connection and how it came about.
type tlsLink struct {
	conn     *tlsx.Conn // nil when the time before TLS failed
	remote   string
	connect  time.Duration
	startTLS time.Duration
}

// raw connects, through the proxies, and has the talk before TLS.
func (d *tlsDialer) raw(ctx context.Context) (net.Conn, *tlsLink, error) {
	link := &tlsLink{}
	start := time.Now()
	conn, err := d.connect(ctx)
	if err != nil {
		return nil, link, err
	}
	link.connect, link.remote = time.Since(start), conn.RemoteAddr().String()
	protocol := d.flags.tls.startTLS
	if protocol == "" {
		return conn, link, nil
	}
	start = time.Now()
	ctx, cancel := d.bounded(ctx, "the talk before TLS")
	defer cancel()
	under, err := tlsx.StartTLS(ctx, conn, protocol, d.name())
	if err != nil {
		conn.Close()
		return nil, link, d.failed(ctx, "starttls", err, nil)
	}
	link.startTLS = time.Since(start)
	return under, link, nil
}

// connect connects as brio connect does, through the proxies.
func (d *tlsDialer) connect(ctx context.Context) (net.Conn, error) {
	if d.target.scheme == "fd" {
		return nil, usagef("TLS over an inherited descriptor: give host:port or unix:PATH")
	}
	c, _, err := d.connector.open(ctx, d.target)
	if err != nil {
		return nil, err
	}
	return c.NetConn(), nil
}

// bounded bounds ctx by --handshake-timeout.
func (d *tlsDialer) bounded(ctx context.Context, what string) (context.Context, context.CancelFunc) {
	if d.flags.tls.handshakeFor <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d.flags.tls.handshakeFor, &timeoutError{what, d.flags.tls.handshakeFor})
}

// failed is the failure of an operation before or in the handshake. conn is nil
// where there was none yet.
func (d *tlsDialer) failed(ctx context.Context, op string, err error, conn *tlsx.Conn) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
	}
	f := &failure{err: err, op: op, target: d.target.String()}
	d.explain(f, conn)
	return f
}

// decodeMaybeBase64 decodes data that is base64 text, and returns other data as
// it is.
func decodeMaybeBase64(data []byte) []byte {
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(data))); err == nil {
		return raw
	}
	return data
}

// nameFor is what the server at a is called.
func (t *tlsClientFlags) nameFor(a address) string {
	if t.serverName != "" {
		return t.serverName
	}
	return a.host
}

// name is the name that the server is called by, in ASCII.
func (d *tlsDialer) name() string { return asciiHost(d.flags.nameFor(d.target)) }

// open connects and shakes hands. A link comes back also with an error, with a
// connection when there was one to shake hands over; the caller closes it.
func (d *tlsDialer) open(ctx context.Context, o tlsx.Override) (*tlsLink, error) {
	raw, link, err := d.raw(ctx)
	if err != nil {
		return link, err
	}
	if link.conn, err = d.context.Client(raw, o); err != nil {
		raw.Close()
		return link, usagef("%w", err)
	}
	hctx, cancel := d.bounded(ctx, "the TLS handshake")
	defer cancel()
	if err := link.conn.Handshake(hctx); err != nil {
		return link, d.failed(hctx, "handshake", err, link.conn)
	}
	return link, nil
}

// close closes the connection of l, if there is one.
func (l *tlsLink) close() error {
	if l.conn == nil {
		return nil
	}
	return l.conn.Close()
}
