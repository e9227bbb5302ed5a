package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

type dgramSendOptions struct {
	dgramFlags
	printFlags
	input    inputFlags
	count    int
	interval time.Duration
	rate     int
	wait     time.Duration
	replies  int
	gso      bool
	segment  int       // size of the datagrams with gso, else 0
	due      time.Time // when the next datagram may be sent, with rate
}

// sendBatch is how many datagrams are handed to the system at once when they
// are there already.
const sendBatch = 256

func newDgramSendCmd(e *env) *cobra.Command {
	var o dgramSendOptions
	c := &cobra.Command{
		Use:   "send ADDR...",
		Short: "send datagrams, and wait for replies if asked to",
		Long: `Sends stdin, or what --data or --file give, to each ADDR: as one datagram, or cut
by --framing. With --wait it waits for replies and prints them; when none comes in
that time the status is 5, and when the peer's system refuses it is 4.`,
		Example: `  echo hello | brio dgram send localhost:9000
  brio dgram send --data ping --wait 2s localhost:9000
  printf 'a\nb\n' | brio dgram send --framing lines localhost:9000 127.0.0.1:9000
  brio dgram send --broadcast --data hello 192.0.2.255:9999
  brio dgram send --data-encoding hex --data 0a0b0c --wait 2s --json localhost:9000`,
		Args:              wantArgs(1, -1, "addresses to send to"),
		ValidArgsFunction: completeAddress,
		RunE:              e.run(func(ctx context.Context, args []string) error { return runDgramSend(ctx, e, &o, args) }),
	}
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		o.input.add(f)
		f.IntVarP(&o.count, "count", "c", 1, "send everything `N` times")
		durationVar(f, &o.interval, "interval", time.Second, "with --count, wait `DURATION` in between")
		f.IntVar(&o.rate, "rate", 0, "send at most `N` datagrams a second")
		f.BoolVar(&o.gso, "gso", false, "with --framing SIZE, let the kernel cut the datagrams: fast enough to overrun receivers, see --rate (Linux)")
		o.addSource(f)
	})
	flagGroup(c, "Replies", func(f *pflag.FlagSet) {
		durationVar(f, &o.wait, "wait", 0, "wait up to `DURATION` for replies; status 5 if none comes")
		f.IntVar(&o.replies, "replies", 1, "end after `N` replies from a peer (0: take all that come in time)")
		o.printFlags.add(f)
	})
	o.addSocket(c)
	completeFraming(c)
	exclusive(c, "data", "file")
	exclusive(c, "data", "gso")
	return exits(results(e, answers(c), sendResult{}),
		statusLine{statusNotFound, "no such name"},
		statusLine{statusRefused, "refused: nobody receives there"},
		statusLine{statusTimeout, "no reply in time"},
		statusLine{statusUnreachable, ""},
		statusLine{statusLocalAddr, ""},
		statusLine{statusDenied, "not permitted, such as broadcast without --broadcast"},
		statusLine{statusPartial, "some of several addresses failed"},
	)
}

// A sendResult is what sending to one address came to.
type sendResult struct {
	Target    string           `json:"target"`
	Local     string           `json:"local"`
	Datagrams int              `json:"datagrams"`
	Bytes     int64            `json:"bytes"`
	Millis    float64          `json:"elapsed_ms"`
	Replies   []datagramResult `json:"replies"`
}

// A sending is the work for one address.
type sending struct {
	o      *dgramSendOptions
	e      *env
	a      address
	s      *socket.DatagramSocket
	result sendResult
	start  time.Time
	last   time.Time // of the last datagram sent
	again  secondChance
	err    error

	messages []socket.Message // scratch space of hand
}

func runDgramSend(ctx context.Context, e *env, o *dgramSendOptions, args []string) error {
	if o.count < 1 || o.replies < 0 || o.rate < 0 {
		return usagef("--count is at least 1, --replies and --rate at least 0")
	}
	if err := o.printFlags.check(); err != nil {
		return err
	}
	if err := e.checkNeeds(flagNeed{"interval", "--count", o.count > 1 || e.onCommandLine("count")}, flagNeed{"replies", "--wait", o.wait > 0}); err != nil {
		return err
	}
	cfg, err := o.config()
	if err != nil {
		return err
	}
	if o.segment, err = o.segmentSize(); err != nil {
		return err
	}
	if len(args) == 2 && !strings.Contains(args[0], ":") && isPort(args[1]) {
		args = []string{args[0] + ":" + args[1]}
	}
	targets := make([]*sending, len(args))
	for i, s := range args {
		a, err := parseAddress(s, useConnect)
		if f := (*failure)(nil); i > 0 && errors.As(err, &f) {
			return f.hint("what is sent comes from stdin, --data TEXT or --file FILE")
		}
		if err != nil {
			return err
		}
		targets[i] = &sending{o: o, e: e, a: a, result: sendResult{Target: a.String(), Replies: []datagramResult{}}}
	}
	if err := o.events.open(e); err != nil {
		return err
	}
	for _, t := range targets {
		t.open(ctx, cfg)
		defer t.close()
	}
	err = o.sendAll(ctx, e, targets)
	if err == nil {
		o.collect(ctx, targets)
	}
	return o.finish(e, targets, err)
}

func (t *sending) open(ctx context.Context, cfg socket.PacketConfig) {
	t.start = time.Now()
	s, err := t.o.connect(ctx, t.a, cfg)
	if err != nil {
		t.err = err
		return
	}
	t.again = secondChance{cfg: cfg, left: s.Others()}
	t.use(ctx, s)
}

// use makes s the socket to send through.
func (t *sending) use(ctx context.Context, s *socket.DatagramSocket) {
	interruptible(ctx, s)
	t.s, t.result.Local = s, placeOf(s.LocalAddr())
	if t.o.segment == 0 {
		return
	}
	if err := s.SetSegment(t.o.segment); err != nil {
		t.err = &failure{err: err, op: "send", target: t.a.String()}
	}
}

func (t *sending) close() {
	if t.s != nil {
		_ = t.s.Close() // everything has been sent
	}
}

// sendAll sends the input to all targets, --count times.
func (o *dgramSendOptions) sendAll(ctx context.Context, e *env, targets []*sending) error {
	in, err := o.input.open(ctx, e)
	if err != nil {
		return err
	}
	defer in.Close()
	kept, err := o.sendInput(ctx, in, targets)
	for n := 1; n < o.count && err == nil; n++ {
		if err = sleep(ctx, o.interval); err == nil {
			err = o.sendBatch(ctx, kept, targets)
		}
	}
	return err
}

// sendInput sends the input once. With --count it returns the datagrams, which
// the input cannot give again.
func (o *dgramSendOptions) sendInput(ctx context.Context, in *frames, targets []*sending) (kept [][]byte, err error) {
	pool := make([][]byte, sendBatch)
	for {
		n := 0
		for n < sendBatch && err == nil && (n == 0 || !in.waiting()) {
			pool[n], err = in.next(pool[n])
			if err == nil {
				n++
			}
		}
		if ctx.Err() != nil {
			return kept, context.Cause(ctx)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return kept, inputFailure(err)
		}
		if o.count > 1 {
			for _, b := range pool[:n] {
				kept = append(kept, append([]byte(nil), b...))
			}
		}
		if serr := o.sendBatch(ctx, pool[:n], targets); serr != nil {
			return kept, serr
		}
		if err != nil {
			return kept, nil
		}
	}
}

// inputFailure says that reading stdin or the file failed.
func inputFailure(err error) error {
	var f *failure
	if errors.As(err, &f) {
		return err
	}
	return &failure{err: plainCause(err), target: "stdin", op: "read", status: statusLocalIO}
}

// sendBatch sends the datagrams to every target that has not failed, not faster
// than --rate. It fails when no target is left.
func (o *dgramSendOptions) sendBatch(ctx context.Context, batch [][]byte, targets []*sending) error {
	for len(batch) > 0 {
		part := batch
		if o.rate > 0 {
			part = batch[:min(len(batch), max(1, o.rate/50))] // at most what 20 ms are worth
		}
		alive := false
		for _, t := range targets {
			if t.err == nil {
				t.send(ctx, part)
			}
			alive = alive || t.err == nil
		}
		if !alive {
			return nil
		}
		batch = batch[len(part):]
		if err := o.pace(ctx, len(part)); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// pace waits until the next datagram is due after n were sent. Pauses too short
// for the clock are saved up.
func (o *dgramSendOptions) pace(ctx context.Context, n int) error {
	if o.rate == 0 {
		return context.Cause(ctx)
	}
	now := time.Now()
	if o.due.Before(now.Add(-20 * time.Millisecond)) {
		o.due = now // a pause of the input is not made up for
	}
	o.due = o.due.Add(time.Duration(n) * time.Second / time.Duration(o.rate))
	if o.due.Sub(now) < 2*time.Millisecond {
		return context.Cause(ctx)
	}
	return sleep(ctx, o.due.Sub(now))
}

// send sends a batch, and notes the failure if it does not succeed.
func (t *sending) send(ctx context.Context, batch [][]byte) {
	t.again.keep(batch...)
	err := t.hand(batch)
	if err != nil && ctx.Err() == nil {
		err = t.sendAgain(ctx, err)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		t.err = packetFailure("send", t.a.String(), err)
	}
}

// hand hands datagrams to the system.
func (t *sending) hand(batch [][]byte) error {
	t.messages = slices.Grow(t.messages[:0], len(batch))[:len(batch)]
	ms := t.messages
	for i, b := range batch {
		ms[i].Data = b
	}
	send := t.s.SendBatch
	if t.o.segment > 0 {
		send = t.sendSegments
	}
	n, err := send(ms)
	for i := range ms[:n] {
		t.result.Bytes += int64(ms[i].N)
		if t.o.events.on() {
			t.o.events.send("datagram", datagramEvent{To: t.a.String(), Length: ms[i].N})
		}
	}
	t.result.Datagrams += n
	t.last = time.Now()
	return err
}

// sendAgain sends everything to the next address as long as err says that the
// one in use refuses. It returns the error that remains.
func (t *sending) sendAgain(ctx context.Context, err error) error {
	for err != nil {
		s := t.again.next(ctx, err)
		if s == nil {
			return err
		}
		t.e.verbosef("%s refuses; sending to %s", t.s.Remote(), s.Remote())
		_ = t.s.Close() // what it sent was refused
		t.use(ctx, s)
		t.result.Datagrams, t.result.Bytes = 0, 0
		err = t.hand(t.again.kept)
	}
	return nil
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// collect waits for the replies to all targets at once. Printing is left to
// one goroutine.
func (o *dgramSendOptions) collect(ctx context.Context, targets []*sending) {
	done := make(chan struct{})
	replies := make(chan reply)
	for _, t := range targets {
		go func() {
			if t.err == nil {
				t.err = t.receive(ctx, replies)
			}
			done <- struct{}{}
		}()
	}
	for left := len(targets); left > 0; {
		select {
		case r := <-replies:
			r.printed <- r.from.print(r.m)
		case <-done:
			left--
		}
	}
}

// A reply is a datagram on its way to be printed.
type reply struct {
	from    *sending
	m       socket.Message
	printed chan error
}

// noticeRefusal is how long to look for a refusal when no reply is awaited. On
// this host it has come before send returns.
const noticeRefusal = time.Millisecond

// receive waits for replies, or where none is wanted looks whether the peer's
// system has refused.
func (t *sending) receive(ctx context.Context, replies chan<- reply) error {
	buf := make([]byte, t.o.size)
	deadline := t.deadline()
	for t.o.wait == 0 || t.o.replies == 0 || len(t.result.Replies) < t.o.replies {
		if err := waitFor(ctx, t.s, max(time.Until(deadline), 1)); err != nil {
			return at(t.a.String(), err)
		}
		n, from, truncated, err := t.s.ReceiveFrom(buf)
		switch err = received(ctx, err); {
		case errors.Is(err, errNothingCame):
			return t.silence()
		case err != nil && ctx.Err() != nil:
			return at(t.a.String(), err)
		case err != nil:
			if err = t.sendAgain(ctx, err); err != nil {
				return packetFailure("receive", t.a.String(), err)
			}
			deadline = t.deadline()
			continue
		case t.o.wait == 0:
			return nil // a reply nobody asked for
		}
		t.again.drop()
		r := reply{t, socket.Message{Data: buf, N: n, Addr: from, Truncated: truncated}, make(chan error, 1)}
		replies <- r
		if err := <-r.printed; err != nil {
			return err
		}
	}
	return nil
}

// deadline is when to stop waiting for replies.
func (t *sending) deadline() time.Time {
	if t.o.wait == 0 {
		return time.Now().Add(noticeRefusal)
	}
	return t.last.Add(t.o.wait)
}

// silence is the end of a wait, and a failure if too few replies came.
func (t *sending) silence() error {
	if t.o.wait == 0 || len(t.result.Replies) >= max(t.o.replies, 1) {
		return nil
	}
	f := &failure{err: &timeoutError{"waiting for a reply", t.o.wait}, op: "receive", target: t.a.String(), status: statusTimeout, kind: "no-reply"}
	if got := len(t.result.Replies); got > 0 {
		f.err = fmt.Errorf("only %d of %d replies came in %v", got, t.o.replies, t.o.wait)
	}
	return f
}

// print keeps a reply for JSON, or prints it.
func (t *sending) print(m socket.Message) error {
	t.o.events.send("datagram", receivedEvent(m))
	if m.Truncated {
		t.e.note("%s: a datagram was longer than %d bytes and cut", m.Addr, len(m.Data))
	}
	t.result.Replies = append(t.result.Replies, newDatagramResult(m, t.o.encoding, t.last))
	if t.e.format != "text" {
		return nil
	}
	return t.o.print(t.e.out, m)
}

// finish prints the results and returns the failure of the run.
func (o *dgramSendOptions) finish(e *env, targets []*sending, err error) error {
	failed := 0
	var first error
	for _, t := range targets {
		if t.err == nil {
			t.err = err
		}
		t.result.Millis = float64(time.Since(t.start).Microseconds()) / 1000
		e.verbosef("%s: sent %s of %d bytes in all; replies: %d", t.a, plural(t.result.Datagrams, "datagram"), t.result.Bytes, len(t.result.Replies))
		if e.format != "text" {
			if werr := emitFailed(e, t.result, t.err, nil); werr != nil {
				return werr
			}
		}
		if t.err == nil {
			continue
		}
		failed++
		if first == nil {
			first = t.err
			continue
		}
		o.events.send("error", errorObjectOf(t.err, statusOf(t.err)))
		e.report(t.err, statusOf(t.err))
	}
	if err == nil && failed > 0 && failed < len(targets) {
		return &failure{err: first, status: statusPartial}
	}
	return first
}
