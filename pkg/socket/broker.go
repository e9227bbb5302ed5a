package socket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// ErrTooSlow reports a member of a [Broker] that does not take what the others
// send. It is cut off, for waiting would stop all of them and dropping bytes
// would lose them in silence.
var ErrTooSlow = errors.New("the peer is too slow for the others")

// A Broker passes what one connection sends to all others. The zero value is
// ready to use.
type Broker struct {
	// Backlog is how many bytes may wait for one connection; 0 means 1 MiB.
	Backlog int

	mu      sync.Mutex // also guards the members
	members map[*member]bool
}

// Serve makes conn a member until its peer ends, and returns how many bytes
// went each way. opt bounds the waits on conn. What others sent before the peer
// ended is still delivered.
func (b *Broker) Serve(ctx context.Context, conn net.Conn, opt PumpOptions) (PipeResult, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := &member{b: b, cut: cancel, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	in := newPump(&others{m, conn}, conn, PumpOptions{Idle: opt.Idle, Read: opt.Read, Copy: true})
	out := newPump(conn, m, PumpOptions{Idle: opt.Idle, Write: opt.Write, Copy: true})
	defer watchIdle(cancel, opt.Idle, in, out)()
	keepOOB(conn)
	b.join(m)
	defer b.leave(m)
	receiving, sending := start(ctx, cancel, in), start(ctx, cancel, out)
	var err error
	select {
	case err = <-receiving:
		b.leave(m)
		if err != nil {
			cancel(err)
		}
		if serr := <-sending; err == nil {
			err = serr
		}
	case err = <-sending:
		cancel(err)
		<-receiving
	}
	if err == nil {
		err = passEnd(out.dst)
	}
	return PipeResult{Sent: out.moved, Received: in.moved}, err
}

func (b *Broker) join(m *member) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.members == nil {
		b.members = map[*member]bool{}
	}
	b.members[m] = true
}

// leave ends the queue of m.
func (b *Broker) leave(m *member) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.members, m)
	m.end(io.EOF)
}

// others is where the bytes of one member go.
type others struct {
	from *member
	net.Conn
}

// Write queues data for every other member.
func (o *others) Write(data []byte) (int, error) {
	b := o.from.b
	shared := append([]byte(nil), data...)
	b.mu.Lock()
	defer b.mu.Unlock()
	for m := range b.members {
		if m != o.from {
			m.put(shared)
		}
	}
	return len(data), nil
}

// A member is one connection of a broker. As a reader it gives what the others
// send.
type member struct {
	b       *Broker
	cut     context.CancelCauseFunc
	wake    chan struct{} // has room for one: there is something to take
	stopped chan struct{} // closed when reading is interrupted
	once    sync.Once

	waiting [][]byte
	size    int   // of waiting
	err     error // after what waits
}

// put queues data, or cuts m off. The lock is held.
func (m *member) put(data []byte) {
	limit := m.b.Backlog
	if limit == 0 {
		limit = 1 << 20
	}
	if m.size > 0 && m.size+len(data) > limit {
		m.cut(&PumpError{Side: WriteSide, Err: ErrTooSlow})
		return
	}
	m.waiting = append(m.waiting, data)
	m.size += len(data)
	m.poke()
}

// end ends the queue with err. The lock is held.
func (m *member) end(err error) {
	if m.err == nil {
		m.err = err
		m.poke()
	}
}

// poke wakes the reader.
func (m *member) poke() {
	select {
	case m.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Read waits for what the others send.
func (m *member) Read(p []byte) (int, error) {
	for {
		if n, err := m.take(p); n > 0 || err != nil {
			return n, err
		}
		select {
		case <-m.wake:
		case <-m.stopped:
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// take returns what waits, or why no more comes.
func (m *member) take(p []byte) (n int, err error) {
	m.b.mu.Lock()
	defer m.b.mu.Unlock()
	for n < len(p) && len(m.waiting) > 0 {
		k := copy(p[n:], m.waiting[0])
		n += k
		if m.waiting[0] = m.waiting[0][k:]; len(m.waiting[0]) == 0 {
			m.waiting = m.waiting[1:]
		}
	}
	m.size -= n
	if n > 0 {
		return n, nil
	}
	return 0, m.err
}

// SetReadDeadline interrupts Read when t is past.
func (m *member) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		m.once.Do(func() { close(m.stopped) })
	}
	return nil
}
