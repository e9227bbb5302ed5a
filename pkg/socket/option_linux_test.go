package socket_test

import (
	"net"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
	"golang.org/x/sys/unix"
)

func TestLinuxOptions(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l := listen(t, "tcp", address, socket.ListenConfig{Options: socket.Options{
			ReusePort: new(true), FastOpen: new(true), DeferAccept: new(3 * time.Second), FreeBind: new(true),
		}})
		c := dial(t, l, socket.Config{Options: socket.Options{
			DSCP: new(46), TTL: new(77), MinTTL: new(1), UserTimeout: new(1500 * time.Millisecond),
			Device: new("lo"), FastOpen: new(true),
		}})
		o, err := socket.ReadOptions(c)
		if err != nil {
			t.Fatal(err)
		}
		if *o.DSCP != 46 || *o.TTL != 77 || *o.MinTTL != 1 || *o.UserTimeout != 1500*time.Millisecond || *o.Device != "lo" {
			t.Errorf("%s: effective options %s", address, asJSON(t, o))
		}
		if o, err = socket.ReadOptions(l); err != nil || !*o.ReusePort || *o.DeferAccept == 0 || !*o.FreeBind || !*o.FastOpen {
			t.Errorf("%s: listener has %s (%v)", address, asJSON(t, o), err)
		}
	}
}

func TestListenIsPlainTCP(t *testing.T) {
	for _, mptcp := range []bool{false, true} {
		l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{MPTCP: mptcp})
		fd, err := l.OSFD()
		if err != nil {
			t.Fatal(err)
		}
		proto, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL)
		if want := map[bool]int{false: unix.IPPROTO_TCP, true: unix.IPPROTO_MPTCP}[mptcp]; err != nil || proto != want {
			t.Errorf("MPTCP %v: protocol %d, %v; want %d", mptcp, proto, err, want)
		}
	}
}

func TestBacklog(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{Backlog: 3})
	fd, err := l.OSFD()
	if err != nil {
		t.Fatal(err)
	}
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.Sacked != 3 { // of a listener, the limit of its queue
		t.Errorf("the queue holds %d, %v; want 3", info.Sacked, err)
	}
}

func TestOOB(t *testing.T) {
	c, s := pair(t, "tcp")
	send := func(b byte, more string) {
		t.Helper()
		if err := c.SendOOB(b); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(more)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write([]byte("ab")); err != nil {
		t.Fatal(err)
	}
	send('!', "cd")
	buf := make([]byte, 16)
	n, err := s.Read(buf)
	if err != nil || string(buf[:n]) != "ab" {
		t.Errorf("read %q, %v; a read must stop at the mark", buf[:n], err)
	}
	if at, err := s.AtMark(); err != nil || !at {
		t.Errorf("AtMark() = %v, %v", at, err)
	}
	if b, err := s.ReceiveOOB(); err != nil || b != '!' {
		t.Errorf("ReceiveOOB() = %q, %v", b, err)
	}
	_, err = s.ReceiveOOB()
	identified(t, err, socket.InvalidArgument)

	if n, err = s.Read(buf); err != nil || string(buf[:n]) != "cd" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if err := socket.SetOptions(s, socket.Options{OOBInline: new(true)}); err != nil {
		t.Fatal(err)
	}
	send('?', "ef")
	if n, err = s.Read(buf); err != nil || buf[0] != '?' {
		t.Errorf("inline: read %q, %v", buf[:n], err)
	}
}

func TestTryAcceptKeepsNetConn(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	dial(t, l, socket.Config{})
	s, err := l.TryAccept()
	if err != nil || s == nil {
		t.Fatal(s, err)
	}
	defer s.Close()
	if _, ok := s.NetConn().(*net.TCPConn); !ok {
		t.Errorf("NetConn() is a %T", s.NetConn())
	}
}
