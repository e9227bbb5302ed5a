package ftpx

import (
	"errors"
	"fmt"
	"strings"
)

// A NetrcEntry is what a .netrc file says about one machine.
type NetrcEntry struct {
	Machine                  string // empty in a "default" entry
	Login, Password, Account string
}

// A Netrc is a parsed .netrc file.
type Netrc []NetrcEntry

// ParseNetrc reads the text of a .netrc file. Values may be quoted with double
// quotes, backslash escapes inside; macro definitions are passed over.
func ParseNetrc(text string) (Netrc, error) {
	var n Netrc
	p := netrcParser{text: text}
	for {
		word, ok, err := p.word()
		if err != nil || !ok {
			return n, err
		}
		switch word {
		case "default":
			n = append(n, NetrcEntry{})
		case "macdef":
			p.skipMacro()
		default:
			value, ok, err := p.word()
			if err != nil {
				return n, err
			}
			if !ok {
				return n, fmt.Errorf("netrc line %d: nothing after the last word", p.line())
			}
			if n, err = n.set(word, value); err != nil {
				return n, fmt.Errorf("netrc line %d: %w", p.line(), err)
			}
		}
	}
}

var errNetrcWord = errors.New("a word that is none of machine, default, login, password, account, macdef")

func (n Netrc) set(word, value string) (Netrc, error) {
	if word == "machine" {
		if value == "" { // would stand for every machine
			return n, errors.New("a machine without name")
		}
		return append(n, NetrcEntry{Machine: value}), nil
	}
	if len(n) == 0 {
		return n, errors.New("a word that is not machine or default comes first")
	}
	e := &n[len(n)-1]
	switch word {
	case "login":
		e.Login = value
	case "password":
		e.Password = value
	case "account":
		e.Account = value
	default:
		return n, errNetrcWord // which may be part of a password
	}
	return n, nil
}

// Find returns the first entry for host, and for user when that is not empty;
// a default entry matches every host.
func (n Netrc) Find(host, user string) (NetrcEntry, bool) {
	for _, e := range n {
		if e.Machine != "" && !strings.EqualFold(e.Machine, host) {
			continue
		}
		if user == "" || e.Login == user {
			return e, true
		}
	}
	return NetrcEntry{}, false
}

type netrcParser struct {
	text string
	pos  int
}

func (p *netrcParser) line() int { return 1 + strings.Count(p.text[:p.pos], "\n") }

func (p *netrcParser) word() (word string, ok bool, err error) {
	p.skipBlanks()
	if p.pos == len(p.text) {
		return "", false, nil
	}
	if p.text[p.pos] == '"' {
		word, err = p.quoted()
		return word, err == nil, err
	}
	start := p.pos
	for p.pos < len(p.text) && !strings.ContainsRune(" \t\r\n", rune(p.text[p.pos])) {
		p.pos++
	}
	return p.text[start:p.pos], true, nil
}

// skipBlanks skips blanks and comments; '#' starts one only where a word could.
func (p *netrcParser) skipBlanks() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		case '#':
			end := strings.IndexByte(p.text[p.pos:], '\n')
			if end < 0 {
				end = len(p.text) - p.pos
			}
			p.pos += end
		default:
			return
		}
	}
}

func (p *netrcParser) quoted() (string, error) {
	var b strings.Builder
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case c == '"':
			p.pos++
			return b.String(), nil
		case c == '\\' && p.pos+1 < len(p.text):
			p.pos++
			b.WriteByte(p.text[p.pos])
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("netrc line %d: quote without end", p.line())
}

// skipMacro skips a macro: its name and all lines to the next empty one.
func (p *netrcParser) skipMacro() {
	end := strings.Index(p.text[p.pos:], "\n\n")
	if end < 0 {
		p.pos = len(p.text)
		return
	}
	p.pos += end + 2
}
