package socket

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const msgTrunc = unix.MSG_TRUNC

var errDestination error = syscall.EDESTADDRREQ

// isTruncation reports whether err only says that a datagram did not fit.
func isTruncation(error) bool { return false }

// replyPath returns the name to bind a socket to, so that peers can reply: the
// one given, or none, because Linux picks one then.
func replyPath(path string) (name string, tidy func(), err error) {
	if path != "" {
		err = checkUnixName(path)
	}
	return path, func() {}, err
}

// connectUnix connects a UNIX socket to its default peer. The net package
// cannot: it does not bind where the system is to pick the name.
func (s *DatagramSocket) connectUnix() error {
	err := control(s, func(fd uintptr) error {
		return os.NewSyscallError("connect", unix.Connect(int(fd), &unix.SockaddrUnix{Name: s.remote.Path}))
	})
	s.connected = err == nil
	return err
}

// sendElsewhere sends from a connected socket to another peer, which the net
// package refuses and Linux does not.
func sendElsewhere(c net.Conn, b []byte, to PacketAddr) (int, error) {
	rc, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var serr error
	err = rc.Write(func(fd uintptr) bool {
		var sa unix.Sockaddr
		if sa, serr = sockaddr(fd, to); serr == nil {
			serr = unix.Sendto(int(fd), b, 0, sa)
		}
		return serr != unix.EAGAIN
	})
	if err == nil {
		err = os.NewSyscallError("sendto", serr)
	}
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// sockaddr returns an address as the socket fd needs it.
func sockaddr(fd uintptr, a PacketAddr) (unix.Sockaddr, error) {
	i, err := inspect(fd)
	if err != nil {
		return nil, err
	}
	ip, port := a.AddrPort.Addr(), int(a.AddrPort.Port())
	switch {
	case i.kind == kindUnixgram:
		return &unix.SockaddrUnix{Name: a.Path}, nil
	case i.ipv6:
		index, _ := ScopeID(ip)
		return &unix.SockaddrInet6{Port: port, ZoneId: index, Addr: ip.As16()}, nil
	case !ip.Is4():
		return nil, fmt.Errorf("IPv6 address on an IPv4 socket: %w", unix.EAFNOSUPPORT)
	}
	return &unix.SockaddrInet4{Port: port, Addr: ip.As4()}, nil
}

// ownGroupsOnly keeps out datagrams for groups that only other sockets joined,
// which Linux delivers to every socket on the port by default (ip(7),
// IP_MULTICAST_ALL).
func ownGroupsOnly(fd uintptr) error {
	i, err := inspect(fd)
	if err != nil {
		return err
	}
	if i.ipv6 {
		_ = setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0) // kernels before 4.20 lack it
	}
	return os.NewSyscallError("setsockopt", setInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0))
}

// Drops returns how many datagrams came in vain because the receive buffer was
// full. Elsewhere than on Linux the error wraps [ErrNotSupported].
func (s *DatagramSocket) Drops() (uint64, error) {
	var n uint64
	err := control(s, func(fd uintptr) (err error) {
		n, err = drops(fd)
		return err
	})
	return n, err
}

// SetSegment makes one SendTo of many bytes send several datagrams of size
// bytes each, cut by the kernel or the network card; zero ends that. Elsewhere
// than on Linux, and on UNIX sockets, the error wraps [ErrNotSupported].
func (s *DatagramSocket) SetSegment(size int) error {
	if s.udp == nil {
		return fmt.Errorf("segmentation on a UNIX socket: %w", ErrNotSupported)
	}
	return control(s, func(fd uintptr) error {
		return optionError("segment", setInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, size))
	})
}
