package cmd

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/brio-net/brio/pkg/ftpx"
)

// toStdout copies the files that u stands for to stdout, one after the other.
func (g *ftpGetter) toStdout(ctx context.Context, s *ftpServer, u ftpx.URL) {
	paths := []string{u.Path}
	err := s.session.Do(ctx, func(c *ftpx.Client, _ int) error {
		if u.Pattern == "" {
			return nil
		}
		matches, err := c.Glob(ctx, u.Pattern)
		paths = paths[:0]
		for _, m := range matches {
			if m.Entry.Kind != ftpx.KindDir {
				paths = append(paths, m.Path)
			}
		}
		if err == nil && len(paths) == 0 {
			return failf(statusNotFound, "no-match", "nothing matches")
		}
		return err
	})
	if err != nil {
		g.report.file(ctx, ftpFile{File: "-", Size: -1}, ftpFailure(ftpURL(s.cfg, u.Path), err))
		return
	}
	out, done, err := g.e.interruptibleStdout(ctx)
	if err != nil {
		g.report.problem(err)
		return
	}
	defer done()
	for _, path := range paths {
		f := ftpFile{URL: ftpURL(s.cfg, path), File: "-"}
		err := g.copyOut(ctx, s.session, path, g.o.mode(u), out, &f)
		g.report.file(ctx, f, ftpFailure(f.URL, err))
		if ctx.Err() != nil || g.report.broken() || errors.Is(err, errStdoutGone) {
			return
		}
	}
}

// copyOut copies one file to w. A further attempt goes on where the last one
// stopped.
func (g *ftpGetter) copyOut(ctx context.Context, session *ftpx.Session, path string, mode ftpx.Mode, w io.Writer, f *ftpFile) error {
	session.Retry = g.o.retry(g.e, f.URL)
	start := time.Now()
	counter := &byteCounter{p: g.report.progress}
	err := session.Do(ctx, func(c *ftpx.Client, attempt int) error {
		f.Attempts, f.TLS = attempt+1, tlsOf(c)
		if mode == ftpx.Text && f.Moved > 0 {
			return errors.New("a text that broke off cannot be continued")
		}
		offset := f.Moved
		var s *ftpx.Stream
		s, err := c.Open(ctx, path, ftpx.OpenOptions{
			Mode: mode, EOL: g.o.lineEnd(), Offset: offset, Rate: g.o.rate,
			Progress: func(n int64) { counter.set(offset+n, s.Size()) },
		})
		if err != nil {
			return err
		}
		_, err = s.WriteTo(w)
		cerr := s.Close()
		f.Moved += s.Moved()
		f.Size = f.Moved
		if cerr != nil {
			return cerr
		}
		return err
	})
	f.Action = "fetched"
	f.took(time.Since(start))
	return err
}

// openSpecial opens the target of j when it is there and no regular file: a
// device or a named pipe takes the bytes as they come.
func (g *ftpGetter) openSpecial(j getJob) (*os.File, error) {
	if g.o.output == "" {
		return nil, nil
	}
	info, err := os.Stat(g.o.output)
	if err != nil || info.Mode().IsRegular() {
		return nil, nil // to be made
	}
	if info.IsDir() {
		return nil, usagef("%s is a directory", g.o.output).hint("write into a directory with -d DIR")
	}
	f, err := os.OpenFile(g.o.output, os.O_WRONLY, 0)
	if err != nil {
		return nil, &outputError{g.o.output, plainCause(err)}
	}
	return f, nil
}

func (g *ftpGetter) toSpecial(ctx context.Context, session *ftpx.Session, j getJob, special *os.File, f ftpFile, err error) {
	if err == nil {
		err = g.copyOut(ctx, session, j.remote, j.mode, special, &f)
		if cerr := special.Close(); err == nil && cerr != nil {
			err = &outputError{g.o.output, plainCause(cerr)}
		}
	}
	g.report.file(ctx, f, ftpFailure(f.URL, err))
}
