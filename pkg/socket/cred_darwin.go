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
		x, err := unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
		if err != nil {
			return os.NewSyscallError("getsockopt", err)
		}
		cred = Credentials{UID: int(x.Uid), GID: int(x.Groups[0])}
		if pid, err := unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID); err == nil {
			cred.PID = pid
		}
		return nil
	})
	return cred, err
}
