//go:build !linux

package socket

import "syscall"

var rawLevels = [...]constant{
	{"SOL_SOCKET", syscall.SOL_SOCKET}, {"socket", syscall.SOL_SOCKET},
	{"IPPROTO_IP", syscall.IPPROTO_IP}, {"ip", syscall.IPPROTO_IP},
	{"IPPROTO_IPV6", syscall.IPPROTO_IPV6}, {"ipv6", syscall.IPPROTO_IPV6},
	{"IPPROTO_TCP", syscall.IPPROTO_TCP}, {"tcp", syscall.IPPROTO_TCP},
	{"IPPROTO_UDP", 17}, {"udp", 17},
}

var rawNames = [...]constant{
	{"SO_REUSEADDR", syscall.SO_REUSEADDR}, {"SO_DONTROUTE", syscall.SO_DONTROUTE},
	{"SO_BROADCAST", syscall.SO_BROADCAST}, {"SO_KEEPALIVE", syscall.SO_KEEPALIVE},
	{"SO_SNDBUF", syscall.SO_SNDBUF}, {"SO_RCVBUF", syscall.SO_RCVBUF},
	{"TCP_NODELAY", syscall.TCP_NODELAY},
}
