package cmd

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const annotExits = "brio_exits"

// A statusLine is one line of EXIT STATUS: an empty text is the table's.
type statusLine struct {
	status status
	text   string
}

// exits documents the statuses that c can end with, besides those that every
// command has: 0, 1, 2, 5, 12.
func exits(c *cobra.Command, lines ...statusLine) *cobra.Command {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strconv.Itoa(int(l.status)) + " " + l.text + "\n") // before fmt is needed
	}
	setAnnotation(c, annotExits, b.String())
	return c
}

// exitLines are the statuses of c in ascending order, with their texts.
func exitLines(c *cobra.Command) []statusLine {
	lines := []statusLine{{statusOK, ""}, {statusOther, ""}, {statusUsage, ""}}
	if c.Annotations[annotFormats] != "" {
		lines = append(lines, statusLine{statusTimeout, ""}, statusLine{statusLocalIO, ""})
	}
	for line := range strings.Lines(c.Annotations[annotExits]) {
		number, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			continue
		}
		lines = slices.DeleteFunc(lines, func(l statusLine) bool { return l.status == status(n) })
		lines = append(lines, statusLine{status(n), text})
	}
	for i := range lines {
		if lines[i].text == "" {
			lines[i].text = lines[i].status.explained()
		}
	}
	slices.SortFunc(lines, func(a, b statusLine) int { return int(a.status) - int(b.status) })
	return lines
}

// writeHelp is the help of c: one screen for -h, everything for --help.
func writeHelp(e *env, c *cobra.Command) error {
	full := slices.Contains(e.args, "--help") || len(e.args) > 0 && e.args[0] == "help"
	h := &helpPage{p: e.paint(), width: e.width()}
	switch {
	case c.Parent() == nil:
		h.root(c, full)
	case full:
		h.full(c)
	default:
		h.short(c)
	}
	_, err := io.WriteString(e.out, h.b.String())
	return err
}

type helpPage struct {
	b     strings.Builder
	p     painter
	width int
	terse bool // one line a flag: what else there is to say, --help says
}

func (h *helpPage) title(c *cobra.Command) {
	lines := wrap(c.CommandPath()+" - "+c.Short, h.width)
	name, rest := c.CommandPath(), strings.TrimPrefix(lines[0], c.CommandPath())
	fmt.Fprintf(&h.b, "%s%s\n", h.p.bold(name), rest)
	for _, l := range lines[1:] {
		fmt.Fprintf(&h.b, "  %s\n", l)
	}
}

func (h *helpPage) head(s string) { fmt.Fprintf(&h.b, "\n%s\n", h.p.bold(s)) }

// usage shows the flags before a "--": behind it they are another command's.
func (h *helpPage) usage(c *cobra.Command) {
	h.head("Usage")
	own, other, _ := strings.Cut(c.Use, " [--")
	if c.HasParent() {
		own = c.Parent().CommandPath() + " " + own
	}
	if other != "" {
		other = " [--" + other
	}
	fmt.Fprintf(&h.b, "  %s [flags]%s\n", own, other)
}

// listed shows a name and its text, which may take several lines.
func (h *helpPage) listed(name, text string, column int) {
	left := "  " + name
	for _, line := range wrap(text, max(h.width-column, 20)) {
		fmt.Fprintf(&h.b, "%-*s %s\n", column-1, left, line)
		left = ""
	}
}

func (h *helpPage) examples(c *cobra.Command, most int) {
	if c.Example == "" {
		return
	}
	h.head("Examples")
	lines := strings.Split(c.Example, "\n")
	if most > 0 && len(lines) > most {
		lines = lines[:most]
	}
	for _, l := range lines {
		fmt.Fprintln(&h.b, l)
	}
}

// root is the page of brio itself: one line a group, or with full one a command.
func (h *helpPage) root(c *cobra.Command, full bool) {
	h.title(c)
	h.usage(c)
	h.examples(c, 0)
	if full {
		h.commandLines(c)
		h.flags("Flags of every command", c.PersistentFlags(), "")
	} else {
		h.b.WriteString("\n")
		h.groupLines(c)
	}
	h.head("More")
	rows := [][2]string{
		{"brio COMMAND -h", "one command on one screen; --help: everything"},
		{"brio help exit-codes", "what $? means; further topics: " + strings.Join(topicNames()[1:], ", ")},
		{"brio completion SHELL", "tab completion for bash, zsh, fish, powershell"},
	}
	for _, r := range rows {
		h.listed(r[0], r[1], 26)
	}
}

func (h *helpPage) groupLines(c *cobra.Command) {
	for _, g := range c.Groups() {
		var names []string
		for _, sub := range c.Commands() {
			if sub.GroupID == g.ID && !sub.Hidden {
				names = append(names, sub.Name())
			}
		}
		if len(names) > 0 {
			fmt.Fprintf(&h.b, "%s %s\n", h.p.bold(fmt.Sprintf("%-22s", g.Title)), strings.Join(names, " "))
		}
	}
}

func (h *helpPage) commandLines(c *cobra.Command) {
	for _, g := range c.Groups() {
		shown := false
		for _, sub := range c.Commands() {
			if sub.GroupID != g.ID || sub.Hidden {
				continue
			}
			if !shown {
				h.head(g.Title)
				shown = true
			}
			h.listed(sub.Name(), sub.Short, 16)
		}
	}
}

// screen is how many lines the short page of a command has at most, unless its
// flags alone need more: a terminal of 24 lines and the prompt.
const screen = 23

// short leaves out examples, of which it shows three at least, to fit the screen.
func (h *helpPage) short(c *cobra.Command) {
	top := &helpPage{p: h.p, width: h.width}
	top.title(c)
	top.usage(c)
	bottom := &helpPage{p: h.p, width: h.width, terse: true}
	bottom.subcommands(c)
	if groups := flagGroups(c); len(groups) > 0 {
		name := groupCommon
		if !slices.Contains(groups, groupCommon) {
			name = groups[0]
		}
		bottom.flags(name+" flags", c.Flags(), name)
	}
	path := c.CommandPath()
	more := fmt.Sprintf("All %d flags and the exit statuses: %s --help, man %s", countFlags(c), path, strings.ReplaceAll(path, " ", "-"))
	for i, l := range wrap(more, h.width) {
		fmt.Fprintf(&bottom.b, "%s%s\n", []string{"\n", "  "}[min(i, 1)], l)
	}
	used := strings.Count(top.b.String()+bottom.b.String(), "\n") + 2 // the heading of the examples
	h.b.WriteString(top.b.String())
	h.examples(c, max(3, screen-used))
	h.b.WriteString(bottom.b.String())
}

func (h *helpPage) full(c *cobra.Command) {
	h.title(c)
	if c.Long != "" {
		fmt.Fprintf(&h.b, "\n%s\n", strings.TrimSpace(c.Long))
	}
	h.usage(c)
	h.examples(c, 0)
	h.subcommands(c)
	for _, name := range flagGroups(c) {
		h.flags(name+" flags", c.Flags(), name)
	}
	h.flags("Flags of every command", c.InheritedFlags(), "")
	h.head("Exit status")
	for _, l := range exitLines(c) {
		fmt.Fprintf(&h.b, "  %-4d %s\n", l.status, l.text)
	}
	fmt.Fprintf(&h.b, "  %-4s %s\n", "128+n", "ended by signal n")
}

func (h *helpPage) subcommands(c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	h.head("Commands")
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			h.listed(sub.Name(), sub.Short, 16)
		}
	}
}

// flags lists the flags of one group, or all of f when group is "".
func (h *helpPage) flags(title string, f *pflag.FlagSet, group string) {
	var list []*pflag.Flag
	f.VisitAll(func(fl *pflag.Flag) {
		if !fl.Hidden && (group == "" || groupOf(fl) == group) {
			list = append(list, fl)
		}
	})
	if len(list) == 0 {
		return
	}
	h.head(title)
	for _, fl := range list {
		h.flag(fl)
	}
}

// flagColumn is where the texts of flags begin, but below their names on a
// terminal of less than narrow columns.
const (
	flagColumn = 30
	narrow     = 70
)

func (h *helpPage) flag(f *pflag.Flag) {
	value, text := flagUsage(f)
	left := "      --" + f.Name
	if f.Shorthand != "" {
		left = "  -" + f.Shorthand + ", --" + f.Name
	}
	if value != "" {
		left += " " + value
	}
	if h.terse && h.width >= narrow {
		fmt.Fprintf(&h.b, "%-*s %s\n", flagColumn-1, left, firstClause(text, h.width-max(flagColumn, len(left)+1)))
		return
	}
	if d := flagDefault(f); d != "" && !h.terse {
		text += " (default " + d + ")"
	}
	column := flagColumn
	if h.width < narrow {
		column = 10
	}
	if len(left) > column-2 {
		fmt.Fprintln(&h.b, left)
		left = ""
	}
	for _, line := range wrap(text, max(h.width-column, 20)) {
		fmt.Fprintf(&h.b, "%-*s%s\n", column, left, line)
		left = ""
	}
}

// firstClause is text when it fits into width columns, else as much of it as
// does, up to the end of a clause if that says enough.
func firstClause(text string, width int) string {
	if len(text) <= width {
		return text
	}
	most := 0
	for _, end := range []string{"; ", " (", ": ", ", "} {
		most = max(most, strings.LastIndex(text[:width], end))
	}
	if open := strings.LastIndex(text[:most], " ("); open > strings.LastIndex(text[:most], ")") {
		most = open // no half of a parenthesis
	}
	if most > 10 && !strings.HasPrefix(text, "with --") {
		return text[:most]
	}
	return wrap(text, max(width-4, 20))[0] + " ..."
}

// flagUsage is the value's name in capitals ("" of a boolean) and the text.
func flagUsage(f *pflag.Flag) (value, text string) {
	value, text = pflag.UnquoteUsage(f)
	if v, ok := f.Value.(*enumValue); ok && !strings.Contains(text, strings.Join(v.choices, ", ")) {
		text += "; one of " + strings.Join(v.choices, ", ")
	}
	switch f.Value.Type() {
	case "bool", "count":
		return "", text
	}
	if !strings.Contains(f.Usage, "`") || value == "" {
		value = strings.ToUpper(f.Value.Type())
	}
	return value, text
}

// flagDefault is the default as help shows it, "" for one that says nothing.
func flagDefault(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "[]", "none":
		return ""
	}
	if strings.HasSuffix(f.Value.Type(), "Slice") {
		return strings.Trim(f.DefValue, "[]")
	}
	return f.DefValue
}

// flagGroups are the headings of c's own flags, in the order of definition,
// with the common ones first.
func flagGroups(c *cobra.Command) []string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if c.InheritedFlags().Lookup(f.Name) != nil || f.Hidden {
			return
		}
		if g := groupOf(f); g != groupEvery && !slices.Contains(names, g) {
			names = append(names, g)
		}
	})
	if i := slices.Index(names, groupCommon); i > 0 {
		names = append([]string{groupCommon}, slices.Delete(names, i, i+1)...)
	}
	return names
}

func groupOf(f *pflag.Flag) string {
	if g := f.Annotations[annotGroup]; len(g) > 0 {
		return g[0]
	}
	return "Other"
}

func countFlags(c *cobra.Command) int {
	n := 0
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			n++
		}
	})
	return n
}

// wrap breaks text into lines of at most width columns.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
