package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// DefaultAttemptDelay is the time one address has before the next one is tried
// beside it (RFC 8305 section 5).
const DefaultAttemptDelay = 250 * time.Millisecond

// A Config says how to connect. The zero value tries all addresses of the host
// with the system's options. It must not change while a [Dial] is under way.
type Config struct {
	// IP says which IP versions to try and which one first.
	IP IPPolicy

	// Scope is the name or number of the interface that a link-local address
	// without a zone belongs to.
	Scope string

	// LocalAddr and LocalPort are the address to connect from. The zero values
	// leave it to the system. Addresses of the host that are not of the same
	// IP version are left out.
	LocalAddr netip.Addr
	LocalPort uint16

	// LocalPath is the path or abstract name to connect from, for UNIX sockets.
	// Close removes the file.
	LocalPath string

	// Options are set before the connection is made.
	Options Options

	// MPTCP asks for multipath TCP (RFC 8684).
	MPTCP bool

	// MD5Key signs the segments (RFC 2385), at most [MaxMD5Key] bytes; Linux
	// only. A peer with another key, or none, does not answer at all.
	MD5Key []byte

	// AttemptDelay is the time after which the next address is tried beside
	// those under way. Zero means [DefaultAttemptDelay].
	AttemptDelay time.Duration

	// Lookup finds the addresses of a host name. Nil means the system's
	// resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// Trace is told what happens.
	Trace Trace
}

// A Trace has functions that [Dial] calls, one at a time and from its own
// goroutine. Any may be nil.
type Trace struct {
	// Resolved is called when a host name has been looked up.
	Resolved func(host string, addrs []netip.Addr, took time.Duration, err error)

	// Attempt is called when the connection to one address begins.
	Attempt func(Attempt)

	// AttemptDone is called when it has succeeded or failed. An attempt that
	// lost against a quicker one is not told of.
	AttemptDone func(Attempt)
}

// An Attempt is the try to connect to one address.
type Attempt struct {
	N       int // the first is 1
	Address string
	Started time.Time
	Took    time.Duration // zero while it is under way
	Err     error         // nil while it is under way, and when it succeeded
}

// Dial connects to address. The network is "tcp", "tcp4", "tcp6" or "unix"; the
// address "host:port", where the host is anything [ParseHost] reads and the
// port a number or a service name, or a path, or "@" and an abstract name
// (Linux). The addresses of a host are tried as RFC 8305 says. When ctx ends,
// attempts under way are given up and their sockets closed at once. Errors are
// of type [*Error]; below it is an [*AttemptsError] when several addresses
// failed. A UNIX path where nothing is counts as [ConnectionRefused]. Where it is
// the local address that cannot be had, the action of the error is "bind".
func Dial(ctx context.Context, network, address string, cfg Config) (*Conn, error) {
	c, err := dial(ctx, network, address, &cfg)
	if err != nil {
		return nil, newError("connect", address, err)
	}
	return c, nil
}

func dial(ctx context.Context, network, address string, cfg *Config) (*Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
		return dialTCP(ctx, cfg.IP.network(network), address, cfg)
	case "unix":
		return dialUnix(ctx, address, cfg)
	}
	return nil, net.UnknownNetworkError(network)
}

func dialTCP(ctx context.Context, network, address string, cfg *Config) (*Conn, error) {
	addrs, err := cfg.candidates(ctx, network, address)
	if err != nil {
		return nil, err
	}
	r := race{cfg: cfg, addrs: addrs, dial: func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
		d := cfg.dialer(a)
		c, err := d.DialContext(ctx, "tcp", a.String())
		return c, bindError(err, d.LocalAddr)
	}}
	c, err := r.run(ctx)
	if err != nil {
		return nil, err
	}
	return cfg.connected(c, nil)
}

// candidates returns the addresses to try, in order.
func (cfg *Config) candidates(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	began := time.Now()
	t, err := resolve(ctx, network, address, lookupRules{policy: cfg.IP, scope: cfg.Scope, lookup: cfg.Lookup})
	if t.name && cfg.Trace.Resolved != nil {
		cfg.Trace.Resolved(t.host, t.addrs, time.Since(began), err)
	}
	if err != nil {
		return nil, err
	}
	return t.reachableFrom(cfg.LocalAddr)
}

// reachableFrom returns the addresses of t that can be reached from local: all
// when it is not valid, else those of its IP version, of which there is one at
// least.
func (t target) reachableFrom(local netip.Addr) ([]netip.AddrPort, error) {
	list := slices.DeleteFunc(t.addrPorts(), func(a netip.AddrPort) bool {
		return local.IsValid() && isIPv6(local) != a.Addr().Is6()
	})
	if len(list) == 0 {
		return nil, &net.AddrError{Err: "no address of the IP version of the local address " + local.String(), Addr: t.host}
	}
	return list, nil
}

// dialer returns the dialer for one address. Keepalive is left to the options.
func (cfg *Config) dialer(a netip.AddrPort) *net.Dialer {
	d := &net.Dialer{KeepAlive: -1, Control: cfg.control(a.Addr())}
	d.SetMultipathTCP(cfg.MPTCP)
	if cfg.LocalAddr.IsValid() || cfg.LocalPort != 0 {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(cfg.LocalAddr, cfg.LocalPort))
	}
	return d
}

// control returns the hook that sets options before the connection is made.
func (cfg *Config) control(peer netip.Addr) func(network, address string, c syscall.RawConn) error {
	return newSocketHook(func(fd uintptr) error {
		o := connectOptions(cfg.Options)
		if err := applyOptions(fd, &o); err != nil || cfg.MD5Key == nil {
			return err
		}
		return setMD5Key(fd, MD5Key{Peer: netip.PrefixFrom(peer, peer.BitLen()), Key: cfg.MD5Key})
	})
}

// connected makes a Conn of c, and closes c if it cannot.
func (cfg *Config) connected(c net.Conn, own *unixPath) (*Conn, error) {
	conn := &Conn{bare: c.(bareConn), path: own}
	if cfg.Options.NoDelay == nil {
		return conn, nil
	}
	// The net package has set it since.
	if err := SetOptions(conn, Options{NoDelay: cfg.Options.NoDelay}); err != nil {
		_ = conn.Close() // the first error says more
		return nil, err
	}
	return conn, nil
}

func dialUnix(ctx context.Context, path string, cfg *Config) (*Conn, error) {
	if err := checkUnixName(path); err != nil {
		return nil, err
	}
	r := race{cfg: cfg, addrs: make([]netip.AddrPort, 1), name: path, dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		return cfg.dialUnixOnce(ctx, path)
	}}
	c, err := r.run(ctx)
	if err != nil {
		return nil, err
	}
	own, err := ownUnixPath(cfg.LocalPath, 0)
	if err != nil {
		_ = c.Close() // the first error says more
		return nil, err
	}
	return cfg.connected(c, own)
}

func (cfg *Config) dialUnixOnce(ctx context.Context, path string) (net.Conn, error) {
	d := net.Dialer{Control: cfg.control(netip.Addr{})}
	if cfg.LocalPath != "" {
		if err := checkUnixName(cfg.LocalPath); err != nil {
			return nil, err
		}
		d.LocalAddr = &net.UnixAddr{Name: cfg.LocalPath, Net: "unix"}
	}
	_, present := os.Lstat(cfg.LocalPath)
	c, err := d.DialContext(ctx, "unix", path)
	err = bindError(err, d.LocalAddr)
	if err != nil && errors.Is(present, fs.ErrNotExist) {
		// The socket was bound before it could not be connected, and the net
		// package leaves its file behind.
		if own, oerr := ownUnixPath(cfg.LocalPath, 0); oerr == nil {
			_ = own.remove() // the first error says more
		}
	}
	if ErrorID(err) == NoSuchFile {
		return nil, &Error{Identifier: ConnectionRefused, Code: errorCode(err), Action: "connect", Address: path, Err: err}
	}
	return c, err
}

// bindError tells a failure of the address to connect from, which is not one of
// the peer: there is no connection that was refused.
func bindError(err error, local net.Addr) error {
	call, ok := errors.AsType[*os.SyscallError](err)
	if !ok || call.Syscall != "bind" {
		return err
	}
	e := &Error{Identifier: ErrorID(err), Code: errorCode(err), Action: "bind", Err: err}
	if e.Identifier == NoSuchFile { // the directory
		e.Identifier = AddressNotAvailable
	}
	if local != nil {
		e.Address = local.String()
	}
	return e
}

// An AttemptsError reports that several addresses were tried in vain.
type AttemptsError struct {
	Attempts []Attempt // those that failed, in the order they did
}

// Error returns the reason that says most, and how many addresses were tried.
func (e *AttemptsError) Error() string {
	list := make([]string, len(e.Attempts))
	for i, a := range e.Attempts {
		list[i] = a.Address
	}
	return fmt.Sprintf("%s (tried %s)", Reason(e.Unwrap()), strings.Join(list, ", "))
}

// Unwrap returns the error of the attempt that says most: what a peer answered
// beats a silence, and a silence beats what this host found out by itself.
func (e *AttemptsError) Unwrap() error {
	best := e.Attempts[0].Err
	for _, a := range e.Attempts[1:] {
		if weight(a.Err) > weight(best) {
			best = a.Err
		}
	}
	return best
}

func weight(err error) int {
	switch ErrorID(err) {
	case ConnectionRefused, ConnectionReset, AccessDenied:
		return 2
	case ConnectionTimedOut, TimedOut, Canceled:
		return 1
	}
	return 0
}
