package ftpx_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/ftpx"
)

// target returns a directory to fetch into.
func target(t *testing.T) *os.Root {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

// holds fails unless the file in dir has this content.
func holds(t *testing.T, dir *os.Root, name string, want []byte) {
	t.Helper()
	got, err := dir.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s holds %d bytes, %v; want %d", name, len(got), err, len(want))
	}
}

// absent fails if the file is there.
func absent(t *testing.T, dir *os.Root, name string) {
	t.Helper()
	if _, err := dir.Lstat(name); err == nil {
		t.Errorf("%s is there", name)
	}
}

func TestGet(t *testing.T) {
	data := randomBytes(300_000)
	sum := sha256.Sum256(data)
	s := (&ftptest.Server{}).Put("f", data).Start(t)
	c, dir := dial(t, config(s)), target(t)
	r, err := c.Get(t.Context(), "f", dir, "g", ftpx.GetOptions{
		KeepTime: true, ServerSum: true, Checksums: []ftpx.Checksum{{Algorithm: "SHA-256", Sum: hex.EncodeToString(sum[:])}},
	})
	if err != nil || r.Size != int64(len(data)) || r.Moved != r.Size || r.Sum.Algorithm != "SHA-256" {
		t.Fatalf("Get = %+v, %v", r, err)
	}
	holds(t, dir, "g", data)
	absent(t, dir, "g.part")
	if info, _ := dir.Stat("g"); !info.ModTime().Equal(s.Time("f")) {
		t.Errorf("time %v, want %v", info.ModTime(), s.Time("f"))
	}
}

func TestGetWithWrongChecksumKeepsThePart(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", []byte("abc")).Start(t)
	c, dir := dial(t, config(s)), target(t)
	r, err := c.Get(t.Context(), "f", dir, "g", ftpx.GetOptions{Checksums: []ftpx.Checksum{{Algorithm: "MD5", Sum: "00"}}})
	var sumErr *ftpx.ChecksumError
	if !errors.As(err, &sumErr) || r.Partial != "g.part" {
		t.Fatalf("Get = %+v, %v", r, err)
	}
	absent(t, dir, "g")
	holds(t, dir, "g.part", []byte("abc"))
}

func TestGetResumes(t *testing.T) {
	data := randomBytes(300_000)
	other := slices.Clone(data)
	other[199_999]++
	for _, tt := range []struct {
		name          string
		part          []byte
		file          []byte
		resumed       int64
		skipped       bool
		refuseRestart string
	}{
		{"good part", data[:200_000], nil, 200_000, false, ""},
		{"complete part", data, nil, 300_000, false, ""},
		{"other content", other[:200_000], nil, 0, false, ""},
		{"part too long", append(slices.Clone(data), 1), nil, 0, false, ""},
		{"file of another program", nil, data[:100], 100, false, ""},
		{"complete file", nil, data, 0, true, ""},
		{"nothing", nil, nil, 0, false, ""},
		{"REST refused", data[:200_000], nil, 0, false, "502 no\r\n"},
		{"REST ignored", data[:200_000], nil, 0, false, "350 of course\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := (&ftptest.Server{}).Put("f", data).Start(t)
			if tt.refuseRestart != "" {
				s.Reply("REST", tt.refuseRestart)
			}
			c, dir := dial(t, config(s)), target(t)
			if tt.part != nil {
				dir.WriteFile("g.part", tt.part, 0o644)
			}
			if tt.file != nil {
				dir.WriteFile("g", tt.file, 0o644)
			}
			var r ftpx.GetResult
			session := ftpx.Session{Config: config(s), Retry: ftpx.Retry{Times: 1, Delay: time.Millisecond}}
			defer session.Close()
			_ = c
			err := session.Do(t.Context(), func(c *ftpx.Client, _ int) (err error) {
				r, err = c.Get(t.Context(), "f", dir, "g", ftpx.GetOptions{Resume: true})
				return err
			})
			if err != nil || r.Resumed != tt.resumed || r.Skipped != tt.skipped {
				t.Fatalf("Get = %+v, %v", r, err)
			}
			holds(t, dir, "g", data)
			absent(t, dir, "g.part")
		})
	}
}

func TestGetNewer(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	s := (&ftptest.Server{}).PutAt("f", []byte("new"), at).Start(t)
	c, dir := dial(t, config(s)), target(t)
	for _, tt := range []struct {
		content string
		time    time.Time
		skipped bool
	}{
		{"old", at, true}, {"old", at.Add(time.Hour), true}, {"old", at.Add(-time.Hour), false}, {"longer", at, false},
	} {
		dir.WriteFile("f", []byte(tt.content), 0o644)
		dir.Chtimes("f", tt.time, tt.time)
		r, err := c.Get(t.Context(), "f", dir, "f", ftpx.GetOptions{Newer: true})
		if err != nil || r.Skipped != tt.skipped {
			t.Errorf("Get over %q of %v = %+v, %v", tt.content, tt.time, r, err)
		}
	}
}

func TestGetFollowsNoLinks(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", []byte("data")).Start(t)
	c, dir := dial(t, config(s)), target(t)
	outside := filepath.Join(t.TempDir(), "outside")
	os.WriteFile(outside, []byte("precious"), 0o644)
	for _, name := range []string{"f", "f.part"} {
		if err := os.Symlink(outside, filepath.Join(dir.Name(), name)); err != nil {
			need.Missing(t, "no symbolic links: %v", err)
		}
	}
	_, err := c.Get(t.Context(), "f", dir, "f", ftpx.GetOptions{Resume: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(outside); string(got) != "precious" {
		t.Errorf("wrote through a link: %q", got)
	}
	holds(t, dir, "f", []byte("data"))
}

func TestPut(t *testing.T) {
	data := randomBytes(200_000)
	when := time.Date(2021, 2, 3, 4, 5, 6, 0, time.UTC)
	s := (&ftptest.Server{}).Put("old", []byte("x")).Start(t)
	c := dial(t, config(s))
	ctx := t.Context()
	r, err := c.Put(ctx, bytes.NewReader(data), "a/b/c", ftpx.PutOptions{MakeDirs: true, Atomic: true, Time: when})
	if err != nil || !r.TimeSet || r.Size != int64(len(data)) {
		t.Fatalf("Put = %+v, %v", r, err)
	}
	if got, _ := s.File("a/b/c"); !bytes.Equal(got, data) || !s.Time("a/b/c").Equal(when) {
		t.Errorf("stored %d bytes, time %v", len(got), s.Time("a/b/c"))
	}
	if _, found := s.File("a/b/c.part"); found {
		t.Error("the part is still there")
	}
	if r, err = c.Put(ctx, strings.NewReader("y"), "old", ftpx.PutOptions{Append: true}); err != nil || r.Size != -1 {
		t.Errorf("append = %+v, %v", r, err)
	}
	if got, _ := s.File("old"); string(got) != "xy" {
		t.Errorf("appended: %q", got)
	}
	if r, err = c.Put(ctx, strings.NewReader("u"), "any", ftpx.PutOptions{Unique: true}); err != nil || r.Name != "unique.1" {
		t.Errorf("unique = %+v, %v", r, err)
	}
}

func TestPutResumes(t *testing.T) {
	data := randomBytes(200_000)
	name := filepath.Join(t.TempDir(), "f")
	os.WriteFile(name, data, 0o644)
	other := slices.Clone(data)
	other[99_999]++
	for _, tt := range []struct {
		name    string
		there   []byte
		resumed int64
		skipped bool
	}{
		{"half", data[:100_000], 100_000, false}, {"all", data, 200_000, true}, {"nothing", nil, 0, false},
		{"other", other[:100_000], 0, false}, {"longer", append(slices.Clone(data), 1), 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &ftptest.Server{}
			if tt.there != nil {
				s.Put("f", tt.there)
			}
			s.Start(t)
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r, err := dial(t, config(s)).Put(t.Context(), f, "f", ftpx.PutOptions{Resume: true, ServerSum: true})
			if err != nil || r.Resumed != tt.resumed || r.Skipped != tt.skipped {
				t.Fatalf("Put = %+v, %v", r, err)
			}
			if got, _ := s.File("f"); !bytes.Equal(got, data) {
				t.Errorf("stored %d bytes", len(got))
			}
		})
	}
}

type failingReader struct{ n int }

func (r *failingReader) Read(p []byte) (int, error) {
	if r.n--; r.n < 0 {
		return 0, errors.New("disk on fire")
	}
	return len(p), nil
}

func TestPutOfBrokenSourceIsNotTakenForComplete(t *testing.T) {
	s := (&ftptest.Server{}).Start(t)
	c := dial(t, config(s))
	_, err := c.Put(t.Context(), &failingReader{2}, "f", ftpx.PutOptions{Atomic: true})
	var local *ftpx.LocalError
	if !errors.As(err, &local) {
		t.Errorf("Put: %v, want a LocalError", err)
	}
	if _, found := s.File("f"); found {
		t.Error("the server has the file under its final name")
	}
}

// operator: ftp-transfer-file
func TestFTPTransferFile(t *testing.T) {
	data := randomBytes(3 << 20)
	text := []byte("one\ntwo\n")
	for _, tt := range []struct {
		name    string
		fxp     ftpx.FXP
		mode    ftpx.Mode
		refuse  string
		file    string
		want    []byte
		via     string
		wantErr error
	}{
		{"direct", ftpx.FXPOnly, ftpx.Binary, "", "f", data, "fxp", nil},
		{"relay", ftpx.FXPNever, ftpx.Binary, "", "f", data, "relay", nil},
		{"text relay", ftpx.FXPNever, ftpx.Text, "", "t", text, "relay", nil},
		{"text direct", ftpx.FXPAuto, ftpx.Text, "", "t", text, "fxp", nil},
		{"refused", ftpx.FXPAuto, ftpx.Binary, "500 illegal PORT\r\n", "f", data, "relay", nil},
		{"refused only", ftpx.FXPOnly, ftpx.Binary, "500 illegal PORT\r\n", "f", nil, "fxp", errAny},
		{"missing", ftpx.FXPAuto, ftpx.Binary, "", "nowhere", nil, "fxp", os.ErrNotExist},
		{"missing relay", ftpx.FXPNever, ftpx.Binary, "", "nowhere", nil, "relay", os.ErrNotExist},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := (&ftptest.Server{User: "from", Password: "1"}).Put("f", data).Put("t", text).Start(t)
			dst := (&ftptest.Server{User: "to", Password: "2"}).Start(t)
			if tt.refuse != "" {
				src.Reply("PORT", tt.refuse).Reply("EPRT", tt.refuse)
			}
			var debug strings.Builder
			from := config(src)
			from.Debug = &debug
			r, err := ftpx.Transfer(t.Context(), ftpx.Endpoint{Config: from, File: tt.file},
				ftpx.Endpoint{Config: config(dst), File: "copy"}, ftpx.TransferOptions{FXP: tt.fxp, Mode: tt.mode})
			if r.Via != tt.via || (err == nil) != (tt.wantErr == nil) || tt.wantErr != nil && tt.wantErr != errAny && !errors.Is(err, tt.wantErr) {
				t.Fatalf("Transfer = %+v, %v", r, err)
			}
			if got, found := dst.File("copy"); found != (tt.want != nil) || !bytes.Equal(got, tt.want) {
				t.Errorf("copied %d bytes", len(got))
			}
			if (tt.refuse != "" && tt.fxp == ftpx.FXPAuto) != (r.FXPError != nil) {
				t.Errorf("FXPError = %v", r.FXPError)
			}
			if debug.Len() == 0 {
				t.Error("no dialogue")
			}
		})
	}
}

var errAny = errors.New("any error")

func TestTransferGivesUpOnAStrangerThatNeverAnswers(t *testing.T) {
	data := randomBytes(1000)
	src := (&ftptest.Server{}).Put("f", data).Start(t)
	dst := (&ftptest.Server{}).Start(t)
	// Pure-FTPd without -w: it waits for its own client.
	dst.On("STOR", func(c *ftptest.Session, arg string) {
		if dst.Logins() == 1 {
			c.Hang()
			return
		}
		c.Default("STOR", arg)
	})
	r, err := ftpx.Transfer(t.Context(), ftpx.Endpoint{Config: config(src), File: "f"},
		ftpx.Endpoint{Config: config(dst), File: "copy"}, ftpx.TransferOptions{StartTimeout: 300 * time.Millisecond})
	if err != nil || r.Via != "relay" || r.FXPError == nil {
		t.Fatalf("Transfer = %+v, %v", r, err)
	}
	if got, _ := dst.File("copy"); !bytes.Equal(got, data) {
		t.Errorf("copied %d bytes", len(got))
	}
}

func TestGetCancelled(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", nil).Start(t)
	s.On("RETR", func(c *ftptest.Session, _ string) {
		c.Transfer(func(conn net.Conn) error {
			conn.Write([]byte("begin"))
			c.Hang()
			return nil
		})
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	time.AfterFunc(200*time.Millisecond, func() { cancel(reason) })
	dir := target(t)
	start := time.Now()
	r, err := dial(t, config(s)).Get(ctx, "f", dir, "f", ftpx.GetOptions{})
	if !errors.Is(err, reason) || time.Since(start) > time.Second || r.Partial != "f.part" {
		t.Errorf("Get = %+v, %v after %v", r, err, time.Since(start))
	}
	holds(t, dir, "f.part", []byte("begin"))
}
