package ftpx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"crypto/tls"

	"github.com/jlaffaye/ftp"
)

// maxPreliminary bounds the 1xx replies to one command.
const maxPreliminary = 100

// A Client is a session with one server. It does one thing at a time: it is not
// safe for concurrent use, and while a [Stream] is open every other method
// returns [ErrBusy]. After a time-out, a cancelled context or a broken
// connection the session is dead: all methods return that error.
type Client struct {
	cfg      Config
	netConn  net.Conn // bare TCP connection under ctl
	ctl      *control
	lib      *ftp.ServerConn
	tls      *tls.Config // nil in clear
	state    *tls.ConnectionState
	peerCert []byte
	features map[string]string
	greeted  int
	typ      string

	// Of the operation under way.
	ctx         context.Context
	opErr       error // failure below the library
	closeErr    error // failure of closing the data connection
	last, began Reply // last reply; the 1xx of the transfer
	lastCommand string
	ahead       *question
	unique      bool // STOU instead of STOR
	aborting    bool
	pending     *dataConn
	pendingErr  error
	data        *dataConn
	stream      *Stream
	loan        *loan
	sink        func(line string) error // takes the lines of a listing

	// Buffers of the data connections, of which there is one at a time.
	wire wire
	buf  []byte

	// Learnt about the server.
	dead             error
	noEPSV, noEPRT   bool
	active, fellBack bool
	abandoned        bool            // died for lack of data; the next session is to fall back
	unanswered       bool            // two commands have gone out at once, and not both were answered
	badChecksum      map[string]bool // commands that were refused
	hashChosen       bool
	noMLSD           bool
}

// Dial opens a session: connection, TLS, login. A refused login is a
// [ReplyError] with code 530 (or what the server said), a failed handshake wraps
// [ErrTLS]. Close the Client.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	c := &Client{
		cfg: cfg, ctx: ctx, noEPSV: cfg.NoEPSV, noEPRT: cfg.NoEPSV, noMLSD: cfg.NoMLSD,
		active: cfg.Data == DataActive || cfg.Data == DataActiveFirst,
	}
	conn, err := dialWithin(ctx, cfg, cfg.Addr(), cfg.ConnectTimeout)
	if err != nil {
		return nil, err
	}
	c.netConn = conn
	c.ctl = newControl(conn, cfg.Debug, cfg.ReplyTimeout)
	if err := c.open(ctx); err != nil {
		_ = c.ctl.close() // the failure is the error
		return nil, err
	}
	return c, nil
}

func (c *Client) open(ctx context.Context) error {
	if err := c.negotiate(ctx); err != nil {
		return err
	}
	if c.ctl.peek = peeker(c.ctl.conn); c.ctl.peek == nil {
		c.ctl.watch()
	}
	lib, err := newLibrary(c)
	if err != nil {
		return err
	}
	c.lib = lib
	if err := c.outcome(lib.Login(c.cfg.User, c.cfg.Password)); err != nil {
		return err
	}
	return c.prepareSession(ctx)
}

// negotiate reads the greeting and starts TLS.
func (c *Client) negotiate(ctx context.Context) error {
	if c.cfg.Security == ImplicitTLS {
		if err := c.startTLS(ctx); err != nil {
			return err
		}
	}
	if err := c.greeting(ctx); err != nil {
		return err
	}
	if c.cfg.Security != ExplicitTLS && c.cfg.Security != TryTLS {
		return nil
	}
	if err := c.ctl.send("AUTH TLS"); err != nil {
		return err
	}
	reply, err := c.ctl.receiveDirect(ctx, "the reply to AUTH TLS", c.cfg.ReplyTimeout)
	if err != nil {
		return err
	}
	if reply.completed() || reply.Code == 334 {
		return c.startTLS(ctx)
	}
	if c.cfg.Security == TryTLS {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrTLS, &ReplyError{"AUTH TLS", reply.Code, reply.Message()})
}

func (c *Client) greeting(ctx context.Context) error {
	for range maxPreliminary {
		reply, err := c.ctl.receiveDirect(ctx, "the server's greeting", c.cfg.ReplyTimeout)
		if err != nil {
			return err
		}
		if reply.preliminary() {
			continue // 120: ready in some minutes
		}
		c.greeted = reply.Code
		if reply.completed() {
			return nil
		}
		return &ReplyError{"greeting", reply.Code, reply.Message()}
	}
	return fmt.Errorf("%w: no end of 1xx replies", ErrProtocol)
}

func (c *Client) startTLS(ctx context.Context) error {
	c.tls = c.cfg.tlsConfig()
	within, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	if err := c.ctl.startTLS(within, c.tls); err != nil {
		if ctx.Err() != nil {
			return contextError(ctx)
		}
		return err
	}
	state := c.ctl.conn.(*tls.Conn).ConnectionState()
	c.state = &state
	if len(state.PeerCertificates) > 0 {
		c.peerCert = state.PeerCertificates[0].Raw
	}
	return nil
}

// prepareSession asks for protected data and UTF-8 names.
func (c *Client) prepareSession(ctx context.Context) error {
	if c.tls != nil {
		// RFC 4217 section 9: PBSZ must come before PROT, and must be 0.
		if reply, err := c.exchange(ctx, "PBSZ 0"); err != nil || reply.failed() {
			return errors.Join(err, reply.err("PBSZ 0"))
		}
		prot := "PROT P"
		if c.cfg.ClearData {
			prot = "PROT C"
		}
		if reply, err := c.exchange(ctx, prot); err != nil || reply.failed() {
			return errors.Join(err, reply.err(prot))
		}
	}
	if c.Has("UTF8") && !c.cfg.RawNames {
		_, err := c.exchange(ctx, "OPTS UTF8 ON") // whatever it answers
		return err
	}
	return nil
}

// begin starts an operation; each method that talks to the server calls it.
func (c *Client) begin(ctx context.Context) error {
	if c.dead != nil {
		return c.dead
	}
	if c.stream != nil {
		return ErrBusy
	}
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	c.ctx, c.opErr, c.closeErr = ctx, nil, nil
	c.aborting, c.unique = false, false
	c.began, c.last = Reply{}, Reply{}
	c.ahead = nil
	return nil
}

// keep notes the first failure below the library, which would hide it.
func (c *Client) keep(err error) error {
	if c.opErr == nil {
		c.opErr = err
	}
	return err
}

// fallBack changes the data mode, once in a session.
func (c *Client) fallBack(why error) {
	c.active, c.fellBack = !c.active, true
	if c.cfg.FellBack == nil {
		return
	}
	to := DataPassive
	if c.active {
		to = DataActive
	}
	c.cfg.FellBack(to, why)
}

// abandon gives up a session whose server waits for a data connection in vain:
// it does not listen meanwhile. The next session begins with the other mode.
func (c *Client) abandon(err error) error {
	if c.mayFallBack() {
		c.fallBack(err)
		c.abandoned = true
	}
	return c.die(err)
}

// outcome replaces an error of the library by the real one.
func (c *Client) outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case c.opErr != nil:
		return c.opErr
	case c.last.failed():
		return c.last.err(c.lastCommand)
	case c.closeErr != nil:
		return c.closeErr
	}
	return err
}

// exchange sends a command and waits for its reply, past 1xx ones. An error
// means that the session is dead; a failing reply is not an error.
func (c *Client) exchange(ctx context.Context, line string) (Reply, error) {
	reply, err := c.exchangeOnce(ctx, line)
	for n := 0; err == nil && reply.preliminary(); n++ {
		if n == maxPreliminary {
			return reply, c.die(fmt.Errorf("%w: no end of 1xx replies", ErrProtocol))
		}
		if reply, err = c.ctl.receive(ctx, verbOf(line)); err != nil {
			return reply, c.die(err)
		}
		c.note(reply)
	}
	return reply, err
}

func (c *Client) exchangeOnce(ctx context.Context, line string) (Reply, error) {
	return c.exchangeWithin(ctx, line, c.cfg.ReplyTimeout)
}

func (c *Client) exchangeWithin(ctx context.Context, line string, wait time.Duration) (Reply, error) {
	if c.dead != nil {
		return Reply{}, c.dead
	}
	c.lastCommand = maskSecret(line)
	if late, ok := c.ctl.stale(); ok && late.Code == 421 {
		c.note(late)
		return late, nil
	}
	ahead := c.ahead
	c.ahead = nil
	lines := []string{line}
	if ahead != nil {
		lines = []string{ahead.line, line}
	}
	if err := c.ctl.send(lines...); err != nil {
		if errors.Is(err, ErrUnsafeName) {
			return Reply{}, err // nothing was sent
		}
		return c.lastWords(ctx, err)
	}
	if ahead != nil {
		c.unanswered = true
		if err := c.awaitAhead(ctx, ahead); err != nil || ahead.reply.Code == 421 {
			return ahead.reply, err
		}
	}
	reply, err := c.ctl.receiveWithin(ctx, verbOf(line), wait)
	if err != nil {
		return Reply{}, c.die(err)
	}
	c.unanswered = false
	c.note(reply)
	return reply, nil
}

// A question is a command that is sent together with the next one, so that it
// costs no round trip of its own. Whatever the answer, the next one goes out.
type question struct {
	line  string
	reply Reply
}

// askAhead sends line with the next command, and returns what will hold the
// reply. It returns nil where commands go one at a time.
func (c *Client) askAhead(line string) *question {
	if c.cfg.OneAtATime {
		return nil
	}
	c.ahead = &question{line: line}
	return c.ahead
}

func (c *Client) awaitAhead(ctx context.Context, q *question) (err error) {
	for n := 0; ; n++ {
		if q.reply, err = c.ctl.receive(ctx, verbOf(q.line)); err != nil {
			return c.die(err)
		}
		if !q.reply.preliminary() || n == maxPreliminary {
			break
		}
	}
	if q.reply.Code == 421 {
		c.note(q.reply)
	}
	return nil
}

// lastWords looks for the 421 that says why the server has gone.
func (c *Client) lastWords(ctx context.Context, sendErr error) (Reply, error) {
	reply, err := c.ctl.receiveWithin(ctx, "last words", abortTimeout)
	if err != nil || !reply.failed() {
		return Reply{}, c.die(sendErr)
	}
	c.note(reply)
	return reply, nil
}

// note keeps the last reply; 421 says that the server closes the connection.
func (c *Client) note(reply Reply) {
	c.last = reply
	if reply.Code == 421 && c.dead == nil {
		c.dead = reply.err(c.lastCommand)
	}
}

// die marks the session as dead and returns err.
func (c *Client) die(err error) error {
	if c.dead == nil {
		c.dead = err
	}
	_ = c.ctl.close() // it is of no more use
	return err
}

// buffer returns the buffer for copies.
func (c *Client) buffer() []byte {
	if c.buf == nil {
		c.buf = make([]byte, copyStep)
	}
	return c.buf
}

// Has reports whether the server announced a feature such as "MLST".
func (c *Client) Has(feature string) bool {
	_, ok := c.features[feature]
	return ok
}

// Features returns what FEAT announced, names in upper case. It must not be
// changed.
func (c *Client) Features() map[string]string { return c.features }

// Secure reports whether the control connection is protected by TLS.
func (c *Client) Secure() bool { return c.state != nil }

// TLSState returns the state of the control connection after its handshake,
// nil in clear.
func (c *Client) TLSState() *tls.ConnectionState { return c.state }

// Err returns why the session is dead, nil while it is alive.
func (c *Client) Err() error { return c.dead }

// Passive reports whether data connections are opened by the client now.
func (c *Client) Passive() bool { return !c.active }

// Close ends the session with QUIT and waits a moment for the goodbye. An open
// stream is aborted. Closing a dead session is no error.
func (c *Client) Close() error {
	if c.stream != nil {
		_ = c.stream.Abort()
	}
	if c.dead != nil {
		_ = c.ctl.close()
		return nil
	}
	c.ctx = context.Background()
	err := c.lib.Quit()
	c.dead = net.ErrClosed
	return err
}

// sayGoodbye sends QUIT. The answer changes nothing, but closing before it
// arrives makes some servers log an aborted session.
func (c *Client) sayGoodbye() (Reply, error) {
	if c.dead != nil {
		return Reply{221, []string{"gone"}}, nil
	}
	if err := c.ctl.send("QUIT"); err == nil {
		_, _ = c.ctl.receiveWithin(context.Background(), "QUIT", time.Second)
	}
	return Reply{221, []string{"bye"}}, nil
}

// Command sends a raw command and returns the reply, a failing one too. It must
// not be a command that opens a data connection.
func (c *Client) Command(ctx context.Context, line string) (Reply, error) {
	if err := c.begin(ctx); err != nil {
		return Reply{}, err
	}
	if strings.EqualFold(verbOf(line), "TYPE") {
		c.typ = ""
	}
	return c.exchange(ctx, line)
}

func verbOf(line string) string {
	verb, _, _ := strings.Cut(line, " ")
	return verb
}
