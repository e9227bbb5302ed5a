package socket

import "fmt"

// Credentials tell which process is at the other end of a UNIX socket, as the
// kernel saw it when the connection was made.
type Credentials struct {
	PID int `json:"pid"` // 0 when the system does not say
	UID int `json:"uid"`
	GID int `json:"gid"`
}

// PeerCredentials returns the process at the other end of a UNIX socket. On
// other sockets, and on systems that do not tell, the error wraps
// [ErrNotSupported].
func (c *Conn) PeerCredentials() (cred Credentials, err error) {
	if c.AddressFamily() != File {
		return cred, fmt.Errorf("credentials of a peer on the internet: %w", ErrNotSupported)
	}
	err = control(c, func(fd uintptr) error {
		cred, err = peerCredentials(fd)
		return err
	})
	return cred, err
}
