package cmd

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// A failure is an error that knows more than its text: its exit status, its
// kind, the operation and target, and hints that can be copied. Every field but
// err may be zero.
type failure struct {
	err    error
	status status // 0: as statusOf says of err
	kind   string // identifier in kebab case for JSON; empty: derived
	op     string // the operation that failed: "connect", "query"
	target string // whom it concerned, as the user wrote it
	hints  []string
	silent bool // already reported; only the status remains
}

func (f *failure) Error() string {
	if f.target != "" {
		return f.target + ": " + socket.Reason(f.err)
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// usagef is a failure of usage: status 2.
func usagef(format string, a ...any) *failure {
	return &failure{err: fmt.Errorf(format, a...), status: statusUsage, kind: "usage"}
}

// failf is a failure with a status of its own.
func failf(s status, kind, format string, a ...any) *failure {
	return &failure{err: fmt.Errorf(format, a...), status: s, kind: kind}
}

// hint adds lines to f that tell the user what to do.
func (f *failure) hint(format string, a ...any) *failure {
	f.hints = append(f.hints, fmt.Sprintf(format, a...))
	return f
}

// hintsOf are the hints of err and of the failures it wraps, the outer ones first.
func hintsOf(err error) []string {
	hints := []string{}
	for f := (*failure)(nil); errors.As(err, &f); err = f.err {
		hints = append(hints, f.hints...)
	}
	return hints
}

// at says whom a failure concerned: its message begins with the target.
func at(target string, err error) error {
	if err == nil {
		return nil
	}
	return &failure{err: err, target: target}
}

// exitWith ends the run with status s and no message, because the command has
// already said what there is to say (or hands on a child's status).
func exitWith(s status) error {
	if s == statusOK {
		return nil
	}
	return &failure{err: errors.New(s.text()), status: s, silent: true}
}

// asUsage makes an error that came before the command's own code one of usage,
// unless it is that help could not be written.
func asUsage(err error) error {
	var (
		f   *failure
		out *outputError
	)
	if errors.As(err, &f) || errors.As(err, &out) || errors.Is(err, errStdoutGone) {
		return err
	}
	if rest, ok := strings.CutPrefix(err.Error(), "if any flags in the group ["); ok { // cobra has no type for it
		_, set, _ := strings.Cut(rest, "; [")
		set, _, _ = strings.Cut(set, "]")
		return usagef("--%s exclude each other", strings.ReplaceAll(set, " ", " and --"))
	}
	return &failure{err: err, status: statusUsage, kind: "usage"}
}

// A timeoutError says which bound of the user's expired.
type timeoutError struct {
	what  string // "the whole run", "connect", "idle"
	after time.Duration
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("time-out of %s after %v", e.what, e.after)
}

// Timeout and Is make it a time-out for callers that ask in the usual ways.
func (e *timeoutError) Timeout() bool { return true }

func (e *timeoutError) Is(target error) bool {
	t, ok := target.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// An outputError is a failed write to stdout or to an output file.
type outputError struct {
	target string
	err    error
}

func (e *outputError) Error() string { return fmt.Sprintf("write %s: %v", e.target, e.err) }
func (e *outputError) Unwrap() error { return e.err }

// errStdoutGone says that nobody reads stdout any more: brio ends quietly.
var errStdoutGone = errors.New("the reader of stdout has gone")
