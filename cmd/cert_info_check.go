package cmd

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// check tests the expectations of the command line.
func (s *certSession) check(r *certResult) {
	s.checkExpiry(r)
	if len(r.certs) == 0 && (s.wantsCertificate() || s.o.expiresWithin > 0 && len(r.Checks) == 0) {
		r.add("certificate", false, 0, "there is no certificate to check")
		return
	}
	if len(r.certs) > 0 {
		s.checkLeaf(r, r.certs[0])
	}
	for i, c := range r.certs {
		if s.o.minRSA > 0 && strings.HasPrefix(c.PublicKey.Type, "RSA") {
			r.add("min-rsa", c.PublicKey.Bits >= s.o.minRSA, i, fmt.Sprintf("RSA key of %d bits, want %d", c.PublicKey.Bits, s.o.minRSA))
		}
		if s.o.noDefects {
			text := "no defects"
			if len(c.Defects) > 0 {
				text = "defect: " + c.Defects[0].String()
			}
			r.add("no-defects", len(c.Defects) == 0, i, text)
		}
	}
}

func (r *certResult) add(name string, ok bool, index int, text string) {
	r.Checks = append(r.Checks, certCheck{Name: name, OK: ok, Index: index, Text: text})
}

func (s *certSession) wantsCertificate() bool {
	o := s.o
	return o.key != "" || o.expectIssuer != "" || o.expectSubject != "" || len(o.expectSAN) > 0 || o.expectKey != "" || o.expectPin != "" ||
		o.minRSA > 0 || o.noDefects || o.verdictWanted()
}

// checksOnly reports whether the run asks for a verdict, and for nothing to be
// shown in a form of its own.
func (s *certSession) checksOnly() bool {
	o := s.o
	return (s.wantsCertificate() || o.expiresWithin > 0) && !o.tree && !o.pem
}

// checkExpiry looks at every certificate and list: a chain lasts as long as its
// shortest link.
func (s *certSession) checkExpiry(r *certResult) {
	if s.o.expiresWithin <= 0 {
		return
	}
	limit := s.now.Add(s.o.expiresWithin)
	for i, x := range r.objects {
		var until time.Time
		name := ""
		switch {
		case x.Certificate != nil:
			until, name = x.Certificate.NotAfter.Time, x.Certificate.Subject.String()
		case x.CRL != nil:
			if until, name = x.CRL.NextUpdate.Time, "list of "+x.CRL.Issuer.String(); until.IsZero() {
				continue
			}
		default:
			continue
		}
		verb := "expires"
		if until.Before(s.now) {
			verb = "expired"
		}
		text := fmt.Sprintf("%s on %s (in %s): %s", verb, until.UTC().Format(time.DateOnly), daysText(s.daysLeft(until)), name)
		if verb == "expired" {
			text = fmt.Sprintf("expired on %s: %s", until.UTC().Format(time.DateOnly), name)
		}
		r.add("expires-within", until.After(limit), i, text)
	}
}

func daysText(days *int) string {
	if days == nil {
		return "unknown time"
	}
	return plural(*days, "day")
}

// wholeDays are the full days of d, rounded down: what has ended an hour ago has
// -1 days left.
func wholeDays(d time.Duration) int {
	const day = 24 * time.Hour
	days := int(d / day)
	if d%day < 0 {
		days--
	}
	return days
}

// leftText says how long something is still valid that has days left.
func leftText(days int) string {
	switch {
	case days >= 0:
		return plural(days, "day") + " left"
	case days == -1:
		return "expired less than a day ago"
	}
	return "expired " + plural(-days-1, "day") + " ago"
}

// checkLeaf tests what concerns the first certificate.
func (s *certSession) checkLeaf(r *certResult, c *tlsx.Certificate) {
	o := s.o
	if o.expectIssuer != "" {
		r.add("issuer", containsText(c.Issuer, o.expectIssuer), 0, fmt.Sprintf("issuer %s, want %q", c.Issuer, o.expectIssuer))
	}
	if o.expectSubject != "" {
		r.add("subject", containsText(c.Subject, o.expectSubject), 0, fmt.Sprintf("subject %s, want %q", c.Subject, o.expectSubject))
	}
	for _, name := range o.expectSAN {
		r.add("san", hasName(c, name, o.trust.opensslNames), 0, fmt.Sprintf("names %s, want %s", namesOf(c), name))
	}
	if o.expectKey != "" {
		r.add("key-type", keyIs(&c.PublicKey, o.expectKey), 0, fmt.Sprintf("key %s, want %s", c.PublicKey, o.expectKey))
	}
	if o.expectPin != "" {
		r.add("pin", c.Pin() == s.pin, 0, fmt.Sprintf("pin %s, want %s", c.Pin(), s.pin))
	}
	if s.key != nil {
		text := "the key belongs to the certificate"
		if !s.key.Matches(c) {
			text = fmt.Sprintf("the key (%s) does not belong to the certificate (%s)", s.key.PublicKey, c.PublicKey)
		}
		r.add("key", s.key.Matches(c), 0, text)
	}
}

func containsText(n tlsx.Name, want string) bool {
	return strings.Contains(strings.ToLower(n.String()), strings.ToLower(want))
}

// hasName reports whether a name is listed as it is, or covered by a wildcard.
func hasName(c *tlsx.Certificate, name string, lax bool) bool {
	for _, g := range c.SubjectAltNames() {
		if strings.EqualFold(g.Value, name) || strings.EqualFold(g.Type+":"+g.Value, name) {
			return true
		}
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return c.MatchesIP(ip)
	}
	if strings.Contains(name, "@") {
		return c.MatchesEmail(name)
	}
	return c.MatchesHostname(name, lax)
}

func namesOf(c *tlsx.Certificate) string {
	var list []string
	for _, g := range c.SubjectAltNames() {
		list = append(list, g.Type+":"+g.Value)
	}
	if len(list) == 0 {
		return "none"
	}
	const most = 8
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// keyIs compares a key with "rsa", "rsa-2048", "ec", "p-256", "ed25519" ....
func keyIs(k *tlsx.PublicKey, want string) bool {
	squash := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == ' ' || r == '-' || r == '_' {
				return -1
			}
			return r
		}, strings.ToLower(s))
	}
	switch squash(want) {
	case squash(k.Type), squash(k.String()), squash(fmt.Sprintf("%s%d", k.Type, k.Bits)):
		return true
	case "ecdsa":
		return k.Type == "EC"
	case "prime256v1", "secp256r1":
		return k.Curve == "P-256"
	case "secp384r1":
		return k.Curve == "P-384"
	case "secp521r1":
		return k.Curve == "P-521"
	}
	return k.Curve != "" && squash(want) == squash(k.Curve)
}
