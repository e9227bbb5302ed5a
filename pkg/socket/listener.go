package socket

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// A ListenConfig says how to listen. The zero value accepts both IP versions
// with the system's options. It must not change while a [Listen] is under way.
type ListenConfig struct {
	// IP says which IP versions to accept.
	IP IPPolicy

	// Scope is the name or number of the interface that a link-local address
	// without a zone belongs to.
	Scope string

	// Options are set before the socket gets its address, and connections
	// inherit them.
	Options Options

	// Backlog is the number of connections that may wait to be accepted. Zero
	// means the most the system allows.
	Backlog int

	// MPTCP listens for multipath TCP (RFC 8684) as well. Such sockets lack
	// several options.
	MPTCP bool

	// MD5 are the keys of the peers that must sign their segments (RFC 2385).
	// They hold from the first segment on.
	MD5 []MD5Key

	// ReplaceStale removes a UNIX socket that stands at the path when nobody
	// listens on it any more. Without it, and whatever else stands there, the
	// path is in use.
	ReplaceStale bool

	// Mode is the mode of the file of a UNIX socket. Zero leaves it to the
	// umask.
	Mode fs.FileMode

	// Lookup finds the addresses of a host name. Nil means the system's
	// resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
}

// A Listener is a passive stream socket. Several goroutines may use it at the
// same time. Whoever made it closes it.
type Listener struct {
	bare      bareListener
	path      *unixPath
	inherited Options       // to set on accepted connections
	plain     bool          // inherited is empty
	turn      chan struct{} // held by the one that waits in Accept
	closed    atomic.Bool
}

// A bareListener is what *net.TCPListener and *net.UnixListener have in common.
type bareListener interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

// Listen makes a listener on address. The network is "tcp", "tcp4", "tcp6" or
// "unix"; the address "host:port", where an empty host means all addresses and
// port 0 a free port (see [Listener.LocalPort]), or a path, or "@" and an
// abstract name (Linux). A host with several addresses gets the first one that
// cfg.IP prefers. Errors are of type [*Error].
func Listen(ctx context.Context, network, address string, cfg ListenConfig) (*Listener, error) {
	l, err := listen(ctx, network, address, cfg)
	if err != nil {
		return nil, newError("listen", address, err)
	}
	return l, nil
}

func listen(ctx context.Context, network, address string, cfg ListenConfig) (*Listener, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
		return listenTCP(ctx, cfg.IP.network(network), address, cfg)
	case "unix":
		return listenUnix(ctx, address, cfg)
	}
	return nil, net.UnknownNetworkError(network)
}

func listenTCP(ctx context.Context, network, address string, cfg ListenConfig) (*Listener, error) {
	t, err := resolve(ctx, network, address, lookupRules{policy: cfg.IP, scope: cfg.Scope, lookup: cfg.Lookup, passive: true})
	if err != nil {
		return nil, err
	}
	lc := net.ListenConfig{KeepAlive: -1, Control: listenControl(&cfg)}
	lc.SetMultipathTCP(cfg.MPTCP)
	ln, err := lc.Listen(ctx, network, t.listenAddress())
	if err != nil {
		return nil, err
	}
	return newListener(ln, cfg, nil)
}

func listenUnix(ctx context.Context, path string, cfg ListenConfig) (*Listener, error) {
	if err := checkUnixName(path); err != nil {
		return nil, err
	}
	if !isAbstract(path) {
		if cfg.ReplaceStale {
			defer lockUnixPath(ctx, path)()
		}
		if err := claimUnixPath(ctx, "unix", path, cfg.ReplaceStale); err != nil {
			return nil, err
		}
	}
	lc := net.ListenConfig{Control: listenControl(&cfg)}
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // Close looks at the file first
	own, err := ownUnixPath(path, cfg.Mode)
	if err != nil {
		_ = ln.Close() // the first error says more
		return nil, err
	}
	return newListener(ln, cfg, own)
}

// newListener completes a listener, and closes ln if it cannot.
func newListener(ln net.Listener, cfg ListenConfig, own *unixPath) (*Listener, error) {
	l := &Listener{bare: ln.(bareListener), path: own, inherited: cfg.Options.accepted(), turn: make(chan struct{}, 1)}
	l.plain = l.inherited.isZero()
	if cfg.Backlog > 0 {
		if err := control(l.bare, func(fd uintptr) error { return setBacklog(fd, cfg.Backlog) }); err != nil {
			_ = l.Close() // the first error says more
			return nil, err
		}
	}
	return l, nil
}

// listenControl returns the hook that sets options before the socket is bound.
func listenControl(cfg *ListenConfig) func(network, address string, c syscall.RawConn) error {
	return newSocketHook(func(fd uintptr) error {
		if err := applyOptions(fd, &cfg.Options); err != nil {
			return err
		}
		if err := setMD5Keys(fd, cfg.MD5); err != nil {
			return err
		}
		if cfg.Mode != 0 {
			limitMode(fd, cfg.Mode)
		}
		return nil
	})
}

// Accept waits for a connection and returns it. When ctx ends first the error
// is that of ctx, and the listener is still good. Errors are of type [*Error].
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	// One at a time: the deadline that ends a wait holds for all who wait.
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return nil, l.acceptError(context.Cause(ctx))
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = l.bare.SetDeadline(aLongTimeAgo) // fails only on a closed listener
	})
	c, err := l.bare.Accept()
	if !stop() {
		<-interrupted
		_ = l.bare.SetDeadline(time.Time{}) // as above
		if err != nil {
			return nil, l.acceptError(context.Cause(ctx))
		}
	}
	if err != nil {
		return nil, l.acceptError(err)
	}
	return l.accepted(c)
}

// aLongTimeAgo makes a pending call return at once.
var aLongTimeAgo = time.Unix(1, 0)

// TryAccept returns a connection that waits already. When there is none it
// returns at once, with neither a connection nor an error.
func (l *Listener) TryAccept() (*Conn, error) {
	c, err := acceptNow(l.bare)
	if err != nil {
		return nil, l.acceptError(err)
	}
	if c == nil {
		return nil, nil
	}
	return l.accepted(c)
}

// accepted makes a Conn of an accepted connection.
func (l *Listener) accepted(c net.Conn) (*Conn, error) {
	conn := &Conn{bare: c.(bareConn)}
	if l.plain {
		return conn, nil
	}
	if err := SetOptions(conn, l.inherited); err != nil {
		_ = conn.Close() // the first error says more
		return nil, l.acceptError(err)
	}
	return conn, nil
}

func (l *Listener) acceptError(err error) error {
	return newError("accept", l.bare.Addr().String(), err)
}

// Close stops listening and removes the file that Listen made, if it is still
// that file. Calls of Accept under way fail with [Closed].
func (l *Listener) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	// The file goes first, so that nobody finds it there and is refused.
	rerr := l.path.remove()
	if err := l.bare.Close(); err != nil {
		return err
	}
	return rerr
}

// KeepPath makes Close leave the file of a UNIX socket where it is, for a
// process that inherits the listener.
func (l *Listener) KeepPath() { l.path = nil }

// NetListener returns the listener below l, a *net.TCPListener or a
// *net.UnixListener.
func (l *Listener) NetListener() net.Listener { return l.bare }

// SyscallConn gives access to the descriptor.
func (l *Listener) SyscallConn() (syscall.RawConn, error) { return l.bare.SyscallConn() }

// SetMD5Signature demands that the peers in the prefix sign their segments
// with key, at most 80 bytes (RFC 2385); an empty key lifts the demand. Linux
// only: elsewhere the error wraps [ErrNotSupported].
func (l *Listener) SetMD5Signature(peer netip.Prefix, key []byte) error {
	k := MD5Key{Peer: peer, Key: key}
	return newError("set md5 signature", peer.String(), control(l.bare, func(fd uintptr) error {
		return setMD5Key(fd, k)
	}))
}

// File returns a copy of the descriptor for a child process. The caller closes
// it.
func (l *Listener) File() (*os.File, error) {
	f, ok := l.bare.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("descriptor of %T: %w", l.bare, ErrNotSupported)
	}
	return f.File()
}

// Addr returns the address listened on.
func (l *Listener) Addr() net.Addr { return l.bare.Addr() }

// Type returns [Stream].
func (l *Listener) Type() Type { return Stream }

// AddressFamily returns the family of the address.
func (l *Listener) AddressFamily() Family { return familyOf(l.bare.Addr()) }

// Connect returns [Passive].
func (l *Listener) Connect() Connect { return Passive }

// Format returns [Format].
func (l *Listener) Format() string { return Format }

// OSFD returns the number of the descriptor, which is valid until l is closed
// and must not be closed by the caller.
func (l *Listener) OSFD() (uintptr, error) { return osFD(l.bare) }

// LocalHost returns the IP address listened on: unspecified for all, the zero
// Addr for UNIX sockets.
func (l *Listener) LocalHost() netip.Addr { return addrPort(l.bare.Addr()).Addr() }

// LocalPort returns the port listened on, the chosen one when 0 was asked for.
func (l *Listener) LocalPort() uint16 { return addrPort(l.bare.Addr()).Port() }

// LocalFilename returns the path listened on, or "@" and the abstract name.
func (l *Listener) LocalFilename() string { return filename(l.bare.Addr()) }
