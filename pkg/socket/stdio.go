package socket

import (
	"io"
	"os"
)

// InputClass says what the input of a [Pipe] is, which decides what its end and
// the peer's end mean. A half-close and a full close look the same to the
// receiver, so the policy has to come from what the input is.
type InputClass uint8

// The classes. The zero value stands for "find out".
const (
	AnyInput      InputClass = iota
	NoInput                  // closed, or /dev/null: it is never read and its end means nothing
	TerminalInput            // a person, who leaves when the peer does
	DataInput                // a pipe, file or socket: all of it is to be sent
)

// String returns the word for c used in messages.
func (c InputClass) String() string {
	switch c {
	case NoInput:
		return "none"
	case TerminalInput:
		return "terminal"
	case DataInput:
		return "data"
	}
	return "any"
}

// ClassifyInput finds out the class of an inherited descriptor. It is decided
// once, at start.
func ClassifyInput(f *os.File) InputClass {
	if f == nil {
		return NoInput
	}
	return classify(f)
}

// OpenInput returns a reader of the inherited descriptor f, usually [os.Stdin],
// that has read deadlines and can therefore be interrupted by [Pump]. The flags
// of f are not changed: they are shared with whoever gave it to us. The caller
// closes the reader, which leaves f open.
func OpenInput(f *os.File) (io.ReadCloser, error) { return openInput(f) }

// OpenOutput is [OpenInput] for a descriptor to write to, usually [os.Stdout].
// Writing to a pipe whose reader has gone is an error that wraps EPIPE, and
// never ends the process.
func OpenOutput(f *os.File) (io.WriteCloser, error) { return openOutput(f) }

// CloseInherited closes the inherited descriptor f for whoever reads the other
// end, while its number stays in use: a socket opened later must not become
// standard output.
func CloseInherited(f *os.File) error { return replaceWithNull(f) }
