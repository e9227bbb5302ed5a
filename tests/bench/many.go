//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// A server is a program that serves connections at a place.
type server struct {
	name string
	argv func(place) []string
}

// echoServers send back what they get, on one connection or many.
func (b *bench) echoServers() []server {
	return []server{
		{"brio", func(p place) []string { return []string{b.brio, "listen", "-k", "--echo", p.String()} }},
		{"socat fork", func(p place) []string {
			return []string{"socat", p.socat("TCP4-LISTEN:%d,reuseaddr,bind=127.0.0.1,fork,backlog=1024", ""), "PIPE"}
		}},
		{"ncat -e", func(p place) []string {
			return []string{"ncat", "-l", "-k", "-m", "11000", "-e", "/bin/cat", "127.0.0.1", strconv.Itoa(p.port)}
		}},
	}
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
	server, at, err := b.serve(b.echoServers()[0].argv)
	if err != nil {
		return err
	}
	defer server.stop()
	port := strconv.Itoa(at.port)
	line := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.many(20, "hello\n", argv...) }}
	}
	return b.compare("connect, echo a line, exit", []contender{
		line("brio", b.brio, "connect", at.String()),
		line("nc.openbsd", "nc.openbsd", "-N", "127.0.0.1", port),
		line("socat", "socat", "-", "TCP4:"+at.String()),
		line("ncat", "ncat", "127.0.0.1", port),
	},
		atMost(1.8, "nc.openbsd", wallTime).unless(goRuntime), beside("nc.openbsd", cpuTime),
		atMost(0.8, "socat", wallTime).unless(goRuntime), atMost(0.06, "ncat", wallTime).unless(goRuntime))
}

// accepts measures connections per second: connect, echo one line, close.
func (b *bench) accepts() error {
	var cs []contender
	for _, s := range b.echoServers() {
		cs = append(cs, b.stormed(s.name, s.argv, 50, echoOnce))
	}
	return b.compare("accept and echo, 50 at once", cs,
		atLeast(6.5, "socat fork", rate), atLeast(60, "ncat -e", rate).unless(kernel), beside("socat fork", cpuTime))
}

// stormed is a server that meets clients all at once for a while. Its rate is
// that of the conversations, its CPU time that of one.
func (b *bench) stormed(name string, argv func(place) []string, clients int, talk func(addr string) error) contender {
	return contender{name, func() (sample, error) {
		server, at, err := b.serve(argv)
		if err != nil {
			return sample{}, err
		}
		n, took, err := storm(clients, time.Second, func() error { return talk(at.String()) })
		s := server.stop()
		s.rate = float64(n) / took.Seconds()
		s.cpu /= time.Duration(max(n, 1))
		return s, err
	}}
}

// storm has clients talk over and over for about d, counts the talks that
// succeed, and returns the first error.
func storm(clients int, d time.Duration, talk func() error) (n int, took time.Duration, err error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		start = time.Now()
	)
	one := func() bool {
		e := talk()
		mu.Lock()
		defer mu.Unlock()
		if e == nil {
			n++
		} else if err == nil {
			err = e
		}
		return err == nil && time.Since(start) < d
	}
	for range clients {
		wg.Go(func() {
			for one() {
			}
		})
	}
	wg.Wait()
	return n, time.Since(start), err
}

// dial connects to addr for a short talk.
func dial(addr string) (*net.TCPConn, error) {
	c, err := net.DialTimeout("tcp4", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		c.Close()
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

func echoOnce(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetLinger(0); err != nil { // no ports left in TIME_WAIT
		return err
	}
	if _, err := c.Write([]byte("hello\n")); err != nil {
		return err
	}
	line := make([]byte, len("hello\n"))
	if _, err := io.ReadFull(c, line); err != nil {
		return err
	}
	if string(line) != "hello\n" {
		return fmt.Errorf("got %q back", line)
	}
	return nil
}

// idle measures the memory of connections that have spoken once and wait.
func (b *bench) idle() error {
	hold := func(s server, n int) contender {
		return contender{s.name, func() (sample, error) {
			server, at, err := b.serve(s.argv)
			if err != nil {
				return sample{}, err
			}
			defer server.stop()
			conns, err := openMany(at.String(), n)
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
	limit := contender{"brio's limit, 40 MB for all", func() (sample, error) { return sample{rss: 40e6 / 10000}, nil }}
	return b.compare("idle connection (brio: 10,000, others: 500)",
		[]contender{hold(servers[0], 10000), hold(servers[1], 500), hold(servers[2], 500), limit},
		atMost(1, limit.name, peakRSS), atMost(0.1, "socat fork", peakRSS), atMost(0.2, "ncat -e", peakRSS))
}

// openMany opens n connections, each of which has echoed a byte.
func openMany(addr string, n int) ([]net.Conn, error) {
	var conns []net.Conn
	for range n {
		c, err := dial(addr)
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
		if _, err := c.Write([]byte("x")); err != nil {
			return conns, err
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			return conns, err
		}
	}
	return conns, nil
}
