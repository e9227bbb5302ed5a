package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/brio-net/brio/pkg/socket"
	"github.com/brio-net/brio/pkg/tlsx"
)

// A tlsHandler serves one connection after its handshake. It ends the stream in
// order, with close_notify.
type tlsHandler func(ctx context.Context, conn net.Conn, c *socket.Conn, id int64) (socket.PipeResult, error)

// service is what the flags say to do with connections.
func (s *tlsService) service() (serve service, finish func() error, err error) {
	finish = func() error { return nil }
	if isWireFault(s.o.fault) && !isLateFault(s.o.fault) {
		return s.faultService(), finish, nil
	}
	var handle tlsHandler
	switch {
	case s.o.www:
		handle = s.serveWWW
	case s.o.child.given():
		_, err = s.o.child.argv()
		handle = s.serveExec
	case s.o.forward != "":
		handle, err = s.forwarder()
	case s.o.echo:
		handle = s.serveEcho
	case s.o.discard:
		handle = s.serveDiscard
	default:
		handle, finish, err = s.piper()
	}
	if err != nil {
		return nil, finish, err
	}
	return s.secure(handle), finish, nil
}

// secure puts the talk before TLS and the handshake before handle.
func (s *tlsService) secure(handle tlsHandler) service {
	return func(ctx context.Context, c *socket.Conn, id int64) (socket.PipeResult, error) {
		conn, err := s.handshake(ctx, c, id)
		if err != nil {
			return socket.PipeResult{}, err
		}
		var stream net.Conn = conn
		if s.o.truncate {
			stream = tolerantConn{conn}
		}
		res, err := handle(ctx, stream, c, id)
		switch {
		case err != nil:
		case s.o.fault == faultTruncate:
			socket.Linger(ctx, c.NetConn(), lastPatience) // the end of TCP alone, and no reset
		default:
			endStream(conn)
		}
		return res, err // what failed ends without close_notify, so that no peer takes it for whole
	}
}

// lastPatience is how long a client may go on sending to a service that is done.
const lastPatience = 2 * time.Second

// endStream says the last word and reads what the client still sends, for a
// socket that is closed with bytes unread resets the connection, and what has
// not been sent yet is lost.
func endStream(conn *tlsx.Conn) {
	if conn.CloseWrite() == nil {
		_ = conn.SetReadDeadline(time.Now().Add(lastPatience)) // fails only on a closed connection
		_, _ = io.Copy(io.Discard, conn)
	}
	_ = conn.Close() // both directions have ended
}

func (s *tlsService) handshake(ctx context.Context, c *socket.Conn, id int64) (*tlsx.Conn, error) {
	start := time.Now()
	if d := s.o.tls.handshakeFor; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, &timeoutError{"the TLS handshake", d})
		defer cancel()
	}
	raw := s.faulty(c.NetConn())
	if p := s.o.tls.startTLS; p != "" {
		var err error
		if raw, err = tlsx.ServeStartTLS(ctx, raw, p, s.name()); err != nil {
			return nil, s.failed(ctx, c, "starttls", err)
		}
	}
	conn, err := s.context.Server(raw, tlsx.Override{})
	if err != nil {
		return nil, err
	}
	err = conn.Handshake(ctx)
	s.handshakeEvent(conn, c, id, time.Since(start), err)
	if err != nil {
		// A client of TLS 1.3 may have sent data already; a close with them
		// unread would be a reset, and that overtakes the alert.
		socket.Linger(ctx, c.NetConn(), lastPatience)
		_ = conn.Close() // the failure says more
		return nil, s.failed(ctx, c, "handshake", err)
	}
	startFault(raw)
	i := conn.Info()
	s.e.verbosef("%s: %s, %s, %s", peerName(c), i.Version, i.Cipher.Name, i.Group)
	return conn, nil
}

func (s *tlsService) name() string {
	if len(s.o.names) > 0 {
		return s.o.names[0]
	}
	return "localhost"
}

func (s *tlsService) failed(ctx context.Context, c *socket.Conn, op string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return &failure{err: err, op: op, target: peerName(c)}
}

func (s *tlsService) handshakeEvent(conn *tlsx.Conn, c *socket.Conn, id int64, took time.Duration, err error) {
	if !s.o.events.on() {
		return
	}
	info := conn.Info()
	code, text := conn.VerifyResult()
	ev := handshakeEvent{ID: id, Remote: peerName(c), TLS: &info, Millis: ms(took), Verify: int(code), Message: text}
	if err != nil {
		ev.Error = errorObjectOf(err, statusOf(err))
	}
	s.o.events.send("handshake", ev)
}

// explain names the peer in the failure of a service.
func (s *tlsService) explain(_ context.Context, err error, c *socket.Conn) error {
	return s.o.explainPump(err, c)
}

// piper joins connections to stdin and stdout. With -k stdin is read for none of
// them: it could be sent to one only.
func (s *tlsService) piper() (tlsHandler, func() error, error) {
	if s.o.keepOpen {
		s.o.pipe.noStdin = true
	}
	v, err := s.o.pipe.open(s.e, &s.o.events)
	if err != nil {
		return nil, func() error { return nil }, err
	}
	s.o.share(v)
	return func(ctx context.Context, conn net.Conn, c *socket.Conn, id int64) (socket.PipeResult, error) {
		r, err := v.run(ctx, conn, peerName(c), id)
		return r.PipeResult, err
	}, v.close, nil
}

func (s *tlsService) serveEcho(ctx context.Context, conn net.Conn, c *socket.Conn, _ int64) (socket.PipeResult, error) {
	n, err := socket.Echo(ctx, conn, s.o.bounds())
	return socket.PipeResult{Sent: n, Received: n}, s.explain(ctx, err, c)
}

func (s *tlsService) serveDiscard(ctx context.Context, conn net.Conn, c *socket.Conn, _ int64) (socket.PipeResult, error) {
	n, err := socket.Pump(ctx, io.Discard, conn, s.o.bounds())
	return socket.PipeResult{Received: n}, s.explain(ctx, err, c)
}

// serveExec runs the command of --exec. The child gets a pipe for its stdin, so
// that it can end while the client says nothing.
func (s *tlsService) serveExec(ctx context.Context, conn net.Conn, c *socket.Conn, _ int64) (socket.PipeResult, error) {
	in, feed, err := os.Pipe()
	if err != nil {
		return socket.PipeResult{}, err
	}
	fed := make(chan error, 1)
	go func() {
		_, err := socket.Pump(ctx, feed, conn, s.o.bounds())
		feed.Close()
		fed <- err
	}()
	out := &countingWriter{w: conn}
	vars := append(connVariables("tls", c.LocalAddr(), c.RemoteAddr()), s.o.listenOptions.names.variables(ctx, c)...)
	err = s.o.child.run(ctx, s.e, in, out, vars)
	in.Close()
	_ = conn.SetReadDeadline(time.Unix(1, 0)) // the child is done: read no more
	ferr := <-fed
	if err == nil && errors.Is(ferr, tlsx.ErrTruncated) {
		err = s.explain(ctx, ferr, c)
	}
	return socket.PipeResult{Sent: out.n}, err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	w.n += int64(n)
	return n, err
}

// forwarder joins every connection with one in the clear.
func (s *tlsService) forwarder() (tlsHandler, error) {
	a, err := parseAddress(s.o.forward, useConnect)
	if err != nil {
		return nil, err
	}
	d := dialFlags{ip: s.o.ip, connectTimeout: s.o.connectTimeout}
	cfg, err := d.config()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, conn net.Conn, c *socket.Conn, _ int64) (socket.PipeResult, error) {
		far, err := d.dial(ctx, a, cfg)
		if err != nil {
			return socket.PipeResult{}, err
		}
		defer far.Close()
		there, back, err := socket.Relay(ctx, conn, far.NetConn(), socket.RelayOptions{Idle: s.o.pipe.idle})
		return socket.PipeResult{Sent: back, Received: there}, s.explain(ctx, err, c)
	}, nil
}

// Limits of the status page: it answers one request.
const (
	wwwMaxRequest = 16 << 10
	wwwPatience   = 10 * time.Second
)

// serveWWW answers one HTTP request with what the handshake showed.
func (s *tlsService) serveWWW(_ context.Context, conn net.Conn, c *socket.Conn, _ int64) (socket.PipeResult, error) {
	_ = conn.SetDeadline(time.Now().Add(wwwPatience)) // fails only on a closed connection
	request, err := readRequest(conn)
	if err == io.EOF && request == "" {
		return socket.PipeResult{}, nil // a client that wanted the handshake only
	}
	if err != nil {
		return socket.PipeResult{Received: int64(len(request))}, at(peerName(c), err)
	}
	page := s.page(conn, peerName(c), request)
	n, err := fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(page), page)
	res := socket.PipeResult{Sent: int64(n), Received: int64(len(request))}
	if err != nil {
		return res, at(peerName(c), err)
	}
	return res, nil
}

// readRequest reads up to the empty line after the header.
func readRequest(r io.Reader) (string, error) {
	b := bufio.NewReader(io.LimitReader(r, wwwMaxRequest))
	var text strings.Builder
	for {
		line, err := b.ReadString('\n')
		text.WriteString(line)
		if err != nil {
			return text.String(), err
		}
		if strings.TrimRight(line, "\r\n") == "" {
			return text.String(), nil
		}
	}
}

// page is the text of the status page: the connection, and the request as the
// server saw it.
func (s *tlsService) page(conn net.Conn, peer, request string) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", name, safe(value))
		}
	}
	line("peer", peer)
	if t, ok := conn.(interface{ Info() tlsx.Info }); ok {
		s.describe(line, t.Info())
	}
	if t, ok := conn.(interface {
		Verification() *tlsx.VerifyResult
		PeerChain() [][]byte
	}); ok {
		for _, der := range t.PeerChain() {
			line("client", newPeerCertificate(der).Subject)
		}
		for _, row := range verifyRows(t.Verification()) {
			line(row[0], row[1])
		}
	}
	b.WriteString("\n")
	for l := range strings.Lines(request) {
		fmt.Fprintf(&b, "> %s\n", safe(strings.TrimRight(l, "\r\n")))
	}
	return b.String()
}

func (s *tlsService) describe(line func(name, value string), i tlsx.Info) {
	line("protocol", i.Version)
	line("cipher", i.Cipher.Name)
	line("group", i.Group)
	line("alpn", i.ALPN)
	line("sni", i.ServerName)
	line("resumed", map[bool]string{true: "yes", false: "no"}[i.Resumed])
	if h := i.Hello; h != nil {
		line("offers", strings.Join(h.Versions, " "))
		line("suites", strings.Join(h.Suites, " "))
		line("groups", strings.Join(h.Groups, " "))
		line("signatures", strings.Join(h.Signatures, " "))
		line("protocols", strings.Join(h.ALPN, " "))
	}
}
