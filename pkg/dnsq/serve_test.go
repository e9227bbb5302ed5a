package dnsq_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// A zone is a name server for one test. It answers with the records it was
// given, NXDOMAIN for names it has none of, and remembers each question.
type zone struct {
	srv dnsq.Server

	mu      sync.Mutex
	records []dns.RR
	rcodes  map[string]int // lower-case name: rcode to answer with
	silent  map[string]bool
	asked   []string
}

// newZone starts a zone with records in the form of zone files.
func newZone(t *testing.T, records ...string) *zone {
	t.Helper()
	z := &zone{rcodes: map[string]int{}, silent: map[string]bool{}}
	for _, s := range records {
		rr, err := dns.NewRR(s)
		if err != nil {
			t.Fatalf("record %q: %v", s, err)
		}
		z.records = append(z.records, rr)
	}
	z.srv = bulkServe(t, z.ServeDNS)
	return z
}

func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	name := strings.ToLower(q.Question[0].Name)
	z.asked = append(z.asked, name+" "+dns.TypeToString[q.Question[0].Qtype])
	m, silent := z.reply(q), z.silent[name]
	z.mu.Unlock()
	if !silent {
		_ = w.WriteMsg(m)
	}
}

func (z *zone) reply(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	name, exists := q.Question[0].Name, false
	for range 9 {
		next := ""
		for _, rr := range z.records {
			if !strings.EqualFold(rr.Header().Name, name) {
				continue
			}
			exists = true
			switch c, alias := rr.(*dns.CNAME); {
			case rr.Header().Rrtype == q.Question[0].Qtype:
				m.Answer = append(m.Answer, rr)
			case alias:
				m.Answer, next = append(m.Answer, rr), c.Target
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	for _, rr := range m.Answer {
		if mx, ok := rr.(*dns.MX); ok {
			m.Extra = append(m.Extra, z.at(mx.Mx)...)
		}
		if srv, ok := rr.(*dns.SRV); ok {
			m.Extra = append(m.Extra, z.at(srv.Target)...)
		}
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		soa, _ := dns.NewRR(". 3600 IN SOA ns.example. hostmaster.example. 1 7200 3600 86400 60")
		m.Ns = append(m.Ns, soa)
	}
	if rcode, ok := z.rcodes[strings.ToLower(q.Question[0].Name)]; ok {
		m.Rcode, m.Answer, m.Ns = rcode, nil, nil
	}
	return m
}

func (z *zone) at(name string) (rrs []dns.RR) {
	for _, rr := range z.records {
		if strings.EqualFold(rr.Header().Name, name) {
			rrs = append(rrs, rr)
		}
	}
	return rrs
}

// fail has z answer questions about name with rcode.
func (z *zone) fail(name string, rcode int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.rcodes[name] = rcode
}

// silence has z not answer questions about name.
func (z *zone) silence(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.silent[name] = true
}

// questions are those asked so far, and forgets them.
func (z *zone) questions() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	asked := z.asked
	z.asked = nil
	return asked
}

// want fails unless exactly these questions were asked, in this order.
func (z *zone) want(t *testing.T, questions ...string) {
	t.Helper()
	if got := z.questions(); !slices.Equal(got, questions) {
		t.Errorf("questions asked:\n got %q\nwant %q", got, questions)
	}
}

// resolver makes a resolver that asks z, with short waits.
func (z *zone) resolver(t *testing.T, cfg dnsq.Config) *dnsq.Resolver {
	t.Helper()
	if cfg.Nameservers == nil {
		cfg.Nameservers = []dnsq.Server{z.srv}
	}
	if cfg.ResolvConf == "" {
		cfg.ResolvConf = "testdata/no-such-file"
	}
	if cfg.HostsFile == "" {
		cfg.NoHosts = true
	}
	r, err := dnsq.NewResolver(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// quick are options that give up soon.
var quick = dnsq.Options{Repeat: 2, Timeout: 100 * time.Millisecond}

// query asks and fails the test on an error.
func query(t *testing.T, r *dnsq.Resolver, name string, o dnsq.Options) *dnsq.Answer {
	t.Helper()
	a, err := r.Query(context.Background(), name, o)
	if err != nil {
		t.Fatalf("Query(%q, %+v): %v", name, o, err)
	}
	return a
}

// show is an answer as one line.
func show(a *dnsq.Answer) string { return fmt.Sprint(a.Primary, a.Others) }

// serveTCP hands each connection to handle, which closes it, and returns where.
func serveTCP(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go handle(c)
		}
	}()
	return l.Addr().String()
}
