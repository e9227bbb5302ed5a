package cmd

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSplitWords(t *testing.T) {
	for in, want := range map[string][]string{
		"cat":                         {"cat"},
		"  grep -v  foo ":             {"grep", "-v", "foo"},
		`echo "two words" 'and $one'`: {"echo", "two words", "and $one"},
		`a\ b c""d ''`:                {"a b", "cd", ""},
		`say "\"hi\""`:                {"say", `"hi"`},
		"":                            nil,
	} {
		if got, err := splitWords(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("splitWords(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{`"open`, `'open`, `end\`} {
		if got, err := splitWords(in); err == nil {
			t.Errorf("splitWords(%q) = %q; want an error", in, got)
		}
	}
}

func TestChildStatus(t *testing.T) {
	for _, tt := range []struct {
		flags childFlags
		want  status
	}{
		{childFlags{exec: "sh -c 'exit 7'", execStatus: true}, 7},
		{childFlags{exec: "sh -c 'exit 7'"}, statusOK},
		{childFlags{shell: "kill -9 $$", execStatus: true}, 137},
		{childFlags{exec: "no-such-program-at-all"}, statusNoCommand},
		{childFlags{exec: "/"}, statusNoExec},
		{childFlags{exec: "a", shell: "b"}, statusUsage},
		{childFlags{exec: " "}, statusUsage},
	} {
		e, _, _ := testEnv()
		if got := statusOf(tt.flags.run(t.Context(), e, strings.NewReader(""), e.out, nil)); got != tt.want {
			t.Errorf("%+v ends with %d; want %d", tt.flags, got, tt.want)
		}
	}
}

func TestChildSeesEnvironAndEnds(t *testing.T) {
	e, out, _ := testEnv()
	c := childFlags{shell: "echo $BRIO_PROTO; cat"}
	if err := c.run(t.Context(), e, strings.NewReader("in"), e.out, []string{"BRIO_PROTO=tcp"}); err != nil || out.String() != "tcp\nin" {
		t.Errorf("the child wrote %q, %v", out, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	c = childFlags{exec: "sleep 60"}
	if err := c.run(ctx, e, nil, e.out, nil); statusOf(err) != statusTimeout || time.Since(began) > 5*time.Second {
		t.Errorf("a cancelled child ends with %v after %v", err, time.Since(began))
	}
}
