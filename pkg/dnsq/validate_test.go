package dnsq_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// validateCases are questions to the tree of the tests, with the verdict and a
// part of the reason.
var validateCases = []struct {
	name    string
	qtype   uint16
	verdict dnsq.Verdict
	reason  string
	ede     int
}{
	{"www.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"WWW.Test.", dns.TypeA, dnsq.Secure, "", 0},
	{"txt.test.", dns.TypeTXT, dnsq.Secure, "", 0},
	{"test.", dns.TypeSOA, dnsq.Secure, "", 0},
	{"test.", dns.TypeDS, dnsq.Secure, "", 0},
	{"test.", dns.TypeDNSKEY, dnsq.Secure, "", 0},
	{".", dns.TypeSOA, dnsq.Secure, "", 0},
	{".", dns.TypeDNSKEY, dnsq.Secure, "", 0},
	{"alias.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"alias.test.", dns.TypeAAAA, dnsq.Secure, "", 0}, // alias to NODATA
	{"far.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"www.dn.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"a.wild.test.", dns.TypeTXT, dnsq.Secure, "", 0},
	{"a.b.wild.test.", dns.TypeTXT, dnsq.Secure, "", 0},
	{"*.wild.test.", dns.TypeTXT, dnsq.Secure, "", 0},
	{"a.wild.test.", dns.TypeA, dnsq.Secure, "", 0}, // NODATA at the wildcard
	{"ent.test.", dns.TypeA, dnsq.Secure, "", 0},    // empty non-terminal
	{"www.test.", dns.TypeMX, dnsq.Secure, "", 0},   // NODATA
	{"test.", dns.TypeANY, dnsq.Secure, "", 0},
	{"www.bogus.test.", dns.TypeANY, dnsq.Bogus, "does not hold", 6},
	{"www.nsec3.test.", dns.TypeDS, dnsq.Secure, "", 0},
	{"a.b.dn.test.", dns.TypeMX, dnsq.Secure, "", 0}, // through DNAME to NXDOMAIN
	{"x.www.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"x.walias.test.", dns.TypeA, dnsq.Secure, "", 0},  // two wildcards in two zones
	{"x.walias.test.", dns.TypeMX, dnsq.Secure, "", 0}, // and no record there
	{"gone.test.", dns.TypeA, dnsq.Secure, "", 0},      // NXDOMAIN
	{"a.b.c.gone.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"nowhere.test.", dns.TypeA, dnsq.Secure, "", 0}, // alias to NXDOMAIN
	{"gone.", dns.TypeA, dnsq.Secure, "", 0},
	{"unsigned.test.", dns.TypeDS, dnsq.Secure, "", 0}, // that there is none is signed

	{"www.nsec3.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"nsec3.test.", dns.TypeMX, dnsq.Secure, "", 0},
	{"www.nsec3.test.", dns.TypeMX, dnsq.Secure, "", 0},
	{"gone.nsec3.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"a.b.gone.nsec3.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"a.wild.nsec3.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"a.b.wild.nsec3.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"a.wild.nsec3.test.", dns.TypeMX, dnsq.Secure, "", 0},
	{"ent.nsec3.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"nsec3.test.", dns.TypeDS, dnsq.Secure, "", 0},

	{"www.optout.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"www.optout.test.", dns.TypeMX, dnsq.Secure, "", 0},
	{"gone.optout.test.", dns.TypeA, dnsq.Insecure, "opts unsigned delegations out", -1},
	{"sub.optout.test.", dns.TypeDS, dnsq.Insecure, "opts unsigned delegations out", -1},
	{"www.sub.optout.test.", dns.TypeA, dnsq.Insecure, "delegation to sub.optout.test. is not signed", -1},

	{"www.unsigned.test.", dns.TypeA, dnsq.Insecure, "no DS record", -1},
	{"gone.unsigned.test.", dns.TypeA, dnsq.Insecure, "no DS record", -1},
	{"toplain.test.", dns.TypeA, dnsq.Insecure, "no DS record", -1},
	{"www.nods.test.", dns.TypeA, dnsq.Insecure, "no DS record", -1},
	{"www.unkalg.test.", dns.TypeA, dnsq.Insecure, "algorithm 200", 1},
	{"www.unkdigest.test.", dns.TypeA, dnsq.Insecure, "digest type 200", 2},

	{"www.ed448.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"m.ed448.test.", dns.TypeMX, dnsq.Secure, "", 0},
	{"a.wild.ed448.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"gone.ed448.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"www.ed448b.test.", dns.TypeA, dnsq.Bogus, "ED448 of ed448b.test. does not hold", 6},
	{"www.ed25519.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"www.p384.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"www.rsa256.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"www.rsa512.test.", dns.TypeA, dnsq.Secure, "", 0},

	{"www.expired.test.", dns.TypeA, dnsq.Bogus, "expired at 2020-02-01T00:00:00Z", 7},
	{"gone.expired.test.", dns.TypeA, dnsq.Bogus, "expired", 7},
	{"www.future.test.", dns.TypeA, dnsq.Bogus, "not valid before 2090-01-01T00:00:00Z", 8},
	{"www.bogus.test.", dns.TypeA, dnsq.Bogus, "does not hold", 6},
	{"other.bogus.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"tobogus.test.", dns.TypeA, dnsq.Bogus, "does not hold", 6},
	{"www.stripped.test.", dns.TypeA, dnsq.Bogus, "has no signature", 10},
	{"other.stripped.test.", dns.TypeA, dnsq.Secure, "", 0},
	{"www.broken.test.", dns.TypeA, dnsq.Bogus, "no DNSKEY of broken.test. matches DS", 9},
	{"www.naked.test.", dns.TypeA, dnsq.Bogus, "has no DNSKEY records", 9},
}

// The verdicts about zones signed by BIND's tools, next to those of delv and unbound.
func TestValidate(t *testing.T) {
	tree := buildTree(t)
	needTools(t, "delv", "unbound")
	fetch := tree.fetch(t)
	unbound, recursive := tree.unbound(t)
	for _, tt := range validateCases {
		v, err := dnsq.Validate(context.Background(), tt.name, tt.qtype, fetch, dnsq.ValidateConfig{Anchors: tree.anchors})
		if err != nil {
			t.Errorf("Validate(%s, %s): %v", tt.name, dns.TypeToString[tt.qtype], err)
			continue
		}
		ede := 0
		if v.EDE != nil {
			ede = int(*v.EDE)
		} else if v.Verdict != dnsq.Secure {
			ede = -1
		}
		if v.Verdict != tt.verdict || !strings.Contains(v.Reason, tt.reason) || ede != tt.ede {
			t.Errorf("Validate(%s, %s) = %s (%s), EDE %d; want %s (%s), %d\n%+v", tt.name, dns.TypeToString[tt.qtype], v.Verdict, v.Reason, ede, tt.verdict, tt.reason, tt.ede, v.Links)
		}
		// A resolver that validates itself hands on everything when asked with CD.
		if w, err := dnsq.Validate(context.Background(), tt.name, tt.qtype, recursive, dnsq.ValidateConfig{Anchors: tree.anchors}); err != nil || w.Verdict != tt.verdict {
			t.Errorf("Validate(%s, %s) through unbound = %+v, %v; want %s", tt.name, dns.TypeToString[tt.qtype], w, err, tt.verdict)
		} else if w.Verdict == dnsq.Secure && slices.ContainsFunc(w.Links, func(l dnsq.Link) bool { return l.Verdict != dnsq.Secure }) {
			t.Errorf("Validate(%s, %s) through unbound is secure with links that are not: %+v", tt.name, dns.TypeToString[tt.qtype], w.Links)
		}
		if (v.Verdict == dnsq.Secure) != (v.Failing == nil) || (v.Verdict == dnsq.Bogus) != errors.Is(v.Err(), dnsq.ErrBogus) {
			t.Errorf("Validate(%s, %s): failing %v, err %v with verdict %s", tt.name, dns.TypeToString[tt.qtype], v.Failing, v.Err(), v.Verdict)
		}
		// delv calls proofs with opt-out secure; RFC 5155 section 9.2 does not let a resolver do so.
		optOut := strings.Contains(v.Reason, "opts unsigned delegations out")
		if got := tree.delv(t, tt.name, dns.TypeToString[tt.qtype]); got != v.Verdict && !optOut {
			t.Errorf("delv %s %s: %s, and Validate %s", tt.name, dns.TypeToString[tt.qtype], got, v.Verdict)
		}
		if got := unbound(tt.name, tt.qtype); got != v.Verdict {
			t.Errorf("unbound %s %s: %s, and Validate %s", tt.name, dns.TypeToString[tt.qtype], got, v.Verdict)
		}
	}
	t.Run("time", func(t *testing.T) { testValidateAt(t, tree) })
	t.Run("tampered", func(t *testing.T) { testTampered(t, tree) })
	t.Run("config", func(t *testing.T) { testValidateConfig(t, tree) })
}

func testValidateAt(t *testing.T, tree *testTree) {
	at := time.Date(2020, 1, 15, 0, 0, 0, 0, time.UTC)
	v, err := dnsq.Validate(context.Background(), "www.test.", dns.TypeA, tree.fetch(t), dnsq.ValidateConfig{Anchors: tree.anchors, At: at})
	if err != nil || v.Verdict != dnsq.Bogus || !strings.Contains(v.Reason, "not valid before") || !v.At.Equal(at) {
		t.Errorf("a time before all signatures: %+v, %v; want bogus", v, err)
	}
}

func testValidateConfig(t *testing.T, tree *testTree) {
	fetch := tree.fetch(t)
	ctx := context.Background()
	v, err := dnsq.Validate(ctx, "gone.iter.test.", dns.TypeA, fetch, dnsq.ValidateConfig{Anchors: tree.anchors})
	if err != nil || v.Verdict != dnsq.Insecure || *v.EDE != 27 {
		t.Errorf("100 iterations: %+v, %v; want insecure with code 27", v, err)
	}
	v, err = dnsq.Validate(ctx, "gone.iter.test.", dns.TypeA, fetch, dnsq.ValidateConfig{Anchors: tree.anchors, MaxIterations: 150})
	if err != nil || v.Verdict != dnsq.Secure {
		t.Errorf("100 iterations of 150: %+v, %v; want secure", v, err)
	}
	v, err = dnsq.Validate(ctx, "www.test.", dns.TypeA, fetch, dnsq.ValidateConfig{})
	if err != nil || v.Verdict != dnsq.Bogus {
		t.Errorf("with the real root keys: %+v, %v; want bogus", v, err)
	}
	other, err := dnsq.ParseAnchors(strings.NewReader("example. DS 1 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	v, err = dnsq.Validate(ctx, "www.test.", dns.TypeA, fetch, dnsq.ValidateConfig{Anchors: other})
	if err != nil || v.Verdict != dnsq.Indeterminate || !errors.Is(v.Err(), dnsq.ErrIndeterminate) {
		t.Errorf("without an anchor above: %+v, %v; want indeterminate", v, err)
	}
	failed := errors.New("cable cut")
	v, err = dnsq.Validate(ctx, "www.test.", dns.TypeA, func(context.Context, string, uint16) (*dns.Msg, error) { return nil, failed }, dnsq.ValidateConfig{Anchors: tree.anchors})
	if err != nil || v.Verdict != dnsq.Indeterminate || !errors.Is(v.Err(), failed) {
		t.Errorf("without replies: %+v, %v; want indeterminate", v, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := dnsq.Validate(ctx, "www.test.", dns.TypeA, fetch, dnsq.ValidateConfig{Anchors: tree.anchors}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v; want context.Canceled", err)
	}
}

// testTampered changes good replies on their way.
func testTampered(t *testing.T, tree *testTree) {
	drop := func(types ...uint16) func(*dns.Msg) {
		return func(m *dns.Msg) {
			var kept []dns.RR
			for _, rr := range m.Ns {
				gone := false
				for _, t := range types {
					sig, ok := rr.(*dns.RRSIG)
					gone = gone || rr.Header().Rrtype == t || ok && sig.TypeCovered == t
				}
				if !gone {
					kept = append(kept, rr)
				}
			}
			m.Ns = kept
		}
	}
	unsign := func(m *dns.Msg) {
		var kept []dns.RR
		for _, rr := range m.Answer {
			if rr.Header().Rrtype != dns.TypeRRSIG {
				kept = append(kept, rr)
			}
		}
		m.Answer = kept
	}
	empty := func(m *dns.Msg) { m.Answer, m.Ns = nil, nil }
	for _, tt := range []struct {
		what   string
		name   string
		qtype  uint16
		at     string // the question whose reply is changed
		atType uint16
		change func(*dns.Msg)
	}{
		{"another address", "www.test.", dns.TypeA, "www.test.", dns.TypeA, func(m *dns.Msg) { m.Answer[0].(*dns.A).A[3]++ }},
		{"one of two records", "www.test.", dns.TypeA, "www.test.", dns.TypeA, func(m *dns.Msg) { m.Answer = m.Answer[1:] }},
		{"signatures gone", "www.test.", dns.TypeA, "www.test.", dns.TypeA, unsign},
		{"NXDOMAIN beside the records", "www.test.", dns.TypeA, "www.test.", dns.TypeA, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }},
		{"answer hidden", "www.test.", dns.TypeA, "www.test.", dns.TypeA, empty},
		{"name hidden", "www.test.", dns.TypeA, "www.test.", dns.TypeA, func(m *dns.Msg) { empty(m); m.Rcode = dns.RcodeNameError }},
		{"NODATA made NXDOMAIN", "www.test.", dns.TypeMX, "www.test.", dns.TypeMX, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }},
		{"NXDOMAIN made NODATA", "gone.test.", dns.TypeA, "gone.test.", dns.TypeA, func(m *dns.Msg) { m.Rcode = dns.RcodeSuccess }},
		{"proof of another name", "www.test.", dns.TypeA, "www.test.", dns.TypeA, tree.reply(t, "gone.test.", dns.TypeA)},
		{"proof of a wildcard gone", "a.wild.test.", dns.TypeTXT, "a.wild.test.", dns.TypeTXT, drop(dns.TypeNSEC)},
		{"NSEC3 proof of a wildcard gone", "a.wild.nsec3.test.", dns.TypeA, "a.wild.nsec3.test.", dns.TypeA, drop(dns.TypeNSEC3)},
		{"NSEC gone", "gone.test.", dns.TypeA, "gone.test.", dns.TypeA, drop(dns.TypeNSEC)},
		{"NSEC3 gone", "gone.nsec3.test.", dns.TypeA, "gone.nsec3.test.", dns.TypeA, drop(dns.TypeNSEC3)},
		{"NSEC3 NXDOMAIN made NODATA", "gone.nsec3.test.", dns.TypeA, "gone.nsec3.test.", dns.TypeA, func(m *dns.Msg) { m.Rcode = dns.RcodeSuccess }},
		{"NSEC3 NODATA made NXDOMAIN", "www.nsec3.test.", dns.TypeMX, "www.nsec3.test.", dns.TypeMX, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }},
		{"delegation made unsigned", "www.bogus.test.", dns.TypeA, "bogus.test.", dns.TypeDS, tree.reply(t, "unsigned.test.", dns.TypeDS)},
		{"DS gone", "www.nsec3.test.", dns.TypeA, "nsec3.test.", dns.TypeDS, empty},
		{"DS denied by the child", "www.nsec3.test.", dns.TypeA, "nsec3.test.", dns.TypeDS, tree.reply(t, "nsec3.test.", dns.TypeMX)},
		{"keys gone", "www.nsec3.test.", dns.TypeA, "nsec3.test.", dns.TypeDNSKEY, empty},
		{"keys of another zone", "www.nsec3.test.", dns.TypeA, "nsec3.test.", dns.TypeDNSKEY, func(m *dns.Msg) {
			tree.reply(t, "test.", dns.TypeDNSKEY)(m)
			for _, rr := range m.Answer {
				rr.Header().Name = "nsec3.test."
			}
		}},
		// The suffix is that of test., which has signed www.test. A name is compared by labels, not by letters.
		{"signed by a zone with a similar name", "wwwtest.", dns.TypeA, "wwwtest.", dns.TypeA, func(m *dns.Msg) {
			tree.reply(t, "test.", dns.TypeNS)(m)
			for _, rr := range m.Answer {
				rr.Header().Name = "wwwtest."
			}
		}},
		// The NSEC record of a delegation says nothing about the names below it.
		{"delegation denies what is below", "www.nsec3.test.", dns.TypeA, "www.nsec3.test.", dns.TypeA, func(m *dns.Msg) {
			tree.reply(t, "unsigned.test.", dns.TypeDS)(m)
			m.Rcode = dns.RcodeNameError
		}},
	} {
		good := tree.fetch(t)
		fetch := func(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
			m, err := good(ctx, name, qtype)
			if err == nil && name == tt.at && qtype == tt.atType {
				tt.change(m)
			}
			return m, err
		}
		v, err := dnsq.Validate(context.Background(), tt.name, tt.qtype, fetch, dnsq.ValidateConfig{Anchors: tree.anchors})
		if err != nil || v.Verdict != dnsq.Bogus {
			t.Errorf("%s: %+v, %v; want bogus", tt.what, v, err)
		}
	}
}

// reply makes a change that puts the sections of another reply in place.
func (tree *testTree) reply(t *testing.T, name string, qtype uint16) func(*dns.Msg) {
	other, err := tree.fetch(t)(context.Background(), name, qtype)
	if err != nil {
		t.Fatal(err)
	}
	return func(m *dns.Msg) {
		c := other.Copy()
		m.Rcode, m.Answer, m.Ns = c.Rcode, c.Answer, c.Ns
	}
}
