//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// makeZone writes a zone with n addresses, and the list of their names.
func (b *bench) makeZone(n int) (zone, list string, err error) {
	zone, list = filepath.Join(b.dir, "zone"), filepath.Join(b.dir, "names")
	err = writeLines(zone, n, func(w *bufio.Writer, i int) {
		if i == 0 {
			fmt.Fprintln(w, "$ORIGIN bench.test.\n$TTL 300\n@ SOA ns hm 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1")
		}
		fmt.Fprintf(w, "n%d A 10.%d.%d.%d\n", i, i>>16&255, i>>8&255, i&255)
	})
	return zone, list, errors.Join(err, writeNames(list, n))
}

// writeNames writes n names into a file, and for dnsperf with their type into
// file.perf.
func writeNames(file string, n int) error {
	return errors.Join(
		writeLines(file, n, func(w *bufio.Writer, i int) { fmt.Fprintf(w, "n%d.bench.test\n", i) }),
		writeLines(file+".perf", n, func(w *bufio.Writer, i int) { fmt.Fprintf(w, "n%d.bench.test A\n", i) }))
}

func writeLines(file string, n int, line func(w *bufio.Writer, i int)) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for i := range n {
		line(w, i)
	}
	return errors.Join(w.Flush(), f.Close())
}

func (b *bench) startNSD(zone string) (*proc, place, error) {
	conf := filepath.Join(b.dir, "nsd.conf")
	var failure error
	p, at, err := b.serve(func(p place) []string {
		failure = os.WriteFile(conf, fmt.Appendf(nil, `server:
  ip-address: 127.0.0.1@%d
  username: ""
  zonesdir: %q
  pidfile: %q
  database: ""
  xfrdfile: %q
  zonelistfile: %q
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: bench.test
  zonefile: %q
`, p.port, b.dir, b.dir+"/nsd.pid", b.dir+"/xfrd", b.dir+"/zonelist", zone), 0o600)
		return []string{"nsd", "-d", "-c", conf}
	})
	return p, at, errors.Join(failure, err)
}

// startNamed starts named, which speaks TLS and HTTPS with a certificate of its
// own.
func (b *bench) startNamed(zone string) (named *proc, cert string, tls, https place, err error) {
	cert = filepath.Join(b.dir, "dns.pem")
	if err := b.selfSigned(cert, newP256); err != nil {
		return nil, "", tls, https, err
	}
	if tls, err = b.newPlace(false); err != nil {
		return nil, "", tls, https, err
	}
	conf := filepath.Join(b.dir, "named.conf")
	var failure error
	named, https, err = b.serve(func(p place) []string {
		failure = os.WriteFile(conf, fmt.Appendf(nil, `tls local { cert-file %q; key-file %q; };
http local { endpoints { "/dns-query"; }; };
options {
  directory %q; pid-file none; session-keyfile none; recursion no; listen-on-v6 { none; };
  listen-on port %d tls local { 127.0.0.1; };
  listen-on port %d tls local http local { 127.0.0.1; };
};
controls { };
zone "bench.test" { type primary; file %q; };
`, cert, cert, b.dir, tls.port, p.port, zone), 0o600)
		return []string{"named", "-g", "-c", conf}
	})
	if err = errors.Join(failure, err); err != nil {
		return nil, "", tls, https, err
	}
	return named, cert, tls, https, awaitListener(named, tls)
}

// A farServer answers every question with the same address, late, and loses
// some.
type farServer struct {
	c  *net.UDPConn
	wg sync.WaitGroup
}

func newFarServer(delay time.Duration, lose int) (*farServer, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	_ = c.SetReadBuffer(4 << 20) // a small one would lose more than asked for
	f := &farServer{c: c}
	f.wg.Go(func() { f.serve(delay, lose) })
	return f, nil
}

func (f *farServer) place() place { return place{port: f.c.LocalAddr().(*net.UDPAddr).Port} }

func (f *farServer) close() {
	f.c.Close()
	f.wg.Wait()
}

func (f *farServer) serve(delay time.Duration, lose int) {
	buf := make([]byte, 4096)
	for n := 1; ; n++ {
		size, from, err := f.c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		reply := answer(buf[:size])
		switch {
		case reply == nil, lose > 0 && n%lose == 0:
		case delay == 0:
			_, _ = f.c.WriteToUDPAddrPort(reply, from) // lost is lost
		default:
			time.AfterFunc(delay, func() { _, _ = f.c.WriteToUDPAddrPort(reply, from) })
		}
	}
}

// answer makes the reply to a question: its header and question, and an A record.
func answer(q []byte) []byte {
	end := 12
	for end < len(q) && q[end] != 0 {
		end += int(q[end]) + 1
	}
	end += 5
	if len(q) < 17 || end > len(q) {
		return nil
	}
	r := append([]byte(nil), q[:end]...)
	r[2], r[3] = 0x81, 0x80
	copy(r[4:12], []byte{0, 1, 0, 1, 0, 0, 0, 0})
	return append(r, 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1)
}
