package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/brio-net/brio/pkg/socket"
	"github.com/brio-net/brio/pkg/tlsx"
)

// A service serves one connection until it ends; it does not close it.
type service func(ctx context.Context, c *socket.Conn, id int64) (socket.PipeResult, error)

// A server accepts connections and has them served.
type server struct {
	e      *env
	o      *listenOptions
	l      *socket.Listener
	serve  service
	access *access
	where  string // the place listened on, as the user named it

	giveUp   context.CancelCauseFunc // ends a server of many connections
	slots    chan struct{}           // one for each connection that may be open; nil: any number
	wg       sync.WaitGroup
	accepted int64
	short    bool // it has been told that descriptors are short
	failed   atomic.Int64
	light    *socket.EchoServer // nil unless o.light
	cut      atomic.Bool        // connections are ended from here
}

// An acceptedEvent tells of a new connection, or of one that was turned away.
type acceptedEvent struct {
	ID     int64  `json:"id"`
	Local  string `json:"local"`
	Remote string `json:"remote"`
	Name   string `json:"remote_name,omitempty"` // with --resolve-peer
	Family string `json:"family"`

	connectionFacts // of a connection that is served
}

// run serves until there is nothing more to serve.
func (s *server) run(ctx context.Context) error {
	defer s.reloadAtHangup()()
	if !s.o.keepOpen {
		c, err := s.next(ctx)
		if err != nil {
			return err
		}
		_ = s.l.Close() // nobody else is to wait in vain
		return s.one(ctx, c, s.accepted)
	}
	if n := s.o.parallel(); n > 0 {
		s.slots = make(chan struct{}, n)
	}
	ctx, s.giveUp = context.WithCancelCause(ctx)
	defer s.giveUp(nil)
	connCtx, stop := s.drainContext(ctx)
	defer stop()
	if s.o.light() {
		var err error
		if s.light, err = socket.NewEchoServer(); err != nil {
			return err
		}
		defer s.light.Close()
		defer context.AfterFunc(connCtx, s.stopLight)()
	}
	err := s.acceptAll(ctx, connCtx)
	_ = s.l.Close() // those under way go on, nobody else is let in
	s.wg.Wait()
	if cause := context.Cause(ctx); isOutputFailure(cause) {
		return cause
	}
	switch {
	case err != nil:
		return err
	case s.failed.Load() == 0:
		return nil
	case s.accepted == 1:
		return exitWith(statusBroken)
	}
	return failf(statusPartial, "partial", "%d of %d connections failed", s.failed.Load(), s.accepted)
}

// parallel is how many connections may be open at the same time, 0 for any
// number. Those that share stdout must not mix.
func (o *listenOptions) parallel() int {
	if o.piped() && !o.perConnection() {
		return 1
	}
	return o.maxConns
}

// drainContext is the context of connections: with SIGTERM they may go on for
// a while, with everything else they end when ctx does.
func (s *server) drainContext(ctx context.Context) (context.Context, func()) {
	connCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if signalOf(ctx) != syscall.SIGTERM || s.o.drain == 0 {
			cancel(context.Cause(ctx))
			return
		}
		s.e.verbosef("stopping: connections under way have %v", s.o.drain)
		time.AfterFunc(s.o.drain, func() { cancel(context.Cause(ctx)) })
	})
	return connCtx, func() {
		stop()
		cancel(nil)
	}
}

// acceptAll accepts until the limit, the end of ctx or a failure. It returns no
// error when it has done all that was asked for.
func (s *server) acceptAll(ctx, connCtx context.Context) error {
	for s.o.maxAccepts == 0 || s.accepted < int64(s.o.maxAccepts) {
		if err := s.takeSlot(ctx); err != nil {
			return err
		}
		stop := s.watchOutput()
		c, err := s.next(ctx)
		stop()
		if err != nil {
			if s.o.noWait && s.accepted > 0 && statusOf(err) == statusExpectation {
				return nil
			}
			return err
		}
		id := s.accepted
		if s.o.light() {
			s.echo(c, id)
			continue
		}
		s.wg.Go(func() {
			defer s.giveSlot()
			s.report(s.one(connCtx, c, id))
		})
	}
	return nil
}

// watchOutput ends the server when the reader of the output that connections
// share leaves. While there is a connection, it has its own watch.
func (s *server) watchOutput() (stop func()) {
	if s.o.shared == nil {
		return func() {}
	}
	return socket.WatchOutput(s.o.shared, func() { s.giveUp(errStdoutGone) })
}

// isOutputFailure reports whether err says that nothing can be written any more.
func isOutputFailure(err error) bool {
	return errors.Is(err, errStdoutGone) || errors.As(err, new(*outputError))
}

func (s *server) takeSlot(ctx context.Context) error {
	if s.slots == nil {
		return nil
	}
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *server) giveSlot() {
	if s.slots != nil {
		<-s.slots
	}
}

// report tells of a connection that failed while others go on. That a signal
// ended all of them is told by the end of the process.
func (s *server) report(err error) {
	var sig *signalError
	if err == nil || errors.As(err, &sig) {
		return
	}
	if s.o.shared != nil && isOutputFailure(err) {
		s.giveUp(err) // it would fail all others too
		return
	}
	s.failed.Add(1)
	s.e.report(err, statusOf(err))
}

// next returns the next connection that may be served.
func (s *server) next(ctx context.Context) (*socket.Conn, error) {
	ctx, cancel := s.acceptContext(ctx)
	defer cancel()
	for {
		c, err := s.accept(ctx)
		if err != nil {
			return nil, err
		}
		if s.access.permits(c) {
			s.accepted++
			return c, nil
		}
		s.o.events.send("denied", acceptedEvent{Local: s.where, Remote: peerName(c), Family: string(c.AddressFamily())})
		s.e.verbosef("%s is not allowed", peerName(c))
		_ = c.Abort() // it is not to believe that it was heard
	}
}

func (s *server) acceptContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.o.acceptTimeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, s.o.acceptTimeout, &timeoutError{"accepting", s.o.acceptTimeout})
}

// accept accepts one connection. When the system is short of descriptors or
// memory it waits and tries again: the connections served will end.
func (s *server) accept(ctx context.Context) (*socket.Conn, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		c, err := s.acceptOnce(ctx)
		switch id := socket.ErrorID(err); {
		case err == nil && c == nil:
			return nil, &failure{err: errors.New("no connection is pending"), target: s.where, op: "accept", status: statusExpectation, kind: "nothing-pending"}
		case err == nil:
			return c, nil
		case ctx.Err() != nil:
			return nil, at(s.where, context.Cause(ctx))
		case id == socket.ConnectionAborted:
			continue // it had given up waiting
		case id == socket.TooManyFiles || id == socket.NoBufferSpace:
			s.tellShort(err)
		default:
			return nil, at(s.where, socket.Describe(err).Err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// tellShort says once why nobody is let in for the moment.
func (s *server) tellShort(err error) {
	if !s.short {
		s.short = true
		s.e.note("%s; connections wait until others end", socket.Reason(socket.Describe(err).Err))
	}
}

func (s *server) acceptOnce(ctx context.Context) (*socket.Conn, error) {
	if s.o.noWait {
		return s.l.TryAccept()
	}
	return s.l.Accept(ctx)
}

// one serves one connection from its begin to its close.
func (s *server) one(ctx context.Context, c *socket.Conn, id int64) (err error) {
	start := time.Now()
	s.tellAccepted(ctx, c, id)
	res, err := s.serve(ctx, c, id)
	if cerr := closeAfter(c, err); err == nil && cerr != nil {
		err = at(peerName(c), cerr)
	}
	s.o.events.closed(id, start, res, err)
	return err
}

func (s *server) tellAccepted(ctx context.Context, c *socket.Conn, id int64) {
	if !s.o.events.on() && s.e.verbose == 0 && !s.e.debug {
		return
	}
	name := s.o.names.of(ctx, c)
	s.e.verbosef("connection %d is from %s", id, called(peerName(c), name))
	if !s.o.events.on() {
		return
	}
	s.o.events.send("accepted", acceptedEvent{
		ID: id, Local: c.LocalAddr().String(), Remote: peerName(c), Name: name, Family: string(c.AddressFamily()), connectionFacts: factsOf(c),
	})
}

// closeAfter closes a connection so that its peer learns how it ended: in
// order, or by a reset where data were lost.
func closeAfter(c *socket.Conn, err error) error {
	if breaksOff(err) {
		_ = c.Abort() // the failure is told already
		return nil
	}
	if err := c.Close(); err != nil && !errors.Is(err, os.ErrClosed) && socket.ErrorID(err) != socket.Closed {
		return err
	}
	return nil
}

// breaksOff reports whether err may have cost data. The status that a command
// ended with has not: what it has written is still sent. Nor has TLS that ends
// without close_notify: all that came has been read, and what was sent in reply
// would be lost by a reset. The peer gets no close_notify in return.
func breaksOff(err error) bool {
	var f *failure
	return err != nil && !(errors.As(err, &f) && f.silent) && !errors.Is(err, tlsx.ErrTruncated)
}

// reloadAtHangup reads the access lists again whenever SIGHUP comes, if there
// are files to read. A list that cannot be read leaves the old one in force.
// The function returned ends that.
func (s *server) reloadAtHangup() func() {
	if !s.o.access.hasFiles() {
		return func() {}
	}
	ch, ignore := s.e.reloads(syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-ch:
				s.reload()
			case <-done:
				return
			}
		}
	}()
	return func() {
		ignore()
		close(done)
	}
}

func (s *server) reload() {
	list, err := s.o.access.read()
	if err != nil {
		fmt.Fprintf(s.e.err, "%s: the access lists stay as they were: %s\n", s.e.name(), safe(err.Error()))
		return
	}
	s.access.list.Store(list)
	s.o.events.send("reloaded", nil)
	s.e.verbosef("the access lists have been read again")
}
