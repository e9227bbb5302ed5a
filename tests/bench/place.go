//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A place is where a server listens: a TCP port of 127.0.0.1, or a path.
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

func (p place) String() string {
	if p.path != "" {
		return "unix:" + p.path
	}
	return "127.0.0.1:" + strconv.Itoa(p.port)
}

// socat is the place in an address of socat's.
func (p place) socat(tcp, unix string) string {
	if p.path != "" {
		return fmt.Sprintf(unix, p.path)
	}
	return fmt.Sprintf(tcp, p.port)
}

// serve starts a server at a new place and waits until it listens there.
func (b *bench) serve(argv func(place) []string) (*proc, place, error) {
	p, err := b.newPlace(false)
	if err != nil {
		return nil, p, err
	}
	server, err := b.spawn(nil, nil, argv(p)...)
	if err != nil {
		return nil, p, err
	}
	return server, p, awaitListener(server, p)
}

// awaitListener waits until p listens at a place, or ends it.
func awaitListener(p *proc, at place) error {
	return awaitReady(p, at.taken)
}

// awaitReady waits until p is ready, but not for ever, and ends it then.
func awaitReady(p *proc, ready func() bool) error {
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(time.Millisecond) {
		if ready() {
			return nil
		}
		if p.zombie() {
			break
		}
	}
	p.stop()
	return errors.New("the server does not get ready: " + strings.Join(p.cmd.Args, " "))
}

// zombie reports whether p has ended; nobody waits for it yet.
func (p *proc) zombie() bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, state, _ := strings.Cut(string(text), ") ")
	return err != nil || strings.HasPrefix(state, "Z")
}

// taken reports whether a socket listens at p.
func (p place) taken() bool {
	if p.path != "" {
		return fileContains("/proc/net/unix", " "+p.path)
	}
	return fileContains("/proc/net/tcp", fmt.Sprintf(":%04X 00000000:0000 0A", p.port)) ||
		fileContains("/proc/net/tcp6", fmt.Sprintf(":%04X 00000000000000000000000000000000:0000 0A", p.port))
}

// bound reports whether a UDP socket has the port of 127.0.0.1.
func (p place) bound() bool {
	return fileContains("/proc/net/udp", fmt.Sprintf(" 0100007F:%04X ", p.port))
}

func fileContains(name, text string) bool {
	b, err := os.ReadFile(name)
	return err == nil && strings.Contains(string(b), text)
}
