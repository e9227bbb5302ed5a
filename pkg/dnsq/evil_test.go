package dnsq_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/dnstest"
	"github.com/brio-net/brio/pkg/dnsq"
)

// TestAdversary asks a server that misbehaves. Every case ends in time, with the
// honest answer, or an error of the right kind, and never with a forged address.
func TestAdversary(t *testing.T) {
	kinds := map[dnstest.Outcome][]error{
		dnstest.Answered: {nil}, dnstest.NotFound: {dnsq.ErrNotFound}, dnstest.Failure: {dnsq.ErrServerFailure},
		dnstest.Invalid: {dnsq.ErrInvalidReply}, dnstest.NoReply: {dnsq.ErrNoReply}, dnstest.Broken: {dnsq.ErrTruncated, io.ErrUnexpectedEOF},
	}
	cases := dnstest.Behaviours()
	for _, tt := range cases {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			srv := server(t, tt.Server.Start(t))
			wrong := ""
			for _, wait := range []time.Duration{200 * time.Millisecond, 5 * time.Second} { // a busy machine needs the longer one
				if wrong = meetAdversary(t, srv, wait, tt.Want == dnstest.Answered, kinds[tt.Want]); wrong == "" {
					return
				}
			}
			t.Errorf("%s; want %s", wrong, tt.Want)
		})
	}
	if len(cases) < 36 {
		t.Errorf("only %d behaviours", len(cases))
	}
}

// meetAdversary asks srv and says what is wrong with what comes of it, or "".
func meetAdversary(t *testing.T, srv dnsq.Server, wait time.Duration, answered bool, kinds []error) string {
	r, err := dnsq.NewResolver(dnsq.Config{Nameservers: []dnsq.Server{srv}, Domain: "x", NoHosts: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	start := time.Now()
	a, err := r.Query(t.Context(), "www.example", dnsq.Options{Repeat: 2, Timeout: wait})
	took, shown := time.Since(start), ""
	if err == nil {
		shown, err = show(a), a.Err()
	}
	switch {
	case strings.Contains(shown, dnstest.ForgedAddr) && err == nil:
		t.Errorf("the forged answer was believed: %s", shown)
	case took > 3*wait+5*time.Second:
		return fmt.Sprintf("it took %v", took)
	case !slices.ContainsFunc(kinds, func(want error) bool { return errors.Is(err, want) }):
		return fmt.Sprintf("error %v", err)
	case answered && shown != "192.0.2.1 []":
		return "answer " + shown
	}
	return ""
}

// TestAdversaryBulk has bulk look-ups ask the same servers. It goes on after a
// flood: it may find the honest answer where one question alone gives up.
func TestAdversaryBulk(t *testing.T) {
	for _, tt := range dnstest.Behaviours() {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			cfg := dnsq.BulkConfig{Servers: []dnsq.Server{server(t, tt.Server.Start(t))}, Tries: 2, Timeout: 200 * time.Millisecond}
			got, _, err := runBulk(t, "www.example\n", cfg)
			if err != nil || len(got) != 1 {
				t.Fatalf("%d results, %v", len(got), err)
			}
			if strings.Contains(got[0].short, dnstest.ForgedAddr) {
				t.Errorf("the forged answer was believed: %+v", got[0])
			}
			if tt.Want == dnstest.Answered && got[0].short != dnstest.HonestAddr+"\n" {
				t.Errorf("got %+v; want the honest answer", got[0])
			}
			if tt.Want == dnstest.Broken && got[0].err == nil {
				t.Errorf("got %+v; want an error", got[0])
			}
		})
	}
}

// TestAdversaryMemory asks a server whose replies are as large as can be. Taking
// one apart must not cost more than a small multiple of what its names can hold.
func TestAdversaryMemory(t *testing.T) {
	q := dnsq.NewQuery("www.example.", dns.TypeNS, dnsq.Header{})
	b := dnstest.Bomb(q)
	m, err := dnsq.CheckReply(q, b)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resp := dnsq.NewResponse(m, dnsq.Server{Host: "127.0.0.1"}, dnsq.Timing{})
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("%d records took %d MiB", len(resp.Answers), used>>20)
	}
}
