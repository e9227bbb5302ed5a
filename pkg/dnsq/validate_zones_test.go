package dnsq_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/dnsq"
)

// needTools is for the tests that meet these programs.
func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		need.Tool(t, name)
	}
}

// A testZone is a zone below the root of the tests.
type testZone struct {
	name     string // "" is the root
	records  string
	sign     []string // arguments of dnssec-signzone; nil means not signed
	alg      string   // of the key; "" means ECDSAP256SHA256
	delegate string   // what the parent has: "ds", "none", "foreign" (the DS of another key), or a DS record's data
	spoil    func(signed string) string
}

const testApex = "@ 300 SOA ns.test. hm.test. 1 3600 600 86400 300\n@ NS ns.test.\n"

var plainSign = []string{}

var testZones = []testZone{
	{name: "", sign: plainSign},
	{name: "test", delegate: "ds", sign: plainSign, records: `ns A 127.0.0.1
www A 192.0.2.1
www A 192.0.2.2
alias CNAME www
far CNAME www.nsec3.test.
tobogus CNAME www.bogus.test.
toplain CNAME www.unsigned.test.
nowhere CNAME gone.test.
loop1 CNAME loop2
loop2 CNAME loop1
dn DNAME nsec3.test.
*.wild TXT "made from a wildcard"
*.walias CNAME x.wild.nsec3.test.
a.ent A 192.0.2.3
txt TXT "one" "two"
`},
	{name: "nsec3.test", delegate: "ds", sign: []string{"-3", "aabb", "-H", "0"}, records: "www A 192.0.2.4\n*.wild A 192.0.2.5\na.ent A 192.0.2.6\n"},
	{name: "optout.test", delegate: "ds", sign: []string{"-3", "-", "-H", "0", "-A"}, records: "www A 192.0.2.7\nsub NS ns.sub\nns.sub A 127.0.0.1\n*.wild A 192.0.2.8\n"},
	{name: "sub.optout.test", delegate: "none", records: "www A 192.0.2.9\n"},
	{name: "iter.test", delegate: "ds", sign: []string{"-3", "-", "-H", "100"}, records: "www A 192.0.2.10\n"},
	{name: "expired.test", delegate: "ds", sign: []string{"-P", "-s", "20200101000000", "-e", "20200201000000"}, records: "www A 192.0.2.11\n"},
	{name: "future.test", delegate: "ds", sign: []string{"-P", "-s", "20900101000000", "-e", "20900201000000"}, records: "www A 192.0.2.12\n"},
	{name: "bogus.test", delegate: "ds", sign: plainSign, records: "www A 192.0.2.13\nother A 192.0.2.14\n", spoil: func(s string) string {
		return strings.Replace(s, "192.0.2.13", "192.0.2.66", 1)
	}},
	{name: "stripped.test", delegate: "ds", sign: plainSign, records: "www A 192.0.2.15\nother A 192.0.2.16\n", spoil: withoutSignature("www.stripped.test.", "A")},
	{name: "broken.test", delegate: "foreign", sign: plainSign, records: "www A 192.0.2.17\n"},
	{name: "nods.test", delegate: "none", sign: plainSign, records: "www A 192.0.2.18\n"},
	{name: "unsigned.test", delegate: "none", records: "www A 192.0.2.19\n"},
	{name: "naked.test", delegate: "ds-of-test", records: "www A 192.0.2.20\n"},
	{name: "ed448.test", alg: "ED448", delegate: "ds", sign: plainSign, records: "www A 192.0.2.23\nm MX 10 Mail\n*.wild A 192.0.2.24\n"},
	{name: "ed448b.test", alg: "ED448", delegate: "ds", sign: plainSign, records: "www A 192.0.2.25\n", spoil: func(s string) string {
		return strings.Replace(s, "192.0.2.25", "192.0.2.66", 1)
	}},
	{name: "ed25519.test", alg: "ED25519", delegate: "ds", sign: plainSign, records: "www A 192.0.2.26\n"},
	{name: "p384.test", alg: "ECDSAP384SHA384", delegate: "ds", sign: plainSign, records: "www A 192.0.2.27\n"},
	{name: "rsa256.test", alg: "RSASHA256", delegate: "ds", sign: plainSign, records: "www A 192.0.2.28\n"},
	{name: "rsa512.test", alg: "RSASHA512", delegate: "ds", sign: plainSign, records: "www A 192.0.2.29\n"},
	{name: "unkalg.test", delegate: "12345 200 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", records: "www A 192.0.2.21\n"},
	{name: "unkdigest.test", delegate: "12345 13 200 0123456789abcdef", records: "www A 192.0.2.22\n"},
}

// withoutSignature takes the signature of one set of records out of a signed zone.
func withoutSignature(owner, qtype string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		z := dns.NewZoneParser(strings.NewReader(s), "", "")
		for rr, ok := z.Next(); ok; rr, ok = z.Next() {
			sig, isSig := rr.(*dns.RRSIG)
			if !isSig || rr.Header().Name != owner || dns.TypeToString[sig.TypeCovered] != qtype {
				fmt.Fprintln(&b, rr)
			}
		}
		return b.String()
	}
}

// A testTree is a root of its own with signed zones, served by nsd.
type testTree struct {
	dir     string
	port    int
	anchors []dns.RR
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// freePort is a port that is free for UDP and TCP now. It is below those that the
// system gives to connections, which could take it before a server does.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000))
		pc, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", addr)
		_ = pc.Close()
		if err == nil {
			_ = l.Close()
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("no free port")
	return 0
}

// startServer runs a server in the foreground until the test ends and waits
// until it answers on port.
func startServer(t *testing.T, port int, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-exited:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-exited
		}
	})
	c := dnsq.Client{Timeout: 200 * time.Millisecond}
	defer c.Close()
	srv, _ := dnsq.ParseServer(fmt.Sprintf("127.0.0.1:%d", port))
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, _, err := c.Exchange(context.Background(), srv, dnsq.NewQuery("test.", dns.TypeSOA, dnsq.Header{})); err == nil {
			return
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("%s ended: %v\n%s", name, err, out.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer", name)
		}
	}
}

// buildTree signs the zones of the tests, children first, and serves them.
func buildTree(t *testing.T) *testTree {
	needTools(t, "dnssec-keygen", "dnssec-signzone", "dnssec-dsfromkey", "nsd")
	tree := &testTree{dir: t.TempDir(), port: freePort(t)}
	var wg sync.WaitGroup
	keys := make([]string, len(testZones))
	for i, z := range testZones {
		if z.sign != nil || z.delegate == "ds-of-test" {
			wg.Go(func() {
				keys[i] = strings.TrimSpace(run(t, tree.dir, "dnssec-keygen", "-q", "-a", cmp.Or(z.alg, "ECDSAP256SHA256"), "-f", "KSK", z.name+"."))
			})
		}
	}
	wg.Wait()
	conf := fmt.Sprintf(`server:
  ip-address: 127.0.0.1@%d
  username: ""
  chroot: ""
  database: ""
  server-count: 1
  rrl-ratelimit: 0
  zonesdir: %q
  pidfile: %q
  xfrdfile: %q
  zonelistfile: %q
  xfrdir: %q
remote-control:
  control-enable: no
`, tree.port, tree.dir, filepath.Join(tree.dir, "nsd.pid"), filepath.Join(tree.dir, "xfrd"), filepath.Join(tree.dir, "zone.list"), tree.dir)
	for i, z := range testZones {
		tree.writeZone(t, z, keys, i)
		conf += fmt.Sprintf("zone:\n  name: %q\n  zonefile: %q\n  provide-xfr: 127.0.0.1 NOKEY\n", z.name+".", tree.file(z))
	}
	if err := os.WriteFile(filepath.Join(tree.dir, "nsd.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(tree.dir, keys[0]+".key"))
	if err != nil {
		t.Fatal(err)
	}
	if tree.anchors, err = dnsq.ParseAnchors(bytes.NewReader(key)); err != nil {
		t.Fatal(err)
	}
	startServer(t, tree.port, "nsd", "-d", "-c", filepath.Join(tree.dir, "nsd.conf"))
	return tree
}

func (tree *testTree) file(z testZone) string {
	return filepath.Join(tree.dir, "zone."+z.name)
}

// writeZone writes the file of a zone with the delegations of its children.
func (tree *testTree) writeZone(t *testing.T, z testZone, keys []string, self int) {
	text := "$TTL 300\n" + testApex + z.records
	for i, child := range testZones {
		parent := ""
		if _, p, ok := strings.Cut(child.name, "."); ok {
			parent = p
		}
		if child.name == "" || parent != z.name || child.name == "sub.optout.test" {
			continue
		}
		text += child.name + ". NS ns.test.\n"
		ds := ""
		switch child.delegate {
		case "none":
		case "ds", "ds-of-test":
			ds = run(t, tree.dir, "dnssec-dsfromkey", "-2", keys[i])
		case "foreign":
			ds = strings.Replace(run(t, tree.dir, "dnssec-dsfromkey", "-2", keys[1]), "test.", child.name+".", 1)
		default:
			ds = child.name + ". DS " + child.delegate + "\n"
		}
		text += ds
	}
	if z.name == "" {
		text += "ns.test. A 127.0.0.1\n"
	}
	file := tree.file(z)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if z.sign == nil {
		return
	}
	args := append([]string{"-z", "-S", "-O", "full", "-o", z.name + ".", "-f", file + ".signed"}, z.sign...)
	run(t, tree.dir, "dnssec-signzone", append(args, file)...)
	signed, err := os.ReadFile(file + ".signed")
	if err != nil {
		t.Fatal(err)
	}
	if z.spoil != nil {
		signed = []byte(z.spoil(string(signed)))
	}
	if err := os.WriteFile(file, signed, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (tree *testTree) fetch(t *testing.T) dnsq.FetchFunc {
	c := &dnsq.Client{}
	t.Cleanup(func() { _ = c.Close() })
	srv, _ := dnsq.ParseServer(fmt.Sprintf("127.0.0.1:%d", tree.port))
	return dnsq.NewFetch(c.Exchange, []dnsq.Server{srv}, dnsq.Header{})
}

// delv is the verdict of BIND's validator.
func (tree *testTree) delv(t *testing.T, name, qtype string) dnsq.Verdict {
	conf := filepath.Join(tree.dir, "anchor.conf")
	k := tree.anchors[0].(*dns.DNSKEY)
	text := fmt.Sprintf("trust-anchors { . static-key %d %d %d %q; };\n", k.Flags, k.Protocol, k.Algorithm, k.PublicKey)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command("delv", "@127.0.0.1", "-p", fmt.Sprint(tree.port), "-a", conf, "+root=.", name, qtype).CombinedOutput()
	switch s := string(out); { // of a chain of aliases each part is judged; the worst counts
	case strings.Contains(s, "resolution failed") && !strings.Contains(s, "resolution failed: ncache"):
		return dnsq.Bogus
	case strings.Contains(s, "unsigned answer"):
		return dnsq.Insecure
	case strings.Contains(s, "fully validated"):
		return dnsq.Secure
	default:
		t.Logf("delv %s %s: %s", name, qtype, s)
		return ""
	}
}

// unbound starts a resolver on the tree, and returns how it judges an answer and
// how to get DNSSEC data from it.
func (tree *testTree) unbound(t *testing.T) (judge func(name string, qtype uint16) dnsq.Verdict, fetch dnsq.FetchFunc) {
	port := freePort(t)
	conf := fmt.Sprintf("server:\n  directory: %q\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  interface: 127.0.0.1@%d\n  do-daemonize: no\n"+
		"  use-syslog: no\n  do-not-query-localhost: no\n  module-config: \"validator iterator\"\n  qname-minimisation: no\n  trust-anchor: %q\n  local-zone: \"test.\" transparent\n"+
		"remote-control:\n  control-enable: no\n", tree.dir, port, strings.ReplaceAll(tree.anchors[0].String(), "\t", " "))
	for _, z := range testZones {
		conf += fmt.Sprintf("stub-zone:\n  name: %q\n  stub-addr: 127.0.0.1@%d\n  stub-no-cache: yes\n", z.name+".", tree.port)
	}
	file := filepath.Join(tree.dir, "unbound.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	startServer(t, port, "unbound", "-d", "-c", file)
	c := &dnsq.Client{}
	t.Cleanup(func() { _ = c.Close() })
	srv, _ := dnsq.ParseServer(fmt.Sprintf("127.0.0.1:%d", port))
	judge = func(name string, qtype uint16) dnsq.Verdict {
		m, _, err := c.Exchange(context.Background(), srv, dnsq.NewQuery(name, qtype, dnsq.Header{DO: true}))
		switch {
		case err != nil:
			t.Errorf("unbound: %v", err)
			return ""
		case m.Rcode == dns.RcodeServerFailure:
			return dnsq.Bogus
		case m.AuthenticatedData:
			return dnsq.Secure
		}
		return dnsq.Insecure
	}
	return judge, dnsq.NewFetch(c.Exchange, []dnsq.Server{srv}, dnsq.Header{})
}
