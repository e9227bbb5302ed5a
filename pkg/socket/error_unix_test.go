//go:build unix

package socket_test

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/brio-net/brio/pkg/socket"
)

// TestErrorIdentifiers checks the identifiers of the documents against the
// error numbers of the system, deep inside other errors.
func TestErrorIdentifiers(t *testing.T) {
	for errno, want := range map[syscall.Errno]socket.Identifier{
		syscall.EADDRINUSE:    "address-in-use",
		syscall.EADDRNOTAVAIL: "address-not-available",
		syscall.ENETDOWN:      "network-down",
		syscall.ENETRESET:     "network-reset",
		syscall.ECONNABORTED:  "connection-aborted",
		syscall.ECONNRESET:    "connection-reset",
		syscall.ENOBUFS:       "no-buffer-space",
		syscall.ESHUTDOWN:     "shutdown",
		syscall.ETIMEDOUT:     "connection-timed-out",
		syscall.ECONNREFUSED:  "connection-refused",
		syscall.EHOSTDOWN:     "host-down",
		syscall.EHOSTUNREACH:  "host-unreachable",
		syscall.ENOPROTOOPT:   "protocol-not-available",
		syscall.EACCES:        "access-denied",
		syscall.EPERM:         "access-denied",
		syscall.ENETUNREACH:   "network-unreachable",
		syscall.EMSGSIZE:      "message-too-long",
		syscall.EINVAL:        "invalid-argument",
		syscall.EMFILE:        "too-many-files",
		syscall.EPIPE:         "broken-pipe",
		syscall.ENOSPC:        "no-space",
		syscall.ELOOP:         "unknown",
	} {
		err := fmt.Errorf("outer: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)})
		if got := socket.ErrorID(err); got != want {
			t.Errorf("%v: %q, want %q", errno, got, want)
		}
	}
}
