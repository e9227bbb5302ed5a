package faults_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brio-net/brio/tests/faults"
)

func TestStream(t *testing.T) {
	server, err := faults.Greet(strings.Repeat("0123456789", 1000))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for name, tt := range map[string]struct {
		cfg  faults.Stream
		want int64
		err  error
	}{
		"pass":     {faults.Stream{Piece: 1000}, 10000, nil},
		"truncate": {faults.Stream{After: 1234, Fault: faults.Truncate}, 1234, nil},
		"reset":    {faults.Stream{After: 1, Fault: faults.Reset}, -1, syscall.ECONNRESET},
		"stall":    {faults.Stream{After: 77, Fault: faults.Stall}, 77, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := faults.NewStream(server.Addr().String(), tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			c, err := net.Dial("tcp", p.Addr())
			if err != nil {
				if tt.err == nil || !errors.Is(err, tt.err) { // a reset may be quicker than Dial
					t.Fatal(err)
				}
				return
			}
			defer c.Close()
			wait := time.Minute
			if tt.cfg.Fault == faults.Stall {
				wait = 300 * time.Millisecond
			}
			c.SetDeadline(time.Now().Add(wait))
			n, err := io.Copy(io.Discard, c)
			if tt.want >= 0 && n != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %d bytes, %v; want %d, %v", n, err, tt.want, tt.err)
			}
		})
	}
}

func TestDatagrams(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		buf := make([]byte, 100)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			server.WriteTo(buf[:n], from)
		}
	}()
	p, err := faults.NewDatagram(server.LocalAddr().String(), faults.Datagrams{Drop: 2, Double: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := net.Dial("udp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, s := range []string{"1", "2", "3", "4", "5"} {
		c.Write([]byte(s))
	}
	const want = "1335"
	got := ""
	for wait := time.Minute; ; {
		c.SetReadDeadline(time.Now().Add(wait))
		buf := make([]byte, 10)
		n, err := c.Read(buf)
		if err != nil {
			break
		}
		if got += string(buf[:n]); len(got) == len(want) {
			wait = 100 * time.Millisecond // nothing more is to come
		}
	}
	if got != want {
		t.Errorf("got %q back; want 2 and 4 lost and 3 doubled", got)
	}
}
