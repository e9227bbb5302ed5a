//go:build !unix

package ftpx

import (
	"errors"
	"net"
)

// peeker returns nil: nothing is known here without reading.
func peeker(net.Conn) func() bool { return nil }

// isNetworkFailure reports whether err came from a connection.
func isNetworkFailure(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, net.ErrClosed)
}

// isSocketErrno reports whether err is one that sockets return and files do
// not. Without splice the error of a connection is a [net.OpError].
func isSocketErrno(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}
