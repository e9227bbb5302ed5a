package socket

import (
	"os"

	"golang.org/x/sys/unix"
)

func peerCredentials(fd uintptr) (Credentials, error) {
	x, err := unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Credentials{}, os.NewSyscallError("getsockopt", err)
	}
	cred := Credentials{UID: int(x.Uid), GID: int(x.Groups[0])}
	if pid, err := unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID); err == nil {
		cred.PID = pid
	}
	return cred, nil
}
