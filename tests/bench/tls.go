//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// tlsArea measures bulk data, short connections, handshakes and scans.
func tlsArea(b *bench) error {
	p256, rsa2048 := filepath.Join(b.dir, "p256.pem"), filepath.Join(b.dir, "rsa2048.pem")
	if err := b.selfSigned(p256, newP256); err != nil {
		return err
	}
	if err := b.selfSigned(rsa2048, newRSA); err != nil {
		return err
	}
	for _, measure := range []func() error{
		func() error { return b.tlsBulk(p256) },
		func() error { return b.tlsOneLiners(p256) },
		func() error { return b.serverHandshakes(p256, rsa2048) },
		func() error { return b.clientHandshakes(p256, rsa2048) },
		func() error { return b.scan(rsa2048) },
	} {
		if err := measure(); err != nil {
			return err
		}
	}
	return nil
}

// tlsMovers are the programs of movers, over TLS.
func (b *bench) tlsMovers(cert string) []mover {
	brioServer := func(p place) []string {
		return []string{b.brio, "tls-server", "-q", p.String(), "--certificate", cert}
	}
	brioClient := func(p place) []string { return []string{b.brio, "tls-client", "-k", "-q", p.String()} }
	opensslServer := func(p place) []string {
		return []string{"openssl", "s_server", "-quiet", "-naccept", "1", "-cert", cert, "-key", cert, "-accept", p.String()}
	}
	socatServer := func(p place) string {
		return p.socat("OPENSSL-LISTEN:%d,bind=127.0.0.1,reuseaddr,verify=0,cert="+cert, "")
	}
	socatClient := func(p place) string { return p.socat("OPENSSL:127.0.0.1:%d,verify=0", "") }
	socat := func(from, to string) []string { return []string{"socat", "-b", "65536", "-u", from, to} }
	return []mover{
		{name: "brio", recv: brioServer, send: brioClient, give: brioServer, take: brioClient},
		{name: "openssl", openStdin: true,
			recv: opensslServer,
			send: func(p place) []string {
				return []string{"openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", p.String()}
			},
			give: func(p place) []string { return append(opensslServer(p), "-nbio") }, // else it may read when it should write, and hang
			take: func(p place) []string {
				return []string{"openssl", "s_client", "-quiet", "-connect", p.String()}
			}},
		{name: "ncat --ssl", noStatus: true, // the sender says no close_notify
			recv: func(p place) []string {
				return ncatArgs(p, "--recv-only", "--ssl", "--ssl-cert", cert, "--ssl-key", cert, "-l")
			},
			send: func(p place) []string { return ncatArgs(p, "--send-only", "--ssl") },
			give: func(p place) []string {
				return ncatArgs(p, "--send-only", "--ssl", "--ssl-cert", cert, "--ssl-key", cert, "-l")
			},
			take: func(p place) []string { return ncatArgs(p, "--recv-only", "--ssl") }},
		{name: "socat -b64K OPENSSL",
			recv: func(p place) []string { return socat(socatServer(p), "STDOUT") },
			send: func(p place) []string { return socat("STDIN", socatClient(p)) },
			give: func(p place) []string { return socat("STDIN", socatServer(p)) },
			take: func(p place) []string { return socat(socatClient(p), "STDOUT") }},
	}
}

// tlsBulk measures a stream from the client to the server, and back.
func (b *bench) tlsBulk(cert string) error {
	return b.withSource(b.streamSize(0.5), func(l load) error {
		for _, l.route = range []route{{"file", "null"}, {"pipe", "pipe"}} {
			if err := b.tlsStream(cert, l); err != nil {
				return err
			}
		}
		l.route, l.backwards = route{"file", "pipe"}, true
		return b.tlsStream(cert, l)
	})
}

func (b *bench) tlsStream(cert string, l load) error {
	work := "TLS " + l.route.String()
	if l.backwards {
		work += ", server sends"
	}
	var cs []contender
	for _, m := range b.tlsMovers(cert) {
		cs = append(cs, b.contender(m, l))
	}
	return b.compare(work, cs,
		atLeast(1.2, "socat -b64K OPENSSL", throughput).unless(goTLS), atLeast(2, "openssl", throughput).unless(goTLS),
		atMost(0.45, "openssl", cpuTime).unless(goTLS), atLeast(2, "ncat --ssl", throughput).unless(goTLS))
}

// tlsEcho is brio as a server that sends everything back.
func (b *bench) tlsEcho(cert string, flags ...string) server {
	return server{"brio", func(p place) []string {
		return append([]string{b.brio, "tls-server", "-q", "-k", p.String(), "--echo", "--certificate", cert}, flags...)
	}}
}

// tlsOneLiners measures the whole life of a client that verifies the server,
// sends a line, gets it back and ends.
func (b *bench) tlsOneLiners(cert string) error {
	server, at, err := b.serve(b.tlsEcho(cert, "--allow-truncation").argv) // ncat ends without close_notify
	if err != nil {
		return err
	}
	defer server.stop()
	port := strconv.Itoa(at.port)
	line := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.many(10, "hello\n", argv...) }}
	}
	return b.compare("TLS connect, verify, echo a line, exit", []contender{
		line("brio", b.brio, "tls-client", "-q", at.String(), "--ca-file", cert),
		line("socat", "socat", "-", "OPENSSL:127.0.0.1:"+port+",cafile="+cert),
		line("openssl", "openssl", "s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile", cert, "-connect", at.String()),
		// It compares names only, not addresses.
		line("ncat --ssl", "ncat", "-4", "--ssl-verify", "--ssl-trustfile", cert, "localhost", port),
	}, atMost(0.4, "socat", wallTime), beside("openssl", wallTime), beside("ncat --ssl", wallTime))
}

// scan measures finding out everything that a server supports. Each run has a
// server of its own: openssl's serves one client at a time, and stands still for
// a second after it has refused to renegotiate.
func (b *bench) scan(cert string) error {
	scan := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) {
			server, at, err := b.serve(opensslWeb(cert, "-cipher", "ALL:@SECLEVEL=0").argv)
			if err != nil {
				return sample{}, err
			}
			defer server.stop()
			return b.once(nil, nil, append(argv, at.String())...)
		}}
	}
	return b.compare("find out what a TLS server supports", []contender{
		scan("brio", b.brio, "tls-client", "--scan", "-k"),
		scan("sslscan", "sslscan"),
	}, atMost(0.2, "sslscan", wallTime), beside("sslscan", cpuTime))
}

// opensslWeb is openssl as a server that answers requests with a page; it serves
// one connection at a time.
func opensslWeb(cert string, flags ...string) server {
	return server{"openssl", func(p place) []string {
		return append([]string{"openssl", "s_server", "-quiet", "-www", "-cert", cert, "-key", cert, "-accept", p.String()}, flags...)
	}}
}

// handshakesMade is the number in what openssl s_time prints: "N connections in
// 1.23s; ...", twice.
func handshakesMade(text string) (int, error) {
	for line := range strings.Lines(text) {
		if n, rest, ok := strings.Cut(line, " connections in "); ok && strings.Contains(rest, "real seconds") {
			return strconv.Atoi(strings.TrimSpace(n))
		}
	}
	return 0, fmt.Errorf("openssl s_time tells no number: %q", text)
}
