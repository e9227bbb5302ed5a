package ftpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"
)

// An adapter is the control connection that the library sees. The library
// writes one command per call and then reads one reply; the adapter carries the
// command out, with more or other commands where needed, and hands back one
// short reply in the exact form the library accepts. TestLibraryContract pins
// the commands that the library sends.
type adapter struct {
	c   *Client
	out bytes.Buffer // for the library to read
}

// newLibrary wraps the negotiated connection of c.
func newLibrary(c *Client) (*ftp.ServerConn, error) {
	a := &adapter{c: c}
	a.answer(Reply{Code: ftp.StatusReady, Lines: []string{"ready"}})
	control := true
	return ftp.Dial(c.cfg.Addr(), ftp.DialWithDisabledUTF8(true), ftp.DialWithDialFunc(
		func(string, string) (net.Conn, error) {
			if control {
				control = false
				return a, nil
			}
			return c.takeData()
		}))
}

// Write carries out the command in p.
func (a *adapter) Write(p []byte) (int, error) {
	reply, err := a.c.perform(a.c.ctx, strings.TrimRight(string(p), "\r\n"))
	if err != nil {
		return 0, a.c.keep(err)
	}
	a.answer(reply)
	return len(p), nil
}

// Read gives the library its answer; when there is none it waits for the final
// reply of a transfer.
func (a *adapter) Read(p []byte) (int, error) {
	if a.out.Len() == 0 {
		reply, err := a.c.finalReply(a.c.ctx)
		if err != nil {
			return 0, a.c.keep(err)
		}
		a.answer(reply)
	}
	return a.out.Read(p)
}

// answer queues reply for the library. Only FEAT has more than one line.
func (a *adapter) answer(reply Reply) {
	last := len(reply.Lines) - 1
	for i, line := range reply.Lines {
		switch {
		case i == last:
			fmt.Fprintf(&a.out, "%03d %s\r\n", reply.Code, line)
		case i == 0:
			fmt.Fprintf(&a.out, "%03d-%s\r\n", reply.Code, line)
		default:
			a.out.WriteString(line + "\r\n")
		}
	}
}

// Close ends the real control connection.
func (a *adapter) Close() error { return a.c.ctl.close() }

// LocalAddr and the following complete [net.Conn]. The library insists on a
// TCP address; the waits are bounded by the Client.
func (a *adapter) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (a *adapter) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (a *adapter) SetDeadline(time.Time) error      { return nil }
func (a *adapter) SetReadDeadline(time.Time) error  { return nil }
func (a *adapter) SetWriteDeadline(time.Time) error { return nil }

// perform carries out one command of the library.
func (c *Client) perform(ctx context.Context, line string) (Reply, error) {
	verb, arg, _ := strings.Cut(line, " ")
	switch verb {
	case "USER", "PASS":
		return c.logIn(ctx, line)
	case "FEAT":
		return c.askFeatures(ctx)
	case "TYPE":
		return c.setType(ctx, arg)
	case "PRET":
		return c.exchange(ctx, verb+" "+c.transferCommand(arg))
	case "EPSV":
		// Everything about data connections happens here; the library learns
		// of a failure when it dials.
		c.pending, c.pendingErr = c.prepareData(ctx)
		return Reply{229, []string{"(|||1|)"}}, nil
	case "RETR", "STOR", "APPE", "LIST", "MLSD", "NLST":
		return c.startTransfer(ctx, c.transferCommand(line))
	case "QUIT":
		return c.sayGoodbye()
	}
	reply, err := c.exchange(ctx, line)
	if err != nil {
		return reply, err
	}
	return repair(verb, reply)
}

// repair turns a reply of the right kind into the one that the library insists
// on: servers answer 200 where the RFC has 250 and the like.
func repair(verb string, reply Reply) (Reply, error) {
	if reply.failed() {
		return reply, nil
	}
	want := insistedCode(verb)
	if reply.Code/100 == want/100 || verb == "REST" {
		reply.Code = want
	}
	reply.Lines = []string{reply.Message()}
	if verb == "SIZE" {
		n, err := parseSize(reply.Message())
		if err != nil {
			return Reply{}, err
		}
		reply.Lines[0] = fmt.Sprint(n)
	}
	return reply, nil
}

// insistedCode returns the code that the library takes for a success of verb.
func insistedCode(verb string) int {
	switch verb {
	case "TYPE", "NOOP":
		return 200
	case "SIZE":
		return 213
	case "CWD", "DELE", "RMD", "RNTO":
		return 250
	case "MKD":
		return 257
	case "REST", "RNFR":
		return 350
	}
	return 0
}

// logIn sends USER or PASS. 2xx after either ends the login, 332 asks for ACCT.
func (c *Client) logIn(ctx context.Context, line string) (Reply, error) {
	if c.greeted == 230 {
		return Reply{230, []string{"logged in by the greeting"}}, nil
	}
	reply, err := c.exchange(ctx, line)
	if err == nil && reply.Code == 332 && c.cfg.Account != "" {
		reply, err = c.exchange(ctx, "ACCT "+c.cfg.Account)
	}
	if reply.completed() {
		reply = Reply{230, []string{reply.Message()}}
	}
	return reply, err
}

// askFeatures keeps the features for the Client and tells the library only of
// those it handles well.
func (c *Client) askFeatures(ctx context.Context) (Reply, error) {
	reply, err := c.exchange(ctx, "FEAT")
	if err != nil {
		return reply, err
	}
	shown := []string{"features"}
	if reply.completed() {
		c.features = parseFeatures(reply.Lines)
	}
	if c.Has("MLST") && !c.cfg.NoMLSD {
		shown = append(shown, " MLST")
	}
	if c.Has("PRET") {
		shown = append(shown, " PRET")
	}
	return Reply{211, append(shown, "end")}, nil
}

// parseFeatures reads the lines between the first and the last. Some servers
// leave out the blank in front.
func parseFeatures(lines []string) map[string]string {
	features := map[string]string{}
	if len(lines) < 2 {
		return features
	}
	for _, line := range lines[1 : len(lines)-1] {
		name, desc, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "" {
			features[strings.ToUpper(name)] = desc
		}
	}
	return features
}

// setType sends TYPE unless the type is in force.
func (c *Client) setType(ctx context.Context, typ string) (Reply, error) {
	if c.typ == typ {
		return Reply{200, []string{"already"}}, nil
	}
	reply, err := c.exchange(ctx, "TYPE "+typ)
	if err != nil {
		return reply, err
	}
	if reply.completed() {
		c.typ = typ
	}
	return repair("TYPE", reply)
}

// transferCommand puts the verb in that the library does not know.
func (c *Client) transferCommand(line string) string {
	verb, path, _ := strings.Cut(line, " ")
	switch {
	case verb == "STOR" && c.unique:
		return "STOU"
	case verb == "MLSD" && c.noMLSD:
		return strings.TrimSuffix("LIST "+path, " ")
	}
	return line
}

// startTransfer sends a transfer command and completes the data connection.
func (c *Client) startTransfer(ctx context.Context, line string) (Reply, error) {
	d := c.data
	wait := c.cfg.ReplyTimeout
	if d.listener != nil && c.mayFallBack() {
		wait = min(wait, patience) // the server may be trying to connect
	}
	reply, err := c.exchangeWithin(ctx, line, wait)
	if err != nil {
		return reply, c.missing(ctx, d, err)
	}
	c.began = reply
	switch {
	case reply.failed():
		return Reply{reply.Code, []string{reply.Message()}}, nil
	case reply.completed():
		c.ctl.unread(reply) // no 1xx: this is the final reply already
	case !reply.preliminary():
		return reply, c.die(fmt.Errorf("%w: %s answered with %d", ErrProtocol, verbOf(line), reply.Code))
	}
	err = d.establish(ctx, isUpload(line))
	if errors.Is(err, errNoDataConnection) {
		reply, err = c.ctl.receive(ctx, verbOf(line))
		c.last = reply
		return Reply{reply.Code, []string{reply.Message()}}, err
	}
	if err != nil {
		return reply, c.missing(ctx, d, err)
	}
	return Reply{150, []string{"go"}}, nil
}

// missing ends the session over err; when the server was to connect and did not,
// the next session falls back.
func (c *Client) missing(ctx context.Context, d *dataConn, err error) error {
	if d.listener != nil && isTimeout(err) && ctx.Err() == nil {
		return c.abandon(err)
	}
	return c.die(err)
}

func isUpload(line string) bool {
	switch verbOf(line) {
	case "STOR", "STOU", "APPE":
		return true
	}
	return false
}

// finalReply waits for the end of a transfer. A 1xx here is noise (Pure-FTPd
// sends another 150 after an aborted download); a failing reply right behind a
// 226 takes it back.
func (c *Client) finalReply(ctx context.Context) (Reply, error) {
	wait := c.cfg.ReplyTimeout
	if c.aborting {
		wait = abortTimeout
	}
	for range maxPreliminary {
		reply, err := c.ctl.receiveWithin(ctx, verbOf(c.lastCommand), wait)
		if err != nil {
			return Reply{}, c.die(err)
		}
		if reply.preliminary() {
			continue
		}
		if late, ok := c.ctl.stale(); ok && reply.completed() {
			reply = late
		}
		c.note(reply)
		if reply.completed() {
			return Reply{226, []string{reply.Message()}}, nil
		}
		return Reply{reply.Code, []string{reply.Message()}}, nil
	}
	return Reply{}, c.die(fmt.Errorf("%w: no end of 1xx replies", ErrProtocol))
}

// takeData hands the prepared data connection to the library.
func (c *Client) takeData() (net.Conn, error) {
	c.data = c.pending
	if c.pendingErr != nil {
		return nil, c.keep(c.pendingErr)
	}
	return &libraryData{Conn: nil, d: c.data}, nil
}

// libraryData is the data connection that the library sees. No byte of a file
// passes through the library: a [Stream] works on the dataConn itself while the
// library waits in Read or ReadFrom.
type libraryData struct {
	net.Conn
	d *dataConn
}

// Read lets a listing pass, and tells the library of its end.
func (l *libraryData) Read([]byte) (int, error) {
	if err := l.d.client.drainListing(l.d); err != nil {
		return 0, l.d.client.keep(err)
	}
	return 0, io.EOF
}

// ReadFrom lends the connection of an upload to the Stream until it is closed.
func (l *libraryData) ReadFrom(io.Reader) (int64, error) {
	return 0, l.d.client.loan.lend()
}

// Close ends the data connection: an upload with care, a download at once.
func (l *libraryData) Close() error {
	c := l.d.client
	if l.d.raw == nil || !l.d.upload || c.aborting {
		return l.d.Close()
	}
	err := l.d.finish(c.ctx)
	if err != nil && c.opErr == nil {
		c.closeErr = err // the server's reply explains it better when there is one
	}
	return err
}
