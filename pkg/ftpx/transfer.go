package ftpx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// FXP says whether two servers may exchange a file directly.
type FXP int

const (
	// FXPAuto tries a direct transfer, and relays when the servers refuse.
	FXPAuto FXP = iota
	// FXPOnly fails rather than relay.
	FXPOnly
	// FXPNever relays.
	FXPNever
)

// fxpStart bounds the wait for two servers to find each other. Some never
// answer when the other is a stranger to them.
const fxpStart = 15 * time.Second

// An Endpoint is a file on a server.
type Endpoint struct {
	Config Config
	File   string
}

// TransferOptions say how to copy a file from server to server. The zero value
// does it in binary mode, directly when both servers agree.
type TransferOptions struct {
	Mode Mode
	FXP  FXP
	// ClearData lets a direct transfer between TLS sessions go in clear when the
	// servers cannot protect it (no SSCN).
	ClearData bool
	// StartTimeout bounds the start of a direct transfer. Zero means 15 s.
	StartTimeout time.Duration
	// Retry says how often to begin again. Attempt is told before each attempt,
	// counting from zero; nil means nobody.
	Retry   Retry
	Attempt func(n int)
	// Rate and Progress are those of a relay.
	Rate     int64
	Progress func(moved int64)
}

// A TransferResult says how a file went from server to server.
type TransferResult struct {
	Via       string // "fxp" or "relay"
	Bytes     int64  // size of the file, negative when neither server tells
	Protected bool   // the data went through TLS
	// FXPError is why a direct transfer was not possible, nil when it was or was
	// not tried.
	FXPError error
}

// Transfer copies a file from one server to another: directly (FXP) when both
// allow it, otherwise through this process, without touching the disk. What is
// left of a failed attempt is overwritten by the next.
func Transfer(ctx context.Context, from, to Endpoint, opt TransferOptions) (TransferResult, error) {
	src, dst := &Session{Config: from.Config}, &Session{Config: to.Config}
	defer src.Close()
	defer dst.Close()
	switched := false
	for attempt := 0; ; attempt++ {
		if opt.Attempt != nil {
			opt.Attempt(attempt)
		}
		t := &transfer{ctx: ctx, from: from.File, to: to.File, opt: opt, result: TransferResult{Bytes: -1}}
		t.opt.StartTimeout = orDefault(opt.StartTimeout, fxpStart)
		err := t.run(src, dst)
		if err != nil && !switched && (src.abandoned() || dst.abandoned()) {
			switched = true
			attempt--
			continue
		}
		if err == nil || attempt >= opt.Retry.Times || !Temporary(err) || ctx.Err() != nil || !opt.Retry.wait(ctx, attempt, err) {
			return t.result, err
		}
	}
}

func (t *transfer) run(src, dst *Session) error {
	if t.opt.FXP != FXPNever {
		if err := t.open(src, dst); err != nil {
			return err
		}
		err := t.direct()
		if err == nil || t.opt.FXP == FXPOnly || t.final() {
			t.result.Via = "fxp"
			return err
		}
		t.result.FXPError = err
		if t.started {
			// Servers end sessions after a failed transfer, and not at once.
			_ = errors.Join(src.Close(), dst.Close())
		}
	}
	if err := t.open(src, dst); err != nil {
		return err
	}
	t.result.Via, t.result.Protected = "relay", false
	return t.relay()
}

type transfer struct {
	ctx      context.Context
	src, dst *Client
	from, to string
	opt      TransferOptions
	result   TransferResult
	noFile   bool // the source has no such file
	started  bool // a direct transfer went as far as RETR
}

func (t *transfer) open(src, dst *Session) (err error) {
	if t.src, err = src.Client(t.ctx); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if t.dst, err = dst.Client(t.ctx); err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	return nil
}

// final reports whether a relay would fail just the same.
func (t *transfer) final() bool { return t.noFile || t.ctx.Err() != nil }

// relay reads from one server and writes to the other.
func (t *transfer) relay() error {
	in, err := t.src.Open(t.ctx, t.from, OpenOptions{Mode: t.opt.Mode, EOL: KeepLineEnd, Rate: t.opt.Rate, Progress: t.opt.Progress})
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	out, err := t.dst.Open(t.ctx, t.to, OpenOptions{Direction: Output, Mode: t.opt.Mode})
	if err != nil {
		return errors.Join(fmt.Errorf("destination: %w", err), ignoreAborted(in.Abort()))
	}
	_, err = out.ReadFrom(in)
	if err == nil && !in.d.cutShort() {
		err = out.Close()
	} else {
		err = errors.Join(err, ignoreAborted(out.Abort()))
	}
	if cerr := in.Close(); cerr != nil {
		return fmt.Errorf("source: %w", cerr)
	}
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	t.result.Bytes = in.Moved()
	t.result.Protected = in.d.secure != nil && out.d.secure != nil
	return t.compare(in.Moved())
}

// direct makes the destination listen and the source connect to it.
func (t *transfer) direct() error {
	for _, c := range []*Client{t.src, t.dst} {
		if err := c.begin(t.ctx); err != nil {
			return err
		}
		if err := c.chooseType(t.opt.Mode); err != nil {
			return err
		}
	}
	size, err := t.src.size(t.from)
	if err != nil {
		size = -1
		t.noFile = t.src.last.Code == 550 && t.opt.Mode == Binary
		if t.noFile || t.src.dead != nil {
			return fmt.Errorf("source: %w", err)
		}
	}
	restore, err := t.agreeOnTLS()
	if err != nil {
		return err
	}
	defer restore()
	if err := t.connect(); err != nil {
		return err
	}
	if err := t.exchangeFile(size); err != nil {
		return err
	}
	t.result.Bytes = size
	return t.compare(size)
}

// agreeOnTLS prepares the data connection: in clear, or with one of the servers
// as the TLS client (SSCN). The returned function undoes it.
func (t *transfer) agreeOnTLS() (restore func(), err error) {
	srcTLS, dstTLS := t.src.protected(), t.dst.protected()
	if !srcTLS && !dstTLS {
		return func() {}, nil
	}
	if srcTLS && dstTLS {
		// The destination first: a source that is the TLS client closes with
		// unread session tickets of TLS 1.3, which resets the connection.
		for _, c := range []*Client{t.dst, t.src} {
			if !c.Has("SSCN") {
				continue
			}
			if reply, err := c.exchange(t.ctx, "SSCN ON"); err != nil || reply.completed() {
				t.result.Protected = err == nil
				return func() { _, _ = c.exchange(t.ctx, "SSCN OFF") }, err
			}
		}
	}
	if !t.opt.ClearData {
		return nil, fmt.Errorf("direct transfer with TLS: %w", ErrNotSupported)
	}
	return t.clearData(srcTLS, dstTLS)
}

func (t *transfer) clearData(srcTLS, dstTLS bool) (restore func(), err error) {
	var changed []*Client
	restore = func() {
		for _, c := range changed {
			_, _ = c.exchange(t.ctx, "PROT P") // a relay that follows fails loudly if this did
		}
	}
	for c, secure := range map[*Client]bool{t.src: srcTLS, t.dst: dstTLS} {
		if !secure {
			continue
		}
		reply, err := c.exchange(t.ctx, "PROT C")
		if err == nil {
			err = reply.err("PROT C")
		}
		if err != nil {
			restore()
			return nil, err
		}
		changed = append(changed, c)
	}
	return restore, nil
}

// protected reports whether data connections go through TLS.
func (c *Client) protected() bool { return c.tls != nil && !c.cfg.ClearData }

// connect tells the source where the destination listens. The address is that of
// the destination's control connection, not the one in its reply, which could
// send the source anywhere.
func (t *transfer) connect() error {
	ip := t.dst.remoteIP()
	if !ip.IsValid() {
		return fmt.Errorf("address of the destination: %w", ErrNotSupported)
	}
	port, err := t.dst.openRemotePort(ip)
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	if err := t.src.announce(t.ctx, ip, &net.TCPAddr{Port: port}); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	return nil
}

// openRemotePort asks for a passive port without connecting to it. PASV comes
// first: some servers limit EPSV to the client's own address.
func (c *Client) openRemotePort(ip netip.Addr) (int, error) {
	verb, parse := "PASV", parsePassive
	if !ip.Is4() {
		verb, parse = "EPSV", parseExtendedPassive
	}
	reply, err := c.exchange(c.ctx, verb)
	if err != nil {
		return 0, err
	}
	if err := reply.err(verb); err != nil {
		return 0, err
	}
	return parse(reply.Text())
}

// exchangeFile sends RETR first: a source without the file says so before STOR
// could empty the target.
func (t *transfer) exchangeFile(size int64) error {
	retr, stor := "RETR "+t.from, "STOR "+t.to
	t.started = true
	if err := t.src.ctl.send(retr); err != nil {
		return t.src.die(err)
	}
	t.src.lastCommand = retr
	// A source that waits for the TLS handshake, which needs the STOR, answers
	// only afterwards.
	first, err := t.src.ctl.receiveWithin(t.ctx, "RETR", 2*time.Second)
	answered := err == nil
	if err != nil && (!isTimeout(err) || t.ctx.Err() != nil) {
		return fmt.Errorf("source: %w", t.src.die(err))
	}
	if first.failed() {
		t.noFile = first.Code == 550
		return fmt.Errorf("source: %w", first.err(retr))
	}
	if answered && !first.preliminary() {
		t.src.ctl.unread(first)
	}
	if err := t.dst.ctl.send(stor); err != nil {
		return t.dst.die(err)
	}
	t.dst.lastCommand = stor
	return t.awaitBoth(size)
}

// awaitBoth waits for both final replies; the limit grows with the size.
func (t *transfer) awaitBoth(size int64) error {
	start, err := t.dst.ctl.receiveWithin(t.ctx, "STOR", t.opt.StartTimeout)
	if err != nil {
		t.src.die(err)
		return fmt.Errorf("destination: %w", t.dst.die(err))
	}
	t.dst.ctl.unread(start)
	limit := time.Minute + time.Duration(max(size, 1<<30)>>16)*time.Second // 64 KiB/s
	deadline := time.Now().Add(limit)
	dstErr := t.dst.finalWithin(t.ctx, time.Until(deadline))
	if dstErr != nil {
		deadline = time.Now().Add(t.opt.StartTimeout) // the source has nobody to send to
	}
	srcErr := t.src.finalWithin(t.ctx, time.Until(deadline))
	switch {
	case srcErr != nil && dstErr != nil:
		return fmt.Errorf("source: %w; destination: %w", srcErr, dstErr)
	case srcErr != nil:
		return fmt.Errorf("source: %w", srcErr)
	case dstErr != nil:
		return fmt.Errorf("destination: %w", dstErr)
	}
	return nil
}

func (c *Client) finalWithin(ctx context.Context, d time.Duration) error {
	for range maxPreliminary {
		reply, err := c.ctl.receiveWithin(ctx, verbOf(c.lastCommand), d)
		if err != nil {
			return c.die(err)
		}
		c.note(reply)
		if !reply.preliminary() {
			return reply.err(c.lastCommand)
		}
	}
	return c.die(fmt.Errorf("%w: no end of 1xx replies", ErrProtocol))
}

// compare asks the destination for the size.
func (t *transfer) compare(want int64) error {
	if t.opt.Mode == Text || want < 0 {
		return nil
	}
	got, err := t.dst.Size(t.ctx, t.to)
	if err != nil {
		return t.dst.Err() // a server without SIZE
	}
	if got != want {
		return fmt.Errorf("destination: %w", &SizeError{Got: got, Want: want})
	}
	return nil
}
