package socket_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/brio-net/brio/pkg/socket"
)

func ExampleParseDotted() {
	for _, s := range []string{"23.3", "0x7f.1", "3229900628", "1.2.3.256"} {
		a, err := socket.ParseDotted(s)
		fmt.Println(a, err)
	}
	// Output:
	// 23.0.0.3 <nil>
	// 127.0.0.1 <nil>
	// 192.132.95.84 <nil>
	// invalid IP address "1.2.3.256": 256 is too large for the 8 bits of its part
}

func ExampleParseHost() {
	for _, s := range []string{"example.com", "127.1"} {
		h, err := socket.ParseHost(s)
		fmt.Println(h, h.IsAddr(), err)
	}
	_, err := socket.ParseHost("1.2.3.4.5") // never a name to look up
	fmt.Println(err)
	// Output:
	// example.com false <nil>
	// 127.0.0.1 true <nil>
	// address "1.2.3.4.5": more than four parts
}

func ExampleEqualAddr() {
	a, _ := socket.ParseDotted("127.1")
	b, _ := socket.ParseDotted("2130706433")
	fmt.Println(socket.EqualAddr(a, b, false))
	// Output: true
}

func ExampleClassOf() {
	c := socket.ClassOf(netip.MustParseAddr("100.64.0.1"))
	fmt.Println(c.Name, c.Prefix, c.RFC, c.Global)
	// Output: shared 100.64.0.0/10 RFC 6598 false
}

func ExampleResolver_LookupHost() {
	var r socket.Resolver
	addrs, err := r.LookupHost(context.Background(), "3229900628", socket.LookupOptions{All: true})
	fmt.Println(addrs, err)
	// Output: [192.132.95.84] <nil>
}

func ExampleLookupPort() {
	port, err := socket.LookupPort(context.Background(), "https", "tcp")
	fmt.Println(port, err)
	// Output: 443 <nil>
}

// What follows the chunked stream on the connection is not lost.
func ExampleChunkReader() {
	r := bufio.NewReader(bytes.NewBufferString("5\r\nhello\r\n0\r\nDigest: x\r\n\r\nnext"))
	data, err := io.ReadAll(socket.NewChunkReader(r, socket.ChunkLimits{}))
	var end *socket.ChunkEOF
	fmt.Println(string(data), errors.As(err, &end), end.Trailer)
	rest, _ := io.ReadAll(r)
	fmt.Println(string(rest))
	// Output:
	// hello true [{Digest x}]
	// next
}

func ExampleChunkWriter() {
	var conn bytes.Buffer
	w := socket.NewChunkWriter(&conn, socket.ChunkConfig{Coalesce: true})
	fmt.Fprint(w, "hel")
	fmt.Fprint(w, "lo")
	err := w.End([]socket.TrailerField{{Name: "Digest", Value: "x"}})
	fmt.Printf("%q %v\n", conn.String(), err)
	// Output: "5\r\nhello\r\n0\r\nDigest: x\r\n\r\n" <nil>
}
