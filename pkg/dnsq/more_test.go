package dnsq_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// TestFollow: an authoritative server follows an alias in its own zones only.
func TestFollow(t *testing.T) {
	z := newZone(t, "www.example. 300 IN A 192.0.2.1", "a.example. 60 IN CNAME b.example.", "b.example. 60 IN CNAME www.example.",
		"loop.example. 60 IN CNAME pool.example.", "pool.example. 60 IN CNAME loop.example.", "lost.example. 60 IN CNAME nowhere.example.")
	one := func(ctx context.Context, s dnsq.Server, q *dns.Msg) (*dns.Msg, dnsq.Timing, error) {
		m, timing, err := new(dnsq.Client).Exchange(ctx, s, q)
		if err == nil && len(m.Answer) > 1 { // only the first record: the rest is for the client to find
			m.Answer = m.Answer[:1]
		}
		return m, timing, err
	}
	r := z.resolver(t, dnsq.Config{Exchange: one})
	if a := query(t, r, "a.example", dnsq.Options{}); a.Err() == nil || a.Primary != nil {
		t.Errorf("without follow: %v, %v", show(a), a.Err())
	}
	z.questions()
	a := query(t, r, "a.example", dnsq.Options{Follow: true, IgnoreCache: true})
	if show(a) != "192.0.2.1 []" || !slices.Equal(a.Aliases, []string{"b.example.", "www.example."}) || a.Name != "a.example." {
		t.Errorf("follow: %s, aliases %q of %s", show(a), a.Aliases, a.Name)
	}
	if *a.Valid != 60 {
		t.Errorf("valid %d; want the time of the alias", *a.Valid)
	}
	z.want(t, "a.example. A", "b.example. A", "www.example. A")
	for _, name := range []string{"loop.example", "lost.example"} {
		if a := query(t, r, name, dnsq.Options{Follow: true}); !errors.Is(a.Err(), dnsq.ErrNotFound) {
			t.Errorf("%s: %v", name, a.Err())
		}
	}
}

// TestSystemOptions: options of resolv.conf that concern the questions.
func TestSystemOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	text := "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\noptions use-vc rotate trust-ad timeout:2 attempts:2 no-aaaa\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var asked []string
	r, err := dnsq.NewResolver(dnsq.Config{ResolvConf: path, NoHosts: true,
		Exchange: func(ctx context.Context, s dnsq.Server, q *dns.Msg) (*dns.Msg, dnsq.Timing, error) {
			deadline, _ := ctx.Deadline()
			if !q.AuthenticatedData || time.Until(deadline) > 2*time.Second {
				t.Errorf("AD %v, time %v", q.AuthenticatedData, time.Until(deadline))
			}
			asked = append(asked, s.String()+" "+dns.TypeToString[q.Question[0].Qtype])
			return nil, dnsq.Timing{Sent: 1}, dnsq.ErrNoReply
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 {
		if _, err := r.LookupHost(context.Background(), "www.example", dnsq.IPv6Prefer, dnsq.Options{NoQueue: true}); !errors.Is(err, dnsq.ErrNoReply) {
			t.Errorf("lookup: %v", err)
		}
	}
	// Two rounds of three servers over TCP, the second time begun at the second
	// server; no question about IPv6.
	want := strings.Fields("1 2 3 1 2 3 2 3 1 2 3 1")
	for i := range want {
		want[i] = "tcp://192.0.2." + want[i] + ":53 A"
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %q\nwant %q", asked, want)
	}
	var failed *dnsq.QueryError
	_, err = r.Query(context.Background(), "x.example", dnsq.Options{})
	if !errors.As(err, &failed) || failed.Tries != 6 || len(failed.Failures) != 3 || !strings.Contains(err.Error(), "6 tries") {
		t.Errorf("query: %v, %+v", err, failed)
	}
}

// TestEscapedName: a name with escapes is the name of its answer.
func TestEscapedName(t *testing.T) {
	z := newZone(t, `a\.b.example. 300 IN A 192.0.2.1`, "ax.example. 300 IN A 192.0.2.2")
	r := z.resolver(t, dnsq.Config{})
	for name, want := range map[string]string{`a\.b.example`: "192.0.2.1 []", `a\046b.example`: "192.0.2.1 []", `\065x.example`: "192.0.2.2 []", "ax.example": "192.0.2.2 []"} {
		if a := query(t, r, name, dnsq.Options{Repeat: 1, Timeout: 300 * time.Millisecond}); show(a) != want {
			t.Errorf("%s: %s, want %s", name, show(a), want)
		}
	}
}

// TestEveryType: records of every type the library knows can be shown in all forms.
func TestEveryType(t *testing.T) {
	for code, make := range dns.TypeToRR {
		if code == dns.TypeOPT || code == dns.TypeTSIG {
			continue
		}
		rr := make()
		*rr.Header() = dns.RR_Header{Name: "x.example.", Rrtype: code, Class: dns.ClassINET, Ttl: 60}
		r := dnsq.NewRR(rr)
		b, err := json.Marshal(r)
		if err != nil || r.Type == "" || r.Raw() != rr {
			t.Errorf("%s: %v, %s", dns.TypeToString[code], err, b)
		}
		var back map[string]any
		if json.Unmarshal(b, &back) != nil || back["rdata"] == nil {
			t.Errorf("%s: %s", dns.TypeToString[code], b)
		}
		if r.Rdata.Value("no such field") != nil {
			t.Errorf("%s has a field of no name", dns.TypeToString[code])
		}
	}
}

// TestSignatureTimes: times in signatures are RFC 3339.
func TestSignatureTimes(t *testing.T) {
	rr, err := dns.NewRR("a. 60 IN RRSIG A 13 1 60 20300101000000 20200101000000 1 a. AAAA")
	if err != nil {
		t.Fatal(err)
	}
	r := dnsq.NewRR(rr)
	if r.Rdata.Value("expiration") != "2030-01-01T00:00:00Z" || r.Rdata.Value("type_covered") != "A" {
		t.Errorf("rdata %v", r.Rdata)
	}
}

// TestServerJSON: a server is a string in JSON, in and out.
func TestServerJSON(t *testing.T) {
	in := dnsq.Server{Transport: dnsq.TLS, Host: "2001:db8::1"}
	b, err := json.Marshal(in)
	var out dnsq.Server
	if err != nil || string(b) != `"tls://[2001:db8::1]:853"` || json.Unmarshal(b, &out) != nil || out.String() != in.String() {
		t.Errorf("%s, %v, %v", b, err, out)
	}
	if err := json.Unmarshal([]byte(`"a b"`), &out); err == nil {
		t.Error("a bad server was read")
	}
	if b, _ := json.Marshal(dnsq.Timing{Query: 1500 * time.Microsecond}); string(b) != `{"connect_ms":0,"handshake_ms":0,"query_ms":1.5,"total_ms":0}` {
		t.Errorf("timing %s", b)
	}
}
