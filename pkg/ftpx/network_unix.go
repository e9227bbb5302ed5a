//go:build unix

package ftpx

import (
	"errors"
	"net"
	"syscall"
)

// peeker returns what tells whether there are bytes to read from conn, nil when
// that cannot be known without reading.
func peeker(conn net.Conn) func() bool {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return func() (came bool) {
		_ = raw.Control(func(fd uintptr) { // fails when the connection is closed
			var b [1]byte
			n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			came = err == nil && n > 0
		})
		return came
	}
}

// isNetworkFailure reports whether err came from a connection.
func isNetworkFailure(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || isSocketErrno(err) || errors.Is(err, net.ErrClosed)
}

// isSocketErrno reports whether err is one that sockets return and files do
// not: a splice from one to the other does not say which side failed.
func isSocketErrno(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ECONNREFUSED, syscall.ETIMEDOUT,
		syscall.ENOTCONN, syscall.ESHUTDOWN, syscall.ENETDOWN, syscall.ENETUNREACH,
		syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.EPIPE, syscall.EPROTO,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
