//go:build !linux && !darwin

package socket

import "fmt"

// errOOB says that this package cannot do it here.
func errOOB() error { return fmt.Errorf("out-of-band data on this system: %w", ErrNotSupported) }

// SendOOB sends one byte of out-of-band data: TCP urgent data (RFC 6093).
func (c *Conn) SendOOB(byte) error { return errOOB() }

// ReceiveOOB returns the out-of-band byte that has come.
func (c *Conn) ReceiveOOB() (byte, error) { return 0, errOOB() }

// AtMark reports whether the next byte to read is where the out-of-band byte
// stands in the stream. A read never passes the mark.
func (c *Conn) AtMark() (bool, error) { return false, errOOB() }
