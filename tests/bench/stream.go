//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A place is where a stream goes: a TCP port of 127.0.0.1, or a path.
type place struct {
	port int
	path string
}

// newPlace is a place that nobody uses.
func (b *bench) newPlace(unix bool) (place, error) {
	if unix {
		return place{path: filepath.Join(b.dir, fmt.Sprintf("s%d", time.Now().UnixNano()))}, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return place{}, err
	}
	defer l.Close()
	return place{port: l.Addr().(*net.TCPAddr).Port}, nil
}

func (p place) brio() string {
	if p.path != "" {
		return "unix:" + p.path
	}
	return "127.0.0.1:" + strconv.Itoa(p.port)
}

// A mover is a program that sends its input to a listener, and one that writes
// what it receives.
type mover struct {
	name      string
	recv      func(place) []string
	send      func(place) []string
	openStdin bool // the receiver ends when its stdin does
}

func (b *bench) movers() []mover {
	return []mover{
		{name: "brio",
			recv: func(p place) []string { return []string{b.brio, "listen", p.brio()} },
			send: func(p place) []string { return []string{b.brio, "connect", p.brio()} }},
		{name: "nc.openbsd",
			recv: func(p place) []string { return ncArgs(p, "-l") },
			send: func(p place) []string { return ncArgs(p, "-N") }},
		{name: "ncat",
			recv: func(p place) []string { return ncatArgs(p, "--recv-only", "-l") },
			send: func(p place) []string { return ncatArgs(p, "--send-only") }},
		{name: "socat -b1M",
			recv: func(p place) []string {
				return []string{"socat", "-b", "1048576", "-u", p.socat("TCP4-LISTEN:%d,reuseaddr,bind=127.0.0.1", "UNIX-LISTEN:%s"), "STDOUT"}
			},
			send: func(p place) []string {
				return []string{"socat", "-b", "1048576", "-u", "STDIN", p.socat("TCP4:127.0.0.1:%d", "UNIX-CONNECT:%s")}
			}},
	}
}

func ncArgs(p place, flag string) []string {
	if p.path != "" {
		return []string{"nc.openbsd", flag, "-U", p.path}
	}
	return []string{"nc.openbsd", flag, "127.0.0.1", strconv.Itoa(p.port)}
}

func ncatArgs(p place, flags ...string) []string {
	argv := append([]string{"ncat"}, flags...)
	if p.path != "" {
		return append(argv, "-U", p.path)
	}
	return append(argv, "127.0.0.1", strconv.Itoa(p.port))
}

func (p place) socat(tcp, unix string) string {
	if p.path != "" {
		return fmt.Sprintf(unix, p.path)
	}
	return fmt.Sprintf(tcp, p.port)
}

// A route is where the bytes come from and go to.
type route struct {
	from string // file, pipe
	to   string // null, file, append, pipe
}

func (r route) String() string { return r.from + " to " + r.to }

// transfer moves size bytes with m and counts the cost of sender and receiver.
func (b *bench) transfer(m mover, r route, source string, size int64, unix bool) (sample, error) {
	p, err := b.newPlace(unix)
	if err != nil {
		return sample{}, err
	}
	out, finish, err := b.sink(r.to)
	if err != nil {
		return sample{}, err
	}
	var stdin io.Reader
	if m.openStdin {
		r, w, err := os.Pipe()
		if err != nil {
			return sample{}, err
		}
		defer w.Close()
		defer r.Close()
		stdin = r
	}
	server, err := b.spawn(stdin, out, m.recv(p)...)
	if err != nil {
		return sample{}, err
	}
	if f, ok := out.(*os.File); ok {
		f.Close()
	}
	if err := awaitListener(server, p.port, p.path); err != nil {
		server.stop()
		return sample{}, err
	}
	sent, err := b.feed(r.from, source, m.send(p))
	if err != nil {
		server.stop()
		return sample{}, err
	}
	got, err := server.wait()
	if err != nil {
		return sample{}, err
	}
	got.wall = sent.wall
	if n, err := finish(); err != nil || n >= 0 && n != size {
		return sample{}, fmt.Errorf("%d of %d bytes arrived (%v)", n, size, err)
	}
	s := sent.plus(got)
	s.rate = float64(size) / s.wall.Seconds()
	return s, nil
}

// feed runs the sender on the source, as a file or through a pipe from cat.
func (b *bench) feed(from, source string, argv []string) (sample, error) {
	if from == "file" {
		f, err := os.Open(source)
		if err != nil {
			return sample{}, err
		}
		defer f.Close()
		return b.once(f, nil, argv...)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return sample{}, err
	}
	cat, err := b.spawn(nil, w, "cat", source)
	w.Close()
	if err != nil {
		r.Close()
		return sample{}, err
	}
	s, err := b.once(r, nil, argv...)
	r.Close()
	if _, werr := cat.wait(); err == nil {
		err = werr
	}
	return s, err
}

// sink opens the far end. finish says how many bytes arrived, -1 if unknown.
func (b *bench) sink(to string) (out io.Writer, finish func() (int64, error), err error) {
	unknown := func() (int64, error) { return -1, nil }
	switch to {
	case "null":
		f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		return f, unknown, err
	case "pipe":
		r, w, err := os.Pipe()
		if err != nil {
			return nil, nil, err
		}
		type end struct {
			n   int64
			err error
		}
		done := make(chan end, 1)
		go func() {
			defer r.Close()
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 256<<10))
			done <- end{n, err}
		}()
		return w, func() (int64, error) { e := <-done; return e.n, e.err }, nil
	}
	name := filepath.Join(b.dir, "sink")
	mode := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if to == "append" {
		mode |= os.O_APPEND
	}
	f, err := os.OpenFile(name, mode, 0o600)
	return f, func() (int64, error) {
		st, err := os.Stat(name)
		if err != nil {
			return 0, err
		}
		return st.Size(), os.Remove(name)
	}, err
}

// source makes a file of zeros.
func (b *bench) source(size int64) (string, error) {
	name := filepath.Join(b.dir, "source")
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for n := int64(0); n < size; n += int64(len(block)) {
		if _, err := f.Write(block); err != nil {
			return "", err
		}
	}
	return name, nil
}

// A routeTarget holds the targets of one route: rates and CPU beside nc and
// socat.
type routeTarget struct {
	route
	ncRate, socatRate, ncCPU float64
}

func streamArea(b *bench) error {
	return b.routes("TCP", false, []routeTarget{
		{route{"file", "null"}, 3, 2, 0.4},
		{route{"pipe", "null"}, 1.7, 1.4, 0},
		{route{"file", "pipe"}, 3.3, 2.2, 0},
		{route{"pipe", "pipe"}, 1.75, 1.6, 0.45},
		{route{"file", "file"}, 1.7, 0.95, 0},
		{route{"file", "append"}, 1.35, 0, 0},
	})
}

func unixArea(b *bench) error {
	return b.routes("UNIX", true, []routeTarget{
		{route{"file", "null"}, 4.5, 0, 0},
		{route{"pipe", "pipe"}, 2.1, 0, 0},
	})
}

func (b *bench) routes(kind string, unix bool, routes []routeTarget) error {
	size := int64(b.scale*1024) << 20
	source, err := b.source(size)
	if err != nil {
		return err
	}
	defer os.Remove(source)
	for _, r := range routes {
		var cs []contender
		for _, m := range b.movers() {
			cs = append(cs, contender{m.name, func() (sample, error) { return b.transfer(m, r.route, source, size, unix) }})
		}
		work := kind + " " + r.String()
		targets := []target{
			{rival: "nc.openbsd", of: rate, least: r.ncRate},
			{rival: "nc.openbsd", of: cpuTime, most: r.ncCPU},
			{rival: "socat -b1M", of: rate, least: r.socatRate},
			{rival: "ncat", of: rate},
		}
		if err := b.compare(work, have(work, cs), targets...); err != nil {
			return err
		}
	}
	return nil
}
