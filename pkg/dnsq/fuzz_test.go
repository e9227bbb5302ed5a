package dnsq_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// A signed answer with a changed octet is secure only while it says the same.
func FuzzTamperedAnswer(f *testing.F) {
	z := newMemZoneWith(f, dns.RSASHA256, 1024) // no signature is checked faster
	z.add(f, newRR(f, "www.example. 300 IN A 192.0.2.1"), newRR(f, "www.example. 300 IN A 192.0.2.2"))
	reply, err := z.fetch(f.Context(), "www.example.", dns.TypeA)
	if err != nil {
		f.Fatal(err)
	}
	wire := mustPack(reply)
	anchors := []dns.RR{z.key.ToDS(dns.SHA256)}
	f.Add(uint16(0), byte(0), uint16(40), byte(1))
	f.Add(uint16(len(wire)-1), byte(1), uint16(3), byte(3))
	f.Fuzz(func(t *testing.T, at uint16, bits byte, at2 uint16, bits2 byte) {
		b := bytes.Clone(wire)
		b[int(at)%len(b)] ^= bits
		b[int(at2)%len(b)] ^= bits2
		changed := new(dns.Msg)
		if changed.Unpack(b) != nil {
			return
		}
		fetch := func(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
			if name == "www.example." && qtype == dns.TypeA {
				return changed, nil // asked for once
			}
			return z.fetch(ctx, name, qtype)
		}
		v, err := dnsq.Validate(context.Background(), "www.example.", dns.TypeA, fetch, dnsq.ValidateConfig{Anchors: anchors})
		if err != nil || v.Verdict != dnsq.Secure {
			return
		}
		addrs := 0
		for _, rr := range changed.Answer {
			if a, ok := rr.(*dns.A); ok {
				if s := a.A.String(); !strings.EqualFold(a.Hdr.Name, "www.example.") || s != "192.0.2.1" && s != "192.0.2.2" {
					t.Errorf("%v counts as secure", a)
				}
				addrs++
			}
		}
		if addrs == 0 {
			t.Errorf("%v counts as secure", changed)
		}
	})
}

// What brio prints of a record is what the zone file of another program may
// hold: it reads as the same record.
func FuzzPresentation(f *testing.F) {
	for _, s := range []string{"a. 1 IN A 192.0.2.1", `a\.b. 1 IN TXT "x\"\\\027" ""`, "a. 1 IN MX 1 .", "a. 1 IN CAA 0 issue \"x;y\"", "a. 1 IN SRV 1 2 3 x.",
		"a. 1 IN HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1", "a. 1 IN NAPTR 1 2 \"u\" \"E2U\" \"!^.*$!x!\" .", "a. 1 IN TYPE65280 \\# 2 abcd",
		"a. 1 IN LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", "a. 1 IN NSEC b. A TYPE1234", "a. 1 IN SSHFP 1 1 abcd"} {
		rr := newRR(f, s)
		b := make([]byte, 512)
		n, err := dns.PackRR(rr, b, 0, nil, false)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:n])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rr, _, err := dns.UnpackRR(b, 0)
		if err != nil {
			return
		}
		line := dnsq.NewRR(rr).String()
		if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) }) {
			t.Fatalf("%q would reach a terminal", line)
		}
		if len(line) >= 4000 {
			return // longer than the library reads
		}
		again, err := dns.NewRR(line)
		if err != nil || again == nil {
			return // not all that can be packed can be written: empty bitmaps, unknown codes
		}
		switch rr.Header().Rrtype {
		case dns.TypeCAA, dns.TypeSVCB, dns.TypeHTTPS:
			return // the library prints tags and keys as they are, also those that RFC 8659 and 9460 forbid
		}
		if second := dnsq.NewRR(again).String(); second != line {
			twice, err := dns.NewRR(second)
			if err != nil || dnsq.NewRR(twice).String() != second {
				t.Errorf("%q reads as %q", line, second)
			}
		}
	})
}

// Escapes are taken away as the library takes them away on the way to the wire.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{`a\"b\\c\032`, `\`, `\25`, `\256`, `\000`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := dnsq.Unescape(s)
		if len(got) > len(s) || !strings.Contains(s, `\`) && got != s {
			t.Fatalf("Unescape(%q) = %q", s, got)
		}
		txt := &dns.TXT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeTXT, Class: 1}, Txt: []string{s}}
		b := make([]byte, 2000)
		n, err := dns.PackRR(txt, b, 0, nil, false)
		if err != nil {
			return // too long
		}
		tooLarge := regexp.MustCompile(`\\(2[6-9]|25[6-9]|[3-9]\d)\d?`) // the library wraps such numbers
		if wire := string(b[12:n]); wire != got && !strings.HasSuffix(s, `\`) && !tooLarge.MatchString(s) {
			t.Errorf("Unescape(%q) = %q; on the wire it is %q", s, got, wire)
		}
	})
}

func FuzzParseTSIG(f *testing.F) {
	for _, s := range []string{"key:AAAA", "hmac-sha512:key.:c2VjcmV0", "hmac-md5:k:AA==", "a:b:c:d", `k\:x:AAAA`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const secret = "correct-horse-battery!" // which is no base64
		if _, err := dnsq.ParseTSIG(s + ":" + secret); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("ParseTSIG(%q): %v", s+":"+secret, err)
		}
		key, err := dnsq.ParseTSIG(s)
		if err != nil {
			return
		}
		again, err := dnsq.ParseTSIG(key.Algorithm + ":" + key.Name + ":" + key.Secret)
		if secret, _ := base64.StdEncoding.DecodeString(key.Secret); err != nil || again != key || len(secret) == 0 {
			t.Errorf("ParseTSIG(%q) = %+v, which reads as %+v, %v", s, key, again, err)
		}
	})
}

// An expectation is met, or its contrary is, whenever there is an answer.
func FuzzParseExpectation(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "!/^192/", "NXDOMAIN", "!NODATA", "//", "!", "/(/"} {
		f.Add(s)
	}
	q := dnsq.NewQuery("www.example.", dns.TypeA, dnsq.Header{})
	m := new(dns.Msg)
	m.SetReply(q)
	m.Answer = []dns.RR{newRR(f, "www.example. 1 IN A 192.0.2.1")}
	r := dnsq.NewResponse(m, dnsq.Server{Host: "127.0.0.1"}, dnsq.Timing{})
	f.Fuzz(func(t *testing.T, s string) {
		e, err := dnsq.ParseExpectation(s)
		if err != nil {
			if !errors.Is(err, dnsq.ErrUsage) {
				t.Errorf("ParseExpectation(%q): %v", s, err)
			}
			return
		}
		contrary := e
		contrary.Absent = !e.Absent
		if e.Met(r) == contrary.Met(r) {
			t.Errorf("%+v and its contrary are both %v", e, e.Met(r))
		}
	})
}

// Frames come back as they were written, and nothing else is taken for one.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x00\x03abc\x00\x00"), []byte("x"))
	f.Add([]byte("\xff\xff"), []byte(""))
	room := make([]byte, 65535)
	f.Fuzz(func(t *testing.T, stream, message []byte) {
		var w bytes.Buffer
		if err := dnsq.WriteFrame(&w, message); err != nil {
			return // too long
		}
		if got, err := dnsq.ReadFrame(&w, nil); err != nil || !bytes.Equal(got, message) {
			t.Errorf("%q comes back as %q, %v", message, got, err)
		}
		r, read := bytes.NewReader(stream), 0
		for {
			b, err := dnsq.ReadFrame(r, room) // a length alone would cost 64 KB
			if err != nil {
				if whole := read == len(stream); whole != (err == io.EOF) {
					t.Errorf("%x ends with %v after %d octets of frames", stream, err, read)
				}
				return
			}
			read += 2 + len(b)
		}
	})
}
