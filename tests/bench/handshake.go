//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// shakeHands returns a talk of one full handshake, with one of the groups.
func shakeHands(groups ...tls.CurveID) func(addr string) error {
	return func(addr string) error {
		c, err := dial(addr)
		if err != nil {
			return err
		}
		defer c.Close()
		conn := tls.Client(c, &tls.Config{InsecureSkipVerify: true, CurvePreferences: groups})
		if err := conn.Handshake(); err != nil {
			return err
		}
		return conn.Close()
	}
}

// serverHandshakes measures what full handshakes cost a server, whatever the
// client: with each kind of key, and with the group that resists quantum
// computers.
func (b *bench) serverHandshakes(p256, rsa2048 string) error {
	for _, kind := range []struct{ name, cert string }{{"P-256", p256}, {"RSA-2048", rsa2048}} {
		if err := b.compare("TLS handshakes, server, "+kind.name+", X25519 (CPU of one)", []contender{
			b.stormed("brio", b.tlsEcho(kind.cert).argv, 4, shakeHands(tls.X25519)),
			b.stormed("openssl", opensslWeb(kind.cert).argv, 4, shakeHands(tls.X25519)),
			// It knows one group only.
			b.stormed("socat OPENSSL", socatWeb(kind.cert).argv, 4, shakeHands(tls.CurveP256)),
		}, beside("openssl", rate), beside("openssl", cpuTime), atLeast(1, "socat OPENSSL", rate)); err != nil {
			return err
		}
	}
	return b.compare("TLS handshakes, server, P-256, X25519MLKEM768 (CPU of one)", []contender{
		b.stormed("brio", b.tlsEcho(p256).argv, 4, shakeHands(tls.X25519MLKEM768)),
		b.stormed("brio X25519", b.tlsEcho(p256).argv, 4, shakeHands(tls.X25519)),
		b.stormed("openssl", opensslWeb(p256).argv, 4, func(addr string) error {
			err := shakeHands(tls.X25519MLKEM768)(addr)
			if err != nil {
				err = fmt.Errorf("OpenSSL has this group from 3.5: %w", err)
			}
			return err
		}),
	}, beside("openssl", rate), beside("openssl", cpuTime), beside("brio X25519", cpuTime))
}

func socatWeb(cert string) server {
	return server{"socat OPENSSL", func(p place) []string {
		return []string{"socat", p.socat("OPENSSL-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork,backlog=128,verify=0,cert="+cert, ""), "PIPE"}
	}}
}

// clientHandshakes measures what full handshakes cost a client, one after the
// other, with the groups that it offers by itself.
func (b *bench) clientHandshakes(p256, rsa2048 string) error {
	for _, kind := range []struct{ name, cert string }{{"P-256", p256}, {"RSA-2048", rsa2048}} {
		if err := b.clientHandshakesTo(kind.name, kind.cert); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) clientHandshakesTo(kind, cert string) error {
	server, at, err := b.serve(opensslWeb(cert).argv)
	if err != nil {
		return err
	}
	defer server.stop()
	const n = 500
	shake := func(name string, flags ...string) contender {
		return contender{name, func() (sample, error) {
			argv := append([]string{b.brio, "tls-client", "-k", "-q", "--reconnect", strconv.Itoa(n), at.String()}, flags...)
			s, err := b.once(nil, nil, argv...)
			s.cpu /= n
			return s, err
		}}
	}
	return b.compare("TLS handshakes, client, "+kind+" (CPU of one)", []contender{
		shake("brio"),
		shake("brio X25519", "--groups", "X25519"),
		{"openssl s_time", func() (sample, error) { return b.sTime(at) }},
	}, atMost(0.8, "openssl s_time", cpuTime), beside("brio X25519", cpuTime))
}

// sTime runs openssl s_time for a second.
func (b *bench) sTime(at place) (sample, error) {
	var text strings.Builder
	s, err := b.once(nil, &text, "openssl", "s_time", "-connect", at.String(), "-new", "-time", "1", "-tls1_3")
	if err != nil {
		return s, err
	}
	n, err := handshakesMade(text.String())
	s.cpu /= time.Duration(max(n, 1))
	return s, err
}
