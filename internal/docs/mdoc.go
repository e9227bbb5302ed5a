package docs

import (
	"fmt"
	"strings"
)

// A page is a man page that is being written, in the mdoc language.
type page struct{ b strings.Builder }

func (p *page) bytes() []byte { return []byte(p.b.String()) }

// raw writes lines of mdoc.
func (p *page) raw(lines ...string) {
	for _, l := range lines {
		p.b.WriteString(l + "\n")
	}
}

// macro writes a macro line with text as its one argument.
func (p *page) macro(name, text string) { p.raw("." + name + " " + argument(text)) }

func (p *page) section(title string) { p.raw(".Sh " + title) }

// argument quotes one argument of a macro, so that no word of it is taken for
// another macro.
func argument(s string) string {
	s = escape(s)
	if s == "" || strings.ContainsAny(s, " \t\"") {
		return `"` + strings.ReplaceAll(s, `"`, `\(dq`) + `"`
	}
	return `\&` + s
}

// text writes running text, one sentence a line where that is easy to see.
func (p *page) text(s string) {
	for _, line := range wrap(s, 78) {
		fmt.Fprintln(&p.b, guard(escape(line)))
	}
}

// prose writes text in paragraphs, which empty lines separate. A paragraph whose
// lines are indented stands as it is.
func (p *page) prose(s string) {
	if strings.TrimSpace(s) == "" {
		return
	}
	for i, block := range strings.Split(strings.Trim(s, "\n"), "\n\n") {
		head, literal := splitLiteral(strings.Trim(block, "\n"))
		if i > 0 && head != "" {
			p.raw(".Pp")
		}
		p.text(head)
		p.literal(literal)
	}
}

// splitLiteral cuts a block before its first indented line.
func splitLiteral(block string) (head string, literal []string) {
	lines := strings.Split(block, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "  ") {
			return strings.Join(lines[:i], " "), lines[i:]
		}
	}
	return strings.Join(lines, " "), nil
}

// literal writes lines that stand as they are.
func (p *page) literal(lines []string) {
	if len(lines) == 0 {
		return
	}
	p.b.WriteString(".Bd -literal -offset indent\n")
	for _, l := range lines {
		fmt.Fprintln(&p.b, guard(escape(strings.TrimPrefix(l, "  "))))
	}
	p.b.WriteString(".Ed\n")
}

// guard keeps a line of text from being read as a macro.
func guard(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, `'`) {
		return `\&` + line
	}
	return line
}

// escape writes characters that roff reads or prints in ways of its own, so that
// what is copied from a page can be pasted into a shell.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r > 0x7e:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// wrap breaks text into lines of at most width columns, and after sentences.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	flush := func() {
		if line != "" {
			lines = append(lines, line)
			line = ""
		}
	}
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += word
		if strings.HasSuffix(word, ".") && len(word) > 2 {
			flush()
		}
	}
	flush()
	return lines
}
