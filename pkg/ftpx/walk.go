package ftpx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Bounds of a tree that a server describes: how deep it is nested, and how many
// directories and entries it has.
const (
	maxDepth   = 100
	maxDirs    = 200_000
	maxEntries = 5_000_000
)

// An UnknownLinesError reports lines of a listing that make no sense and may
// stand for files.
type UnknownLinesError struct {
	Dir   string
	Lines []string
}

func (e *UnknownLinesError) Error() string {
	return fmt.Sprintf("listing of %q: %d lines not understood, such as %.80q", e.Dir, len(e.Lines), e.Lines[0])
}

// Walk calls fn for each entry below dir, a directory before what is in it, the
// entries of one directory in the order of their names. It follows no symbolic links. The error that fn returns ends the walk, except
// [fs.SkipDir]. A directory that cannot be listed, or whose listing holds lines
// that make no sense, is given to failed, which may return nil to go on.
func (c *Client) Walk(ctx context.Context, dir string, fn func(path string, e Entry) error, failed func(dir string, err error) error) error {
	w := &walker{c: c, ctx: ctx, fn: fn, failed: failed}
	return w.walk(dir, 0)
}

type walker struct {
	c             *Client
	ctx           context.Context
	fn            func(string, Entry) error
	failed        func(string, error) error
	dirs, entries int
}

func (w *walker) walk(dir string, depth int) error {
	if w.dirs++; depth > maxDepth || w.dirs > maxDirs || w.entries > maxEntries {
		return fmt.Errorf("%w: a tree without end at %q", ErrProtocol, dir)
	}
	l, err := w.c.List(w.ctx, dir)
	if err != nil {
		if err := w.failed(dir, err); err != nil || w.c.dead != nil {
			return err
		}
	}
	if len(l.Unknown) > 0 {
		if err := w.failed(dir, &UnknownLinesError{dir, l.Unknown}); err != nil {
			return err
		}
	}
	w.entries += len(l.Entries)
	l.Sort()
	for _, e := range l.Entries {
		if err := w.visit(Join(dir, e.Name), e, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) visit(name string, e Entry, depth int) error {
	err := w.fn(name, e)
	if errors.Is(err, fs.SkipDir) {
		return nil
	}
	if err != nil || e.Kind != KindDir || strings.ContainsRune(e.Name, '/') {
		return err
	}
	return w.walk(name, depth+1)
}

// Join puts a name behind a remote directory; an empty directory is the current
// one.
func Join(dir, name string) string {
	switch {
	case dir == "" || strings.HasPrefix(name, "/"):
		return name
	case strings.HasSuffix(dir, "/"):
		return dir + name
	}
	return dir + "/" + name
}

// A Match is one file that a pattern stands for.
type Match struct {
	Path  string
	Entry Entry
}

// Glob returns what a pattern of [path.Match] stands for, one listing for each
// directory that has to be searched, in the order of the names; links to
// directories are followed. No match is an empty list.
func (c *Client) Glob(ctx context.Context, pattern string) ([]Match, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	dir := ""
	if strings.HasPrefix(pattern, "/") {
		dir = "/"
	}
	return c.glob(ctx, dir, strings.Split(strings.Trim(pattern, "/"), "/"))
}

func (c *Client) glob(ctx context.Context, dir string, segments []string) ([]Match, error) {
	for len(segments) > 1 && !strings.ContainsAny(segments[0], `*?[\`) {
		dir, segments = Join(dir, segments[0]), segments[1:]
	}
	l, err := c.List(ctx, dir)
	if err != nil {
		return nil, err
	}
	if len(l.Unknown) > 0 {
		return nil, &UnknownLinesError{dir, l.Unknown}
	}
	l.Sort()
	var out []Match
	for _, e := range l.Entries {
		if ok, err := path.Match(segments[0], e.Name); err != nil || !ok {
			continue
		}
		if len(segments) == 1 {
			out = append(out, Match{Join(dir, e.Name), e})
			continue
		}
		if e.Kind != KindDir && e.Kind != KindLink {
			continue
		}
		below, err := c.glob(ctx, Join(dir, e.Name), segments[1:])
		if err != nil && e.Kind == KindLink && errors.Is(err, fs.ErrNotExist) {
			continue // a link to a file, or to nowhere
		}
		if err != nil {
			return out, err
		}
		out = append(out, below...)
	}
	return out, nil
}
