package tests

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/tests/faults"
)

// newNetwork makes two hosts with a path between them for one test.
func newNetwork(t *testing.T, cfg faults.Path) *faults.Network {
	t.Helper()
	n, err := faults.NewNetwork(cfg)
	if err != nil {
		need.Missing(t, "network namespaces: %v", err)
	}
	t.Cleanup(func() { n.Close() })
	if ours, err := os.ReadFile("/proc/net/dev"); err != nil || strings.Contains(string(ours), "path:") {
		t.Fatalf("the tests themselves are on one of the hosts now: %s, %v", ours, err)
	}
	return n
}

// startOn starts a program on a host.
func startOn(t *testing.T, h *faults.Host, change func(*exec.Cmd), argv ...string) (p *program) {
	t.Helper()
	h.Do(func() { p = startProgram(t, change, argv...) })
	return p
}

// badNetwork loses, doubles and swaps packets as no real network should.
func badNetwork() faults.Path {
	return faults.Path{Drop: 3, Double: 3, Swap: 5, Delay: 200 * time.Microsecond}
}

// Packets are lost: nothing is lost above them, in either direction.
func TestStreamsThroughLoss(t *testing.T) {
	n := newNetwork(t, badNetwork())
	data := string(randomData(300_000))
	for name, flags := range map[string][2][]string{
		"plain":   {{"listen"}, {"connect"}},
		"chunked": {{"listen", "--chunked-in", "--chunked-out"}, {"connect", "--chunked-in", "--chunked-out"}},
		"tls":     {{"tls-server"}, {"tls-client", "--insecure", "-q"}},
	} {
		t.Run(name, func(t *testing.T) {
			port := t.TempDir() + "/port"
			server := append([]string{"brio"}, append(flags[0], "0.0.0.0:0", "--timeout", "60", "-qq", "--port-file", port)...)
			listen := startOn(t, n.Far, stdinText(data), server...)
			listen.portFile = port
			client := append([]string{"brio"}, append(flags[1], n.Far.Addr.String()+":"+listen.place(), "--timeout", "60")...)
			connect := startOn(t, n.Near, stdinText(data), client...)
			connect.ends(0, data, "")
			listen.ends(0, data, "")
		})
	}
}

// Questions and answers are lost: each name is answered, once and rightly.
func TestNamesThroughLoss(t *testing.T) {
	n := newNetwork(t, badNetwork())
	var names, want strings.Builder
	for i := range 200 {
		fmt.Fprintf(&names, "n%d.example.\n", i)
		fmt.Fprintf(&want, "192.0.2.%d\n", i%250)
	}
	addr := nameServerOn(t, n.Far)
	p := startOn(t, n.Near, stdinText(names.String()), "brio", "dns-query", "@"+addr, "--short", "-f", "-", "--try-timeout", "500ms", "--repeat", "10")
	p.ends(0, want.String(), "")
}

// nameServerOn answers n7.example. with 192.0.2.7 and so on.
func nameServerOn(t *testing.T, h *faults.Host) string {
	t.Helper()
	s := &dns.Server{Addr: h.Addr.String() + ":53", Net: "udp", Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		var i int
		fmt.Sscanf(q.Question[0].Name, "n%d.", &i)
		rr, _ := dns.NewRR(fmt.Sprintf("%s 60 IN A 192.0.2.%d", q.Question[0].Name, i%250))
		m.Answer = []dns.RR{rr}
		_ = w.WriteMsg(m) // a lost answer is asked for again
	})}
	h.Do(func() {
		pc, err := net.ListenPacket("udp4", s.Addr)
		if err != nil {
			t.Error(err)
			return
		}
		s.PacketConn = pc
	})
	if s.PacketConn == nil {
		t.FailNow()
	}
	go s.ActivateAndServe()
	t.Cleanup(func() { s.Shutdown() })
	return s.Addr
}

// The hosts are parted in the middle of a transfer. Whatever bounds the wait
// tells of it with status 5, and both ends know that something is missing.
func TestPartition(t *testing.T) {
	for name, tt := range map[string]struct {
		send, receive []string
		sent, got     int
	}{
		"user time-out, keepalive": {[]string{"--user-timeout", "3s"}, []string{"--keepalive", "--keepalive-idle", "1", "--keepalive-interval", "1", "--keepalive-count", "2"}, 5, 5},
		"idle time-out":            {[]string{"--idle-timeout", "3s"}, []string{"--idle-timeout", "3s"}, 5, 5},
		"write and read time-out":  {[]string{"--write-timeout", "3s"}, []string{"--read-timeout", "3s"}, 5, 5},
		"time-out of the run":      {[]string{"--timeout", "6s"}, []string{"--timeout", "6s"}, 5, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, faults.Path{})
			port := t.TempDir() + "/port"
			listen := startOn(t, n.Far, nil, append([]string{"brio", "listen", "--no-stdin", "0.0.0.0:0", "-q", "--port-file", port}, tt.receive...)...)
			listen.portFile = port
			endless := func(c *exec.Cmd) { c.Stdin = endlessText{} }
			connect := startOn(t, n.Near, endless, append([]string{"brio", "connect", "-q", n.Far.Addr.String() + ":" + listen.place()}, tt.send...)...)
			listen.waits("data", func() bool { return len(listen.stdout.String()) > 0 })
			n.Cut(true)
			if sent, got := connect.status(), listen.status(); sent != tt.sent || got != tt.got {
				t.Errorf("connect ended with %d (%s), listen with %d (%s); want %d, %d", sent, connect.stderr.String(), got, listen.stderr.String(), tt.sent, tt.got)
			}
		})
	}
}

// endlessText never ends, and does not come faster than a network takes it.
type endlessText struct{}

func (endlessText) Read(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	for i := range b {
		b[i] = 'x'
	}
	return min(len(b), 4096), nil
}

// A partition that ends is only a delay.
func TestPartitionHeals(t *testing.T) {
	n := newNetwork(t, faults.Path{Delay: 50 * time.Microsecond})
	data := string(randomData(2 << 20))
	port := t.TempDir() + "/port"
	listen := startOn(t, n.Far, nil, "brio", "listen", "--no-stdin", "0.0.0.0:0", "-q", "--idle-timeout", "60", "--port-file", port)
	listen.portFile = port
	connect := startOn(t, n.Near, stdinText(data), "brio", "connect", "-q", n.Far.Addr.String()+":"+listen.place(), "--idle-timeout", "60")
	listen.waits("data", func() bool { return len(listen.stdout.String()) > 0 })
	n.Cut(true)
	time.Sleep(time.Second)
	n.Cut(false)
	connect.ends(0, "", "")
	listen.ends(0, data, "")
}

// Nobody is there, or there is no way: status 5 or 6, in the time that was given.
func TestUnreachable(t *testing.T) {
	n := newNetwork(t, faults.Path{Drop: 100})
	far := n.Far.Addr.String()
	for _, tt := range []struct {
		status int
		args   []string
	}{
		{5, []string{"connect", "--no-stdin", far + ":9", "--connect-timeout", "500ms"}},
		{5, []string{"connect", "--wait=500ms", "--no-stdin", far + ":9"}},
		{5, []string{"dgram", "send", "--data", "x", "--wait", "500ms", far + ":9"}},
		{5, []string{"dns-query", "@" + far, "a.example", "--try-timeout", "200ms", "--repeat", "2"}},
		{5, []string{"tls-client", "--probe", far + ":9", "--connect-timeout", "500ms"}},
		{5, []string{"ftp-get", "-o", "-", "ftp://" + far + "/f", "--connect-timeout", "500ms", "--retries", "0"}},
		{6, []string{"connect", "--no-stdin", "203.0.113.1:9"}},
		{6, []string{"dgram", "send", "--data", "x", "203.0.113.1:9"}},
		{6, []string{"tls-client", "--probe", "203.0.113.1:9"}},
		{6, []string{"ftp-get", "-o", "-", "ftp://203.0.113.1/f"}},
	} {
		p := startOn(t, n.Near, nil, append([]string{"brio"}, tt.args...)...)
		if got := p.status(); got != tt.status || p.stdout.String() != "" && tt.args[1] != "--probe" {
			t.Errorf("%v: status %d, stdout %q, stderr %q; want %d", tt.args, got, p.stdout.String(), p.stderr.String(), tt.status)
		}
	}
}
