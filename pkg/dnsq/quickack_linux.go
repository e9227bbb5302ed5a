package dnsq

import (
	"net"

	"golang.org/x/sys/unix"
)

// quickAck has the kernel acknowledge what arrives at once, for the next
// segments: the option is not permanent (tcp(7), TCP_QUICKACK). It is a hint;
// failing to set it costs time only.
func quickAck(conn net.Conn) {
	tc, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tc.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
