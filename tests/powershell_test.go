package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// No PowerShell is met here: its script is read by the rules of the language for
// quotes, comments and brackets, and what it asks brio for is asked for.
func TestPowerShellScriptReads(t *testing.T) {
	script, err := os.ReadFile("../completions/brio.ps1")
	if err != nil {
		t.Fatal(err)
	}
	if err := readPowerShell(string(script)); err != nil {
		t.Error(err)
	}
	if !strings.Contains(string(script), "Register-ArgumentCompleter -CommandName 'brio'") {
		t.Error("the script registers nothing for brio")
	}
	for _, wrong := range []string{"if (", "'open", `"open`, "{ ) }", "<# open", `"` + "`" + `"`} {
		if readPowerShell(wrong) == nil {
			t.Errorf("%s is read as if it were right", wrong)
		}
	}
}

// readPowerShell finds quotes and brackets that are not closed, or not in turn
// (about_Quoting_Rules, about_Comments). It takes what stands in double quotes
// as it is.
func readPowerShell(s string) error {
	closing := map[byte]byte{'(': ')', '{': '}', '[': ']'}
	var open []byte
	for i := 0; i < len(s); i++ {
		skip := 0 // to the last character of what begins here
		switch c := s[i]; {
		case c == '`':
			skip = 1
		case c == '#':
			skip = strings.IndexByte(s[i:], '\n')
		case strings.HasPrefix(s[i:], "<#"):
			skip = strings.Index(s[i:], "#>")
		case c == '\'' || c == '"':
			skip = endOfQuotes(s[i:])
		case closing[c] != 0:
			open = append(open, closing[c])
		case c == ')' || c == '}' || c == ']':
			if len(open) == 0 || open[len(open)-1] != c {
				return fmt.Errorf("line %d: unexpected %c", 1+strings.Count(s[:i], "\n"), c)
			}
			open = open[:len(open)-1]
		}
		if skip < 0 {
			return fmt.Errorf("line %d: what begins with %c does not end", 1+strings.Count(s[:i], "\n"), s[i])
		}
		i += skip
	}
	if len(open) > 0 {
		return fmt.Errorf("%q is missing at the end", open)
	}
	return nil
}

// endOfQuotes is the index of the quote that ends the string at the start of s,
// or -1: a doubled quote is one in the text, and in double quotes also one
// behind a grave accent.
func endOfQuotes(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '`' && s[0] == '"':
			i++
		case s[i] == s[0] && i+1 < len(s) && s[i+1] == s[0]:
			i++
		case s[i] == s[0]:
			return i
		}
	}
	return -1
}

// What the script asks for comes as it reads it: NAME, a tab, a description, and
// at the end a colon and a number.
func TestPowerShellRequests(t *testing.T) {
	brio := filepath.Join(brioDir(t), "brio")
	for line, want := range map[string]string{
		"":                               "dns-query",
		"ipaddr is loop":                 "loopback",
		"version --format ":              "json",
		"dns-query example.com HT":       "HTTPS",
		"tls-client --groups X25519":     "X25519MLKEM768",
		"connect --connect-timeout 3 --": "--probe",
		"cert-info --allow expired,un":   "expired,untrusted",
	} {
		out, err := exec.Command(brio, append([]string{"__complete"}, strings.Split(line, " ")...)...).Output()
		if err != nil {
			t.Errorf("%q: %v", line, err)
			continue
		}
		lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		last := lines[len(lines)-1]
		if _, err := strconv.Atoi(strings.TrimPrefix(last, ":")); err != nil || last[0] != ':' {
			t.Errorf("%q: the last line is %q", line, last)
		}
		found := false
		for _, l := range lines[:len(lines)-1] {
			name, text, _ := strings.Cut(l, "\t")
			found = found || name == want
			if name == "" || strings.Contains(text, "\t") {
				t.Errorf("%q: offered %q", line, l)
			}
		}
		if !found {
			t.Errorf("%q: %s is not offered: %q", line, want, lines)
		}
	}
}
