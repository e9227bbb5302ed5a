package tlsx_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// A client that trusts one root, against a server whose certificate expired.
func Example() {
	identity, root, err := tlsx.MakeChain([]string{"localhost"}, time.Hour, tlsx.FaultExpired)
	if err != nil {
		log.Fatal(err)
	}
	addr, stop := exampleServer(identity)
	defer stop()

	client, err := tlsx.NewClientContext(tlsx.Config{Roots: exampleStore(root), ServerName: "localhost"})
	if err != nil {
		log.Fatal(err)
	}
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	conn, err := client.Client(raw, tlsx.Override{})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	var e *tlsx.Error
	if errors.As(conn.Handshake(context.Background()), &e) {
		fmt.Println(e.What, int(e.VerifyResult), e.VerifyResultString)
	}
	// Output: handshake 10 certificate has expired
}

// Reading until the peer has said that there is no more.
func ExampleConn_Read() {
	identity, root, err := tlsx.MakeChain([]string{"localhost"}, time.Hour, "")
	if err != nil {
		log.Fatal(err)
	}
	addr, stop := exampleServer(identity)
	defer stop()
	client, err := tlsx.NewClientContext(tlsx.Config{Roots: exampleStore(root), ServerName: "localhost"})
	if err != nil {
		log.Fatal(err)
	}
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	conn, err := client.Client(raw, tlsx.Override{}) // shakes hands with the first read
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	data, err := io.ReadAll(conn)
	fmt.Printf("%s %v\n", data, err)
	// Output: hello <nil>
}

func ExampleParseCiphers() {
	list, err := tlsx.ParseCiphers("ECDHE+AESGCM:!aNULL:@STRENGTH")
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range list.Suites {
		fmt.Println(s.Name, s.Bits, s.Available)
	}
	// Output:
	// ECDHE-ECDSA-AES256-GCM-SHA384 256 true
	// ECDHE-RSA-AES256-GCM-SHA384 256 true
	// ECDHE-ECDSA-AES128-GCM-SHA256 128 true
	// ECDHE-RSA-AES128-GCM-SHA256 128 true
}

func exampleStore(root *x509.Certificate) *tlsx.Store {
	cert, err := tlsx.ParseCertificate(root.Raw)
	if err != nil {
		log.Fatal(err)
	}
	store := &tlsx.Store{}
	store.Add(cert)
	return store
}

// exampleServer says hello to one client.
func exampleServer(identity tls.Certificate) (addr string, stop func()) {
	server, err := tlsx.NewServerContext(tlsx.Config{Identities: []tls.Certificate{identity}})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		raw, err := l.Accept()
		if err != nil {
			return
		}
		conn, err := server.Server(raw, tlsx.Override{})
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("hello")) // the client may have refused by now
	}()
	return l.Addr().String(), func() { l.Close() }
}
