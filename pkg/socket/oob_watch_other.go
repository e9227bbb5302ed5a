//go:build !linux

package socket

import (
	"io"
	"net"
)

// An oobWatch would tell of out-of-band bytes.
type oobWatch struct{ io.Reader }

// watchOOB returns nil: nothing can be told of them here.
func watchOOB(net.Conn, func(b byte, inline bool)) *oobWatch { return nil }

func (w *oobWatch) close() {}
