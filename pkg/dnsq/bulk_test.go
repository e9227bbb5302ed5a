package dnsq_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/dnstest"
	"github.com/brio-net/brio/pkg/dnsq"
)

// bulkServe starts a DNS server for UDP and TCP on one port of the loopback.
func bulkServe(t testing.TB, h dns.HandlerFunc) dnsq.Server {
	t.Helper()
	pc, l := dnstest.Listen(t)
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: h}, {Listener: l, Handler: h, MaxTCPQueries: -1}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	srv, err := dnsq.ParseServer(pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// bulkEcho answers every A question with an address that depends on its name.
func bulkEcho(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	n := q.Question[0].Name
	rr, _ := dns.NewRR(fmt.Sprintf("%s 60 IN A 192.0.2.%d", n, len(n)))
	m.Answer = append(m.Answer, rr)
	_ = w.WriteMsg(m)
}

// bulkNames is n lines, one name each.
func bulkNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "n%d.example.\n", i)
	}
	return b.String()
}

type bulkAnswer struct {
	name    string
	short   string
	err     error
	tries   int
	rcode   int
	via     dnsq.Transport
	records string
}

// runBulk collects the results of a run.
func runBulk(t testing.TB, input string, cfg dnsq.BulkConfig) ([]bulkAnswer, dnsq.BulkSummary, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var got []bulkAnswer
	sum, err := dnsq.Bulk(ctx, dnsq.BulkLines(strings.NewReader(input), 0), func(r *dnsq.BulkResult) error {
		got = append(got, bulkAnswer{r.Name, string(r.AppendShort(nil)), r.Err, r.Tries, r.Rcode(), r.Transport(), string(r.AppendRecords(nil))})
		return nil
	}, cfg)
	return got, sum, err
}

func TestBulk(t *testing.T) {
	srv := bulkServe(t, bulkEcho)
	for _, ordered := range []bool{false, true} {
		got, sum, err := runBulk(t, bulkNames(5000), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Ordered: ordered})
		if err != nil || len(got) != 5000 || sum.Answered != 5000 {
			t.Fatalf("ordered %v: %d results, summary %+v, %v; want 5000", ordered, len(got), sum, err)
		}
		seen := map[string]bool{}
		for i, a := range got {
			if want := fmt.Sprintf("192.0.2.%d\n", len(a.name)); a.short != want {
				t.Fatalf("answer to %s = %q; want %q", a.name, a.short, want)
			}
			if want := fmt.Sprintf("n%d.example.", i); ordered && a.name != want {
				t.Fatalf("result %d is for %s; want %s", i, a.name, want)
			}
			seen[a.name] = true
		}
		if len(seen) != 5000 || sum.Resume != int64(len(bulkNames(5000))) {
			t.Errorf("%d different names, resume %d; want 5000, %d", len(seen), sum.Resume, len(bulkNames(5000)))
		}
		if sum.Rcodes["NOERROR"] != 5000 || sum.Servers[0].Received < 5000 {
			t.Errorf("summary %+v", sum)
		}
	}
}

// Of 2 % of datagrams lost in each direction, every one is sent again.
func TestBulkLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		mu.Lock()
		lost := rng.IntN(100) < 4
		mu.Unlock()
		if !lost {
			bulkEcho(w, q)
		}
	})
	got, sum, err := runBulk(t, bulkNames(2000), dnsq.BulkConfig{Servers: []dnsq.Server{srv}})
	if err != nil || len(got) != 2000 || sum.Failed != 0 || sum.Retries == 0 {
		t.Errorf("%d results, %+v, %v; want 2000 answers with retries", len(got), sum, err)
	}
}

// A silent server costs a question its tries, and the next server is asked.
func TestBulkNextServer(t *testing.T) {
	silent := bulkServe(t, func(dns.ResponseWriter, *dns.Msg) {})
	good := bulkServe(t, bulkEcho)
	got, sum, err := runBulk(t, bulkNames(50), dnsq.BulkConfig{Servers: []dnsq.Server{silent, good}})
	if err != nil || len(got) != 50 || sum.Answered != 50 {
		t.Errorf("%d results, %+v, %v; want 50 answers", len(got), sum, err)
	}
}

func TestBulkServfailAsksOther(t *testing.T) {
	bad := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
	})
	good := bulkServe(t, bulkEcho)
	got, sum, err := runBulk(t, bulkNames(20), dnsq.BulkConfig{Servers: []dnsq.Server{bad, good}})
	if err != nil || len(got) != 20 || sum.Rcodes["NOERROR"] != 20 {
		t.Errorf("%d results, %+v, %v; want 20 NOERROR", len(got), sum, err)
	}
	got, sum, err = runBulk(t, bulkNames(20), dnsq.BulkConfig{Servers: []dnsq.Server{bad, bad}})
	if err != nil || len(got) != 20 || sum.Rcodes["SERVFAIL"] != 20 {
		t.Errorf("%d results, %+v, %v; want 20 SERVFAIL", len(got), sum, err)
	}
}

func TestBulkSilent(t *testing.T) {
	srv := bulkServe(t, func(dns.ResponseWriter, *dns.Msg) {})
	cfg := dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Timeout: 50 * time.Millisecond, Tries: 2}
	got, sum, err := runBulk(t, bulkNames(3), cfg)
	if err != nil || len(got) != 3 || sum.Failed != 3 || !errors.Is(got[0].err, dnsq.ErrNoReply) {
		t.Errorf("%v, %+v, %v; want three failures with ErrNoReply", got, sum, err)
	}
	start := time.Now()
	_, sum, err = runBulk(t, bulkNames(100000), cfg)
	if !errors.Is(err, dnsq.ErrNoReply) || sum.Questions > 1000 || time.Since(start) > 10*time.Second {
		t.Errorf("a dead server: %+v, %v; want ErrNoReply soon", sum, err)
	}
}

// A server that cannot be reached costs less than all tries, and the result says why.
func TestBulkUnreachable(t *testing.T) {
	for addr, why := range map[string]error{"127.0.0.1:1": syscall.ECONNREFUSED, "[fe80::1%nosuch0]:53": nil /* what the system calls it differs */} {
		srv, _ := dnsq.ParseServer(addr)
		start := time.Now()
		got, _, err := runBulk(t, bulkNames(2), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Rate: -1})
		if err != nil || len(got) != 2 || errors.Is(got[0].err, dnsq.ErrNoReply) || why != nil && !errors.Is(got[0].err, why) {
			t.Errorf("%s: %v, %v; want two results that say %v", addr, got, err, why)
		}
		if d := time.Since(start); d > 4*time.Second {
			t.Errorf("%s took %s; want less than all tries", addr, d)
		}
	}
}

func TestBulkCancel(t *testing.T) {
	srv := bulkServe(t, func(dns.ResponseWriter, *dns.Msg) {})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	r, w := io.Pipe() // an input that never ends
	defer w.Close()
	go fmt.Fprintln(w, "a.example.")
	_, err := dnsq.Bulk(ctx, dnsq.BulkLines(r, 0), func(*dnsq.BulkResult) error { return nil }, dnsq.BulkConfig{Servers: []dnsq.Server{srv}})
	if !errors.Is(err, context.Canceled) || time.Since(start) > 2*time.Second {
		t.Errorf("Bulk = %v after %s; want context.Canceled at once", err, time.Since(start))
	}
}

// Questions are sent as they come, without waiting for more input.
func TestBulkSlowInput(t *testing.T) {
	srv := bulkServe(t, bulkEcho)
	r, w := io.Pipe()
	answered := make(chan string)
	go func() {
		for i := range 3 {
			fmt.Fprintf(w, "n%d.example.\n", i)
			<-answered
		}
		w.Close()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	sum, err := dnsq.Bulk(ctx, dnsq.BulkLines(r, 0), func(r *dnsq.BulkResult) error {
		answered <- r.Name
		return nil
	}, dnsq.BulkConfig{Servers: []dnsq.Server{srv}})
	if err != nil || sum.Answered != 3 {
		t.Errorf("%+v, %v; want 3 answers", sum, err)
	}
}

func TestBulkTruncated(t *testing.T) {
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if _, ok := w.RemoteAddr().(*net.UDPAddr); ok {
			m := new(dns.Msg).SetReply(q)
			m.Truncated = true
			_ = w.WriteMsg(m)
			return
		}
		bulkEcho(w, q)
	})
	got, sum, err := runBulk(t, bulkNames(500), dnsq.BulkConfig{Servers: []dnsq.Server{srv}})
	if err != nil || len(got) != 500 || sum.Rcodes["NOERROR"] != 500 || sum.OverTCP != 500 || got[0].via != dnsq.TCP || got[0].short == "" {
		t.Errorf("%d results, %+v, %v; want 500 over TCP", len(got), sum, err)
	}
}

// A server that closes its connection after each reply, or at once.
func TestBulkTCPClose(t *testing.T) {
	for _, n := range []int{3, 0} {
		addr := serveTCP(t, func(c net.Conn) {
			co := &dns.Conn{Conn: c}
			for range n {
				if q, err := co.ReadMsg(); err == nil {
					_ = co.WriteMsg(new(dns.Msg).SetReply(q))
				}
			}
			_ = c.Close()
		})
		srv, _ := dnsq.ParseServer("tcp://" + addr)
		got, sum, err := runBulk(t, bulkNames(20), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Tries: 3})
		if err != nil || len(got) != 20 {
			t.Fatalf("%d results, %v; want 20", len(got), err)
		}
		if n > 0 && sum.Answered != 20 || n == 0 && sum.Failed != 20 {
			t.Errorf("closing after %d: %+v", n, sum)
		}
	}
}

// A server whose TCP connections bring nothing but a mangled reply costs each
// question its tries.
func TestBulkTCPMalformed(t *testing.T) {
	addr := serveTCP(t, func(c net.Conn) {
		co := &dns.Conn{Conn: c}
		if q, err := co.ReadMsg(); err == nil {
			m := new(dns.Msg).SetReply(q)
			m.Answer = []dns.RR{newRR(t, q.Question[0].Name+" 60 IN A 192.0.2.1")}
			b := mustPack(m)
			_, _ = co.Write(b[:len(b)-1])
		}
		_ = c.Close()
	})
	srv, _ := dnsq.ParseServer("tcp://" + addr)
	got, sum, err := runBulk(t, bulkNames(20), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Tries: 3})
	if err != nil || len(got) != 20 || sum.Failed != 20 {
		t.Errorf("%d results, %+v, %v; want 20 failures", len(got), sum, err)
	}
}

// A referral from a server that was asked to recurse is no answer: another one
// may have it. Alone it is told as it is.
func TestBulkLame(t *testing.T) {
	lame := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Ns = []dns.RR{newRR(t, "example. 60 IN NS ns.example.")}
		_ = w.WriteMsg(m)
	})
	good := bulkServe(t, bulkEcho)
	got, sum, err := runBulk(t, bulkNames(20), dnsq.BulkConfig{Servers: []dnsq.Server{lame, good}})
	if err != nil || len(got) != 20 || got[0].short == "" || got[19].short == "" || sum.NoData != 0 {
		t.Errorf("%+v, %+v, %v; want 20 answers", got, sum, err)
	}
	got, sum, err = runBulk(t, bulkNames(1), dnsq.BulkConfig{Servers: []dnsq.Server{lame}})
	if err != nil || len(got) != 1 || got[0].short != "" || sum.Answered != 1 || sum.NoData != 0 {
		t.Errorf("%+v, %+v, %v; want the referral", got, sum, err)
	}
}

func TestBulkNoEDNS(t *testing.T) {
	var refused atomic.Int32
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.IsEdns0() != nil {
			refused.Add(1)
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeFormatError))
			return
		}
		bulkEcho(w, q)
	})
	got, sum, err := runBulk(t, bulkNames(300), dnsq.BulkConfig{Servers: []dnsq.Server{srv}})
	if err != nil || len(got) != 300 || sum.Rcodes["NOERROR"] != 300 || refused.Load() > 128 {
		t.Errorf("%d results, %+v, %d refused, %v; want 300 answers", len(got), sum, refused.Load(), err)
	}
}

// A server that drops questions with EDNS is found out by the last try.
func TestBulkEDNSDropped(t *testing.T) {
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.IsEdns0() == nil {
			bulkEcho(w, q)
		}
	})
	got, sum, err := runBulk(t, bulkNames(1000), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Timeout: 200 * time.Millisecond, Tries: 3})
	if err != nil || len(got) != 1000 || sum.Answered != 1000 {
		t.Errorf("%d results, %+v, %v; want 1000 answers", len(got), sum, err)
	}
}

// bulkEvil answers over UDP with what mangle makes of the right reply.
func bulkEvil(t *testing.T, mangle func(m *dns.Msg) [][]byte) dnsq.Server {
	return bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		rr, _ := dns.NewRR(q.Question[0].Name + " 60 IN A 192.0.2.1")
		m.Answer = append(m.Answer, rr)
		if _, ok := w.RemoteAddr().(*net.UDPAddr); !ok {
			_ = w.WriteMsg(m)
			return
		}
		for _, b := range mangle(m) {
			_, _ = w.Write(b)
		}
	})
}

func mustPack(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// forged is m with another address and what change does to it.
func forged(m *dns.Msg, change func(*dns.Msg)) []byte {
	f := m.Copy()
	f.Answer[0].(*dns.A).A = net.IPv4(6, 6, 6, 6)
	change(f)
	return mustPack(f)
}

// Nothing that does not belong to the question is ever taken for its answer.
func TestBulkForged(t *testing.T) {
	for name, evil := range map[string]func(*dns.Msg) []byte{
		"wrong id":     func(m *dns.Msg) []byte { return forged(m, func(f *dns.Msg) { f.Id ^= 0x5555 }) },
		"wrong name":   func(m *dns.Msg) []byte { return forged(m, func(f *dns.Msg) { f.Question[0].Name = "evil.example." }) },
		"wrong type":   func(m *dns.Msg) []byte { return forged(m, func(f *dns.Msg) { f.Question[0].Qtype = dns.TypeAAAA }) },
		"wrong class":  func(m *dns.Msg) []byte { return forged(m, func(f *dns.Msg) { f.Question[0].Qclass = dns.ClassCHAOS }) },
		"query":        func(m *dns.Msg) []byte { return forged(m, func(f *dns.Msg) { f.Response = false }) },
		"wrong opcode": func(m *dns.Msg) []byte { return forged(m, func(f *dns.Msg) { f.Opcode = dns.OpcodeNotify }) },
		"no question":  func(m *dns.Msg) []byte { return forged(m, func(f *dns.Msg) { f.Question = nil }) },
		"three octets": func(m *dns.Msg) []byte { return []byte("abc") },
		"cut off":      func(m *dns.Msg) []byte { b := forged(m, func(*dns.Msg) {}); return b[:len(b)-2] },
		"loop": func(m *dns.Msg) []byte {
			b := mustPack(m)
			b[len(b)-16], b[len(b)-15] = 0xc0, byte(len(b)-16)
			return b
		},
		"too many": func(m *dns.Msg) []byte { b := mustPack(m); b[7] = 200; return b },
		"other question": func(m *dns.Msg) []byte {
			return forged(m, func(f *dns.Msg) { f.Question = append(f.Question, f.Question[0]) })
		},
	} {
		for _, only := range []bool{false, true} {
			srv := bulkEvil(t, func(m *dns.Msg) [][]byte {
				if only {
					return [][]byte{evil(m)}
				}
				return [][]byte{evil(m), mustPack(m)}
			})
			cfg := dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Timeout: 200 * time.Millisecond, Tries: 3}
			got, _, err := runBulk(t, bulkNames(4), cfg)
			if err != nil || len(got) != 4 {
				t.Errorf("%s, only %v: %d results, %v; want 4", name, only, len(got), err)
			}
			for _, a := range got {
				if a.short != "192.0.2.1\n" && (!only || a.err == nil) {
					t.Errorf("%s, only %v: %+v; want the good answer, or an error when it never came", name, only, a)
				}
			}
		}
	}
}

// Records that no alias leads to are not shown.
func TestBulkUnrelated(t *testing.T) {
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		for _, s := range []string{"evil.example. 1 A 6.6.6.6", "b.example. 1 A 192.0.2.2", q.Question[0].Name + " 1 CNAME B.example."} {
			rr, _ := dns.NewRR(s)
			m.Answer = append(m.Answer, rr)
		}
		_ = w.WriteMsg(m)
	})
	got, _, err := runBulk(t, "a.example\n", dnsq.BulkConfig{Servers: []dnsq.Server{srv}})
	if err != nil || len(got) != 1 || got[0].short != "192.0.2.2\n" {
		t.Errorf("%+v, %v; want 192.0.2.2 only", got, err)
	}
}

func TestBulkRandomCase(t *testing.T) {
	var mixed atomic.Int32
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if n := q.Question[0].Name; n != strings.ToLower(n) {
			mixed.Add(1)
		}
		bulkEcho(w, q)
	})
	got, sum, err := runBulk(t, bulkNames(100), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, RandomCase: true})
	if err != nil || len(got) != 100 || sum.Answered != 100 || mixed.Load() < 90 {
		t.Errorf("%d results, %d mixed, %+v, %v; want 100", len(got), mixed.Load(), sum, err)
	}
}

// A server that does not keep the case of letters is asked over TCP.
func TestBulkRandomCaseLost(t *testing.T) {
	srv := bulkServe(t, func(w dns.ResponseWriter, q *dns.Msg) {
		q.Question[0].Name = strings.ToLower(q.Question[0].Name)
		bulkEcho(w, q)
	})
	got, sum, err := runBulk(t, "abcdefghijklm.example\nnopqrstuvwxyz.example\n", dnsq.BulkConfig{Servers: []dnsq.Server{srv}, RandomCase: true})
	if err != nil || len(got) != 2 || sum.Answered != 2 || got[0].via != dnsq.TCP {
		t.Errorf("%v, %+v, %v; want two answers over TCP", got, sum, err)
	}
}

func TestBulkRate(t *testing.T) {
	srv := bulkServe(t, bulkEcho)
	start := time.Now()
	got, _, err := runBulk(t, bulkNames(60), dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Rate: 200})
	if d := time.Since(start); err != nil || len(got) != 60 || d < 250*time.Millisecond || d > 3*time.Second {
		t.Errorf("60 questions at 200/s took %s, %v; want about 300ms", d, err)
	}
}

func TestBulkEmitError(t *testing.T) {
	srv := bulkServe(t, bulkEcho)
	full := errors.New("disk full")
	n := 0
	_, err := dnsq.Bulk(context.Background(), dnsq.BulkLines(strings.NewReader(bulkNames(1000)), 0), func(*dnsq.BulkResult) error {
		n++
		return full
	}, dnsq.BulkConfig{Servers: []dnsq.Server{srv}})
	if !errors.Is(err, full) || n != 1 {
		t.Errorf("Bulk = %v after %d results; want the error of emit after 1", err, n)
	}
}

// What was not done yet when a run stopped is done by the next one.
func TestBulkResume(t *testing.T) {
	srv := bulkServe(t, bulkEcho)
	input := bulkNames(1000)
	stop := errors.New("stop")
	for _, ordered := range []bool{false, true} {
		done := map[string]int{}
		cfg := dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Ordered: ordered}
		var resume int64
		_, err := dnsq.Bulk(context.Background(), dnsq.BulkLines(strings.NewReader(input), 0), func(r *dnsq.BulkResult) error {
			done[r.Name]++
			resume = r.Resume
			if len(done) == 400 {
				return stop
			}
			return nil
		}, cfg)
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		sum, err := dnsq.Bulk(context.Background(), dnsq.BulkLines(strings.NewReader(input[resume:]), resume), func(r *dnsq.BulkResult) error {
			done[r.Name]++
			return nil
		}, cfg)
		if err != nil || len(done) != 1000 || sum.Resume != int64(len(input)) || ordered && sum.Questions != 600 {
			t.Errorf("ordered %v: %d names done, %+v, %v; want 1000", ordered, len(done), sum, err)
		}
	}
}

func TestBulkLines(t *testing.T) {
	input := "a.example\n\n# comment\nb.example MX txt ; both\n192.0.2.1\n2001:db8::1\nc.example TYPE65\nbad..example\nd.example nonsense\n" +
		strings.Repeat("x", 70000) + "\n  e.example\t aaaa\r\nlast.example"
	next := dnsq.BulkLines(strings.NewReader(input), 0)
	var got []string
	var end int64
	for {
		q, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %.20s %d %v", q.Line, q.Name, q.Type, q.Err != nil))
		end = q.End
	}
	want := []string{"1 a.example 0 false", "4 b.example 15 false", "4 b.example 16 false", "5 1.2.0.192.in-addr.ar 12 false",
		"6 1.0.0.0.0.0.0.0.0.0. 12 false", "7 c.example 65 false", "8 bad..example 0 false", "9 d.example 0 true",
		"10 xxxxxxxxxxxxxxxxxxxx 0 true", "11 e.example 28 false", "12 last.example 0 false"}
	if fmt.Sprint(got) != fmt.Sprint(want) || end != int64(len(input)) {
		t.Errorf("BulkLines = %q, end %d; want %q, %d", got, end, want, len(input))
	}
	srv := bulkServe(t, bulkEcho)
	answers, sum, err := runBulk(t, input, dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Ordered: true})
	if err != nil || len(answers) != len(want) || sum.Invalid != 3 || sum.Resume != int64(len(input)) {
		t.Errorf("%d results, %+v, %v; want %d with 3 invalid", len(answers), sum, err, len(want))
	}
}

func TestBulkUsage(t *testing.T) {
	next := dnsq.BulkLines(strings.NewReader("a.example\n"), 0)
	if _, err := dnsq.Bulk(context.Background(), next, nil, dnsq.BulkConfig{}); !errors.Is(err, dnsq.ErrNoServer) {
		t.Errorf("without servers: %v; want ErrNoServer", err)
	}
	srv, _ := dnsq.ParseServer("quic://127.0.0.1")
	if _, err := dnsq.Bulk(context.Background(), next, nil, dnsq.BulkConfig{Servers: []dnsq.Server{srv}}); !errors.Is(err, dnsq.ErrNotSupported) {
		t.Errorf("over QUIC without it: %v; want ErrNotSupported", err)
	}
	srv, _ = dnsq.ParseServer("127.0.0.1")
	key := &dnsq.Client{TSIG: &dnsq.TSIG{Name: "k", Secret: "c2VjcmV0"}}
	if _, err := dnsq.Bulk(context.Background(), next, nil, dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Client: key}); !errors.Is(err, dnsq.ErrNotSupported) {
		t.Errorf("with TSIG: %v; want ErrNotSupported", err)
	}
}
