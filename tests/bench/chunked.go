//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

// chunkedArea measures the HTTP/1.1 chunked coding: of a whole stream beside
// the same without, and each direction by itself beside curl.
func chunkedArea(b *bench) error {
	size := b.streamSize(0.5)
	if err := b.withSource(size, func(l load) error {
		l.route = route{"pipe", "pipe"}
		if err := b.chunkedBoth(l); err != nil {
			return err
		}
		return b.chunkedOut(l)
	}); err != nil {
		return err
	}
	return b.chunkedIn(size)
}

func (b *bench) chunkedBoth(l load) error {
	plain := b.movers()[0]
	return b.compare("chunked pipe to pipe", []contender{
		b.contender(plain.with("brio", []string{"--chunked-in"}, []string{"--chunked-out"}), l),
		b.contender(plain.with("brio plain", nil, nil), l),
	}, beside("brio plain", throughput), beside("brio plain", cpuTime))
}

const httpOK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

var lastChunk = []byte("0\r\n\r\n")

// takeChunks reads chunks of zeros up to the last one, and says so: curl waits
// for that.
func takeChunks(r io.Reader, w io.Writer) (n int64, err error) {
	buf, kept := make([]byte, 1<<20), 0 // the end of what came before
	for {
		k, err := r.Read(buf[kept:])
		n += int64(k)
		have := buf[:kept+k]
		if bytes.HasSuffix(have, lastChunk) {
			_, err = io.WriteString(w, httpOK)
			return n, err
		}
		if err != nil {
			return n, err
		}
		kept = copy(buf, have[max(0, len(have)-len(lastChunk)):])
	}
}

// chunkedOut measures the sender alone.
func (b *bench) chunkedOut(l load) error {
	sink, err := newSink(takeChunks)
	if err != nil {
		return err
	}
	defer sink.close()
	send := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) {
			s, err := b.feed(l, func(stdin *os.File) (sample, error) { return b.once(stdin, nil, argv...) })
			if err != nil {
				return s, err
			}
			s.rate = float64(l.size) / s.wall.Seconds()
			return s, sink.got(l.size)
		}}
	}
	at := sink.place().String()
	return b.compare("chunked, sending from a pipe", []contender{
		send("brio", b.brio, "connect", at, "--chunked-out"),
		send("curl", "curl", "-s", "-T", "-", "-H", "Expect:", "-H", "Transfer-Encoding: chunked", "http://"+at+"/"),
	}, beside("curl", throughput), beside("curl", cpuTime))
}

// chunkedIn measures the receiver alone: curl gets a head before the chunks.
func (b *bench) chunkedIn(size int64) error {
	recv := func(name, head string, argv func(at string) []string) contender {
		return contender{name, func() (sample, error) {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				return sample{}, err
			}
			defer l.Close()
			go sendChunks(l, head, size)
			out, finish, err := drain()
			if err != nil {
				return sample{}, err
			}
			s, err := b.once(nil, out, argv(l.Addr().String())...)
			n, ferr := finish()
			if err == nil && n != size {
				err = fmt.Errorf("%d of %d bytes arrived (%v)", n, size, ferr)
			}
			s.rate = float64(size) / s.wall.Seconds()
			return s, err
		}}
	}
	return b.compare("chunked, receiving into a pipe", []contender{
		recv("brio", "", func(at string) []string { return []string{b.brio, "connect", at, "--chunked-in", "--recv-only"} }),
		recv("curl", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", func(at string) []string {
			return []string{"curl", "-s", "http://" + at + "/"}
		}),
	}, beside("curl", throughput), beside("curl", cpuTime))
}

// sendChunks sends a connection the head and size bytes in chunks of 64 KiB.
func sendChunks(l net.Listener, head string, size int64) {
	c, err := l.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	if head != "" { // there is a request, and closing with it unread is a reset
		if _, err := c.Read(make([]byte, 4096)); err != nil {
			return
		}
	}
	const chunk = 64 << 10
	one := append([]byte(strconv.FormatInt(chunk, 16)+"\r\n"), make([]byte, chunk)...)
	one = append(one, "\r\n"...)
	block := bytes.Repeat(one, 16)
	if _, err := io.WriteString(c, head); err != nil {
		return
	}
	for n := int64(0); n < size; n += 16 * chunk {
		if _, err := c.Write(block); err != nil {
			return // the receiver tells
		}
	}
	_, _ = c.Write(lastChunk)
}
