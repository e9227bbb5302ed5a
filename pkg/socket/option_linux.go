package socket

import (
	"golang.org/x/sys/unix"
)

// acceptInherits says that a connection has the options of its listener.
const acceptInherits = true

// soLinger is the option for whole seconds.
const soLinger = unix.SO_LINGER

var sysOptions = [...]sysOption{
	{name: "reuse-address", kinds: kindInternet, level: unix.SOL_SOCKET, option: unix.SO_REUSEADDR},
	{name: "reuse-port", kinds: kindInternet, level: unix.SOL_SOCKET, option: unix.SO_REUSEPORT},
	{name: "broadcast", kinds: kindUDP, level: unix.SOL_SOCKET, option: unix.SO_BROADCAST},
	{name: "keepalive", kinds: kindTCP, level: unix.SOL_SOCKET, option: unix.SO_KEEPALIVE},
	{name: "keepalive-idle", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_KEEPIDLE},
	{name: "keepalive-interval", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_KEEPINTVL},
	{name: "keepalive-count", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_KEEPCNT},
	{name: "nodelay", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_NODELAY},
	{name: "oob-inline", kinds: kindTCP | kindUnix, level: unix.SOL_SOCKET, option: unix.SO_OOBINLINE},
	{name: "receive-buffer", kinds: kindAny, level: unix.SOL_SOCKET, option: unix.SO_RCVBUF, force: unix.SO_RCVBUFFORCE},
	{name: "send-buffer", kinds: kindAny, level: unix.SOL_SOCKET, option: unix.SO_SNDBUF, force: unix.SO_SNDBUFFORCE},
	{name: "user-timeout", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_USER_TIMEOUT},
	{name: "dscp", kinds: kindInternet, level: unix.IPPROTO_IP, option: unix.IP_TOS, level6: unix.IPPROTO_IPV6, option6: unix.IPV6_TCLASS, shift: 2},
	{name: "ttl", kinds: kindInternet, level: unix.IPPROTO_IP, option: unix.IP_TTL, level6: unix.IPPROTO_IPV6, option6: unix.IPV6_UNICAST_HOPS},
	{name: "min-ttl", kinds: kindTCP, level: unix.IPPROTO_IP, option: unix.IP_MINTTL, level6: unix.IPPROTO_IPV6, option6: unix.IPV6_MINHOPCOUNT},
	{name: "mark", kinds: kindAny, level: unix.SOL_SOCKET, option: unix.SO_MARK},
	// On a listener the value is the number of half-open connections that may
	// carry data; the kernel bounds it, and 1 is enough to switch it on.
	{name: "fast-open", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_FASTOPEN},
	{name: "defer-accept", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_DEFER_ACCEPT},
	{name: "free-bind", kinds: kindInternet, level: unix.IPPROTO_IP, option: unix.IP_FREEBIND},
	{name: "transparent", kinds: kindInternet, level: unix.IPPROTO_IP, option: unix.IP_TRANSPARENT, level6: unix.IPPROTO_IPV6, option6: unix.IPV6_TRANSPARENT},
}

func setDevice(fd uintptr, _ socketInfo, name string) error {
	return unix.BindToDevice(int(fd), name)
}

func getDevice(fd uintptr) (string, error) {
	return unix.GetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
}
