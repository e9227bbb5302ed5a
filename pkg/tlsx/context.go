package tlsx

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"

	"golang.org/x/crypto/cryptobyte"
)

// DefaultContextDepth is the number of intermediate certificates that a
// context allows when Config.MaxDepth is 0.
const DefaultContextDepth = 10

// A CipherOrder says whose order of cipher suites decides on a server.
type CipherOrder int

// The orders.
const (
	OrderDefault CipherOrder = iota // the server's on a server
	OrderServer                     // the server's
	OrderClient                     // the client's
)

func cipherOrderNames() []string { return []string{"default", "server", "client"} }

// String returns "default", "server" or "client".
func (o CipherOrder) String() string { return enumName(cipherOrderNames(), int(o)) }

// MarshalText returns the word of [CipherOrder.String].
func (o CipherOrder) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText accepts the words of [CipherOrder.String].
func (o *CipherOrder) UnmarshalText(text []byte) error {
	n, err := enumValue("cipher order", cipherOrderNames(), string(text))
	*o = CipherOrder(n)
	return err
}

// A Config says what the connections of a [Context] are like. The zero Config
// makes a client that verifies by the system's roots; a server needs a
// certificate.
type Config struct {
	// Methods are the protocol versions to negotiate. Empty means TLS 1.2 and
	// 1.3. A client can not tell a server about a gap in the list: it ends the
	// handshake when the server picks a version in it.
	Methods MethodSet

	// Certificate names a file with our certificate and its chain (PEM, DER,
	// PKCS #12), Key the file with its key. An empty Key means Certificate.
	Certificate, Key string
	// Password opens an encrypted key or PKCS #12 file.
	Password PasswordFunc
	// Identities are certificates with keys in memory, besides Certificate. A
	// server picks the one that fits the name the client asks for.
	Identities []tls.Certificate

	// Verify says what a bad or missing certificate of the peer means.
	Verify VerifyMode
	// MaxDepth is the number of intermediate certificates allowed. Zero means
	// DefaultContextDepth, a negative number none.
	MaxDepth int
	// CAFiles name files of trusted certificates, PEM or DER.
	CAFiles []string
	// CADirectory names a directory of trusted certificates: in OpenSSL's
	// layout (files called by the hash of the subject), else of any PEM files.
	// Several are separated as in PATH, by colons (semicolons on Windows).
	CADirectory string
	// Roots are trusted certificates in memory, besides the files. Without
	// Roots, CAFiles and CADirectory the system's are trusted.
	Roots *Store

	// Ciphers is an OpenSSL cipher string for TLS 1.2 and older. Empty means
	// OpenSSL's DEFAULT for a client and Go's choice for a server. Go's clients
	// can leave suites out, but offer them in an order of their own.
	Ciphers string
	// Ciphersuites are the suites of TLS 1.3, joined by colons. Empty means
	// Go's choice.
	Ciphersuites string
	// CipherOrder says whose preference decides on a server.
	CipherOrder CipherOrder

	// CRLCheck says which certificates need a revocation list.
	CRLCheck CRLCheck
	// CRLFiles name files with revocation lists, PEM or DER.
	CRLFiles []string

	// ServerName is the name of the server, for the client: sent to it (SNI)
	// and expected in its certificate. A server must leave it empty. A client
	// that verifies needs it, ExpectedName or [Override.ServerName].
	ServerName string
	// ExpectedName is the name, IP address or "*" (any) that the certificate
	// must be for. Empty means ServerName.
	ExpectedName string
	// NoServerName does not send ServerName.
	NoServerName bool

	// Allow lists faults of the peer's certificate that are put up with.
	Allow []VerifyCode
	// Pins are SHA-256 digests of the public key, as [Certificate.Pin] writes
	// them ("sha256//base64" and "sha256:hex" too). The peer's certificate must
	// have one of these keys, whatever Verify says. Empty means any.
	Pins []string
	// Options are further choices for the verification. Its Roots, CRLs, name,
	// purpose and staple come from the fields above and the connection.
	Options VerifyOptions

	// ALPN lists the application protocols to offer or accept, best first; each
	// has 1 to 255 octets.
	ALPN []string
	// Groups are the key agreement groups, see [ParseGroups]. Empty means Go's.
	Groups []tls.CurveID
	// KeyLog gets the secrets in the format of SSLKEYLOGFILE. Nil means none.
	KeyLog io.Writer
	// ECHConfigList is the server's list of ECH configurations (from its HTTPS
	// record) that hides ServerName; only TLS 1.3 is then spoken. Empty means no
	// ECH.
	ECHConfigList []byte
	// Session is the session to resume. Nil means none.
	Session *Session

	// OCSPStaple is the OCSP response that a server sends with its certificate.
	OCSPStaple []byte
	// NoTickets keeps a server from issuing session tickets, and a client from
	// asking for them. A server seals its tickets with one key for as long as the
	// context lives, and with another one in the next context.
	NoTickets bool
}

// An Override replaces settings of a context for one connection. A zero field
// keeps the context's. The fields of the last group belong to a context alone:
// giving one is an *[OptionError].
type Override struct {
	Methods      MethodSet
	Ciphers      string
	Ciphersuites string
	Verify       VerifyMode
	MaxDepth     int
	CipherOrder  CipherOrder
	Groups       []tls.CurveID
	// ServerName and Session are for clients only.
	ServerName string
	Session    *Session

	Certificate, Key string
	Password         PasswordFunc
	CAFiles          []string
	CADirectory      string
	CRLCheck         CRLCheck
	CRLFiles         []string
}

// An OptionError reports an option that can not be given there.
type OptionError struct {
	Option string // the keyword: "ca-file" ...
	Reason string
}

// Error returns the option and the reason.
func (e *OptionError) Error() string { return fmt.Sprintf("option %s: %s", e.Option, e.Reason) }

// check refuses what belongs to the context.
func (o *Override) check(client bool) error {
	for _, row := range []struct {
		given  bool
		option string
	}{
		{o.Certificate != "", "certificate"},
		{o.Key != "", "key"},
		{o.Password != nil, "certificate-password"},
		{o.CAFiles != nil, "ca-file"},
		{o.CADirectory != "", "ca-directory"},
		{o.CRLCheck != CRLOff, "crl-check"},
		{o.CRLFiles != nil, "crl-file"},
	} {
		if row.given {
			return &OptionError{row.option, "belongs to the context and can not be overridden for one connection"}
		}
	}
	if !client && o.ServerName != "" {
		return &OptionError{"server-name", "is for clients"}
	}
	return nil
}

// A Context holds what connections share. It is good for any number of
// connections, at the same time too.
type Context struct {
	cfg        Config
	client     bool
	base       settings
	identities []tls.Certificate
	roots      func() (*Store, error) // nil for the system's
	crls       []*CRL
	pins       []string
	clientCAs  *x509.CertPool // whose names a server sends with its request
	ticketKey  [32]byte
}

// NewClientContext makes a context for clients. It reads the files that cfg
// names.
func NewClientContext(cfg Config) (*Context, error) { return newContext(cfg, true) }

// NewServerContext makes a context for servers. It reads the files that cfg
// names. A server without a certificate is an error.
func NewServerContext(cfg Config) (*Context, error) {
	if cfg.ServerName != "" {
		return nil, &OptionError{"server-name", "is for clients"}
	}
	c, err := newContext(cfg, false)
	if err == nil && len(c.identities) == 0 {
		return nil, &OptionError{"certificate", "a server needs one"}
	}
	return c, err
}

func newContext(cfg Config, client bool) (*Context, error) {
	c := &Context{cfg: cfg, client: client}
	o := Override{Methods: cfg.Methods, Ciphers: cfg.Ciphers, Ciphersuites: cfg.Ciphersuites,
		Verify: cfg.Verify, MaxDepth: cfg.MaxDepth, CipherOrder: cfg.CipherOrder, Groups: cfg.Groups}
	var err error
	if c.base, err = defaultSettings(client).with(&o); err != nil {
		return nil, err
	}
	if _, err := c.onlyECH(c.base); err != nil {
		return nil, err
	}
	for _, p := range cfg.ALPN {
		if len(p) == 0 || len(p) > 255 { // RFC 7301, section 3.1
			return nil, &OptionError{"alpn", fmt.Sprintf("%.40q is no protocol: a name has 1 to 255 octets", p)}
		}
	}
	for _, load := range []func() error{c.loadIdentity, c.loadTrust, c.loadPins, c.makeTicketKey} {
		if err := load(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// onlyECH leaves TLS 1.3 alone in s where a name is to be hidden: older versions
// show it (RFC 9849, section 6.1).
func (c *Context) onlyECH(s settings) (settings, error) {
	if len(c.cfg.ECHConfigList) == 0 {
		return s, nil
	}
	switch {
	case !c.client:
		return s, &OptionError{"ech", "is for clients"}
	case !isECHConfigList(c.cfg.ECHConfigList):
		return s, &OptionError{"ech", "is no list of ECH configurations"}
	case !slices.Contains(s.versions, tls.VersionTLS13):
		return s, &OptionError{"ech", "needs TLS 1.3, which the method leaves out"}
	}
	s.versions = []uint16{tls.VersionTLS13}
	return s, nil
}

// isECHConfigList reports whether raw has the outer form of one.
func isECHConfigList(raw []byte) bool {
	s := cryptobyte.String(raw)
	var list, config cryptobyte.String
	var version uint16
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() || list.Empty() {
		return false
	}
	for !list.Empty() {
		if !list.ReadUint16(&version) || !list.ReadUint16LengthPrefixed(&config) {
			return false
		}
	}
	return true
}

// Warnings says which options mean less than they say.
func (c *Context) Warnings() []string { return c.base.warnings }

// Client makes the client's end of a TLS connection over conn, which it owns
// from now on. The handshake comes with the first input or output, or with
// [Conn.Handshake].
func (c *Context) Client(conn net.Conn, o Override) (*Conn, error) {
	if !c.client {
		return nil, &OptionError{"context", "is for servers"}
	}
	return c.newConn(conn, &o)
}

// Server makes the server's end of a TLS connection over conn, see [Context.Client].
func (c *Context) Server(conn net.Conn, o Override) (*Conn, error) {
	if c.client {
		return nil, &OptionError{"context", "is for clients"}
	}
	return c.newConn(conn, &o)
}

func (c *Context) loadIdentity() error {
	c.identities = c.cfg.Identities
	if c.cfg.Certificate == "" {
		if c.cfg.Key != "" {
			return &OptionError{"key", "needs a certificate"}
		}
		return nil
	}
	id, err := ReadIdentity(c.cfg.Certificate, c.cfg.Key, c.cfg.Password)
	if err != nil {
		return err
	}
	id.OCSPStaple = c.cfg.OCSPStaple
	c.identities = append([]tls.Certificate{id}, c.identities...)
	return nil
}

// loadTrust reads the trusted certificates. A client that verifies nothing
// needs them only when somebody asks for the verdict all the same.
func (c *Context) loadTrust() error {
	c.roots = sync.OnceValues(c.readRoots)
	for _, name := range c.cfg.CRLFiles {
		lists, err := readCRLs(name)
		if err != nil {
			return err
		}
		c.crls = append(c.crls, lists...)
	}
	if c.client && c.base.verify == VerifyNone {
		return c.checkTrustFiles()
	}
	roots, err := c.roots()
	if err != nil {
		return err
	}
	switch {
	case !c.client:
		c.clientCAs = goPool(roots)
	case roots == nil:
		go systemStore() // takes some milliseconds: let them pass while connecting
	}
	return nil
}

// checkTrustFiles finds what is missing without reading it.
func (c *Context) checkTrustFiles() error {
	for _, name := range slices.Concat(c.cfg.CAFiles, splitDirectories(c.cfg.CADirectory)) {
		if name == "" {
			continue
		}
		if _, err := os.Stat(name); err != nil {
			return err
		}
	}
	return nil
}

// readRoots returns the certificates to trust, nil for the system's.
func (c *Context) readRoots() (*Store, error) {
	if len(c.cfg.CAFiles) == 0 && c.cfg.CADirectory == "" {
		return c.cfg.Roots, nil
	}
	s := &Store{}
	if c.cfg.Roots != nil {
		s.Add(c.cfg.Roots.Certificates()...)
	}
	return s, addTrust(s, c.cfg.CAFiles, c.cfg.CADirectory)
}

func addTrust(s *Store, files []string, dir string) error {
	for _, name := range files {
		if err := s.AddFile(name); err != nil {
			return err
		}
	}
	if dir == "" {
		return nil
	}
	return s.AddAnyDirectory(dir)
}

func readCRLs(name string) ([]*CRL, error) {
	_, lists, err := readTrustFile(name)
	if err == nil && len(lists) == 0 {
		err = errors.New("no revocation list found")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return lists, nil
}
