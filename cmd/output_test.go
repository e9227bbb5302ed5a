package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"plain é":            "plain é",
		"a\x1b[31mred":       `a\x1b[31mred`,
		"line\nforged":       `line\x0aforged`,
		"\x7f":               `\x7f`,
		"\u009b31m":          `\u{9b}31m`,
		"\u202eevil":         `\u{202e}evil`,
		"\xff\xfe":           `\xff\xfe`,
		"tab\tand\rreturn":   `tab\x09and\x0dreturn`,
		"\u2028\u2066\u200f": `\u{2028}\u{2066}\u{200f}`,
	} {
		if got := safe(in); got != want {
			t.Errorf("safe(%q) = %q; want %q", in, got, want)
		}
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("a\x1b[31m\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := safe(s)
		if !isSafe(got) {
			t.Errorf("safe(%q) = %q, which is not safe", s, got)
		}
		if safe(got) != got {
			t.Errorf("safe(%q) changes its own result", s)
		}
	})
}

type sample struct {
	Name  string   `json:"name"`
	Items []string `json:"items"`
	Inner struct {
		N int `json:"n"`
	} `json:"inner"`
}

// testEnv is an environment that writes to buffers.
func testEnv() (e *env, out, errs *bytes.Buffer) {
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	return &env{in: strings.NewReader(""), out: out, err: errs, format: "text", color: "never", progress: "never", started: true}, out, errs
}

func textOf(w io.Writer, s sample) error {
	_, err := io.WriteString(w, "text of "+s.Name)
	return err
}

func TestEmit(t *testing.T) {
	v := sample{Name: "it's <b>\u009b", Items: []string{"x", "y"}}
	for _, tt := range []struct {
		set  func(*env)
		want string
	}{
		{func(e *env) {}, "text of it's <b>\u009b"},
		{func(e *env) { e.format = "json" }, `{"name":"it's <b>\u009b","items":["x","y"],"inner":{"n":0}}` + "\n"},
		{func(e *env) { e.format = "sh" }, "BRIO_NAME='it'\\''s <b>\u009b'\nBRIO_ITEMS_COUNT='2'\nBRIO_ITEMS_0='x'\nBRIO_ITEMS_1='y'\nBRIO_INNER_N='0'\n"},
		{func(e *env) { e.format, e.get = "json", "items.-1" }, "y\n"},
		{func(e *env) { e.format, e.get = "json", "items" }, "x\ny\n"},
		{func(e *env) { e.format, e.get = "json", "name" }, `it's <b>\u{9b}` + "\n"},
		{func(e *env) { e.format, e.writeOut = "json", `%{inner.n}:%{items.0}:%{none}:%%{n}\n` }, "0:x::%{n}\n"},
	} {
		e, out, _ := testEnv()
		tt.set(e)
		if err := emit(e, v, textOf); err != nil || out.String() != tt.want {
			t.Errorf("emit with format %q get %q write-out %q = %q, %v; want %q", e.format, e.get, e.writeOut, out, err, tt.want)
		}
	}
}

// A result that failed is one JSON object with an error member.
func TestEmitFailed(t *testing.T) {
	e, out, _ := testEnv()
	e.format = "json"
	err := &failure{err: errors.New("no such thing"), status: statusNotFound, kind: "name-not-found", op: "look up", target: "x"}
	if err := emitFailed(e, sample{Name: "n"}, err, textOf); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Name  string
		Error struct {
			Kind, Op, Target, Message string
			Exit                      int
			Hints                     []string
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("emitFailed wrote %s: %v", out, err)
	}
	if got.Name != "n" || got.Error.Kind != "name-not-found" || got.Error.Exit != 3 || got.Error.Target != "x" || got.Error.Hints == nil {
		t.Errorf("emitFailed wrote %s", out)
	}
	empty, _ := json.Marshal(failedResult{struct{}{}, errorObjectOf(err, statusNotFound)})
	if !json.Valid(empty) {
		t.Errorf("an empty result with an error is %s", empty)
	}
}

// The failure is one line on stderr, hints follow, and JSON is there once.
func TestReport(t *testing.T) {
	e, out, errs := testEnv()
	e.format = "json"
	e.report(usagef("bad\x1bthing").hint("do %s", "this"), statusUsage)
	if got, want := errs.String(), "brio: bad\\x1bthing\nhint: do this\n"; got != want {
		t.Errorf("stderr = %q; want %q", got, want)
	}
	if !strings.HasPrefix(out.String(), `{"error":{"kind":"usage","message":"bad\u001bthing"`) {
		t.Errorf("stdout = %q", out)
	}
	e, out, errs = testEnv()
	e.emitted, e.format, e.quiet = 1, "json", 2
	e.report(usagef("x"), statusUsage)
	if out.Len() != 0 || errs.Len() != 0 {
		t.Errorf("after an item was printed and with -qq: stdout %q, stderr %q; want nothing", out, errs)
	}
}

// A failure that is wrapped to say whom it concerns keeps its hints.
func TestHintsOfWrapped(t *testing.T) {
	inner := usagef("no file").hint("take -r")
	got := hintsOf(at("ftp://h/", inner.hint("or ls")))
	if strings.Join(got, "|") != "take -r|or ls" {
		t.Errorf("hintsOf = %q", got)
	}
	if got := hintsOf(io.EOF); len(got) != 0 || got == nil {
		t.Errorf("hintsOf(io.EOF) = %#v; want an empty list", got)
	}
}
