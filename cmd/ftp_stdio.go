package cmd

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// interruptibleStdin is stdin as ftp-put reads it: the file itself when the
// kernel can send it, else a reader that ends with ctx. The caller calls done.
func (e *env) interruptibleStdin(ctx context.Context) (r io.Reader, done func(), err error) {
	if e.stdin == nil || isRegularFile(e.stdin) {
		if e.stdin == nil {
			return e.in, func() {}, nil
		}
		return e.stdin, func() {}, nil
	}
	in, err := socket.OpenInput(e.stdin)
	if err != nil {
		return nil, nil, &failure{err: err, status: statusLocalIO, target: "stdin"}
	}
	stop := context.AfterFunc(ctx, func() {
		if d, ok := in.(interface{ SetReadDeadline(time.Time) error }); ok {
			_ = d.SetReadDeadline(time.Unix(1, 0)) // a closed reader has ended already
		}
	})
	return in, func() { stop(); _ = in.Close() }, nil
}

// interruptibleStdout is stdout as ftp-get writes it: the file itself when the
// kernel can fill it, else a writer that ends with ctx and knows a reader who
// has gone. The caller calls done.
func (e *env) interruptibleStdout(ctx context.Context) (w io.Writer, done func(), err error) {
	if e.stdout == nil {
		return e.out, func() {}, nil
	}
	if isRegularFile(e.stdout) {
		return e.stdout, func() {}, nil
	}
	out, err := socket.OpenOutput(e.stdout)
	if err != nil {
		return nil, nil, &outputError{"stdout", plainCause(err)}
	}
	stop := context.AfterFunc(ctx, func() {
		if d, ok := out.(interface{ SetWriteDeadline(time.Time) error }); ok {
			_ = d.SetWriteDeadline(time.Unix(1, 0)) // a closed writer has ended already
		}
	})
	return stdoutStream{out}, func() { stop(); _ = out.Close() }, nil
}

func isRegularFile(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

// A stdoutStream says of a failure that it was stdout's.
type stdoutStream struct{ w io.Writer }

func (s stdoutStream) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	switch {
	case err == nil:
		return n, nil
	case isBrokenPipe(err):
		return n, errStdoutGone
	}
	return n, &outputError{"stdout", plainCause(err)}
}
