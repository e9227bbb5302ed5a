package socket

import (
	"os"

	"golang.org/x/sys/unix"
)

func peerCredentials(fd uintptr) (Credentials, error) {
	u, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Credentials{}, os.NewSyscallError("getsockopt", err)
	}
	return Credentials{PID: int(u.Pid), UID: int(u.Uid), GID: int(u.Gid)}, nil
}
