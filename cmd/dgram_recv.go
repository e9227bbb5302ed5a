package cmd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

type dgramRecvOptions struct {
	dgramFlags
	printFlags
	readyFlags
	count        int
	wait         time.Duration
	output       string
	replaceStale bool
	mode         modeValue
}

// receiveBatch is how many datagrams are taken from the system at once.
const receiveBatch = 64

func newDgramRecvCmd(e *env) *cobra.Command {
	var o dgramRecvOptions
	c := &cobra.Command{
		Use:   "recv [ADDR]",
		Short: "receive datagrams and print them",
		Long: `Receives datagrams for ADDR and writes them to stdout as they are, one after the
other, until --count have come or a signal ends it. Listening on the address of a
multicast group joins it. ADDR may be fd:N, a socket that brio was started with;
without ADDR it is the first socket of systemd's socket activation. Datagrams that
were cut, or lost because the system's buffer was full, are reported on stderr.`,
		Example: `  brio dgram recv :5000
  brio dgram recv --count 1 --wait 5s 127.0.0.1:5000
  brio dgram recv --json --port-file port 127.0.0.1:0
  brio dgram recv --join 239.1.2.3%lo :5000
  brio dgram recv --print lines unix:log.sock`,
		Args:              wantArgs(0, 2, "one address to receive for"),
		ValidArgsFunction: completeAddress,
		RunE:              e.run(func(ctx context.Context, args []string) error { return runDgramRecv(ctx, e, &o, args) }),
	}
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.IntVarP(&o.count, "count", "c", 0, "end after `N` datagrams")
		durationVar(f, &o.wait, "wait", 0, "end when none has come for `DURATION`: with status 5 if there were none, or fewer than --count")
		f.StringVarP(&o.output, "output", "o", "", "write to `FILE` (-: stdout)")
		o.printFlags.add(f)
	})
	o.addListen(c)
	o.addSocket(c)
	return exits(results(e, answers(c), datagramResult{}),
		statusLine{statusTimeout, "nothing came in time"},
		statusLine{statusLocalAddr, ""},
		statusLine{statusDenied, ""},
	)
}

// maxRoom is the most that --size may be: there is room for a batch.
const maxRoom = 1 << 20

// check refuses numbers that make no sense.
func (o *dgramRecvOptions) check() error {
	if o.count < 0 {
		return usagef("--count is a positive number")
	}
	return o.printFlags.check()
}

// addListen defines the flags of a socket that waits.
func (o *dgramRecvOptions) addListen(c *cobra.Command) {
	flagGroup(c, "Listening", func(f *pflag.FlagSet) {
		o.readyFlags.add(f)
		f.BoolVar(&o.replaceStale, "replace-stale", false, "replace a UNIX socket that nobody uses any more")
		f.BoolVar(&o.replaceStale, "unlink", false, "the same as --replace-stale")
		f.Lookup("unlink").Hidden = true
		f.Var(&o.mode, "mode", "give the UNIX socket the permissions `MODE` (octal)")
	})
}

// open makes the socket and tells that it is there. The caller calls the
// function returned at the end.
func (o *dgramRecvOptions) open(ctx context.Context, e *env, args []string) (*socket.DatagramSocket, func(), error) {
	cfg, err := o.config()
	if err != nil {
		return nil, nil, err
	}
	cfg.ReplaceStale, cfg.Mode = o.replaceStale, o.mode.mode
	if err := o.events.open(e); err != nil {
		return nil, nil, err
	}
	s, err := o.listen(ctx, args, cfg)
	if err != nil {
		return nil, nil, err
	}
	done, err := o.ready(ctx, e, &o.readyFlags, s)
	end := func() {
		done()
		_ = s.Close() // only receives
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return s, end, nil
}

func runDgramRecv(ctx context.Context, e *env, o *dgramRecvOptions, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.output != "" && e.format != "text" && !e.dropGeneralFormat() {
		return usagef("--output is for the data; results of --format %s go to stdout", e.format)
	}
	out, err := e.openSink(o.output)
	if err != nil {
		return err
	}
	s, end, err := o.open(ctx, e, args)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	defer end()
	ctx, stop := watchSink(ctx, out)
	defer stop()
	defer interruptible(ctx, s)()
	r := &receiving{o: o, e: e, s: s, out: bufio.NewWriterSize(out, 256<<10), start: time.Now()}
	err = r.run(ctx)
	if ferr := r.out.Flush(); err == nil {
		err = ferr
	}
	o.events.send("closed", recvTotals{Datagrams: r.n, Bytes: r.bytes, Drops: o.reportDrops(e, s)})
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

// recvTotals end the events of a receiver.
type recvTotals struct {
	Datagrams int    `json:"datagrams"`
	Bytes     int64  `json:"bytes"`
	Drops     uint64 `json:"drops"`
}

// A receiving prints the datagrams of one socket.
type receiving struct {
	o     *dgramRecvOptions
	e     *env
	s     *socket.DatagramSocket
	out   *bufio.Writer
	start time.Time
	n     int
	bytes int64
}

func (r *receiving) run(ctx context.Context) error {
	ms := make([]socket.Message, receiveBatch)
	for i := range ms {
		ms[i].Data = make([]byte, r.o.size)
	}
	for r.o.count == 0 || r.n < r.o.count {
		if err := waitFor(ctx, r.s, r.o.wait); err != nil {
			return err
		}
		room := ms
		if r.o.count > 0 {
			room = ms[:min(len(ms), r.o.count-r.n)] // what comes later is not ours to take
		}
		n, err := r.s.ReceiveBatch(room)
		if err = received(ctx, err); errors.Is(err, errNothingCame) {
			return r.silence()
		} else if err != nil {
			return err
		}
		for _, m := range room[:n] {
			if err := r.take(m); err != nil {
				return err
			}
		}
		if err := r.out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// silence is the end of a wait: a failure if too little came.
func (r *receiving) silence() error {
	if r.n > 0 && r.o.count == 0 {
		return nil
	}
	f := failf(statusTimeout, "nothing-received", "nothing came in %v", r.o.wait)
	if r.n > 0 {
		f.err = errors.New("only " + plural(r.n, "datagram") + " of " + plural(r.o.count, "datagram") + " came in time")
	}
	f.target = placeOf(r.s.LocalAddr())
	return f
}

func (r *receiving) take(m socket.Message) error {
	r.n++
	r.bytes += int64(m.N)
	if r.o.events.on() {
		r.o.events.send("datagram", receivedEvent(m))
	}
	r.e.verbosef("%d bytes from %s", m.N, orUnnamed(m.Addr))
	if m.Truncated {
		r.e.note("%s: a datagram was longer than %d bytes and cut", orUnnamed(m.Addr), len(m.Data))
	}
	if r.e.format == "text" {
		return r.o.print(r.out, m)
	}
	return emit(r.e, newDatagramResult(m, r.o.encoding, r.start), nil)
}

// orUnnamed is the address, or a word for none.
func orUnnamed(a socket.PacketAddr) string {
	if a.IsZero() {
		return "an unnamed socket"
	}
	return placeOf(a)
}

// watchSink ends the context when nobody reads out any more.
func watchSink(parent context.Context, out io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	s, ok := out.(*sink)
	if !ok {
		return ctx, func() { cancel(nil) }
	}
	stop := socket.WatchOutput(s.w, func() { cancel(errStdoutGone) })
	return ctx, func() { stop(); cancel(nil) }
}
