//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A mover is a program that sends its input to a listener, and one that writes
// what it receives.
type mover struct {
	name string
	// recv listens and writes what it gets; send connects and sends its stdin.
	recv, send func(place) []string
	// give listens and sends its stdin; take connects and writes what it gets.
	give, take func(place) []string
	openStdin  bool // the receiver ends when its stdin does
	noStatus   bool // the receiver may fail though everything has arrived
}

// with is m under another name and with more flags.
func (m mover) with(name string, recv, send []string) mover {
	return mover{
		name: name,
		recv: func(p place) []string { return append(m.recv(p), recv...) },
		send: func(p place) []string { return append(m.send(p), send...) },
	}
}

func (b *bench) movers() []mover {
	return []mover{
		{name: "brio",
			recv: func(p place) []string { return []string{b.brio, "listen", p.String()} },
			send: func(p place) []string { return []string{b.brio, "connect", p.String()} }},
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

// iperf3 sends from its memory, and throws away what it receives: no file nor
// pipe is in its way.
func iperf3(size int64) mover {
	return mover{name: "iperf3",
		recv: func(p place) []string {
			return []string{"iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", strconv.Itoa(p.port)}
		},
		send: func(p place) []string {
			return []string{"iperf3", "-c", "127.0.0.1", "-p", strconv.Itoa(p.port), "-n", strconv.FormatInt(size, 10)}
		}}
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

// A route is where the bytes come from and go to.
type route struct {
	from string // file, pipe
	to   string // null, file, append, pipe
}

func (r route) String() string { return r.from + " to " + r.to }

// A load is what a mover has to move.
type load struct {
	route
	source    string // a file
	size      int64
	unix      bool
	backwards bool // from the listener to the one that connects
}

// contender is m with the load.
func (b *bench) contender(m mover, l load) contender {
	return contender{m.name, func() (sample, error) { return b.transfer(m, l) }}
}

// transfer moves the load and counts the cost of sender and receiver.
func (b *bench) transfer(m mover, l load) (sample, error) {
	p, err := b.newPlace(l.unix)
	if err != nil {
		return sample{}, err
	}
	out, finish, err := b.sink(l.to)
	if err != nil {
		return sample{}, err
	}
	defer out.Close()
	var sent, got sample
	switch {
	case l.backwards:
		sent, got, err = b.sendBack(m, l, p, out)
	default:
		sent, got, err = b.sendThere(m, l, p, out)
	}
	n, ferr := finish()
	if err != nil {
		return sample{}, err
	}
	if ferr != nil || n >= 0 && n != l.size {
		return sample{}, fmt.Errorf("%d of %d bytes arrived (%v)", n, l.size, ferr)
	}
	s := sent.plus(got)
	s.rate = float64(l.size) / s.wall.Seconds()
	return s, nil
}

// receiverInput is the standard input of the receiver: none, or a pipe that stays
// empty until it is released.
func (m mover) receiverInput() (stdin io.Reader, release func(), err error) {
	if !m.openStdin {
		return nil, func() {}, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	return r, func() { r.Close(); w.Close() }, nil
}

// sendThere starts the receiver first, then the sender, whose start begins the
// time.
func (b *bench) sendThere(m mover, l load, p place, out *os.File) (sent, got sample, err error) {
	stdin, release, err := m.receiverInput()
	if err != nil {
		return sent, got, err
	}
	defer release()
	server, err := b.spawn(stdin, out, m.recv(p)...)
	if err != nil {
		return sent, got, err
	}
	out.Close()
	if err := awaitListener(server, p); err != nil {
		return sent, got, err
	}
	start := time.Now()
	sent, err = b.feed(l, func(stdin *os.File) (sample, error) { return b.once(stdin, nil, m.send(p)...) })
	if err != nil {
		server.stop()
		return sent, got, err
	}
	got, err = server.wait()
	sent.wall, got.wall = time.Since(start), 0
	if m.noStatus {
		err = nil
	}
	return sent, got, err
}

// sendBack starts the sender, which listens, then the receiver, whose start
// begins the time.
func (b *bench) sendBack(m mover, l load, p place, out *os.File) (sent, got sample, err error) {
	hold, release, err := m.receiverInput()
	if err != nil {
		return sent, got, err
	}
	defer release()
	sent, err = b.feed(l, func(stdin *os.File) (sample, error) {
		server, err := b.spawn(stdin, nil, m.give(p)...)
		if err != nil {
			return sample{}, err
		}
		if err := awaitListener(server, p); err != nil {
			return sample{}, err
		}
		if got, err = b.once(hold, out, m.take(p)...); err != nil {
			server.stop()
			return sample{}, err
		}
		s, err := server.wait()
		s.wall = 0
		return s, err
	})
	return sent, got, err
}

// feed calls run with the source open, as a file or behind a pipe from cat.
func (b *bench) feed(l load, run func(stdin *os.File) (sample, error)) (sample, error) {
	if l.from == "file" {
		f, err := os.Open(l.source)
		if err != nil {
			return sample{}, err
		}
		defer f.Close()
		return run(f)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return sample{}, err
	}
	cat, err := b.spawn(nil, w, "cat", l.source)
	w.Close()
	if err != nil {
		r.Close()
		return sample{}, err
	}
	s, err := run(r)
	r.Close()
	if _, werr := cat.wait(); err == nil {
		err = werr
	}
	return s, err
}

// sink opens the far end. finish says how many bytes arrived, -1 if unknown; out
// must be closed before.
func (b *bench) sink(to string) (out *os.File, finish func() (int64, error), err error) {
	switch to {
	case "null":
		f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		return f, func() (int64, error) { return -1, nil }, err
	case "pipe":
		return drain()
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

// drain is a pipe, and counts what comes through it.
func drain() (out *os.File, finish func() (int64, error), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	var (
		n    int64
		rerr error
		done = make(chan struct{})
	)
	go func() {
		defer close(done)
		defer r.Close()
		n, rerr = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 256<<10))
	}()
	return w, func() (int64, error) {
		w.Close()
		<-done
		return n, rerr
	}, nil
}

// withSource calls use with a file of zeros as the load.
func (b *bench) withSource(size int64, use func(load) error) error {
	l := load{source: filepath.Join(b.dir, "source"), size: size}
	if err := makeFile(l.source, size); err != nil {
		return err
	}
	defer os.Remove(l.source)
	return use(l)
}

// makeFile makes a file of zeros, and the directory for it.
func makeFile(name string, size int64) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	block := make([]byte, min(size, 1<<20))
	for n := int64(0); n < size && err == nil; n += int64(len(block)) {
		_, err = f.Write(block[:min(size-n, int64(len(block)))])
	}
	return errors.Join(err, f.Close())
}
