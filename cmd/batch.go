package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// items yields the arguments of a command that works on many: each of args, and
// for "-", or without any, the lines of stdin. White space around a line, empty
// lines and those that begin with # do not count.
func (e *env) items(ctx context.Context, args []string) iter.Seq2[string, error] {
	if len(args) == 0 {
		args = []string{"-"}
	}
	return func(yield func(string, error) bool) {
		for _, a := range args {
			if a != "-" {
				if !yield(a, nil) {
					return
				}
				continue
			}
			for line, err := range e.stdinLines(ctx) {
				if !yield(line, err) {
					return
				}
			}
		}
	}
}

// A line is one line of stdin, or why there are no more.
type line struct {
	text string
	err  error
}

// stdinLines reads stdin in a goroutine of its own, for a read of a terminal or
// a pipe cannot be called off: it ends with the process.
func (e *env) stdinLines(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		lines, done := make(chan line, 64), make(chan struct{})
		defer close(done)
		go e.readLines(lines, done)
		for {
			select {
			case l, ok := <-lines:
				if !ok || !yield(l.text, l.err) {
					return
				}
			case <-ctx.Done():
				yield("", context.Cause(ctx))
				return
			}
		}
	}
}

// readLines sends the lines of stdin that count until stdin ends or done is
// closed, and closes lines.
func (e *env) readLines(lines chan<- line, done <-chan struct{}) {
	defer close(lines)
	send := func(l line) bool {
		select {
		case lines <- l:
			return true
		case <-done:
			return false
		}
	}
	s := bufio.NewScanner(e.in)
	for s.Scan() {
		text := strings.TrimSpace(s.Text())
		if text != "" && text[0] != '#' && !send(line{text: text}) {
			return
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		send(line{err: usagef("a line of stdin is longer than %d octets", bufio.MaxScanTokenSize)})
	} else if err != nil {
		send(line{err: &failure{err: fmt.Errorf("read stdin: %w", plainCause(err)), status: statusLocalIO}})
	}
}

// eachItem calls do for each of the items that args name; what names one in a
// message. A failed item does not stop the others: its failure is reported at
// once, and the run ends with the status that all failures share, or 16 when
// only some items failed or each in a way of its own. Only a failure of the run
// itself, such as a full disk on stdout, ends it early.
func (e *env) eachItem(ctx context.Context, args []string, what string, do func(item string) error) error {
	if len(args) == 0 && e.inIsTerminal() {
		return usagef("needs %s", what).hint("see: %s -h", e.name())
	}
	var (
		count, failed int
		shared        status
	)
	for item, err := range e.items(ctx, args) {
		if err != nil {
			return err
		}
		count++
		err := do(item)
		if err == nil {
			continue
		}
		s := statusOf(err)
		if ctx.Err() != nil || s == statusPipe || s == statusLocalIO {
			return err
		}
		if failed++; failed == 1 {
			shared = s
		} else if shared != s {
			shared = statusPartial
		}
		e.report(err, s)
	}
	switch {
	case count == 0 && len(args) == 0:
		return usagef("needs %s; stdin has none", what).hint("see: %s -h", e.name())
	case failed > 0 && failed < count:
		shared = statusPartial
	}
	return exitWith(shared)
}

// emitItem prints the result v of an item, which failed if err is not nil, and
// returns err, or why v could not be printed.
func emitItem[T any](e *env, v T, err error, text func(io.Writer, T) error) error {
	if failed := emitFailed(e, v, err, text); failed != nil {
		return failed
	}
	return err
}
