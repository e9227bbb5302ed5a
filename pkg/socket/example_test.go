package socket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

func ExampleDial() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	l, err := socket.Listen(ctx, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(ctx); err == nil {
			io.WriteString(c, "hello")
			c.Close()
		}
	}()

	c, err := socket.Dial(ctx, "tcp", l.Addr().String(), socket.Config{
		Options: socket.Options{KeepAlive: new(true), KeepAliveIdle: new(time.Minute)},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	fmt.Printf("%s %v\n", b, err)
	// Output: hello <nil>
}

func ExampleErrorID() {
	_, err := socket.Dial(context.Background(), "tcp", "127.0.0.1:1", socket.Config{})
	if socket.ErrorID(err) == socket.ConnectionRefused {
		fmt.Println(err)
	}
	// Output: connect 127.0.0.1:1: connection refused
}

func ExampleSetOptions() {
	ctx := context.Background()
	l, err := socket.Listen(ctx, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	err = socket.SetOptions(l, socket.Options{Broadcast: new(true)})
	fmt.Println(errors.Is(err, socket.ErrNotSupported), err)
	// Output: true option broadcast on a TCP socket: not supported
}

func ExampleListenPacket() {
	ctx := context.Background()
	r, err := socket.ListenPacket(ctx, "udp", "127.0.0.1:0", socket.PacketConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	s, err := socket.DialPacket(ctx, "udp", r.LocalAddr().String(), socket.PacketConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	if _, err := s.SendTo([]byte("a datagram"), socket.PacketAddr{}); err != nil {
		log.Fatal(err)
	}
	b := make([]byte, 4)
	n, _, truncated, err := r.ReceiveFrom(b)
	fmt.Printf("%s truncated=%v %v\n", b[:n], truncated, err)
	// Output: a da truncated=true <nil>
}
