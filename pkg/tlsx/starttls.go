package tlsx

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// Limits of the talk before TLS.
const (
	startTLSLine  = 4 << 10  // one line or packet
	startTLSTotal = 64 << 10 // all that the peer may say
	startTLSTurns = 64       // commands a client may give before TLS
)

// ErrDataBeforeTLS is wrapped by the error about a peer that sent more after
// it agreed to start TLS. What it sent would count as said under TLS, so
// somebody on the way may have put it there.
var ErrDataBeforeTLS = errors.New("the peer sent data between its agreement and TLS")

// A StartTLSError reports a peer that does not start TLS.
type StartTLSError struct {
	Protocol string // "smtp" ...
	Reply    string // what the peer said, "" when it said nothing to the point
	Reason   string // what is wrong with it
}

// Error returns the protocol, the reason and the reply.
func (e *StartTLSError) Error() string {
	if e.Reply == "" {
		return fmt.Sprintf("starttls %s: %s", e.Protocol, e.Reason)
	}
	return fmt.Sprintf("starttls %s: %s: %q", e.Protocol, e.Reason, e.Reply)
}

// startTLSDialogue is one protocol: either side of its talk, and its port.
type startTLSDialogue struct {
	name   string
	port   uint16
	client func(*dialogue) error
	server func(*dialogue) error // nil when there is none
}

func startTLSTable() []startTLSDialogue {
	return []startTLSDialogue{
		{"smtp", 25, func(d *dialogue) error { return smtpClient(d, "EHLO") }, func(d *dialogue) error { return smtpServer(d, "EHLO") }},
		{"lmtp", 24, func(d *dialogue) error { return smtpClient(d, "LHLO") }, func(d *dialogue) error { return smtpServer(d, "LHLO") }},
		{"imap", 143, imapClient, imapServer},
		{"pop3", 110, pop3Client, pop3Server},
		{"ftp", 21, ftpClient, ftpServer},
		{"ldap", 389, ldapClient, ldapServer},
		{"xmpp", 5222, func(d *dialogue) error { return xmppClient(d, "jabber:client") }, func(d *dialogue) error { return xmppServer(d, "jabber:client") }},
		{"xmpp-server", 5269, func(d *dialogue) error { return xmppClient(d, "jabber:server") }, func(d *dialogue) error { return xmppServer(d, "jabber:server") }},
		{"postgres", 5432, postgresClient, postgresServer},
		{"mysql", 3306, mysqlClient, mysqlServer},
		{"irc", 6667, ircClient, ircServer},
		{"nntp", 119, nntpClient, nntpServer},
		{"sieve", 4190, sieveClient, sieveServer},
		{"rdp", 3389, rdpClient, rdpServer},
		{"tds", 1433, tdsClient, nil},
		{"telnet", 23, telnetClient, telnetServer},
	}
}

// StartTLSProtocols returns the protocols that [StartTLS] knows.
func StartTLSProtocols() []string {
	var names []string
	for _, p := range startTLSTable() {
		names = append(names, p.name)
	}
	return names
}

// StartTLSServerProtocols returns the protocols that [ServeStartTLS] knows.
func StartTLSServerProtocols() []string {
	var names []string
	for _, p := range startTLSTable() {
		if p.server != nil {
			names = append(names, p.name)
		}
	}
	return names
}

// StartTLSPort returns the port on which protocol usually starts in the clear,
// 0 for an unknown one.
func StartTLSPort(protocol string) uint16 {
	for _, p := range startTLSTable() {
		if p.name == protocol {
			return p.port
		}
	}
	return 0
}

// StartTLS has the talk of protocol on conn that comes before TLS, as a
// client. name is the host name that some protocols mention. TLS goes over the
// connection it returns, which is conn itself for most protocols.
//
// A peer that refuses gives a *[StartTLSError]. The end of ctx ends the talk;
// conn is then of no more use.
func StartTLS(ctx context.Context, conn net.Conn, protocol, name string) (net.Conn, error) {
	return startTLS(ctx, conn, protocol, name, func(p startTLSDialogue) func(*dialogue) error { return p.client })
}

// ServeStartTLS is the server's side of [StartTLS]: it answers on conn until
// the client starts TLS. name is what the server calls itself.
func ServeStartTLS(ctx context.Context, conn net.Conn, protocol, name string) (net.Conn, error) {
	return startTLS(ctx, conn, protocol, name, func(p startTLSDialogue) func(*dialogue) error { return p.server })
}

func startTLS(ctx context.Context, conn net.Conn, protocol, name string, side func(startTLSDialogue) func(*dialogue) error) (net.Conn, error) {
	table := startTLSTable()
	i := slices.IndexFunc(table, func(p startTLSDialogue) bool { return p.name == protocol })
	if i < 0 || side(table[i]) == nil {
		return nil, fmt.Errorf("starttls %q: %w; known are %s", protocol, errors.ErrUnsupported, strings.Join(StartTLSProtocols(), ", "))
	}
	d := newDialogue(conn, protocol, name)
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err := side(table[i])(d)
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err == nil && d.wrap == nil && d.r.Buffered() > 0 {
		err = ErrDataBeforeTLS
	}
	if err != nil {
		var refused *StartTLSError
		if errors.As(err, &refused) {
			return nil, err
		}
		return nil, fmt.Errorf("starttls %s: %w", protocol, err)
	}
	if d.wrap != nil {
		return d.wrap, nil
	}
	return conn, nil
}

// dialogue is a talk before TLS with bounds.
type dialogue struct {
	conn     net.Conn
	r        *bufio.Reader
	protocol string
	name     string
	wrap     net.Conn // the connection for TLS, when it is not conn
}

// keepRest makes TLS begin with what has been read already, for a protocol in
// which the client does not wait for an answer.
func (d *dialogue) keepRest() {
	rest, _ := d.r.Peek(d.r.Buffered()) // what is buffered can be peeked at
	d.wrap = &restConn{Conn: d.conn, rest: bytes.Clone(rest)}
}

// restConn is a connection of which the first bytes have been read.
type restConn struct {
	net.Conn
	rest []byte
}

// NetConn returns the connection below.
func (c *restConn) NetConn() net.Conn { return c.Conn }

func (c *restConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func newDialogue(conn net.Conn, protocol, name string) *dialogue {
	if name == "" {
		name = "localhost"
	}
	limited := &io.LimitedReader{R: conn, N: startTLSTotal}
	return &dialogue{conn: conn, r: bufio.NewReaderSize(limited, startTLSLine), protocol: protocol, name: name}
}

// refused is the error about a reply.
func (d *dialogue) refused(reply, reason string) error {
	return &StartTLSError{Protocol: d.protocol, Reply: reply, Reason: reason}
}

func (d *dialogue) sendf(format string, args ...any) error {
	return d.send(fmt.Appendf(nil, format, args...))
}

func (d *dialogue) send(b []byte) error {
	_, err := d.conn.Write(b)
	return err
}

// line reads one line without its end.
func (d *dialogue) line() (string, error) {
	b, err := d.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return "", d.refused("", "the line is too long")
	}
	if err != nil {
		return "", unexpectedEOF(err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// bytes reads n bytes.
func (d *dialogue) bytes(n int) ([]byte, error) {
	if n < 0 || n > startTLSLine {
		return nil, d.refused("", fmt.Sprintf("a packet of %d bytes", n))
	}
	b := make([]byte, n)
	_, err := io.ReadFull(d.r, b)
	return b, unexpectedEOF(err)
}

// until reads up to the first of the marks and returns all that came.
func (d *dialogue) until(marks ...string) (string, error) {
	var b []byte
	for len(b) < startTLSTotal {
		c, err := d.r.ReadByte()
		if err != nil {
			return string(b), unexpectedEOF(err)
		}
		b = append(b, c)
		for _, m := range marks {
			if bytes.HasSuffix(b, []byte(m)) {
				return string(b), nil
			}
		}
	}
	return "", d.refused("", "too much talk")
}

func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// reply reads a reply of SMTP, FTP or NNTP: lines that start with a number, the
// last one without a dash after it. It wants a number that starts with want.
func (d *dialogue) reply(want string) (lines []string, err error) {
	for {
		l, err := d.line()
		if err != nil {
			return lines, err
		}
		lines = append(lines, l)
		if len(lines) == 1 && (len(l) < 3 || !isDigits(l[:3])) {
			return lines, d.refused(l, "not a reply of this protocol")
		}
		// An FTP server may put lines without a number in between.
		if len(l) >= 3 && isDigits(l[:3]) && (len(l) == 3 || l[3] != '-') {
			break
		}
	}
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
		return lines, d.refused(last, "the server refuses")
	}
	return lines, nil
}

// ask sends a command and reads the reply to it.
func (d *dialogue) ask(command, want string) (lines []string, err error) {
	if err := d.sendf("%s\r\n", command); err != nil {
		return nil, err
	}
	return d.reply(want)
}

func isDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// commands answers the lines of a client until answer says that TLS starts.
func (d *dialogue) commands(answer func(line string) (start bool, err error)) error {
	for range startTLSTurns {
		l, err := d.line()
		if err != nil {
			return err
		}
		if start, err := answer(l); start || err != nil {
			return err
		}
	}
	return d.refused("", "too many commands without TLS")
}

func verb(line string) string {
	word, _, _ := strings.Cut(line, " ")
	return strings.ToUpper(word)
}

func hasWord(lines []string, word string) bool {
	return slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(strings.ToUpper(l), word) })
}
