package tests

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/ftpx"
)

// realServers starts each of the real servers for one test.
func realServers(t *testing.T, test func(t *testing.T, s *realFTP)) {
	for _, start := range []func(*testing.T) *realFTP{startVsftpd, startProftpd, startPureftpd} {
		s := start
		t.Run(nameOf(s), func(t *testing.T) { test(t, s(t)) })
	}
}

func nameOf(f func(*testing.T) *realFTP) string {
	for name, g := range map[string]func(*testing.T) *realFTP{"vsftpd": startVsftpd, "proftpd": startProftpd, "pure-ftpd": startPureftpd} {
		if fmt.Sprintf("%p", f) == fmt.Sprintf("%p", g) {
			return name
		}
	}
	return "?"
}

// A way is a way to talk to a server.
type way struct {
	data     ftpx.DataMode
	host     string
	security ftpx.Security
	version  uint16
}

func (w way) String() string {
	data := map[ftpx.DataMode]string{ftpx.DataPassive: "passive", ftpx.DataActive: "active"}[w.data]
	security := map[ftpx.Security]string{ftpx.Plain: "plain", ftpx.ExplicitTLS: "explicit", ftpx.ImplicitTLS: "implicit"}[w.security]
	if w.security != ftpx.Plain {
		security += "-" + tls.VersionName(w.version)
	}
	return data + "/" + w.host + "/" + security
}

// ways are all that s offers.
func (s *realFTP) ways() []way {
	var out []way
	for _, data := range []ftpx.DataMode{ftpx.DataPassive, ftpx.DataActive} {
		for _, host := range []string{"127.0.0.1", "::1"} {
			out = append(out, way{data, host, ftpx.Plain, 0})
			for _, security := range []ftpx.Security{ftpx.ExplicitTLS, ftpx.ImplicitTLS} {
				if security == ftpx.ImplicitTLS && s.implicit == 0 {
					continue
				}
				for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
					out = append(out, way{data, host, security, version})
				}
			}
		}
	}
	return out
}

func (s *realFTP) config(w way) ftpx.Config {
	cfg := ftpx.Config{
		Host: w.host, Port: s.plain, User: s.user, Password: s.password, Data: w.data, Security: w.security,
		ConnectTimeout: 5 * time.Second, ReplyTimeout: 20 * time.Second, IdleTimeout: 10 * time.Second,
	}
	if w.security == ftpx.ImplicitTLS {
		cfg.Port = s.implicit
	}
	if w.security != ftpx.Plain {
		cfg.TLS = &tls.Config{RootCAs: s.cert.Pool, MinVersion: w.version, MaxVersion: w.version}
	}
	return cfg
}

func ftpDial(t *testing.T, cfg ftpx.Config) *ftpx.Client {
	t.Helper()
	c, err := ftpx.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func randomData(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestRealFTPServersInEveryWay(t *testing.T) {
	realServers(t, func(t *testing.T, s *realFTP) {
		data := randomData(1<<20 + 17)
		text := []byte("one\ntwo\nthree\n")
		writeFile(t, filepath.Join(s.dir, "data"), data)
		writeFile(t, filepath.Join(s.dir, "text"), text)
		writeFile(t, filepath.Join(s.dir, "empty"), nil)
		for i, w := range s.ways() {
			t.Run(w.String(), func(t *testing.T) {
				c := ftpDial(t, s.config(w))
				if err := c.Chdir(t.Context(), "./"+s.prefix); err != nil {
					t.Fatal(err)
				}
				r := realRun{t, s, c, fmt.Sprintf("up%d", i), data, text}
				r.downloads()
				r.uploads()
				r.listings()
				if err := c.Err(); err != nil {
					t.Errorf("the session died: %v", err)
				}
			})
		}
	})
}

type realRun struct {
	t          *testing.T
	s          *realFTP
	c          *ftpx.Client
	name       string
	data, text []byte
}

func (r realRun) read(name string, opt ftpx.OpenOptions, want []byte) {
	r.t.Helper()
	s, err := r.c.Open(r.t.Context(), name, opt)
	if err != nil {
		r.t.Errorf("open %s %+v: %v", name, opt, err)
		return
	}
	got, err := io.ReadAll(s)
	if err := errors.Join(err, s.Close()); err != nil || !bytes.Equal(got, want) {
		r.t.Errorf("read %s %+v: %d bytes, want %d: %v", name, opt, len(got), len(want), err)
	}
}

func (r realRun) downloads() {
	r.read("data", ftpx.OpenOptions{}, r.data)
	r.read("data", ftpx.OpenOptions{Offset: 1 << 20}, r.data[1<<20:])
	r.read("text", ftpx.OpenOptions{Mode: ftpx.Text}, r.text)
	r.read("text", ftpx.OpenOptions{Mode: ftpx.Text, EOL: ftpx.CRLF}, bytes.ReplaceAll(r.text, []byte("\n"), []byte("\r\n")))
	r.read("empty", ftpx.OpenOptions{}, nil)
	if _, err := r.c.Open(r.t.Context(), "nowhere", ftpx.OpenOptions{}); !errors.Is(err, fs.ErrNotExist) {
		r.t.Errorf("open nowhere: %v", err)
	}
	dir, err := os.OpenRoot(r.t.TempDir())
	if err != nil {
		r.t.Fatal(err)
	}
	defer dir.Close()
	dir.WriteFile("got.part", r.data[:500_000], 0o644)
	got, err := r.c.Get(r.t.Context(), "data", dir, "got", ftpx.GetOptions{Resume: true, KeepTime: true, ServerSum: true})
	if err != nil || got.Resumed != 500_000 {
		r.t.Errorf("Get = %+v, %v", got, err)
	}
	if r.s.has["hash"] && got.Sum.Algorithm != "SHA-256" {
		r.t.Errorf("checksum of the server: %+v", got.Sum)
	}
	if here, err := dir.ReadFile("got"); err != nil || !bytes.Equal(here, r.data) {
		r.t.Errorf("resumed file: %d bytes, %v", len(here), err)
	}
	a, _ := dir.Stat("got")
	b, _ := os.Stat(filepath.Join(r.s.dir, "data"))
	if a == nil || a.ModTime().Unix() != b.ModTime().Unix() {
		r.t.Errorf("time not kept")
	}
}

func (r realRun) write(data []byte, opt ftpx.PutOptions, want []byte) {
	r.t.Helper()
	got, err := r.c.Put(r.t.Context(), bytes.NewReader(data), r.name, opt)
	if err != nil {
		r.t.Errorf("Put %d bytes %+v = %+v, %v", len(data), opt, got, err)
		return
	}
	if here, err := os.ReadFile(filepath.Join(r.s.dir, got.Name)); err != nil || !bytes.Equal(here, want) {
		r.t.Errorf("Put %d bytes %+v: %d bytes arrived, want %d, %v", len(data), opt, len(here), len(want), err)
	}
}

func (r realRun) uploads() {
	when := time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)
	r.write(r.data, ftpx.PutOptions{Time: when}, r.data)
	if info, _ := os.Stat(filepath.Join(r.s.dir, r.name)); info == nil || !info.ModTime().Equal(when) {
		r.t.Errorf("time not set")
	}
	r.write([]byte("tail"), ftpx.PutOptions{Append: true}, append(slices.Clone(r.data), "tail"...))
	r.write(nil, ftpx.PutOptions{Append: true}, append(slices.Clone(r.data), "tail"...))
	r.write([]byte("short"), ftpx.PutOptions{Atomic: true}, []byte("short"))
	r.write(nil, ftpx.PutOptions{}, nil)
	r.write([]byte("a\nb\n"), ftpx.PutOptions{Mode: ftpx.Text}, []byte("a\nb\n"))
	name := filepath.Join(r.t.TempDir(), "source")
	writeFile(r.t, name, r.data)
	writeFile(r.t, filepath.Join(r.s.dir, r.name), r.data[:700_000])
	os.Chmod(filepath.Join(r.s.dir, r.name), 0o666)
	f, err := os.Open(name)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	got, err := r.c.Put(r.t.Context(), f, r.name, ftpx.PutOptions{Resume: true, ServerSum: true})
	if err != nil || got.Resumed != 700_000 {
		r.t.Errorf("resumed upload = %+v, %v", got, err)
	}
	if here, err := os.ReadFile(filepath.Join(r.s.dir, r.name)); err != nil || !bytes.Equal(here, r.data) {
		r.t.Errorf("resumed upload: %d bytes, %v", len(here), err)
	}
}

func (r realRun) listings() {
	ctx := r.t.Context()
	l, err := r.c.List(ctx, "")
	i := slices.IndexFunc(l.Entries, func(e ftpx.Entry) bool { return e.Name == "data" })
	if err != nil || len(l.Unknown) > 0 || i < 0 || l.Entries[i].Size != int64(len(r.data)) || l.Entries[i].Kind != ftpx.KindFile {
		r.t.Errorf("List = %v, %v", l, err)
	}
	if _, err := r.c.List(ctx, "nowhere"); !errors.Is(err, fs.ErrNotExist) {
		r.t.Errorf("List nowhere: %v", err)
	}
	if l, err = r.c.List(ctx, "sub"); err != nil || len(l.Entries) != 0 {
		r.t.Errorf("List sub = %v, %v", l, err)
	}
	if e, err := r.c.Stat(ctx, "data"); err != nil || e.Size != int64(len(r.data)) {
		r.t.Errorf("Stat = %v, %v", e, err)
	}
	if err := r.c.MakeDirs(ctx, r.name+"d/x y"); err != nil {
		r.t.Errorf("MakeDirs: %v", err)
	}
	if err := r.c.RemoveDir(ctx, r.name+"d/x y"); err != nil {
		r.t.Errorf("RemoveDir: %v", err)
	}
	if err := r.c.Rename(ctx, r.name, r.name+"r"); err != nil {
		r.t.Errorf("Rename: %v", err)
	}
	if err := r.c.Delete(ctx, r.name+"r"); err != nil {
		r.t.Errorf("Delete: %v", err)
	}
}

// A listing gives a link the size of the link, or of what it leads to; its
// content is that of the target, and so is its time.
func TestLinksOnRealFTPServers(t *testing.T) {
	realServers(t, func(t *testing.T, s *realFTP) {
		data := randomData(1000)
		writeFile(t, filepath.Join(s.dir, "sub", "data"), data)
		if err := os.Symlink("data", filepath.Join(s.dir, "sub", "link")); err != nil {
			t.Fatal(err)
		}
		c := ftpDial(t, s.config(way{ftpx.DataPassive, "127.0.0.1", ftpx.Plain, 0}))
		l, err := c.List(t.Context(), s.prefix+"sub")
		i := slices.IndexFunc(l.Entries, func(e ftpx.Entry) bool { return e.Name == "link" })
		if err != nil || i < 0 || l.Entries[i].Kind != ftpx.KindLink {
			t.Fatalf("List = %v, %v", l, err)
		}
		dir, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		for _, skipped := range []bool{false, true} {
			got, err := c.Get(t.Context(), s.prefix+"sub/link", dir, "link", ftpx.GetOptions{Entry: &l.Entries[i], KeepTime: true, Newer: true})
			if err != nil || got.Skipped != skipped || got.Size != int64(len(data)) {
				t.Errorf("Get = %+v, %v; want skipped %v", got, err, skipped)
			}
		}
		if here, err := dir.ReadFile("link"); err != nil || !bytes.Equal(here, data) {
			t.Errorf("%d bytes, %v", len(here), err)
		}
	})
}

// Half of the TLS 1.3 uploads of other clients to vsftpd end truncated: they
// close a socket that holds unread session tickets, which sends a reset.
func TestUploadsSurviveSessionTickets(t *testing.T) {
	s := startVsftpd(t)
	data := randomData(1 << 20)
	c := ftpDial(t, s.config(way{ftpx.DataPassive, "127.0.0.1", ftpx.ExplicitTLS, tls.VersionTLS13}))
	good := 0
	for i := range 50 {
		name := fmt.Sprintf("u%d", i)
		if _, err := c.Put(t.Context(), bytes.NewReader(data), s.prefix+name, ftpx.PutOptions{}); err != nil {
			t.Fatalf("upload %d: %v", i, err)
		}
		if got, err := os.ReadFile(filepath.Join(s.dir, name)); err == nil && bytes.Equal(got, data) {
			good++
		}
		os.Remove(filepath.Join(s.dir, name))
	}
	if good != 50 {
		t.Errorf("%d of 50 uploads arrived whole", good)
	}
}

// TestStoppingADownload leaves each server in the middle of a file: the session
// must be usable, or known to be dead, within a bounded time.
func TestStoppingADownload(t *testing.T) {
	realServers(t, func(t *testing.T, s *realFTP) {
		writeFile(t, filepath.Join(s.dir, "data"), randomData(64<<20))
		for _, w := range s.ways() {
			if w.host != "127.0.0.1" {
				continue
			}
			t.Run(w.String(), func(t *testing.T) {
				session := &ftpx.Session{Config: s.config(w)}
				defer session.Close()
				c, err := session.Client(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				in, err := c.Open(t.Context(), s.prefix+"data", ftpx.OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(in, make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if err := in.Close(); !errors.Is(err, ftpx.ErrAborted) {
					t.Errorf("Close: %v, want ErrAborted", err)
				}
				if took := time.Since(start); took > 4*time.Second {
					t.Errorf("Close took %v", took)
				}
				if c, err = session.Client(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Size(t.Context(), s.prefix+"data"); err != nil {
					t.Errorf("the next command: %v", err)
				}
			})
		}
	})
}

func TestTransferBetweenRealServers(t *testing.T) {
	servers := []*realFTP{startVsftpd(t), startProftpd(t), startPureftpd(t)}
	data := randomData(1 << 20)
	for _, from := range servers {
		writeFile(t, filepath.Join(from.dir, "data"), data)
		for _, to := range servers {
			for _, security := range []ftpx.Security{ftpx.Plain, ftpx.ExplicitTLS} {
				for _, fxp := range []ftpx.FXP{ftpx.FXPAuto, ftpx.FXPNever} {
					w := way{ftpx.DataPassive, "127.0.0.1", security, tls.VersionTLS13}
					t.Run(fmt.Sprintf("%s-%s/%d/%d", from.name, to.name, security, fxp), func(t *testing.T) {
						r, err := ftpx.Transfer(t.Context(), ftpx.Endpoint{Config: from.config(w), File: from.prefix + "data"},
							ftpx.Endpoint{Config: to.config(w), File: to.prefix + "copy"}, ftpx.TransferOptions{FXP: fxp, StartTimeout: 3 * time.Second})
						if err != nil || r.Bytes != int64(len(data)) {
							t.Fatalf("Transfer = %+v, %v", r, err)
						}
						if security == ftpx.Plain && (r.Via == "fxp") != (fxp == ftpx.FXPAuto) {
							t.Errorf("via %s: %v", r.Via, r.FXPError)
						}
						if security == ftpx.ExplicitTLS && !r.Protected {
							t.Error("the data went in clear")
						}
						t.Logf("via %s, %v", r.Via, r.FXPError)
						copied, err := os.ReadFile(filepath.Join(to.dir, "copy"))
						if err != nil || !bytes.Equal(copied, data) {
							t.Errorf("copied %d bytes, %v", len(copied), err)
						}
						os.Remove(filepath.Join(to.dir, "copy"))
					})
				}
			}
		}
	}
}

// The other ways: IPv6, and active data connections at both ends.
func TestTransferBetweenRealServersInOtherWays(t *testing.T) {
	servers := []*realFTP{startVsftpd(t), startProftpd(t), startPureftpd(t)}
	data := randomData(300_000)
	for i, from := range servers {
		to := servers[(i+1)%len(servers)]
		writeFile(t, filepath.Join(from.dir, "data"), data)
		for name, tt := range map[string]struct {
			way way
			fxp ftpx.FXP
		}{
			"fxp IPv6":                 {way{ftpx.DataPassive, "::1", ftpx.Plain, 0}, ftpx.FXPOnly},
			"relay IPv6 active":        {way{ftpx.DataActive, "::1", ftpx.Plain, 0}, ftpx.FXPNever},
			"relay active TLS 1.2":     {way{ftpx.DataActive, "127.0.0.1", ftpx.ExplicitTLS, tls.VersionTLS12}, ftpx.FXPNever},
			"relay active TLS 1.3":     {way{ftpx.DataActive, "127.0.0.1", ftpx.ExplicitTLS, tls.VersionTLS13}, ftpx.FXPNever},
			"relay IPv6 text":          {way{ftpx.DataPassive, "::1", ftpx.Plain, 0}, ftpx.FXPNever},
			"relay TLS 1.2, automatic": {way{ftpx.DataPassive, "::1", ftpx.ExplicitTLS, tls.VersionTLS12}, ftpx.FXPAuto},
		} {
			t.Run(from.name+"-"+to.name+"/"+name, func(t *testing.T) {
				opt := ftpx.TransferOptions{FXP: tt.fxp, StartTimeout: 3 * time.Second}
				source, want := "data", data
				if name == "relay IPv6 text" {
					source, want, opt.Mode = "text", []byte("one\ntwo\n"), ftpx.Text
					writeFile(t, filepath.Join(from.dir, "text"), want)
				}
				r, err := ftpx.Transfer(t.Context(), ftpx.Endpoint{Config: from.config(tt.way), File: from.prefix + source},
					ftpx.Endpoint{Config: to.config(tt.way), File: to.prefix + "copy"}, opt)
				if err != nil {
					t.Fatalf("Transfer = %+v, %v", r, err)
				}
				copied, err := os.ReadFile(filepath.Join(to.dir, "copy"))
				if err != nil || !bytes.Equal(copied, want) {
					t.Errorf("copied %d bytes, want %d, %v", len(copied), len(want), err)
				}
				os.Remove(filepath.Join(to.dir, "copy"))
			})
		}
	}
}

// Two servers exchange a file through TLS when one of them can be the TLS client
// (SSCN), trusts the other, and neither insists on session reuse.
func TestTransferThroughTLS(t *testing.T) {
	from := startProftpdWith(t, newRealFTP(t, "proftpd"), "TLSOptions NoSessionReuseRequired")
	second := newRealFTP(t, "proftpd")
	for _, name := range []string{"cert.pem", "key.pem"} {
		text, err := os.ReadFile(from.base(name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, second.base(name), text)
		os.Chmod(second.base(name), 0o600)
	}
	second.cert = from.cert
	to := startProftpdWith(t, second, "TLSOptions NoSessionReuseRequired")
	data := randomData(1 << 20)
	writeFile(t, filepath.Join(from.dir, "data"), data)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		w := way{ftpx.DataPassive, "127.0.0.1", ftpx.ExplicitTLS, version}
		r, err := ftpx.Transfer(t.Context(), ftpx.Endpoint{Config: from.config(w), File: "data"},
			ftpx.Endpoint{Config: to.config(w), File: "copy"}, ftpx.TransferOptions{FXP: ftpx.FXPOnly, StartTimeout: 5 * time.Second})
		if err != nil || r.Via != "fxp" || !r.Protected {
			t.Errorf("%v: Transfer = %+v, %v", w, r, err)
			continue
		}
		if copied, err := os.ReadFile(filepath.Join(to.dir, "copy")); err != nil || !bytes.Equal(copied, data) {
			t.Errorf("%v: copied %d bytes, %v", w, len(copied), err)
		}
	}
}

// TestDataConnectionIsBare checks that the socket of a plain download is one the
// kernel can move bytes from without a copy in between.
func TestDataConnectionIsBare(t *testing.T) {
	s := startVsftpd(t)
	writeFile(t, filepath.Join(s.dir, "data"), randomData(1000))
	var bare bool
	cfg := s.config(way{ftpx.DataPassive, "127.0.0.1", ftpx.Plain, 0})
	c := ftpDial(t, cfg)
	in, err := c.Open(t.Context(), s.prefix+"data", ftpx.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, bare = in.NetConn().(*net.TCPConn)
	io.Copy(io.Discard, in)
	if err := in.Close(); err != nil || !bare {
		t.Errorf("bare %v, %v", bare, err)
	}
}
