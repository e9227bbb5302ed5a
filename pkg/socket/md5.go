package socket

import (
	"fmt"
	"net/netip"
)

// MaxMD5Key is the longest key for TCP MD5 signatures, in bytes.
const MaxMD5Key = 80

// An MD5Key is the key that a peer, or all peers in a network, must sign their
// TCP segments with (RFC 2385). Linux only.
type MD5Key struct {
	Peer      netip.Prefix
	Interface string // the key holds on this interface only; empty for all
	Key       []byte // at most [MaxMD5Key] bytes
}

// setMD5Keys gives the keys to a socket.
func setMD5Keys(fd uintptr, keys []MD5Key) error {
	for _, k := range keys {
		if err := setMD5Key(fd, k); err != nil {
			return fmt.Errorf("md5 signature for %s: %w", k.Peer, err)
		}
	}
	return nil
}

// check refuses what the kernel would refuse, or cut, without a word.
func (k MD5Key) check() error {
	switch {
	case !k.Peer.IsValid():
		return fmt.Errorf("no address of the peer")
	case len(k.Key) > MaxMD5Key:
		return fmt.Errorf("key of %d bytes is longer than %d", len(k.Key), MaxMD5Key)
	}
	return nil
}
