package socket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// receiver makes a datagram socket that the test closes.
func receiver(t *testing.T, network, address string, cfg socket.PacketConfig) *socket.DatagramSocket {
	t.Helper()
	s, err := socket.ListenPacket(within(t, 10*time.Second), network, address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// sender makes a datagram socket for address that the test closes.
func sender(t *testing.T, network, address string, cfg socket.PacketConfig) *socket.DatagramSocket {
	t.Helper()
	s, err := socket.DialPacket(within(t, 10*time.Second), network, address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// receive takes one datagram within ten seconds.
func receive(t *testing.T, s *socket.DatagramSocket) (string, socket.PacketAddr) {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 65536)
	n, from, truncated, err := s.ReceiveFrom(b)
	if err != nil || truncated {
		t.Fatalf("ReceiveFrom: truncated %v, %v", truncated, err)
	}
	return string(b[:n]), from
}

// nothing fails the test if a datagram comes.
func nothing(t *testing.T, s *socket.DatagramSocket) {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, from, _, err := s.ReceiveFrom(make([]byte, 100))
	if socket.ErrorID(err) != socket.ConnectionTimedOut {
		t.Errorf("received %d bytes from %v, %v; want nothing", n, from, err)
	}
}

func send(t *testing.T, s *socket.DatagramSocket, text string, to socket.PacketAddr) {
	t.Helper()
	if n, err := s.SendTo([]byte(text), to); err != nil || n != len(text) {
		t.Fatalf("SendTo(%v) = %d, %v", to, n, err)
	}
}

func TestMakeSocketDatagram(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		r := receiver(t, "udp", address, socket.PacketConfig{})
		host := r.LocalHost()
		if host.IsUnspecified() {
			host = netip.MustParseAddr("127.0.0.1")
		}
		s := sender(t, "udp", netip.AddrPortFrom(host, r.LocalPort()).String(), socket.PacketConfig{})
		send(t, s, "question", socket.PacketAddr{})
		got, from := receive(t, r)
		if got != "question" || from.AddrPort.Addr() != host || from.AddrPort.Port() != s.LocalPort() {
			t.Errorf("%s: received %q from %v", address, got, from)
		}
		send(t, r, "answer", from)
		if got, _ := receive(t, s); got != "answer" {
			t.Errorf("%s: the reply is %q", address, got)
		}
	}
}

func TestSendTo(t *testing.T) {
	first, second := receiver(t, "udp", "127.0.0.1:0", socket.PacketConfig{}), receiver(t, "udp", "127.0.0.1:0", socket.PacketConfig{})
	s := sender(t, "udp", first.LocalAddr().String(), socket.PacketConfig{})
	send(t, s, "default", socket.PacketAddr{})
	if got, _ := receive(t, first); got != "default" {
		t.Errorf("received %q", got)
	}
	if runtime.GOOS == "linux" {
		send(t, s, "elsewhere", second.LocalAddr()) // the address of the call wins
		if got, _ := receive(t, second); got != "elsewhere" {
			t.Errorf("received %q", got)
		}
	}
	_, err := first.SendTo([]byte("x"), socket.PacketAddr{})
	identified(t, err, socket.NotConnected)
}

func TestReceiveFrom(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		r := receiver(t, network, localName(t, network), socket.PacketConfig{})
		s := sender(t, network, r.LocalAddr().String(), socket.PacketConfig{})
		send(t, s, "0123456789", socket.PacketAddr{})
		send(t, s, "", socket.PacketAddr{})
		send(t, s, "four", socket.PacketAddr{})
		b := make([]byte, 4)
		n, from, truncated, err := r.ReceiveFrom(b)
		if n != 4 || !truncated || err != nil || from != s.LocalAddr() {
			t.Errorf("%s: ReceiveFrom = %d, %v, %v, %v; want 4 bytes, truncated", network, n, from, truncated, err)
		}
		if n, _, truncated, err = r.ReceiveFrom(b); n != 0 || truncated || err != nil {
			t.Errorf("%s: an empty datagram: %d, %v, %v", network, n, truncated, err)
		}
		if n, _, truncated, err = r.ReceiveFrom(b); n != 4 || truncated || err != nil {
			t.Errorf("%s: a datagram that just fits: %d, %v, %v", network, n, truncated, err)
		}
	}
}

// localName returns an address of the network to listen on.
func localName(t *testing.T, network string) string {
	if network == "unixgram" {
		return filepath.Join(t.TempDir(), "s")
	}
	return "127.0.0.1:0"
}

func TestReceiveSilentPeer(t *testing.T) {
	r := receiver(t, "udp", "127.0.0.1:0", socket.PacketConfig{})
	nothing(t, r)
}

func TestReceiveClosed(t *testing.T) {
	r := receiver(t, "udp", "127.0.0.1:0", socket.PacketConfig{})
	time.AfterFunc(20*time.Millisecond, func() { r.Close() })
	_, _, _, err := r.ReceiveFrom(make([]byte, 1))
	identified(t, err, socket.Closed)
}

func TestDatagramRefused(t *testing.T) {
	r := receiver(t, "udp", "127.0.0.1:0", socket.PacketConfig{})
	address := r.LocalAddr().String()
	r.Close()
	s := sender(t, "udp", address, socket.PacketConfig{})
	send(t, s, "anybody?", socket.PacketAddr{})
	if err := s.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _, _, err := s.ReceiveFrom(make([]byte, 1))
	identified(t, err, socket.ConnectionRefused)

	_, err = socket.DialPacket(t.Context(), "unixgram", filepath.Join(t.TempDir(), "nobody"), socket.PacketConfig{})
	identified(t, err, socket.ConnectionRefused)
}

func TestDatagramTooLong(t *testing.T) {
	r := receiver(t, "udp", "127.0.0.1:0", socket.PacketConfig{})
	s := sender(t, "udp", r.LocalAddr().String(), socket.PacketConfig{})
	_, err := s.SendTo(make([]byte, 65508), socket.PacketAddr{})
	identified(t, err, socket.MessageTooLong)
	send(t, s, strings.Repeat("x", 65507), socket.PacketAddr{})
	if got, _ := receive(t, r); len(got) != 65507 {
		t.Errorf("received %d bytes", len(got))
	}
}

func TestUnixDatagramsCanBeReplied(t *testing.T) {
	dir := t.TempDir()
	r := receiver(t, "unixgram", filepath.Join(dir, "server"), socket.PacketConfig{})
	for _, cfg := range []socket.PacketConfig{{}, {LocalPath: filepath.Join(dir, "client")}} {
		s := sender(t, "unixgram", r.LocalFilename(), cfg)
		send(t, s, "question", socket.PacketAddr{})
		_, from := receive(t, r)
		if from.Path == "" || (cfg.LocalPath != "" && from.Path != cfg.LocalPath) {
			t.Errorf("the sender is called %q, want %q", from.Path, cfg.LocalPath)
		}
		send(t, r, "answer", from)
		if got, from := receive(t, s); got != "answer" || from.Path != r.LocalFilename() {
			t.Errorf("the reply is %q from %q", got, from.Path)
		}
		s.Close()
		if _, err := os.Lstat(from.Path); err == nil {
			t.Errorf("%s is left behind", from.Path)
		}
	}
	r.Close()
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBroadcastOffUnlessAsked(t *testing.T) {
	for _, ask := range []bool{false, true} {
		var cfg socket.PacketConfig
		if ask {
			cfg.Options.Broadcast = new(true)
		}
		s := receiver(t, "udp", "127.0.0.1:0", cfg)
		o, err := socket.ReadOptions(s)
		if err != nil || *o.Broadcast != ask {
			t.Errorf("broadcast is %v, %v; want %v", *o.Broadcast, err, ask)
		}
		if ask {
			continue
		}
		_, err = s.SendTo([]byte("x"), socket.PacketAddr{AddrPort: netip.MustParseAddrPort("127.255.255.255:9")})
		identified(t, err, socket.AccessDenied)
	}
}

func TestDefaultReceiveBuffer(t *testing.T) {
	r := receiver(t, "udp", "127.0.0.1:0", socket.PacketConfig{})
	o, err := socket.ReadOptions(r)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 && runtime.GOOS == "linux" && *o.ReceiveBuffer < socket.DefaultReceiveBuffer {
		t.Errorf("the receive buffer has %d bytes", *o.ReceiveBuffer)
	}
	r = receiver(t, "udp", "127.0.0.1:0", socket.PacketConfig{Options: socket.Options{ReceiveBuffer: new(20000)}})
	if o, err = socket.ReadOptions(r); err != nil || *o.ReceiveBuffer > 100000 {
		t.Errorf("asked for 20000 bytes, got %d, %v", *o.ReceiveBuffer, err)
	}
}

func TestMulticast(t *testing.T) {
	lo := loopback(t).Name
	group := netip.MustParseAddr("239.7.7.7")
	join := []socket.Membership{{Group: group, Interface: lo}}
	member := receiver(t, "udp", ":0", socket.PacketConfig{Join: join, Options: socket.Options{ReuseAddress: new(true)}})
	to := netip.AddrPortFrom(group, member.LocalPort()).String()

	// A socket on the same port that joined another group must not hear it.
	other := receiver(t, "udp4", netip.AddrPortFrom(netip.IPv4Unspecified(), member.LocalPort()).String(), socket.PacketConfig{
		Join: []socket.Membership{{Group: netip.MustParseAddr("239.7.7.8"), Interface: lo}},
	})
	s := sender(t, "udp", to, socket.PacketConfig{Multicast: socket.MulticastConfig{Interface: lo, TTL: new(1), Loop: new(true)}})
	send(t, s, "to the group", socket.PacketAddr{})
	got, from := receive(t, member)
	if got != "to the group" {
		t.Errorf("received %q", got)
	}
	send(t, member, "reply", from)
	if got, _ := receive(t, s); got != "reply" {
		t.Errorf("the reply of a member is %q", got)
	}
	nothing(t, other)
}

// The loopback of most systems has no route for IPv6 groups: nothing is sent.
func TestMulticastIPv6(t *testing.T) {
	lo := loopback(t).Name
	group := netip.MustParseAddr("ff15::7777")
	receiver(t, "udp", ":0", socket.PacketConfig{Join: []socket.Membership{{Group: group, Interface: lo}}})
	sender(t, "udp", netip.AddrPortFrom(group.WithZone(lo), 9).String(), socket.PacketConfig{
		Multicast: socket.MulticastConfig{Interface: lo, TTL: new(1), Loop: new(true)},
	})
	_, err := socket.ListenPacket(t.Context(), "udp", ":0", socket.PacketConfig{
		Join: []socket.Membership{{Group: group, Interface: "nosuch"}},
	})
	if err == nil {
		t.Error("an interface that does not exist was joined on")
	}
}

func TestMulticastSource(t *testing.T) {
	lo := loopback(t).Name
	group, wanted := netip.MustParseAddr("232.7.7.7"), netip.MustParseAddr("127.0.0.1")
	member := receiver(t, "udp", ":0", socket.PacketConfig{Join: []socket.Membership{{Group: group, Source: wanted, Interface: lo}}})
	to := netip.AddrPortFrom(group, member.LocalPort()).String()
	out := socket.MulticastConfig{Interface: lo, Loop: new(true)}
	stranger := sender(t, "udp", to, socket.PacketConfig{LocalAddr: netip.MustParseAddr("127.0.0.5"), Multicast: out})
	send(t, stranger, "ignore me", socket.PacketAddr{})
	s := sender(t, "udp", to, socket.PacketConfig{LocalAddr: wanted, Multicast: out})
	send(t, s, "hear me", socket.PacketAddr{})
	if got, _ := receive(t, member); got != "hear me" {
		t.Errorf("received %q", got)
	}
}

func TestBatch(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		r := receiver(t, network, localName(t, network), socket.PacketConfig{})
		s := sender(t, network, r.LocalAddr().String(), socket.PacketConfig{})
		var out []socket.Message
		for i := range 8 {
			out = append(out, socket.Message{Data: bytes.Repeat([]byte{byte('a' + i)}, i)})
		}
		if n, err := s.SendBatch(out); n != len(out) || err != nil {
			t.Fatalf("%s: SendBatch = %d, %v", network, n, err)
		}
		in := make([]socket.Message, 16)
		for i := range in {
			in[i].Data = make([]byte, 6)
		}
		for got := 0; got < len(out); {
			n, err := r.ReceiveBatch(in)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range in[:n] {
				if want := min(got, 6); m.N != want || m.Truncated != (got > 6) || m.Addr != s.LocalAddr() {
					t.Errorf("%s: message %d has %d bytes, truncated %v, from %v", network, got, m.N, m.Truncated, m.Addr)
				}
				got++
			}
		}
	}
}

func TestDrops(t *testing.T) {
	r := receiver(t, "udp", "127.0.0.1:0", socket.PacketConfig{Options: socket.Options{ReceiveBuffer: new(4096)}})
	n, err := r.Drops()
	if runtime.GOOS != "linux" {
		if !errors.Is(err, socket.ErrNotSupported) {
			t.Errorf("Drops: %v", err)
		}
		return
	}
	if n != 0 || err != nil {
		t.Fatalf("Drops() = %d, %v before anything came", n, err)
	}
	s := sender(t, "udp", r.LocalAddr().String(), socket.PacketConfig{})
	for range 100 {
		send(t, s, strings.Repeat("x", 1000), socket.PacketAddr{})
	}
	if n, err = r.Drops(); n == 0 || err != nil {
		t.Errorf("Drops() = %d, %v after a burst", n, err)
	}
}

func TestSegment(t *testing.T) {
	r := receiver(t, "udp", "127.0.0.1:0", socket.PacketConfig{})
	s := sender(t, "udp", r.LocalAddr().String(), socket.PacketConfig{})
	if err := s.SetSegment(4); err != nil {
		if runtime.GOOS == "linux" {
			t.Fatal(err)
		}
		return
	}
	send(t, s, "aaaabbbbcc", socket.PacketAddr{})
	for _, want := range []string{"aaaa", "bbbb", "cc"} {
		if got, _ := receive(t, r); got != want {
			t.Errorf("received %q, want %q", got, want)
		}
	}
}

func TestDatagramAccessors(t *testing.T) {
	r := receiver(t, "udp", "127.0.0.1:0", socket.PacketConfig{})
	s := sender(t, "udp", r.LocalAddr().String(), socket.PacketConfig{})
	if s.Type() != socket.Datagram || s.AddressFamily() != socket.Internet || s.Connect() != socket.Active || r.Connect() != socket.Passive {
		t.Errorf("type %s, family %s, connect %s and %s", s.Type(), s.AddressFamily(), s.Connect(), r.Connect())
	}
	if s.RemotePort() != r.LocalPort() || s.RemoteHost() != r.LocalHost() || s.Format() != "multivalent" {
		t.Errorf("remote %v:%d", s.RemoteHost(), s.RemotePort())
	}
	if a, err := r.Resolve(t.Context(), "127.1:9"); err != nil || a.String() != "127.0.0.1:9" {
		t.Errorf("Resolve = %v, %v", a, err)
	}
}

// The addresses of a name that come after the one in use are there to be tried
// when that refuses.
func TestDialPacketOthers(t *testing.T) {
	lookup := func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1")}, nil
	}
	for _, tt := range []struct {
		cfg  socket.PacketConfig
		want string
	}{
		{socket.PacketConfig{IP: socket.PreferIPv4}, "[[::1]:9 127.0.0.2:9]"},
		{socket.PacketConfig{IP: socket.OnlyIPv4}, "[127.0.0.2:9]"},
		{socket.PacketConfig{LocalAddr: netip.MustParseAddr("127.0.0.1")}, "[127.0.0.2:9]"},
	} {
		tt.cfg.Lookup = lookup
		s := sender(t, "udp", "name.example:9", tt.cfg)
		if got := fmt.Sprint(s.Others()); got != tt.want || s.RemoteHost().String() != "127.0.0.1" {
			t.Errorf("%+v: in use is %v, the others are %v; want %s", tt.cfg.IP, s.Remote(), got, tt.want)
		}
	}
	if s := sender(t, "udp", "127.0.0.1:9", socket.PacketConfig{}); len(s.Others()) != 0 {
		t.Errorf("an address has others: %v", s.Others())
	}
}
