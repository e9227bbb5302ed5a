package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/ftpx"
)

// ftpLsOptions are the flags of ftp-ls.
type ftpLsOptions struct {
	ftpFlags
	recursive, item, strict bool
}

// An ftpListing is what a URL stands for.
type ftpListing struct {
	URL     string     `json:"url"`
	Entries []ftpEntry `json:"entries"`
	Unknown []string   `json:"unknown"` // lines that make no sense

	cfg ftpx.Config
}

// An ftpEntry is a remote file or directory.
type ftpEntry struct {
	URL  string `json:"url"`  // leads to it, whatever bytes its name has
	Path string `json:"path"` // relative to the login directory, or absolute
	ftpx.Entry
}

func newFTPLsCmd(e *env) *cobra.Command {
	var o ftpLsOptions
	c := &cobra.Command{
		Use:   "ftp-ls URL...",
		Short: "list directories of FTP servers",
		Long: `Lists a directory, or the files that a pattern stands for: kind, size, time and name
(--format short: names only). MLSD is used where the server has it, else LIST in any
of its dialects. Lines that make no sense are shown as they are, with "?" for a kind.`,
		Example: `  brio ftp-ls ftp://ftp.example.com/pub/
  brio ftp-ls --format short 'ftp://ftp.example.com/pub/*.gz'
  brio ftp-ls -r ftp://ftp.example.com/pub/
  brio ftp-ls --json ftp://ftp.example.com/pub/ | jq -r '.entries[].name'`,
		Args: wantArgs(1, -1, "at least one URL"),
	}
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.BoolVarP(&o.recursive, "recursive", "r", false, "list directories with all that is in them")
		f.BoolVarP(&o.item, "directory", "d", false, "show the file or directory itself, not what is in it")
		f.BoolVar(&o.strict, "strict", false, "end with status 15 when a line makes no sense")
	})
	o.add(c)
	c.RunE = e.run(func(ctx context.Context, args []string) error {
		return e.eachItem(ctx, args, "at least one URL", func(arg string) error { return runFTPLs(ctx, e, o, arg) })
	})
	return ftpExits(results(e, answers(c, "short"), ftpListing{}), statusLine{statusPartial, "some directories failed"})
}

func runFTPLs(ctx context.Context, e *env, o ftpLsOptions, arg string) error {
	u, err := parseFTPURL(arg)
	if err != nil {
		return err
	}
	cfg, err := o.config(e, u)
	if err != nil {
		return err
	}
	l := ftpListing{URL: ftpURL(cfg, u.Path), Entries: []ftpEntry{}, Unknown: []string{}, cfg: cfg}
	session := &ftpx.Session{Config: cfg, Retry: o.retry(e, l.URL)}
	defer session.Close()
	err = session.Do(ctx, func(c *ftpx.Client, _ int) error {
		l.Entries, l.Unknown = []ftpEntry{}, []string{}
		return l.fill(ctx, c, o, u)
	})
	if err == nil && o.strict && len(l.Unknown) > 0 {
		err = &ftpx.UnknownLinesError{Dir: u.Path, Lines: l.Unknown}
	}
	return emitItem(e, l, ftpFailure(l.URL, err), pick(e, e.writeFTPListing, writeFTPNames))
}

func (l *ftpListing) fill(ctx context.Context, c *ftpx.Client, o ftpLsOptions, u ftpx.URL) error {
	if u.Pattern != "" {
		return l.match(ctx, c, o, u.Pattern)
	}
	if o.item {
		e, err := c.Stat(ctx, u.Path)
		l.add(u.Path, e, err)
		return err
	}
	if o.recursive {
		return l.walk(ctx, c, strings.TrimSuffix(u.Path, "/"))
	}
	return l.list(ctx, c, u.Path)
}

func (l *ftpListing) add(p string, e ftpx.Entry, err error) {
	if err == nil {
		l.Entries = append(l.Entries, ftpEntry{ftpURL(l.cfg, p), p, e})
	}
}

func (l *ftpListing) match(ctx context.Context, c *ftpx.Client, o ftpLsOptions, pattern string) error {
	matches, err := c.Glob(ctx, pattern)
	if err != nil {
		return err
	}
	if len(matches) == 0 {
		return failf(statusNotFound, "no-match", "nothing matches")
	}
	for _, m := range matches {
		l.add(m.Path, m.Entry, nil)
		if !o.recursive || m.Entry.Kind != ftpx.KindDir {
			continue
		}
		if err := l.walk(ctx, c, m.Path); err != nil {
			return err
		}
	}
	return nil
}

// list shows a directory, or a file that a server refuses to list.
func (l *ftpListing) list(ctx context.Context, c *ftpx.Client, dir string) error {
	found, err := c.List(ctx, dir)
	var reply *ftpx.ReplyError
	if errors.As(err, &reply) && reply.Code >= 500 && c.Err() == nil && dir != "" {
		e, serr := c.Stat(ctx, strings.TrimSuffix(dir, "/"))
		if serr == nil && e.Kind != ftpx.KindDir {
			e.Name = path.Base(dir)
			l.add(dir, e, nil)
			return nil
		}
	}
	found.Sort()
	for _, e := range found.Entries {
		p := ftpx.Join(dir, e.Name)
		if len(found.Entries) == 1 && (e.Name == dir || e.Kind == ftpx.KindFile && e.Name == path.Base(dir)) {
			p = dir // LIST of a file
		}
		l.add(p, e, nil)
	}
	l.Unknown = append(l.Unknown, found.Unknown...)
	return err
}

func (l *ftpListing) walk(ctx context.Context, c *ftpx.Client, dir string) error {
	return c.Walk(ctx, dir, func(p string, e ftpx.Entry) error {
		l.add(p, e, nil)
		return nil
	}, func(_ string, err error) error {
		var unknown *ftpx.UnknownLinesError
		if errors.As(err, &unknown) {
			l.Unknown = append(l.Unknown, unknown.Lines...)
			return nil
		}
		return err
	})
}

func (e *env) writeFTPListing(w io.Writer, l ftpListing) error {
	var rows [][]string
	for _, f := range l.Entries {
		at := "-"
		if !f.Time.IsZero() {
			at = f.Time.Format(time.RFC3339)
		}
		name := f.Path
		if f.Target != "" {
			name += " -> " + f.Target
		}
		rows = append(rows, []string{string(f.Kind), sizeOrDash(f.Size), at, name})
	}
	for _, line := range l.Unknown {
		rows = append(rows, []string{"?", "-", "-", line})
	}
	return e.table(w, rows)
}

func writeFTPNames(w io.Writer, l ftpListing) error {
	for _, f := range l.Entries {
		if _, err := fmt.Fprintln(w, safe(f.Path)); err != nil {
			return err
		}
	}
	return nil
}
