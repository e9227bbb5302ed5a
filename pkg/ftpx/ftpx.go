// Package ftpx is an FTP client (RFC 959, 2228, 2428, 3659, 4217) for programs
// that must not lose data: every stream ends in the server's final reply, every
// size is compared, every wait is bounded.
//
//	c, err := ftpx.Dial(ctx, ftpx.Config{Host: "ftp.example.com"})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	s, err := c.Open(ctx, "pub/file", ftpx.OpenOptions{})
//	if err != nil {
//		return err
//	}
//	if _, err := io.Copy(dst, s); err != nil {
//		return errors.Join(err, s.Close())
//	}
//	return s.Close() // the server's verdict, and the size
//
// It drives github.com/jlaffaye/ftp through an adapter that owns the control
// connection and every data connection. The adapter adds what that client has
// not: active mode, TLS session reuse, bounded replies, time-outs, cancellation.
package ftpx

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Security says how a session is protected.
type Security int

const (
	// Plain sends everything in clear.
	Plain Security = iota
	// TryTLS asks for TLS with AUTH TLS and goes on in clear when the server
	// has none; [Client.Secure] tells. A failed handshake is still an error.
	TryTLS
	// ExplicitTLS asks for TLS with AUTH TLS and requires it (RFC 4217).
	ExplicitTLS
	// ImplicitTLS starts TLS at once, by convention on port 990.
	ImplicitTLS
)

// DataMode says who opens the data connections.
type DataMode int

const (
	// DataAuto is passive (EPSV, then PASV), then active when that fails.
	DataAuto DataMode = iota
	// DataPassive is passive only.
	DataPassive
	// DataActive is active only (EPRT, then PORT).
	DataActive
	// DataActiveFirst is active, then passive when that fails.
	DataActiveFirst
)

// Defaults of [Config].
const (
	DefaultUser           = "anonymous"
	DefaultPassword       = "brio@"
	DefaultConnectTimeout = 30 * time.Second
	DefaultReplyTimeout   = 60 * time.Second
	DefaultIdleTimeout    = 60 * time.Second
)

// A PortRange is an inclusive range of ports. The zero range is any port.
type PortRange struct{ Low, High uint16 }

// A Config says how to reach a server and how to talk to it. The zero Config is
// an anonymous, passive session in clear with localhost. It must not change
// while a session that uses it is open.
type Config struct {
	// Host is a name or an address. Empty means localhost.
	Host string
	// Port of the control connection. Zero means 21, with ImplicitTLS 990.
	Port int

	// User logs in; empty means anonymous. Password is empty for "brio@" when
	// the user is anonymous. Account answers a server that asks for ACCT.
	User, Password, Account string

	// Security of the control connection, and of the data connections unless
	// ClearData is set. Zero means in clear.
	Security Security
	// TLS is cloned for each session. Nil means verification by the system's
	// roots. An empty ServerName becomes Host, a nil ClientSessionCache one of
	// the session's own: servers that require session reuse refuse the others.
	TLS *tls.Config
	// ClearData leaves the data connections of a TLS session in clear (PROT C).
	ClearData bool

	// Data says who opens the data connections. A server that stays silent is
	// given up after 15 s when another way is left; when it can no longer be
	// spoken to then, the other way begins with a new session, see [Session].
	Data DataMode
	// ActiveAddr is announced to the server in active mode. Invalid (zero)
	// means the local address of the control connection.
	ActiveAddr netip.Addr
	// ActivePorts limits the ports to listen on in active mode.
	ActivePorts PortRange
	// DataHost is dialled for passive data connections. Empty means the
	// address of the control connection's peer; a Dial that goes through a
	// proxy needs the name of the server here.
	DataHost string

	// NoEPSV goes straight to PASV and PORT. NoMLSD lists with LIST only.
	// RawNames does not ask for UTF-8 names.
	NoEPSV, NoMLSD, RawNames bool
	// OneAtATime waits for each reply before the next command, as some firewalls
	// demand. Otherwise a question may go out with the command behind it.
	OneAtATime bool
	// Location is the zone of the times in a LIST. Nil means UTC.
	Location *time.Location

	// ConnectTimeout bounds opening a connection with its handshake,
	// ReplyTimeout the wait for one reply, IdleTimeout the time a data
	// connection may stand still. Zero means the defaults.
	ConnectTimeout, ReplyTimeout, IdleTimeout time.Duration

	// FellBack is told that a data mode did not work, why, and which is tried
	// instead. Nil means nobody.
	FellBack func(to DataMode, why error)

	// Debug receives the dialogue, one line per call: "> " sent, "< " received.
	// Passwords and accounts are masked. Nil means none.
	Debug io.Writer

	// Dial opens connections. Nil means a plain [net.Dialer].
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Listen opens the listener of active mode. Nil means [net.ListenConfig].
	Listen func(ctx context.Context, network, addr string) (net.Listener, error)
}

// DocumentDefaults returns the defaults that the documents of open-ftp-stream
// give: an anonymous session with localhost in active mode. The zero [Config]
// differs in being passive, because active mode fails behind address
// translation.
func DocumentDefaults() Config {
	return Config{Host: "localhost", User: DefaultUser, Data: DataActive}
}

// withDefaults fills what the zero value leaves open.
func (cfg Config) withDefaults() Config {
	if cfg.Host == "" {
		cfg.Host = "localhost"
	}
	if cfg.Port == 0 {
		cfg.Port = 21
		if cfg.Security == ImplicitTLS {
			cfg.Port = 990
		}
	}
	if cfg.User == "" {
		cfg.User = DefaultUser
	}
	if cfg.Password == "" && cfg.User == DefaultUser {
		cfg.Password = DefaultPassword
	}
	cfg.ConnectTimeout = orDefault(cfg.ConnectTimeout, DefaultConnectTimeout)
	cfg.ReplyTimeout = orDefault(cfg.ReplyTimeout, DefaultReplyTimeout)
	cfg.IdleTimeout = orDefault(cfg.IdleTimeout, DefaultIdleTimeout)
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.Listen == nil {
		cfg.Listen = new(net.ListenConfig).Listen
	}
	return cfg
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// Addr returns the address of the control connection as "host:port".
func (cfg Config) Addr() string {
	cfg = cfg.withDefaults()
	return net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port))
}

// tlsConfig returns the TLS configuration of one session.
func (cfg Config) tlsConfig() *tls.Config {
	t := &tls.Config{}
	if cfg.TLS != nil {
		t = cfg.TLS.Clone()
	}
	if t.ServerName == "" {
		// crypto/tls keys its session cache by ServerName; without one by the
		// peer's address with the port, so that no data connection would resume.
		t.ServerName = cfg.Host
	}
	if t.ClientSessionCache == nil {
		t.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	}
	return t
}
