package socket

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// acceptCloexec accepts without waiting, as the listener does not block. The
// lock keeps a child from being started before the descriptor is marked.
func acceptCloexec(fd int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, _, err := unix.Accept(fd)
	if err == nil {
		unix.CloseOnExec(n)
	}
	return n, err
}
