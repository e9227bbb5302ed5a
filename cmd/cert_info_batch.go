package cmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// A batchCase is one case of --batch, with the members of x509-limbo's.
type batchCase struct {
	ID            string      `json:"id"`
	Trusted       []string    `json:"trusted_certs"`
	Intermediates []string    `json:"untrusted_intermediates"`
	Peer          string      `json:"peer_certificate"`
	PeerName      *batchName  `json:"expected_peer_name"`
	PeerNames     []batchName `json:"expected_peer_names"`
	Kind          string      `json:"validation_kind"`
	Time          *time.Time  `json:"validation_time"`
	MaxDepth      *int        `json:"max_chain_depth"`
	EKU           []string    `json:"extended_key_usage"`
	CRLs          []string    `json:"crls"`
	Expected      string      `json:"expected_result"`
}

type batchName struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// A batchResult is the verdict on one case.
type batchResult struct {
	ID     string          `json:"id"`
	OK     bool            `json:"ok"`
	Code   tlsx.VerifyCode `json:"code"`
	Name   string          `json:"name"`
	Text   string          `json:"text"`
	Depth  int             `json:"depth"`
	Faults []tlsx.Fault    `json:"faults"`
	// Expected is what the case expects, "" when it does not say; AsExpected
	// compares.
	Expected   string `json:"expected"`
	AsExpected bool   `json:"as_expected"`
}

// runBatch judges the cases of a file, in order, on all processors.
func (s *certSession) runBatch(ctx context.Context, name string) error {
	if !s.e.cmd.Flags().Changed("max-depth") {
		s.verify.MaxDepth = tlsx.DefaultMaxDepth // as openssl verify, on which suites are measured
	}
	r := s.e.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return readFailure(name, err)
		}
		defer f.Close()
		r = f
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan chan batchResult, 64)
	go func() { cancel(s.readCases(ctx, r, queue)) }()
	total, failed := 0, 0
	out := bufio.NewWriterSize(s.e.out, 64<<10)
	for slot := range queue {
		b := <-slot
		total++
		if !b.AsExpected {
			failed++
		}
		if err := s.printCase(out, b); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return &failure{err: err, target: name, status: statusOf(err)}
	}
	return s.batchVerdict(total, failed)
}

func (s *certSession) batchVerdict(total, failed int) error {
	s.e.note("%d cases, %d as expected", total, total-failed)
	switch {
	case total == 0:
		return usagef("there are no cases")
	case failed == total:
		return exitWith(statusVerify)
	case failed > 0:
		return exitWith(statusPartial)
	}
	return nil
}

// printCase prints one line: JSON, or id, code, depth and text.
func (s *certSession) printCase(w io.Writer, b batchResult) error {
	if s.e.format == "json" || s.e.format == "sh" {
		line, err := marshalLine(b)
		if err != nil {
			return err
		}
		s.e.emitted++
		_, err = w.Write(append(line, '\n'))
		return err
	}
	mark := "ok"
	if !b.AsExpected {
		mark = "not as expected"
	}
	_, err := fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", safe(b.ID), b.Code, b.Depth, b.Text, mark)
	return err
}

// readCases reads cases and starts a judge for each. The judges are bounded by
// the processors, the results wait in queue in order.
func (s *certSession) readCases(ctx context.Context, r io.Reader, queue chan<- chan batchResult) error {
	defer close(queue)
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	return eachCase(bufio.NewReaderSize(r, 1<<20), func(c *batchCase) error {
		slot := make(chan batchResult, 1)
		select {
		case queue <- slot:
		case <-ctx.Done():
			return nil
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			slot <- s.judgeCase(c)
		}()
		return nil
	})
}

// eachCase calls do for the cases of an object with a member "testcases", of an
// array, or of a sequence of objects. It holds one case at a time.
func eachCase(r *bufio.Reader, do func(*batchCase) error) error {
	head, _ := r.Peek(4096) // a shorter input is no error
	d := json.NewDecoder(r)
	head = bytes.TrimLeft(head, " \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte("[")):
		return eachElement(d, do)
	case bytes.HasPrefix(head, []byte("{")) && bytes.Contains(head, []byte(`"testcases"`)):
		return eachOfSuite(d, do)
	}
	for {
		c := &batchCase{}
		if err := d.Decode(c); err == io.EOF {
			return nil
		} else if err != nil {
			return notCases(err)
		}
		if err := do(c); err != nil {
			return err
		}
	}
}

func notCases(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return usagef("not JSON: %w", err)
	}
	return usagef("not a case: %w", err)
}

// eachElement reads an array of cases.
func eachElement(d *json.Decoder, do func(*batchCase) error) error {
	if t, err := d.Token(); err != nil {
		return notCases(err)
	} else if t != json.Delim('[') {
		return usagef("the cases are not an array")
	}
	for d.More() {
		c := &batchCase{}
		if err := d.Decode(c); err != nil {
			return notCases(err)
		}
		if err := do(c); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return notCases(err)
	}
	return nil
}

// eachOfSuite reads an object whose member "testcases" holds the cases.
func eachOfSuite(d *json.Decoder, do func(*batchCase) error) error {
	if _, err := d.Token(); err != nil {
		return notCases(err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return notCases(err)
		}
		if key == "testcases" {
			if err := eachElement(d, do); err != nil {
				return err
			}
			continue
		}
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return notCases(err)
		}
	}
	return nil
}

// judgeCase verifies one case with the options of the command line, as far as
// the case does not say otherwise.
func (s *certSession) judgeCase(c *batchCase) batchResult {
	b := batchResult{ID: c.ID, Expected: c.Expected, Faults: []tlsx.Fault{}}
	o, leaf, err := s.caseOptions(c)
	if err != nil {
		b.Code, b.Name, b.Text = tlsx.CodeUnspecified, tlsx.CodeUnspecified.Name(), err.Error()
	} else {
		r := tlsx.VerifyCertificate(leaf, o)
		r.Allow(s.allow...)
		b.OK, b.Code, b.Name, b.Text, b.Depth, b.Faults = r.OK, r.Code, r.Name, r.Text, r.Depth, r.Faults
	}
	b.AsExpected = b.OK == (c.Expected == "" || strings.EqualFold(c.Expected, "success"))
	return b
}

func (s *certSession) caseOptions(c *batchCase) (tlsx.VerifyOptions, *tlsx.Certificate, error) {
	o := s.verify
	o.Roots = &tlsx.Store{}
	for _, p := range c.Trusted {
		if err := o.Roots.AddData([]byte(p)); err != nil {
			return o, nil, fmt.Errorf("trusted certificate: %w", err)
		}
	}
	for _, p := range c.Intermediates {
		objects, err := tlsx.ReadObjects([]byte(p), nil)
		if err != nil {
			return o, nil, fmt.Errorf("intermediate certificate: %w", err)
		}
		o.Untrusted = append(o.Untrusted, certificatesOf(objects)...)
	}
	for _, p := range c.CRLs {
		objects, err := tlsx.ReadObjects([]byte(p), nil)
		if err != nil {
			return o, nil, fmt.Errorf("revocation list: %w", err)
		}
		for _, x := range objects {
			if x.CRL != nil {
				o.CRLs = append(o.CRLs, x.CRL)
			}
		}
		o.CRLCheck = tlsx.CRLAll
	}
	if err := c.setOptions(&o, s.o.trust.at != ""); err != nil {
		return o, nil, err
	}
	objects, err := tlsx.ReadObjects([]byte(c.Peer), nil)
	if err != nil {
		return o, nil, fmt.Errorf("peer certificate: %w", err)
	}
	certs := certificatesOf(objects)
	if len(certs) == 0 {
		return o, nil, errors.New("peer certificate: unreadable")
	}
	return o, certs[0], nil
}

// setOptions takes time, purpose, depth and names from the case. Without a
// time of its own or of the command line, dates do not count.
func (c *batchCase) setOptions(o *tlsx.VerifyOptions, hasTime bool) error {
	switch {
	case c.Time != nil:
		o.Time = *c.Time
	case !hasTime:
		o.NoCheckTime = true
	}
	if o.Purpose == "" && strings.EqualFold(c.Kind, "client") {
		o.Purpose = tlsx.PurposeClient
	}
	if c.MaxDepth != nil {
		o.MaxDepth = *c.MaxDepth
		if o.MaxDepth == 0 {
			o.MaxDepth = -1
		}
	}
	names := c.PeerNames
	if c.PeerName != nil {
		names = append([]batchName{*c.PeerName}, names...)
	}
	for _, n := range names {
		if err := n.set(o); err != nil {
			return err
		}
	}
	return nil
}

func (n batchName) set(o *tlsx.VerifyOptions) error {
	switch strings.ToUpper(n.Kind) {
	case "DNS":
		o.Hostname = n.Value
	case "RFC822":
		o.Email = n.Value
	case "IP":
		ip, err := netip.ParseAddr(n.Value)
		if err != nil {
			return fmt.Errorf("peer name: %w", err)
		}
		o.IP = ip
	default:
		return fmt.Errorf("peer name of the unknown kind %q", n.Kind)
	}
	return nil
}

// runRehash makes the links of a hashed directory.
func runRehash(e *env, dir string) error {
	r, err := tlsx.Rehash(dir)
	if err != nil {
		return readFailure(dir, err)
	}
	return emit(e, r, func(w io.Writer, r *tlsx.HashReport) error {
		var rows [][]string
		for _, l := range r.Links {
			rows = append(rows, []string{l.Name, l.Target})
		}
		for name, why := range r.Skipped {
			e.note("%s: skipped: %s", name, why)
		}
		return e.table(w, rows)
	})
}

// watch looks again and again, and shows what changed.
func (s *certSession) watch(ctx context.Context, targets []string) error {
	last := make(map[string]string, len(targets))
	for n := 1; ; n++ {
		var failed error
		for _, t := range targets {
			if s.o.trust.at == "" {
				s.now = time.Now()
			}
			r, err := s.look(ctx, t)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				failed = err
			}
			if state := watchState(&r, err); last[t] != state {
				s.e.note("%s: %s", t, changeText(last[t] == "", n))
				last[t] = state
				if err := s.show(&r, err, len(targets) > 1); err != nil {
					s.e.report(err, statusOf(err))
				}
			}
		}
		if n == s.o.count {
			return exitWith(statusOf(failed))
		}
		select {
		case <-time.After(s.o.watch):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func changeText(first bool, round int) string {
	if first {
		return "first look at " + time.Now().UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("changed at %s (look %d)", time.Now().UTC().Format(time.RFC3339), round)
}

// watchState is what must stay the same for nothing to have changed.
func watchState(r *certResult, err error) string {
	var b strings.Builder
	for _, c := range r.certs {
		sum := c.SHA256()
		fmt.Fprintf(&b, "%x ", sum)
	}
	if r.Verify != nil {
		for _, f := range r.Verify.Faults {
			fmt.Fprintf(&b, "%d@%d ", f.Code, f.Depth)
		}
	}
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%s=%t ", c.Name, c.OK)
	}
	if err != nil {
		b.WriteString(err.Error())
	}
	return b.String()
}
