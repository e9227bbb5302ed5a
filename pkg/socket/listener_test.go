package socket_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

func TestMakeSocketPassive(t *testing.T) {
	l := listen(t, "tcp", ":0", socket.ListenConfig{})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, host := range []string{"127.0.0.1", "::1"} {
		c, err := socket.Dial(t.Context(), "tcp", net.JoinHostPort(host, port), socket.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if s := accept(t, l); s.RemoteHost() != netip.MustParseAddr(host) {
			t.Errorf("peer is %v, want %s in its plain form", s.RemoteHost(), host)
		}
	}
}

func TestListenOnlyIPv6(t *testing.T) {
	l := listen(t, "tcp", ":0", socket.ListenConfig{IP: socket.OnlyIPv6})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_, err := socket.Dial(t.Context(), "tcp", "127.0.0.1:"+port, socket.Config{})
	identified(t, err, socket.ConnectionRefused)
}

func TestListenAddressInUse(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	_, err := socket.Listen(t.Context(), "tcp", l.Addr().String(), socket.ListenConfig{})
	identified(t, err, socket.AddressInUse)
	_, err = socket.Listen(t.Context(), "tcp", "192.0.2.1:0", socket.ListenConfig{})
	identified(t, err, socket.AddressNotAvailable)
}

func TestAcceptConnectionSilentPeer(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	_, err := l.Accept(within(t, 20*time.Millisecond))
	identified(t, err, socket.TimedOut)
	dial(t, l, socket.Config{})
	accept(t, l) // the listener is still good
}

func TestAcceptCancelled(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := l.Accept(ctx)
	identified(t, err, socket.Canceled)
	_, err = l.Accept(ctx)
	identified(t, err, socket.Canceled)
}

// The end of one wait must not end another.
func TestAcceptCancelledBesideAnother(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	for _, c := range []context.Context{ctx, within(t, 10*time.Second)} {
		go func() {
			conn, err := l.Accept(c)
			if err == nil {
				conn.Close()
			}
			ended <- err
		}()
	}
	time.AfterFunc(20*time.Millisecond, cancel)
	identified(t, <-ended, socket.Canceled)
	dial(t, l, socket.Config{})
	identified(t, <-ended, "")
}

func TestAcceptClosed(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	time.AfterFunc(20*time.Millisecond, func() { l.Close() })
	_, err := l.Accept(t.Context())
	identified(t, err, socket.Closed)
}

func TestAcceptConnectionNoWait(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = filepath.Join(t.TempDir(), "s")
		}
		l := listen(t, network, address, socket.ListenConfig{})
		if c, err := l.TryAccept(); c != nil || err != nil {
			t.Fatalf("%s: TryAccept with nobody there = %v, %v; want nothing", network, c, err)
		}
		c := dial(t, l, socket.Config{})
		s, err := l.TryAccept()
		if s == nil || err != nil {
			t.Fatalf("%s: TryAccept = %v, %v; want a connection", network, s, err)
		}
		defer s.Close()
		if network == "tcp" && s.RemotePort() != c.LocalPort() {
			t.Errorf("accepted port %d, want %d", s.RemotePort(), c.LocalPort())
		}
		if o, err := socket.ReadOptions(s); err != nil || (o.KeepAlive != nil && *o.KeepAlive) {
			t.Errorf("%s: keepalive of the connection was switched on (%v)", network, err)
		}
		l.Close()
		_, err = l.TryAccept()
		identified(t, err, socket.Closed)
	}
}

func TestListenerRemovesItsPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, "unix", path, socket.ListenConfig{Mode: 0o600})
	fi, err := os.Lstat(path)
	if err != nil || fi.Mode() != fs.ModeSocket|0o600 {
		t.Fatalf("mode %v, %v; want a socket of mode 0600", fi.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestListenerKeepsPathOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, "unix", path, socket.ListenConfig{})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file that took the place of the socket: %q, %v", b, err)
	}
}

// Of many who replace the same stale socket one succeeds, and his stays.
func TestListenReplacesStaleSocketOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no locks of directories")
	}
	for range 50 {
		path := filepath.Join(t.TempDir(), "s")
		l := listen(t, "unix", path, socket.ListenConfig{})
		l.KeepPath()
		l.Close()
		var wg sync.WaitGroup
		made := make(chan *socket.Listener, 8)
		for range cap(made) {
			wg.Go(func() {
				if l, err := socket.Listen(t.Context(), "unix", path, socket.ListenConfig{ReplaceStale: true}); err == nil {
					made <- l
				}
			})
		}
		wg.Wait()
		if len(made) != 1 {
			t.Fatalf("%d listeners have taken the path", len(made))
		}
		l = <-made
		dial(t, l, socket.Config{})
		l.Close()
	}
}

func TestListenReplacesOnlyStaleSockets(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	live := listen(t, "unix", filepath.Join(dir, "live"), socket.ListenConfig{})
	stale := filepath.Join(dir, "stale")
	l := listen(t, "unix", stale, socket.ListenConfig{})
	l.KeepPath()
	l.Close()

	replace := socket.ListenConfig{ReplaceStale: true}
	for _, tt := range []struct {
		path string
		cfg  socket.ListenConfig
		want socket.Identifier
	}{
		{file, replace, socket.AddressInUse},
		{live.LocalFilename(), replace, socket.AddressInUse},
		{stale, socket.ListenConfig{}, socket.AddressInUse},
		{stale, replace, ""},
	} {
		l, err := socket.Listen(t.Context(), "unix", tt.path, tt.cfg)
		identified(t, err, tt.want)
		if err == nil {
			defer l.Close()
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file at the path: %q, %v", b, err)
	}
	dial(t, live, socket.Config{}) // it still answers
}

func TestListenPathTooLong(t *testing.T) {
	path := "/tmp/" + strings.Repeat("x", 110)
	_, err := socket.Listen(t.Context(), "unix", path, socket.ListenConfig{})
	if err == nil {
		t.Fatal("a path that does not fit was cut short")
	}
	if _, err := socket.Dial(t.Context(), "unix", path, socket.Config{}); err == nil {
		t.Fatal("a path that does not fit was cut short")
	}
}

func TestListenAbstract(t *testing.T) {
	if runtime.GOOS != "linux" {
		_, err := socket.Listen(t.Context(), "unix", "@brio-test", socket.ListenConfig{})
		if !errors.Is(err, socket.ErrNotSupported) {
			t.Errorf("Listen on an abstract name: %v", err)
		}
		return
	}
	l := listen(t, "unix", "@brio-test-"+t.Name(), socket.ListenConfig{})
	c := dial(t, l, socket.Config{})
	if c.RemoteFilename() != l.LocalFilename() || l.LocalFilename() == "" {
		t.Errorf("connected to %q, listening on %q", c.RemoteFilename(), l.LocalFilename())
	}
}

func TestPeerCredentials(t *testing.T) {
	c, s := pair(t, "unix")
	cred, err := s.PeerCredentials()
	if runtime.GOOS == "windows" {
		if !errors.Is(err, socket.ErrNotSupported) {
			t.Errorf("PeerCredentials: %v", err)
		}
		return
	}
	if err != nil || cred.UID != os.Getuid() || cred.PID != os.Getpid() {
		t.Errorf("PeerCredentials() = %+v, %v; want this process", cred, err)
	}
	_ = c
	tcp, _ := pair(t, "tcp")
	if _, err := tcp.PeerCredentials(); !errors.Is(err, socket.ErrNotSupported) {
		t.Errorf("PeerCredentials of a TCP connection: %v", err)
	}
}

func TestParseListenFDs(t *testing.T) {
	for _, tt := range []struct {
		pid, fds, names string
		want            int
		bad             bool
	}{
		{"42", "2", "web:admin", 2, false},
		{"41", "2", "", 0, false}, // meant for another process
		{"", "", "", 0, false},
		{"42", "x", "", 0, true},
		{"42", "-1", "", 0, true},
	} {
		got, err := socket.ParseListenFDs(tt.pid, tt.fds, tt.names, 42)
		if len(got) != tt.want || (err != nil) != tt.bad {
			t.Errorf("ParseListenFDs(%q, %q) = %v, %v", tt.pid, tt.fds, got, err)
		}
		if tt.names != "" && (got[1].Name != "admin" || got[1].FD != 4) {
			t.Errorf("second descriptor is %+v, want 4 called admin", got[1])
		}
	}
}
