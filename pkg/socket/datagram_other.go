//go:build !linux

package socket

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// replyPath returns the name to bind a socket to, so that peers can reply: the
// one given, or a path in a directory of its own that only this user can enter.
func replyPath(path string) (name string, tidy func(), err error) {
	if path != "" {
		return path, func() {}, checkUnixName(path)
	}
	dir, err := os.MkdirTemp("", "brio-")
	if err != nil {
		return "", func() {}, err
	}
	// What is left behind in a temporary directory harms nobody.
	return filepath.Join(dir, "s"), func() { _ = os.RemoveAll(dir) }, nil
}

// connectUnix leaves the socket open to all senders: its default peer is only
// where it sends to.
func (s *DatagramSocket) connectUnix() error {
	if _, err := os.Lstat(s.remote.Path); err != nil {
		return err
	}
	return nil
}

// sendElsewhere says that a connected socket sends to its peer only.
func sendElsewhere(_ net.Conn, _ []byte, to PacketAddr) (int, error) {
	return 0, fmt.Errorf("send from a connected socket to %s: %w", to, ErrNotSupported)
}

// ownGroupsOnly has nothing to do: other systems deliver only what the socket
// itself has joined.
func ownGroupsOnly(uintptr) error { return nil }

// Drops returns how many datagrams came in vain because the receive buffer was
// full. Elsewhere than on Linux the error wraps [ErrNotSupported].
func (s *DatagramSocket) Drops() (uint64, error) {
	return 0, fmt.Errorf("count of dropped datagrams: %w", ErrNotSupported)
}

// SetSegment makes one SendTo of many bytes send several datagrams of size
// bytes each, cut by the kernel or the network card; zero ends that. Elsewhere
// than on Linux, and on UNIX sockets, the error wraps [ErrNotSupported].
func (s *DatagramSocket) SetSegment(int) error {
	return fmt.Errorf("segmentation: %w", ErrNotSupported)
}
