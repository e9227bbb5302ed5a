package dnsq

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// A bulkStream pipelines questions to one server over TCP or TLS (RFC 7766
// section 6.2.1.1): one connection at a time, a new one when it breaks.
type bulkStream struct {
	b      *bulk
	server *bulkServer
	queue  []uint16 // slots to be written
	wake   chan struct{}

	conn   net.Conn // nil while there is none
	useful bool     // conn has brought a reply
}

// overStream puts slot i in the queue of its server's stream.
func (b *bulk) overStream(i uint16) {
	s := &b.slots[i]
	srv := b.servers[s.server]
	b.release(i)
	if srv.transport() == UDP {
		b.sum.OverTCP++
	}
	if srv.stream == nil {
		srv.stream = &bulkStream{b: b, server: srv, wake: make(chan struct{}, 1)}
		go srv.stream.run()
	}
	s.tcp, s.stream = true, srv.stream
	s.id = b.newID(i)
	s.deadline = b.now + b.cfg.Timeout
	b.order.due = min(b.order.due, s.deadline)
	srv.stream.queue = append(srv.stream.queue, i)
	select {
	case srv.stream.wake <- struct{}{}:
	default:
	}
}

// run connects and writes until the run ends.
func (st *bulkStream) run() {
	for {
		select {
		case <-st.wake:
		case <-st.b.ctx.Done():
			return
		}
		conn, err := st.connect()
		if err == nil {
			err = st.write(conn)
		}
		if err != nil {
			st.broken(conn, err)
		}
	}
}

// connect is the connection in use or a new one.
func (st *bulkStream) connect() (net.Conn, error) {
	st.b.lock()
	conn := st.conn
	st.b.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	via := st.server.transport()
	if via == UDP {
		via = TCP
	}
	ctx, cancel := context.WithTimeout(st.b.ctx, st.b.cfg.Timeout)
	defer cancel()
	conn, err := st.b.cfg.Client.DialStream(ctx, st.server.Server, via, new(Timing))
	if err != nil {
		return nil, err
	}
	st.b.lock()
	defer st.b.mu.Unlock()
	if st.b.err != nil {
		_ = conn.Close() // not used yet
		return nil, net.ErrClosed
	}
	st.conn, st.useful = conn, false
	go st.read(conn)
	return conn, nil
}

// write sends what is in the queue.
func (st *bulkStream) write(conn net.Conn) error {
	frames := st.frames()
	if len(frames) == 0 {
		return nil
	}
	if err := conn.SetWriteDeadline(time.Now().Add(st.b.cfg.Timeout)); err != nil {
		return err
	}
	_, err := conn.Write(frames)
	return err
}

// frames empties the queue into messages with their lengths.
func (st *bulkStream) frames() []byte {
	b := st.b
	b.lock()
	defer b.mu.Unlock()
	var frames []byte
	for _, i := range st.queue {
		s := &b.slots[i]
		if !s.active || s.stream != st || b.ids[s.id] != i+1 {
			continue // done since, or given to another server
		}
		msg := b.message(s)
		frames = binary.BigEndian.AppendUint16(frames, uint16(len(msg)))
		frames = append(frames, msg...)
		st.server.sent++
	}
	st.queue = st.queue[:0]
	return frames
}

// read handles the replies on conn until it breaks.
func (st *bulkStream) read(conn net.Conn) {
	r := bufio.NewReaderSize(conn, 64<<10)
	var buf []byte
	for {
		msg, err := ReadFrame(r, buf)
		if err != nil {
			st.broken(conn, err)
			return
		}
		buf = msg[:0]
		if !st.received(msg) {
			return
		}
	}
}

// received deals with a reply; false means that the run has ended.
func (st *bulkStream) received(msg []byte) bool {
	b := st.b
	b.lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return false
	}
	b.sum.Received++
	st.server.received++
	if len(msg) < headerSize {
		b.sum.Malformed++
		return true
	}
	i := b.ids[binary.BigEndian.Uint16(msg)]
	// The case of letters does not count here: a forger cannot join a connection,
	// and a server that does not keep the case is asked this way in the end.
	if i == 0 || b.slots[i-1].stream != st || !b.slots[i-1].matches(msg, false) {
		b.sum.Mismatched++
		return true
	}
	if wireWellFormed(msg) {
		st.useful = true
		b.reply(i-1, msg)
	} else {
		b.malformed(i - 1)
	}
	b.pump()
	return true
}

// broken sends again what was under way on conn. A server may close a connection
// after some replies; one that never brings any costs each question a try.
func (st *bulkStream) broken(conn net.Conn, err error) {
	if conn != nil {
		_ = conn.Close() // it is of no use any more
	}
	b := st.b
	b.lock()
	defer b.mu.Unlock()
	if b.err != nil || st.conn != conn {
		return
	}
	st.conn, st.queue = nil, st.queue[:0]
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("connection closed: %w", io.ErrUnexpectedEOF)
	}
	for i := range b.slots {
		s := &b.slots[i]
		if !s.active || s.stream != st || b.err != nil {
			continue
		}
		s.err = err
		switch {
		case st.useful:
			b.overStream(uint16(i))
		case s.tries >= b.cfg.Tries:
			b.giveUp(uint16(i), err)
		default:
			b.send(uint16(i), (s.server+1)%len(b.servers))
		}
	}
	b.pump()
}

// close ends what waits on the connection. It is called with the mutex taken.
func (st *bulkStream) close() {
	if st.conn != nil {
		_ = st.conn.Close() // nothing is expected from it any more
	}
}
