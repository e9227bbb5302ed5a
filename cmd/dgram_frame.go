package cmd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

// inputFlags say where datagrams to send come from.
type inputFlags struct {
	data     []string
	file     string
	framing  string
	encoding string
	noStdin  bool
}

func (i *inputFlags) addFraming(f *pflag.FlagSet) {
	f.StringVar(&i.framing, "framing", "auto", "cut the input into datagrams by `RULE`: whole, lines, nul, a size such as 1400, or auto (lines from a terminal, else whole)")
}

func (i *inputFlags) add(f *pflag.FlagSet) {
	f.StringArrayVarP(&i.data, "data", "d", nil, "send `TEXT` as one datagram instead of stdin (repeatable)")
	enumVar(f, &i.encoding, "data-encoding", "text", []string{"text", "hex", "base64"}, "how --data is written: `ENCODING`")
	f.StringVar(&i.file, "file", "", "send the contents of `FILE` instead of stdin")
	i.addFraming(f)
}

// completeFraming offers the rules of --framing.
func completeFraming(c *cobra.Command) {
	_ = c.RegisterFlagCompletionFunc("framing", cobra.FixedCompletions([]string{"auto", "whole", "lines", "nul"}, cobra.ShellCompDirectiveNoFileComp)) // fails only when registered twice
}

// open returns the datagrams to send. The caller closes them.
func (i *inputFlags) open(ctx context.Context, e *env) (*frames, error) {
	if len(i.data) > 0 {
		return i.openData()
	}
	f := &frames{}
	in, err := i.openReader(e)
	if err != nil {
		return nil, err
	}
	rule := i.framing
	if rule == "auto" {
		rule = "whole"
		if i.file == "" && socket.ClassifyInput(e.stdin) == socket.TerminalInput {
			rule = "lines"
		}
	}
	if err := f.setRule(rule); err != nil {
		return nil, err
	}
	f.r, f.close = bufio.NewReaderSize(in, 256<<10), in.Close
	if d, ok := in.(interface{ SetReadDeadline(time.Time) error }); ok {
		stop := context.AfterFunc(ctx, func() { _ = d.SetReadDeadline(time.Unix(1, 0)) }) // a file needs none
		f.close = func() error { stop(); return in.Close() }
	}
	return f, nil
}

func (i *inputFlags) openData() (*frames, error) {
	f := &frames{}
	for _, s := range i.data {
		b, err := decodeData(s, i.encoding)
		if err != nil {
			return nil, usagef("--data %q is not %s", s, i.encoding)
		}
		f.ready = append(f.ready, b)
	}
	return f, nil
}

func (i *inputFlags) openReader(e *env) (io.ReadCloser, error) {
	if i.file != "" && i.file != "-" {
		f, err := os.Open(i.file)
		if err != nil {
			return nil, &failure{err: plainCause(err), target: i.file, op: "read", status: statusLocalIO}
		}
		return f, nil
	}
	if e.stdin == nil {
		return io.NopCloser(e.in), nil
	}
	if socket.ClassifyInput(e.stdin) == socket.NoInput {
		return nil, usagef("there is nothing to send: stdin is closed or /dev/null").hint("an empty datagram is sent with: --data ''")
	}
	in, err := socket.OpenInput(e.stdin)
	if err != nil {
		return nil, &failure{err: plainCause(err), target: "stdin", op: "read", status: statusLocalIO}
	}
	return in, nil
}

// frames cuts an input into datagrams.
type frames struct {
	r     *bufio.Reader
	end   byte // of a frame, when delimited
	size  int  // of a frame, 0 when delimited or whole
	whole bool
	ready [][]byte // datagrams that need no cutting
	close func() error
}

func (f *frames) setRule(rule string) error {
	switch rule {
	case "whole":
		f.whole = true
	case "lines":
		f.end = '\n'
	case "nul":
		f.end = 0
	default:
		n, err := parseSize(strings.TrimPrefix(rule, "size:"))
		if err != nil || n < 1 || n > maxDatagram {
			return unknownValue("--framing", rule, []string{"auto", "whole", "lines", "nul", "a size"})
		}
		f.size = int(n)
	}
	return nil
}

// Close closes the input.
func (f *frames) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

// next puts the next datagram into buf, which it grows, or returns io.EOF after
// the last one. Delimiters are not part of it.
func (f *frames) next(buf []byte) ([]byte, error) {
	switch {
	case len(f.ready) > 0:
		b := f.ready[0]
		f.ready = f.ready[1:]
		return append(buf[:0], b...), nil
	case f.r == nil:
		return buf, io.EOF
	case f.whole:
		f.whole = false
		b, err := f.all(buf)
		f.r = nil
		return b, err
	case f.size > 0:
		return f.sized(buf)
	}
	return f.delimited(buf)
}

// all reads the whole input. An empty file or pipe is an empty datagram.
func (f *frames) all(buf []byte) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f.r, maxDatagram+1))
	if err != nil {
		return buf, err
	}
	if len(b) > maxDatagram {
		return buf, usagef("the input is longer than a datagram can be").
			hint("cut it with: --framing lines, or --framing 1400")
	}
	return append(buf[:0], b...), nil
}

func (f *frames) sized(buf []byte) ([]byte, error) {
	if cap(buf) < f.size {
		buf = make([]byte, f.size)
	}
	n, err := io.ReadFull(f.r, buf[:f.size])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // the last one is shorter
	}
	return buf[:n], err
}

// delimited reads up to the delimiter. Before the end of the input it may be
// missing.
func (f *frames) delimited(buf []byte) ([]byte, error) {
	buf = buf[:0]
	for {
		part, err := f.r.ReadSlice(f.end)
		buf = append(buf, part...)
		switch {
		case err == nil:
			buf = buf[:len(buf)-1]
			if f.end == '\n' && strings.HasSuffix(string(buf[max(0, len(buf)-1):]), "\r") {
				buf = buf[:len(buf)-1]
			}
			return buf, nil
		case errors.Is(err, bufio.ErrBufferFull) && len(buf) <= maxDatagram:
		case errors.Is(err, bufio.ErrBufferFull):
			return buf, usagef("a line is longer than a datagram can be")
		case errors.Is(err, io.EOF) && len(buf) > 0:
			return buf, nil
		default:
			return buf, err
		}
	}
}

// waiting reports whether the next datagram may take time to come.
func (f *frames) waiting() bool {
	return len(f.ready) == 0 && (f.r == nil || f.r.Buffered() == 0)
}
