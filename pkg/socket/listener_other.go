//go:build !linux && !darwin

package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"
)

// setBacklog cannot change what the net package chose.
func setBacklog(uintptr, int) error { return fmt.Errorf("backlog: %w", ErrNotSupported) }

// limitMode has nothing to do where a socket has no mode before its file.
func limitMode(uintptr, fs.FileMode) {}

// tryLock has no locks of directories to take.
func tryLock(uintptr) error { return ErrNotSupported }

// acceptNow accepts a connection that waits already, or returns nil. A deadline
// in the past would not do: with one, the net package never asks the system.
func acceptNow(l bareListener) (net.Conn, error) {
	if err := l.SetDeadline(time.Now().Add(5 * time.Millisecond)); err != nil {
		return nil, err
	}
	c, err := l.Accept()
	if derr := l.SetDeadline(time.Time{}); err == nil && derr != nil {
		_ = c.Close() // the listener is closed
		return nil, derr
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, nil
	}
	return c, err
}

// fileConn cannot make a connection of a descriptor: the net package does not
// on this system.
func fileConn(fd int) (net.Conn, error) {
	return nil, fmt.Errorf("connection of descriptor %d: %w", fd, ErrNotSupported)
}
