package socket

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// RelayOptions bound and observe a [Relay]. The zero value has no limits.
type RelayOptions struct {
	// Idle is how long neither direction may move; 0 means for ever.
	Idle time.Duration

	// AtoB and BtoA, when not nil, count bytes as they move.
	AtoB, BtoA *atomic.Int64

	// FilterAtoB and FilterBtoA stand before the connection they write to; with
	// one, that direction is copied.
	FilterAtoB, FilterBtoA func(io.Writer) io.Writer
}

// Relay joins two connections of any family until both directions have ended,
// and returns how many bytes each has moved. The end of one connection
// half-closes the other and leaves the opposite direction alone. A connection
// that breaks off must not look like one that ends: the other is aborted, so
// that its peer sees a reset. Out-of-band bytes are passed on among the others
// (RFC 6093 section 5). Failures are as those of [Pump]; the error names no
// connection that failed after the first. Relay closes neither connection.
func Relay(ctx context.Context, a, b net.Conn, opt RelayOptions) (aToB, bToA int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keepOOB(a)
	keepOOB(b)
	there := newPump(b, a, PumpOptions{Idle: opt.Idle, Counter: opt.AtoB, Sink: opt.FilterAtoB})
	back := newPump(a, b, PumpOptions{Idle: opt.Idle, Counter: opt.BtoA, Sink: opt.FilterBtoA})
	defer watchIdle(cancel, opt.Idle, there, back)()
	done := make(chan error, 1)
	go func() { done <- relayHalf(ctx, cancel, back) }()
	err = relayHalf(ctx, cancel, there)
	if err2 := <-done; err == nil {
		err = err2
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // the first failure; the other direction was stopped by it
	}
	if err != nil {
		Reset(a)
		Reset(b)
	}
	return there.moved, back.moved, err
}

// relayHalf moves one direction and passes its end on.
func relayHalf(ctx context.Context, cancel context.CancelCauseFunc, p *pump) error {
	_, err := p.run(ctx)
	if err == nil {
		err = passEnd(p.dst)
	}
	if err != nil {
		cancel(err)
	}
	return err
}

// passEnd half-closes dst, which may have gone already.
func passEnd(dst any) error {
	c, ok := dst.(halfCloser)
	if !ok {
		return nil
	}
	if err := c.CloseWrite(); err != nil && ErrorID(err) != NotConnected {
		return &PumpError{Side: WriteSide, Local: isLocal(dst), Err: err}
	}
	return nil
}

// Reset makes the coming close of a TCP connection a reset, which no peer can
// take for the end of the data. It does nothing to other connections.
func Reset(conn net.Conn) {
	if c, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = c.SetLinger(0) // a connection that is gone already needs none
	}
}

// Linger ends conn in order although its peer may still be sending: it
// half-closes, and discards what comes until the peer ends, at most for limit.
// A close with bytes unread would reset the connection, and a reset may
// overtake what the peer has not read yet. The caller closes conn.
func Linger(ctx context.Context, conn net.Conn, limit time.Duration) {
	restoreNonblock(conn)
	if c, ok := conn.(halfCloser); !ok || c.CloseWrite() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, _ = Pump(ctx, io.Discard, conn, PumpOptions{}) // the outcome makes no difference
}
