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

// A control is a control connection. In general one goroutine reads it and hands
// on whole replies, so that a transfer can watch for replies while it waits for
// data. Until a transfer takes long enough for that the caller reads by itself,
// which spares the many switches between the two when files are small.
type control struct {
	conn    net.Conn
	r       *bufio.Reader
	peek    func() bool // reports bytes to read; nil where nobody can tell
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
	reader   reader
	watcher  *time.Timer // starts watch when a transfer takes long
	failed   func()
	failures int // failing replies that nobody has asked for yet
}

// A reader says who reads a control connection.
type reader int

const (
	nobody reader = iota
	caller        // receive, right now
	loop          // the goroutine, from now on
)

func newControl(conn net.Conn, debug io.Writer, timeout time.Duration) *control {
	return &control{
		conn: conn, r: bufio.NewReader(conn),
		replies: make(chan Reply, 8), quit: make(chan struct{}),
		debug: debug, timeout: timeout,
	}
}

// watch hands the connection to the reading goroutine, which ends when the
// connection does, unless the caller is waiting for a reply anyway.
func (c *control) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reader == nobody {
		c.reader = loop
		_ = c.conn.SetReadDeadline(time.Time{}) // a closed connection ends the loop at once
		go c.readLoop()
	}
}

// takeTurn lets the caller read, unless the goroutine does.
func (c *control) takeTurn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reader == loop {
		return false
	}
	c.reader = caller
	return true
}

func (c *control) endTurn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reader = nobody
}

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

// onFailure sets what to call when a failing reply arrives, or has arrived. It
// costs nothing while no transfer takes longer than a tick.
func (c *control) onFailure(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = f
	if f == nil {
		if c.watcher != nil {
			c.watcher.Stop()
		}
		return
	}
	if c.reader != loop {
		c.watcher = time.AfterFunc(tick, c.watch)
	}
	if c.failures > 0 {
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
	for c.takeTurn() {
		var reply Reply
		var err error
		came := c.r.Buffered() > 0 || c.peek()
		if came {
			reply, err = c.receiveDirect(context.Background(), "the rest of a reply", abortTimeout)
		}
		c.endTurn()
		if !came || err != nil { // the next command finds out what is wrong
			return Reply{}, false
		}
		if reply.failed() {
			return reply, true
		}
	}
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

// send writes commands, all at once.
func (c *control) send(lines ...string) error {
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			return fmt.Errorf("%w: line break or NUL in command %.80q", ErrUnsafeName, line)
		}
		c.log("> ", maskSecret(line))
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return controlFailure(err)
	}
	if _, err := io.WriteString(c.conn, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
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
	if c.takeTurn() {
		defer c.endTurn()
		return c.receiveDirect(ctx, "the reply to "+op, d)
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

// receiveDirect reads a reply without the goroutine.
func (c *control) receiveDirect(ctx context.Context, op string, d time.Duration) (Reply, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return Reply{}, controlFailure(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetReadDeadline(time.Unix(1, 0)) })
	reply, err := readReply(c.r, c.logReceived)
	switch {
	case !stop(), ctx.Err() != nil:
		return Reply{}, contextError(ctx)
	case isTimeout(err):
		return Reply{}, &TimeoutError{Op: op}
	case err != nil:
		return Reply{}, controlFailure(err)
	}
	return reply, nil
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
