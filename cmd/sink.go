package cmd

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/brio-net/brio/pkg/socket"
)

// A sink is where received bytes go: stdout or a file. Its errors say which.
type sink struct {
	w    io.WriteCloser
	name string
}

// openSink opens the file of --output; "-" and "" are stdout. The caller closes
// it.
func (e *env) openSink(name string) (io.WriteCloser, error) {
	if name != "" && name != "-" {
		f, err := os.Create(name)
		if err != nil {
			return nil, &outputError{name, plainCause(err)}
		}
		return &sink{f, name}, nil
	}
	if e.stdout == nil {
		return nopCloser{e.out}, nil
	}
	w, err := socket.OpenOutput(e.stdout)
	if isBrokenPipe(err) {
		return nil, errStdoutGone
	}
	if err != nil {
		return nil, &outputError{"stdout", plainCause(err)}
	}
	return &sink{w, "stdout"}, nil
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	return n, s.failure(err)
}

func (s *sink) Close() error { return s.failure(s.w.Close()) }

func (s *sink) failure(err error) error {
	switch {
	case err == nil:
		return nil
	case s.name == "stdout" && isBrokenPipe(err):
		return errStdoutGone
	}
	return &outputError{s.name, plainCause(err)}
}

// A modeValue is the mode of a file, written in octal.
type modeValue struct{ mode fs.FileMode }

func (m *modeValue) Type() string { return "octal" }

func (m *modeValue) String() string {
	if m.mode == 0 {
		return ""
	}
	return fmt.Sprintf("%#o", uint32(m.mode))
}

func (m *modeValue) Set(s string) error {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n == 0 || n > 0o777 {
		return usagef("%q is not a mode such as 0600", s)
	}
	m.mode = fs.FileMode(n)
	return nil
}

// plural counts things: "1 datagram", "2 datagrams".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}
