package socket_test

import (
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

func TestSetTCPMD5Sig(t *testing.T) {
	if runtime.GOOS != "linux" {
		l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
		err := l.SetMD5Signature(netip.MustParsePrefix("127.0.0.1/32"), []byte("key"))
		if !errors.Is(err, socket.ErrNotSupported) {
			t.Errorf("SetMD5Signature: %v", err)
		}
		return
	}
	for _, tt := range []struct {
		name, listen, dial string
		keys               []socket.MD5Key
		key                string
		want               socket.Identifier
	}{
		{"same key", "127.0.0.1:0", "127.0.0.1", keys("127.0.0.1/32", "secret"), "secret", ""},
		{"other key", "127.0.0.1:0", "127.0.0.1", keys("127.0.0.1/32", "secret"), "public", socket.TimedOut},
		{"no key", "127.0.0.1:0", "127.0.0.1", keys("127.0.0.1/32", "secret"), "", socket.TimedOut},
		{"prefix", "127.0.0.1:0", "127.0.0.1", keys("127.0.0.0/8", "secret"), "secret", ""},
		{"both families, IPv4 peer", ":0", "127.0.0.1", keys("127.0.0.1/32", "secret", "::1/128", "other"), "secret", ""},
		{"both families, IPv4 prefix", ":0", "127.0.0.1", keys("127.0.0.0/8", "secret"), "secret", ""},
		{"both families, IPv6 peer", ":0", "::1", keys("127.0.0.1/32", "other", "::1/128", "secret"), "secret", ""},
		{"key of another peer", "127.0.0.1:0", "127.0.0.1", keys("192.0.2.1/32", "secret"), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := listen(t, "tcp", tt.listen, socket.ListenConfig{MD5: tt.keys})
			var key []byte
			if tt.key != "" {
				key = []byte(tt.key)
			}
			limit := 10 * time.Second
			if tt.want != "" {
				limit = 100 * time.Millisecond
			}
			address := netip.AddrPortFrom(netip.MustParseAddr(tt.dial), l.LocalPort()).String()
			c, err := socket.Dial(within(t, limit), "tcp", address, socket.Config{MD5Key: key})
			if got := socket.ErrorID(err); got != tt.want {
				t.Errorf("Dial: %v; want %q", err, tt.want)
			}
			if err == nil {
				c.Close()
			}
		})
	}
}

// keys makes a list of prefixes and keys in turns.
func keys(list ...string) (k []socket.MD5Key) {
	for i := 0; i < len(list); i += 2 {
		k = append(k, socket.MD5Key{Peer: netip.MustParsePrefix(list[i]), Key: []byte(list[i+1])})
	}
	return k
}

func TestMD5KeyTooLong(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	peer := netip.MustParsePrefix("127.0.0.1/32")
	if err := l.SetMD5Signature(peer, []byte(strings.Repeat("k", 81))); err == nil {
		t.Error("a key of 81 bytes was accepted")
	}
	if runtime.GOOS != "linux" {
		return
	}
	if err := l.SetMD5Signature(peer, []byte(strings.Repeat("k", 80))); err != nil {
		t.Error(err)
	}
	if err := l.SetMD5Signature(peer, nil); err != nil {
		t.Errorf("taking the key away: %v", err)
	}
	dial(t, l, socket.Config{})
}
