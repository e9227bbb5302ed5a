//go:build !linux && !darwin

package socket

import "fmt"

func peerCredentials(uintptr) (Credentials, error) {
	return Credentials{}, fmt.Errorf("credentials of the peer on this system: %w", ErrNotSupported)
}
