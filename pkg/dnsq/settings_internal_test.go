package dnsq

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// answering makes an exchange in which each server answers with its own port as
// the last octet of an address.
func answering(_ context.Context, srv Server, q *dns.Msg) (*dns.Msg, Timing, error) {
	m := new(dns.Msg).SetReply(q)
	rr, err := dns.NewRR(fmt.Sprintf("%s 60 IN A 192.0.2.%d", q.Question[0].Name, srv.Port))
	m.Answer = []dns.RR{rr}
	return m, Timing{Sent: 1, Received: 1}, err
}

// A resolver that lives long goes by the files as they are now, at most five
// seconds late, and keeps what it knew while one cannot be read.
func TestResolverReadsAgain(t *testing.T) {
	dir := t.TempDir()
	conf, hosts := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "hosts")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(conf, "nameserver 127.0.0.1:1\nsearch one.test\n")
	r, err := NewResolver(Config{ResolvConf: conf, HostsFile: hosts, Exchange: answering})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ask := func(want string) {
		t.Helper()
		a, err := r.Query(context.Background(), "www.test", Options{})
		if err != nil || a.Primary != netip.MustParseAddr(want) {
			t.Errorf("answer %v, %v; want %s", a, err, want)
		}
	}
	later := func() { r.checked.Store(-int64(time.Hour)) }
	ask("192.0.2.1")
	write(conf, "nameserver 127.0.0.1:2\nsearch two.test\noptions ndots:3\n")
	ask("192.0.2.1") // looked at a moment ago
	later()
	ask("192.0.2.2") // not from the cache either: that is another server's word
	if got := r.Search(); len(got) != 1 || got[0] != "two.test" || r.System().Ndots != 3 {
		t.Errorf("search list %v, ndots %d; want two.test, 3", got, r.System().Ndots)
	}
	if stats := r.Nameservers(); len(stats) != 2 || stats[0].Server.Port != 2 || stats[1].Sent != 1 {
		t.Errorf("counters %+v; want those of port 2, then those of port 1", stats)
	}
	write(hosts, "192.0.2.99 www.test\n") // it did not exist before
	later()
	if addrs, err := r.LookupHost(context.Background(), "www.test", IPv4Only, Options{}); err != nil || addrs[0] != netip.MustParseAddr("192.0.2.99") {
		t.Errorf("LookupHost = %v, %v; want what the new hosts file says", addrs, err)
	}
	if err := errors.Join(os.Remove(conf), os.Mkdir(conf, 0o700)); err != nil {
		t.Fatal(err)
	}
	later()
	ask("192.0.2.2")
}

// Whoever gives name servers and search list is not touched by the system's.
func TestResolverGivenKeeps(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	r, err := NewResolver(Config{Nameservers: []Server{{Host: "127.0.0.1", Port: 1}}, Search: []string{"mine.test"}, ResolvConf: conf, NoHosts: true, Exchange: answering})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	before := r.settings()
	if err := os.WriteFile(conf, []byte("nameserver 127.0.0.1:2\nsearch other.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.checked.Store(-int64(time.Hour))
	if r.settings() != before || r.Search()[0] != "mine.test" {
		t.Errorf("settings changed with a file that they do not come from: %v", r.Search())
	}
}
