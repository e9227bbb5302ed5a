package cmd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

type dgramPipeOptions struct {
	dgramRecvOptions
	input     inputFlags
	listening bool
	afterEOF  time.Duration
	idle      time.Duration
}

func newDgramPipeCmd(e *env) *cobra.Command {
	var o dgramPipeOptions
	c := &cobra.Command{
		Use:   "pipe [ADDR]",
		Short: "exchange datagrams with one peer through stdin and stdout",
		Long: `Sends stdin to ADDR, cut into datagrams by --framing, and writes what comes back
to stdout. With --listen it waits at ADDR, which may be fd:N or left out as for
recv, and talks with whoever sends first.
Datagrams have no end: after stdin has ended it goes on receiving until
--after-stdin-eof, --idle-timeout, --count or a signal ends it.`,
		Example: `  brio dgram pipe localhost:9000
  brio dgram pipe --listen :5000
  printf 'a\nb\n' | brio dgram pipe --framing lines --after-stdin-eof 1s localhost:9000
  echo question | brio dgram pipe --count 1 localhost:9000`,
		Args:              wantArgs(0, 2, "one address"),
		ValidArgsFunction: completeAddress,
		RunE:              e.run(func(ctx context.Context, args []string) error { return runDgramPipe(ctx, e, &o, args) }),
	}
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.BoolVarP(&o.listening, "listen", "l", false, "wait at ADDR, and talk with the first that sends")
		o.input.addFraming(f)
		f.BoolVarP(&o.input.noStdin, "no-stdin", "n", false, "do not read stdin")
		f.IntVarP(&o.count, "count", "c", 0, "end after `N` received datagrams")
		durationVar(f, &o.afterEOF, "after-stdin-eof", 0, "end with success `DURATION` after stdin has ended")
		durationVar(f, &o.idle, "idle-timeout", 0, "give up when nothing has come or gone for `DURATION`")
		o.addSource(f)
		o.printFlags.add(f)
	})
	o.addListen(c)
	o.addSocket(c)
	completeFraming(c)
	return exits(pipesData(c),
		statusLine{statusNotFound, "no such name"},
		statusLine{statusRefused, "refused: nobody receives there"},
		statusLine{statusTimeout, "time-out: nothing came or went"},
		statusLine{statusUnreachable, ""},
		statusLine{statusLocalAddr, ""},
		statusLine{statusDenied, ""},
	)
}

// A dgramPipe joins stdin and stdout with the datagrams of one peer.
type dgramPipe struct {
	receiving
	o     *dgramPipeOptions
	peer  socket.PacketAddr // to send to; zero where the socket is connected
	known chan struct{}     // closed when there is somebody to send to
	sent  chan error        // the end of stdin
	moved chan struct{}     // something came or went
	name  string            // of the peer as the user wrote it; "" where it is not known before

	mu    sync.Mutex // of again, and of the socket until the chance is gone
	again secondChance
}

func runDgramPipe(ctx context.Context, e *env, o *dgramPipeOptions, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.checkNeeds(e); err != nil {
		return err
	}
	out, err := e.openSink("")
	if err != nil {
		return err
	}
	p := &dgramPipe{o: o, known: make(chan struct{}), sent: make(chan error, 1), moved: make(chan struct{}, 1)}
	p.receiving = receiving{o: &o.dgramRecvOptions, e: e, out: bufio.NewWriterSize(out, 64<<10), start: time.Now()}
	end, err := p.open(ctx, args)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	defer end()
	ctx, stop := watchSink(ctx, out)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer interruptible(ctx, p.s)()
	go p.sendStdin(ctx)
	go p.watch(ctx, cancel)
	err = p.receive(ctx)
	if errors.Is(err, errPipeDone) {
		err = nil
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	o.events.send("closed", recvTotals{Datagrams: p.n, Bytes: p.bytes, Drops: o.reportDrops(e, p.socket())})
	return err
}

// checkNeeds refuses flags of the other side.
func (o *dgramPipeOptions) checkNeeds(e *env) error {
	needs := []flagNeed{{"source", "a peer to send to, not --listen", !o.listening}}
	for _, name := range []string{"port-file", "ready-fd", "replace-stale", "unlink", "mode"} {
		needs = append(needs, flagNeed{name, "--listen", o.listening})
	}
	return e.checkNeeds(needs...)
}

// errPipeDone ends the exchange with success.
var errPipeDone = errors.New("done")

func (p *dgramPipe) open(ctx context.Context, args []string) (end func(), err error) {
	if p.o.listening {
		p.s, end, err = p.o.dgramRecvOptions.open(ctx, p.e, args)
		return end, err
	}
	if len(args) == 0 {
		return nil, usagef("needs an address to send to").hint("to wait for the other side: --listen")
	}
	a, err := parseAddressArgs(args, useConnect)
	if err != nil {
		return nil, err
	}
	cfg, err := p.o.config()
	if err != nil {
		return nil, err
	}
	if err := p.o.events.open(p.e); err != nil {
		return nil, err
	}
	if p.s, err = p.o.connect(ctx, a, cfg); err != nil {
		return nil, err
	}
	p.name = a.String()
	p.again = secondChance{cfg: cfg, left: p.s.Others()}
	close(p.known)
	return func() { _ = p.socket().Close() }, nil // everything has been sent
}

// sendStdin sends stdin once there is somebody to send it to.
func (p *dgramPipe) sendStdin(ctx context.Context) { p.sent <- p.sendFrames(ctx) }

func (p *dgramPipe) sendFrames(ctx context.Context) error {
	select {
	case <-p.known:
	case <-ctx.Done():
		return nil
	}
	if p.o.input.noStdin || p.e.stdin != nil && socket.ClassifyInput(p.e.stdin) == socket.NoInput {
		<-ctx.Done() // there is no stdin that could end
		return nil
	}
	in, err := p.o.input.open(ctx, p.e)
	if err != nil {
		return err
	}
	defer in.Close()
	var b []byte
	for {
		b, err = in.next(b)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return inputFailure(err)
		}
		if err := p.send(ctx, b); err != nil {
			return err
		}
		if p.o.events.on() {
			p.o.events.send("datagram", datagramEvent{To: p.to(), Length: len(b)})
		}
		p.touch()
	}
}

// send sends one datagram, and all of them again to the next address when the
// one in use refuses.
func (p *dgramPipe) send(ctx context.Context, b []byte) error {
	p.mu.Lock()
	if len(p.again.left) == 0 {
		p.mu.Unlock() // the socket does not change any more, and may take its time
		_, err := p.s.SendTo(b, p.peer)
		return err
	}
	defer p.mu.Unlock()
	p.again.keep(b)
	_, err := p.s.SendTo(b, p.peer)
	return p.sendAgain(ctx, err)
}

// sendAgain goes on with the next address as long as err says that the one in
// use refuses, and returns the error that remains. The lock is held.
func (p *dgramPipe) sendAgain(ctx context.Context, err error) error {
	for err != nil {
		s := p.again.next(ctx, err)
		if s == nil {
			return err
		}
		p.e.verbosef("%s refuses; sending to %s", p.s.Remote(), s.Remote())
		_ = p.s.Close() // what it sent was refused
		p.s = s
		interruptible(ctx, s)
		err = nil
		for i := 0; i < len(p.again.kept) && err == nil; i++ {
			_, err = s.SendTo(p.again.kept[i], socket.PacketAddr{})
		}
	}
	return nil
}

// moveOn answers an error of receiving from s as sendAgain does, unless sending
// has moved on already.
func (p *dgramPipe) moveOn(ctx context.Context, s *socket.DatagramSocket, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.s != s {
		return nil
	}
	return p.sendAgain(ctx, err)
}

// settle stays with the address in use: somebody has answered.
func (p *dgramPipe) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.again.drop()
}

// socket is the socket in use.
func (p *dgramPipe) socket() *socket.DatagramSocket {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.s
}

// to is the address of the peer.
func (p *dgramPipe) to() string {
	if p.peer.IsZero() {
		return p.socket().Remote().String()
	}
	return p.peer.String()
}

// target names the peer in messages.
func (p *dgramPipe) target() string {
	if p.name == "" {
		return p.to()
	}
	return p.name
}

// touch notes that something came or went.
func (p *dgramPipe) touch() {
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

// watch ends ctx after the time-outs, and when sending failed.
func (p *dgramPipe) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	var idle, late <-chan time.Time
	for {
		if p.o.idle > 0 {
			idle = time.After(p.o.idle)
		}
		select {
		case <-p.moved:
		case <-idle:
			cancel(failf(statusTimeout, "idle-timeout", "idle time-out: nothing has come or gone for %v", p.o.idle))
			return
		case err := <-p.sent:
			if err != nil {
				cancel(packetOrLocal(err, p.target()))
				return
			}
			if p.o.afterEOF > 0 {
				late = time.After(p.o.afterEOF)
			}
		case <-late:
			cancel(errPipeDone)
			return
		case <-ctx.Done():
			return
		}
	}
}

// packetOrLocal explains an error of sending, unless it is one of the input.
func packetOrLocal(err error, target string) error {
	var f *failure
	if errors.As(err, &f) {
		return err
	}
	return packetFailure("send", target, err)
}

// receive prints what the peer sends.
func (p *dgramPipe) receive(ctx context.Context) error {
	buf := make([]byte, p.o.size)
	for p.o.count == 0 || p.n < p.o.count {
		s := p.socket()
		if err := waitFor(ctx, s, 0); err != nil && ctx.Err() != nil {
			return err
		}
		n, from, truncated, err := s.ReceiveFrom(buf)
		switch err = received(ctx, err); {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			if err = p.moveOn(ctx, s, err); err != nil {
				return packetFailure("receive", p.target(), err)
			}
			continue
		case !p.fromPeer(from):
			continue
		}
		p.settle()
		p.touch()
		if err := p.take(socket.Message{Data: buf, N: n, Addr: from, Truncated: truncated}); err != nil {
			return err
		}
		if err := p.out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// fromPeer makes the first sender the peer, and leaves the others out.
func (p *dgramPipe) fromPeer(from socket.PacketAddr) bool {
	if !p.o.listening {
		return true
	}
	select {
	case <-p.known:
		return from == p.peer
	default:
	}
	p.peer = from
	if !from.IsZero() {
		close(p.known)
	}
	return true
}
