package ftpx_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/ftpx"
)

// deafIn makes transfers hang that use active data connections, or passive ones.
func deafIn(s *ftptest.Server, active bool, first string) *ftptest.Server {
	for _, verb := range []string{"RETR", "STOR", "MLSD"} {
		s.On(verb, func(c *ftptest.Session, arg string) {
			if c.Active() == active {
				c.Raw(first)
				c.Hang()
				return
			}
			c.Default(verb, arg)
		})
	}
	return s
}

// told records what FellBack is told.
func told(cfg *ftpx.Config) *[]ftpx.DataMode {
	var modes []ftpx.DataMode
	cfg.FellBack = func(to ftpx.DataMode, _ error) { modes = append(modes, to) }
	return &modes
}

// The server never connects: it is left for a new session with passive data.
func TestActiveFallsBackAfterSilence(t *testing.T) {
	for name, first := range map[string]string{"150 and silence": "150 soon\r\n", "silence": ""} {
		t.Run(name, func(t *testing.T) {
			s := deafIn((&ftptest.Server{}).Put("f", content), true, first).Start(t)
			cfg := config(s)
			cfg.Data, cfg.ConnectTimeout, cfg.ReplyTimeout = ftpx.DataActiveFirst, 200*time.Millisecond, 300*time.Millisecond
			modes := told(&cfg)
			session := &ftpx.Session{Config: cfg}
			defer session.Close()
			dir := target(t)
			err := session.Do(t.Context(), func(c *ftpx.Client, _ int) error {
				_, err := c.Get(t.Context(), "f", dir, "f", ftpx.GetOptions{})
				return err
			})
			if err != nil || len(*modes) != 1 || (*modes)[0] != ftpx.DataPassive {
				t.Fatalf("Get: %v, told %v", err, *modes)
			}
			holds(t, dir, "f", content)
			if session.Config.Data != ftpx.DataAuto {
				t.Errorf("the next session begins with %v", session.Config.Data)
			}
			if n := s.Logins(); n != 2 {
				t.Errorf("%d logins", n)
			}
		})
	}
}

func TestFallBackOfStreamsAndUploadsAndListings(t *testing.T) {
	s := deafIn((&ftptest.Server{}).Put("f", content), true, "150 soon\r\n").Start(t)
	cfg := config(s)
	cfg.Data, cfg.ConnectTimeout = ftpx.DataActiveFirst, 100*time.Millisecond
	in, err := ftpx.Open(t.Context(), "f", ftpx.OpenOptions{}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(in)
	if err != nil || in.Close() != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	for name, op := range map[string]func(*ftpx.Client) error{
		"upload": func(c *ftpx.Client) error {
			_, err := c.Put(t.Context(), bytes.NewReader(content), "up", ftpx.PutOptions{})
			return err
		},
		"listing": func(c *ftpx.Client) error { _, err := c.List(t.Context(), ""); return err },
	} {
		session := &ftpx.Session{Config: cfg}
		if err := session.Do(t.Context(), func(c *ftpx.Client, _ int) error { return op(c) }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		session.Close()
	}
	if up, _ := s.File("up"); !bytes.Equal(up, content) {
		t.Errorf("%d bytes arrived", len(up))
	}
	to := (&ftptest.Server{}).Start(t)
	r, err := ftpx.Transfer(t.Context(), ftpx.Endpoint{Config: cfg, File: "f"}, ftpx.Endpoint{Config: config(to), File: "f"}, ftpx.TransferOptions{FXP: ftpx.FXPNever})
	if err != nil || r.Bytes != int64(len(content)) {
		t.Errorf("Transfer = %+v, %v", r, err)
	}
}

// silentPorts makes a Dial to which every port but that of s is a black hole.
func silentPorts(s *ftptest.Server, but func() string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr != s.HostPort() && addr != but() {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
}

// A firewall drops what goes to the data ports: the same session goes on in
// active mode.
func TestPassiveFallsBackAfterSilence(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", content).Start(t)
	cfg := config(s)
	cfg.ConnectTimeout = 200 * time.Millisecond
	cfg.Dial = silentPorts(s, func() string { return "" })
	modes := told(&cfg)
	dir := target(t)
	if err := fetch(t, cfg, dir); err != nil || len(*modes) != 1 || (*modes)[0] != ftpx.DataActive {
		t.Fatalf("fetch: %v, told %v", err, *modes)
	}
	holds(t, dir, "f", content)
	if n := s.Logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
	cfg.Data = ftpx.DataPassive
	if err := fetch(t, cfg, target(t)); !timedOut(err) {
		t.Errorf("passive only: %v", err)
	}
}

// A firewall opens the ports that it reads in 227 replies only.
func TestPASVAfterSilentEPSV(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", content)
	var open atomic.Value // address that the firewall lets through
	open.Store("")
	s.On("PASV", func(c *ftptest.Session, _ string) {
		port, err := c.Listen()
		if err != nil {
			c.Send(425, "no port")
			return
		}
		open.Store(net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		c.Send(227, "Entering Passive Mode (127,0,0,1,"+strconv.Itoa(port>>8)+","+strconv.Itoa(port&255)+")")
	}).Start(t)
	cfg := config(s)
	cfg.ConnectTimeout = 200 * time.Millisecond
	cfg.Dial = silentPorts(s, func() string { return open.Load().(string) })
	dir := target(t)
	if err := fetch(t, cfg, dir); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, "f", content)
}

// Neither way works: the wait is bounded, and it is a time-out.
func TestNoDataModeWorks(t *testing.T) {
	s := deafIn((&ftptest.Server{}).Put("f", content), true, "150 soon\r\n").Start(t)
	for _, mode := range []ftpx.DataMode{ftpx.DataAuto, ftpx.DataActiveFirst} {
		cfg := config(s)
		cfg.Data, cfg.ConnectTimeout = mode, 100*time.Millisecond
		cfg.Dial = silentPorts(s, func() string { return "" })
		start := time.Now()
		_, err := ftpx.Open(t.Context(), "f", ftpx.OpenOptions{}, cfg)
		if !timedOut(err) || time.Since(start) > 2*time.Second {
			t.Errorf("mode %v: %v after %v", mode, err, time.Since(start))
		}
	}
}

// A cancelled wait for the server's connection is no reason to fall back.
func TestCancelledWhileWaitingForTheServer(t *testing.T) {
	s := deafIn((&ftptest.Server{}).Put("f", content), true, "150 soon\r\n").Start(t)
	cfg := config(s)
	cfg.Data = ftpx.DataActiveFirst
	modes := told(&cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := ftpx.Open(ctx, "f", ftpx.OpenOptions{}, cfg); !timedOut(err) || len(*modes) != 0 {
		t.Errorf("Open: %v, told %v", err, *modes)
	}
}

// PORT has no room for an IPv6 address.
func TestActiveIPv6WithoutEPSV(t *testing.T) {
	s := (&ftptest.Server{Addr: "[::1]:0"}).Put("f", content)
	if err := s.Listen(); err != nil {
		need.Missing(t, "no IPv6 here: %v", err)
	}
	t.Cleanup(s.Stop)
	cfg := config(s)
	cfg.Host, cfg.Data, cfg.NoEPSV = "::1", ftpx.DataActive, true
	dir := target(t)
	if err := fetch(t, cfg, dir); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, "f", content)
	if log := strings.Join(s.Log(), "\n"); !strings.Contains(log, "EPRT |2|::1|") || strings.Contains(log, "PORT 0") {
		t.Errorf("log: %s", log)
	}
}
