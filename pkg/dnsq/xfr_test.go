package dnsq_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

const xfrSOA = "example. 300 IN SOA ns.example. hm.example. 7 3600 600 86400 300"

// xfrServe answers a transfer with messages of the records given, then closes
// the connection unless hang is set.
func xfrServe(t *testing.T, hang bool, change func(i int, m *dns.Msg), messages ...[]string) dnsq.Server {
	t.Helper()
	addr := serveTCP(t, func(conn net.Conn) {
		defer conn.Close()
		co := &dns.Conn{Conn: conn}
		q, err := co.ReadMsg()
		for i, records := range messages {
			if err != nil {
				break
			}
			m := new(dns.Msg).SetReply(q)
			for _, s := range records {
				rr, _ := dns.NewRR(s)
				m.Answer = append(m.Answer, rr)
			}
			if change != nil {
				change(i, m)
			}
			err = co.WriteMsg(m)
		}
		if hang {
			_, _ = conn.Read(make([]byte, 1))
		}
	})
	srv, err := dnsq.ParseServer(addr)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

func transfer(t *testing.T, srv dnsq.Server, cfg dnsq.TransferConfig) (string, *dnsq.TransferResult, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var got []string
	r, err := dnsq.Transfer(ctx, srv, "example", cfg, func(rec *dnsq.TransferRecord) error {
		rr, change := rec.RR(), rec.Change
		f := strings.Fields(rr.String())
		got = append(got, strings.TrimSpace(change+" "+f[0]+" "+f[3]+" "+f[len(f)-1]))
		return nil
	})
	return strings.Join(got, ", "), r, err
}

func TestTransfer(t *testing.T) {
	a := func(n int) string { return fmt.Sprintf("a%d.example. 300 IN A 192.0.2.%d", n, n) }
	soa := func(serial int) string { return strings.Replace(xfrSOA, " 7 ", fmt.Sprintf(" %d ", serial), 1) }
	ixfr := dnsq.TransferConfig{Incremental: true, Serial: 5}
	for _, tt := range []struct {
		what     string
		cfg      dnsq.TransferConfig
		messages [][]string
		change   func(int, *dns.Msg)
		kind     string
		records  string
		err      string
	}{
		{what: "one message", messages: [][]string{{xfrSOA, a(1), a(2), xfrSOA}}, kind: "full", records: "example. SOA 300, a1.example. A 192.0.2.1, a2.example. A 192.0.2.2"},
		{what: "one record each", messages: [][]string{{xfrSOA}, {a(1)}, {xfrSOA}}, kind: "full", records: "example. SOA 300, a1.example. A 192.0.2.1"},
		{what: "only SOA", messages: [][]string{{xfrSOA, xfrSOA}}, kind: "full", records: "example. SOA 300"},
		{what: "questions only in the first", messages: [][]string{{xfrSOA, a(1)}, {xfrSOA}}, change: func(i int, m *dns.Msg) {
			if i > 0 {
				m.Question = nil
			}
		}, kind: "full", records: "example. SOA 300, a1.example. A 192.0.2.1"},
		{what: "early close", messages: [][]string{{xfrSOA, a(1)}, {a(2)}}, kind: "full", err: "transfer incomplete after 3 records"},
		{what: "close at once", messages: [][]string{}, err: "connection closed"},
		{what: "another serial at the end", messages: [][]string{{xfrSOA, a(1), soa(8)}}, kind: "full", err: "changed from version 7 to 8"},
		{what: "another SOA of that serial", messages: [][]string{{xfrSOA, a(1), strings.Replace(xfrSOA, "hm.", "evil.", 1)}}, kind: "full", err: "during the transfer"},
		{what: "records after the end", messages: [][]string{{xfrSOA, a(1), xfrSOA, a(2)}}, kind: "full", err: "after the end"},
		{what: "no SOA first", messages: [][]string{{a(1), xfrSOA}}, err: "first record"},
		{what: "out of zone", messages: [][]string{{xfrSOA, "www.evil. 300 IN A 6.6.6.6", xfrSOA}}, kind: "full", err: "outside of the zone"},
		{what: "similar name", messages: [][]string{{xfrSOA, "evilexample. 300 IN A 6.6.6.6", xfrSOA}}, kind: "full", err: "outside of the zone"},
		{what: "empty message", messages: [][]string{{xfrSOA}, {}, {xfrSOA}}, err: "without records"},
		{what: "wrong id", messages: [][]string{{xfrSOA, xfrSOA}}, change: func(_ int, m *dns.Msg) { m.Id++ }, err: "id"},
		{what: "wrong id later", messages: [][]string{{xfrSOA, a(1)}, {xfrSOA}}, change: func(i int, m *dns.Msg) { m.Id += uint16(i) }, kind: "full", err: "incomplete"},
		{what: "wrong question", messages: [][]string{{xfrSOA, xfrSOA}}, change: func(_ int, m *dns.Msg) { m.Question[0].Name = "evil." }, err: "question"},
		{what: "no question", messages: [][]string{{xfrSOA, xfrSOA}}, change: func(_ int, m *dns.Msg) { m.Question = nil }, err: "0 questions"},
		{what: "refused", messages: [][]string{{}}, change: func(_ int, m *dns.Msg) { m.Rcode = dns.RcodeRefused }, err: "REFUSED"},
		{what: "failure later", messages: [][]string{{xfrSOA, a(1)}, {}}, change: func(i int, m *dns.Msg) { m.Rcode = i * dns.RcodeServerFailure }, kind: "full", err: "SERVFAIL"},
		{what: "too many", cfg: dnsq.TransferConfig{MaxRecords: 2}, messages: [][]string{{xfrSOA, a(1), a(2), xfrSOA}}, kind: "full", err: "more than 2 records"},

		{what: "current", cfg: ixfr, messages: [][]string{{soa(5)}}, kind: "current"},
		{what: "older than ours", cfg: ixfr, messages: [][]string{{soa(4)}}, kind: "current"},
		{what: "two steps", cfg: ixfr, messages: [][]string{{soa(7), soa(5), a(1), soa(6), a(2)}, {soa(6), a(2), soa(7), a(3), soa(7)}}, kind: "incremental",
			records: "delete example. SOA 300, delete a1.example. A 192.0.2.1, add example. SOA 300, add a2.example. A 192.0.2.2, " +
				"delete example. SOA 300, delete a2.example. A 192.0.2.2, add example. SOA 300, add a3.example. A 192.0.2.3"},
		{what: "incremental asked, full sent", cfg: ixfr, messages: [][]string{{xfrSOA}, {a(1), xfrSOA}}, kind: "full", records: "example. SOA 300, a1.example. A 192.0.2.1"},
		{what: "incremental cut off", cfg: ixfr, messages: [][]string{{soa(7), soa(5), a(1), soa(6), a(2)}}, kind: "incremental", err: "incomplete"},
		{what: "from another version", cfg: ixfr, messages: [][]string{{soa(7), soa(6), a(1), soa(7), soa(7)}}, kind: "incremental", err: "changes of version 6, want 5"},
		{what: "a gap", cfg: ixfr, messages: [][]string{{soa(9), soa(5), soa(6), soa(7), soa(9), soa(9)}}, kind: "incremental", err: "changes of version 7, want 6"},
	} {
		got, r, err := transfer(t, xfrServe(t, false, tt.change, tt.messages...), tt.cfg)
		switch {
		case (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err):
			t.Errorf("%s: %v; want %q", tt.what, err, tt.err)
		case r.Kind != tt.kind || r.Complete != (err == nil):
			t.Errorf("%s: kind %q, complete %v; want %q", tt.what, r.Kind, r.Complete, tt.kind)
		case err == nil && got != tt.records:
			t.Errorf("%s: records %q; want %q", tt.what, got, tt.records)
		case err != nil && r.Records > 0 != errors.Is(err, dnsq.ErrIncomplete):
			t.Errorf("%s: %d records and %v", tt.what, r.Records, err)
		}
	}
}

// A server that sends records for ever is stopped by the caller, by the context
// or by the limit; one that falls silent by the time-out.
func TestTransferEndless(t *testing.T) {
	addr := serveTCP(t, func(conn net.Conn) {
		defer conn.Close()
		co := &dns.Conn{Conn: conn}
		q, err := co.ReadMsg()
		first := true
		for err == nil {
			m := new(dns.Msg).SetReply(q)
			rr, _ := dns.NewRR("a.example. 300 IN A 192.0.2.1")
			m.Answer = []dns.RR{rr, rr, rr}
			if first {
				m.Answer[0], _ = dns.NewRR(xfrSOA)
				first = false
			}
			err = co.WriteMsg(m)
		}
	})
	srv, _ := dnsq.ParseServer(addr)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	r, err := dnsq.Transfer(ctx, srv, "example", dnsq.TransferConfig{}, func(*dnsq.TransferRecord) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, dnsq.ErrIncomplete) || r.Records == 0 || time.Since(start) > 3*time.Second {
		t.Errorf("until the context ends: %+v, %v", r, err)
	}
	full := errors.New("disk full")
	if r, err = dnsq.Transfer(context.Background(), srv, "example", dnsq.TransferConfig{}, func(*dnsq.TransferRecord) error { return full }); !errors.Is(err, full) || r.Records != 1 {
		t.Errorf("until the caller stops: %+v, %v", r, err)
	}
	if r, err = dnsq.Transfer(context.Background(), srv, "example", dnsq.TransferConfig{MaxRecords: 1000}, func(*dnsq.TransferRecord) error { return nil }); !errors.Is(err, dnsq.ErrIncomplete) || r.Records != 1000 {
		t.Errorf("until the limit: %+v, %v", r, err)
	}
	silent := xfrServe(t, true, nil, []string{xfrSOA, "a.example. 300 IN A 192.0.2.1"})
	if r, err = dnsq.Transfer(context.Background(), silent, "example", dnsq.TransferConfig{Timeout: 100 * time.Millisecond}, func(*dnsq.TransferRecord) error { return nil }); !errors.Is(err, dnsq.ErrNoReply) || !errors.Is(err, dnsq.ErrIncomplete) {
		t.Errorf("a silent server: %+v, %v; want ErrNoReply", r, err)
	}
}

// Transfers from nsd, plain and signed with TSIG: nsd signs every 96th message only.
func TestTransferNSD(t *testing.T) {
	needTools(t, "nsd")
	dir, port := t.TempDir(), freePort(t)
	var zone strings.Builder
	zone.WriteString("$TTL 300\n" + testApex)
	pad := strings.Repeat("x", 200)
	const records = 40000
	for i := range records {
		fmt.Fprintf(&zone, "n%d TXT %q\n", i, pad)
	}
	conf := fmt.Sprintf(`server:
  ip-address: 127.0.0.1@%d
  username: ""
  chroot: ""
  database: ""
  server-count: 1
  zonesdir: %q
  pidfile: %q
  xfrdfile: %q
  zonelistfile: %q
  xfrdir: %q
remote-control:
  control-enable: no
key:
  name: k.test
  algorithm: hmac-sha256
  secret: "c2VjcmV0IHNlY3JldCBzZWNyZXQ="
zone:
  name: test
  zonefile: %q
  provide-xfr: 127.0.0.1 k.test
zone:
  name: open.test
  zonefile: %[8]q
  provide-xfr: 127.0.0.1 NOKEY
`, port, dir, filepath.Join(dir, "pid"), filepath.Join(dir, "xfrd"), filepath.Join(dir, "list"), dir, filepath.Join(dir, "zone"), filepath.Join(dir, "open"))
	for file, text := range map[string]string{"zone": zone.String(), "open": "$TTL 300\n" + testApex + "www A 192.0.2.1\n", "nsd.conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	startServer(t, port, "nsd", "-d", "-c", filepath.Join(dir, "nsd.conf"))
	srv, _ := dnsq.ParseServer(fmt.Sprintf("127.0.0.1:%d", port))
	get := func(zone string, key *dnsq.TSIG) (*dnsq.TransferResult, error) {
		c := &dnsq.Client{TSIG: key}
		defer c.Close()
		return dnsq.Transfer(context.Background(), srv, zone, dnsq.TransferConfig{Client: c}, func(*dnsq.TransferRecord) error { return nil })
	}
	if r, err := get("open.test", nil); err != nil || r.Records != 3 || r.Signed {
		t.Errorf("without key: %+v, %v; want 3 records", r, err)
	}
	key := dnsq.TSIG{Name: "k.test", Secret: "c2VjcmV0IHNlY3JldCBzZWNyZXQ="}
	if r, err := get("test", &key); err != nil || r.Records != records+2 || !r.Signed || r.Messages < 200 {
		t.Errorf("with key: %+v, %v; want %d records, signed", r, err, records+2)
	}
	if r, err := get("test", nil); !errors.Is(err, dnsq.ErrServerFailure) || r.Records != 0 {
		t.Errorf("key missing: %+v, %v; want a refusal", r, err)
	}
	key.Secret = "d3Jvbmc="
	if r, err := get("test", &key); err == nil || r.Records != 0 {
		t.Errorf("wrong key: %+v, %v; want an error", r, err)
	}
}

// The changes that named has noted.
func TestTransferIncrementalNamed(t *testing.T) {
	needTools(t, "named", "nsupdate")
	dir, port := t.TempDir(), freePort(t)
	conf := fmt.Sprintf(`options { directory %q; pid-file none; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; session-keyfile none; max-ixfr-ratio unlimited; dnssec-validation no; };
controls { };
zone "test" { type primary; file "zone"; allow-update { 127.0.0.1; }; allow-transfer { 127.0.0.1; }; };
`, dir, port)
	for file, text := range map[string]string{"zone": "$TTL 300\n" + testApex + "ns A 127.0.0.1\nold A 192.0.2.1\n", "named.conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	startServer(t, port, "named", "-g", "-n", "1", "-c", filepath.Join(dir, "named.conf"))
	update := exec.Command("nsupdate")
	update.Stdin = strings.NewReader(fmt.Sprintf("server 127.0.0.1 %d\nzone test\nupdate delete old.test. A\nupdate add new.test. 300 A 192.0.2.2\nsend\n", port))
	if out, err := update.CombinedOutput(); err != nil {
		t.Fatalf("nsupdate: %v\n%s", err, out)
	}
	srv, _ := dnsq.ParseServer(fmt.Sprintf("127.0.0.1:%d", port))
	var got []string
	r, err := dnsq.Transfer(context.Background(), srv, "test", dnsq.TransferConfig{Incremental: true, Serial: 1}, func(rec *dnsq.TransferRecord) error {
		rr, change := rec.RR(), rec.Change
		got = append(got, change+" "+rr.Header().Name)
		return nil
	})
	want := "delete test., delete old.test., add test., add new.test."
	if err != nil || r.Kind != dnsq.TransferIncremental || r.Serial != 2 || strings.Join(got, ", ") != want {
		t.Errorf("%q, %+v, %v; want %q", got, r, err, want)
	}
	r, err = dnsq.Transfer(context.Background(), srv, "test", dnsq.TransferConfig{Incremental: true, Serial: 2}, func(*dnsq.TransferRecord) error { return nil })
	if err != nil || r.Kind != dnsq.TransferCurrent {
		t.Errorf("the newest: %+v, %v; want current", r, err)
	}
}

// The text of a record straight from the message is that of the DNS library.
func TestTransferRecordText(t *testing.T) {
	records := []string{
		"a.example. 300 IN A 192.0.2.1", "a.example. 4294967295 IN AAAA 2001:db8::1", "b.example. 0 IN AAAA ::ffff:192.0.2.1",
		"*.example. 300 IN MX 10 Mail.example.", "example. 300 IN NS ns.other.test.", `we\.ird\032\(x\)\200.example. 300 IN CNAME \@.example.`,
		`t.example. 300 IN TXT "a;b\"c\\" "" "\200\001 x"`, "s.example. 300 IN SRV 1 2 3 host.example.", "p.example. 300 IN PTR .",
		"c.example. 300 IN CAA 0 issue \"ca.test\"", "u.example. 300 IN TYPE65400 \\# 3 010203", "example. 300 IN RRSIG A 13 1 300 20300101000000 20200101000000 1 example. AAAA",
	}
	srv := xfrServe(t, false, nil, append(append([]string{xfrSOA}, records...), xfrSOA))
	n := 0
	_, err := dnsq.Transfer(context.Background(), srv, "example", dnsq.TransferConfig{}, func(r *dnsq.TransferRecord) error {
		got := string(r.AppendText(nil))
		if want := dnsq.NewRR(r.RR()).String(); got != want {
			t.Errorf("record %d: %q; want %q", n, got, want)
		}
		if again := string(r.AppendText(nil)); again != got {
			t.Errorf("record %d: %q, then %q", n, got, again)
		}
		n++
		return nil
	})
	if err != nil || n != len(records)+1 {
		t.Errorf("%d records, %v; want %d", n, err, len(records)+1)
	}
}
