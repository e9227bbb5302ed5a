package ftpx

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// A control is a control connection. One goroutine reads it and hands on whole
// replies, so that a wait can be given up without losing half a line, and a
// transfer can watch for replies while it waits for its data connection.
type control struct {
	conn    net.Conn
	r       *bufio.Reader
	replies chan Reply
	queue   []Reply // read from replies, not yet asked for
	failure error   // why reading ended; set before replies is closed
	quit    chan struct{}
	once    sync.Once

	debugMu sync.Mutex
	debug   io.Writer
	timeout time.Duration
	// failed, when not nil, is told of a failing reply as it arrives: the
	// transfer under way will get no more data.
	mu       sync.Mutex
	failed   func()
	failures int // failing replies that nobody has asked for yet
}

func newControl(conn net.Conn, debug io.Writer, timeout time.Duration) *control {
	return &control{
		conn: conn, r: bufio.NewReader(conn),
		replies: make(chan Reply, 8), quit: make(chan struct{}),
		debug: debug, timeout: timeout,
	}
}

// startReading hands the connection to the reading goroutine, which ends when
// the connection does.
func (c *control) startReading() { go c.readLoop() }

func (c *control) readLoop() {
	defer close(c.replies)
	for {
		reply, err := readReply(c.r, c.logReceived)
		if err != nil {
			c.failure = controlFailure(err)
			return
		}
		c.countFailure(reply, 1)
		select {
		case c.replies <- reply:
		case <-c.quit:
			return
		}
	}
}

// countFailure counts the failing replies that wait to be read.
func (c *control) countFailure(reply Reply, n int) {
	if !reply.failed() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures += n
	if n > 0 && c.failed != nil {
		c.failed()
	}
}

// onFailure sets what to call when a failing reply arrives, or has arrived.
func (c *control) onFailure(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = f
	if f != nil && c.failures > 0 {
		f()
	}
}

func controlFailure(err error) error {
	if errors.Is(err, ErrProtocol) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("control connection closed by the server: %w", ErrTruncated)
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) { // such as vsftpd's dying words, in clear
		return fmt.Errorf("%w: control connection: %w", ErrProtocol, err)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" { // an alert, such as the lack of a certificate in TLS 1.3
		return fmt.Errorf("%w: control connection: %w", ErrTLS, err)
	}
	return fmt.Errorf("control connection: %w", err)
}

// stale takes the replies that came unasked, such as a 426 behind a 226 or the
// 421 of a server that is going, and returns the failing one.
func (c *control) stale() (Reply, bool) {
	for {
		select {
		case reply, ok := <-c.replies:
			if !ok {
				return Reply{}, false
			}
			c.countFailure(reply, -1)
			if reply.failed() {
				return reply, true
			}
		default:
			return Reply{}, false
		}
	}
}

// send writes one command.
func (c *control) send(line string) error {
	if strings.ContainsAny(line, "\r\n\x00") {
		return fmt.Errorf("%w: line break or NUL in command %.80q", ErrUnsafeName, line)
	}
	c.log("> ", maskSecret(line))
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return controlFailure(err)
	}
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		// The reader knows the reason better when the server closed first.
		return controlFailure(err)
	}
	return nil
}

// receive waits for the next reply; op says what for. After an error the
// connection is of no more use: a late reply would answer the wrong command.
func (c *control) receive(ctx context.Context, op string) (Reply, error) {
	return c.receiveWithin(ctx, op, c.timeout)
}

func (c *control) receiveWithin(ctx context.Context, op string, d time.Duration) (Reply, error) {
	if len(c.queue) > 0 {
		reply := c.queue[0]
		c.queue = c.queue[1:]
		c.countFailure(reply, -1)
		return reply, nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case reply, ok := <-c.replies:
		if !ok {
			return Reply{}, c.closedError()
		}
		c.countFailure(reply, -1)
		return reply, nil
	case <-ctx.Done():
		return Reply{}, contextError(ctx)
	case <-timer.C:
		return Reply{}, &TimeoutError{Op: "the reply to " + op}
	}
}

func (c *control) closedError() error {
	if c.failure == nil {
		return fmt.Errorf("control connection: %w", net.ErrClosed)
	}
	return c.failure
}

// unread puts a reply back for the next receive.
func (c *control) unread(reply Reply) {
	c.queue = append([]Reply{reply}, c.queue...)
	c.countFailure(reply, 1)
}

// receiveDirect reads a reply without the goroutine, before it is started.
func (c *control) receiveDirect(ctx context.Context, op string) (Reply, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return Reply{}, controlFailure(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	reply, err := readReply(c.r, c.logReceived)
	switch {
	case ctx.Err() != nil:
		return Reply{}, contextError(ctx)
	case isTimeout(err):
		return Reply{}, &TimeoutError{Op: op}
	case err != nil:
		return Reply{}, controlFailure(err)
	}
	return reply, c.conn.SetReadDeadline(time.Time{})
}

// startTLS shakes hands on the control connection.
func (c *control) startTLS(ctx context.Context, cfg *tls.Config) error {
	if c.r.Buffered() > 0 {
		// Clear text behind the 234 would be read as if it came through TLS.
		return fmt.Errorf("%w: %d bytes in clear after AUTH", ErrProtocol, c.r.Buffered())
	}
	conn := tls.Client(c.conn, cfg)
	if err := handshake(ctx, conn, "TLS handshake"); err != nil {
		return err
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
	return nil
}

// handshake shakes hands within ctx and calls a failure by its kind.
func handshake(ctx context.Context, conn *tls.Conn, op string) error {
	err := conn.HandshakeContext(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded), isTimeout(err):
		return &TimeoutError{Op: op}
	case ctx.Err() != nil:
		return contextError(ctx)
	}
	return fmt.Errorf("%w: %w", ErrTLS, err)
}

func (c *control) close() error {
	c.once.Do(func() { close(c.quit) })
	return c.conn.Close()
}

func (c *control) logReceived(line string) { c.log("< ", line) }

func (c *control) log(direction, line string) {
	if c.debug == nil {
		return
	}
	c.debugMu.Lock()
	defer c.debugMu.Unlock()
	// A transcript that cannot be written must not end the session.
	_, _ = io.WriteString(c.debug, direction+line+"\n")
}

// maskSecret hides the argument of PASS and ACCT.
func maskSecret(line string) string {
	verb, _, found := strings.Cut(line, " ")
	if found && (strings.EqualFold(verb, "PASS") || strings.EqualFold(verb, "ACCT")) {
		return verb + " ****"
	}
	return line
}

// contextError returns why ctx ended, a deadline as a [TimeoutError].
func contextError(ctx context.Context) error {
	if context.Cause(ctx) == context.DeadlineExceeded { // and no cause of the caller's own
		return &TimeoutError{Op: "the whole operation"}
	}
	return context.Cause(ctx)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
