package cmd

import (
	"context"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// light reports whether connections can be served without a context and timers
// of their own, which ten thousand of them would pay for in memory.
func (o *listenOptions) light() bool {
	return o.echo && !o.served && !o.names.on && o.pipe.idle == 0 && o.pipe.read == 0 && o.pipe.write == 0 && o.pipe.maxBytes == 0
}

// stopLight ends the connections under way.
func (s *server) stopLight() {
	s.cut.Store(true)
	s.light.Stop()
}

// echo serves one connection of --echo.
func (s *server) echo(c *socket.Conn, id int64) {
	var start time.Time
	if s.o.events.on() {
		start = time.Now()
	}
	s.tellAccepted(context.Background(), c, id) // nothing to wait for
	s.wg.Add(1)
	s.light.Serve(c.NetConn(), func(n int64, err error) { s.echoed(c, id, start, n, err) })
}

// echoed ends a connection of --echo.
func (s *server) echoed(c *socket.Conn, id int64, start time.Time, n int64, err error) {
	defer s.wg.Done()
	defer s.giveSlot()
	if s.cut.Load() {
		_ = c.Abort() // it has not ended by itself
		return
	}
	err = s.o.explainPump(err, c)
	s.report(err)
	_ = closeAfter(c, err) // what failed is told
	s.o.events.closed(id, start, socket.PipeResult{Sent: n, Received: n}, err)
}
