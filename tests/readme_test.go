package tests

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadme checks that every command and flag that README.md shows exists.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`\bbrio((?: [a-z][a-z0-9-]*)+)([^|;&#]*)`)
	flag := regexp.MustCompile(`(?:^| )(--?[a-zA-Z][a-z0-9-]*)`)
	quoted := regexp.MustCompile(`'[^']*'`) // the words of other programs
	help := map[string]string{}
	checked := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "    ") {
			continue
		}
		for _, m := range call.FindAllStringSubmatch(quoted.ReplaceAllString(line, "''"), -1) {
			words := strings.Fields(m[1])
			if !slices.Contains([]string{"connect", "listen", "dgram", "ipaddr", "dns-query", "tls-client", "tls-server", "cert-info",
				"ftp-get", "ftp-put", "ftp-ls", "ftp-transfer", "config", "version", "help"}, words[0]) {
				t.Errorf("README shows the unknown command %q in: %s", words[0], line)
				continue
			}
			name := words[0]
			if name == "dgram" || name == "config" {
				name += " " + words[1]
			}
			if help[name] == "" {
				help[name] = helpOf(t, name)
			}
			for _, f := range flag.FindAllStringSubmatch(m[2], -1) {
				checked++
				if !regexp.MustCompile(`(?m)(^|[ ,])` + regexp.QuoteMeta(f[1]) + `([ ,]|$)`).MatchString(help[name]) {
					t.Errorf("README shows %s of brio %s, which its help does not know: %s", f[1], name, line)
				}
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d flags were found in README.md; the search is broken", checked)
	}
}

// helpOf is brio COMMAND --help.
func helpOf(t *testing.T, name string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, append(strings.Fields(name), "--help")...)
	c.Args[0] = "brio" // the test binary is brio under that name
	out, err := c.Output()
	if err != nil {
		t.Fatalf("brio %s --help: %v", name, err)
	}
	return string(out)
}
