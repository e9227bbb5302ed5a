package dnsq

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

const (
	bulkAhead   = 256  // questions read ahead
	bulkLineMax = 4096 // longest line of input; a name of 255 octets, all escaped, and types fit
)

// bulkInput hands questions from the goroutine that reads them to the run.
type bulkInput struct {
	mu      sync.Mutex
	changed sync.Cond
	filled  []bulkPacked
	mix     *bulkRand // for letters of random case; nil without
	hungry  bool      // the run found nothing
	wake    chan struct{}
	eof     bool
	closed  bool
}

func (in *bulkInput) init() {
	in.changed.L = &in.mu
	in.filled = make([]bulkPacked, 0, bulkAhead)
	in.hungry = true
	in.wake = make(chan struct{}, 1)
}

// feed reads questions until next fails or the run ends.
func (b *bulk) feed(next func() (BulkQuestion, error)) {
	for {
		q, err := next()
		if q.Type == 0 {
			q.Type = b.cfg.Type
		}
		hungry, open := b.input.put(q, err, &b.template)
		switch {
		case !open:
			return
		case err != nil && err != io.EOF:
			b.fail(err)
			return
		case hungry:
			b.input.wakeRun()
		}
		if err != nil {
			return
		}
	}
}

// driveInput sends what feed has read while the run waited for it. In a goroutine
// of its own feed can read on, and what it has read by then goes out at once.
func (b *bulk) driveInput() {
	for {
		select {
		case <-b.input.wake:
			b.lock()
			b.pump()
			b.mu.Unlock()
		case <-b.ctx.Done():
			return
		}
	}
}

func (in *bulkInput) wakeRun() {
	select {
	case in.wake <- struct{}{}:
	default: // it is awake
	}
}

// put adds q, or notes the end. It waits while enough is there.
func (in *bulkInput) put(q BulkQuestion, err error, t *bulkTemplate) (hungry, open bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.filled) == cap(in.filled) && !in.closed {
		in.changed.Wait()
	}
	if in.closed {
		return false, false
	}
	if err != nil {
		in.eof = true
		return true, true
	}
	in.filled = in.filled[:len(in.filled)+1]
	in.filled[len(in.filled)-1].pack(q, t, in.mix)
	hungry, in.hungry = in.hungry, false
	return hungry, true
}

// take exchanges the empty list of questions used for what is there.
func (in *bulkInput) take(used []bulkPacked) (list []bulkPacked, eof bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	list, in.filled = in.filled, used[:0]
	in.hungry = len(list) == 0
	in.changed.Signal()
	return list, in.eof && len(list) == 0
}

func (in *bulkInput) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.changed.Broadcast()
}

// nextPacked is the next question, nil when there is none now.
func (b *bulk) nextPacked() *bulkPacked {
	if b.used == len(b.batch) {
		b.batch, b.eof = b.input.take(b.batch)
		b.used = 0
	}
	if b.used == len(b.batch) {
		return nil
	}
	b.used++
	return &b.batch[b.used-1]
}

// BulkLines reads questions for [Bulk] from r, one or more per line: a name, and
// the types asked for; without any those of defaults, or else that of the
// configuration. An address without type asks for its PTR record. Empty lines and what follows # or ; at the start of a
// word are skipped. A line that is no question, or longer than 4096 octets, is
// a question with an error. Offsets count from offset, where r begins: pass the
// Resume of an earlier run after skipping that much.
func BulkLines(r io.Reader, offset int64, defaults ...uint16) func() (BulkQuestion, error) {
	l := &bulkLines{r: bufio.NewReaderSize(r, 64<<10), off: offset, defaults: defaults}
	return l.next
}

type bulkLines struct {
	r     *bufio.Reader
	off   int64 // of the next line
	start int64 // of the current one
	line  int64
	name  string
	types []uint16 // of the current line still to be asked

	defaults []uint16 // of lines without type
}

func (l *bulkLines) next() (BulkQuestion, error) {
	for len(l.types) == 0 {
		text, err := l.read()
		if err != nil && (err != io.EOF || text == "") {
			return BulkQuestion{}, err
		}
		if q, found := l.parse(text); found {
			return q, nil
		}
	}
	q := BulkQuestion{Name: l.name, Type: l.types[0], Line: l.line, End: l.start}
	if l.types = l.types[1:]; len(l.types) == 0 {
		q.End = l.off
	}
	return q, nil
}

// read is the next line with its end. A line that is too long loses its tail.
func (l *bulkLines) read() (string, error) {
	l.start = l.off
	l.line++
	b, err := l.r.ReadSlice('\n')
	l.off += int64(len(b))
	if len(b) > bulkLineMax {
		b = b[:bulkLineMax+1]
	}
	text := string(b)
	for errors.Is(err, bufio.ErrBufferFull) {
		b, err = l.r.ReadSlice('\n')
		l.off += int64(len(b))
	}
	return text, err
}

// parse takes a line apart. A line that is one question, or none, is found at
// once; otherwise the types are left to next, if any.
func (l *bulkLines) parse(text string) (BulkQuestion, bool) {
	q := BulkQuestion{Line: l.line, End: l.off}
	if len(text) > bulkLineMax {
		q.Name = text[:64]
		q.Err = fmt.Errorf("%w: line longer than %d octets", ErrUsage, bulkLineMax)
		return q, true
	}
	name, rest := bulkWord(text)
	if name == "" {
		return q, false
	}
	q.Name = name
	word, rest := bulkWord(rest)
	if word == "" {
		q.Name, q.Type = bulkPointer(name)
		if q.Type != 0 || len(l.defaults) == 0 {
			return q, true
		}
		l.name, l.types = name, append(l.types[:0], l.defaults...)
		return q, false
	}
	l.name, l.types = name, l.types[:0]
	for word != "" {
		t, ok := ParseType(word)
		if !ok {
			l.types = nil
			q.Err = fmt.Errorf("%w: %q is not a record type", ErrUsage, word)
			return q, true
		}
		l.types = append(l.types, t)
		word, rest = bulkWord(rest)
	}
	return q, false
}

// bulkWord is the first word of s, "" at its end or at a comment.
func bulkWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " \t\r\n")
	if s == "" || s[0] == '#' || s[0] == ';' {
		return "", ""
	}
	if i := strings.IndexAny(s, " \t\r\n"); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// bulkPointer is what to ask for the word of a line without type.
func bulkPointer(word string) (string, uint16) {
	if c := word[0]; c != ':' && (c < '0' || c > '9') && !strings.Contains(word, ":") {
		return word, 0
	}
	a, err := netip.ParseAddr(word)
	if err != nil {
		return word, 0
	}
	return ReverseName(a), dns.TypePTR
}
