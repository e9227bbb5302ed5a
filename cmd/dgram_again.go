package cmd

import (
	"context"
	"slices"

	"github.com/brio-net/brio/pkg/socket"
)

// A secondChance is for names that have an IPv6 and an IPv4 address, such as
// localhost. Which one is served shows only when something is sent: a refusal
// says that nothing has been received, so all can be sent again to the other.
type secondChance struct {
	cfg  socket.PacketConfig
	kept [][]byte // everything sent so far
	size int      // of it
	off  bool     // it was too much to keep, or the chance is used up
}

// keptLimit is how many bytes are kept to be sent again.
const keptLimit = 1 << 20

// keep notes what is being sent, as long as it may have to be sent again.
func (t *sending) keep(batch [][]byte) {
	c := &t.again
	if c.off || !t.hasOther() {
		return
	}
	for _, b := range batch {
		c.kept = append(c.kept, slices.Clone(b))
		c.size += len(b)
	}
	if c.size > keptLimit {
		c.off, c.kept = true, nil
	}
}

// hasOther reports whether the target may have an address that was not tried.
func (t *sending) hasOther() bool {
	if t.again.cfg.IP == socket.OnlyIPv6 || !t.s.RemoteHost().Is6() {
		return false
	}
	h, err := socket.ParseHost(t.a.host)
	return err == nil && !h.IsAddr()
}

// sendAgain sends everything to the IPv4 address after the IPv6 address has
// refused, and reports whether that was possible.
func (t *sending) sendAgain(ctx context.Context, refusal error) bool {
	c := &t.again
	if c.off || len(t.result.Replies) > 0 || socket.ErrorID(refusal) != socket.ConnectionRefused || !t.hasOther() {
		return false
	}
	c.off = true
	cfg := c.cfg
	cfg.IP = socket.OnlyIPv4
	s, err := t.o.connect(ctx, t.a, cfg)
	if err != nil {
		return false
	}
	t.e.verbosef("%s refuses; sending to %s", t.s.Remote(), s.Remote())
	_ = t.s.Close() // what it sent was refused
	t.use(ctx, s)
	t.result.Datagrams, t.result.Bytes = 0, 0
	kept := c.kept
	c.kept = nil
	t.send(ctx, kept)
	return t.err == nil
}
