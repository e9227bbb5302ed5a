//go:build linux || darwin

package socket

import (
	"time"

	"golang.org/x/sys/unix"
)

func setInt(fd uintptr, level, option, v int) error {
	return unix.SetsockoptInt(int(fd), level, option, v)
}

func getInt(fd uintptr, level, option int) (int, error) {
	return unix.GetsockoptInt(int(fd), level, option)
}

func setBytes(fd uintptr, level, option int, v []byte) error {
	return unix.SetsockoptString(int(fd), level, option, string(v))
}

// setLinger sets the linger time; a negative one switches it off.
func setLinger(fd uintptr, d time.Duration) error {
	l := unix.Linger{}
	if d >= 0 {
		l = unix.Linger{Onoff: 1, Linger: int32((d + time.Second - 1) / time.Second)}
	}
	return unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, soLinger, &l)
}

// getLinger returns the linger time, negative when it is off.
func getLinger(fd uintptr) (time.Duration, error) {
	l, err := unix.GetsockoptLinger(int(fd), unix.SOL_SOCKET, soLinger)
	switch {
	case err != nil:
		return 0, err
	case l.Onoff == 0:
		return -1, nil
	}
	return time.Duration(l.Linger) * time.Second, nil
}

// inspect finds out what sort of socket fd is.
func inspect(fd uintptr) (socketInfo, error) {
	typ, err := getInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return socketInfo{}, err
	}
	sa, err := unix.Getsockname(int(fd))
	if err != nil {
		return socketInfo{}, err
	}
	_, file := sa.(*unix.SockaddrUnix)
	_, ipv6 := sa.(*unix.SockaddrInet6)
	switch {
	case file && typ == unix.SOCK_DGRAM:
		return socketInfo{kind: kindUnixgram}, nil
	case file:
		return socketInfo{kind: kindUnix}, nil
	case typ == unix.SOCK_DGRAM:
		return socketInfo{kind: kindUDP, ipv6: ipv6}, nil
	}
	return socketInfo{kind: kindTCP, ipv6: ipv6}, nil
}
