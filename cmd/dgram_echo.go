package cmd

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

func newDgramEchoCmd(e *env) *cobra.Command {
	o := dgramRecvOptions{}
	o.size = 65535
	c := &cobra.Command{
		Use:   "echo [ADDR]",
		Short: "send every datagram back to its sender",
		Long: `Sends every datagram that comes for ADDR back to its sender, unchanged, until
--count have come or a signal ends it. Datagrams of senders without an address
cannot be answered; they are counted and dropped. ADDR may be fd:N, and without
ADDR the first socket of systemd's socket activation is used.`,
		Example: `  brio dgram echo :7777
  brio dgram echo --port-file port 127.0.0.1:0
  brio dgram echo --events json unix:echo.sock
  brio dgram echo --count 1 [::1]:7777`,
		Args:              wantArgs(0, 2, "one address to receive for"),
		ValidArgsFunction: completeAddress,
		RunE:              e.run(func(ctx context.Context, args []string) error { return runDgramEcho(ctx, e, &o, args) }),
	}
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.IntVarP(&o.count, "count", "c", 0, "end after `N` datagrams")
		durationVar(f, &o.wait, "wait", 0, "end when none has come for `DURATION`: with status 5 if there were none, or fewer than --count")
	})
	o.addListen(c)
	o.addSocket(c)
	return exits(pipesData(c),
		statusLine{statusTimeout, "nothing came in time"},
		statusLine{statusLocalAddr, ""},
		statusLine{statusDenied, ""},
	)
}

func runDgramEcho(ctx context.Context, e *env, o *dgramRecvOptions, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	s, end, err := o.open(ctx, e, args)
	if err != nil {
		return err
	}
	defer end()
	defer interruptible(ctx, s)()
	r := &receiving{o: o, e: e, s: s, start: time.Now()}
	err = r.echo(ctx)
	o.events.send("closed", recvTotals{Datagrams: r.n, Bytes: r.bytes, Drops: o.reportDrops(e, s)})
	return err
}

// echo sends datagrams back. A sender that has gone in the meantime is no
// failure of the service.
func (r *receiving) echo(ctx context.Context) error {
	buf := make([]byte, r.o.size)
	for r.o.count == 0 || r.n < r.o.count {
		if err := waitFor(ctx, r.s, r.o.wait); err != nil {
			return err
		}
		n, from, truncated, err := r.s.ReceiveFrom(buf)
		switch err = received(ctx, err); {
		case err == errNothingCame:
			return r.silence()
		case socket.ErrorID(err) == socket.ConnectionRefused:
			continue // of an answer sent before
		case err != nil:
			return err
		}
		r.n++
		r.bytes += int64(n)
		r.o.events.send("datagram", datagramEvent{From: placeOf(from), Length: n, Truncated: truncated})
		r.e.verbosef("%d bytes from %s", n, orUnnamed(from))
		if from.IsZero() {
			continue
		}
		if _, err := r.s.SendTo(buf[:n], from); err != nil {
			r.e.verbosef("%v", err)
		}
	}
	return nil
}
