package socket_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/brio-net/brio/pkg/socket"
)

// Every number is an address whose dotted form reads as the same number, and
// whatever is dotted to IsDotted is so to ParseDotted.
func FuzzFormatDotted(f *testing.F) {
	f.Add(uint32(0x7f000001), "127.1")
	f.Add(uint32(0xffffffff), "::1%lo")
	f.Fuzz(func(t *testing.T, n uint32, s string) {
		a := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		if got, err := socket.ParseDotted(socket.FormatDotted(a)); err != nil || got != a {
			t.Errorf("%v comes back as %v, %v", a, got, err)
		}
		if got, err := socket.ParseDotted(fmt.Sprint(n)); err != nil || got != a {
			t.Errorf("%d is %v, %v; want %v", n, got, err, a)
		}
		_, err := socket.ParseDotted(s)
		if socket.IsDotted(s) && err != nil {
			t.Errorf("IsDotted(%q), but %v", s, err)
		}
		if l, strict := socket.ParseStrict(s); strict == nil && (err != nil || !l.Addr.IsValid()) {
			t.Errorf("ParseStrict(%q) = %+v, but ParseDotted: %v", s, l, err)
		}
	})
}

// A header of version 1 says the same after it was read and written again, and
// not a byte after it is taken.
func FuzzProxyHeaderText(f *testing.F) {
	for _, s := range []string{"TCP4 192.0.2.1 192.0.2.2 5000 80", "TCP6 ::1 ::2 1 65535", "UNKNOWN", "UNKNOWN ffff:f...f:ffff 1", "TCP4 1.2.3.4 ::1 1 1", "TCP6 ::ffff:1.2.3.4 ::1 0 01"} {
		f.Add(s, "rest")
	}
	f.Fuzz(func(t *testing.T, s, rest string) {
		if strings.Contains(s, "\r\n") {
			return
		}
		r := strings.NewReader("PROXY " + s + "\r\n" + rest)
		h, err := socket.ReadProxyHeader(r)
		if err != nil {
			return
		}
		if left, _ := io.ReadAll(r); string(left) != rest {
			t.Fatalf("%q leaves %q of %q", s, left, rest)
		}
		if h.Source.IsValid() != h.Destination.IsValid() {
			t.Errorf("%q is %+v", s, h)
		}
		again, err := socket.ReadProxyHeader(bytes.NewReader(h.AppendText(nil)))
		if err != nil || again != h {
			t.Errorf("%q is %+v, which reads as %+v, %v", s, h, again, err)
		}
	})
}

// The variables of socket activation name descriptors from 3 on, or none.
func FuzzParseListenFDs(f *testing.F) {
	f.Add("42", "2", "a:b")
	f.Add("", "-1", "")
	f.Add("42", "65537", ":")
	f.Fuzz(func(t *testing.T, pid, fds, names string) {
		list, err := socket.ParseListenFDs(pid, fds, names, 42)
		if err != nil && list != nil || len(list) > 1<<16 || pid != "" && pid != "42" && len(list) > 0 {
			t.Fatalf("ParseListenFDs(%q, %q, %q) gives %d, %v", pid, fds, names, len(list), err)
		}
		for i, d := range list {
			if d.FD != 3+i || !strings.Contains(names, d.Name) {
				t.Errorf("ParseListenFDs(%q, %q, %q)[%d] = %+v", pid, fds, names, i, d)
			}
		}
	})
}

// A dump holds every byte, its lines hold no control characters, and the bytes
// pass as they are.
func FuzzHexDump(f *testing.F) {
	f.Add([]byte("hello\x1b[31m\x00\xff0123456789"), uint8(5))
	line := regexp.MustCompile(`^> [0-9a-f]{8}  ([0-9a-f ]{24}) ([0-9a-f ]{24}) \|[ -~]{1,16}\|$`)
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		var dump, out bytes.Buffer
		w := socket.NewHexDump(&dump).Tap(&out, ">")
		for rest := data; len(rest) > 0; {
			n := min(len(rest), int(step)+1)
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		var dumped []byte
		for l := range strings.Lines(dump.String()) {
			m := line.FindStringSubmatch(strings.TrimSuffix(l, "\n"))
			if m == nil {
				t.Fatalf("the dump has the line %q", l)
			}
			b, err := hex.DecodeString(strings.ReplaceAll(m[1]+m[2], " ", ""))
			if err != nil {
				t.Fatalf("the dump has the line %q: %v", l, err)
			}
			dumped = append(dumped, b...)
		}
		if !bytes.Equal(dumped, data) || !bytes.Equal(out.Bytes(), data) {
			t.Errorf("%q is dumped as %q and passed as %q", data, dumped, out.Bytes())
		}
	})
}

// A pattern is found however the stream is cut, as in the whole.
func FuzzExpect(f *testing.F) {
	f.Add([]byte("login: password: "), uint8(3), "word:")
	f.Add([]byte("aaab"), uint8(0), "a+b")
	f.Fuzz(func(t *testing.T, data []byte, step uint8, pattern string) {
		re, err := regexp.Compile(pattern)
		if err != nil || len(pattern) > 100 || len(data) > 1000 || strings.ContainsAny(pattern, "$^\\") || re.MatchString("") {
			return // what a later byte may take back is not the same in pieces
		}
		calls := 0
		e := socket.NewExpect(re, func([]byte) { calls++ })
		w := e.Tap(io.Discard)
		for rest := data; len(rest) > 0; {
			n := min(len(rest), int(step)+1)
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if want := re.Match(data); e.Found() != want || (calls == 1) != want || calls > 1 {
			t.Errorf("%q in %q by %d: found %v, %d calls; want %v", pattern, data, step, e.Found(), calls, want)
		}
	})
}

// The replies of a proxy are read to their end and not a byte more: what the
// target says first is not lost.
func FuzzProxyLeavesTheRest(f *testing.F) {
	f.Add("200 OK", "220 hello")
	f.Add("407 No", "x")
	f.Fuzz(func(t *testing.T, status, rest string) {
		if strings.ContainsAny(status, "\r\n") {
			return
		}
		for kind, answer := range map[socket.ProxyKind]string{
			socket.HTTPProxy: "HTTP/1.1 " + status + "\r\nA: b\r\n\r\n",
			socket.Socks4:    "\x00\x5a\x01\x02\x03\x04\x05\x06",
			socket.Socks5:    "\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50",
		} {
			r := bytes.NewReader([]byte(answer + rest))
			p := socket.Proxy{Kind: kind, Address: "p:1"}
			err := socket.ThroughProxies(t.Context(), &scripted{Reader: r}, []socket.Proxy{p}, "192.0.2.1:80", nil)
			if left, _ := io.ReadAll(r); err == nil && string(left) != rest {
				t.Errorf("%q with %q leaves %q", answer, rest, left)
			}
			if err != nil && kind != socket.HTTPProxy {
				t.Errorf("%q: %v", answer, err)
			}
		}
	})
}
