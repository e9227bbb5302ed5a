package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// DefaultReceiveBuffer is the receive buffer of UDP sockets in bytes, as far as
// the system grants it. The default of most systems loses datagrams that come
// in a burst.
const DefaultReceiveBuffer = 4 << 20

// A PacketConfig says how to make a datagram socket. The zero value is a
// socket that may not broadcast and is in no multicast group. It must not
// change while a call that got it is under way.
type PacketConfig struct {
	// IP says which IP versions to use.
	IP IPPolicy

	// Scope is the name or number of the interface that a link-local address
	// without a zone belongs to.
	Scope string

	// LocalAddr and LocalPort are the address that DialPacket sends from. The
	// zero values leave it to the system.
	LocalAddr netip.Addr
	LocalPort uint16

	// LocalPath is the path or abstract name that DialPacket binds a UNIX
	// socket to, so that it can get replies. Empty means a name that the system
	// picks, or a path in a directory of its own that Close removes.
	LocalPath string

	// Options are set before the socket gets its address. A ReceiveBuffer that
	// is not set means [DefaultReceiveBuffer] for UDP.
	Options Options

	// Join are multicast groups to receive from. Listening on the address of a
	// group joins it as well.
	Join []Membership

	// Multicast says how to send to groups.
	Multicast MulticastConfig

	// ReplaceStale and Mode are about the file of a UNIX socket, as in
	// [ListenConfig].
	ReplaceStale bool
	Mode         fs.FileMode

	// Lookup finds the addresses of a host name. Nil means the system's
	// resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
}

// A PacketAddr is the address of a datagram socket: of the internet, or the
// path or "@" and abstract name of a UNIX socket. The zero value is no address.
type PacketAddr struct {
	AddrPort netip.AddrPort
	Path     string
}

// IsZero reports whether a is no address: the sender did not have one.
func (a PacketAddr) IsZero() bool { return a == PacketAddr{} }

// String returns "host:port", the path, or "" for no address.
func (a PacketAddr) String() string {
	if a.AddrPort.IsValid() {
		return a.AddrPort.String()
	}
	return a.Path
}

// netAddr returns a in the types of package net.
func (a PacketAddr) netAddr() net.Addr {
	if a.AddrPort.IsValid() {
		return net.UDPAddrFromAddrPort(a.AddrPort)
	}
	return &net.UnixAddr{Name: a.Path, Net: "unixgram"}
}

// packetAddr returns a in the types of this package.
func packetAddr(a net.Addr) PacketAddr {
	if ap := addrPort(a); ap.IsValid() {
		return PacketAddr{AddrPort: ap}
	}
	return PacketAddr{Path: filename(a)}
}

// A DatagramSocket sends and receives datagrams. Several goroutines may use it
// at the same time. Whoever made it closes it.
type DatagramSocket struct {
	udp       *net.UDPConn  // one of these two
	unix      *net.UnixConn // is nil
	remote    PacketAddr    // to send to when no address is given
	connected bool          // to remote
	others    []PacketAddr  // see Others
	path      *unixPath
	tidy      func() // removes what else was made for the socket
	rules     lookupRules
	network   string
	in, out   batch
	closed    atomic.Bool
}

// ListenPacket makes a socket that receives datagrams for address. The network
// is "udp", "udp4", "udp6" or "unixgram"; the address "host:port", where an
// empty host means all addresses and port 0 a free port, or a path, or "@" and
// an abstract name (Linux). Errors are of type [*Error].
func ListenPacket(ctx context.Context, network, address string, cfg PacketConfig) (*DatagramSocket, error) {
	s, err := listenPacket(ctx, network, address, &cfg)
	if err != nil {
		return nil, newError("listen", address, err)
	}
	return s, nil
}

func listenPacket(ctx context.Context, network, address string, cfg *PacketConfig) (*DatagramSocket, error) {
	switch network {
	case "udp", "udp4", "udp6":
		return listenUDP(ctx, cfg.IP.network(network), address, cfg)
	case "unixgram":
		return listenUnixgram(ctx, address, cfg)
	}
	return nil, net.UnknownNetworkError(network)
}

func listenUDP(ctx context.Context, network, address string, cfg *PacketConfig) (*DatagramSocket, error) {
	t, err := resolve(ctx, network, address, cfg.rules(true))
	if err != nil {
		return nil, err
	}
	join := cfg.Join
	if len(t.addrs) > 0 && t.addrs[0].IsMulticast() {
		join = append([]Membership{{Group: t.addrs[0], Interface: t.addrs[0].Zone()}}, join...)
	}
	if len(join) > 0 && len(t.addrs) == 0 && network == "udp" {
		network = join[0].network()
	}
	lc := net.ListenConfig{Control: cfg.control(len(join) > 0)}
	c, err := lc.ListenPacket(ctx, network, t.listenAddress())
	if err != nil {
		return nil, err
	}
	return newUDP(c, network, cfg, join)
}

// newUDP completes a UDP socket, and closes c if it cannot.
func newUDP(c any, network string, cfg *PacketConfig, join []Membership) (*DatagramSocket, error) {
	s := &DatagramSocket{udp: c.(*net.UDPConn), network: network, rules: cfg.rules(false)}
	if err := s.addGroups(cfg.Multicast, join); err != nil {
		_ = s.Close() // the first error says more
		return nil, err
	}
	return s, nil
}

// rules says how addresses of the socket are looked up.
func (cfg *PacketConfig) rules(passive bool) lookupRules {
	return lookupRules{policy: cfg.IP, scope: cfg.Scope, lookup: cfg.Lookup, passive: passive}
}

// control returns the hook that sets options before the socket is bound.
func (cfg *PacketConfig) control(multicast bool) func(network, address string, c syscall.RawConn) error {
	o := cfg.Options
	if multicast && o.ReuseAddress == nil {
		o.ReuseAddress = new(true) // so that several programs can listen to a group
	}
	return newSocketHook(func(fd uintptr) error { return applyPacketOptions(fd, &o, cfg.Mode) })
}

// applyPacketOptions sets options on a new socket, with the defaults of this
// package where those of net are others: it switches broadcast on.
func applyPacketOptions(fd uintptr, o *Options, mode fs.FileMode) error {
	i, err := inspect(fd)
	if err != nil {
		return err
	}
	if mode != 0 {
		limitMode(fd, mode)
	}
	if i.kind == kindUDP {
		if err := setOption(fd, i, "broadcast", 0); err != nil && !errors.Is(err, ErrNotSupported) {
			return err
		}
		_ = setOption(fd, i, "receive-buffer", DefaultReceiveBuffer) // less will do
	}
	return applyOptions(fd, o)
}

func listenUnixgram(ctx context.Context, path string, cfg *PacketConfig) (*DatagramSocket, error) {
	if err := checkUnixName(path); err != nil {
		return nil, err
	}
	if !isAbstract(path) {
		if cfg.ReplaceStale {
			defer lockUnixPath(ctx, path)()
		}
		if err := claimUnixPath(ctx, "unixgram", path, cfg.ReplaceStale); err != nil {
			return nil, err
		}
	}
	return bindUnixgram(ctx, path, cfg)
}

// bindUnixgram makes a socket with the name path; Linux picks one itself when
// it is empty (unix(7), autobind).
func bindUnixgram(ctx context.Context, path string, cfg *PacketConfig) (*DatagramSocket, error) {
	lc := net.ListenConfig{Control: cfg.control(false)}
	c, err := lc.ListenPacket(ctx, "unixgram", path)
	if err != nil {
		return nil, err
	}
	own, err := ownUnixPath(path, cfg.Mode)
	if err != nil {
		_ = c.Close() // the first error says more
		return nil, err
	}
	return &DatagramSocket{unix: c.(*net.UnixConn), network: "unixgram", path: own}, nil
}

// DialPacket makes a socket whose datagrams go to address unless they are given
// another one. It receives from that peer only, and learns that the peer
// refuses, unless address is a group or broadcasting is on: then anybody may
// reply. Errors are of type [*Error].
func DialPacket(ctx context.Context, network, address string, cfg PacketConfig) (*DatagramSocket, error) {
	s, err := dialPacket(ctx, network, address, &cfg)
	if err != nil {
		return nil, newError("connect", address, err)
	}
	return s, nil
}

func dialPacket(ctx context.Context, network, address string, cfg *PacketConfig) (*DatagramSocket, error) {
	switch network {
	case "udp", "udp4", "udp6":
		return dialUDP(ctx, cfg.IP.network(network), address, cfg)
	case "unixgram":
		return dialUnixgram(ctx, address, cfg)
	}
	return nil, net.UnknownNetworkError(network)
}

func dialUDP(ctx context.Context, network, address string, cfg *PacketConfig) (*DatagramSocket, error) {
	t, err := resolve(ctx, network, address, cfg.rules(false))
	if err != nil {
		return nil, err
	}
	list, err := t.reachableFrom(cfg.LocalAddr)
	if err != nil {
		return nil, err
	}
	var first error
	for i, a := range list {
		s, err := dialUDPOnce(ctx, network, a, cfg)
		if err == nil {
			for _, other := range list[i+1:] {
				s.others = append(s.others, PacketAddr{AddrPort: other})
			}
			return s, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func dialUDPOnce(ctx context.Context, network string, to netip.AddrPort, cfg *PacketConfig) (*DatagramSocket, error) {
	if to.Addr().IsMulticast() || (cfg.Options.Broadcast != nil && *cfg.Options.Broadcast) {
		return openUDP(ctx, to, cfg)
	}
	d := net.Dialer{Control: cfg.control(false)}
	if cfg.LocalAddr.IsValid() || cfg.LocalPort != 0 {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(cfg.LocalAddr, cfg.LocalPort))
	}
	c, err := d.DialContext(ctx, "udp", to.String())
	if err != nil {
		return nil, bindError(err, d.LocalAddr)
	}
	s, err := newUDP(c, network, cfg, cfg.Join)
	if err != nil {
		return nil, err
	}
	s.remote, s.connected = PacketAddr{AddrPort: to}, true
	return s, nil
}

// openUDP makes a socket that sends to a group or broadcasts, and receives
// from anybody.
func openUDP(ctx context.Context, to netip.AddrPort, cfg *PacketConfig) (*DatagramSocket, error) {
	network := Membership{Group: to.Addr()}.network()
	local := cfg.LocalAddr
	if !local.IsValid() {
		local = netip.IPv4Unspecified()
		if network == "udp6" {
			local = netip.IPv6Unspecified()
		}
	}
	lc := net.ListenConfig{Control: cfg.control(len(cfg.Join) > 0)}
	c, err := lc.ListenPacket(ctx, network, netip.AddrPortFrom(local, cfg.LocalPort).String())
	if err != nil {
		return nil, err
	}
	s, err := newUDP(c, network, cfg, cfg.Join)
	if err != nil {
		return nil, err
	}
	s.remote = PacketAddr{AddrPort: to}
	return s, nil
}

func dialUnixgram(ctx context.Context, path string, cfg *PacketConfig) (*DatagramSocket, error) {
	if err := checkUnixName(path); err != nil {
		return nil, err
	}
	local, tidy, err := replyPath(cfg.LocalPath)
	if err != nil {
		return nil, err
	}
	s, err := bindUnixgram(ctx, local, cfg)
	if err != nil {
		tidy()
		return nil, bindError(err, &net.UnixAddr{Name: local, Net: "unixgram"})
	}
	s.tidy, s.remote = tidy, PacketAddr{Path: path}
	if err := s.connectUnix(); err != nil {
		_ = s.Close() // the first error says more
		if ErrorID(err) == NoSuchFile {
			return nil, &Error{Identifier: ConnectionRefused, Code: errorCode(err), Action: "connect", Address: path, Err: err}
		}
		return nil, err
	}
	return s, nil
}

// Resolve returns the address to send to that text stands for: "host:port" or,
// for a UNIX socket, a path. A name is looked up as the socket was configured.
func (s *DatagramSocket) Resolve(ctx context.Context, text string) (PacketAddr, error) {
	if s.unix != nil {
		return PacketAddr{Path: text}, checkUnixName(text)
	}
	t, err := resolve(ctx, s.network, text, s.rules)
	if err != nil {
		return PacketAddr{}, newError("resolve", text, err)
	}
	return PacketAddr{AddrPort: t.addrPorts()[0]}, nil
}

// SendTo sends b as one datagram to the address to, or to the default one of
// the socket when to is the zero PacketAddr. Without any address the error is
// [NotConnected]. Where the system cannot send elsewhere from a connected
// socket the error wraps [ErrNotSupported]. Errors are of type [*Error].
func (s *DatagramSocket) SendTo(b []byte, to PacketAddr) (int, error) {
	n, err := s.sendTo(b, to)
	if err == nil {
		return n, nil
	}
	if to.IsZero() {
		to = s.remote
	}
	return n, newError("send", to.String(), err)
}

func (s *DatagramSocket) sendTo(b []byte, to PacketAddr) (int, error) {
	switch {
	case to.IsZero() && s.remote.IsZero():
		return 0, fmt.Errorf("no address to send to: %w", errDestination)
	case to.IsZero() && s.connected:
		return s.conn().Write(b)
	case to.IsZero():
		to = s.remote
	}
	switch {
	case s.connected:
		return sendElsewhere(s.conn(), b, to)
	case s.unix != nil:
		return s.unix.WriteTo(b, to.netAddr())
	}
	return s.udp.WriteToUDPAddrPort(b, to.AddrPort)
}

// ReceiveFrom waits for a datagram and puts it into b. A datagram that does not
// fit is cut to the size of b; then truncated is true, and the rest is lost. The
// sender is the zero PacketAddr when it has no address, as unnamed UNIX sockets
// have not. An empty datagram gives zero bytes and no error. Errors are of type
// [*Error]; among them may be [ConnectionRefused] for a datagram sent before.
func (s *DatagramSocket) ReceiveFrom(b []byte) (n int, from PacketAddr, truncated bool, err error) {
	var flags int
	if s.unix != nil {
		var a *net.UnixAddr
		if n, _, flags, a, err = s.unix.ReadMsgUnix(b, nil); a != nil {
			from = PacketAddr{Path: filename(a)}
		}
	} else {
		var a netip.AddrPort
		if n, _, flags, a, err = s.udp.ReadMsgUDPAddrPort(b, nil); a.IsValid() {
			from = PacketAddr{AddrPort: netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}
		}
	}
	if isTruncation(err) {
		return n, from, true, nil
	}
	return n, from, flags&msgTrunc != 0, newError("receive", "", err)
}

// conn returns the socket in terms of package net.
func (s *DatagramSocket) conn() net.Conn {
	if s.unix != nil {
		return s.unix
	}
	return s.udp
}

// packetConn returns the socket in other terms of package net.
func (s *DatagramSocket) packetConn() net.PacketConn {
	if s.unix != nil {
		return s.unix
	}
	return s.udp
}

// NetPacketConn returns the socket below s, a *net.UDPConn or *net.UnixConn.
func (s *DatagramSocket) NetPacketConn() net.PacketConn { return s.packetConn() }

// SyscallConn gives access to the descriptor.
func (s *DatagramSocket) SyscallConn() (syscall.RawConn, error) {
	return s.conn().(syscall.Conn).SyscallConn()
}

// SetReadDeadline bounds ReceiveFrom, as [net.PacketConn] says.
func (s *DatagramSocket) SetReadDeadline(t time.Time) error { return s.conn().SetReadDeadline(t) }

// SetWriteDeadline bounds SendTo, as [net.PacketConn] says.
func (s *DatagramSocket) SetWriteDeadline(t time.Time) error { return s.conn().SetWriteDeadline(t) }

// Close closes the socket and removes the file it made for itself. Calls under
// way fail with [Closed].
func (s *DatagramSocket) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	rerr := s.path.remove()
	err := s.conn().Close()
	if s.tidy != nil {
		s.tidy()
	}
	if err != nil {
		return err
	}
	return rerr
}

// LocalAddr returns the address of this side.
func (s *DatagramSocket) LocalAddr() PacketAddr { return packetAddr(s.conn().LocalAddr()) }

// Remote returns the default address to send to, the zero PacketAddr when
// there is none.
func (s *DatagramSocket) Remote() PacketAddr { return s.remote }

// Others returns the addresses of the host name given to [DialPacket] that come
// after [DatagramSocket.Remote]. DialPacket moves on when the system cannot
// reach an address; that nobody receives there shows only when something has
// been sent.
func (s *DatagramSocket) Others() []PacketAddr { return s.others }

// Type returns [Datagram].
func (s *DatagramSocket) Type() Type { return Datagram }

// AddressFamily returns the family of the addresses.
func (s *DatagramSocket) AddressFamily() Family { return familyOf(s.conn().LocalAddr()) }

// Connect returns [Active] when the socket has a default address to send to,
// else [Passive].
func (s *DatagramSocket) Connect() Connect {
	if s.remote.IsZero() {
		return Passive
	}
	return Active
}

// Format returns [Format].
func (s *DatagramSocket) Format() string { return Format }

// OSFD returns the number of the descriptor, which is valid until s is closed
// and must not be closed by the caller.
func (s *DatagramSocket) OSFD() (uintptr, error) { return osFD(s) }

// LocalHost returns the IP address of this side, the zero Addr for UNIX
// sockets.
func (s *DatagramSocket) LocalHost() netip.Addr { return s.LocalAddr().AddrPort.Addr() }

// LocalPort returns the port of this side, 0 for UNIX sockets.
func (s *DatagramSocket) LocalPort() uint16 { return s.LocalAddr().AddrPort.Port() }

// LocalFilename returns the path of this side, or "@" and its abstract name, ""
// when it has none.
func (s *DatagramSocket) LocalFilename() string { return s.LocalAddr().Path }

// RemoteHost returns the IP address of [DatagramSocket.Remote].
func (s *DatagramSocket) RemoteHost() netip.Addr { return s.remote.AddrPort.Addr() }

// RemotePort returns the port of [DatagramSocket.Remote].
func (s *DatagramSocket) RemotePort() uint16 { return s.remote.AddrPort.Port() }

// RemoteFilename returns the path of [DatagramSocket.Remote].
func (s *DatagramSocket) RemoteFilename() string { return s.remote.Path }
