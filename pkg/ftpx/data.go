package ftpx

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"
)

// Bounds of ending a data connection.
const (
	// drainLimit bounds what is read, and thrown away, from a server that
	// still sends on the connection of an upload: TLS 1.3 session tickets.
	drainLimit = 1 << 20
	// abortTimeout bounds the wait for the reply to a transfer cut short.
	// Some servers never answer over TLS.
	abortTimeout = 2 * time.Second
	// patience bounds the wait for a data connection while there is another
	// way to make one: the time for three more SYNs after the first.
	patience = 15 * time.Second
)

// A dataConn is a data connection on its way from being prepared (before the
// transfer command) over established (after the 1xx reply) to closed.
type dataConn struct {
	client   *Client
	listener net.Listener // active mode, until the server has connected
	raw      net.Conn     // bare, so that bytes can be spliced
	secure   *tls.Conn    // nil in clear
	wire     *wire        // below secure
	shaken   bool         // the handshake of secure is done
	upload   bool
	sawEOF   bool
	idle     time.Duration
	doomed   atomic.Bool // the server said that the transfer failed
}

// deadline returns until when a read or a write may stand still.
func (d *dataConn) deadline() time.Time {
	if d.doomed.Load() {
		return time.Now().Add(abortTimeout)
	}
	return time.Now().Add(d.idle)
}

// doom shortens the waits: data that has not come yet will not come.
func (d *dataConn) doom() {
	d.doomed.Store(true)
	_ = d.raw.SetDeadline(d.deadline()) // a closed connection does not wait
}

// prepareData opens what must be open before the transfer command: a passive
// connection, or a listener whose address the server has been told.
func (c *Client) prepareData(ctx context.Context) (*dataConn, error) {
	d := &dataConn{client: c, idle: c.cfg.IdleTimeout}
	first, second := c.preparePassive, c.prepareActive
	if c.active {
		first, second = second, first
	}
	err := first(ctx, d)
	if err == nil || !c.mayFallBack() || c.dead != nil || ctx.Err() != nil {
		return d, err
	}
	if err2 := second(ctx, d); err2 != nil {
		return d, err // the mode asked for says more
	}
	c.fallBack(err)
	return d, nil
}

// mayFallBack reports whether the other data mode may still be tried.
func (c *Client) mayFallBack() bool {
	return (c.cfg.Data == DataAuto || c.cfg.Data == DataActiveFirst) && !c.fellBack
}

// dataWait returns how long to wait for a data connection when another way to
// make one is left or not.
func (c *Client) dataWait(another bool) time.Duration {
	if another {
		return min(patience, c.cfg.ConnectTimeout)
	}
	return c.cfg.ConnectTimeout
}

func (c *Client) preparePassive(ctx context.Context, d *dataConn) error {
	v4 := c.remoteIP().Is4() // PASV has IPv4 addresses only
	if !c.noEPSV {
		err := c.passive(ctx, d, "EPSV", parseExtendedPassive, v4 || c.mayFallBack())
		if err == nil || ctx.Err() != nil || c.dead != nil || !v4 {
			return err
		}
		c.noEPSV = true // refused, garbled, or the port cannot be reached
	}
	return c.passive(ctx, d, "PASV", parsePassive, c.mayFallBack())
}

func (c *Client) passive(ctx context.Context, d *dataConn, verb string, parse func(string) (int, error), another bool) error {
	reply, err := c.exchange(ctx, verb)
	if err != nil {
		return err
	}
	if err := reply.err(verb); err != nil {
		return err
	}
	port, err := parse(reply.Text())
	if err != nil {
		return err
	}
	d.raw, err = dialWithin(ctx, c.cfg, net.JoinHostPort(c.dataHost(), strconv.Itoa(port)), c.dataWait(another))
	if err != nil {
		return fmt.Errorf("data connection: %w", err)
	}
	return nil
}

// dataHost returns where passive data connections go: to the server of the
// control connection, whatever address a 227 names.
func (c *Client) dataHost() string {
	if c.cfg.DataHost != "" {
		return c.cfg.DataHost
	}
	if tcp, ok := c.netConn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().String() // with the zone
	}
	return c.cfg.Host
}

func (c *Client) remoteIP() netip.Addr { return addrOf(c.netConn.RemoteAddr()) }

func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// dialWithin opens a TCP connection in time.
func dialWithin(ctx context.Context, cfg Config, addr string, limit time.Duration) (net.Conn, error) {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := cfg.Dial(within, "tcp", addr)
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, contextError(ctx)
	}
	if within.Err() != nil {
		return nil, &TimeoutError{Op: "the connection to " + addr}
	}
	return nil, err
}

func (c *Client) prepareActive(ctx context.Context, d *dataConn) error {
	local := addrOf(c.netConn.LocalAddr())
	l, err := c.listenActive(ctx, local)
	if err != nil {
		return err
	}
	announced := c.cfg.ActiveAddr.Unmap()
	if !announced.IsValid() {
		announced = local
	}
	if err := c.announce(ctx, announced, l.Addr()); err != nil {
		_ = l.Close() // the refusal is the error
		return err
	}
	d.listener = l
	return nil
}

// listenActive listens on the first free port of ActivePorts.
func (c *Client) listenActive(ctx context.Context, local netip.Addr) (net.Listener, error) {
	ports := c.cfg.ActivePorts
	for port := int(ports.Low); ; port++ {
		l, err := c.cfg.Listen(ctx, "tcp", net.JoinHostPort(local.String(), strconv.Itoa(port)))
		if err == nil || port >= int(ports.High) || ctx.Err() != nil {
			return l, err
		}
	}
}

// announce tells the server where to connect: EPRT (RFC 2428), or PORT when the
// server does not know it.
func (c *Client) announce(ctx context.Context, ip netip.Addr, listener net.Addr) error {
	port := listener.(*net.TCPAddr).Port
	if !c.noEPRT || !ip.Is4() { // PORT has IPv4 addresses only
		reply, err := c.exchange(ctx, eprt(ip, port))
		if err != nil || reply.completed() {
			return err
		}
		if !ip.Is4() {
			return reply.err("EPRT")
		}
		c.noEPRT = true
	}
	reply, err := c.exchange(ctx, portCommand(ip, port))
	if err != nil {
		return err
	}
	return reply.err("PORT")
}

func eprt(ip netip.Addr, port int) string {
	family := 1
	if ip.Is6() {
		family = 2
	}
	return fmt.Sprintf("EPRT |%d|%s|%d|", family, ip.WithZone(""), port)
}

func portCommand(ip netip.Addr, port int) string {
	a := ip.As4()
	return fmt.Sprintf("PORT %d,%d,%d,%d,%d,%d", a[0], a[1], a[2], a[3], port>>8, port&255)
}

// establish completes the connection after the 1xx reply.
func (d *dataConn) establish(ctx context.Context, upload bool) error {
	d.upload = upload
	if d.listener != nil {
		if err := d.accept(ctx); err != nil {
			return err
		}
	}
	c := d.client
	c.ctl.onFailure(d.doom)
	if c.tls == nil || c.cfg.ClearData {
		return nil
	}
	d.wire = c.wire.use(d.raw)
	d.secure = tls.Client(d.wire, c.dataTLS())
	return nil
}

// accept waits for the server to connect, and for a reply that says it will
// not. A 226 may overtake the connection of a small file: then the connection
// is in the queue of the listener already.
func (d *dataConn) accept(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, d.client.dataWait(d.client.mayFallBack()))
	defer cancel()
	stop := context.AfterFunc(within, func() { _ = d.listener.Close() })
	defer stop()
	accepted := make(chan error, 1)
	go func() { accepted <- d.acceptFromServer() }()
	return d.awaitAccept(within, ctx, accepted)
}

func (d *dataConn) awaitAccept(within, ctx context.Context, accepted <-chan error) error {
	ctl := d.client.ctl
	ctl.watch()
	replies := ctl.replies
	if len(ctl.queue) > 0 {
		replies = nil // the final reply is here already
	}
	for {
		select {
		case err := <-accepted:
			if err != nil && within.Err() != nil {
				err = &TimeoutError{Op: "the server's data connection"}
			}
			if ctx.Err() != nil {
				err = contextError(ctx)
			}
			return err
		case reply, ok := <-replies:
			replies = nil
			if ok {
				ctl.countFailure(reply, -1)
				ctl.unread(reply)
			}
			if ok && reply.completed() {
				// Connected before it said so, or never: a short wait tells.
				d.limitAccept(time.Second)
				continue
			}
			_ = d.listener.Close() // ends the accepting goroutine
			<-accepted
			if !ok {
				return ctl.closedError()
			}
			return errNoDataConnection
		}
	}
}

// errNoDataConnection stands for a failing reply that is still queued.
var errNoDataConnection = errors.New("no data connection")

func (d *dataConn) limitAccept(wait time.Duration) {
	if l, ok := d.listener.(interface{ SetDeadline(time.Time) error }); ok {
		_ = l.SetDeadline(time.Now().Add(wait)) // a closed listener ends the wait too
	}
}

// acceptFromServer accepts until the connection comes from the server itself.
func (d *dataConn) acceptFromServer() error {
	defer d.listener.Close()
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return fmt.Errorf("data connection: %w", err)
		}
		if addrOf(conn.RemoteAddr()) == d.client.remoteIP() {
			d.raw = conn
			return nil
		}
		_ = conn.Close() // a third party trying to steal or forge data
	}
}

// conn returns what the data goes through.
func (d *dataConn) conn() net.Conn {
	if d.secure != nil {
		return d.secure
	}
	return d.raw
}

// handshake shakes hands when TLS protects the connection. It must not happen
// before the transfer command: servers wait for that first.
func (d *dataConn) handshake(ctx context.Context) error {
	if d.secure == nil || d.shaken {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, d.client.cfg.ConnectTimeout)
	defer cancel()
	err := handshake(within, d.secure, "the TLS handshake of the data connection")
	d.shaken = err == nil
	return err
}

// finish ends an upload so that the server gets every byte: close_notify, FIN,
// then reading until the server closes too. Closing with unread bytes in the
// receive buffer (TLS 1.3 session tickets) would send a reset, and the server
// would lose what it has not read yet.
func (d *dataConn) finish(ctx context.Context) error {
	if d.secure == nil {
		return d.raw.Close()
	}
	if err := d.handshake(ctx); err != nil { // an empty file was never written to
		_ = d.raw.Close()
		return err
	}
	err := d.raw.SetDeadline(time.Now().Add(d.client.cfg.ReplyTimeout))
	err = errors.Join(err, d.secure.CloseWrite())
	if half, ok := d.raw.(interface{ CloseWrite() error }); ok {
		err = errors.Join(err, half.CloseWrite())
	}
	// The server's final reply is the verdict; draining only avoids the reset.
	_ = d.raw.SetReadDeadline(time.Now().Add(abortTimeout))
	_, _ = io.CopyN(io.Discard, d.raw, drainLimit)
	return errors.Join(err, d.raw.Close())
}

// Close ends the connection at once.
func (d *dataConn) Close() error {
	d.client.ctl.onFailure(nil)
	if d.listener != nil {
		_ = d.listener.Close() // closed already when the server has connected
	}
	if d.raw == nil {
		return nil
	}
	return d.raw.Close()
}

// cutShort reports whether TLS data ended without close_notify: anyone on the
// path can end the TCP connection early.
func (d *dataConn) cutShort() bool { return d.secure != nil && d.wire.eof }

// dataTLS returns the TLS configuration of a data connection: the peer must
// show the certificate of the control connection.
func (c *Client) dataTLS() *tls.Config {
	cfg := c.tls.Clone()
	if len(c.peerCert) == 0 {
		return cfg
	}
	verify := cfg.VerifyConnection
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, c.peerCert) {
			return errors.New("data connection shows another certificate than the control connection")
		}
		if verify != nil {
			return verify(s)
		}
		return nil
	}
	return cfg
}
