// Command portwait waits until a server accepts connections: portwait HOST:PORT.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: portwait HOST:PORT")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		c, err := socket.Dial(ctx, "tcp", os.Args[1], socket.Config{})
		if err == nil {
			c.Close()
			return
		}
		// Only a refusal is worth another try: something may start there.
		if socket.ErrorID(err) != socket.ConnectionRefused || ctx.Err() != nil {
			fmt.Fprintln(os.Stderr, "portwait:", err)
			os.Exit(1)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
