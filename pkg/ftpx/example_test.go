package ftpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/pkg/ftpx"
)

// exampleServer is a server with a file.
func exampleServer() *ftptest.Server {
	s := (&ftptest.Server{}).Put("pub/motd", []byte("welcome\n"))
	if err := s.Listen(); err != nil {
		panic(err)
	}
	return s
}

func ExampleOpen() {
	s := exampleServer()
	defer s.Stop()
	in, err := ftpx.Open(context.Background(), "pub/motd", ftpx.OpenOptions{}, ftpx.Config{Host: "127.0.0.1", Port: s.Port()})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = io.Copy(os.Stdout, in)
	fmt.Println(errors.Join(err, in.Close())) // Close knows whether that was all
	// Output:
	// welcome
	// <nil>
}

func ExampleDial() {
	s := exampleServer()
	defer s.Stop()
	ctx := context.Background()
	c, err := ftpx.Dial(ctx, ftpx.Config{Host: "127.0.0.1", Port: s.Port()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	_, err = c.Put(ctx, strings.NewReader("hello\n"), "pub/hello", ftpx.PutOptions{Atomic: true})
	fmt.Println(err)
	l, err := c.List(ctx, "pub")
	for _, e := range l.Entries {
		fmt.Println(e.Kind, e.Size, e.Name)
	}
	fmt.Println(err)
	// Output:
	// <nil>
	// file 6 hello
	// file 8 motd
	// <nil>
}

func ExampleTransfer() {
	a, b := exampleServer(), exampleServer()
	defer a.Stop()
	defer b.Stop()
	from := ftpx.Endpoint{Config: ftpx.Config{Host: "127.0.0.1", Port: a.Port()}, File: "pub/motd"}
	to := ftpx.Endpoint{Config: ftpx.Config{Host: "127.0.0.1", Port: b.Port()}, File: "copy"}
	r, err := ftpx.Transfer(context.Background(), from, to, ftpx.TransferOptions{FXP: ftpx.FXPNever})
	fmt.Println(r.Via, r.Bytes, err)
	// Output: relay 8 <nil>
}

func ExampleParseURL() {
	u, err := ftpx.ParseURL("ftp://me@ftp.example.com/%2Fetc/motd;type=a")
	fmt.Printf("%s %s %s %c %v\n", u.Host, u.User, u.Path, u.Type, err)
	// Output: ftp.example.com me /etc/motd a <nil>
}

func ExampleListParser() {
	p := ftpx.ListParser{}
	p.Line("-rw-r--r--   1 ftp ftp  4096 Jan  2  2006 a name with blanks")
	for _, e := range p.End().Entries {
		fmt.Println(e.Kind, e.Size, e.Time.Format("2006-01-02"), e.Name)
	}
	// Output: file 4096 2006-01-02 a name with blanks
}
