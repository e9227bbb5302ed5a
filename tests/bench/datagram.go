//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// datagramArea measures sending records of 64 and 1400 bytes from stdin, and
// receiving at a steady rate.
func datagramArea(b *bench) error {
	for _, size := range []int{64, 1400} {
		if err := b.withSource(int64(size*b.count(200000)), func(l load) error { return b.sendDatagrams(size, l) }); err != nil {
			return err
		}
		if err := b.receiveDatagrams(size); err != nil {
			return err
		}
	}
	return nil
}

// sendDatagrams counts datagrams per second of the sender; the receiver takes
// what it can.
func (b *bench) sendDatagrams(size int, l load) error {
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer sink.Close()
	_ = sink.SetReadBuffer(4 << 20) // a small buffer only loses more, which is not measured here
	go swallow(sink)
	addr, n := sink.LocalAddr().String(), strconv.Itoa(size)
	l.from = "file"
	send := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) {
			s, err := b.feed(l, func(stdin *os.File) (sample, error) { return b.once(stdin, nil, argv...) })
			s.rate = float64(l.size/int64(size)) / s.wall.Seconds()
			return s, err
		}}
	}
	least := 2.8
	if size > 1000 {
		least = 2
	}
	work := fmt.Sprintf("send datagrams of %d bytes from stdin", size)
	if err := b.compare(work, []contender{
		send("brio", b.brio, "dgram", "send", addr, "--framing", n),
		send("socat", "socat", "-u", "-b", n, "STDIN", "UDP4-SENDTO:"+addr),
	}, atLeast(least, "socat", rate).unless(kernel), beside("socat", cpuTime)); err != nil {
		return err
	}
	return b.compare(work+" with --gso", []contender{
		send("brio", b.brio, "dgram", "send", addr, "--framing", n, "--gso"),
		send("brio without", b.brio, "dgram", "send", addr, "--framing", n),
	}, beside("brio without", rate))
}

// swallow reads datagrams until the socket is closed.
func swallow(c *net.UDPConn) {
	buf := make([]byte, 65536)
	for {
		if _, _, err := c.ReadFromUDP(buf); err != nil {
			return
		}
	}
}

// receiveDatagrams sends 100,000 datagrams in a second, counts those that the
// receiver writes, and what each of them costs.
func (b *bench) receiveDatagrams(size int) error {
	recv := func(name string, argv func(p place) []string) contender {
		return contender{name, func() (sample, error) { return b.receiveOnce(size, 100000, argv) }}
	}
	return b.compare(fmt.Sprintf("receive %d-byte datagrams at 100,000/s (CPU of one)", size), []contender{
		recv("brio", func(p place) []string { return []string{b.brio, "dgram", "recv", p.String()} }),
		recv("nc.openbsd", func(p place) []string {
			return []string{"nc.openbsd", "-u", "-l", "127.0.0.1", strconv.Itoa(p.port)}
		}),
		recv("socat", func(p place) []string {
			return []string{"socat", "-u", fmt.Sprintf("UDP4-RECV:%d,bind=127.0.0.1", p.port), "STDOUT"}
		}),
	}, atLeast(1, "nc.openbsd", share), atLeast(1, "socat", share), atMost(0.55, "socat", cpuTime))
}

func (b *bench) receiveOnce(size, count int, argv func(place) []string) (sample, error) {
	probe, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return sample{}, err
	}
	at := place{port: probe.LocalAddr().(*net.UDPAddr).Port}
	probe.Close()
	out, finish, err := b.sink("file")
	if err != nil {
		return sample{}, err
	}
	defer out.Close()
	p, err := b.spawn(nil, out, argv(at)...)
	if err != nil {
		return sample{}, err
	}
	if err := awaitReady(p, at.bound); err != nil {
		return sample{}, err
	}
	err = pace(at, make([]byte, size), count, time.Second)
	time.Sleep(300 * time.Millisecond)
	s := p.stop()
	n, ferr := finish()
	arrived := n / int64(size)
	s.rate = float64(arrived) / float64(count)
	s.cpu /= time.Duration(max(1, arrived))
	return s, errors.Join(err, ferr)
}

// pace sends count datagrams evenly within d, in bursts of a millisecond.
func pace(to place, data []byte, count int, d time.Duration) error {
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to.port})
	if err != nil {
		return err
	}
	defer c.Close()
	start := time.Now()
	for sent := 0; sent < count; time.Sleep(200 * time.Microsecond) {
		due := int(float64(count) * float64(time.Since(start)) / float64(d))
		for ; sent < min(due, count); sent++ {
			if _, err := c.Write(data); err != nil {
				return err
			}
		}
	}
	return nil
}
