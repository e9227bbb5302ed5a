package ftpx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// maxDepth bounds the recursion into a tree that a server describes.
const maxDepth = 100

// An UnknownLinesError reports lines of a listing that make no sense and may
// stand for files.
type UnknownLinesError struct {
	Dir   string
	Lines []string
}

func (e *UnknownLinesError) Error() string {
	return fmt.Sprintf("listing of %q: %d lines not understood, such as %.80q", e.Dir, len(e.Lines), e.Lines[0])
}

// Walk calls fn for each entry below dir, a directory before what is in it. It
// follows no symbolic links. The error that fn returns ends the walk, except
// [fs.SkipDir]. A directory that cannot be listed, or whose listing holds lines
// that make no sense, is given to failed, which may return nil to go on.
func (c *Client) Walk(ctx context.Context, dir string, fn func(path string, e Entry) error, failed func(dir string, err error) error) error {
	return c.walk(ctx, dir, 0, fn, failed)
}

func (c *Client) walk(ctx context.Context, dir string, depth int, fn func(string, Entry) error, failed func(string, error) error) error {
	if depth > maxDepth {
		return failed(dir, fmt.Errorf("%w: directories nested deeper than %d", ErrProtocol, maxDepth))
	}
	l, err := c.List(ctx, dir)
	if err != nil {
		if err := failed(dir, err); err != nil || c.dead != nil {
			return err
		}
	}
	if len(l.Unknown) > 0 {
		if err := failed(dir, &UnknownLinesError{dir, l.Unknown}); err != nil {
			return err
		}
	}
	for _, e := range l.Entries {
		name := Join(dir, e.Name)
		err := fn(name, e)
		if errors.Is(err, fs.SkipDir) {
			continue
		}
		if err != nil {
			return err
		}
		if e.Kind != KindDir || strings.ContainsRune(e.Name, '/') {
			continue
		}
		if err := c.walk(ctx, name, depth+1, fn, failed); err != nil {
			return err
		}
	}
	return nil
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
// directory that has to be searched. No match is an empty list.
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
	var out []Match
	for _, e := range l.Entries {
		if ok, err := path.Match(segments[0], e.Name); err != nil || !ok {
			continue
		}
		if len(segments) == 1 {
			out = append(out, Match{Join(dir, e.Name), e})
			continue
		}
		if e.Kind != KindDir {
			continue
		}
		below, err := c.glob(ctx, Join(dir, e.Name), segments[1:])
		if err != nil {
			return out, err
		}
		out = append(out, below...)
	}
	return out, nil
}
