//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// datagramArea measures sending records of 64 and 1400 bytes from stdin, and
// receiving at a steady rate.
func datagramArea(b *bench) error {
	for _, size := range []int{64, 1400} {
		if err := b.sendDatagrams(size); err != nil {
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
func (b *bench) sendDatagrams(size int) error {
	total := int64(b.scale*16) << 20
	source, err := b.source(total)
	if err != nil {
		return err
	}
	defer os.Remove(source)
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer sink.Close()
	_ = sink.SetReadBuffer(4 << 20) // a small buffer only loses more, which is not measured here
	go func() {
		buf := make([]byte, 65536)
		for {
			if _, _, err := sink.ReadFrom(buf); err != nil {
				return
			}
		}
	}()
	addr, n := sink.LocalAddr().String(), strconv.Itoa(size)
	send := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) {
			f, err := os.Open(source)
			if err != nil {
				return sample{}, err
			}
			defer f.Close()
			s, err := b.once(f, nil, argv...)
			s.rate = float64(total/int64(size)) / s.wall.Seconds()
			return s, err
		}}
	}
	least := 2.8
	if size > 1000 {
		least = 2
	}
	return b.compare(fmt.Sprintf("send datagrams of %d bytes from stdin", size), have("datagram", []contender{
		send("brio", b.brio, "dgram", "send", addr, "--framing", n),
		send("socat", "socat", "-u", "-b", n, "STDIN", "UDP4-SENDTO:"+addr),
	}), target{rival: "socat", of: rate, least: least})
}

// receiveDatagrams sends 100,000 datagrams in a second and counts those that
// the receiver writes.
func (b *bench) receiveDatagrams(size int) error {
	const count = 100000
	recv := func(name string, argv func(port int) []string) contender {
		return contender{name, func() (sample, error) { return b.receiveOnce(size, count, argv) }}
	}
	return b.compare(fmt.Sprintf("receive %d-byte datagrams at 100,000/s (share that arrived)", size), have("datagram", []contender{
		recv("brio", func(p int) []string {
			return []string{b.brio, "dgram", "recv", "127.0.0.1:" + strconv.Itoa(p)}
		}),
		recv("nc.openbsd", func(p int) []string { return []string{"nc.openbsd", "-u", "-l", "127.0.0.1", strconv.Itoa(p)} }),
		recv("socat", func(p int) []string {
			return []string{"socat", "-u", fmt.Sprintf("UDP4-RECV:%d,bind=127.0.0.1", p), "STDOUT"}
		}),
	}), target{rival: "nc.openbsd", of: rate, least: 1}, target{rival: "socat", of: rate, least: 1}, target{rival: "socat", of: cpuTime, most: 0.55})
}

func (b *bench) receiveOnce(size, count int, argv func(port int) []string) (sample, error) {
	probe, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return sample{}, err
	}
	port := probe.LocalAddr().(*net.UDPAddr).Port
	probe.Close()
	out, finish, err := b.sink("file")
	if err != nil {
		return sample{}, err
	}
	p, err := b.spawn(nil, out, argv(port)...)
	if err != nil {
		return sample{}, err
	}
	out.(*os.File).Close()
	if err := awaitReady(p, func() bool { return bound(port) }); err != nil {
		p.stop()
		return sample{}, err
	}
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		p.stop()
		return sample{}, err
	}
	defer c.Close()
	pace(c, make([]byte, size), count, time.Second)
	time.Sleep(300 * time.Millisecond)
	s := p.stop()
	n, err := finish()
	s.rate = float64(n) / float64(size) / float64(count)
	return s, err
}

// bound reports whether a UDP socket has the port of 127.0.0.1.
func bound(port int) bool {
	text, err := os.ReadFile("/proc/net/udp")
	return err == nil && strings.Contains(string(text), fmt.Sprintf(" 0100007F:%04X ", port))
}

// pace sends count datagrams evenly within d, in bursts of a millisecond.
func pace(c *net.UDPConn, data []byte, count int, d time.Duration) {
	start := time.Now()
	for sent := 0; sent < count; {
		due := int(float64(count) * float64(time.Since(start)) / float64(d))
		for ; sent < min(due, count); sent++ {
			if _, err := c.Write(data); err != nil {
				return
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
}
