package socket_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
	"golang.org/x/net/nettest"
)

func TestConnIsNetConn(t *testing.T) {
	for _, network := range []string{"tcp", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) { return pipe(t, network) })
		})
	}
}

// pipe makes a connection the way nettest wants it.
func pipe(t *testing.T, network string) (c1, c2 net.Conn, stop func(), err error) {
	address := map[string]string{"tcp": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": filepath.Join(t.TempDir(), "s")}[network]
	ctx := t.Context()
	l, err := socket.Listen(ctx, network, address, socket.ListenConfig{})
	if err != nil {
		return nil, nil, nil, err
	}
	defer l.Close()
	a, err := socket.Dial(ctx, l.Addr().Network(), l.Addr().String(), socket.Config{})
	if err != nil {
		return nil, nil, nil, err
	}
	b, err := l.Accept(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	return a, b, func() { a.Close(); b.Close() }, nil
}

func TestShutdown(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		c, s := pair(t, network)
		if err := c.Shutdown(socket.Output); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(s); len(b) != 0 || err != nil {
			t.Errorf("%s: peer read %q, %v after the output was shut", network, b, err)
		}
		if _, err := s.Write([]byte("late")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "late" {
			t.Errorf("%s: reading after shutting the output: %q, %v", network, b, err)
		}
		if err := c.Shutdown(socket.Input); err != nil {
			t.Errorf("%s: shutting the other half: %v", network, err)
		}
		if _, err := c.Write([]byte("x")); socket.ErrorID(err) != socket.Closed {
			t.Errorf("%s: both halves shut, write: %v; want closed", network, err)
		}
	}
}

func TestShutdownNeedsDirection(t *testing.T) {
	c, _ := pair(t, "tcp")
	if err := c.Shutdown(""); err == nil {
		t.Error("Shutdown without a direction succeeded")
	}
}

func TestCloseAbort(t *testing.T) {
	c, s := pair(t, "tcp")
	if err := c.Abort(); err != nil {
		t.Fatal(err)
	}
	_, err := s.Read(make([]byte, 1))
	identified(t, err, socket.ConnectionReset)
}

func TestCloseOrderly(t *testing.T) {
	c, s := pair(t, "tcp")
	if _, err := c.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(s); err != nil || string(b) != "last words" {
		t.Errorf("read %q, %v after the peer closed", b, err)
	}
}

func TestSocketControlReadTimeout(t *testing.T) {
	c, s := pair(t, "tcp")
	if err := c.SetReadTimeout(20 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(make([]byte, 1))
	identified(t, err, socket.ConnectionTimedOut)
	if nerr, ok := errors.AsType[net.Error](err); !ok || !nerr.Timeout() {
		t.Errorf("Read: %v is not a time-out", err)
	}
	if _, err := s.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("Read after a time-out = %d, %v", n, err)
	}
	if err := c.SetReadTimeout(-1); err == nil {
		t.Error("a negative time-out was accepted")
	}
}

func TestSocketControlWriteTimeout(t *testing.T) {
	c, _ := pair(t, "unix")
	if err := c.SetWriteTimeout(20 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	n, err := c.Write(make([]byte, 16<<20)) // nobody reads
	identified(t, err, socket.ConnectionTimedOut)
	if n == 0 {
		t.Error("Write does not tell what it wrote before the time-out")
	}
}

func TestSocketAccessors(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	c := dial(t, l, socket.Config{})
	s := accept(t, l)
	lo := netip.MustParseAddr("127.0.0.1")
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"socket-type", c.Type(), socket.Stream},
		{"socket-type of a listener", l.Type(), socket.Stream},
		{"socket-address-family", c.AddressFamily(), socket.Internet},
		{"socket-connect", c.Connect(), socket.Active},
		{"socket-connect of a listener", l.Connect(), socket.Passive},
		{"socket-format", c.Format(), "multivalent"},
		{"ipv6", c.IPv6(), false},
		{"local-host", s.LocalHost(), lo},
		{"remote-host", c.RemoteHost(), lo},
		{"remote-port", c.RemotePort(), l.LocalPort()},
		{"local-port", c.LocalPort(), s.RemotePort()},
		{"local-filename", c.LocalFilename(), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	if fd, err := c.OSFD(); err != nil || fd == 0 {
		t.Errorf("OSFD() = %d, %v", fd, err)
	}
	if l.LocalPort() == 0 {
		t.Error("the port that the system chose is not told")
	}
}

func TestAccessorsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "listener")
	l := listen(t, "unix", path, socket.ListenConfig{})
	c := dial(t, l, socket.Config{})
	s := accept(t, l)
	if c.AddressFamily() != socket.File || c.RemoteFilename() != path || s.LocalFilename() != path {
		t.Errorf("family %s, remote %q, local of peer %q; want file and %q", c.AddressFamily(), c.RemoteFilename(), s.LocalFilename(), path)
	}
	if c.LocalFilename() != "" || s.RemoteFilename() != "" {
		t.Errorf("unnamed ends are called %q and %q", c.LocalFilename(), s.RemoteFilename())
	}
	if c.RemoteHost().IsValid() || c.RemotePort() != 0 {
		t.Errorf("a path has host %v port %d", c.RemoteHost(), c.RemotePort())
	}
}

func TestNetConnIsBare(t *testing.T) {
	c, _ := pair(t, "tcp")
	if _, ok := c.NetConn().(*net.TCPConn); !ok {
		t.Errorf("NetConn() is a %T", c.NetConn())
	}
	c, _ = pair(t, "unix")
	if _, ok := c.NetConn().(*net.UnixConn); !ok {
		t.Errorf("NetConn() is a %T", c.NetConn())
	}
}

func TestNewConnRefusesOthers(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := socket.NewConn(a); !errors.Is(err, socket.ErrNotSupported) {
		t.Errorf("NewConn of a pipe: %v", err)
	}
}
