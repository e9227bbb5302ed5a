//go:build linux

package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// tlsArea measures bulk data, handshakes and short connections over TLS.
func tlsArea(b *bench) error {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert, err := b.certificate("p256.pem", ec)
	if err != nil {
		return err
	}
	if err := b.tlsBulk(cert); err != nil {
		return err
	}
	if err := b.tlsOneLiners(cert); err != nil {
		return err
	}
	if err := b.tlsHandshakes("P-256", cert); err != nil {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	if cert, err = b.certificate("rsa2048.pem", key); err != nil {
		return err
	}
	return b.tlsHandshakes("RSA-2048", cert)
}

// certificate writes a certificate for 127.0.0.1 that signs itself, and its key,
// into one file.
func (b *bench) certificate(name string, key crypto.Signer) (string, error) {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return "", err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	for _, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := pem.Encode(&text, block); err != nil {
			return "", err
		}
	}
	file := filepath.Join(b.dir, name)
	return file, os.WriteFile(file, text.Bytes(), 0o600)
}

// tlsMovers are the programs of movers, over TLS.
func (b *bench) tlsMovers(cert string) []mover {
	return []mover{
		{name: "brio",
			recv: func(p place) []string {
				return []string{b.brio, "tls-server", "-q", p.brio(), "--certificate", cert}
			},
			send: func(p place) []string { return []string{b.brio, "tls-client", "-k", "-q", p.brio()} }},
		{name: "openssl", openStdin: true,
			recv: func(p place) []string {
				return []string{"openssl", "s_server", "-quiet", "-naccept", "1", "-cert", cert, "-key", cert, "-accept", p.brio()}
			},
			send: func(p place) []string {
				return []string{"openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", p.brio()}
			}},
		{name: "ncat --ssl",
			recv: func(p place) []string {
				return ncatArgs(p, "--recv-only", "--ssl", "--ssl-cert", cert, "--ssl-key", cert, "-l")
			},
			send: func(p place) []string { return ncatArgs(p, "--send-only", "--ssl") }},
		{name: "socat -b64K OPENSSL",
			recv: func(p place) []string {
				return []string{"socat", "-b", "65536", "-u", fmt.Sprintf("OPENSSL-LISTEN:%d,bind=127.0.0.1,reuseaddr,verify=0,cert=%s", p.port, cert), "STDOUT"}
			},
			send: func(p place) []string {
				return []string{"socat", "-b", "65536", "-u", "STDIN", fmt.Sprintf("OPENSSL:127.0.0.1:%d,verify=0", p.port)}
			}},
	}
}

func (b *bench) tlsBulk(cert string) error {
	size := int64(b.scale*512) << 20
	source, err := b.source(size)
	if err != nil {
		return err
	}
	defer os.Remove(source)
	for _, r := range []route{{"file", "null"}, {"pipe", "pipe"}} {
		var cs []contender
		for _, m := range b.tlsMovers(cert) {
			cs = append(cs, contender{m.name, func() (sample, error) { return b.transfer(m, r, source, size, false) }})
		}
		work := "TLS " + r.String()
		if err := b.compare(work, have(work, cs),
			target{rival: "socat -b64K OPENSSL", of: rate, least: 1.2},
			target{rival: "openssl", of: rate, least: 2},
			target{rival: "openssl", of: cpuTime, most: 0.45},
			target{rival: "ncat --ssl", of: rate, least: 2},
		); err != nil {
			return err
		}
	}
	return nil
}

// tlsOneLiners measures the whole life of a client that verifies the server,
// sends a line, gets it back and ends.
func (b *bench) tlsOneLiners(cert string) error {
	server, addr, err := b.start(b.tlsEcho(cert))
	if err != nil {
		return err
	}
	defer server.stop()
	_, port, _ := net.SplitHostPort(addr)
	line := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.many(20, "hello\n", argv...) }}
	}
	return b.compare("TLS connect, verify, echo a line, exit", have("TLS one-liner", []contender{
		line("brio", b.brio, "tls-client", "-q", addr, "--ca-file", cert),
		line("socat", "socat", "-", "OPENSSL:127.0.0.1:"+port+",cafile="+cert),
		line("openssl", "openssl", "s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile", cert, "-connect", addr),
		line("ncat --ssl", "ncat", "--ssl-verify", "--ssl-trustfile", cert, "127.0.0.1", port),
	}),
		target{rival: "socat", of: wallTime, most: 0.4},
		target{rival: "openssl", of: wallTime},
		target{rival: "ncat --ssl", of: wallTime})
}

func (b *bench) tlsEcho(cert string) echoServer {
	return echoServer{"brio", func(port int) []string {
		return []string{b.brio, "tls-server", "-q", "-k", "127.0.0.1:" + strconv.Itoa(port), "--echo", "--certificate", cert}
	}}
}

// tlsHandshakes measures what full handshakes cost a server.
func (b *bench) tlsHandshakes(kind, cert string) error {
	servers := []echoServer{
		b.tlsEcho(cert),
		{"openssl", func(port int) []string {
			return []string{"openssl", "s_server", "-quiet", "-www", "-cert", cert, "-key", cert, "-accept", "127.0.0.1:" + strconv.Itoa(port)}
		}},
		{"socat OPENSSL", func(port int) []string {
			return []string{"socat", fmt.Sprintf("OPENSSL-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork,backlog=128,verify=0,cert=%s", port, cert), "PIPE"}
		}},
	}
	var cs []contender
	for _, s := range servers {
		cs = append(cs, contender{s.name, func() (sample, error) {
			server, addr, err := b.start(s)
			if err != nil {
				return sample{}, err
			}
			n, took, err := handshakes(addr, 4, 2*time.Second)
			out := server.stop()
			out.rate = float64(n) / took.Seconds()
			out.cpu /= time.Duration(max(n, 1))
			return out, err
		}})
	}
	work := "TLS handshakes, " + kind
	return b.compare(work, have(work, cs),
		target{rival: "openssl", of: rate},
		target{rival: "openssl", of: cpuTime},
		target{rival: "socat OPENSSL", of: rate, least: 1})
}

// handshakes makes full handshakes from clients goroutines for about d.
func handshakes(addr string, clients int, d time.Duration) (n int, took time.Duration, err error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		start = time.Now()
	)
	for range clients {
		wg.Go(func() {
			for time.Since(start) < d {
				e := handshakeOnce(addr)
				mu.Lock()
				if e == nil {
					n++
				} else {
					err = e
				}
				mu.Unlock()
				if e != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return n, time.Since(start), err
}

func handshakeOnce(addr string) error {
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	conn := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		return err
	}
	return conn.Close()
}
