package socket_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// within returns a context that ends with the test, or much earlier than a
// hanging test would.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// listen makes a listener that the test closes.
func listen(t *testing.T, network, address string, cfg socket.ListenConfig) *socket.Listener {
	t.Helper()
	l, err := socket.Listen(within(t, 10*time.Second), network, address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// dial connects to l.
func dial(t *testing.T, l *socket.Listener, cfg socket.Config) *socket.Conn {
	t.Helper()
	a := l.Addr()
	c, err := socket.Dial(within(t, 10*time.Second), a.Network(), a.String(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// accept takes the next connection of l.
func accept(t *testing.T, l *socket.Listener) *socket.Conn {
	t.Helper()
	c, err := l.Accept(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// pair returns both ends of a connection.
func pair(t *testing.T, network string) (client, server *socket.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l := listen(t, network, address, socket.ListenConfig{})
	client = dial(t, l, socket.Config{})
	return client, accept(t, l)
}

// identified fails the test unless err has the identifier want.
func identified(t *testing.T, err error, want socket.Identifier) {
	t.Helper()
	if got := socket.ErrorID(err); got != want {
		t.Errorf("ErrorID(%v) = %q, want %q", err, got, want)
	}
}

// must returns v, for calls that cannot fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
