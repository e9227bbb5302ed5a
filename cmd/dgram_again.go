package cmd

import (
	"context"
	"slices"

	"github.com/brio-net/brio/pkg/socket"
)

// A secondChance is for names with several addresses, such as localhost. Which
// of them is served shows only when something is sent: a refusal says that
// nothing has been received, so all can be sent again to the next one.
type secondChance struct {
	cfg  socket.PacketConfig
	left []socket.PacketAddr // addresses not tried
	kept [][]byte            // everything sent so far; nothing once none is left
	size int                 // of it
}

// keptLimit is how many bytes are kept to be sent again.
const keptLimit = 1 << 20

// keep notes what is being sent, as long as it may have to be sent again.
func (c *secondChance) keep(batch ...[]byte) {
	if len(c.left) == 0 {
		return
	}
	for _, b := range batch {
		c.kept = append(c.kept, slices.Clone(b))
		c.size += len(b)
	}
	if c.size > keptLimit {
		c.drop()
	}
}

// drop gives the chance up: somebody has answered, or it is too much to keep.
func (c *secondChance) drop() { c.left, c.kept = nil, nil }

// next returns a socket to the next address when err says that nobody is at the
// one in use, nil when it does not or none is left. What has been kept is to be
// sent through it.
func (c *secondChance) next(ctx context.Context, err error) *socket.DatagramSocket {
	switch socket.ErrorID(err) {
	case socket.ConnectionRefused, socket.HostUnreachable, socket.NetworkUnreachable, socket.HostDown:
	default:
		return nil
	}
	for len(c.left) > 0 {
		to := c.left[0]
		c.left = c.left[1:]
		if s, err := socket.DialPacket(ctx, "udp", to.String(), c.cfg); err == nil {
			return s
		}
	}
	return nil
}
