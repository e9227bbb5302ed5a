package socket

import "net"

// keepOOB makes out-of-band bytes of a TCP connection come among the others,
// where they would be lost for somebody who passes on what is read: telnet has
// them inside its commands.
func keepOOB(conn net.Conn) {
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	_ = control(c, func(fd uintptr) error { // multipath TCP refuses, and has no such bytes
		return setOption(fd, socketInfo{kind: kindTCP}, "oob-inline", 1)
	})
}
