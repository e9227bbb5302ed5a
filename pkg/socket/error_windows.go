package socket

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// A winsockError names one error number of Windows Sockets. The constants of
// the syscall package cannot serve: they are numbers Go made up.
type winsockError struct {
	errno syscall.Errno
	name  string
	id    Identifier
}

var winsockErrors = [...]winsockError{
	{windows.WSAEADDRINUSE, "WSAEADDRINUSE", AddressInUse},
	{windows.WSAEADDRNOTAVAIL, "WSAEADDRNOTAVAIL", AddressNotAvailable},
	{windows.WSAENETDOWN, "WSAENETDOWN", NetworkDown},
	{windows.WSAENETRESET, "WSAENETRESET", NetworkReset},
	{windows.WSAENETUNREACH, "WSAENETUNREACH", NetworkUnreachable},
	{windows.WSAECONNABORTED, "WSAECONNABORTED", ConnectionAborted},
	{windows.WSAECONNRESET, "WSAECONNRESET", ConnectionReset},
	{windows.WSAENOBUFS, "WSAENOBUFS", NoBufferSpace},
	{windows.WSAESHUTDOWN, "WSAESHUTDOWN", ShutDown},
	{windows.WSAETIMEDOUT, "WSAETIMEDOUT", ConnectionTimedOut},
	{windows.WSAECONNREFUSED, "WSAECONNREFUSED", ConnectionRefused},
	{windows.WSAEHOSTDOWN, "WSAEHOSTDOWN", HostDown},
	{windows.WSAEHOSTUNREACH, "WSAEHOSTUNREACH", HostUnreachable},
	{windows.WSAENOPROTOOPT, "WSAENOPROTOOPT", ProtocolNotAvailable},
	{windows.WSAEACCES, "WSAEACCES", AccessDenied},
	{windows.WSAENOTCONN, "WSAENOTCONN", NotConnected},
	{windows.WSAEDESTADDRREQ, "WSAEDESTADDRREQ", NotConnected},
	{windows.WSAEMSGSIZE, "WSAEMSGSIZE", MessageTooLong},
	{windows.WSAEINVAL, "WSAEINVAL", InvalidArgument},
	{windows.WSAENAMETOOLONG, "WSAENAMETOOLONG", InvalidArgument},
	{windows.WSAEMFILE, "WSAEMFILE", TooManyFiles},
	{windows.WSAEOPNOTSUPP, "WSAEOPNOTSUPP", NotSupported},
	{windows.WSAEAFNOSUPPORT, "WSAEAFNOSUPPORT", NotSupported},
	{windows.WSAEPROTONOSUPPORT, "WSAEPROTONOSUPPORT", NotSupported},
	{windows.WSAEWOULDBLOCK, "WSAEWOULDBLOCK", WouldBlock},
	{windows.WSAEBADF, "WSAEBADF", Closed},
	{windows.WSAENOTSOCK, "WSAENOTSOCK", Closed},
	{windows.WSAHOST_NOT_FOUND, "WSAHOST_NOT_FOUND", NameNotFound},
	{windows.WSANO_DATA, "WSANO_DATA", NameNotFound},
	{windows.ERROR_BROKEN_PIPE, "ERROR_BROKEN_PIPE", BrokenPipe},
	{windows.ERROR_NO_DATA, "ERROR_NO_DATA", BrokenPipe},
	{windows.ERROR_DISK_FULL, "ERROR_DISK_FULL", NoSpace},
	{windows.ERROR_HANDLE_DISK_FULL, "ERROR_HANDLE_DISK_FULL", NoSpace},
	{windows.ERROR_ACCESS_DENIED, "ERROR_ACCESS_DENIED", AccessDenied},
	{windows.ERROR_FILE_NOT_FOUND, "ERROR_FILE_NOT_FOUND", NoSuchFile},
	{windows.ERROR_PATH_NOT_FOUND, "ERROR_PATH_NOT_FOUND", NoSuchFile},
	{windows.ERROR_TOO_MANY_OPEN_FILES, "ERROR_TOO_MANY_OPEN_FILES", TooManyFiles},
	{windows.ERROR_NETNAME_DELETED, "ERROR_NETNAME_DELETED", ConnectionReset},
	{windows.ERROR_CONNECTION_REFUSED, "ERROR_CONNECTION_REFUSED", ConnectionRefused},
	{windows.ERROR_PORT_UNREACHABLE, "ERROR_PORT_UNREACHABLE", ConnectionRefused},
}

// errnoID returns the identifier of a system error number.
func errnoID(e syscall.Errno) Identifier {
	for _, w := range winsockErrors {
		if w.errno == e {
			return w.id
		}
	}
	return Unknown
}

// errnoName returns the name of e, "" when it is not one of ours.
func errnoName(e syscall.Errno) string {
	for _, w := range winsockErrors {
		if w.errno == e {
			return w.name
		}
	}
	return ""
}
