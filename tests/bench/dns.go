//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// dnsArea measures single questions and bulk look-ups beside dig, kdig and
// dnsperf, against nsd and named, and against a responder that delays and loses.
func dnsArea(b *bench) error {
	for _, program := range []string{"nsd", "named"} {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Fprintf(os.Stderr, "  dns: not measured: %s is not installed\n", program)
			return nil
		}
	}
	names := int(100000 * min(b.scale, 1))
	zone, list, err := b.makeZone(names)
	if err != nil {
		return err
	}
	nsd, port, err := b.startNSD(zone)
	if err != nil {
		return err
	}
	defer nsd.stop()
	if err := b.dnsOnce(port); err != nil {
		return err
	}
	if err := b.dnsBulk(port, list, names); err != nil {
		return err
	}
	if err := b.dnsFar(list); err != nil {
		return err
	}
	return b.dnsEncrypted(zone)
}

// makeZone writes a zone with n addresses, and the list of their names.
func (b *bench) makeZone(n int) (zone, list string, err error) {
	zone, list = filepath.Join(b.dir, "zone"), filepath.Join(b.dir, "names")
	z, err := os.Create(zone)
	if err != nil {
		return "", "", err
	}
	defer z.Close()
	l, err := os.Create(list)
	if err != nil {
		return "", "", err
	}
	defer l.Close()
	perf, err := os.Create(list + ".perf")
	if err != nil {
		return "", "", err
	}
	defer perf.Close()
	zw, lw, pw := bufio.NewWriter(z), bufio.NewWriter(l), bufio.NewWriter(perf)
	fmt.Fprintln(zw, "$ORIGIN bench.test.\n$TTL 300\n@ SOA ns hm 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1")
	for i := range n {
		fmt.Fprintf(zw, "n%d A 10.%d.%d.%d\n", i, i>>16&255, i>>8&255, i&255)
		fmt.Fprintf(lw, "n%d.bench.test\n", i)
		fmt.Fprintf(pw, "n%d.bench.test A\n", i)
	}
	if err := zw.Flush(); err != nil {
		return "", "", err
	}
	return zone, list, errors.Join(lw.Flush(), pw.Flush())
}

func (b *bench) startNSD(zone string) (*proc, int, error) {
	p, err := b.newPlace(false)
	if err != nil {
		return nil, 0, err
	}
	conf := filepath.Join(b.dir, "nsd.conf")
	text := fmt.Sprintf(`server:
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
`, p.port, b.dir, b.dir+"/nsd.pid", b.dir+"/xfrd", b.dir+"/zonelist", zone)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, 0, err
	}
	server, err := b.spawn(nil, nil, "nsd", "-d", "-c", conf)
	if err != nil {
		return nil, 0, err
	}
	return server, p.port, awaitListener(server, p.port, "")
}

// dnsOnce measures one question, from the start of the program to its end.
func (b *bench) dnsOnce(port int) error {
	at := fmt.Sprintf("@127.0.0.1:%d", port)
	p := fmt.Sprint(port)
	ask := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.many(30, "", argv...) }}
	}
	for _, t := range []struct{ name, brio, dig string }{{"UDP", "--transport=udp", "+notcp"}, {"TCP", "--tcp", "+tcp"}} {
		if err := b.compare("DNS question over "+t.name, have("dns", []contender{
			ask("brio", b.brio, "dns-query", at, t.brio, "n1.bench.test"),
			ask("kdig", "kdig", t.dig, "@127.0.0.1", "-p", p, "n1.bench.test"),
			ask("dig", "dig", t.dig, "@127.0.0.1", "-p", p, "n1.bench.test"),
		}), target{rival: "kdig", of: wallTime, most: 1}, target{rival: "dig", of: wallTime, most: 0.33}); err != nil {
			return err
		}
	}
	return nil
}

// dnsBulk measures all names of the list.
func (b *bench) dnsBulk(port int, list string, names int) error {
	at, p := fmt.Sprintf("@127.0.0.1:%d", port), fmt.Sprint(port)
	run := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) {
			out, err := os.Create(filepath.Join(b.dir, "answers"))
			if err != nil {
				return sample{}, err
			}
			defer out.Close()
			s, err := b.once(nil, out, argv...)
			s.rate = float64(names) / s.wall.Seconds()
			return s, err
		}}
	}
	return b.compare(fmt.Sprintf("DNS, %d names from a file", names), have("dns", []contender{
		run("brio", b.brio, "dns-query", at, "--format", "short", "-f", list),
		run("dig -f", "dig", "@127.0.0.1", "-p", p, "+short", "-f", list),
		run("kdig", "sh", "-c", fmt.Sprintf("xargs -n 5000 kdig @127.0.0.1 -p %s +short <%s", p, list)),
		run("dnsperf", "dnsperf", "-s", "127.0.0.1", "-p", p, "-d", list+".perf", "-n", "1"),
	}),
		target{rival: "dig -f", of: cpuTime, most: 0.15}, target{rival: "dig -f", of: rate, least: 6},
		target{rival: "kdig", of: cpuTime, most: 0.3}, target{rival: "kdig", of: rate},
		target{rival: "dnsperf", of: cpuTime})
}

// dnsFar measures names at a server 20 ms away that loses every 50th reply.
func (b *bench) dnsFar(list string) error {
	for _, t := range []struct {
		name  string
		lose  int
		least float64
	}{{"20 ms away", 0, 100}, {"20 ms away, 2 % lost", 50, 0}} {
		far, err := newFarServer(20*time.Millisecond, t.lose)
		if err != nil {
			return err
		}
		err = b.dnsFarOnce(t.name, far.port(), list, t.least)
		far.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) dnsFarOnce(name string, port int, list string, least float64) error {
	short := filepath.Join(b.dir, "names500")
	if err := exec.CommandContext(b.ctx, "sh", "-c", fmt.Sprintf("head -500 %s >%s", list, short)).Run(); err != nil {
		return err
	}
	at, p := fmt.Sprintf("@127.0.0.1:%d", port), fmt.Sprint(port)
	run := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) {
			s, err := b.once(nil, nil, argv...)
			s.rate = 500 / s.wall.Seconds()
			return s, err
		}}
	}
	rounds := b.rounds
	b.rounds = min(rounds, 2) // dig takes 10 s a round
	defer func() { b.rounds = rounds }()
	return b.compare("DNS, 500 names, "+name, have("dns", []contender{
		run("brio", b.brio, "dns-query", at, "--format", "short", "-f", short),
		run("dig -f", "dig", "@127.0.0.1", "-p", p, "+short", "+time=1", "-f", short),
	}), target{rival: "dig -f", of: rate, least: least})
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

func (f *farServer) port() int { return f.c.LocalAddr().(*net.UDPAddr).Port }

func (f *farServer) close() {
	f.c.Close()
	f.wg.Wait()
}

func (f *farServer) serve(delay time.Duration, lose int) {
	buf := make([]byte, 4096)
	for n := 1; ; n++ {
		size, from, err := f.c.ReadFromUDP(buf)
		if err != nil {
			return
		}
		reply := answer(buf[:size])
		if reply == nil || lose > 0 && n%lose == 0 {
			continue
		}
		time.AfterFunc(delay, func() { _, _ = f.c.WriteToUDP(reply, from) }) // lost is lost
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

// dnsEncrypted measures one question over TLS and HTTPS to named.
func (b *bench) dnsEncrypted(zone string) error {
	var ports [3]int
	for i := range ports {
		p, err := b.newPlace(false)
		if err != nil {
			return err
		}
		ports[i] = p.port
	}
	cert := filepath.Join(b.dir, "dns.pem")
	if err := b.selfSigned(cert); err != nil {
		return err
	}
	conf := filepath.Join(b.dir, "named.conf")
	text := fmt.Sprintf(`tls local { cert-file %q; key-file %q; };
http local { endpoints { "/dns-query"; }; };
options {
  directory %q; pid-file none; session-keyfile none; recursion no; listen-on-v6 { none; };
  listen-on port %d { 127.0.0.1; };
  listen-on port %d tls local { 127.0.0.1; };
  listen-on port %d tls local http local { 127.0.0.1; };
};
controls { };
zone "bench.test" { type primary; file %q; };
`, cert, cert+".key", b.dir, ports[0], ports[1], ports[2], zone)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	named, err := b.spawn(nil, nil, "named", "-g", "-c", conf)
	if err != nil {
		return err
	}
	defer named.stop()
	if err := awaitListener(named, ports[2], ""); err != nil {
		return err
	}
	return b.dnsEncryptedOnce(cert, ports)
}

func (b *bench) dnsEncryptedOnce(cert string, ports [3]int) error {
	ask := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.many(10, "", argv...) }}
	}
	tls, https := fmt.Sprint(ports[1]), fmt.Sprint(ports[2])
	if err := b.compare("DNS question over TLS", have("dns", []contender{
		ask("brio", b.brio, "dns-query", "@tls://127.0.0.1:"+tls, "--ca-file", cert, "n1.bench.test"),
		ask("kdig", "kdig", "+tls", "@127.0.0.1", "-p", tls, "n1.bench.test"),
		ask("dig", "dig", "+tls", "@127.0.0.1", "-p", tls, "n1.bench.test"),
	}), target{rival: "kdig", of: wallTime, most: 0.25}, target{rival: "dig", of: wallTime, most: 0.25}); err != nil {
		return err
	}
	return b.compare("DNS question over HTTPS", have("dns", []contender{
		ask("brio", b.brio, "dns-query", "@https://127.0.0.1:"+https+"/dns-query", "--ca-file", cert, "n1.bench.test"),
		ask("kdig", "kdig", "+https=/dns-query", "@127.0.0.1", "-p", https, "n1.bench.test"),
		ask("dig", "dig", "+https=/dns-query", "@127.0.0.1", "-p", https, "n1.bench.test"),
	}), target{rival: "kdig", of: wallTime}, target{rival: "dig", of: wallTime})
}
