package socket

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// A Conn is a connected stream socket. It is a [net.Conn]; several goroutines
// may use it at the same time. Whoever gets a Conn closes it.
type Conn struct {
	bare         bareConn
	readTimeout  atomic.Int64 // nanoseconds, 0 is none
	writeTimeout atomic.Int64
	shut         [2]atomic.Bool // input, output
	path         *unixPath      // of this side, if Dial made it

	buffered  *bufio.Reader // nil until input chunking was first on
	chunksIn  *ChunkReader  // nil while it is off
	chunksOut *ChunkWriter  // nil while output chunking is off
}

// A bareConn is what *net.TCPConn and *net.UnixConn have in common.
type bareConn interface {
	net.Conn
	syscall.Conn
	CloseRead() error
	CloseWrite() error
}

// NewConn makes a Conn of c, which must be a *net.TCPConn or a *net.UnixConn
// of type stream, and which belongs to the Conn from then on.
func NewConn(c net.Conn) (*Conn, error) {
	b, ok := c.(bareConn)
	if !ok {
		return nil, fmt.Errorf("stream on a %T: %w", c, ErrNotSupported)
	}
	return &Conn{bare: b}, nil
}

// NetConn returns the connection below c, a *net.TCPConn or a *net.UnixConn,
// which can do what wrappers hide: sendfile and splice. The time-outs of c do
// not bind it.
func (c *Conn) NetConn() net.Conn { return c.bare }

// SyscallConn gives access to the descriptor. See [SetOptions] for options.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.bare.SyscallConn() }

// Read reads at most len(b) bytes. At the end of the peer's data it returns
// [io.EOF]; other errors are those of the net package, which [Describe] puts in
// portable terms.
func (c *Conn) Read(b []byte) (int, error) {
	if c.buffered != nil {
		return c.readChunked(b)
	}
	return c.readRaw(b)
}

func (c *Conn) readRaw(b []byte) (int, error) {
	if d := c.readTimeout.Load(); d > 0 {
		if err := c.bare.SetReadDeadline(time.Now().Add(time.Duration(d))); err != nil {
			return 0, err
		}
	}
	return c.bare.Read(b)
}

// Write writes all of b, or tells how much of it before which error.
func (c *Conn) Write(b []byte) (int, error) {
	if c.chunksOut != nil {
		return c.chunksOut.Write(b)
	}
	return c.writeRaw(b)
}

func (c *Conn) writeRaw(b []byte) (int, error) {
	if d := c.writeTimeout.Load(); d > 0 {
		if err := c.bare.SetWriteDeadline(time.Now().Add(time.Duration(d))); err != nil {
			return 0, err
		}
	}
	return c.bare.Write(b)
}

// SetReadTimeout bounds every later Read by d, which must be positive, or zero
// for no limit. A Read that takes longer fails with [ConnectionTimedOut], and
// the next one starts anew. While it is set, deadlines of other calls do not
// last.
func (c *Conn) SetReadTimeout(d time.Duration) error {
	return setTimeout(&c.readTimeout, d, c.bare.SetReadDeadline)
}

// SetWriteTimeout bounds every later Write as [Conn.SetReadTimeout] does every
// Read. A Write that fails so may have sent a part: it says how much.
func (c *Conn) SetWriteTimeout(d time.Duration) error {
	return setTimeout(&c.writeTimeout, d, c.bare.SetWriteDeadline)
}

func setTimeout(to *atomic.Int64, d time.Duration, setDeadline func(time.Time) error) error {
	if d < 0 {
		return fmt.Errorf("time-out %v is negative", d)
	}
	to.Store(int64(d))
	if d == 0 {
		return setDeadline(time.Time{})
	}
	return nil
}

// SetDeadline bounds all reads and writes, as [net.Conn] says.
func (c *Conn) SetDeadline(t time.Time) error { return c.bare.SetDeadline(t) }

// SetReadDeadline bounds all reads, as [net.Conn] says.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.bare.SetReadDeadline(t) }

// SetWriteDeadline bounds all writes, as [net.Conn] says.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.bare.SetWriteDeadline(t) }

// Shutdown closes one half of the connection: after Output the peer reads the
// end of data, after Input nothing more is read here. With both halves shut the
// connection is closed.
func (c *Conn) Shutdown(d Direction) error {
	this, other, shut := 0, 1, c.bare.CloseRead
	switch d {
	case Input:
	case Output:
		this, other, shut = 1, 0, c.bare.CloseWrite
	default:
		return fmt.Errorf("shutdown of %q: the direction must be input or output", string(d))
	}
	if c.shut[this].Swap(true) {
		return nil
	}
	if c.shut[other].Load() {
		return c.Close()
	}
	return newError("shutdown", "", shut())
}

// CloseWrite is [Conn.Shutdown] of the output.
func (c *Conn) CloseWrite() error { return c.Shutdown(Output) }

// CloseRead is [Conn.Shutdown] of the input.
func (c *Conn) CloseRead() error { return c.Shutdown(Input) }

// Close ends the connection in order: what was written is still sent. With the
// option Linger it waits for that.
func (c *Conn) Close() error {
	err := c.bare.Close()
	if errors.Is(err, syscall.EINTR) {
		err = nil // it is closed all the same: close(2)
	}
	if rerr := c.path.remove(); err == nil {
		err = rerr
	}
	return err
}

// Abort ends the connection at once, discards what was not sent, and resets a
// TCP connection (RST), so that the peer sees an error and not the end of data.
func (c *Conn) Abort() error {
	if t, ok := c.bare.(*net.TCPConn); ok {
		if err := t.SetLinger(0); err != nil {
			_ = c.Close() // the first error says more
			return err
		}
	}
	return c.Close()
}

// LocalAddr returns the address of this side.
func (c *Conn) LocalAddr() net.Addr { return c.bare.LocalAddr() }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.bare.RemoteAddr() }

// Type returns [Stream].
func (c *Conn) Type() Type { return Stream }

// AddressFamily returns the family of the addresses.
func (c *Conn) AddressFamily() Family { return familyOf(c.bare.LocalAddr()) }

// Connect returns [Active].
func (c *Conn) Connect() Connect { return Active }

// Format returns [Format].
func (c *Conn) Format() string { return Format }

// IPv6 reports whether the connection runs over IPv6.
func (c *Conn) IPv6() bool { return isIPv6(c.LocalHost()) }

// OSFD returns the number of the descriptor, which is valid until c is closed
// and must not be closed by the caller.
func (c *Conn) OSFD() (uintptr, error) { return osFD(c.bare) }

// LocalHost returns the IP address of this side, the zero Addr for UNIX
// sockets.
func (c *Conn) LocalHost() netip.Addr { return addrPort(c.bare.LocalAddr()).Addr() }

// LocalPort returns the port of this side, 0 for UNIX sockets.
func (c *Conn) LocalPort() uint16 { return addrPort(c.bare.LocalAddr()).Port() }

// LocalFilename returns the path of this side, or "@" and its abstract name,
// "" when it has none.
func (c *Conn) LocalFilename() string { return filename(c.bare.LocalAddr()) }

// RemoteHost returns the IP address of the peer, the zero Addr for UNIX
// sockets.
func (c *Conn) RemoteHost() netip.Addr { return addrPort(c.bare.RemoteAddr()).Addr() }

// RemotePort returns the port of the peer, 0 for UNIX sockets.
func (c *Conn) RemotePort() uint16 { return addrPort(c.bare.RemoteAddr()).Port() }

// RemoteFilename returns the path of the peer, or "@" and its abstract name,
// "" when it has none.
func (c *Conn) RemoteFilename() string { return filename(c.bare.RemoteAddr()) }

// osFD returns the number of the descriptor of c.
func osFD(c syscall.Conn) (fd uintptr, err error) {
	err = control(c, func(n uintptr) error { fd = n; return nil })
	return fd, err
}

// familyOf tells the family by the type of an address.
func familyOf(a net.Addr) Family {
	if _, ok := a.(*net.UnixAddr); ok {
		return File
	}
	return Internet
}

// addrPort returns an internet address in its plain form: IPv4 addresses of
// sockets for both versions are not written as IPv6.
func addrPort(a net.Addr) netip.AddrPort {
	p, ok := a.(interface{ AddrPort() netip.AddrPort })
	if !ok {
		return netip.AddrPort{}
	}
	ap := p.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// filename returns the name of a UNIX socket. The net package writes "@" for
// one without a name (golang.org/issue/7354).
func filename(a net.Addr) string {
	u, ok := a.(*net.UnixAddr)
	if !ok || u == nil || u.Name == "@" {
		return ""
	}
	return u.Name
}

// isIPv6 reports whether a is an IPv6 address, those that stand for IPv4
// excepted.
func isIPv6(a netip.Addr) bool { return a.Is6() && !a.Is4In6() }
