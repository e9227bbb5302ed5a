//go:build !linux

package socket

import "fmt"

// setMD5Key says that only Linux lets a program give the keys to a socket; the
// BSDs keep them in a table of the system.
func setMD5Key(_ uintptr, k MD5Key) error {
	if err := k.check(); err != nil {
		return err
	}
	return fmt.Errorf("TCP MD5 signatures on this system: %w", ErrNotSupported)
}
