package socket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// A brokered is a member of a broker under test.
type brokered struct {
	peer net.Conn
	done chan error
}

func joinBroker(ctx context.Context, t *testing.T, b *socket.Broker, opt socket.PumpOptions) brokered {
	conn, peer := streamPair(t, "tcp")
	m := brokered{peer, make(chan error, 1)}
	go func() {
		_, err := b.Serve(ctx, conn, opt)
		conn.Close()
		m.done <- err
	}()
	return m
}

// meet waits until both have heard each other.
func meet(t *testing.T, a, b brokered) {
	t.Helper()
	for _, pair := range [][2]brokered{{a, b}, {b, a}} {
		heard := false
		for range 200 {
			io.WriteString(pair[0].peer, ".")
			pair[1].peer.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := pair[1].peer.Read(make([]byte, 100)); err == nil {
				heard = true
				break
			}
		}
		if !heard {
			t.Fatal("the members do not hear each other")
		}
	}
}

func TestBroker(t *testing.T) {
	var b socket.Broker
	x, y := joinBroker(t.Context(), t, &b, socket.PumpOptions{}), joinBroker(t.Context(), t, &b, socket.PumpOptions{})
	meet(t, x, y)
	io.WriteString(x.peer, "last words")
	closeWrite(x.peer)
	if err := <-x.done; err != nil {
		t.Errorf("Serve = %v", err)
	}
	var got string
	for len(got) < 10 || got[len(got)-10:] != "last words" {
		buf := make([]byte, 100)
		y.peer.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := y.peer.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		got += string(buf[:n])
	}
	closeWrite(y.peer)
	if err := <-y.done; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func TestBrokerCutsOffTheSlow(t *testing.T) {
	b := socket.Broker{Backlog: 1 << 16}
	x, y := joinBroker(t.Context(), t, &b, socket.PumpOptions{}), joinBroker(t.Context(), t, &b, socket.PumpOptions{})
	meet(t, x, y)
	go io.Copy(x.peer, zeros{}) // y does not read
	select {
	case err := <-y.done:
		if !errors.Is(err, socket.ErrTooSlow) {
			t.Errorf("Serve = %v, want %v", err, socket.ErrTooSlow)
		}
	case <-time.After(10 * time.Second):
		t.Error("the slow member stays")
	}
	x.peer.Close()
	<-x.done
}

func TestBrokerEnds(t *testing.T) {
	var b socket.Broker
	x := joinBroker(t.Context(), t, &b, socket.PumpOptions{Idle: 50 * time.Millisecond})
	if err := <-x.done; !errors.Is(err, socket.ErrIdleTimeout) {
		t.Errorf("Serve with a silent peer = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	y := joinBroker(ctx, t, &b, socket.PumpOptions{})
	cancel()
	if err := <-y.done; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve, cancelled = %v", err)
	}
}
