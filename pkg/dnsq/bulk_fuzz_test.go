package dnsq

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// fuzzReplies are replies to begin with.
func fuzzReplies(f *testing.F) {
	for _, records := range [][]string{
		{"www.example. 60 IN A 192.0.2.1", "www.example. 60 IN A 192.0.2.2"},
		{"www.example. 60 IN CNAME a.example.", "A.example. 60 IN CNAME b.example.", "b.example. 60 IN AAAA 2001:db8::1"},
		{`www.example. 60 IN TXT "one" "t\"w\\o" "\001\255"`},
		{"www.example. 60 IN MX 10 mail.example.", `www.example. 60 IN MX 20 \(a\.b\).example.`},
		{"www.example. 60 IN SOA a. b. 1 2 3 4 5"},
		{"www.example. 60 IN SRV 1 2 3 host.example.", "evil.example. 60 IN SRV 1 2 3 evil.example."},
	} {
		m := new(dns.Msg)
		m.SetQuestion("www.example.", dns.TypeA)
		m.Response, m.Compress = true, true
		for _, s := range records {
			rr, err := dns.NewRR(s)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
			m.Question[0].Qtype = rr.Header().Rrtype
		}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// What is written straight from a message is what the DNS library reads in it.
func FuzzBulkRender(f *testing.F) {
	fuzzReplies(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < headerSize {
			return
		}
		b = bytes.Clone(b) // which is the fuzzer's
		b[3] &= 0xf0       // NOERROR
		wellFormed := wireWellFormed(b)
		r := BulkResult{Message: b}
		short, records := r.AppendShort(nil), r.AppendRecords(nil) // must not panic whatever b is
		m := new(dns.Msg)
		if !wellFormed || m.Unpack(b) != nil || len(m.Question) != 1 {
			return
		}
		var want strings.Builder
		for _, rr := range answerChain(m).records {
			want.WriteString(dataText(rr) + "\n")
		}
		if string(short) != want.String() || bytes.Count(short, []byte("\n")) != bytes.Count(records, []byte("\n")) {
			t.Errorf("AppendShort = %q; the library reads %q", short, want.String())
		}
	})
}

// A name goes to wire form as the DNS library has it, and comes back.
func FuzzBulkName(f *testing.F) {
	for _, s := range []string{"www.example.", ".", `a\.b.\001\255.x`, `"a\032b".x`, strings.Repeat("a.", 127), strings.Repeat("a", 63) + "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := AbsoluteName(s)
		if err != nil {
			return
		}
		got := appendWireName(nil, name)
		want := make([]byte, 300)
		n, err := dns.PackDomainName(name, want, 0, nil, false)
		if err != nil || !bytes.Equal(got, want[:n]) || len(got) > maxName {
			t.Fatalf("appendWireName(%q) = %q; the library has %q, %v", name, got, want[:n], err)
		}
		canonical, _, err := dns.UnpackDomainName(want[:n], 0)
		if back := string(appendNameText(nil, got, 0)); err != nil || back != nameText(canonical) {
			t.Errorf("%q comes back as %q; want %q, %v", name, back, canonical, err)
		}
	})
}

// The questions of any input have offsets that only grow, and end at its end.
func FuzzBulkLines(f *testing.F) {
	f.Add("a.example\nb.example MX TXT ; both\n\n# no\n192.0.2.1\r\n2001:db8::1 AAAA\nx bad")
	f.Fuzz(func(t *testing.T, s string) {
		next := BulkLines(strings.NewReader(s), 7, dns.TypeA, dns.TypeMX)
		end := int64(7)
		for range len(s) + 2 {
			q, err := next()
			if err == io.EOF {
				return
			}
			if err != nil || q.End < end || q.End > int64(len(s))+7 || q.Name == "" {
				t.Fatalf("%+v, %v after offset %d", q, err, end)
			}
			end = q.End
			var p bulkPacked
			p.pack(q, &bulkTemplate{}, nil)
		}
		t.Fatal("more questions than octets")
	})
}

// A validator that gets nothing but noise never says secure, and ends.
func FuzzValidate(f *testing.F) {
	fuzzReplies(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		fetch := func(_ context.Context, name string, qtype uint16) (*dns.Msg, error) {
			n++
			m := new(dns.Msg)
			if err := m.Unpack(b); err != nil {
				return nil, err
			}
			return m, nil
		}
		v, err := Validate(context.Background(), "www.example.", dns.TypeA, fetch, ValidateConfig{At: time.Unix(1.8e9, 0)})
		if err != nil || v.Verdict == Secure || n > maxFetches {
			t.Errorf("%+v, %v after %d questions", v, err, n)
		}
	})
}

// A transfer takes any message without panic, and none as complete that is not
// framed by one SOA record.
func FuzzTransfer(f *testing.F) {
	m := new(dns.Msg)
	m.SetQuestion("example.", dns.TypeAXFR)
	m.Response = true
	for _, s := range []string{"example. 60 IN SOA a. b. 1 2 3 4 5", "www.example. 60 IN A 192.0.2.1", "example. 60 IN SOA a. b. 1 2 3 4 5"} {
		rr, _ := dns.NewRR(s)
		m.Answer = append(m.Answer, rr)
	}
	b, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, false)
	f.Add(b, true)
	f.Fuzz(func(t *testing.T, b []byte, incremental bool) {
		x := &transfer{ctx: context.Background(), out: &TransferResult{Zone: "example."}, zone: "example.",
			cfg:  TransferConfig{Client: new(Client), Incremental: incremental, Serial: 1, MaxRecords: 1000},
			apex: appendWireName(nil, "example.")}
		x.each = func(r *TransferRecord) error {
			got := string(r.AppendText(nil))
			if rr, _, err := dns.UnpackRR(r.msg, r.wire.owner); err != nil {
				t.Errorf("%q: the DNS library says %v", got, err)
			} else if want := NewRR(rr).String(); got != want {
				t.Errorf("%q; want %q", got, want)
			}
			return nil
		}
		if err := x.pack(); err != nil {
			t.Fatal(err)
		}
		if b = bytes.Clone(b); len(b) >= headerSize { // the argument is the fuzzer's
			binary.BigEndian.PutUint16(b, x.query.msg.Id)
		}
		err := x.message(b)
		if err == nil && x.state.done && x.state.first == nil {
			t.Error("complete without SOA record")
		}
	})
}

// A TSIG record is found at the end or nowhere.
func FuzzTSIG(f *testing.F) {
	fuzzReplies(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		sig, end, err := findTSIG(b)
		if err == nil && sig != nil && (end < headerSize || end >= len(b)) {
			t.Errorf("TSIG record at %d of %d", end, len(b))
		}
	})
}

// Anchors and hints of any text are few, or an error.
func FuzzParseAnchors(f *testing.F) {
	f.Add(rootAnchors)
	f.Add(". NS a.root.\na.root. A 192.0.2.1\n")
	f.Add("$GENERATE 1-65535 . DS $ 8 2 00")
	f.Fuzz(func(t *testing.T, s string) {
		if anchors, err := ParseAnchors(strings.NewReader(s)); err == nil && (len(anchors) == 0 || len(anchors) > maxAnchors) {
			t.Errorf("%d anchors", len(anchors))
		}
		if d, err := ParseHints(strings.NewReader(s)); err == nil && (len(d.Servers) == 0 || len(d.Servers) > maxNameServers) {
			t.Errorf("%d servers", len(d.Servers))
		}
	})
}

// What is read of the file of a cache, whatever is in it, is written so that it
// reads the same.
func FuzzCacheFile(f *testing.F) {
	m := new(dns.Msg)
	m.SetQuestion("www.example.", dns.TypeA)
	m.Response = true
	m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "www.example.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(192, 0, 2, 1)}}
	wire, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	const stored = 1_700_000_000
	f.Add(fmt.Sprintf("%d\t%d\t127.0.0.1:53\trealm\t%s\n", stored+60, stored, base64.StdEncoding.EncodeToString(wire)))
	oldest := time.Unix(0, 0) // so that nothing that was found expires
	f.Fuzz(func(t *testing.T, lines string) {
		var c, again Cache
		if c.read(strings.NewReader(cacheFileHeader+"\n"+lines), oldest) != nil {
			return
		}
		var file bytes.Buffer
		if err := c.write(&file, oldest); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
		if err := again.read(&file, oldest); err != nil || again.Len() > c.Len() {
			t.Errorf("%d replies became %d, %v", c.Len(), again.Len(), err)
		}
	})
}
