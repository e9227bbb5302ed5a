package socket

import (
	"errors"

	"golang.org/x/sys/windows"
)

// msgTrunc is MSG_TRUNC of ws2def.h.
const msgTrunc = 0x100

var errDestination error = windows.WSAEDESTADDRREQ

// isTruncation reports whether err only says that a datagram did not fit:
// Windows makes that an error.
func isTruncation(err error) bool { return errors.Is(err, windows.WSAEMSGSIZE) }
