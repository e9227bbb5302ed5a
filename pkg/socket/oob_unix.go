//go:build linux || darwin

package socket

import (
	"os"

	"golang.org/x/sys/unix"
)

// SendOOB sends one byte of out-of-band data: TCP urgent data (RFC 6093).
func (c *Conn) SendOOB(b byte) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = rc.Write(func(fd uintptr) bool {
		serr = unix.Sendto(int(fd), []byte{b}, unix.MSG_OOB, nil)
		return serr != unix.EAGAIN
	})
	if err == nil {
		err = os.NewSyscallError("sendto", serr)
	}
	return newError("send out-of-band", "", err)
}

// ReceiveOOB returns the out-of-band byte that has come, or [WouldBlock] when
// it was announced and is still under way, or [InvalidArgument] when there is
// none, when it was fetched already, or when it is delivered inline.
func (c *Conn) ReceiveOOB() (byte, error) {
	buf := make([]byte, 1)
	err := control(c, func(fd uintptr) error {
		_, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_OOB)
		return os.NewSyscallError("recvfrom", err)
	})
	return buf[0], newError("receive out-of-band", "", err)
}

// AtMark reports whether the next byte to read is where the out-of-band byte
// stands in the stream. A read never passes the mark.
func (c *Conn) AtMark() (bool, error) {
	var at int
	err := control(c, func(fd uintptr) (err error) {
		at, err = unix.IoctlGetInt(int(fd), siocatmark)
		return os.NewSyscallError("ioctl", err)
	})
	return at != 0, newError("look for the mark", "", err)
}
