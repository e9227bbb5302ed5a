package socket

import (
	"net"

	"golang.org/x/sys/unix"
)

// acceptInherits says that a connection has the options of its listener.
const acceptInherits = true

// soLinger is the option for whole seconds; SO_LINGER counts in ticks.
const soLinger = unix.SO_LINGER_SEC

var sysOptions = [...]sysOption{
	{name: "reuse-address", kinds: kindInternet, level: unix.SOL_SOCKET, option: unix.SO_REUSEADDR},
	{name: "reuse-port", kinds: kindInternet, level: unix.SOL_SOCKET, option: unix.SO_REUSEPORT},
	{name: "broadcast", kinds: kindUDP, level: unix.SOL_SOCKET, option: unix.SO_BROADCAST},
	{name: "keepalive", kinds: kindTCP, level: unix.SOL_SOCKET, option: unix.SO_KEEPALIVE},
	{name: "keepalive-idle", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_KEEPALIVE},
	{name: "keepalive-interval", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_KEEPINTVL},
	{name: "keepalive-count", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_KEEPCNT},
	{name: "nodelay", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_NODELAY},
	{name: "oob-inline", kinds: kindTCP, level: unix.SOL_SOCKET, option: unix.SO_OOBINLINE},
	{name: "receive-buffer", kinds: kindAny, level: unix.SOL_SOCKET, option: unix.SO_RCVBUF},
	{name: "send-buffer", kinds: kindAny, level: unix.SOL_SOCKET, option: unix.SO_SNDBUF},
	{name: "dscp", kinds: kindInternet, level: unix.IPPROTO_IP, option: unix.IP_TOS, level6: unix.IPPROTO_IPV6, option6: unix.IPV6_TCLASS, shift: 2},
	{name: "ttl", kinds: kindInternet, level: unix.IPPROTO_IP, option: unix.IP_TTL, level6: unix.IPPROTO_IPV6, option6: unix.IPV6_UNICAST_HOPS},
	{name: "fast-open", kinds: kindTCP, level: unix.IPPROTO_TCP, option: unix.TCP_FASTOPEN},
}

// setDevice binds by index; the system has no call that takes a name.
func setDevice(fd uintptr, i socketInfo, name string) error {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	if i.ipv6 {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_BOUND_IF, ifi.Index)
	}
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BOUND_IF, ifi.Index)
}

func getDevice(uintptr) (string, error) { return "", ErrNotSupported }
