//go:build !unix

package socket

import (
	"context"
	"net"
)

// EchoAsync sends back what conn sends, as [Echo] does, but returns at once and
// calls done at the end. To stop it set a deadline in the past.
func EchoAsync(conn net.Conn, done func(n int64, err error)) {
	go func() { done(Echo(context.Background(), conn, PumpOptions{})) }()
}

// restoreNonblock has nothing to undo.
func restoreNonblock(any) {}
