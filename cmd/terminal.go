package cmd

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

func isTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

func (e *env) inIsTerminal() bool  { return isTerminal(e.stdin) }
func (e *env) outIsTerminal() bool { return isTerminal(e.stdout) }
func (e *env) errIsTerminal() bool { return isTerminal(e.stderr) }

// width is the number of columns for text on stdout.
func (e *env) width() int {
	if e.outIsTerminal() {
		if w, _, err := term.GetSize(int(e.stdout.Fd())); err == nil && w > 0 {
			return w
		}
	}
	if w, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && w > 20 {
		return w
	}
	return 80
}

// A painter colours text, or leaves it alone. Colour never carries meaning that
// the words do not.
type painter bool

func (p painter) wrap(code, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) bold(s string) string   { return p.wrap("1", s) }
func (p painter) dim(s string) string    { return p.wrap("2", s) }
func (p painter) red(s string) string    { return p.wrap("31", s) }
func (p painter) green(s string) string  { return p.wrap("32", s) }
func (p painter) yellow(s string) string { return p.wrap("33", s) }

// paint is the painter for stdout.
func (e *env) paint() painter { return painter(e.colours(e.stdout)) }

// colours applies --color, NO_COLOR, CLICOLOR_FORCE, FORCE_COLOR, CLICOLOR and
// TERM, in this order, and else asks whether f is a terminal.
func (e *env) colours(f *os.File) bool {
	force := os.Getenv("FORCE_COLOR")
	clicolor := os.Getenv("CLICOLOR_FORCE")
	switch {
	case e.color == "always":
		return true
	case e.color == "never", os.Getenv("NO_COLOR") != "":
		return false
	case clicolor != "" && clicolor != "0", force != "" && force != "0":
		return true
	case os.Getenv("TERM") == "dumb", os.Getenv("CLICOLOR") == "0":
		return false
	}
	return isTerminal(f)
}

// alignColumns prints rows of cells with every column as wide as its widest cell.
func alignColumns(w io.Writer, rows [][]string) error {
	var widths []int
	for _, r := range rows {
		for j, cell := range r {
			if j == len(widths) {
				widths = append(widths, 0)
			}
			widths[j] = max(widths[j], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		for j, cell := range r {
			if j == len(r)-1 {
				b.WriteString(cell)
				break
			}
			fmt.Fprintf(&b, "%s%*s", cell, widths[j]-utf8.RuneCountInString(cell)+2, "")
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
