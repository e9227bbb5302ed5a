package cmd

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const annotFormats = "brio_formats"

// answers declares that c prints results with emit: it may be asked for JSON
// and sh, and for the further formats named.
func answers(c *cobra.Command, formats ...string) *cobra.Command {
	setAnnotation(c, annotFormats, strings.Join(append([]string{"text", "json", "sh"}, formats...), " "))
	return c
}

// pipesData declares that stdout of c carries a peer's bytes, which no format
// can change.
func pipesData(c *cobra.Command) *cobra.Command {
	setAnnotation(c, annotFormats, "text")
	return c
}

func setAnnotation(c *cobra.Command, key, value string) {
	if c.Annotations == nil {
		c.Annotations = map[string]string{}
	}
	c.Annotations[key] = value
}

// strongestFormat drops what a weaker source says about the form of results:
// --json on the command line is not at odds with "short: true" in the file.
func (e *env) strongestFormat() {
	settings := []struct {
		name  string
		given bool
		drop  func()
	}{
		{"format", e.formatGiven(), func() { e.format = "text" }},
		{"json", e.json, func() { e.json = false }},
		{"short", e.short, func() { e.short = false }},
		{"get", e.get != "", func() { e.get = "" }},
		{"write-out", e.writeOut != "", func() { e.writeOut = "" }},
	}
	strongest := fromDefaults
	for _, s := range settings {
		if s.given {
			strongest = min(strongest, e.origins[s.name].place)
		}
	}
	for _, s := range settings {
		if s.given && e.origins[s.name].place > strongest {
			s.drop()
			delete(e.origins, s.name)
		}
	}
}

func (e *env) formatGiven() bool {
	_, given := e.origins["format"]
	return given
}

// spellFormat makes --json and --short what they are short for.
func (e *env) spellFormat() error {
	if e.json && e.short {
		return usagef("--json and --short exclude each other")
	}
	for _, s := range []struct {
		given bool
		name  string
	}{{e.json, "json"}, {e.short, "short"}} {
		if s.given && e.formatGiven() && e.format != s.name {
			return usagef("--%s and --format %s exclude each other", s.name, e.format)
		}
		if s.given {
			e.format = s.name
		}
	}
	return nil
}

// picksFields reports whether parts of the JSON result are wanted, not all.
func (e *env) picksFields() bool { return e.get != "" || e.writeOut != "" }

// checkFormat refuses a --format that c does not have.
func (e *env) checkFormat(c *cobra.Command) error {
	formats := strings.Fields(c.Annotations[annotFormats])
	format := e.format
	switch {
	case e.get != "" && e.writeOut != "":
		return usagef("--get and --write-out exclude each other")
	case isPlainNumber(e.writeOut):
		return e.notWriteOut(c)
	case e.picksFields() && (format == "sh" || format == "short"):
		return usagef("--get and --write-out print fields of the JSON result: --format %s has no meaning with them", format)
	case e.picksFields():
		format = "json"
	}
	switch {
	case len(formats) == 0 || slices.Contains(formats, format):
		e.format = format
		return nil
	case len(formats) == 1:
		return e.textOnly("what happens is told with: --events json")
	case e.dropGeneralFormat():
		return nil
	}
	return usagef("there is no format %s here; choose one of: %s", format, strings.Join(formats, ", "))
}

// notWriteOut refuses -w 3, with which other tools set a time-out: a bare number
// has no field in it.
func (e *env) notWriteOut(c *cobra.Command) error {
	n, own := e.writeOut, "--timeout "+e.writeOut
	switch flags := c.Flags(); {
	case flags.Lookup("probe") != nil:
		own = "--connect-timeout " + n + ", and when nothing moves --idle-timeout " + n
	case flags.Lookup("idle-timeout") != nil:
		own = "--idle-timeout " + n
	}
	e.get, e.writeOut = "", "" // of the failure's object neither
	return usagef("--write-out %s: there is no %%{field} in it", n).hint("-w is --write-out; a time-out is: %s", own)
}

// textOnly refuses a format where stdout carries data. hint says how else what
// happens can be learnt.
func (e *env) textOnly(hint string) error {
	switch {
	case e.format == "text" && !e.picksFields(), e.dropGeneralFormat():
		return nil
	case !e.picksFields():
		return usagef("stdout carries the data here, and has no format %s", e.format).hint("%s", hint)
	}
	f := usagef("stdout carries the data here: there are no fields of a result for --get and --write-out")
	e.format, e.get, e.writeOut = "text", "", "" // of the failure's object neither
	return f.hint("%s", hint)
}

// dropGeneralFormat gives up a format that was set for all commands, in a
// variable or under defaults, and reports whether it was: it does not hold where
// it has no meaning.
func (e *env) dropGeneralFormat() bool {
	for _, name := range []string{"format", "json", "short", "get", "write-out"} {
		if o, given := e.origins[name]; given && !o.general() {
			return false
		}
	}
	e.format, e.get, e.writeOut = "text", "", ""
	return true
}
