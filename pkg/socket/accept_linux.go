package socket

import "golang.org/x/sys/unix"

// acceptCloexec accepts without waiting.
func acceptCloexec(fd int) (int, error) {
	n, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	return n, err
}
