package dnsq

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// ErrExpectation is wrapped by errors about answers that are not as expected.
var ErrExpectation = errors.New("expectation not met")

// An Expectation is what an answer should show.
type Expectation struct {
	Text   string         // as it was written
	Value  string         // data of a record; or "NXDOMAIN" or "NODATA"
	Regexp *regexp.Regexp // when not nil, matches data of a record, in place of Value
	Absent bool           // no record has it
}

// ParseExpectation reads an expectation: VALUE, /REGEXP/, or either with a ! before
// it when it should be absent. VALUE is compared as its type compares: an address
// in any spelling, a name with or without final dot and in any case, the strings
// of a TXT record joined. NXDOMAIN and NODATA stand for these replies.
func ParseExpectation(s string) (Expectation, error) {
	e := Expectation{Text: s}
	rest, absent := strings.CutPrefix(s, "!")
	e.Absent = absent
	if len(rest) > 1 && rest[0] == '/' && rest[len(rest)-1] == '/' {
		re, err := regexp.Compile(rest[1 : len(rest)-1])
		if err != nil {
			return e, fmt.Errorf("%w: %w", ErrUsage, err)
		}
		e.Regexp = re
		return e, nil
	}
	if rest == "" {
		return e, fmt.Errorf("%w: empty expectation", ErrUsage)
	}
	e.Value = rest
	return e, nil
}

// Met reports whether the reply r shows what is expected. Without a positive or
// negative answer (SERVFAIL and the like) nothing is met.
func (e Expectation) Met(r *Response) bool {
	if r == nil || r.Rcode != "NOERROR" && r.Rcode != "NXDOMAIN" {
		return false
	}
	return e.shownBy(r) != e.Absent
}

func (e Expectation) shownBy(r *Response) bool {
	var records []dns.RR
	if len(r.Question) == 1 && r.Rcode == "NOERROR" { // records beside NXDOMAIN are no answer
		records = answerChain(r.msg).records
	}
	if e.Regexp == nil {
		switch e.Value {
		case "NXDOMAIN":
			return r.Rcode == "NXDOMAIN"
		case "NODATA":
			return r.Rcode == "NOERROR" && len(records) == 0
		}
	}
	for _, rr := range records {
		if e.matches(NewRR(rr)) {
			return true
		}
	}
	return false
}

// matches compares with one record.
func (e Expectation) matches(rr RR) bool {
	for _, text := range spellings(rr) {
		if e.Regexp != nil && e.Regexp.MatchString(text) || e.Regexp == nil && sameData(rr.TypeCode, text, e.Value) {
			return true
		}
	}
	return false
}

// spellings are the forms of a record's data that people write.
func spellings(rr RR) []string {
	list := []string{rr.Data}
	switch raw := rr.rr.(type) {
	case *dns.TXT:
		var joined strings.Builder
		for _, s := range raw.Txt {
			joined.WriteString(Unescape(s))
		}
		list = append(list, joined.String())
	case *dns.CNAME, *dns.NS, *dns.PTR, *dns.MX, *dns.SRV, *dns.DNAME:
		list = append(list, strings.TrimSuffix(rr.Data, "."))
	}
	return list
}

// sameData compares data as records of type t compare.
func sameData(t uint16, data, value string) bool {
	switch t {
	case dns.TypeA, dns.TypeAAAA:
		a, errA := netip.ParseAddr(data)
		b, errB := netip.ParseAddr(value)
		return errA == nil && errB == nil && a == b
	case dns.TypeTXT:
		return data == value
	}
	return strings.EqualFold(strings.Join(strings.Fields(data), " "), strings.Join(strings.Fields(value), " "))
}

// An AwaitConfig says how [Await] asks.
type AwaitConfig struct {
	Servers  []Server // all of them must show what is expected
	Exchange ExchangeFunc
	Header   Header

	// Until is how long to go on asking. Zero means to ask once.
	Until time.Duration

	// Interval is the pause between rounds. Zero means one second, then half as
	// long again each time, up to 15 seconds.
	Interval time.Duration
}

// An AwaitServer is what a server showed in the last round.
type AwaitServer struct {
	ServerAnswer
	Met     bool     `json:"met"`
	Missing []string `json:"missing"` // expectations not met
}

// An AwaitResult is the outcome of [Await].
type AwaitResult struct {
	Name      string        `json:"name"`
	Type      string        `json:"type"`
	Expected  []string      `json:"expected"`
	Met       bool          `json:"met"` // by all servers in the last round
	Rounds    int           `json:"rounds"`
	ElapsedMS float64       `json:"elapsed_ms"`
	Servers   []AwaitServer `json:"servers"`
}

// Err is nil when the expectations are met, else it wraps [ErrExpectation].
func (r *AwaitResult) Err() error {
	if r.Met {
		return nil
	}
	short := 0
	for _, s := range r.Servers {
		if !s.Met {
			short++
		}
	}
	return fmt.Errorf("%w: not seen at %d of %d servers: %s", ErrExpectation, short, len(r.Servers), strings.Join(r.Expected, ", "))
}

// Await asks all servers of cfg, round after round, until each shows all that is
// expected in the same round, or the time is over: then the result says what is
// missing where, and Err of it is not nil. Each round is given to each, when that
// is not nil. The error of Await itself is about its arguments or the end of ctx.
func Await(ctx context.Context, name string, qtype uint16, want []Expectation, cfg AwaitConfig, each func(*AwaitResult)) (*AwaitResult, error) {
	name, err := AbsoluteName(name)
	if err != nil {
		return nil, err
	}
	if len(cfg.Servers) == 0 {
		return nil, ErrNoServer
	}
	r := &AwaitResult{Name: name, Type: TypeName(qtype), Expected: []string{}}
	for _, e := range want {
		r.Expected = append(r.Expected, e.Text)
	}
	start := time.Now()
	pause := cfg.Interval
	if pause <= 0 {
		pause = time.Second
	}
	for {
		r.round(askAll(ctx, name, qtype, cfg.Servers, cfg.Exchange, cfg.Header), want)
		r.ElapsedMS = milliseconds(time.Since(start))
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		if each != nil {
			each(r)
		}
		left := cfg.Until - time.Since(start)
		if r.Met || left <= 0 {
			return r, nil
		}
		select {
		case <-time.After(min(pause, left)):
		case <-ctx.Done():
			return r, context.Cause(ctx)
		}
		if cfg.Interval <= 0 {
			pause = min(pause*3/2, 15*time.Second)
		}
	}
}

// round judges the answers of a round.
func (r *AwaitResult) round(answers []ServerAnswer, want []Expectation) {
	r.Rounds++
	r.Met = true
	r.Servers = make([]AwaitServer, len(answers))
	for i, a := range answers {
		s := AwaitServer{ServerAnswer: a, Met: true, Missing: []string{}}
		for _, e := range want {
			if !e.Met(a.Response) {
				s.Met = false
				s.Missing = append(s.Missing, e.Text)
			}
		}
		r.Servers[i] = s
		r.Met = r.Met && s.Met
	}
}
