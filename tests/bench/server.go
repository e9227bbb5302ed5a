//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// echoServer is a server that sends back what it gets, one connection or many.
type echoServer struct {
	name string
	argv func(port int) []string
}

func (b *bench) echoServers() []echoServer {
	return []echoServer{
		{"brio", func(p int) []string {
			return []string{b.brio, "listen", "-k", "--echo", "127.0.0.1:" + strconv.Itoa(p)}
		}},
		{"socat fork", func(p int) []string {
			return []string{"socat", fmt.Sprintf("TCP4-LISTEN:%d,reuseaddr,bind=127.0.0.1,fork,backlog=1024", p), "PIPE"}
		}},
		{"ncat -e", func(p int) []string {
			return []string{"ncat", "-l", "-k", "-m", "11000", "-e", "/bin/cat", "127.0.0.1", strconv.Itoa(p)}
		}},
	}
}

// start starts the server and returns it with its address.
func (b *bench) start(s echoServer) (*proc, string, error) {
	p, err := b.newPlace(false)
	if err != nil {
		return nil, "", err
	}
	server, err := b.spawn(nil, nil, s.argv(p.port)...)
	if err != nil {
		return nil, "", err
	}
	if err := awaitListener(server, p.port, ""); err != nil {
		server.stop()
		return nil, "", err
	}
	return server, p.brio(), nil
}

// manyArea measures one-line conversations, the accept rate, and idle
// connections.
func manyArea(b *bench) error {
	if err := b.oneLiners(); err != nil {
		return err
	}
	if err := b.accepts(); err != nil {
		return err
	}
	return b.idle()
}

// oneLiners measures the whole life of a client that sends a line, gets it back
// and ends.
func (b *bench) oneLiners() error {
	server, addr, err := b.start(b.echoServers()[0])
	if err != nil {
		return err
	}
	defer server.stop()
	host, port, _ := net.SplitHostPort(addr)
	line := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.many(40, "hello\n", argv...) }}
	}
	return b.compare("connect, echo a line, exit", have("one-liner", []contender{
		line("brio", b.brio, "connect", addr),
		line("nc.openbsd", "nc.openbsd", "-N", host, port),
		line("socat", "socat", "-", "TCP4:"+addr),
		line("ncat", "ncat", host, port),
	}),
		target{rival: "nc.openbsd", of: wallTime, most: 1.8},
		target{rival: "socat", of: wallTime, most: 0.8},
		target{rival: "ncat", of: wallTime, most: 0.06})
}

// accepts measures connections per second: connect, echo one line, close.
func (b *bench) accepts() error {
	var cs []contender
	for _, s := range b.echoServers() {
		cs = append(cs, contender{s.name, func() (sample, error) {
			server, addr, err := b.start(s)
			if err != nil {
				return sample{}, err
			}
			n, took, err := storm(addr, 50, 2*time.Second)
			out := server.stop()
			out.rate = float64(n) / took.Seconds()
			return out, err
		}})
	}
	return b.compare("accept and echo, 50 at once", have("accept", cs),
		target{rival: "socat fork", of: rate, least: 6.5},
		target{rival: "ncat -e", of: rate, least: 60})
}

// storm opens connections from clients goroutines for about d and counts those
// that got their line back.
func storm(addr string, clients int, d time.Duration) (n int, took time.Duration, err error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		start = time.Now()
	)
	for range clients {
		wg.Go(func() {
			for time.Since(start) < d {
				e := echoOnce(addr)
				mu.Lock()
				if e == nil {
					n++
				} else if err == nil {
					err = e
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return n, time.Since(start), err
}

func echoOnce(addr string) error {
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).SetLinger(0); err != nil { // no ports left in TIME_WAIT
		return err
	}
	if _, err := c.Write([]byte("hello\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "hello\n" {
		err = fmt.Errorf("got %q back", line)
	}
	return err
}

// idle measures the memory of connections that have spoken once and wait.
func (b *bench) idle() error {
	hold := func(s echoServer, n int) contender {
		return contender{s.name, func() (sample, error) {
			server, addr, err := b.start(s)
			if err != nil {
				return sample{}, err
			}
			defer server.stop()
			conns, err := openMany(addr, n)
			defer func() {
				for _, c := range conns {
					c.Close()
				}
			}()
			if err != nil {
				return sample{}, fmt.Errorf("after %d connections: %w", len(conns), err)
			}
			pss, err := memoryOf(server.cmd.Process.Pid)
			return sample{rss: pss / int64(n)}, err
		}}
	}
	servers := b.echoServers()
	rounds := b.rounds
	b.rounds = min(rounds, 2)
	defer func() { b.rounds = rounds }()
	return b.compare("idle connection (brio: 10,000, others: 500)", have("idle", []contender{
		hold(servers[0], 10000), hold(servers[1], 500), hold(servers[2], 500),
	}),
		target{rival: "socat fork", of: peakRSS, most: 0.1},
		target{rival: "ncat -e", of: peakRSS, most: 0.2})
}

// openMany opens n connections, each of which has echoed one line.
func openMany(addr string, n int) ([]net.Conn, error) {
	var conns []net.Conn
	for range n {
		c, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
		_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // fails only on a closed connection
		if _, err := c.Write([]byte("x")); err != nil {
			return conns, err
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			return conns, err
		}
	}
	return conns, nil
}

// memoryOf is the proportional set size of a process and its descendants.
func memoryOf(pid int) (int64, error) {
	sum := int64(0)
	found := false
	for _, p := range append(descendants(pid), pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		if err != nil {
			continue // a process may have ended meanwhile
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				kb, _ := strconv.ParseInt(f[1], 10, 64)
				sum += kb << 10
				found = true
			}
		}
	}
	if !found {
		return 0, errors.New("the kernel tells no Pss")
	}
	return sum, nil
}

func descendants(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var all []int
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for _, word := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(word); err == nil && !slices.Contains(all, n) {
				all = append(append(all, n), descendants(n)...)
			}
		}
	}
	return all
}

// relayArea measures a listener that forwards every connection.
func relayArea(b *bench) error {
	size := int64(b.scale*1024) << 20
	source, err := b.source(size)
	if err != nil {
		return err
	}
	defer os.Remove(source)
	relays := []struct {
		name string
		argv func(from, to place) []string
	}{
		{"brio", func(f, t place) []string { return []string{b.brio, "listen", "-k", f.brio(), "--forward", t.brio()} }},
		{"socat", func(f, t place) []string {
			return []string{"socat", fmt.Sprintf("TCP4-LISTEN:%d,reuseaddr,bind=127.0.0.1", f.port), "TCP4:" + t.brio()}
		}},
		{"socat -b1M", func(f, t place) []string {
			return []string{"socat", "-b", "1048576", fmt.Sprintf("TCP4-LISTEN:%d,reuseaddr,bind=127.0.0.1", f.port), "TCP4:" + t.brio()}
		}},
	}
	var cs []contender
	for _, r := range relays {
		cs = append(cs, contender{r.name, func() (sample, error) { return b.relayOnce(r.argv, source, size) }})
	}
	return b.compare("relay TCP to TCP (CPU of the relay)", have("relay", cs),
		target{rival: "socat", of: cpuTime, most: 0.4},
		target{rival: "socat -b1M", of: cpuTime})
}

// relayOnce sends the source through the relay to a counting sink.
func (b *bench) relayOnce(argv func(from, to place) []string, source string, size int64) (sample, error) {
	sink, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return sample{}, err
	}
	defer sink.Close()
	from, err := b.newPlace(false)
	if err != nil {
		return sample{}, err
	}
	relay, err := b.spawn(nil, nil, argv(from, place{port: sink.Addr().(*net.TCPAddr).Port})...)
	if err != nil {
		return sample{}, err
	}
	if err := awaitListener(relay, from.port, ""); err != nil {
		relay.stop()
		return sample{}, err
	}
	start := time.Now()
	n, err := push(from.brio(), sink, source)
	took := time.Since(start)
	s := relay.stop()
	s.wall = took
	s.rate = float64(size) / took.Seconds()
	if err == nil && n != size {
		err = fmt.Errorf("%d of %d bytes arrived", n, size)
	}
	return s, err
}

// push sends the source to addr and counts what arrives at sink.
func push(addr string, sink net.Listener, source string) (int64, error) {
	type end struct {
		n   int64
		err error
	}
	done := make(chan end, 1)
	go func() {
		c, err := sink.Accept()
		if err != nil {
			done <- end{0, err}
			return
		}
		defer c.Close()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 1<<20))
		done <- end{n, err}
	}()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	f, err := os.Open(source)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := c.(*net.TCPConn).ReadFrom(f); err != nil {
		return 0, err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	e := <-done
	return e.n, e.err
}
