package socket_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/brio-net/brio/pkg/socket"
)

// exampleServer starts a server for one connection and returns its address.
func exampleServer(serve func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		defer l.Close()
		if c, err := l.Accept(); err == nil {
			serve(c)
			c.Close()
		}
	}()
	return l.Addr().String()
}

func ExamplePump() {
	addr := exampleServer(func(c net.Conn) { io.WriteString(c, "hello\n") })
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	n, err := socket.Pump(context.Background(), os.Stdout, conn, socket.PumpOptions{})
	fmt.Println(n, err)
	// Output:
	// hello
	// 6 <nil>
}

func ExamplePipe() {
	addr := exampleServer(func(c net.Conn) { io.Copy(c, c) })
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	r, err := socket.Pipe(context.Background(), conn, socket.PipeConfig{
		Input:  strings.NewReader("there and back\n"),
		Output: os.Stdout,
	})
	fmt.Println(r.Sent, r.Received, err)
	// Output:
	// there and back
	// 15 15 <nil>
}

func ExampleRelay() {
	far := exampleServer(func(c net.Conn) { io.Copy(c, c) })
	near := exampleServer(func(a net.Conn) {
		b, err := net.Dial("tcp", far)
		if err != nil {
			return
		}
		defer b.Close()
		socket.Relay(context.Background(), a, b, socket.RelayOptions{})
	})
	c, err := net.Dial("tcp", near)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	io.WriteString(c, "through the relay")
	c.(*net.TCPConn).CloseWrite()
	text, err := io.ReadAll(c)
	fmt.Printf("%s %v\n", text, err)
	// Output:
	// through the relay <nil>
}
