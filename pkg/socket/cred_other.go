//go:build !linux && !darwin

package socket

import "fmt"

// PeerCredentials returns the process at the other end of a UNIX socket. On
// other sockets, and on systems that do not tell, the error wraps
// [ErrNotSupported].
func (c *Conn) PeerCredentials() (Credentials, error) {
	return Credentials{}, fmt.Errorf("credentials of the peer on this system: %w", ErrNotSupported)
}
