package tlsx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// defaultCiphers is what the word DEFAULT stands for.
const defaultCiphers = "ALL:!COMPLEMENTOFDEFAULT:!eNULL"

// Errors of [ParseCiphers], in OpenSSL's words.
var (
	ErrNoCipherMatch        = errors.New("no cipher match")
	ErrInvalidCipherCommand = errors.New("invalid command")
)

// A CipherList is what an OpenSSL cipher string selects.
type CipherList struct {
	// Suites are the suites up to TLS 1.2 in the order of preference, with
	// those that Go cannot speak.
	Suites []CipherSuite
	// Weak are the triple DES and RC4 suites, which OpenSSL's default build
	// lacks, that the string asks for by name, as "RC4", "RSA+3DES" or "RC4-SHA".
	Weak []CipherSuite
	// SecurityLevel is the level that @SECLEVEL=n set, or -1.
	SecurityLevel int
	// Unknown holds the words that mean nothing, which OpenSSL ignores.
	Unknown []string
}

// Available returns the numbers of the suites that Go can speak, in order and
// with the weak ones last.
func (l *CipherList) Available() []uint16 {
	var ids []uint16
	for _, s := range slices.Concat(l.Suites, l.Weak) {
		if s.Available {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// ParseCiphers reads an OpenSSL cipher string, such as "HIGH:!aNULL:@STRENGTH".
// Suites of the result is the set and order of "openssl ciphers" of OpenSSL 3.0.
//
// The error wraps [ErrNoCipherMatch] when s selects nothing and
// [ErrInvalidCipherCommand] when s is malformed.
func ParseCiphers(s string) (*CipherList, error) {
	p := cipherParser{rows: initialOrder(), level: -1}
	rest := s
	if fixed, ok := suiteB(s); ok {
		rest = fixed
	}
	if after, ok := strings.CutPrefix(rest, "DEFAULT"); ok {
		p.run(defaultCiphers)
		rest = strings.TrimPrefix(after, ":")
	}
	if err := p.run(rest); err != nil {
		return nil, fmt.Errorf("cipher string %q: %w", s, err)
	}
	l := p.list()
	if len(l.Suites)+len(l.Weak) == 0 {
		return l, fmt.Errorf("cipher string %q: %w", s, ErrNoCipherMatch)
	}
	return l, nil
}

// suiteB returns the list that an RFC 6460 word stands for. Such a word at the
// start replaces the whole of the cipher string.
func suiteB(s string) (list string, ok bool) {
	const (
		aes128 = "ECDHE-ECDSA-AES128-GCM-SHA256"
		aes256 = "ECDHE-ECDSA-AES256-GCM-SHA384"
	)
	switch {
	case strings.HasPrefix(s, "SUITEB128ONLY"):
		return aes128, true
	case strings.HasPrefix(s, "SUITEB128C2"), strings.HasPrefix(s, "SUITEB192"):
		return aes256, true
	case strings.HasPrefix(s, "SUITEB128"):
		return aes128 + ":" + aes256, true
	}
	return "", false
}

// cipherParser holds all suites in the order of preference so far. A suite
// that is not active keeps its place: an order for later additions.
type cipherParser struct {
	rows    []cipherRow
	level   int
	unknown []string
}

type cipherRow struct {
	*suiteRow
	active bool
}

// The operations of a cipher string.
const (
	opAdd    = '='
	opDelete = '-'
	opOrder  = '+'
	opKill   = '!'
	opAt     = '@'
	opBump   = '^' // to the front; not in the language, used for the initial order
)

func isSeparator(c byte) bool { return c == ':' || c == ' ' || c == ';' || c == ',' }

func isWordByte(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '=' || c == '_'
}

// run applies the elements of s one after the other. After a malformed element
// OpenSSL goes on with the next and fails at the end; the outcome is the same.
func (p *cipherParser) run(s string) error {
	for s != "" {
		if isSeparator(s[0]) {
			s = s[1:]
			continue
		}
		op := byte(opAdd)
		if strings.IndexByte("-+!@", s[0]) >= 0 {
			op, s = s[0], s[1:]
			if s == "" {
				return nil
			}
		}
		if isSeparator(s[0]) {
			continue
		}
		n, err := p.element(op, s)
		if err != nil {
			return err
		}
		s = s[n:]
	}
	return nil
}

// element applies op to the element at the start of s and returns its length.
func (p *cipherParser) element(op byte, s string) (int, error) {
	end := strings.IndexFunc(s, func(r rune) bool { return r < 128 && isSeparator(byte(r)) })
	if end < 0 {
		end = len(s)
	}
	if op == opAt {
		return end, p.command(s[:wordLen(s)])
	}
	var sel selector
	for pos := 0; ; pos++ { // over the + that joins two words
		n := wordLen(s[pos:])
		if n == 0 {
			return 0, fmt.Errorf("%w at %q", ErrInvalidCipherCommand, s[pos:])
		}
		word := s[pos : pos+n]
		w, ok := lookupWord(word)
		if !ok {
			p.noteUnknown(word)
			return end, nil
		}
		if !sel.narrow(w) {
			return end, nil
		}
		pos += n
		if pos >= len(s) || s[pos] != '+' {
			p.apply(op, sel)
			return pos, nil
		}
	}
}

func wordLen(s string) int {
	for i := range len(s) {
		if !isWordByte(s[i]) {
			return i
		}
	}
	return len(s)
}

func (p *cipherParser) noteUnknown(word string) {
	if !slices.Contains(emptyWords(), word) && !slices.Contains(p.unknown, word) {
		p.unknown = append(p.unknown, word)
	}
}

func (p *cipherParser) command(word string) error {
	level, isLevel := strings.CutPrefix(word, "SECLEVEL=")
	switch {
	case word == "STRENGTH":
		p.sortStrength()
	case isLevel && len(level) == 1 && '0' <= level[0] && level[0] <= '5':
		p.level = int(level[0] - '0')
	default:
		return fmt.Errorf("%w at %q", ErrInvalidCipherCommand, "@"+word)
	}
	return nil
}

// apply does op to the suites that sel selects.
func (p *cipherParser) apply(op byte, sel selector) {
	p.move(op, func(r cipherRow) bool {
		return sel.matches(r.suiteRow) && (op != opAdd || !r.weak() || sel.namesWeak())
	})
}

// move splits the rows into those that op moves and the others. Both keep
// their order; the moved ones go to the end, or with '-' and '^' to the front,
// where a later addition finds them first.
func (p *cipherParser) move(op byte, selected func(cipherRow) bool) {
	var moved, kept []cipherRow
	for _, r := range p.rows {
		done := op != opKill && r.active == (op == opAdd)
		if done || !selected(r) {
			kept = append(kept, r)
			continue
		}
		if op == opAdd || op == opDelete {
			r.active = op == opAdd
		}
		moved = append(moved, r)
	}
	switch op {
	case opKill:
		p.rows = kept
	case opDelete, opBump:
		p.rows = append(moved, kept...)
	default:
		p.rows = append(kept, moved...)
	}
}

// sortStrength orders the active suites by falling strength.
func (p *cipherParser) sortStrength() {
	for _, bits := range []int{256, 128, 112, 0} {
		p.move(opOrder, func(r cipherRow) bool { return r.bits() == bits })
	}
}

func (p *cipherParser) list() *CipherList {
	l := &CipherList{SecurityLevel: p.level, Unknown: p.unknown}
	for _, r := range p.rows {
		switch {
		case r.active && r.weak():
			l.Weak = append(l.Weak, r.suite())
		case r.active:
			l.Suites = append(l.Suites, r.suite())
		}
	}
	return l
}

// initialOrder returns all suites inactive, in the order in which OpenSSL
// prefers them when a word adds several at once.
func initialOrder() []cipherRow { return slices.Clone(preferredOrder()) }

var preferredOrder = sync.OnceValue(func() []cipherRow {
	table := cipherTable()
	p := cipherParser{rows: make([]cipherRow, len(table))}
	for i := range table {
		p.rows[i].suiteRow = &table[i]
	}
	steps := []struct {
		op  byte
		sel selector
	}{
		{opAdd, selector{kx: kECDHE, auth: aECDSA}}, // ephemeral curves first
		{opAdd, selector{kx: kECDHE}},
		{opDelete, selector{kx: kECDHE}},
		{opAdd, selector{enc: eAESGCM}},
		{opAdd, selector{enc: eChaCha20}},
		{opAdd, selector{enc: eAES &^ eAESGCM}},
		{opAdd, selector{}},
		{opOrder, selector{mac: mMD5}}, // then what should be last
		{opOrder, selector{auth: aNULL}},
		{opOrder, selector{kx: kRSA}},
		{opOrder, selector{kx: kPSK}},
	}
	for _, s := range steps {
		p.move(s.op, func(r cipherRow) bool { return s.sel.matches(r.suiteRow) })
	}
	p.sortStrength()
	for _, sel := range []selector{ // and what comes first whatever its strength
		{min: vTLS12},
		{mac: mAEAD},
		{kx: kDHE | kECDHE},
		{kx: kDHE | kECDHE, mac: mAEAD},
	} {
		p.move(opBump, func(r cipherRow) bool { return sel.matches(r.suiteRow) })
	}
	p.move(opOrder, func(r cipherRow) bool { return r.weak() })
	p.move(opDelete, func(cipherRow) bool { return true })
	return p.rows
})

var wordTable = sync.OnceValue(func() map[string]selector {
	words := cipherWords()
	for _, c := range cipherTable() {
		words[c.name] = selector{id: c.id, kx: c.kx, auth: c.auth, enc: c.enc, mac: c.mac, str: c.strength()}
	}
	return words
})

func lookupWord(word string) (selector, bool) {
	s, ok := wordTable()[word]
	return s, ok
}
