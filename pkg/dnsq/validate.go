package dnsq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A Verdict is the outcome of a validation (RFC 4033 section 5).
type Verdict string

// The verdicts.
const (
	Secure        Verdict = "secure"        // signed, and the chain to a trust anchor holds
	Insecure      Verdict = "insecure"      // provably not signed, or only in ways not understood
	Bogus         Verdict = "bogus"         // should be signed, but the chain does not hold
	Indeterminate Verdict = "indeterminate" // not to be found out: no trust anchor, or no answer
)

var (
	// ErrBogus is wrapped by the errors of validations that end with [Bogus].
	ErrBogus = errors.New("DNSSEC bogus")

	// ErrIndeterminate is wrapped by the errors of validations that end with
	// [Indeterminate].
	ErrIndeterminate = errors.New("DNSSEC indeterminate")

	// ErrInsecure is wrapped by the errors of [Validation.DemandSecure] about
	// validations that end with [Insecure].
	ErrInsecure = errors.New("DNSSEC insecure")

	// ErrNoAnchor is wrapped when there is no trust anchor at or above a name.
	ErrNoAnchor = errors.New("no trust anchor")
)

// A FetchFunc returns the reply to a question about DNSSEC data. The question
// must be asked with the flags DO and CD, so that the reply carries signatures
// and is not held back by a server that validates. See [NewFetch].
type FetchFunc func(ctx context.Context, name string, qtype uint16) (*dns.Msg, error)

// NewFetch makes a FetchFunc that asks servers in turn until one gives a reply
// with NOERROR or NXDOMAIN; when none does, the last reply or error counts. Of h
// the flags DO, CD and NoEDNS are set as needed.
func NewFetch(exchange ExchangeFunc, servers []Server, h Header) FetchFunc {
	h.DO, h.CD, h.NoEDNS = true, true, false
	return func(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
		var m *dns.Msg
		err := error(ErrNoServer)
		for _, srv := range servers {
			reply, _, failure := exchange(ctx, srv, NewQuery(name, qtype, h))
			if failure != nil {
				err = failure
				continue
			}
			if m = reply; m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError {
				return m, nil
			}
		}
		if m != nil {
			return m, nil
		}
		return nil, err
	}
}

// A ValidateConfig says how to validate. The zero value trusts the root keys
// built in and uses the system's clock.
//
// Signatures with RSA (SHA-1, SHA-256, SHA-512), ECDSA (P-256, P-384), Ed25519 and
// Ed448 are checked, digests with SHA-1, SHA-256 and SHA-384. A zone that is signed
// with others only counts as not signed (RFC 6840 section 5.2).
type ValidateConfig struct {
	// Anchors are the trust anchors, DS and DNSKEY records. Nil means [RootAnchors].
	Anchors []dns.RR

	// At is the time signatures must be valid. Zero means now.
	At time.Time

	// NoSHA1 treats signatures made with SHA-1 (algorithms 5 and 7) and SHA-1
	// digests as not understood. Without it they count, as RFC 8624 demands of
	// validators.
	NoSHA1 bool

	// MaxIterations is the most NSEC3 iterations that are followed; more make
	// the answer insecure (RFC 9276 section 3.2). Zero means 50.
	MaxIterations uint16
}

// Limits of the work one validation does, whatever the servers send. The first
// three are those of KeyTrap (CVE-2023-50387), the last of CVE-2023-50868.
const (
	maxSignatures    = 8   // considered for a set of records
	maxKeysPerTag    = 4   // tried for a signature
	maxBadSignatures = 16  // failed verifications in all
	maxFetches       = 256 // questions in all
	maxKeys          = 64  // of a zone
	maxDenials       = 16  // NSEC or NSEC3 records of a reply
	maxHashes        = 512 // NSEC3 names hashed in all
)

// A Link is one thing a validation has looked at.
type Link struct {
	Name      string  `json:"name"`
	Type      string  `json:"type"`
	Verdict   Verdict `json:"verdict"`
	Reason    string  `json:"reason"`              // why, in words; "" where there is nothing to say
	Zone      string  `json:"zone"`                // whose keys have signed; "" when none has
	Algorithm string  `json:"algorithm,omitempty"` // of the signature
	KeyTag    uint16  `json:"key_tag,omitempty"`   // of the key
	Inception string  `json:"inception,omitempty"` // RFC 3339
	Expires   string  `json:"expires,omitempty"`   // RFC 3339
}

// A Validation is the result of [Validate].
type Validation struct {
	Name          string    `json:"name"`
	Type          string    `json:"type"`
	Rcode         string    `json:"rcode"` // of the answer; "" when there was none
	Verdict       Verdict   `json:"verdict"`
	Reason        string    `json:"reason"`        // why not secure; "" when secure
	Failing       *Link     `json:"failing"`       // the link the verdict comes from, nil when secure
	EDE           *uint16   `json:"ede_code"`      // extended DNS error a resolver would give (RFC 8914), nil when none fits
	EDEName       string    `json:"ede_name"`      // its name
	Links         []Link    `json:"links"`         // from the trust anchor on, in the order looked at
	Answers       []RR      `json:"answers"`       // records of the answer that were asked for, with aliases; none when bogus
	Fetches       int       `json:"fetches"`       // questions asked
	Verifications int       `json:"verifications"` // signatures checked
	At            time.Time `json:"at"`            // the time signatures had to be valid
	err           error     // of the question that failed, for an indeterminate verdict
}

// Err is nil unless the verdict is bogus or indeterminate: then it wraps
// [ErrBogus] or [ErrIndeterminate], and the error of the fetch that failed.
func (v *Validation) Err() error {
	switch v.Verdict {
	case Bogus:
		return &verdictError{ErrBogus, v}
	case Indeterminate:
		return &verdictError{ErrIndeterminate, v}
	}
	return nil
}

// DemandSecure is nil only when the verdict is secure: for an insecure one it
// wraps [ErrInsecure], for the others it is Err.
func (v *Validation) DemandSecure() error {
	if v.Verdict == Insecure {
		return &verdictError{ErrInsecure, v}
	}
	return v.Err()
}

// A verdictError is the error of a validation.
type verdictError struct {
	kind error
	v    *Validation
}

func (e *verdictError) Error() string {
	return e.kind.Error() + ": " + e.v.Reason + about(e.v.Failing, e.v.Name)
}

// about says what failed when that is not the name asked for.
func about(l *Link, name string) string {
	if l == nil || strings.EqualFold(l.Name, name) || l.Name == "" {
		return ""
	}
	return " (" + l.Name + " " + l.Type + ")"
}

// Unwrap returns the kind and the error of the fetch that failed.
func (e *verdictError) Unwrap() []error {
	if e.v.err == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.v.err}
}

// A fault is why something is not secure.
type fault struct {
	verdict Verdict
	ede     int // code of RFC 8914, noEDE when none fits
	reason  string
	err     error
	name    string // what it is about, when known
	qtype   uint16
}

const noEDE = -1

func bogus(ede uint16, format string, args ...any) *fault {
	return &fault{verdict: Bogus, ede: int(ede), reason: fmt.Sprintf(format, args...)}
}

func insecure(ede int, format string, args ...any) *fault {
	return &fault{verdict: Insecure, ede: ede, reason: fmt.Sprintf(format, args...)}
}

func indeterminate(err error, format string, args ...any) *fault {
	return &fault{verdict: Indeterminate, ede: int(dns.ExtendedErrorCodeDNSSECIndeterminate), reason: fmt.Sprintf(format, args...), err: err}
}

// about says what f is about, unless that is known.
func (f *fault) about(name string, qtype uint16) *fault {
	if f != nil && f.name == "" {
		f.name, f.qtype = name, qtype
	}
	return f
}

// worse is the fault that decides of two: bogus before indeterminate before insecure.
func worse(a, b *fault) *fault {
	rank := func(f *fault) int {
		switch {
		case f == nil:
			return 0
		case f.verdict == Bogus:
			return 3
		case f.verdict == Indeterminate:
			return 2
		}
		return 1
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// validator is one run of [Validate].
type validator struct {
	ctx   context.Context
	cfg   ValidateConfig
	ask   FetchFunc
	out   *Validation
	zones map[string]*signedZone // what is known of a zone cut, by name; nil where there is none
	cuts  map[string]cut
	bad   int // verifications that failed
	hash  int // NSEC3 names hashed
}

// Validate asks for the records of type qtype at name and builds the chain of
// trust from the closest trust anchor above to the answer, or to the proof that
// there is none. It follows aliases. All that goes wrong is part of the result;
// the work is bounded whatever the replies hold. The error is about the name, or
// the end of ctx.
func Validate(ctx context.Context, name string, qtype uint16, fetch FetchFunc, cfg ValidateConfig) (*Validation, error) {
	name, err := AbsoluteName(name)
	if err != nil {
		return nil, err
	}
	if cfg.Anchors == nil {
		cfg.Anchors = RootAnchors()
	}
	if cfg.At.IsZero() {
		cfg.At = time.Now()
	}
	if cfg.MaxIterations == 0 {
		cfg.MaxIterations = 50
	}
	v := &validator{ctx: ctx, cfg: cfg, ask: fetch, zones: map[string]*signedZone{}, cuts: map[string]cut{}}
	v.out = &Validation{Name: name, Type: TypeName(qtype), Links: []Link{}, Answers: []RR{}, At: cfg.At.UTC()}
	f := v.answer(dns.CanonicalName(name), qtype)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("validate %s %s: %w", name, TypeName(qtype), context.Cause(ctx))
	}
	v.conclude(f)
	return v.out, nil
}

// conclude writes the verdict down.
func (v *validator) conclude(f *fault) {
	v.out.Verdict = Secure
	if f == nil {
		return
	}
	v.out.Verdict, v.out.Reason, v.out.err = f.verdict, f.reason, f.err
	if f.verdict == Bogus {
		v.out.Answers = []RR{}
	}
	v.out.Failing = v.failing(f)
	if f.ede != noEDE {
		code := uint16(f.ede)
		v.out.EDE, v.out.EDEName = &code, dns.ExtendedErrorCodeToString[code]
	}
}

// failing is the link that f comes from: the first that tells of it, since a
// fault is handed down the chain.
func (v *validator) failing(f *fault) *Link {
	for i, l := range v.out.Links {
		if l.Verdict == f.verdict && l.Reason == f.reason {
			return &v.out.Links[i]
		}
	}
	v.out.Links = append(v.out.Links, Link{Name: f.name, Type: TypeName(f.qtype), Verdict: f.verdict, Reason: f.reason})
	return &v.out.Links[len(v.out.Links)-1]
}

// fetch asks for records, a bounded number of times.
func (v *validator) fetch(name string, qtype uint16) (*dns.Msg, *fault) {
	if v.out.Fetches++; v.out.Fetches > maxFetches {
		return nil, indeterminate(nil, "more than %d questions would be needed", maxFetches).about(name, qtype)
	}
	m, err := v.ask(v.ctx, name, qtype)
	if err != nil {
		return nil, indeterminate(err, "cannot get %s %s: %s", name, TypeName(qtype), err).about(name, qtype)
	}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		err := &ReplyError{Name: name, Type: TypeName(qtype), Rcode: RcodeName(m.Rcode), EDE: extendedErrors(m)}
		return nil, indeterminate(err, "cannot get %s %s: %s", name, TypeName(qtype), err).about(name, qtype)
	}
	return m, nil
}

// answer validates all that leads to the records of type qtype at name.
func (v *validator) answer(name string, qtype uint16) *fault {
	if qtype == dns.TypeRRSIG {
		return indeterminate(nil, "signatures are not signed themselves").about(name, qtype)
	}
	m, f := v.fetch(name, qtype)
	if f != nil {
		return f
	}
	var all *fault
	v.out.Rcode = RcodeName(m.Rcode)
	for range maxAliases {
		next, done, f := v.step(m, name, qtype)
		if all = worse(all, f); done {
			return all
		}
		if len(recordsAt(m.Answer, next, dns.TypeANY, dns.ClassINET)) == 0 && !endsHere(m) {
			if m, f = v.fetch(next, qtype); f != nil {
				return worse(all, f)
			}
			v.out.Rcode = RcodeName(m.Rcode)
		}
		name = next
	}
	return worse(all, bogus(dns.ExtendedErrorCodeOther, "more than %d aliases", maxAliases).about(name, qtype))
}

// endsHere reports whether m says by itself that the last alias leads nowhere.
func endsHere(m *dns.Msg) bool {
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			return true
		}
	}
	return false
}

// step validates what m says about name: records asked for, an alias to follow,
// or that there is nothing.
func (v *validator) step(m *dns.Msg, name string, qtype uint16) (next string, done bool, f *fault) {
	sets := v.setsAt(m.Answer, name, qtype)
	if len(sets) > 0 {
		for _, set := range sets {
			f = worse(f, v.positive(m, set))
		}
		if m.Rcode == dns.RcodeNameError { // which nothing signs
			f = worse(f, bogus(dns.ExtendedErrorCodeDNSBogus, "the reply says NXDOMAIN and has the records").about(name, qtype))
		}
		return "", true, f
	}
	if dname := dnameAbove(m.Answer, name); dname != nil {
		f = v.positive(m, recordsAt(m.Answer, dname.Hdr.Name, dns.TypeDNAME, dns.ClassINET))
		return substitute(name, dname), false, f
	}
	if alias := aliasAt(m.Answer, name, dns.ClassINET); alias != nil {
		f = v.positive(m, []dns.RR{alias})
		return dns.CanonicalName(alias.Target), false, f
	}
	return "", true, v.denied(m, name, qtype)
}

// setsAt are the sets of records at name that were asked for.
func (v *validator) setsAt(section []dns.RR, name string, qtype uint16) [][]dns.RR {
	if qtype != dns.TypeANY {
		if rrs := recordsAt(section, name, qtype, dns.ClassINET); len(rrs) > 0 {
			return [][]dns.RR{rrs}
		}
		return nil
	}
	var sets [][]dns.RR
	seen := map[uint16]bool{dns.TypeRRSIG: true}
	for _, rr := range recordsAt(section, name, dns.TypeANY, dns.ClassINET) {
		if t := rr.Header().Rrtype; !seen[t] {
			seen[t] = true
			sets = append(sets, recordsAt(section, name, t, dns.ClassINET))
		}
	}
	return sets
}

// dnameAbove is the DNAME record in section that redirects name, nil when there is none.
func dnameAbove(section []dns.RR, name string) *dns.DNAME {
	for _, rr := range section {
		if d, ok := rr.(*dns.DNAME); ok && d.Hdr.Class == dns.ClassINET && strictlyBelow(name, d.Hdr.Name) {
			return d
		}
	}
	return nil
}

// substitute is name with the owner of d replaced by its target (RFC 6672 section 2.2).
func substitute(name string, d *dns.DNAME) string {
	kept := dns.CountLabel(name) - dns.CountLabel(d.Hdr.Name)
	labels := dns.SplitDomainName(name)[:kept]
	target := dns.CanonicalName(d.Target)
	for i := len(labels) - 1; i >= 0; i-- {
		if target == "." {
			target = ""
		}
		target = labels[i] + "." + target
	}
	return target
}

// strictlyBelow reports whether name is below ancestor and not the same.
func strictlyBelow(name, ancestor string) bool {
	return dns.IsSubDomain(ancestor, name) && dns.CountLabel(name) > dns.CountLabel(ancestor)
}

// positive validates a set of records in the answer of m and keeps it for the result.
func (v *validator) positive(m *dns.Msg, set []dns.RR) *fault {
	v.out.Answers = append(v.out.Answers, NewRRs(set)...)
	proof, f := v.verifySet(set, signaturesOf(m.Answer, set[0]))
	if f != nil || !proof.wildcard() {
		return f
	}
	return v.expanded(m, proof).about(proof.owner, set[0].Header().Rrtype)
}
