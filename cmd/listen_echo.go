package cmd

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// light reports whether connections can be served without a context and timers
// of their own, which ten thousand of them would pay for in memory.
func (o *listenOptions) light() bool {
	return o.echo && o.pipe.idle == 0 && o.pipe.read == 0 && o.pipe.write == 0 && o.pipe.maxBytes == 0
}

// lightConns are the connections under way, so that they can be stopped.
type lightConns struct {
	mu      sync.Mutex
	conns   map[*socket.Conn]struct{}
	stopped bool
}

// add reports false when connections are to end.
func (l *lightConns) add(c *socket.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		l.conns = map[*socket.Conn]struct{}{}
	}
	l.conns[c] = struct{}{}
	return !l.stopped
}

func (l *lightConns) remove(c *socket.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// stop interrupts all of them.
func (l *lightConns) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	for c := range l.conns {
		_ = c.SetDeadline(time.Unix(1, 0)) // fails on one that has ended
	}
}

// echo serves one connection of --echo.
func (s *server) echo(c *socket.Conn, id int64) {
	start := time.Now()
	if s.o.events.on() {
		s.o.events.send("accepted", newAcceptedEvent(c, id))
	}
	if !s.light.add(c) {
		s.giveSlot()
		_ = c.Abort() // brio is about to end
		return
	}
	s.wg.Add(1)
	socket.EchoAsync(c.NetConn(), func(n int64, err error) {
		defer s.wg.Done()
		defer s.giveSlot()
		s.light.remove(c)
		if !errors.Is(err, os.ErrDeadlineExceeded) { // it was stopped
			err = s.o.explainPump(err, c)
			s.report(err)
		}
		_ = closeAfter(c, err) // what failed is told
		s.o.events.closed(id, start, socket.PipeResult{Sent: n, Received: n}, err)
	})
}
