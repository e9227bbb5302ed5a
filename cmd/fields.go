package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A node is a JSON value whose members keep their order.
type node struct {
	leaf  string // text of a string, number, true, false; "" of null
	keys  []string
	nodes []node // members or elements
	list  bool
}

// parseNode reads one JSON document that brio itself has written.
func parseNode(doc []byte) (node, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	return readNode(d)
}

func readNode(d *json.Decoder) (node, error) {
	t, err := d.Token()
	if err != nil {
		return node{}, err
	}
	switch t {
	case json.Delim('{'), json.Delim('['):
	case nil:
		return node{}, nil
	default:
		return node{leaf: fmt.Sprint(t)}, nil
	}
	n := node{list: t == json.Delim('[')}
	for d.More() {
		if !n.list {
			k, err := d.Token()
			if err != nil {
				return node{}, err
			}
			n.keys = append(n.keys, fmt.Sprint(k))
		}
		v, err := readNode(d)
		if err != nil {
			return node{}, err
		}
		n.nodes = append(n.nodes, v)
	}
	_, err = d.Token() // the closing bracket
	return n, err
}

// at follows a dotted path: member names, and indexes of lists.
func (n node) at(path string) (node, bool) {
	if path == "" || path == "." {
		return n, true
	}
	key, rest, _ := strings.Cut(strings.TrimPrefix(path, "."), ".")
	if n.list {
		i, err := strconv.Atoi(key)
		if err != nil || i >= len(n.nodes) || i < -len(n.nodes) {
			return node{}, false
		}
		if i < 0 {
			i += len(n.nodes)
		}
		return n.nodes[i].at(rest)
	}
	for i, k := range n.keys {
		if k == key {
			return n.nodes[i].at(rest)
		}
	}
	return node{}, false
}

// text is a leaf as it is, and the leaves below anything else, one a line.
func (n node) text() string {
	if n.nodes == nil {
		return n.leaf
	}
	lines := make([]string, len(n.nodes))
	for i, c := range n.nodes {
		lines[i] = c.text()
	}
	return strings.Join(lines, "\n")
}

// writeField prints what --get chose. A field that is not there is status 11:
// a script must not mistake it for an empty one.
func (e *env) writeField(doc []byte) error {
	root, err := parseNode(doc)
	if err != nil {
		return err
	}
	n, ok := root.at(e.get)
	if !ok {
		return noField(root, e.get)
	}
	if n.nodes == nil && n.list {
		return nil
	}
	return e.printLines(n.text())
}

// noField says what there is where the path ends to lead to something.
func noField(root node, path string) error {
	f := failf(statusExpectation, "no-such-field", "the result has no field %q", path)
	found, n := "", root
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "."), ".") {
		next, ok := n.at(part)
		if !ok || part == "" {
			break
		}
		found, n = strings.TrimPrefix(found+"."+part, "."), next
	}
	if found == "" {
		found = "the result"
	}
	switch {
	case n.list && len(n.nodes) == 0:
		return f.hint("%s is an empty list", found)
	case n.list:
		return f.hint("%s is a list with the elements 0 to %d", found, len(n.nodes)-1)
	case n.keys == nil:
		return f.hint("%s has no fields", found)
	}
	return f.hint("the fields of %s are: %s", found, strings.Join(n.keys, ", "))
}

func (e *env) printLines(text string) error {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString(safe(line))
		b.WriteByte('\n')
	}
	_, err := e.out.Write([]byte(b.String()))
	return err
}

// writeTemplate prints --write-out: %{path}, %%, \n, \t, \r, \\ and, as
// curl has it, %{stdout}, %{stderr} and @FILE.
func (e *env) writeTemplate(doc []byte) error {
	format := e.writeOut
	if name, ok := strings.CutPrefix(format, "@"); ok {
		text, err := os.ReadFile(name)
		if err != nil {
			return usagef("--write-out: %w", err)
		}
		format = string(text)
	}
	root, err := parseNode(doc)
	if err != nil {
		return err
	}
	if err := e.checkFields(root, format); err != nil {
		return err
	}
	w := e.out
	for format != "" {
		piece, field, rest := nextPiece(format)
		if _, err := w.Write([]byte(piece)); err != nil {
			return err
		}
		format = rest
		switch field {
		case "":
		case "stderr":
			w = e.err
		case "stdout":
			w = e.out
		default:
			if n, ok := root.at(field); ok {
				if _, err := w.Write([]byte(safe(n.text()))); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// checkFields refuses a field of --write-out that no result of the command has,
// before anything is printed. One that only this result lacks is empty.
func (e *env) checkFields(root node, format string) error {
	for format != "" {
		_, field, rest := nextPiece(format)
		format = rest
		if _, ok := root.at(field); ok || field == "stdout" || field == "stderr" {
			continue
		}
		schemas := e.schemasOf(e.cmd)
		if len(schemas) > 0 && !slices.ContainsFunc(schemas, func(s *schema) bool { return s.has(field) }) {
			return noField(root, field)
		}
	}
	return nil
}

// nextPiece splits format into literal text, the first field and the rest.
func nextPiece(format string) (text, field, rest string) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		two := format[i:min(i+2, len(format))]
		switch {
		case two == "%%":
			b.WriteByte('%')
			i++
		case two == "%{":
			name, after, ok := strings.Cut(format[i+2:], "}")
			if !ok {
				b.WriteString(format[i:])
				return b.String(), "", ""
			}
			return b.String(), name, after
		case two == `\n`, two == `\t`, two == `\r`, two == `\\`:
			b.WriteByte(map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', '\\': '\\'}[two[1]])
			i++
		default:
			b.WriteByte(format[i])
		}
	}
	return b.String(), "", ""
}

// writeShell prints v as NAME='value' lines for eval: one for each leaf, its
// name made of the members and indexes that lead to it.
func (e *env) writeShell(v any) error {
	e.emitted++
	doc, err := marshalLine(v)
	if err != nil {
		return err
	}
	root, err := parseNode(doc)
	if err != nil {
		return err
	}
	var b strings.Builder
	show := func(s string) string { return s }
	if e.outIsTerminal() {
		show = safe
	}
	writeShellNode(&b, "BRIO", root, show)
	_, err = e.out.Write([]byte(b.String()))
	return err
}

// writeShellNode writes the leaves below n. show prepares their text: what is
// evaluated stays as it is, what a person reads on a terminal is escaped.
func writeShellNode(b *strings.Builder, name string, n node, show func(string) string) {
	if n.nodes == nil && !n.list && n.keys == nil {
		fmt.Fprintf(b, "%s=%s\n", name, quoteShell(show(n.leaf)))
		return
	}
	if n.list {
		fmt.Fprintf(b, "%s_COUNT='%d'\n", name, len(n.nodes))
	}
	for i, c := range n.nodes {
		part := strconv.Itoa(i)
		if !n.list {
			part = shellName(n.keys[i])
		}
		writeShellNode(b, name+"_"+part, c, show)
	}
}

func shellName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, s)
}
