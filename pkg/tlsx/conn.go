package tlsx

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Conn is one end of a TLS connection. It is a [net.Conn] whose end of data
// is told from a truncation, and whose sending side can be closed alone.
// Methods may be called at the same time, as with any net.Conn.
type Conn struct {
	ctx      *Context
	set      settings
	name     string // SNI, and the default expected name
	client   bool
	wire     *wire
	tc       *tls.Conn
	sessions *sessionCache

	handshakeMu  sync.Mutex
	handshaken   atomic.Bool // with or without success
	handshakeErr error
	started      time.Time
	finished     time.Time

	readMu  sync.Mutex
	readErr error
	peeked  []byte // data that AwaitAcceptance met

	deadlineMu   sync.Mutex
	readDeadline time.Time // the user's

	request *CertificateRequest  // of the server, nil when there was none
	hello   *tls.ClientHelloInfo // of the client, on a server

	peerMu  sync.Mutex
	chain   [][]byte // of the peer
	staple  []byte
	peer    *Certificate
	verdict *VerifyResult
}

func (c *Context) newConn(raw net.Conn, o *Override) (*Conn, error) {
	if err := o.check(c.client); err != nil {
		return nil, err
	}
	set, err := c.base.with(o)
	if err == nil {
		set, err = c.onlyECH(set)
	}
	if err != nil {
		return nil, err
	}
	conn := &Conn{ctx: c, set: set, name: c.cfg.ServerName, client: c.client, wire: &wire{Conn: raw}, sessions: &sessionCache{}}
	if o.ServerName != "" {
		conn.name = o.ServerName
	}
	if c.client && conn.name == "" && c.cfg.ExpectedName == "" && set.verify != VerifyNone {
		return nil, &OptionError{"server-name", `is missing: no name to verify the certificate by (ExpectedName "*" takes any)`}
	}
	session := c.cfg.Session
	if o.Session != nil {
		session = o.Session
	}
	if session != nil {
		conn.sessions.offer = session.state
	}
	if c.client {
		conn.tc = tls.Client(conn.wire, conn.clientConfig())
	} else {
		conn.tc = tls.Server(conn.wire, conn.serverConfig())
	}
	return conn, nil
}

// Handshake shakes hands, if that has not happened: ssl-do-handshake. A failure
// is an *[Error] and final. The end of ctx closes the connection.
func (c *Conn) Handshake(ctx context.Context) error {
	if c.handshaken.Load() {
		return c.handshakeErr
	}
	c.handshakeMu.Lock()
	defer c.handshakeMu.Unlock()
	if c.handshaken.Load() {
		return c.handshakeErr
	}
	c.started = time.Now()
	if c.client {
		done := withSuites13(c.set.suites13)
		c.wire.onNextWrite(done)
		defer done()
	}
	err := c.tc.HandshakeContext(ctx)
	c.finished = time.Now()
	c.wire.releaseWriteHook()
	if inner, ok := c.wire.Conn.(interface{ handshakeDone() }); ok {
		inner.handshakeDone()
	}
	c.handshakeErr = newError("handshake", c.judgeECHRejection(handshakeCause(ctx, err)))
	c.handshaken.Store(true)
	return c.handshakeErr
}

// handshakeCause makes the ends that crypto/tls leaves bare tell what happened.
func handshakeCause(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// AwaitAcceptance waits for a sign that the server took the client's
// certificate. In TLS 1.3 the handshake is over for the client before the
// server has looked at it; a refusal comes as an alert afterwards. It returns
// nil when the server showed that it goes on (with a session ticket or data),
// when there is nothing to wait for, and when ctx ends first.
func (c *Conn) AwaitAcceptance(ctx context.Context) error {
	if err := c.Handshake(ctx); err != nil {
		return err
	}
	if !c.client || c.requested() == nil || c.tc.ConnectionState().Version != tls.VersionTLS13 {
		return nil
	}
	return c.awaitTicket(ctx)
}

// AwaitSession returns the newest session. Where the server has issued none
// yet, it waits for one until ctx ends or data comes; nil means none came.
func (c *Conn) AwaitSession(ctx context.Context) *Session {
	if err := c.Handshake(ctx); err != nil {
		return nil
	}
	_ = c.awaitTicket(ctx) // the next read says what is wrong
	return c.Session()
}

// awaitTicket reads until a session ticket has come, or a byte of data, which
// is kept for Read.
func (c *Conn) awaitTicket(ctx context.Context) error {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if len(c.peeked) > 0 || c.readErr != nil || !c.sessions.notify(func() { c.wire.stopAfter.Store(true) }) {
		return nil
	}
	defer c.wire.stopAfter.Store(false)
	defer c.sessions.notify(nil)
	restore := c.endReadsWith(ctx)
	b := make([]byte, 1)
	n, err := c.tc.Read(b)
	restore()
	c.peeked = b[:n]
	if n > 0 || err == nil || isDry(err) || ctx.Err() != nil || err == io.EOF && !c.wire.ended.Load() {
		return nil
	}
	c.readErr = newError("handshake", handshakeCause(ctx, err))
	return c.readErr
}

// Read reads decrypted data, as much as is at hand. The end of data is io.EOF
// when the peer said so with close_notify, and an error that wraps
// [ErrTruncated] when the connection merely ended.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.Handshake(context.Background()); err != nil {
		return 0, err
	}
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if len(c.peeked) > 0 && len(p) > 0 {
		n := copy(p, c.peeked)
		c.peeked = c.peeked[n:]
		return n, nil
	}
	if c.readErr != nil {
		return 0, c.readErr
	}
	n, err := c.tc.Read(p)
	for n > 0 && err == nil && n < len(p) && c.wire.hasRecord() {
		var more int
		more, err = c.readBuffered(p[n:])
		n += more
		if isDry(err) {
			return n, nil // the record was a message to crypto/tls
		}
	}
	if err != nil {
		err = c.readFailure(err)
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			c.readErr = err
		}
		if n > 0 {
			err = nil
		}
	}
	return n, err
}

// readBuffered reads what is there without the network.
func (c *Conn) readBuffered(p []byte) (int, error) {
	c.wire.dry.Store(true)
	defer c.wire.dry.Store(false)
	return c.tc.Read(p)
}

func (c *Conn) readFailure(err error) error {
	if (err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF)) && c.wire.ended.Load() {
		err = ErrTruncated
	}
	return newError("read", err)
}

// Write encrypts and sends p. After a failure nothing more can be sent.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.Handshake(context.Background()); err != nil {
		return 0, err
	}
	if len(p) <= maxRecord {
		n, err := c.tc.Write(p)
		return n, newError("write", err)
	}
	c.wire.cork()
	n, err := c.tc.Write(p)
	if flushErr := c.wire.uncork(); err == nil && flushErr != nil {
		n, err = 0, flushErr // how much of it arrived is not known
	}
	return n, newError("write", err)
}

// maxRecord is the data that one TLS record holds.
const maxRecord = 16 << 10

// CloseWrite tells the peer that no more data comes (close_notify) and leaves
// the other direction open. It takes as long as the peer needs to read what was
// sent before, or until the write deadline.
func (c *Conn) CloseWrite() error {
	if err := c.Handshake(context.Background()); err != nil {
		return err
	}
	c.wire.setKeepOpen(true)
	defer c.wire.setKeepOpen(false)
	return newError("close", c.tc.CloseWrite())
}

// Close sends close_notify, unless CloseWrite has, and closes the connection.
func (c *Conn) Close() error {
	err := c.tc.Close()
	if !c.handshaken.Load() || c.handshakeErr != nil {
		return nil // there was nothing to end, or the handshake has said what is wrong
	}
	return newError("close", err)
}

// Abort closes the connection without close_notify.
func (c *Conn) Abort() error { return c.wire.Conn.Close() }

// NetConn returns the connection below. Using it breaks the stream.
func (c *Conn) NetConn() net.Conn { return c.wire.Conn }

// LocalAddr returns the address of the connection below.
func (c *Conn) LocalAddr() net.Addr { return c.wire.Conn.LocalAddr() }

// RemoteAddr returns the address of the connection below.
func (c *Conn) RemoteAddr() net.Addr { return c.wire.Conn.RemoteAddr() }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline ends reads at t. Reading can go on after it, with a new
// deadline. The zero time means never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.deadlineMu.Lock()
	defer c.deadlineMu.Unlock()
	c.readDeadline = t
	return c.wire.Conn.SetReadDeadline(t)
}

// endReadsWith has reads end when ctx does, until restore is called, which puts
// the user's deadline back.
func (c *Conn) endReadsWith(ctx context.Context) (restore func()) {
	over, ended := false, false
	stop := context.AfterFunc(ctx, func() {
		c.deadlineMu.Lock()
		defer c.deadlineMu.Unlock()
		if !over { // it may run only after restore has
			ended = true
			_ = c.wire.Conn.SetReadDeadline(time.Unix(1, 0)) // a closed connection says so at the next read
		}
	})
	return func() {
		stop()
		c.deadlineMu.Lock()
		defer c.deadlineMu.Unlock()
		if over = true; ended {
			_ = c.wire.Conn.SetReadDeadline(c.readDeadline)
		}
	}
}

// SetWriteDeadline ends writes at t. The stream can not be written to after a
// write that did not finish.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.wire.Conn.SetWriteDeadline(t) }

// ConnectionState returns what crypto/tls knows of the connection.
func (c *Conn) ConnectionState() tls.ConnectionState { return c.tc.ConnectionState() }

// Session returns the newest session the server issued, nil when there is
// none. With TLS 1.3 sessions arrive after the handshake, while reading.
func (c *Conn) Session() *Session { return c.sessions.last() }
