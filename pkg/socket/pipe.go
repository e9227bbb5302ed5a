package socket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// HalfClose says whether the end of the input ends our half of the connection.
type HalfClose uint8

// The policies. The zero value half-closes when the input ends, but not for an
// input of class [NoInput].
const (
	HalfCloseAuto   HalfClose = iota
	HalfCloseAlways           // at once where there is no input
	HalfCloseNever
)

// AfterPeerEnd says what happens to the input when the peer has ended.
type AfterPeerEnd uint8

// The policies. The zero value keeps sending an input of class [DataInput] and
// leaves any other.
const (
	PeerEndAuto  AfterPeerEnd = iota
	PeerEndDrain              // keep sending until the input ends
	PeerEndExit               // leave
)

// ErrPeerEnded reports under [PipeConfig.StrictEnd] that the peer ended before
// the input did.
var ErrPeerEnded = errors.New("the peer ended before the input did")

// errEnded stops reading the input; it never leaves this package.
var errEnded = errors.New("ended")

// A PipeConfig says how [Pipe] joins a connection to an input and an output.
// The zero value has neither: it waits until the peer ends.
type PipeConfig struct {
	// Input is what to send. Class says what it is; [AnyInput] means DataInput
	// when Input is set. Give what [OpenInput] returns for standard input.
	Input io.Reader
	Class InputClass

	// Output is where received bytes go; nil discards them.
	Output io.Writer

	// SendOnly discards what is received, and ends once the peer has
	// acknowledged the input and has ended as well, or has been silent for half
	// a second after it was told of the end, or goes on for five. AfterInputEnd
	// takes the place of both limits; without a half-close nobody is waited for.
	SendOnly bool

	HalfClose    HalfClose
	AfterPeerEnd AfterPeerEnd

	// AfterInputEnd is how long to wait for the peer once the input has ended;
	// 0 means for ever. Its expiry is a success, or [ErrPeerTimeout] with
	// StrictEnd.
	AfterInputEnd time.Duration

	// StrictEnd makes it an error when the peer ends before the input.
	StrictEnd bool

	// Idle bounds how long neither direction may move. Read and Write bound one
	// wait on the connection. 0 means for ever.
	Idle, Read, Write time.Duration

	// MaxSend and MaxReceive are how many bytes to move at most; reaching one
	// counts as the end of the input or of the peer. 0 means no limit.
	MaxSend, MaxReceive int64

	// Sent and Received, when not nil, count bytes as they move.
	Sent, Received *atomic.Int64

	// Copy, Encode and Decode are as Copy, Sink and Source of [PumpOptions]:
	// Encode stands before the connection, Decode behind it, Filter before
	// Output.
	Copy   bool
	Encode func(conn io.Writer) io.Writer
	Decode func(conn io.Reader) io.Reader
	Filter func(output io.Writer) io.Writer

	// OOBApart leaves the out-of-band bytes of a TCP connection to
	// [PipeEvents.OOB]. By default they come among the others, as RFC 6093
	// advises: nothing is lost.
	OOBApart bool

	// Events are called as the conversation goes on.
	Events PipeEvents
}

// PipeEvents are called from the goroutine of [Pipe], OOB from any; nil ones
// are not.
type PipeEvents struct {
	InputEnd  func()                // the input has ended and is on its way
	HalfClose func()                // our half has been closed
	PeerEnd   func(inputEnded bool) // the peer has ended; Output gets no more bytes

	// OOB tells of an out-of-band byte of a TCP connection (Linux), and whether
	// it is inline: in Output as well.
	OOB func(b byte, inline bool)
}

// PipeResult counts the bytes of one connection.
type PipeResult struct {
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
}

// Pipe sends the input over conn and writes what conn receives to the output,
// until both directions have ended. What ends them is said by the class of the
// input and the policies of cfg. It returns nil only when every byte taken from
// the input has been acknowledged by the peer, where the system can tell, and
// everything received has been written.
//
// Failures of an end are of type [*PumpError]; an expired time-out is one too. A
// reset is always an error. When ctx ends, Pipe stops and returns its cause.
// Pipe closes neither conn nor input nor output.
func Pipe(ctx context.Context, conn net.Conn, cfg PipeConfig) (PipeResult, error) {
	p := newPipe(conn, cfg)
	err := p.run(ctx)
	return PipeResult{Sent: p.sent.Load(), Received: p.received.Load()}, err
}

// A pipe is the state of one call of [Pipe].
type pipe struct {
	cfg            PipeConfig
	conn           net.Conn
	sent, received *atomic.Int64

	send, receive      *pump        // nil when that direction is not used
	sending, receiving <-chan error // their ends; nil once they have ended
	inputEnded         bool
	peerEnded          bool
	stopWatch          func()
	late               <-chan time.Time // AfterInputEnd, or the patience of SendOnly, has passed
	quietSince         int64            // bytes received when SendOnly last looked
	lingerUntil        time.Time        // zero unless SendOnly waits without AfterInputEnd
	broken             error            // sending failed; what had been received is still written
}

func newPipe(conn net.Conn, cfg PipeConfig) *pipe {
	p := &pipe{cfg: cfg, conn: conn, sent: cfg.Sent, received: cfg.Received}
	if p.sent == nil {
		p.sent = new(atomic.Int64)
	}
	if p.received == nil {
		p.received = new(atomic.Int64)
	}
	if cfg.Class == AnyInput {
		p.cfg.Class = DataInput
	}
	if cfg.Input == nil {
		p.cfg.Class = NoInput
	}
	p.stopWatch = func() {}
	return p
}

// run starts the directions and follows them to their ends.
func (p *pipe) run(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if !p.cfg.OOBApart {
		keepOOB(p.conn)
	}
	p.sending = p.startSending(ctx, cancel)
	p.receiving = p.startReceiving(ctx, cancel)
	defer watchIdle(cancel, p.cfg.Idle, p.send, p.receive)()
	err := p.begin()
	if err == nil {
		err = p.follow(ctx)
	}
	if err == nil {
		err = p.delivered(ctx, p.conn)
	}
	cancel(errEnded)
	wait(p.sending)
	wait(p.receiving)
	p.receive.oob.close()
	p.stopWatch()
	if err == errEnded {
		return nil
	}
	return err
}

// follow waits for the ends of both directions and acts on each. It returns
// errEnded when nothing needs to be waited for any more.
func (p *pipe) follow(ctx context.Context) (err error) {
	for err == nil && (p.sending != nil || p.receiving != nil) {
		select {
		case e := <-p.sending:
			p.sending = nil
			err = p.onInputEnd(ctx, e)
		case e := <-p.receiving:
			p.receiving = nil
			err = p.onPeerEnd(e)
		case <-p.late:
			err = p.onLate()
		case <-ctx.Done():
			err = endCause(ctx)
		}
	}
	return err
}

// wait waits for a direction that has been told to stop.
func wait(done <-chan error) {
	if done != nil {
		<-done
	}
}

// endCause returns why ctx ended, a time-out as a failure of the connection.
func endCause(ctx context.Context) error {
	cause := context.Cause(ctx)
	if _, ok := errors.AsType[*stallError](cause); ok {
		return &PumpError{Side: ReadSide, Err: cause}
	}
	return cause
}

// startSending starts the direction from the input to the connection.
func (p *pipe) startSending(ctx context.Context, cancel context.CancelCauseFunc) <-chan error {
	if p.cfg.Class == NoInput {
		return nil
	}
	p.send = newPump(p.conn, p.cfg.Input, PumpOptions{
		Idle: p.cfg.Idle, Write: p.cfg.Write, Limit: p.cfg.MaxSend, Counter: p.sent,
		Copy: p.cfg.Copy, Sink: p.cfg.Encode,
	})
	return start(ctx, cancel, p.send)
}

// startReceiving starts the direction from the connection to the output.
func (p *pipe) startReceiving(ctx context.Context, cancel context.CancelCauseFunc) <-chan error {
	out, discarded := p.cfg.Output, p.cfg.SendOnly
	if out == nil || discarded {
		out = io.Discard
	} else {
		p.stopWatch = sync.OnceFunc(watchOutput(out, func() {
			cancel(&PumpError{Side: WriteSide, Local: true, Err: syscall.EPIPE})
		}))
	}
	p.receive = newPump(out, p.conn, PumpOptions{
		Idle: p.cfg.Idle, Read: p.cfg.Read, Limit: p.cfg.MaxReceive, Counter: p.received,
		Copy: p.cfg.Copy, Source: p.cfg.Decode, Sink: p.cfg.Filter,
	})
	if p.cfg.Events.OOB != nil {
		p.receive.oob = watchOOB(p.conn, p.cfg.Events.OOB)
	}
	return start(ctx, cancel, p.receive)
}

// start runs one direction with its own time-outs.
func start(ctx context.Context, cancel context.CancelCauseFunc, p *pump) <-chan error {
	done := make(chan error, 1)
	stop := p.watchStalls(cancel)
	go func() {
		defer stop()
		_, err := p.run(ctx)
		done <- err
	}()
	return done
}

// begin closes our half at once where that is asked for and there is no input.
func (p *pipe) begin() error {
	if p.cfg.Class != NoInput {
		return nil
	}
	p.inputEnded = true
	if p.cfg.HalfClose == HalfCloseAlways {
		return p.closeHalf()
	}
	return nil
}

// onInputEnd follows the end of the input, or the failure to send it.
func (p *pipe) onInputEnd(ctx context.Context, err error) error {
	if p.send.stopped.Load() && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) {
		return nil // it has not ended: we left it when the peer ended
	}
	if pe, ok := errors.AsType[*PumpError](err); ok && !pe.Local && brokenOff(err) && !p.peerEnded {
		// The connection takes no more, but what the peer sent before it broke
		// may be the reason, and is still there to read.
		p.broken = err
		return nil
	}
	if err != nil {
		return err
	}
	p.inputEnded = true
	call(p.cfg.Events.InputEnd)
	if p.cfg.AfterInputEnd > 0 {
		p.late = time.After(p.cfg.AfterInputEnd)
	}
	if err := p.endSending(ctx); err != nil || !p.cfg.SendOnly {
		return err
	}
	if err := p.delivered(ctx, p.conn); err != nil {
		return err
	}
	return p.linger()
}

// How long SendOnly waits for the peer to end, as long as it sends nothing, and
// at most.
const (
	sendOnlyQuiet = 500 * time.Millisecond
	sendOnlyLimit = 5 * time.Second
)

// linger lets the peer read what it has acknowledged. If it writes a reply
// meanwhile to a connection that is closed already, the reset that it gets
// destroys what it has not read yet. It returns errEnded where there is nothing
// to wait for.
func (p *pipe) linger() error {
	if _, ok := p.conn.(halfCloser); !ok || p.cfg.HalfClose == HalfCloseNever {
		return errEnded
	}
	if p.late == nil {
		p.lingerUntil, p.quietSince = time.Now().Add(sendOnlyLimit), p.received.Load()
		p.late = time.After(sendOnlyQuiet)
	}
	return nil
}

// endSending half-closes the connection as the policy says.
func (p *pipe) endSending(ctx context.Context) error {
	if p.cfg.HalfClose == HalfCloseNever {
		return nil
	}
	if p.peerEnded {
		// A protocol such as TLS says by data that no more data come; a peer that
		// has closed answers that with a reset too, and nothing is lost then.
		if err := p.delivered(ctx, below(p.conn)); err != nil {
			return err
		}
	}
	return p.closeHalf()
}

// brokenOff reports whether err says that the peer takes no more.
func brokenOff(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// leaves reports whether the end of the peer ends sending.
func (p *pipe) leaves() bool {
	switch p.cfg.AfterPeerEnd {
	case PeerEndDrain:
		return false
	case PeerEndExit:
		return true
	}
	return p.cfg.Class != DataInput
}

// onPeerEnd follows the end of the peer, or the failure to receive.
func (p *pipe) onPeerEnd(err error) error {
	p.stopWatch()
	if err != nil {
		return err
	}
	if p.broken != nil {
		return p.broken
	}
	p.peerEnded = true
	if p.cfg.Events.PeerEnd != nil {
		p.cfg.Events.PeerEnd(p.inputEnded)
	}
	if p.inputEnded {
		return nil
	}
	if p.cfg.StrictEnd {
		return &PumpError{Side: ReadSide, Err: ErrPeerEnded}
	}
	if p.leaves() {
		p.send.stopReading() // what has been read of it is still sent
	}
	return nil
}

// onLate ends the wait for a peer that does not end.
func (p *pipe) onLate() error {
	if lingering := !p.lingerUntil.IsZero(); lingering {
		if n := p.received.Load(); n != p.quietSince && time.Now().Before(p.lingerUntil) {
			p.quietSince, p.late = n, time.After(sendOnlyQuiet)
			return nil
		}
		return errEnded
	}
	if p.cfg.StrictEnd {
		return &PumpError{Side: ReadSide, Err: ErrPeerTimeout}
	}
	return errEnded
}

// A halfCloser ends its writing half: a TCP, UNIX or TLS connection.
type halfCloser interface{ CloseWrite() error }

// closeHalf tells the peer that no more follows.
func (p *pipe) closeHalf() error {
	if _, ok := p.conn.(halfCloser); !ok {
		return nil
	}
	if err := passEnd(p.conn); err != nil {
		return err
	}
	call(p.cfg.Events.HalfClose)
	return nil
}

// delivered waits until the peer's system has acknowledged what was sent over
// conn.
func (p *pipe) delivered(ctx context.Context, conn net.Conn) error {
	if p.sent.Load() == 0 {
		return nil
	}
	err := waitDelivered(ctx, conn)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return endCause(ctx)
	}
	return &PumpError{Side: WriteSide, Err: err}
}

// call calls f unless it is nil.
func call(f func()) {
	if f != nil {
		f()
	}
}

// below returns the bare connection that carries conn.
func below(conn net.Conn) net.Conn {
	for {
		c, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = c.NetConn()
	}
}
