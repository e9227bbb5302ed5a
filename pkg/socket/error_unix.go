//go:build unix

package socket

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// errnoID returns the identifier of a system error number.
func errnoID(e syscall.Errno) Identifier {
	switch e {
	case syscall.EADDRINUSE:
		return AddressInUse
	case syscall.EADDRNOTAVAIL, syscall.ENODEV: // of an interface
		return AddressNotAvailable
	case syscall.ENETDOWN:
		return NetworkDown
	case syscall.ENETRESET:
		return NetworkReset
	case syscall.ENETUNREACH:
		return NetworkUnreachable
	case syscall.ECONNABORTED:
		return ConnectionAborted
	case syscall.ECONNRESET:
		return ConnectionReset
	case syscall.ENOBUFS, syscall.ENOMEM:
		return NoBufferSpace
	case syscall.ESHUTDOWN:
		return ShutDown
	case syscall.EPIPE:
		return BrokenPipe
	case syscall.ETIMEDOUT:
		return ConnectionTimedOut
	case syscall.ECONNREFUSED:
		return ConnectionRefused
	case syscall.EHOSTDOWN:
		return HostDown
	case syscall.EHOSTUNREACH:
		return HostUnreachable
	case syscall.ENOPROTOOPT:
		return ProtocolNotAvailable
	}
	return localErrnoID(e)
}

// localErrnoID is the part of [errnoID] about failures on this side.
func localErrnoID(e syscall.Errno) Identifier {
	switch e {
	case syscall.EACCES, syscall.EPERM:
		return AccessDenied
	case syscall.ENOTCONN, syscall.EDESTADDRREQ:
		return NotConnected
	case syscall.EMSGSIZE:
		return MessageTooLong
	case syscall.EINVAL, syscall.ENAMETOOLONG:
		return InvalidArgument
	case syscall.EMFILE, syscall.ENFILE:
		return TooManyFiles
	case syscall.ENOENT, syscall.ENOTDIR:
		return NoSuchFile
	case syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG:
		return NoSpace
	case syscall.EOPNOTSUPP, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT, syscall.ENOSYS:
		return NotSupported
	case syscall.EAGAIN:
		return WouldBlock
	case syscall.EBADF:
		return Closed
	}
	return Unknown
}

// errnoName returns the name of e, "" when it has none.
func errnoName(e syscall.Errno) string { return unix.ErrnoName(e) }
