package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/dnsq"
)

func (m *dnsModes) validateFlags(f *pflag.FlagSet) {
	f.BoolVar(&m.validate, "validate", false, "check the signatures from a trust anchor down, and say why an answer is bogus (status 13) or insecure")
	f.StringVar(&m.anchor, "anchor", "", "trust the DS and DNSKEY records in `FILE` in place of the root keys built in")
	f.StringVar(&m.validAt, "at", "", "validate as if it were `TIME` (RFC 3339, YYYY-MM-DD or seconds since 1970)")
	f.BoolVar(&m.requireSecure, "require-secure", false, "fail when the answer is only insecure: provably not signed (status 11)")
	f.BoolVar(&m.noSHA1, "no-sha1", false, "take signatures and digests made with SHA-1 for none")
}

// askValidate validates the answer to one question.
func (o *dnsOptions) askValidate(ctx context.Context, e *env, r *dnsq.Resolver, plan *dnsPlan, q dnsQuestion) error {
	cfg, err := o.validateConfig()
	if err != nil {
		return err
	}
	h, err := o.header(plan.class)
	if err != nil {
		return err
	}
	v, err := dnsq.Validate(ctx, q.name, q.qtype, dnsq.NewFetch(o.exchange, r.Servers(), h), cfg)
	if err != nil {
		err = modeFailed(q, err)
		return firstError(o.emitFailure(e, q, err), err)
	}
	if err = v.Err(); o.modes.requireSecure {
		err = v.DemandSecure()
	}
	if err == nil && (v.Rcode == "NXDOMAIN" || !hasType(v.Answers, v.Type)) {
		err = &dnsq.ReplyError{Name: v.Name, Type: v.Type, Rcode: v.Rcode}
	}
	if err != nil {
		err = validationFailed(q, v, err)
	}
	return firstError(emitFailed(e, v, err, pick(e, e.writeValidation, writeVerdict)), err)
}

// validationFailed adds what may be the cause when DNSSEC records are missing.
func validationFailed(q dnsQuestion, v *dnsq.Validation, err error) *failure {
	f := modeFailed(q, err)
	if errors.Is(err, dnsq.ErrNoReply) {
		f.hint("DNSSEC needs EDNS, which some servers drop: see whether it answers without --validate, or ask another one: @SERVER")
	}
	if v.EDEName == "RRSIGs Missing" || v.EDEName == "NSEC Missing" || v.EDEName == "DNSKEY Missing" {
		f.hint("a server that does not hand on DNSSEC records looks the same; ask another one: @SERVER")
	}
	return f
}

func hasType(rrs []dnsq.RR, qtype string) bool {
	for _, rr := range rrs {
		if rr.Type == qtype || qtype == "ANY" {
			return true
		}
	}
	return false
}

func (o *dnsOptions) validateConfig() (dnsq.ValidateConfig, error) {
	cfg := dnsq.ValidateConfig{NoSHA1: o.modes.noSHA1}
	var err error
	if o.modes.validAt != "" {
		if cfg.At, err = parseTime(o.modes.validAt); err != nil {
			return cfg, err
		}
	}
	if o.modes.anchor == "" {
		return cfg, nil
	}
	f, err := openFile(o.modes.anchor)
	if err != nil {
		return cfg, err
	}
	defer f.Close()
	if cfg.Anchors, err = dnsq.ParseAnchors(f); err != nil {
		return cfg, &failure{err: err, status: statusUsage, kind: "bad-anchor", target: o.modes.anchor}
	}
	return cfg, nil
}

// writeVerdict prints the verdict alone.
func writeVerdict(w io.Writer, v *dnsq.Validation) error {
	_, err := fmt.Fprintln(w, v.Verdict)
	return err
}

// writeValidation prints the verdict, the links of the chain, and the records
// unless they are bogus.
func (e *env) writeValidation(w io.Writer, v *dnsq.Validation) error {
	if _, err := fmt.Fprintf(w, ";; %s %s: %s\n", safe(v.Name), v.Type, v.Verdict); err != nil {
		return err
	}
	var rows [][]string
	for _, l := range v.Links {
		rows = append(rows, []string{";;", l.Name, l.Type, string(l.Verdict), linkDetail(l)})
	}
	if v.Verdict == dnsq.Secure || v.Verdict == dnsq.Insecure {
		for _, rr := range v.Answers {
			rows = append(rows, []string{rr.Name, fmt.Sprint(rr.TTL), rr.Type, rr.Data})
		}
	}
	return e.table(w, rows)
}

// linkDetail says who has signed, or why it does not count.
func linkDetail(l dnsq.Link) string {
	if l.Reason != "" {
		return l.Reason
	}
	return fmt.Sprintf("signed by %s key %d/%s until %s", l.Zone, l.KeyTag, l.Algorithm, l.Expires)
}

// dnsModeStatus is the status of an error of validation, comparison, expectation
// or transfer, 0 for any other.
func dnsModeStatus(err error) status {
	switch {
	case errors.Is(err, dnsq.ErrBogus), errors.Is(err, dnsq.ErrNoAnchor):
		return statusVerify
	case errors.Is(err, dnsq.ErrDisagree), errors.Is(err, dnsq.ErrExpectation), errors.Is(err, dnsq.ErrInsecure):
		return statusExpectation
	case errors.Is(err, dnsq.ErrIncomplete) && !errors.As(err, new(*timeoutError)):
		return statusBroken
	}
	return 0
}

// dnsModeKind is the identifier of such an error, "" for any other.
func dnsModeKind(err error) string {
	for _, k := range []struct {
		err  error
		kind string
	}{
		{dnsq.ErrBogus, "dnssec-bogus"},
		{dnsq.ErrIndeterminate, "dnssec-indeterminate"},
		{dnsq.ErrInsecure, "dnssec-insecure"},
		{dnsq.ErrDisagree, "servers-disagree"},
		{dnsq.ErrExpectation, "expectation"},
		{dnsq.ErrIncomplete, "transfer-incomplete"},
	} {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	return ""
}
