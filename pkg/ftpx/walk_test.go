package ftpx_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/pkg/ftpx"
)

func tree(t *testing.T) *ftptest.Server {
	s := &ftptest.Server{}
	for _, name := range []string{"a/one.txt", "a/two.gz", "a/b/three.txt", "a/b/c/four.txt", "x[1].txt"} {
		s.Put(name, []byte(name))
	}
	return s.Start(t)
}

func TestWalk(t *testing.T) {
	c := dial(t, config(tree(t)))
	walk := func(skip string) (paths []string, err error) {
		err = c.Walk(t.Context(), "a", func(path string, e ftpx.Entry) error {
			paths = append(paths, path)
			if path == skip {
				return fs.SkipDir
			}
			return nil
		}, func(_ string, err error) error { return err })
		return paths, err
	}
	all := []string{"a/b", "a/b/c", "a/b/c/four.txt", "a/b/three.txt", "a/one.txt", "a/two.gz"}
	if got, err := walk(""); err != nil || !slices.Equal(got, all) {
		t.Errorf("Walk = %q, %v", got, err)
	}
	if got, err := walk("a/b/c"); err != nil || len(got) != 5 {
		t.Errorf("Walk without a/b/c = %q, %v", got, err)
	}
	stop := errors.New("stop")
	err := c.Walk(t.Context(), "a", func(string, ftpx.Entry) error { return stop }, nil)
	if !errors.Is(err, stop) {
		t.Errorf("Walk = %v", err)
	}
	err = c.Walk(t.Context(), "nowhere", nil, func(_ string, err error) error { return err })
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Walk nowhere = %v", err)
	}
}

// Every directory of this server holds another.
func TestWalkOfATreeWithoutEnd(t *testing.T) {
	s := (&ftptest.Server{}).On("MLSD", func(c *ftptest.Session, _ string) {
		c.Transfer(func(conn net.Conn) error {
			_, err := conn.Write([]byte("type=dir; d\r\n"))
			return err
		})
	}).Start(t)
	n := 0
	err := dial(t, config(s)).Walk(t.Context(), "", func(string, ftpx.Entry) error { n++; return nil },
		func(_ string, err error) error { return err })
	if !protocol(err) || n > 1000 {
		t.Errorf("Walk = %v after %d entries", err, n)
	}
}

func TestGlob(t *testing.T) {
	s := tree(t)
	c := dial(t, config(s))
	for _, tt := range []struct {
		pattern string
		want    []string
	}{
		{"a/*.txt", []string{"a/one.txt"}},
		{"a/*", []string{"a/b", "a/one.txt", "a/two.gz"}},
		{"/a/[ot]*", []string{"/a/one.txt", "/a/two.gz"}},
		{"*/b/*/four.txt", []string{"a/b/c/four.txt"}},
		{`x\[1\].???`, []string{"x[1].txt"}},
		{"nothing*", nil},
	} {
		matches, err := c.Glob(t.Context(), tt.pattern)
		var got []string
		for _, m := range matches {
			got = append(got, m.Path)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("Glob(%q) = %q, %v; want %q", tt.pattern, got, err, tt.want)
		}
	}
	for _, dir := range []string{"link", "a/two.gz"} { // to a directory, and to a file
		s.On("MLSD", func(c *ftptest.Session, arg string) {
			if arg == "" {
				c.Transfer(func(conn net.Conn) error {
					_, err := io.WriteString(conn, "type=OS.unix=symlink; link\r\n")
					return err
				})
				return
			}
			c.Default("MLSD", strings.Replace(arg, "link", strings.Replace(dir, "link", "a", 1), 1))
		})
		matches, err := c.Glob(t.Context(), "*/*.txt")
		if want := dir == "link"; err != nil || (len(matches) == 1 && matches[0].Path == "link/one.txt") != want {
			t.Errorf("Glob through a link to %s = %v, %v", dir, matches, err)
		}
	}
	if _, err := c.Glob(t.Context(), "[a"); err == nil {
		t.Error("Glob of a bad pattern")
	}
}
