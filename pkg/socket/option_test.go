package socket_test

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// TestSetSocketOptions sets every option of set-socket-options and reads it
// back.
func TestSetSocketOptions(t *testing.T) {
	c, _ := pair(t, "tcp")
	set := socket.Options{
		ReuseAddress: new(true), KeepAlive: new(true), NoDelay: new(false), OOBInline: new(true),
		ReceiveBuffer: new(65536), SendBuffer: new(65536), Linger: new(3 * time.Second),
		KeepAliveIdle: new(100 * time.Second), KeepAliveInterval: new(7 * time.Second), KeepAliveCount: new(4),
	}
	if err := socket.SetOptions(c, set); err != nil {
		t.Fatal(err)
	}
	got, err := socket.ReadOptions(c)
	if err != nil {
		t.Fatal(err)
	}
	if !*got.ReuseAddress || !*got.KeepAlive || *got.NoDelay || !*got.OOBInline ||
		*got.ReceiveBuffer < 65536 || *got.SendBuffer < 65536 {
		t.Errorf("effective options are %s", asJSON(t, got))
	}
	if *got.KeepAliveIdle != 100*time.Second || *got.KeepAliveInterval != 7*time.Second || *got.KeepAliveCount != 4 {
		t.Errorf("effective keepalive is %s", asJSON(t, got))
	}
	if runtime.GOOS != "windows" && *got.Linger != 3*time.Second {
		t.Errorf("effective linger is %v", *got.Linger)
	}
}

func TestUnsetOptionsAreUnchanged(t *testing.T) {
	c, _ := pair(t, "tcp")
	before, err := socket.ReadOptions(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := socket.SetOptions(c, socket.Options{KeepAlive: new(true)}); err != nil {
		t.Fatal(err)
	}
	if err := socket.SetOptions(c, socket.Options{}); err != nil {
		t.Fatal(err)
	}
	after, err := socket.ReadOptions(c)
	if err != nil {
		t.Fatal(err)
	}
	after.KeepAlive = before.KeepAlive
	if a, b := asJSON(t, before), asJSON(t, after); a != b {
		t.Errorf("options were\n%s and are\n%s", a, b)
	}
}

func TestDefaultOptions(t *testing.T) {
	c, s := pair(t, "tcp")
	for _, conn := range []*socket.Conn{c, s} {
		o, err := socket.ReadOptions(conn)
		if err != nil {
			t.Fatal(err)
		}
		if *o.KeepAlive || !*o.NoDelay || *o.OOBInline {
			t.Errorf("defaults are %s", asJSON(t, o))
		}
	}
}

func TestUnsupportedOptionIsNamed(t *testing.T) {
	c, _ := pair(t, "unix")
	for name, o := range map[string]socket.Options{
		"nodelay":       {NoDelay: new(true)},
		"broadcast":     {Broadcast: new(true)},
		"keepalive":     {KeepAlive: new(true)},
		"ttl":           {TTL: new(5)},
		"reuse-address": {ReuseAddress: new(true)},
	} {
		err := socket.SetOptions(c, o)
		if !errors.Is(err, socket.ErrNotSupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("setting %s on a UNIX socket: %v", name, err)
		}
	}
}

func TestAcceptedInheritOptions(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{Options: socket.Options{
		KeepAlive: new(true), KeepAliveIdle: new(50 * time.Second), NoDelay: new(false), OOBInline: new(true), Linger: new(2 * time.Second),
	}})
	dial(t, l, socket.Config{})
	o, err := socket.ReadOptions(accept(t, l))
	if err != nil {
		t.Fatal(err)
	}
	if !*o.KeepAlive || *o.KeepAliveIdle != 50*time.Second || *o.NoDelay || !*o.OOBInline || (o.Linger != nil && *o.Linger != 2*time.Second) {
		t.Errorf("accepted with %s", asJSON(t, o))
	}
}

func TestDialSetsOptions(t *testing.T) {
	l := listen(t, "tcp", "[::1]:0", socket.ListenConfig{})
	c := dial(t, l, socket.Config{Options: socket.Options{NoDelay: new(false), KeepAlive: new(true), TTL: new(9), ReceiveBuffer: new(100000)}})
	o, err := socket.ReadOptions(c)
	if err != nil {
		t.Fatal(err)
	}
	if *o.NoDelay || !*o.KeepAlive || *o.TTL != 9 || *o.ReceiveBuffer < 100000 {
		t.Errorf("connected with %s", asJSON(t, o))
	}
}

func TestOptionOutOfRange(t *testing.T) {
	c, _ := pair(t, "tcp")
	for _, o := range []socket.Options{{DSCP: new(64)}, {DSCP: new(-1)}, {SendBuffer: new(-5)}, {TTL: new(300)}} {
		if err := socket.SetOptions(c, o); err == nil {
			t.Errorf("%s was accepted", asJSON(t, o))
		}
	}
}

func TestLingerZeroResets(t *testing.T) {
	c, s := pair(t, "tcp")
	if err := socket.SetOptions(c, socket.Options{Linger: new(time.Duration(0))}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	_, err := s.Read(make([]byte, 1))
	identified(t, err, socket.ConnectionReset)
}

func TestOptionsJSON(t *testing.T) {
	o := socket.Options{KeepAlive: new(true), KeepAliveIdle: new(1500 * time.Millisecond), TTL: new(3), Linger: new(time.Duration(-1))}
	if got, want := asJSON(t, o), `{"keepalive":true,"keepalive_idle_ms":1500,"ttl":3}`; got != want {
		t.Errorf("JSON is %s, want %s", got, want)
	}
}

func TestParseRawOption(t *testing.T) {
	for _, tt := range []struct {
		in     string
		option int
		value  int // of bytes, 0 when in must be refused
	}{
		{"SOL_SOCKET:SO_KEEPALIVE=1", -1, 4},
		{"socket:so_keepalive=0x1", -1, 4},
		{"1:9=1", 9, 4},
		{`tcp:13="reno"`, 13, 4},
		{"6:1=hex:0100", 1, 2},
		{"6:1", 0, 0},
		{"6=1", 0, 0},
		{"x:1=1", 0, 0},
		{"1:NOSUCH=1", 0, 0},
		{"1:9=one", 0, 0},
		{"1:9=4294967296", 0, 0},
		{"1:9=hex:zz", 0, 0},
	} {
		r, err := socket.ParseRawOption(tt.in)
		if (err == nil) != (tt.value > 0) || len(r.Value) != tt.value || (tt.option > 0 && r.Option != tt.option) {
			t.Errorf("ParseRawOption(%q) = %+v, %v", tt.in, r, err)
		}
	}
}

func FuzzParseRawOption(f *testing.F) {
	f.Add("SOL_SOCKET:SO_MARK=1")
	f.Add(`tcp:TCP_CONGESTION="bbr"`)
	f.Add("1:2=hex:00")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := socket.ParseRawOption(s)
		if err == nil && len(r.Value) > len(s)+4 {
			t.Errorf("ParseRawOption(%q) made %d bytes", s, len(r.Value))
		}
	})
}

func TestRawOption(t *testing.T) {
	r, err := socket.ParseRawOption("SOL_SOCKET:SO_KEEPALIVE=1")
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t, "tcp", "127.0.0.1:0", socket.ListenConfig{})
	c := dial(t, l, socket.Config{Options: socket.Options{Raw: []socket.RawOption{r}}})
	if o, err := socket.ReadOptions(c); err != nil || !*o.KeepAlive {
		t.Errorf("the raw option has no effect (%v)", err)
	}
	bad, _ := socket.ParseRawOption("socket:9999=1")
	err = socket.SetOptions(c, socket.Options{Raw: []socket.RawOption{bad}})
	if !errors.Is(err, socket.ErrNotSupported) || !strings.Contains(err.Error(), "socket:9999") {
		t.Errorf("an option that does not exist: %v", err)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
