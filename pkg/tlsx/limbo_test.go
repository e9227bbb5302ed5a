package tlsx_test

import (
	"encoding/json"
	"encoding/pem"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/tlsx"
)

// A limboCase is one of x509-limbo's own cases, with what openssl verify 3.0
// answered added.
type limboCase struct {
	ID            string      `json:"id"`
	Features      []string    `json:"features"`
	Kind          string      `json:"validation_kind"`
	Trusted       []string    `json:"trusted_certs"`
	Intermediates []string    `json:"untrusted_intermediates"`
	Peer          string      `json:"peer_certificate"`
	PeerName      *limboName  `json:"expected_peer_name"`
	PeerNames     []limboName `json:"expected_peer_names"`
	Time          *time.Time  `json:"validation_time"`
	MaxDepth      *int        `json:"max_chain_depth"`
	EKU           []string    `json:"extended_key_usage"`
	CRLs          []string    `json:"crls"`
	Expected      string      `json:"expected_result"`
	OpenSSL       struct {
		Default, Strict *struct {
			OK    bool              `json:"ok"`
			Code  tlsx.VerifyCode   `json:"code"`
			Depth *int              `json:"depth"`
			All   []tlsx.VerifyCode `json:"all"`
		}
	} `json:"openssl"`
}

type limboName struct{ Kind, Value string }

func limboCases(t *testing.T) []limboCase {
	t.Helper()
	out, err := exec.Command(need.Tool(t, "xz"), "-dc", need.TestData(t, "limbo-own.json.xz")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Testcases []limboCase }
	if err := json.Unmarshal(out, &file); err != nil {
		t.Fatal(err)
	}
	return file.Testcases
}

func (c *limboCase) options(t testing.TB) (*tlsx.Certificate, tlsx.VerifyOptions) {
	t.Helper()
	o := tlsx.VerifyOptions{Roots: &tlsx.Store{}, PartialChain: true, SecurityLevel: 2, OpenSSLNames: true}
	for _, p := range c.Trusted {
		if err := o.Roots.AddData([]byte(p)); err != nil {
			t.Fatalf("%s: root: %v", c.ID, err)
		}
	}
	for _, p := range c.Intermediates {
		o.Untrusted = append(o.Untrusted, parsePEM(t, p))
	}
	for _, p := range c.CRLs {
		b, _ := pem.Decode([]byte(p))
		l, err := tlsx.ParseCRL(b.Bytes)
		if err != nil {
			t.Fatalf("%s: CRL: %v", c.ID, err)
		}
		o.CRLs, o.CRLCheck = append(o.CRLs, l), tlsx.CRLAll
	}
	if c.Kind == "CLIENT" {
		o.Purpose = tlsx.PurposeClient
	}
	if o.NoCheckTime = c.Time == nil; !o.NoCheckTime {
		o.Time = *c.Time
	}
	if n := c.PeerName; n != nil {
		setPeer(t, &o, *n)
	}
	return parsePEM(t, c.Peer), o
}

func parsePEM(t testing.TB, text string) *tlsx.Certificate {
	t.Helper()
	b, _ := pem.Decode([]byte(text))
	c, err := tlsx.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func setPeer(t testing.TB, o *tlsx.VerifyOptions, n limboName) {
	t.Helper()
	switch n.Kind {
	case "DNS":
		o.Hostname = n.Value
	case "RFC822":
		o.Email = n.Value
	case "IP":
		ip, err := netip.ParseAddr(n.Value)
		if err != nil {
			t.Fatal(err)
		}
		o.IP = ip
	}
}

// TestLimboCodes compares codes with those of openssl verify.
func TestLimboCodes(t *testing.T) {
	for _, strict := range []bool{false, true} {
		total, same := 0, 0
		for _, c := range limboCases(t) {
			want := c.OpenSSL.Default
			if strict {
				want = c.OpenSSL.Strict
			}
			if want == nil {
				continue
			}
			leaf, o := c.options(t)
			o.Strict = strict
			o.MaxDepth = 100
			r := tlsx.VerifyCertificate(leaf, o)
			total++
			for _, code := range want.All {
				if !slices.ContainsFunc(r.Faults, func(f tlsx.Fault) bool { return f.Code == code }) {
					t.Errorf("strict %v: %s: fault %d is missing in %+v", strict, c.ID, code, r.Faults)
				}
			}
			if r.Code == want.Code && (r.OK || want.Depth == nil || r.Depth == *want.Depth) {
				same++
				continue
			}
			t.Logf("strict %v: %s: code %d depth %d %+v; openssl %d %v", strict, c.ID, r.Code, r.Depth, r.Faults, want.Code, want.All)
		}
		t.Logf("strict %v: %d of %d codes and depths are the same", strict, same, total)
		if same*100 < total*98 {
			t.Errorf("strict %v: %d of %d codes agree with OpenSSL; want 98 %%", strict, same, total)
		}
	}
}

// limboExceptions are the cases whose expected verdict is not ours, each with
// the reason.
func limboExceptions() map[string]string {
	return map[string]string{
		"cve::cve-2024-0567":                     "its root lacks what rfc5280::aki::cross-signed-root-missing-aki demands",
		"webpki::nc::nc-permits-dns-san-pattern": "its common name breaks BR 7.1.4.3, see webpki::cn::not-in-san",
		"webpki::san::exact-localhost-ip-san":    "its common name breaks BR 7.1.4.3",
		"webpki::san::leftmost-wildcard-san":     "its common name breaks BR 7.1.4.3",
	}
}

// TestLimboVerdicts compares verdicts with those the suite expects: its
// rfc5280 cases by that profile, the others by the web's.
func TestLimboVerdicts(t *testing.T) {
	exceptions := limboExceptions()
	for _, c := range limboCases(t) {
		leaf, o := c.options(t)
		o.OpenSSLNames = false
		o.Profile = tlsx.ProfileWebPKI
		if !strings.HasPrefix(c.ID, "webpki::") && !strings.HasPrefix(c.ID, "online::") {
			o.Profile = tlsx.ProfileRFC5280
		}
		if d := c.MaxDepth; d != nil {
			o.MaxDepth = max(*d, -1)
			if *d == 0 {
				o.MaxDepth = -1
			}
		}
		r := tlsx.VerifyCertificate(leaf, o)
		for _, n := range c.PeerNames {
			if n.Kind == "RFC822" && !leaf.MatchesEmail(n.Value) {
				r.OK = false
			}
		}
		_, except := exceptions[c.ID]
		if agree := r.OK == (c.Expected == "SUCCESS"); agree == except {
			t.Errorf("%s: OK %v, %+v; expected %s", c.ID, r.OK, r.Faults, c.Expected)
		}
	}
}
