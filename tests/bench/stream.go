//go:build linux

package main

import "io"

// A routeTarget holds the targets of one route, rates and CPU beside nc and
// socat, and what limits it.
type routeTarget struct {
	route
	ncRate, socatRate, ncCPU float64
	limit                    string
}

// streamArea measures a stream over TCP from and to all kinds of ends, and what
// counters and time-outs add to it.
func streamArea(b *bench) error {
	if err := b.routes("TCP", false, []routeTarget{
		{route{"file", "null"}, 3, 2, 0.4, kernel},
		{route{"pipe", "null"}, 1.7, 1.4, 0, neighbour},
		{route{"file", "pipe"}, 3.3, 2.2, 0, neighbour},
		{route{"pipe", "pipe"}, 1.75, 1.6, 0.45, neighbour},
		{route{"file", "file"}, 1.7, 0.95, 0, kernel},
		{route{"file", "append"}, 1.35, 0, 0, kernel},
	}); err != nil {
		return err
	}
	return b.watched()
}

func unixArea(b *bench) error {
	return b.routes("UNIX", true, []routeTarget{
		{route{"file", "null"}, 4.5, 0, 0, kernel},
		{route{"pipe", "pipe"}, 2.1, 0, 0, neighbour},
	})
}

func (b *bench) routes(kind string, unix bool, routes []routeTarget) error {
	return b.withSource(b.streamSize(1), func(l load) error {
		l.unix = unix
		for _, r := range routes {
			l.route = r.route
			if err := b.routed(kind+" "+r.String(), r, l); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) routed(work string, r routeTarget, l load) error {
	var cs []contender
	for _, m := range b.movers() {
		cs = append(cs, b.contender(m, l))
	}
	targets := []target{
		atLeast(r.ncRate, "nc.openbsd", throughput).unless(r.limit), atMost(r.ncCPU, "nc.openbsd", cpuTime).unless(r.limit),
		atLeast(r.socatRate, "socat -b1M", throughput).unless(r.limit), beside("ncat", throughput),
	}
	if !l.unix && r.route == (route{"file", "null"}) {
		cs = append(cs, b.contender(iperf3(l.size), l))
		targets = append(targets, beside("iperf3", throughput), beside("iperf3", cpuTime))
	}
	return b.compare(work, cs, targets...)
}

// watched measures what looking at a stream costs: beside brio without it.
func (b *bench) watched() error {
	plain := b.movers()[0]
	return b.withSource(b.streamSize(1), func(l load) error {
		l.route = route{"file", "null"}
		return b.compare("TCP file to null with --idle-timeout and --progress", []contender{
			b.contender(plain.with("brio", []string{"--idle-timeout", "30", "--progress", "always"}, []string{"--idle-timeout", "30", "--progress", "always"}), l),
			b.contender(plain.with("brio without", nil, nil), l),
		}, atMost(1.05, "brio without", cpuTime))
	})
}

// relayArea measures a listener that forwards every connection.
func relayArea(b *bench) error {
	return b.withSource(b.streamSize(1), b.relays)
}

func (b *bench) relays(l load) error {
	relay := func(name string, argv func(from, to place) []string) contender {
		return contender{name, func() (sample, error) { return b.relayOnce(argv, l.source, l.size) }}
	}
	return b.compare("relay TCP to TCP (CPU of the relay)", []contender{
		relay("brio", func(f, t place) []string {
			return []string{b.brio, "listen", "-k", f.String(), "--forward", t.String()}
		}),
		relay("socat", func(f, t place) []string {
			return []string{"socat", f.socat("TCP4-LISTEN:%d,reuseaddr,bind=127.0.0.1", ""), "TCP4:" + t.String()}
		}),
		relay("socat -b1M", func(f, t place) []string {
			return []string{"socat", "-b", "1048576", f.socat("TCP4-LISTEN:%d,reuseaddr,bind=127.0.0.1", ""), "TCP4:" + t.String()}
		}),
	}, atMost(0.4, "socat", cpuTime), beside("socat", throughput), beside("socat -b1M", cpuTime))
}

// relayOnce sends the source through the relay to a counting sink.
func (b *bench) relayOnce(argv func(from, to place) []string, source string, size int64) (sample, error) {
	sink, err := newSink(func(r io.Reader, _ io.Writer) (int64, error) {
		return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 1<<20))
	})
	if err != nil {
		return sample{}, err
	}
	defer sink.close()
	relay, at, err := b.serve(func(p place) []string { return argv(p, sink.place()) })
	if err != nil {
		return sample{}, err
	}
	took, err := push(at, sink, source, size)
	s := relay.stop()
	s.wall = took
	s.rate = float64(size) / took.Seconds()
	return s, err
}
