package cmd

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// safe makes text from a peer fit for a terminal and for one line: control
// characters, DEL, C1, bidirectional overrides, line separators and bytes that
// are not UTF-8 are shown as escapes.
func safe(s string) string {
	if isSafe(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, isControl(r) && r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case isControl(r):
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

func isSafe(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || isControl(r) {
			return false
		}
	}
	return true
}

// isControl reports whether a terminal may act on r, or order text by it.
func isControl(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f:
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// escapeJSON writes the characters of isControl that encoding/json leaves alone
// as \u escapes. The document stays the same document.
func escapeJSON(doc []byte) []byte {
	if !bytes.ContainsFunc(doc, isControl) {
		return doc
	}
	var b bytes.Buffer
	for _, r := range string(doc) {
		if isControl(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// quoteShell quotes s for a POSIX shell.
func quoteShell(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
