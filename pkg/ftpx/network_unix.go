//go:build unix

package ftpx

import (
	"errors"
	"net"
	"syscall"
)

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
