package socket_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// hosts is a resolver for one test.
func hosts(addrs ...string) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) ([]netip.Addr, error) {
		var list []netip.Addr
		for _, a := range addrs {
			list = append(list, netip.MustParseAddr(a))
		}
		return list, nil
	}
}

func TestDialRefused(t *testing.T) {
	_, err := socket.Dial(t.Context(), "tcp", "127.0.0.1:1", socket.Config{})
	identified(t, err, socket.ConnectionRefused)
	if got, want := err.Error(), "connect 127.0.0.1:1: connection refused"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
	if e, ok := errors.AsType[*socket.Error](err); !ok || e.Code == 0 || e.Action != "connect" {
		t.Errorf("error is %+v", e)
	}
}

func TestDialSilentPeer(t *testing.T) {
	l := silent(t)
	began := time.Now()
	_, err := socket.Dial(within(t, 50*time.Millisecond), "tcp", l, socket.Config{})
	identified(t, err, socket.TimedOut)
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("Dial ended %v after a limit of 50 ms", d)
	}
}

func TestWithPendingConnect(t *testing.T) {
	l := silent(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	_, err := socket.Dial(ctx, "tcp", l, socket.Config{})
	identified(t, err, socket.Canceled)
}

// silent returns an address that does not answer: that of a listener whose
// queue is full.
func silent(t *testing.T) string {
	t.Helper()
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{Backlog: 1})
	for range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		c, err := socket.Dial(ctx, "tcp", l.Addr().String(), socket.Config{})
		cancel()
		if err != nil {
			break
		}
		t.Cleanup(func() { c.Close() })
	}
	return l.Addr().String()
}

func TestDialFallsBack(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:0", socket.ListenConfig{})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	var seen []string
	cfg := socket.Config{
		Lookup: hosts("127.0.0.1", "::1"),
		Trace: socket.Trace{
			Resolved: func(host string, addrs []netip.Addr, _ time.Duration, err error) {
				if host != "two.test" || len(addrs) != 2 || err != nil {
					t.Errorf("Resolved(%q, %v, %v)", host, addrs, err)
				}
			},
			Attempt:     func(a socket.Attempt) { seen = append(seen, "try "+a.Address) },
			AttemptDone: func(a socket.Attempt) { seen = append(seen, string(socket.ErrorID(a.Err))+" "+a.Address) },
		},
	}
	c, err := socket.Dial(t.Context(), "tcp", "two.test:"+port, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := "try [::1]:P|connection-refused [::1]:P|try 127.0.0.1:P| 127.0.0.1:P"
	if got := strings.ReplaceAll(strings.Join(seen, "|"), port, "P"); got != want {
		t.Errorf("attempts: %s\nwant:     %s", got, want)
	}
}

func TestDialDoesNotWaitForSilentAddress(t *testing.T) {
	full := silent(t)
	_, port, _ := net.SplitHostPort(full)
	good := listen(t, "tcp", "127.0.0.2:"+port, socket.ListenConfig{})
	began := time.Now()
	c, err := socket.Dial(t.Context(), "tcp", "two.test:"+port, socket.Config{
		Lookup: hosts("127.0.0.1", "127.0.0.2"), AttemptDelay: 30 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.RemoteHost() != good.LocalHost() || time.Since(began) > 5*time.Second {
		t.Errorf("connected to %v after %v", c.RemoteHost(), time.Since(began))
	}
}

func TestDialAllFail(t *testing.T) {
	_, err := socket.Dial(t.Context(), "tcp", "two.test:1", socket.Config{Lookup: hosts("127.0.0.1", "127.0.0.2")})
	identified(t, err, socket.ConnectionRefused)
	all, ok := errors.AsType[*socket.AttemptsError](err)
	if !ok || len(all.Attempts) != 2 {
		t.Fatalf("error is %v, want the two attempts", err)
	}
	if got, want := err.Error(), "connect two.test:1: connection refused (tried 127.0.0.1:1, 127.0.0.2:1)"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
}

func TestDialPolicy(t *testing.T) {
	for _, tt := range []struct {
		policy socket.IPPolicy
		want   string
	}{
		{socket.AnyIP, "[::1]:1 127.0.0.1:1 127.0.0.2:1"},
		{socket.PreferIPv4, "127.0.0.1:1 [::1]:1 127.0.0.2:1"},
		{socket.OnlyIPv4, "127.0.0.1:1 127.0.0.2:1"},
		{socket.OnlyIPv6, "[::1]:1"},
	} {
		var tried []string
		_, err := socket.Dial(t.Context(), "tcp", "many.test:1", socket.Config{
			IP: tt.policy, Lookup: hosts("127.0.0.1", "127.0.0.2", "::1"),
			Trace: socket.Trace{Attempt: func(a socket.Attempt) { tried = append(tried, a.Address) }},
		})
		identified(t, err, socket.ConnectionRefused)
		if got := strings.Join(tried, " "); got != tt.want {
			t.Errorf("%v: tried %s, want %s", tt.policy, got, tt.want)
		}
	}
}

func TestDialNumbersAreNeverLookedUp(t *testing.T) {
	cfg := socket.Config{Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		t.Errorf("%q was looked up", host)
		return nil, errors.New("no")
	}}
	for _, host := range []string{"127.1", "0x7f.1", "2130706433", "1.2.3.256"} {
		_, err := socket.Dial(t.Context(), "tcp", host+":1", cfg)
		if err == nil {
			t.Errorf("%s: no error", host)
		}
	}
}

func TestDialBadPort(t *testing.T) {
	for _, port := range []string{"99999", "65536", "0", "-1", ""} {
		if _, err := socket.Dial(t.Context(), "tcp", "127.0.0.1:"+port, socket.Config{}); err == nil || socket.ErrorID(err) == socket.ConnectionRefused {
			t.Errorf("port %q: %v; want a refusal to try", port, err)
		}
	}
}

func TestMakeSocketActive(t *testing.T) {
	l := listen(t, "tcp", ":0", socket.ListenConfig{})
	cfg := socket.Config{LocalAddr: netip.MustParseAddr("127.0.0.9"), Lookup: hosts("::1", "127.0.0.1")}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c, err := socket.Dial(t.Context(), "tcp", "two.test:"+port, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if s := accept(t, l); s.RemoteHost() != cfg.LocalAddr {
		t.Errorf("connected from %v, want %v", s.RemoteHost(), cfg.LocalAddr)
	}
	cfg.LocalAddr = netip.MustParseAddr("192.0.2.1")
	_, err = socket.Dial(t.Context(), "tcp", "127.0.0.1:"+port, cfg)
	identified(t, err, socket.AddressNotAvailable)
}

func TestDialLocalPort(t *testing.T) {
	free := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	port := free.LocalPort()
	free.Close()
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	dial(t, l, socket.Config{LocalPort: port})
	if s := accept(t, l); s.RemotePort() != port {
		t.Errorf("connected from port %d, want %d", s.RemotePort(), port)
	}
}

func TestDialScope(t *testing.T) {
	lo := "lo"
	if _, err := net.InterfaceByName(lo); err != nil {
		lo = "lo0"
	}
	var tried string
	_, err := socket.Dial(within(t, time.Second), "tcp", "[fe80::1]:1", socket.Config{
		Scope: lo, Trace: socket.Trace{Attempt: func(a socket.Attempt) { tried = a.Address }},
	})
	if err == nil || tried != "[fe80::1%"+lo+"]:1" {
		t.Errorf("tried %s (%v), want the scope of %s", tried, err, lo)
	}
	if _, err := socket.Dial(t.Context(), "tcp", "[fe80::1]:1", socket.Config{Scope: "nosuch"}); err == nil {
		t.Error("an interface that does not exist was accepted")
	}
}

func TestMakeSocketFile(t *testing.T) {
	dir := t.TempDir()
	_, err := socket.Dial(t.Context(), "unix", filepath.Join(dir, "nobody"), socket.Config{})
	identified(t, err, socket.ConnectionRefused)

	l := listen(t, "unix", filepath.Join(dir, "s"), socket.ListenConfig{})
	from := filepath.Join(dir, "client")
	c := dial(t, l, socket.Config{LocalPath: from})
	if s := accept(t, l); s.RemoteFilename() != from {
		t.Errorf("the peer is called %q, want %q", s.RemoteFilename(), from)
	}
	c.Close()
	_, err = socket.Dial(t.Context(), "unix", filepath.Join(dir, "nobody"), socket.Config{LocalPath: from})
	identified(t, err, socket.ConnectionRefused)
	dial(t, l, socket.Config{LocalPath: from}) // the name is free again

	_, err = socket.Dial(t.Context(), "unix", filepath.Join(dir, "s"), socket.Config{LocalPath: filepath.Join(dir, "no", "dir")})
	identified(t, err, socket.AddressNotAvailable)
	if e := socket.Describe(err); e.Action != "bind" || e.Address != filepath.Join(dir, "no", "dir") {
		t.Errorf("%+v is not about the local address", e)
	}
}

func TestDialNameNotFound(t *testing.T) {
	_, err := socket.Dial(t.Context(), "tcp", "nosuch.test:80", socket.Config{
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		},
	})
	identified(t, err, socket.NameNotFound)
}

func TestDialUnknownNetwork(t *testing.T) {
	if _, err := socket.Dial(t.Context(), "sctp", "127.0.0.1:1", socket.Config{}); err == nil {
		t.Error("an unknown network was accepted")
	}
}
