package ftpx_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/pkg/ftpx"
)

// config reaches s with short waits.
func config(s *ftptest.Server) ftpx.Config {
	return ftpx.Config{
		Host: "127.0.0.1", Port: s.Port(), User: s.User, Password: s.Password,
		ConnectTimeout: 2 * time.Second, ReplyTimeout: 2 * time.Second, IdleTimeout: time.Second,
	}
}

func dial(t *testing.T, cfg ftpx.Config) *ftpx.Client {
	t.Helper()
	c, err := ftpx.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(b)
	return b
}

func read(ctx context.Context, c *ftpx.Client, name string, opt ftpx.OpenOptions) ([]byte, error) {
	s, err := c.Open(ctx, name, opt)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(s)
	return got, errors.Join(err, s.Close())
}

func write(ctx context.Context, c *ftpx.Client, name string, data []byte, opt ftpx.OpenOptions) error {
	opt.Direction = ftpx.Output
	s, err := c.Open(ctx, name, opt)
	if err != nil {
		return err
	}
	_, err = s.Write(data)
	return errors.Join(err, s.Close())
}

func certificate(t *testing.T) *ftptest.Certificate {
	t.Helper()
	cert, err := ftptest.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestRoundTripInEveryMode(t *testing.T) {
	cert := certificate(t)
	data := randomBytes(1 << 20)
	for _, data1 := range []struct {
		name string
		mode ftpx.DataMode
	}{{"passive", ftpx.DataPassive}, {"active", ftpx.DataActive}} {
		for _, sec := range []struct {
			name     string
			security ftpx.Security
			version  uint16
		}{
			{"plain", ftpx.Plain, 0},
			{"explicit-1.2", ftpx.ExplicitTLS, tls.VersionTLS12}, {"explicit-1.3", ftpx.ExplicitTLS, tls.VersionTLS13},
			{"implicit-1.2", ftpx.ImplicitTLS, tls.VersionTLS12}, {"implicit-1.3", ftpx.ImplicitTLS, tls.VersionTLS13},
		} {
			for _, host := range []string{"127.0.0.1", "::1"} {
				t.Run(data1.name+"/"+sec.name+"/"+host, func(t *testing.T) {
					s := &ftptest.Server{Addr: "127.0.0.1:0", RequireReuse: true}
					if host == "::1" {
						s.Addr = "[::1]:0"
					}
					if sec.security != ftpx.Plain {
						s.TLS = &tls.Config{Certificates: []tls.Certificate{cert.TLS}, MinVersion: sec.version, MaxVersion: sec.version}
						s.Implicit = sec.security == ftpx.ImplicitTLS
					}
					s.Put("a/b", data).Put("empty", nil).Start(t)
					cfg := config(s)
					cfg.Host, cfg.Data, cfg.Security = host, data1.mode, sec.security
					cfg.TLS = &tls.Config{RootCAs: cert.Pool}
					roundTrip(t, s, dial(t, cfg), data)
				})
			}
		}
	}
}

func roundTrip(t *testing.T, s *ftptest.Server, c *ftpx.Client, data []byte) {
	ctx := t.Context()
	got, err := read(ctx, c, "a/b", ftpx.OpenOptions{})
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("read a/b: %d bytes, %v", len(got), err)
	}
	got, err = read(ctx, c, "a/b", ftpx.OpenOptions{Offset: 1000})
	if err != nil || !bytes.Equal(got, data[1000:]) {
		t.Errorf("read a/b from 1000: %d bytes, %v", len(got), err)
	}
	if got, err = read(ctx, c, "empty", ftpx.OpenOptions{}); err != nil || len(got) != 0 {
		t.Errorf("read empty: %d bytes, %v", len(got), err)
	}
	if _, err := read(ctx, c, "nowhere", ftpx.OpenOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read nowhere: %v, want fs.ErrNotExist", err)
	}
	for _, step := range []struct {
		data []byte
		opt  ftpx.OpenOptions
		want []byte
	}{
		{data, ftpx.OpenOptions{}, data},
		{[]byte("tail"), ftpx.OpenOptions{Append: true}, append(slices.Clone(data), "tail"...)},
		{nil, ftpx.OpenOptions{Append: true}, append(slices.Clone(data), "tail"...)},
		{[]byte("new"), ftpx.OpenOptions{Offset: 5}, append(slices.Clone(data[:5]), "new"...)},
		{nil, ftpx.OpenOptions{}, nil},
	} {
		if err := write(ctx, c, "up", step.data, step.opt); err != nil {
			t.Errorf("write up %+v: %v", step.opt, err)
		}
		if got, _ := s.File("up"); !bytes.Equal(got, step.want) {
			t.Errorf("write up %+v: %d bytes, want %d", step.opt, len(got), len(step.want))
		}
	}
	l, err := c.List(ctx, "")
	if err != nil || len(l.Entries) != 3 || len(l.Unknown) != 0 {
		t.Errorf("List: %v, %v", l, err)
	}
	if l, err = c.List(ctx, "nowhere"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("List nowhere: %v, %v", l, err)
	}
}

// operator: open-ftp-stream
func TestOpenFTPStream(t *testing.T) {
	s := (&ftptest.Server{}).Put("motd", []byte("line 1\nline 2\n")).Start(t)
	cfg := ftpx.DocumentDefaults()
	if cfg.Data != ftpx.DataActive || cfg.User != "anonymous" || cfg.Host != "localhost" {
		t.Errorf("DocumentDefaults() = %+v", cfg)
	}
	var debug strings.Builder
	cfg.Host, cfg.Port, cfg.Debug = "127.0.0.1", s.Port(), &debug
	cfg.User, cfg.Password = "me", "sesame"
	for _, tt := range []struct {
		mode ftpx.Mode
		eol  ftpx.LineEnd
		want string
	}{
		{ftpx.Binary, ftpx.LF, "line 1\nline 2\n"},
		{ftpx.Text, ftpx.LF, "line 1\nline 2\n"},
		{ftpx.Text, ftpx.CRLF, "line 1\r\nline 2\r\n"},
	} {
		in, err := ftpx.Open(t.Context(), "motd", ftpx.OpenOptions{Mode: tt.mode, EOL: tt.eol}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		if err := errors.Join(err, in.Close()); err != nil || string(got) != tt.want {
			t.Errorf("mode %v: %q, %v; want %q", tt.mode, got, err, tt.want)
		}
	}
	out, err := ftpx.Open(t.Context(), "copy", ftpx.OpenOptions{Direction: ftpx.Output, Mode: ftpx.Text}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(out, "a\nb\n")
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.File("copy"); string(got) != "a\nb\n" {
		t.Errorf("text upload stored %q", got)
	}
	if strings.Contains(debug.String(), "sesame") || !strings.Contains(debug.String(), "> PASS ****") ||
		!strings.Contains(debug.String(), "> EPRT ") {
		t.Errorf("dialogue:\n%s", debug.String())
	}
}

func TestFileCopies(t *testing.T) {
	data := randomBytes(3 << 20)
	s := (&ftptest.Server{}).Put("f", data).Start(t)
	c := dial(t, config(s))
	name := filepath.Join(t.TempDir(), "f")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in, err := c.Open(t.Context(), "f", ftpx.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(f, in)
	if err := errors.Join(err, in.Close()); err != nil || n != int64(len(data)) {
		t.Fatalf("copied %d bytes, %v", n, err)
	}
	if got, _ := os.ReadFile(name); !bytes.Equal(got, data) {
		t.Error("content differs")
	}
	f.Seek(0, io.SeekStart)
	var progress int64
	out, err := c.Open(t.Context(), "g", ftpx.OpenOptions{Direction: ftpx.Output, Progress: func(n int64) { progress = n }})
	if err != nil {
		t.Fatal(err)
	}
	n, err = out.ReadFrom(f)
	if err := errors.Join(err, out.Close()); err != nil || n != int64(len(data)) || progress != n {
		t.Fatalf("sent %d bytes, %v, progress %d", n, err, progress)
	}
	if got, _ := s.File("g"); !bytes.Equal(got, data) {
		t.Error("content differs on the server")
	}
}

func TestUniqueUpload(t *testing.T) {
	s := (&ftptest.Server{}).Start(t)
	c := dial(t, config(s))
	out, err := c.Open(t.Context(), "any", ftpx.OpenOptions{Direction: ftpx.Output, Unique: true})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(out, "x")
	if err := out.Close(); err != nil || out.RemoteName() != "unique.1" {
		t.Errorf("Close: %v, name %q", err, out.RemoteName())
	}
}

func TestDirectoryCommands(t *testing.T) {
	s := (&ftptest.Server{}).Put("d/f", []byte("12345")).Start(t)
	c := dial(t, config(s))
	ctx := t.Context()
	if err := c.MakeDirs(ctx, "x/y/z"); err != nil || !s.IsDir("x/y/z") {
		t.Errorf("MakeDirs: %v", err)
	}
	if err := c.MakeDirs(ctx, "x/y/z"); err != nil {
		t.Errorf("MakeDirs again: %v", err)
	}
	if err := c.Rename(ctx, "d/f", "x/g"); err != nil {
		t.Errorf("Rename: %v", err)
	}
	if n, err := c.Size(ctx, "x/g"); n != 5 || err != nil {
		t.Errorf("Size = %d, %v", n, err)
	}
	when := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := c.SetModTime(ctx, "x/g", when); err != nil {
		t.Errorf("SetModTime: %v", err)
	}
	if at, err := c.ModTime(ctx, "x/g"); !at.Equal(when) || err != nil {
		t.Errorf("ModTime = %v, %v", at, err)
	}
	if e, err := c.Stat(ctx, "x/g"); e.Kind != ftpx.KindFile || e.Size != 5 || !e.Time.Equal(when) || err != nil {
		t.Errorf("Stat = %v, %v", e, err)
	}
	if err := c.Chdir(ctx, "x"); err != nil {
		t.Errorf("Chdir: %v", err)
	}
	if dir, err := c.Pwd(ctx); dir != "/x" || err != nil {
		t.Errorf("Pwd = %q, %v", dir, err)
	}
	if err := c.Delete(ctx, "g"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if err := c.RemoveDir(ctx, "y/z"); err != nil {
		t.Errorf("RemoveDir: %v", err)
	}
	if err := c.Delete(ctx, "a\r\nDELE b"); !errors.Is(err, ftpx.ErrUnsafeName) {
		t.Errorf("Delete with a line break: %v", err)
	}
	if r, err := c.Command(ctx, "NOOP"); r.Code != 200 || err != nil {
		t.Errorf("Command(NOOP) = %v, %v", r, err)
	}
}

// The adapter relies on what the library sends and in which order: this fails
// when an update of the library changes it.
func TestLibraryContract(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", []byte("12345")).Start(t)
	cfg := config(s)
	cfg.User, cfg.Password = "u", "p"
	c := dial(t, cfg)
	ctx := t.Context()
	read(ctx, c, "f", ftpx.OpenOptions{})
	read(ctx, c, "f", ftpx.OpenOptions{Offset: 2})
	read(ctx, c, "f", ftpx.OpenOptions{Mode: ftpx.Text})
	write(ctx, c, "g", []byte("x"), ftpx.OpenOptions{})
	write(ctx, c, "g", []byte("x"), ftpx.OpenOptions{Offset: 1})
	write(ctx, c, "g", []byte("x"), ftpx.OpenOptions{Append: true})
	c.List(ctx, "")
	c.Names(ctx, "")
	c.Rename(ctx, "g", "h")
	c.MakeDir(ctx, "d")
	c.Chdir(ctx, "d")
	c.RemoveDir(ctx, "/d")
	c.Delete(ctx, "/h")
	c.Close()
	want := []string{
		"USER u", "PASS p", "FEAT", "TYPE I", "OPTS UTF8 ON",
		"EPSV", "RETR f", "SIZE f",
		"SIZE f", "EPSV", "REST 2", "RETR f",
		"TYPE A", "EPSV", "RETR f",
		"TYPE I", "EPSV", "STOR g",
		"EPSV", "REST 1", "STOR g",
		"EPSV", "APPE g",
		"EPSV", "MLSD",
		"EPSV", "NLST",
		"RNFR g", "RNTO h", "MKD d", "CWD d", "RMD /d", "DELE /h", "QUIT",
	}
	if got := s.Log(); !slices.Equal(got, want) {
		t.Errorf("commands:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The time of a file is asked for together with the command for its data
// connection: the replies come in order, whatever they are.
func TestQuestionsGoAhead(t *testing.T) {
	for name, tt := range map[string]struct {
		setup func(*ftptest.Server)
		want  time.Time
	}{
		"answered":    {func(*ftptest.Server) {}, time.Date(2024, 2, 29, 12, 34, 56, 0, time.UTC)},
		"unknown":     {reply("MDTM", "500 what\r\n"), time.Time{}},
		"nonsense":    {reply("MDTM", "213 yesterday\r\n"), time.Time{}},
		"preliminary": {reply("MDTM", "150 wait\r\n213 20240229123456\r\n"), time.Date(2024, 2, 29, 12, 34, 56, 0, time.UTC)},
	} {
		for _, data := range []ftpx.DataMode{ftpx.DataPassive, ftpx.DataActive} {
			s := (&ftptest.Server{}).Put("f", content)
			tt.setup(s)
			cfg := config(s.Start(t))
			cfg.Data = data
			c := dial(t, cfg)
			in, err := c.Open(t.Context(), "f", ftpx.OpenOptions{AskTime: true})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(in)
			if err := errors.Join(err, in.Close()); err != nil || !bytes.Equal(got, content) || !in.Time().Equal(tt.want) {
				t.Errorf("%s: %d bytes of %v, %v", name, len(got), in.Time(), err)
			}
		}
	}
}

// A firewall drops what follows a command before its reply: the next session
// sends one command at a time.
func TestOneCommandAtATime(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", content)
	s.On("MDTM", func(c *ftptest.Session, arg string) {
		if c.Pending() {
			c.Send(213, "20240229123456")
			c.Hang()
			return
		}
		c.Default("MDTM", arg)
	}).Start(t)
	cfg := config(s)
	cfg.ReplyTimeout = 200 * time.Millisecond
	session := &ftpx.Session{Config: cfg, Retry: ftpx.Retry{Times: 1, Delay: time.Millisecond}}
	defer session.Close()
	dir := target(t)
	err := session.Do(t.Context(), func(c *ftpx.Client, _ int) error {
		_, err := c.Get(t.Context(), "f", dir, "f", ftpx.GetOptions{KeepTime: true})
		return err
	})
	if err != nil || !session.Config.OneAtATime {
		t.Fatalf("Get: %v, one at a time: %v", err, session.Config.OneAtATime)
	}
	holds(t, dir, "f", content)
	if info, err := dir.Stat("f"); err != nil || info.ModTime().Year() != 2024 {
		t.Errorf("Stat: %v, %v", info, err)
	}
}

// While the caller itself reads the control connection, what the server says in
// the meantime is found before the next command, or by the transfer it ends.
func TestRepliesOutOfTurn(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", content)
	s.On("NOOP", func(c *ftptest.Session, _ string) { c.Raw("200 fine\r\n421 going down\r\n") })
	s.On("STAT", func(c *ftptest.Session, _ string) { c.Raw("211 fine\r\n226 and another\r\n") })
	c := dial(t, config(s.Start(t)))
	if r, err := c.Command(t.Context(), "STAT"); err != nil || r.Code != 211 {
		t.Errorf("STAT = %v, %v", r, err)
	}
	if dir, err := c.Pwd(t.Context()); err != nil || dir != "/" {
		t.Errorf("Pwd = %q, %v", dir, err)
	}
	if r, err := c.Command(t.Context(), "NOOP"); err != nil || r.Code != 200 {
		t.Errorf("NOOP = %v, %v", r, err)
	}
	if _, err := c.Pwd(t.Context()); !refusedWith(421)(err) {
		t.Errorf("Pwd: %v, want the 421", err)
	}
}
