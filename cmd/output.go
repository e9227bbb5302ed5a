package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/brio-net/brio/pkg/socket"
)

// emit prints the result v: through text, or as the format that was asked for.
func emit[T any](e *env, v T, text func(io.Writer, T) error) error {
	return emitFailed(e, v, nil, text)
}

// emitFailed prints a result that comes with a failure: the JSON object then
// has an "error" member. The caller still returns err, which prints the line on
// stderr and sets the exit status.
func emitFailed[T any](e *env, v T, err error, text func(io.Writer, T) error) error {
	switch {
	case e.format == "json":
		return e.writeJSON(withError(v, err))
	case e.format == "sh":
		return e.writeShell(withError(v, err))
	}
	return text(e.out, v)
}

// pick returns the writer for --format short or the one for text.
func pick[T any](e *env, text, short func(io.Writer, T) error) func(io.Writer, T) error {
	if e.format == "short" {
		return short
	}
	return text
}

// writeJSON writes v as one line of JSON, or the parts of it that --get and
// --write-out choose.
func (e *env) writeJSON(v any) error {
	e.emitted++
	doc, err := marshalLine(v)
	if err != nil {
		return err
	}
	switch {
	case e.get != "":
		return e.writeField(doc)
	case e.writeOut != "":
		return e.writeTemplate(doc)
	}
	_, err = e.out.Write(append(doc, '\n'))
	return err
}

// marshalLine is JSON without HTML escapes and without any character that could
// drive a terminal.
func marshalLine(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return escapeJSON(bytes.TrimRight(b.Bytes(), "\n")), nil
}

// An errorObject is the error member of every JSON result that failed.
type errorObject struct {
	Kind    string   `json:"kind"`             // identifier in kebab case
	Op      string   `json:"op,omitempty"`     // the operation that failed
	Target  string   `json:"target,omitempty"` // whom it concerned
	Errno   string   `json:"errno,omitempty"`  // the system's name of the error
	Message string   `json:"message"`
	Hints   []string `json:"hints"`
	Exit    status   `json:"exit"`

	TLS *tlsErrorObject `json:"tls,omitempty"`
}

type errorOnly struct {
	Error *errorObject `json:"error"`
}

func errorObjectOf(err error, s status) *errorObject {
	o := &errorObject{Kind: kindOf(err, s), Errno: socket.ErrnoName(err), Message: messageOf(err), Hints: hintsOf(err), Exit: s, TLS: tlsErrorOf(err)}
	var f *failure
	if errors.As(err, &f) {
		o.Op, o.Target = f.op, f.target
	}
	return o
}

// withError joins v, which must marshal to an object, and the error object.
func withError(v any, err error) any {
	if err == nil {
		return v
	}
	return failedResult{v, errorObjectOf(err, statusOf(err))}
}

type failedResult struct {
	result any
	err    *errorObject
}

func (r failedResult) MarshalJSON() ([]byte, error) {
	doc, err := json.Marshal(r.result)
	if err != nil {
		return nil, err
	}
	tail, err := json.Marshal(errorOnly{r.err})
	if err != nil {
		return nil, err
	}
	doc = bytes.TrimSuffix(doc, []byte("}"))
	if !bytes.HasSuffix(doc, []byte("{")) {
		doc = append(doc, ',')
	}
	return append(doc, tail[1:]...), nil
}

// A resultWriter writes to stdout and says of a failure that it was stdout's.
type resultWriter struct{ w *os.File }

func (r *resultWriter) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	if err == nil {
		return n, nil
	}
	if isBrokenPipe(err) {
		return n, errStdoutGone
	}
	return n, &outputError{"stdout", plainCause(err)}
}

// plainCause strips the "write /dev/stdout:" that os adds.
func plainCause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// openOutput opens the file of --output: "-" and "" are stdout.
func (e *env) openOutput(name string) (io.WriteCloser, error) {
	if name == "" || name == "-" {
		return nopCloser{e.out}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, &outputError{name, plainCause(err)}
	}
	return f, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// table prints rows in aligned columns on a terminal, and separated by single
// tabs elsewhere.
func (e *env) table(w io.Writer, rows [][]string) error {
	for i := range rows {
		for j := range rows[i] {
			rows[i][j] = safe(rows[i][j])
		}
	}
	if !e.outIsTerminal() {
		for _, r := range rows {
			if _, err := fmt.Fprintln(w, strings.Join(r, "\t")); err != nil {
				return err
			}
		}
		return nil
	}
	return alignColumns(w, rows)
}
