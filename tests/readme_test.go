package tests

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/brio-net/brio/cmd"
	"github.com/brio-net/brio/internal/docs"
)

// Every command line of the README names commands and flags that there are.
func TestReadmeNamesWhatThereIs(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	root := cmd.Doc()
	commands := map[string]cmd.CommandDoc{}
	for _, c := range docs.All(root) {
		commands[c.Path] = c
	}
	split := regexp.MustCompile(`\|\|?|&&?|;|\$\(`)
	n := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "    ") {
			continue
		}
		line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
		for _, part := range split.Split(line, -1) {
			words := strings.Fields(strings.Trim(part, " \"$)"))
			i := slices.Index(words, "brio")
			if i < 0 || len(words) < i+2 || strings.HasSuffix(words[i+1], ":") {
				continue // no command line, or what brio says
			}
			n++
			checkWords(t, root, commands, words[i:])
		}
	}
	if n < 20 {
		t.Errorf("only %d command lines found", n)
	}
}

// checkWords checks the command and the flags of one command line.
func checkWords(t *testing.T, root cmd.CommandDoc, commands map[string]cmd.CommandDoc, words []string) {
	t.Helper()
	c, ok := commands[words[0]+" "+words[1]]
	if !ok && words[1] == "dig" {
		return // shown as a mistake
	}
	if !ok {
		t.Errorf("%s: there is no such command", strings.Join(words, " "))
		return
	}
	if len(words) > 2 && commands[c.Path+" "+words[2]].Path != "" {
		c = commands[c.Path+" "+words[2]]
	}
	for _, w := range words[2:] {
		if w == "--" || strings.HasPrefix(w, "'") {
			return // what follows is another command's
		}
		name, _, _ := strings.Cut(w, "=")
		if strings.HasPrefix(name, "--") && !hasFlag(c, name) && !hasFlag(root, name) {
			t.Errorf("%s: there is no flag %s", strings.Join(words, " "), name)
		}
	}
}

func hasFlag(c cmd.CommandDoc, name string) bool {
	for _, g := range c.Flags {
		for _, f := range g.Flags {
			if "--"+f.Name == name {
				return true
			}
		}
	}
	return false
}
