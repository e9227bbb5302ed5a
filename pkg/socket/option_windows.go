package socket

import (
	"time"

	"golang.org/x/sys/windows"
)

// acceptInherits says that a connection has the options of its listener.
const acceptInherits = false

// soType is SO_TYPE of winsock2.h.
const soType = 0x1008

// soOOBInline is SO_OOBINLINE of winsock2.h.
const soOOBInline = 0x0100

var sysOptions = [...]sysOption{
	{name: "reuse-address", kinds: kindInternet, level: windows.SOL_SOCKET, option: windows.SO_REUSEADDR},
	{name: "broadcast", kinds: kindUDP, level: windows.SOL_SOCKET, option: windows.SO_BROADCAST},
	{name: "keepalive", kinds: kindTCP, level: windows.SOL_SOCKET, option: windows.SO_KEEPALIVE},
	{name: "keepalive-idle", kinds: kindTCP, level: windows.IPPROTO_TCP, option: windows.TCP_KEEPIDLE},
	{name: "keepalive-interval", kinds: kindTCP, level: windows.IPPROTO_TCP, option: windows.TCP_KEEPINTVL},
	{name: "keepalive-count", kinds: kindTCP, level: windows.IPPROTO_TCP, option: windows.TCP_KEEPCNT},
	{name: "nodelay", kinds: kindTCP, level: windows.IPPROTO_TCP, option: windows.TCP_NODELAY},
	{name: "oob-inline", kinds: kindTCP, level: windows.SOL_SOCKET, option: soOOBInline},
	{name: "receive-buffer", kinds: kindAny, level: windows.SOL_SOCKET, option: windows.SO_RCVBUF},
	{name: "send-buffer", kinds: kindAny, level: windows.SOL_SOCKET, option: windows.SO_SNDBUF},
	{name: "ttl", kinds: kindInternet, level: windows.IPPROTO_IP, option: windows.IP_TTL, level6: windows.IPPROTO_IPV6, option6: windows.IPV6_UNICAST_HOPS},
	{name: "fast-open", kinds: kindTCP, level: windows.IPPROTO_TCP, option: windows.TCP_FASTOPEN},
}

func setInt(fd uintptr, level, option, v int) error {
	return windows.SetsockoptInt(windows.Handle(fd), level, option, v)
}

func getInt(fd uintptr, level, option int) (int, error) {
	return windows.GetsockoptInt(windows.Handle(fd), level, option)
}

func setBytes(fd uintptr, level, option int, v []byte) error {
	if len(v) == 0 {
		return windows.Setsockopt(windows.Handle(fd), int32(level), int32(option), nil, 0)
	}
	return windows.Setsockopt(windows.Handle(fd), int32(level), int32(option), &v[0], int32(len(v)))
}

func setLinger(fd uintptr, d time.Duration) error {
	l := windows.Linger{}
	if d >= 0 {
		l = windows.Linger{Onoff: 1, Linger: int32((d + time.Second - 1) / time.Second)}
	}
	return windows.SetsockoptLinger(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_LINGER, &l)
}

func getLinger(uintptr) (time.Duration, error) { return 0, ErrNotSupported }

func setDevice(uintptr, socketInfo, string) error { return ErrNotSupported }

func getDevice(uintptr) (string, error) { return "", ErrNotSupported }

// inspect finds out what sort of socket fd is.
func inspect(fd uintptr) (socketInfo, error) {
	typ, err := getInt(fd, windows.SOL_SOCKET, soType)
	if err != nil {
		return socketInfo{}, err
	}
	stream := typ == windows.SOCK_STREAM
	sa, err := windows.Getsockname(windows.Handle(fd))
	if err != nil {
		// A socket without a local address has no name to tell its family by.
		return internetInfo(stream, false), nil
	}
	switch sa.(type) {
	case *windows.SockaddrInet6:
		return internetInfo(stream, true), nil
	case *windows.SockaddrUnix:
		return socketInfo{kind: kindUnix}, nil
	}
	return internetInfo(stream, false), nil
}

func internetInfo(stream, ipv6 bool) socketInfo {
	if stream {
		return socketInfo{kind: kindTCP, ipv6: ipv6}
	}
	return socketInfo{kind: kindUDP, ipv6: ipv6}
}
