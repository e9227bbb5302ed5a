package ftpx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/ftpx"
)

// A scriptedConn is a peer that has said everything from the start and hears
// nothing.
type scriptedConn struct {
	io.Reader
}

func (scriptedConn) Write(b []byte) (int, error)      { return len(b), nil }
func (scriptedConn) Close() error                     { return nil }
func (scriptedConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (scriptedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 21} }
func (scriptedConn) SetDeadline(time.Time) error      { return nil }
func (scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (scriptedConn) SetWriteDeadline(time.Time) error { return nil }

// scripted is a session with a server that says control and, on each data
// connection, data.
func scripted(control, data string) ftpx.Config {
	dialled := 0
	return ftpx.Config{
		Host: "127.0.0.1", Data: ftpx.DataPassive, ReplyTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			if dialled++; dialled == 1 {
				return scriptedConn{strings.NewReader(control)}, nil
			}
			return scriptedConn{strings.NewReader(data)}, nil
		},
	}
}

// Whatever a server says, a session ends, and a download that succeeds has all
// of the data and the server's word for it.
func FuzzDialogue(f *testing.F) {
	for _, s := range []string{
		"220 x\r\n331 x\r\n230 x\r\n211-x\r\n MLST size*;\r\n SIZE\r\n MDTM\r\n211 x\r\n200 x\r\n213 4\r\n213 20240101000000\r\n229 (|||5|)\r\n150 x\r\n226 x\r\n221 x\r\n",
		"220 x\r\n230 x\r\n500 x\r\n200 x\r\n500 x\r\n227 (1,2,3,4,5,6)\r\n125 f (4 bytes)\r\n250 x\r\n",
		"120 x\r\n220 x\r\n331 x\r\n332 x\r\n230 x\r\n211 x\r\n200 x\r\n550 x\r\n",
		"421 x\r\n",
		"220 x\r\n230 x\r\n502 x\r\n200 x\r\n213 4\r\n500 x\r\n500 x\r\n229 (|||5|)\r\n150 x\r\n426 x\r\n",
	} {
		f.Add(s, "data")
	}
	root := f.TempDir()
	f.Fuzz(func(t *testing.T, control, data string) {
		c, err := ftpx.Dial(t.Context(), scripted(control, data))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%q: %v", control, err)
		}
		if err != nil {
			return
		}
		defer c.Close()
		name := filepath.Join(root, "f")
		_ = os.Remove(name) // of the last run
		_ = os.Remove(name + ".part")
		dir, err := os.OpenRoot(root)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		_, err = c.Get(t.Context(), "f", dir, "f", ftpx.GetOptions{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: %v", control, err)
		}
		got, readErr := os.ReadFile(name)
		if err != nil {
			if readErr == nil {
				t.Errorf("%q: a download that failed (%v) left %q", control, err, got)
			}
			return
		}
		if readErr != nil || string(got) != data || !strings.Contains(control, "226") && !strings.Contains(control, "250") {
			t.Errorf("%q: the download of %q is %q, %v", control, data, got, readErr)
		}
	})
}

// A listing through a whole session holds no name that leads elsewhere.
func FuzzListDialogue(f *testing.F) {
	f.Add("220 x\r\n230 x\r\n211-x\r\n MLST size*;\r\n211 x\r\n200 x\r\n229 (|||5|)\r\n150 x\r\n226 x\r\n", "type=file;size=1; a\r\ntype=cdir; /x\r\n")
	f.Add("220 x\r\n230 x\r\n500 x\r\n200 x\r\n229 (|||5|)\r\n150 x\r\n226 x\r\n", "total 1\r\n-rw-r--r-- 1 a b 1 Jan 1 00:00 x\r\nlrwxrwxrwx 1 a b 1 Jan 1 00:00 y -> ../z\r\n")
	f.Fuzz(func(t *testing.T, control, data string) {
		c, err := ftpx.Dial(t.Context(), scripted(control, data))
		if err != nil {
			return
		}
		defer c.Close()
		l, err := c.List(t.Context(), "")
		if err == nil && !strings.Contains(control, "226") && !strings.Contains(control, "250") {
			t.Errorf("%q: a listing without an end: %v", control, l)
		}
		for _, e := range l.Entries {
			local, err := ftpx.SafeName(e.Name)
			if err == nil && (!filepath.IsLocal(local) || filepath.Base(local) != local) {
				t.Errorf("%q became %q", e.Name, local)
			}
		}
	})
}

// A name from a server is one file of one directory, without control bytes.
func FuzzSafeName(f *testing.F) {
	for _, s := range []string{"a", "..", "a/b", "a\x00", "\x1b[31m", `a\b`, "C:", "con", " ", "a\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		local, err := ftpx.SafeName(s)
		if err != nil {
			if !errors.Is(err, ftpx.ErrUnsafeName) {
				t.Errorf("SafeName(%q): %v", s, err)
			}
			return
		}
		joined := filepath.Join("/top", local)
		if filepath.Dir(joined) != "/top" || joined == "/top" || strings.ContainsFunc(local, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("SafeName(%q) = %q, which is %q", s, local, joined)
		}
	})
}

// The pattern of a URL stands for its path, and messages about a URL do not
// tell its password.
func FuzzURLParts(f *testing.F) {
	for _, s := range []string{"h/a/b", "h:99999/", "h/%2Fa%2a*", "h/\u212a;type=a", "h/a;type=q", "[::1/", "h%zz/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const password = "correct-horse-battery"
		u, err := ftpx.ParseURL("ftp://u:" + password + "@" + s)
		if err != nil {
			if strings.Contains(err.Error(), password) {
				t.Errorf("the password is in %v", err)
			}
			return
		}
		end := len(s) - len(";type=x")
		if typed := end > strings.IndexByte(s+"/", '/') && strings.EqualFold(s[end:end+6], ";type="); typed != (u.Type != 0) {
			t.Errorf("%q has the type %q", s, u.Type)
		}
		if u.Pattern == "" || !strings.ContainsAny(u.Pattern, "*?[") {
			return
		}
		escaped := strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`).Replace(u.Path)
		if ok, err := path.Match(escaped, u.Path); err != nil || !ok {
			t.Errorf("%q: the pattern %q, %v", s, escaped, err)
		}
	})
}
