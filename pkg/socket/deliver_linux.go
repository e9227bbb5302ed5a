package socket

import (
	"context"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// waitDelivered waits until the peer's kernel has acknowledged every byte
// written to conn, and returns the error with which the connection broke off
// instead. A peer that has closed answers late bytes with a reset, which nobody
// would see who closes first. It applies to bare TCP connections; bytes written
// to a UNIX socket are with the peer already.
func waitDelivered(ctx context.Context, conn net.Conn) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		left, err := unacknowledged(raw)
		if err != nil || left == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait): // the kernel has no event for this
		}
	}
}

// unacknowledged returns how many bytes the peer has not acknowledged, counting
// the end as one. It returns the pending error of the socket as its own. A read
// may have taken that error already: nothing more is acknowledged then, for ever.
func unacknowledged(raw syscall.RawConn) (left int, err error) {
	cerr := raw.Control(func(fd uintptr) {
		var code int
		if code, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); err != nil {
			return
		}
		if code != 0 {
			err = os.NewSyscallError("send", syscall.Errno(code))
			return
		}
		if left, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil && left > 0 && isClosed(int(fd)) {
			err = os.NewSyscallError("send", syscall.ECONNRESET)
		}
	})
	if cerr != nil {
		err = cerr
	}
	return left, err
}

// isClosed reports whether a TCP connection is over: it has been reset.
func isClosed(fd int) bool {
	const tcpClose = 7 // TCP_CLOSE of linux/tcp_states.h
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == tcpClose
}
