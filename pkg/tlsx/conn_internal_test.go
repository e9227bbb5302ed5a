package tlsx

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// deadlineConn remembers the last read deadline.
type deadlineConn struct {
	net.Conn
	mu   sync.Mutex
	last time.Time
}

func (c *deadlineConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = t
	return nil
}

// A context that ends just as a wait is over leaves the user's deadline behind:
// its function may run after the wait's end.
func TestEndReadsWith(t *testing.T) {
	raw := &deadlineConn{}
	c := &Conn{wire: &wire{Conn: raw}}
	want := time.Now().Add(time.Hour)
	if err := c.SetReadDeadline(want); err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		restore := c.endReadsWith(ctx)
		cancel()
		restore()
	}
	time.Sleep(10 * time.Millisecond) // what would come late comes now
	raw.mu.Lock()
	defer raw.mu.Unlock()
	if !raw.last.Equal(want) {
		t.Errorf("the deadline is %v, want %v", raw.last, want)
	}
}

// A handshake that brought no certificate at all passes only where none is
// asked for.
func TestVerifyConnectionWithoutCertificate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		client bool
		verify VerifyMode
		pins   []string
		ok     bool
		pin    bool
	}{
		{"client", true, VerifyRequired, nil, false, false},
		{"client that does not verify", true, VerifyNone, nil, true, false},
		{"client that does not verify, with a pin", true, VerifyNone, []string{"x"}, false, true},
		{"server", false, VerifyOptional, nil, true, false},
		{"server with a pin", false, VerifyOptional, []string{"x"}, false, true},
	} {
		c := &Conn{ctx: &Context{pins: tt.pins}, client: tt.client, set: settings{versions: []uint16{tls.VersionTLS13}, verify: tt.verify}}
		err := c.verifyConnection(tls.ConnectionState{Version: tls.VersionTLS13, DidResume: true})
		if (err == nil) != tt.ok || errors.Is(err, ErrPin) != tt.pin {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A time that JSON cannot hold is none.
func TestTimesOutOfRange(t *testing.T) {
	for _, s := range []string{"99991231235959-1200", "00000101000000+1200"} {
		if got, _, ok := readTime(s, 4); ok {
			t.Errorf("readTime(%q) = %v", s, got)
		}
	}
	if got, _, ok := readTime("99991231235959Z", 4); !ok || got.Year() != 9999 {
		t.Errorf("readTime of the last second = %v, %v", got, ok)
	}
	sct := make([]byte, 47)
	sct[33] = 0x7f
	if s, ok := parseSCT(sct); ok {
		t.Errorf("parseSCT = %+v", s)
	}
}

func TestParsePin(t *testing.T) {
	const pin = "/4bPpR1clR6By72ELk+VDmg3jz/SCQ1kAwMsGR72NNA=" // begins with a slash
	hex := "ff86cfa51d5c951e81cbbd842e4f950e68378f3fd2090d6403032c191ef634d0"
	for _, s := range []string{pin, "sha256:" + pin, "sha256//" + pin, "SHA256/" + pin, hex, "sha256:" + hex, "SHA256:FF:" + hex[2:]} {
		if got, err := ParsePin(s); got != pin || err != nil {
			t.Errorf("ParsePin(%q) = %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "sha256:", pin[:40], hex[2:], "md5:" + hex} {
		if got, err := ParsePin(s); err == nil {
			t.Errorf("ParsePin(%q) = %q", s, got)
		}
	}
}

// Blocks that never end cost no more than what they hold.
func TestPEMWithoutEnd(t *testing.T) {
	const n = 50000
	var data []byte
	for range n {
		data = append(data, "-----BEGIN A-----\n"...)
	}
	start := time.Now()
	blocks := pemBlocks(append(data, "-----BEGIN B-----\nMAA=\n-----END B-----\n"...))
	if last := blocks[len(blocks)-1]; len(blocks) != n+1 || last.typ != "B" || last.problem != "" || len(last.data) != 2 {
		t.Errorf("%d blocks, the last one %+v", len(blocks), last)
	}
	if took := time.Since(start); took > 5*time.Second { // a hundredth is usual
		t.Errorf("it took %v", took)
	}
}
