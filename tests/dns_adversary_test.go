package tests

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/dnstest"
)

// TestDNSAdversary has brio ask servers that misbehave: the right status in
// time, one line about it, and never a forged address on stdout.
func TestDNSAdversary(t *testing.T) {
	status := map[dnstest.Outcome]int{
		dnstest.Answered: 0, dnstest.NotFound: 3, dnstest.Failure: 14, dnstest.Invalid: 15, dnstest.NoReply: 5, dnstest.Broken: 7,
	}
	for _, b := range dnstest.Behaviours() {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			addr := b.Server.Start(t)
			for _, format := range []string{"text", "json"} {
				out, msg, got := "", "", 0
				for _, wait := range []string{tryTimeout(b), "5"} {
					if out, msg, got = askAdversary(t, addr, wait, format); got == status[b.Want] {
						break // else the machine was busy perhaps: once more, with patience
					}
				}
				if want := status[b.Want]; got != want {
					t.Errorf("%s: status %d, want %d\n%s%s", format, got, want, out, msg)
				}
				if format != "json" && strings.Contains(out, dnstest.ForgedAddr) {
					t.Errorf("%s: a forged address was printed:\n%s", format, out)
				}
				if b.Want == dnstest.Answered && !strings.Contains(out, dnstest.HonestAddr) {
					t.Errorf("%s: no answer:\n%s", format, out)
				}
				if lines := strings.Count(msg, "\n"); (got == 0) != (lines == 0) {
					t.Errorf("%s: status %d with stderr %q", format, got, msg)
				}
			}
		})
	}
}

// askAdversary runs brio, which must end in time.
func askAdversary(t *testing.T, addr, wait, format string) (stdout, stderr string, status int) {
	t.Helper()
	c := exec.Command("brio", "dns-query", "@"+addr, "www.example", "--repeat", "2", "--try-timeout", wait, "--format", format)
	var out, msg bytes.Buffer
	c.Stdout, c.Stderr = &out, &msg
	start := time.Now()
	err := c.Run()
	if took := time.Since(start); took > patience {
		t.Errorf("took %v", took)
	}
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), msg.String(), c.ProcessState.ExitCode()
}

// tryTimeout is how long to wait for a server: the good answer of one comes in a
// moment even on a slow machine, and ends the wait.
func tryTimeout(b dnstest.Behaviour) string {
	switch b.Want {
	case dnstest.NoReply, dnstest.Invalid, dnstest.Broken:
		return "0.3"
	}
	return "5"
}

// TestDNSAdversaryModes has the modes that judge ask the same servers.
func TestDNSAdversaryModes(t *testing.T) {
	for _, b := range dnstest.Behaviours() {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			addr := b.Server.Start(t)
			for _, mode := range []struct {
				flags []string
				good  bool // status 0 can be right
				must  bool // and nothing else
			}{
				{[]string{"@" + addr, "--compare"}, true, b.Want == dnstest.Answered}, // the same server twice may well agree
				{[]string{"--expect", dnstest.HonestAddr}, b.Want == dnstest.Answered, b.Want == dnstest.Answered},
				{[]string{"--expect", dnstest.ForgedAddr}, false, false},
				{[]string{"--validate"}, false, false}, // it has no signatures
			} {
				args := append([]string{"dns-query", "@" + addr, "www.example", "--repeat", "2", "--try-timeout", tryTimeout(b)}, mode.flags...)
				start := time.Now()
				out, err := exec.Command("brio", args...).CombinedOutput()
				if took := time.Since(start); took > patience {
					t.Errorf("%q took %v", mode.flags, took)
				}
				exit := new(exec.ExitError)
				if err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 70) {
					t.Fatalf("%q: %v\n%s", mode.flags, err, out)
				}
				if err == nil && !mode.good {
					t.Errorf("%q: status 0\n%s", mode.flags, out)
				}
				if err != nil && mode.must {
					t.Errorf("%q: %v\n%s", mode.flags, err, out)
				}
			}
		})
	}
}
