//go:build unix && !linux

package socket

import "syscall"

const msgTrunc = syscall.MSG_TRUNC

var errDestination error = syscall.EDESTADDRREQ

// isTruncation reports whether err only says that a datagram did not fit.
func isTruncation(error) bool { return false }
