package socket

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// PeerCredentials returns the process at the other end of a UNIX socket. On
// other sockets, and on systems that do not tell, the error wraps
// [ErrNotSupported].
func (c *Conn) PeerCredentials() (Credentials, error) {
	if c.AddressFamily() != File {
		return Credentials{}, fmt.Errorf("credentials of a peer on the internet: %w", ErrNotSupported)
	}
	var cred Credentials
	err := control(c, func(fd uintptr) error {
		u, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			return os.NewSyscallError("getsockopt", err)
		}
		cred = Credentials{PID: int(u.Pid), UID: int(u.Uid), GID: int(u.Gid)}
		return nil
	})
	return cred, err
}
