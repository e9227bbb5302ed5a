//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// dnsArea measures single questions and bulk look-ups beside dig, kdig and
// dnsperf, against nsd and named, and against a responder that delays and loses.
func dnsArea(b *bench) error {
	names := b.count(100000)
	zone, list, err := b.makeZone(names)
	if err != nil {
		return err
	}
	if err := b.dnsPlain(zone, list, names); err != nil {
		return err
	}
	for _, f := range []farLoad{{500, 20 * time.Millisecond, 0, 100}, {200, 20 * time.Millisecond, 50, 0}} {
		if err := b.dnsFar(list, f); err != nil {
			return err
		}
	}
	if err := b.dnsMemory(); err != nil {
		return err
	}
	return b.dnsEncrypted(zone)
}

// dnsPlain measures what nsd answers.
func (b *bench) dnsPlain(zone, list string, names int) error {
	if _, err := exec.LookPath("nsd"); err != nil {
		b.absent("DNS over UDP and TCP, and in bulk", "nsd is not installed")
		return nil
	}
	nsd, at, err := b.startNSD(zone)
	if err != nil {
		return err
	}
	defer nsd.stop()
	for _, t := range []struct{ name, brio, dig string }{{"UDP", "--transport=udp", "+notcp"}, {"TCP", "--tcp", "+tcp"}} {
		if err := b.dnsOnce("DNS question over "+t.name, b.asked("@"+at.String(), t.brio), at, t.dig,
			atMost(1, "kdig", wallTime), atMost(0.33, "dig", wallTime)); err != nil {
			return err
		}
	}
	return b.dnsBulk(at, list, names)
}

// asked are the arguments for one question to server.
func (b *bench) asked(server string, flags ...string) []string {
	return append([]string{b.brio, "dns-query", server, "n1.bench.test"}, flags...)
}

// dnsOnce measures one question, from the start of the program to its end.
func (b *bench) dnsOnce(work string, brio []string, at place, dig string, targets ...target) error {
	ask := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.many(10, "", argv...) }}
	}
	p := strconv.Itoa(at.port)
	return b.compare(work, []contender{
		ask("brio", brio...),
		ask("kdig", "kdig", dig, "@127.0.0.1", "-p", p, "n1.bench.test"),
		ask("dig", "dig", dig, "@127.0.0.1", "-p", p, "n1.bench.test"),
	}, targets...)
}

// bulk is a contender that asks for all names of a list. Its answers fill the
// given number of lines, -1 if it prints other things, too.
func (b *bench) bulk(name string, names, lines int, argv ...string) contender {
	return contender{name, func() (sample, error) {
		answers := filepath.Join(b.dir, "answers")
		out, err := os.Create(answers)
		if err != nil {
			return sample{}, err
		}
		defer os.Remove(answers)
		defer out.Close()
		s, err := b.once(nil, out, argv...)
		if err != nil {
			return s, err
		}
		s.rate = float64(names) / s.wall.Seconds()
		text, err := os.ReadFile(answers)
		if n := bytes.Count(text, []byte("\n")); err == nil && lines >= 0 && n != lines {
			err = fmt.Errorf("%d answers of %d", n, lines)
		}
		return s, err
	}}
}

// dnsBulk measures all names of the list.
func (b *bench) dnsBulk(at place, list string, names int) error {
	p := strconv.Itoa(at.port)
	resolvers := filepath.Join(b.dir, "resolvers")
	if err := os.WriteFile(resolvers, []byte(at.String()+"\n"), 0o600); err != nil {
		return err
	}
	return b.compare(fmt.Sprintf("DNS, %d names from a file", names), []contender{
		b.bulk("brio", names, names, b.brio, "dns-query", "@"+at.String(), "--format", "short", "-f", list),
		b.bulk("dig -f", names, -1, "dig", "@127.0.0.1", "-p", p, "+short", "-f", list),
		b.bulk("kdig", names, -1, "sh", "-c", fmt.Sprintf("xargs -n 5000 kdig @127.0.0.1 -p %s +short <%s", p, list)),
		b.bulk("dnsperf", names, -1, "dnsperf", "-s", "127.0.0.1", "-p", p, "-d", list+".perf", "-n", "1"),
		b.bulk("massdns", names, -1, "massdns", "-q", "-r", resolvers, "-t", "A", "-o", "Sqr", list),
	},
		atMost(0.15, "dig -f", cpuTime), atLeast(6, "dig -f", rate),
		atMost(0.3, "kdig", cpuTime), beside("kdig", rate),
		beside("dnsperf", cpuTime), beside("dnsperf", rate), atMost(1, "massdns", cpuTime))
}

// A farLoad is a number of names, and how the server treats them.
type farLoad struct {
	names int
	delay time.Duration
	lose  int     // every so many replies are lost, 0: none
	least float64 // how many times faster than dig brio must be
}

// dnsFar measures names at a server that is far away; no name may be lost.
func (b *bench) dnsFar(list string, f farLoad) error {
	far, err := newFarServer(f.delay, f.lose)
	if err != nil {
		return err
	}
	defer far.close()
	text, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	short := filepath.Join(b.dir, "names.short")
	lines := bytes.SplitAfterN(text, []byte("\n"), f.names+1)
	if err := os.WriteFile(short, bytes.Join(lines[:min(f.names, len(lines)-1)], nil), 0o600); err != nil {
		return err
	}
	work := fmt.Sprintf("DNS, %d names, %d ms away", f.names, f.delay.Milliseconds())
	if f.lose > 0 {
		work += fmt.Sprintf(", %d %% lost", 100/f.lose)
	}
	at := far.place()
	return b.compare(work, []contender{
		b.bulk("brio", f.names, f.names, b.brio, "dns-query", "@"+at.String(), "--format", "short", "-f", short),
		b.bulk("dig -f", f.names, -1, "dig", "@127.0.0.1", "-p", strconv.Itoa(at.port), "+short", "+time=1", "-f", short),
	}, atLeast(f.least, "dig -f", rate))
}

// dnsMemory measures what a great many names need; dnsperf has a table of fixed
// size for them.
func (b *bench) dnsMemory() error {
	near, err := newFarServer(0, 0)
	if err != nil {
		return err
	}
	defer near.close()
	names := b.count(1000000)
	list := filepath.Join(b.dir, "million")
	if err := writeNames(list, names); err != nil {
		return err
	}
	defer os.Remove(list)
	defer os.Remove(list + ".perf")
	ask := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.alone(argv...) }}
	}
	at := near.place()
	return b.compare(fmt.Sprintf("DNS, memory for %d names", names), []contender{
		ask("brio", b.brio, "dns-query", "@"+at.String(), "--format", "short", "-f", list),
		ask("dnsperf", "dnsperf", "-s", "127.0.0.1", "-p", strconv.Itoa(at.port), "-d", list+".perf", "-n", "1"),
	}, beside("dnsperf", peakRSS))
}

// dnsEncrypted measures one question over TLS and HTTPS to named.
func (b *bench) dnsEncrypted(zone string) error {
	if _, err := exec.LookPath("named"); err != nil {
		b.absent("DNS over TLS and HTTPS", "named is not installed")
		return nil
	}
	named, cert, tls, https, err := b.startNamed(zone)
	if err != nil {
		return err
	}
	defer named.stop()
	if err := b.dnsOnce("DNS question over TLS", b.asked("@tls://"+tls.String(), "--ca-file", cert), tls, "+tls",
		atMost(0.25, "kdig", wallTime), atMost(0.25, "dig", wallTime)); err != nil {
		return err
	}
	return b.dnsOnce("DNS question over HTTPS", b.asked("@https://"+https.String()+"/dns-query", "--ca-file", cert), https, "+https=/dns-query",
		beside("kdig", wallTime), beside("dig", wallTime))
}
