package cmd

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/brio-net/brio/pkg/tlsx"
)

// tlsStatistics are what many handshakes with one server came to.
type tlsStatistics struct {
	Target    string         `json:"target"`
	Attempts  int            `json:"attempts"`
	Succeeded int            `json:"succeeded"`
	Resumed   int            `json:"resumed"`
	Connect   *latency       `json:"connect"`
	Handshake *latency       `json:"handshake"`
	Failures  []*errorObject `json:"failures"`
}

// tlsRounds collects the outcomes of handshakes.
type tlsRounds struct {
	stats               tlsStatistics
	connects, handshake []float64
	group               string // of the last key agreement
	last                error
}

// round makes one connection and gives the session it brought.
func (r *tlsRounds) round(ctx context.Context, d *tlsDialer, o tlsx.Override, wantSession bool) *tlsx.Session {
	r.stats.Attempts++
	link, err := d.open(ctx, o)
	defer link.close()
	if err != nil {
		r.last = err
		r.stats.Failures = append(r.stats.Failures, errorObjectOf(err, statusOf(err)))
		return nil
	}
	info := link.conn.Info()
	r.stats.Succeeded++
	r.group = info.Group
	r.connects, r.handshake = append(r.connects, ms(link.connect)), append(r.handshake, ms(info.Handshake))
	if info.Resumed {
		r.stats.Resumed++
	}
	if !wantSession {
		return nil
	}
	wctx, cancel := context.WithTimeout(ctx, sessionWait)
	defer cancel()
	return link.conn.AwaitSession(wctx)
}

func (r *tlsRounds) emit(e *env) error {
	r.stats.Connect, r.stats.Handshake = newLatency(r.connects), newLatency(r.handshake)
	err := r.verdict()
	if werr := emitFailed(e, &r.stats, err, e.writeStatistics); werr != nil {
		return werr
	}
	return err
}

// verdict is the failure of the whole: that of all rounds, or that some failed.
func (r *tlsRounds) verdict() error {
	switch {
	case r.stats.Succeeded == 0 && r.last != nil:
		return r.last
	case r.last != nil:
		return failf(statusPartial, "partial", "%d of %d handshakes failed, the last one: %w", len(r.stats.Failures), r.stats.Attempts, r.last)
	}
	return nil
}

// reconnectTLS shakes hands n times without resuming. A server that has chosen a
// classical group is offered those only from then on: the post-quantum key that
// it ignores costs a client as much as the rest of the key agreement.
func reconnectTLS(ctx context.Context, e *env, d *tlsDialer, n int) error {
	r := tlsRounds{stats: tlsStatistics{Target: d.target.String(), Failures: []*errorObject{}}}
	var o tlsx.Override
	for i := 0; i < n && ctx.Err() == nil; i++ {
		r.round(ctx, d, o, false)
		if d.flags.tls.groups == "" && o.Groups == nil {
			o.Groups = classicalGroups(r.group)
		}
	}
	return r.emit(e)
}

// classicalGroups returns the groups without post-quantum cryptography when
// chosen is one of them, else nil.
func classicalGroups(chosen string) []tls.CurveID {
	all, err := tlsx.ParseGroups("X25519:P-256:P-384:P-521")
	if err != nil || !slices.ContainsFunc(all, func(g tls.CurveID) bool { return tlsx.GroupName(uint16(g)) == chosen }) {
		return nil
	}
	return all
}

// resumeTLS shakes hands once, then resumes that session n times. Each time the
// newest session is used, as TLS 1.3 wants it.
func resumeTLS(ctx context.Context, e *env, d *tlsDialer, n int) error {
	r := tlsRounds{stats: tlsStatistics{Target: d.target.String(), Failures: []*errorObject{}}}
	session := r.round(ctx, d, tlsx.Override{}, true)
	if session == nil {
		if r.last != nil {
			return r.emit(e)
		}
		return failf(statusExpectation, "no-session", "%s: the server issued no session to resume", d.target)
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		if next := r.round(ctx, d, tlsx.Override{Session: session}, true); next != nil {
			session = next
		}
	}
	if err := r.emit(e); err != nil {
		return err
	}
	if r.stats.Resumed < n {
		return failf(statusExpectation, "not-resumed", "%s: %d of %d connections were resumed", d.target, r.stats.Resumed, n)
	}
	return nil
}

func (e *env) writeStatistics(w io.Writer, s *tlsStatistics) error {
	if _, err := fmt.Fprintf(w, "%s: %s, %d failed, %d resumed\n", safe(s.Target), plural(s.Attempts, "handshake"), len(s.Failures), s.Resumed); err != nil || s.Connect == nil {
		return err
	}
	rows := [][]string{{"", "min", "median", "mean", "p99", "max"}}
	for name, l := range map[string]*latency{"connect": s.Connect, "handshake": s.Handshake} {
		rows = append(rows, []string{name, millis(l.Min), millis(l.Median), millis(l.Mean), millis(l.P99), millis(l.Max)})
	}
	slices.SortFunc(rows[1:], func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return e.table(w, rows)
}
