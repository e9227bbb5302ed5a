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

// No secret of any command is in the environment of a child that has a
// connection; nor is what a service manager told brio.
func TestChildSeesNoSecrets(t *testing.T) {
	e, _, _ := testEnv()
	secrets := 0
	for section, flags := range flagsBySection(e.wholeTree()) {
		for name, f := range flags {
			variable := "BRIO_" + strings.ToUpper(strings.ReplaceAll(section+"-"+name, "-", "_")) + "=x"
			if isSecret(f) {
				secrets++
			}
			if isOwnVariable(variable) != isSecret(f) {
				t.Errorf("%s is kept from children: %v", variable, !isSecret(f))
			}
		}
	}
	if secrets < 8 {
		t.Errorf("only %d flags are secrets", secrets)
	}
	for _, name := range []string{"BRIO_PASSWORD", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"} {
		t.Setenv(name, "x")
	}
	t.Setenv("BRIO_PASSWORD_FILE", "x")
	environ := strings.Join(connEnviron([]string{"BRIO_PROTO=tcp"}), "\n") + "\n"
	for _, gone := range []string{"BRIO_PASSWORD=", "NOTIFY_SOCKET=", "LISTEN_"} {
		if strings.Contains(environ, gone) {
			t.Errorf("a child gets %s", gone)
		}
	}
	for _, there := range []string{"BRIO_PASSWORD_FILE=x\n", "BRIO_PROTO=tcp\n", "PATH="} {
		if !strings.Contains(environ, there) {
			t.Errorf("a child does not get %s", there)
		}
	}
}
