package ftpx_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/pkg/ftpx"
)

// A behaviour is one way for a server to be wrong.
type behaviour struct {
	name  string
	setup func(s *ftptest.Server)
	do    func(t *testing.T, cfg ftpx.Config) error // nil: fetch "f"
	want  func(error) bool
	part  int // bytes that must be kept of a download
	cfg   func(*ftpx.Config)
}

var content = bytes.Repeat([]byte("0123456789"), 10_000)

func works(err error) bool     { return err == nil }
func truncated(err error) bool { return errors.Is(err, ftpx.ErrTruncated) }
func protocol(err error) bool  { return errors.Is(err, ftpx.ErrProtocol) }
func timedOut(err error) bool  { return errors.Is(err, os.ErrDeadlineExceeded) }
func badSize(err error) bool   { var e *ftpx.SizeError; return errors.As(err, &e) }
func fails(err error) bool     { return err != nil }

func refusedWith(code int) func(error) bool {
	return func(err error) bool { var e *ftpx.ReplyError; return errors.As(err, &e) && e.Code == code }
}

// retr takes RETR over; f gets the data connection after a 150.
func retr(f func(c *ftptest.Session, data net.Conn)) func(*ftptest.Server) {
	return func(s *ftptest.Server) {
		s.On("RETR", func(c *ftptest.Session, _ string) {
			c.Send(150, "here it comes")
			if data, err := c.Data(); err == nil {
				f(c, data)
				data.Close()
			}
		})
	}
}

func reply(verb, text string) func(*ftptest.Server) {
	return func(s *ftptest.Server) { s.Reply(verb, text) }
}

func silent(verb string) func(*ftptest.Server) {
	return func(s *ftptest.Server) { s.On(verb, func(c *ftptest.Session, _ string) { c.Hang() }) }
}

func hangUp(verb string) func(*ftptest.Server) {
	return func(s *ftptest.Server) { s.On(verb, func(c *ftptest.Session, _ string) { c.Close() }) }
}

func upload(t *testing.T, cfg ftpx.Config) error {
	c, err := ftpx.Dial(t.Context(), cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Put(t.Context(), bytes.NewReader(content), "up", ftpx.PutOptions{})
	return err
}

func list(t *testing.T, cfg ftpx.Config) error {
	c, err := ftpx.Dial(t.Context(), cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.List(t.Context(), "")
	return err
}

func pwd(want string) func(*testing.T, ftpx.Config) error {
	return func(t *testing.T, cfg ftpx.Config) error {
		c, err := ftpx.Dial(t.Context(), cfg)
		if err != nil {
			return err
		}
		defer c.Close()
		dir, err := c.Pwd(t.Context())
		if err == nil && dir != want {
			return fmt.Errorf("directory %q, want %q", dir, want)
		}
		return err
	}
}

func behaviours() []behaviour {
	whole := func(c *ftptest.Session, data net.Conn) { data.Write(content) }
	half := content[:50_000]
	return []behaviour{
		// Sizes.
		{name: "150 announces more", setup: func(s *ftptest.Server) {
			s.On("RETR", func(c *ftptest.Session, _ string) {
				c.TransferText("file (200000 bytes)", func(d net.Conn) error { d.Write(content); return nil })
			})
		}, want: badSize, part: len(content)},
		{name: "150 announces less", setup: func(s *ftptest.Server) {
			s.On("RETR", func(c *ftptest.Session, _ string) {
				c.TransferText("file (10 bytes)", func(d net.Conn) error { d.Write(content); return nil })
			})
		}, want: badSize, part: len(content)},
		{name: "SIZE says more", setup: reply("SIZE", "213 100001\r\n"), want: badSize, part: len(content)},
		{name: "SIZE says less", setup: reply("SIZE", "213 5\r\n"), want: badSize, part: len(content)},
		{name: "SIZE is negative", setup: reply("SIZE", "213 -5\r\n"), want: works},
		{name: "SIZE is no number", setup: reply("SIZE", "213 much\r\n"), want: works},
		{name: "SIZE with a trailing blank", setup: reply("SIZE", "213 100000 \r\n"), want: works},
		{name: "no SIZE", setup: reply("SIZE", "502 no\r\n"), want: works},

		// Ends of the data connection.
		{name: "early end, 226", setup: retr(func(c *ftptest.Session, d net.Conn) { d.Write(half); d.Close(); c.Send(226, "done") }), want: badSize, part: len(half)},
		{name: "early end, 426", setup: retr(func(c *ftptest.Session, d net.Conn) { d.Write(half); d.Close(); c.Send(426, "broken") }), want: truncated, part: len(half)},
		{name: "early end, 451", setup: retr(func(c *ftptest.Session, d net.Conn) { d.Write(half); d.Close(); c.Send(451, "disk") }), want: refusedWith(451), part: len(half)},
		{name: "early end, 421", setup: retr(func(c *ftptest.Session, d net.Conn) { d.Write(half); d.Close(); c.Send(421, "bye"); c.Close() }), want: refusedWith(421), part: len(half)},
		{name: "reset", setup: retr(func(c *ftptest.Session, d net.Conn) {
			d.Write(half)
			time.Sleep(50 * time.Millisecond)
			ftptest.Reset(d)
			c.Send(426, "broken")
		}), want: truncated, part: len(half)},
		{name: "no final reply", setup: retr(func(c *ftptest.Session, d net.Conn) { d.Write(content); d.Close(); c.Hang() }), want: timedOut, part: len(content)},
		{name: "control connection closed instead of a final reply", setup: retr(func(c *ftptest.Session, d net.Conn) { d.Write(content); d.Close(); c.Close() }), want: truncated, part: len(content)},
		{name: "data stand still", setup: retr(func(c *ftptest.Session, d net.Conn) { d.Write(half); c.Hang() }), want: timedOut, part: len(half)},
		{name: "421 while the data stand still", setup: retr(func(c *ftptest.Session, d net.Conn) { d.Write(half); c.Send(421, "bye"); c.Hang() }), want: refusedWith(421), part: len(half),
			cfg: func(c *ftpx.Config) { c.IdleTimeout = time.Minute }},
		{name: "slow drip", setup: retr(func(c *ftptest.Session, d net.Conn) {
			for part := range bytesChunks(content, 10_000) {
				d.Write(part)
				time.Sleep(60 * time.Millisecond)
			}
			d.Close()
			c.Send(226, "done")
		}), want: works, cfg: func(c *ftpx.Config) { c.IdleTimeout = 300 * time.Millisecond }},

		// Final replies.
		{name: "226 before the data", setup: func(s *ftptest.Server) {
			s.On("RETR", func(c *ftptest.Session, _ string) {
				c.Raw("150 go\r\n226 done already\r\n")
				d, _ := c.Data()
				whole(c, d)
				d.Close()
			})
		}, want: works},
		{name: "226 without 150", setup: func(s *ftptest.Server) {
			s.On("RETR", func(c *ftptest.Session, _ string) {
				d, _ := c.Data()
				whole(c, d)
				d.Close()
				c.Send(226, "done")
			})
		}, want: works},
		{name: "226 then 426", setup: retr(func(c *ftptest.Session, d net.Conn) { whole(c, d); d.Close(); c.Raw("226 done\r\n426 no, broken\r\n") }), want: truncated, part: len(content)},
		{name: "final 250", setup: retr(func(c *ftptest.Session, d net.Conn) { whole(c, d); d.Close(); c.Send(250, "done") }), want: works},
		{name: "final 200", setup: retr(func(c *ftptest.Session, d net.Conn) { whole(c, d); d.Close(); c.Send(200, "done") }), want: works},
		{name: "another 150 before the 226", setup: retr(func(c *ftptest.Session, d net.Conn) {
			whole(c, d)
			d.Close()
			c.Send(150, "again")
			c.Send(226, "done")
		}), want: works},
		{name: "no end of 150", setup: retr(func(c *ftptest.Session, d net.Conn) {
			whole(c, d)
			d.Close()
			for range 1000 {
				c.Send(150, "again")
			}
			c.Hang()
		}), want: protocol, part: len(content)},
		{name: "350 to RETR", setup: reply("RETR", "350 what\r\n"), want: protocol},
		{name: "425 to RETR", setup: reply("RETR", "425 no data connection\r\n"), want: refusedWith(425)},
		{name: "550 in several lines", setup: reply("RETR", "550-no\r\n 550 not this\r\n550-nor this\r\n550 gone\r\n"), want: func(err error) bool { return errors.Is(err, fs.ErrNotExist) }},

		// Replies of wrong form.
		{name: "64 MiB line", setup: func(s *ftptest.Server) {
			s.On("RETR", func(c *ftptest.Session, _ string) {
				c.Raw("150 ")
				for range 64 {
					c.Raw(strings.Repeat("x", 1<<20))
				}
			})
		}, want: protocol, cfg: patient},
		{name: "endless reply", setup: func(s *ftptest.Server) {
			s.On("RETR", func(c *ftptest.Session, _ string) {
				for range 200_000 {
					c.Raw("150-and more and more and more\r\n")
				}
			})
		}, want: protocol, cfg: patient},
		{name: "no code", setup: reply("RETR", "hello\r\n"), want: protocol},
		{name: "code 000", setup: reply("RETR", "000 hello\r\n"), want: protocol},
		{name: "half a line", setup: func(s *ftptest.Server) {
			s.On("RETR", func(c *ftptest.Session, _ string) { c.Raw("15"); c.Close() })
		}, want: truncated},
		{name: "LF only", setup: func(s *ftptest.Server) { s.Greeting = "220-hi\n220 there\n" }, want: works},
		{name: "Telnet and NUL", setup: func(s *ftptest.Server) { s.Greeting = "220 \x00h\xff\xfb\x01i\xff\xff\r\n" }, want: works},
		{name: "8-bit greeting", setup: func(s *ftptest.Server) { s.Greeting = "220 gr\xfc\xdf dich\r\n" }, want: works},

		// Passive replies.
		{name: "227 with a foreign address", setup: func(s *ftptest.Server) {
			s.Reply("EPSV", "500 no\r\n").On("PASV", func(c *ftptest.Session, _ string) {
				port, _ := c.Listen()
				c.Send(227, fmt.Sprintf("Entering (192,0,2,1,%d,%d)", port>>8, port&255))
			})
		}, want: works},
		{name: "227 without parentheses", setup: func(s *ftptest.Server) {
			s.Reply("EPSV", "500 no\r\n").On("PASV", func(c *ftptest.Session, _ string) {
				port, _ := c.Listen()
				c.Send(227, fmt.Sprintf("Entering Passive Mode 127,0,0,1,%d,%d", port>>8, port&255))
			})
		}, want: works},
		{name: "227 with numbers over 255", setup: func(s *ftptest.Server) {
			s.Reply("EPSV", "500 no\r\n").Reply("PASV", "227 (127,0,0,1,999,1)\r\n")
		}, want: protocol, cfg: passiveOnly},
		{name: "227 with port 0", setup: func(s *ftptest.Server) {
			s.Reply("EPSV", "500 no\r\n").Reply("PASV", "227 (127,0,0,1,0,0)\r\n")
		}, want: protocol, cfg: passiveOnly},
		{name: "229 with another delimiter", setup: func(s *ftptest.Server) {
			s.On("EPSV", func(c *ftptest.Session, _ string) {
				port, _ := c.Listen()
				c.Send(229, fmt.Sprintf("Entering (!!!%d!)", port))
			})
		}, want: works},
		{name: "229 with port 1000000, PASV works", setup: reply("EPSV", "229 (|||1000000|)\r\n"), want: works},
		{name: "229 with a port that refuses, PASV works", setup: reply("EPSV", "229 (|||1|)\r\n"), want: works},
		{name: "passive refused, active works", setup: func(s *ftptest.Server) {
			s.Reply("EPSV", "500 no\r\n").Reply("PASV", "502 no\r\n")
		}, want: works},
		{name: "active refused, passive works", setup: func(s *ftptest.Server) {
			s.Reply("EPRT", "500 no\r\n").Reply("PORT", "500 no\r\n")
		}, want: works, cfg: func(c *ftpx.Config) { c.Data = ftpx.DataActiveFirst }},
		{name: "active refused, nothing else allowed", setup: func(s *ftptest.Server) {
			s.Reply("EPRT", "500 no\r\n").Reply("PORT", "500 no\r\n")
		}, want: refusedWith(500), cfg: active},
		{name: "EPRT unknown, PORT works", setup: reply("EPRT", "500 no\r\n"), want: works, cfg: active},
		{name: "active, but the server does not connect", setup: func(s *ftptest.Server) {
			s.On("RETR", func(c *ftptest.Session, _ string) { c.Send(150, "soon"); c.Hang() })
		}, want: timedOut, cfg: active},
		{name: "active, 425 after 150", setup: reply("RETR", "150 soon\r\n425 cannot connect\r\n"), want: refusedWith(425), cfg: active},
		{name: "active, 226 without a connection", setup: reply("RETR", "150 soon\r\n226 done\r\n"), want: fails, cfg: active},
		{name: "all modes refused", setup: func(s *ftptest.Server) {
			s.Reply("EPSV", "500 no\r\n").Reply("PASV", "500 no\r\n").Reply("EPRT", "500 no\r\n").Reply("PORT", "500 no\r\n")
		}, want: refusedWith(500)},

		// Silence and hanging up at each step.
		{name: "silent greeting", setup: silent("CONNECT"), want: timedOut},
		{name: "no greeting", setup: hangUp("CONNECT"), want: truncated},
		{name: "greeting 421", setup: func(s *ftptest.Server) { s.Greeting = "421 too many\r\n" }, want: refusedWith(421)},
		{name: "greeting 120, then 220", setup: func(s *ftptest.Server) { s.Greeting = "120 wait\r\n220 ready\r\n" }, want: works},
		{name: "greeting 230", setup: func(s *ftptest.Server) { s.Greeting = "230 in already\r\n"; s.Reply("USER", "500 why\r\n") }, want: works},
		{name: "silent USER", setup: silent("USER"), want: timedOut},
		{name: "silent PASS", setup: silent("PASS"), want: timedOut},
		{name: "silent TYPE", setup: silent("TYPE"), want: timedOut},
		{name: "silent EPSV", setup: silent("EPSV"), want: timedOut},
		{name: "silent RETR", setup: silent("RETR"), want: timedOut},
		{name: "hangs up at USER", setup: hangUp("USER"), want: truncated},
		{name: "hangs up at PASS", setup: hangUp("PASS"), want: truncated},
		{name: "hangs up at EPSV", setup: hangUp("EPSV"), want: truncated},
		{name: "hangs up at RETR", setup: hangUp("RETR"), want: truncated},
		{name: "421 in the middle", setup: func(s *ftptest.Server) {
			s.On("EPSV", func(c *ftptest.Session, _ string) { c.Send(421, "going"); c.Close() })
		}, want: refusedWith(421)},

		// Login and features.
		{name: "login refused", setup: reply("PASS", "530 no\r\n"), want: func(err error) bool { return errors.Is(err, fs.ErrPermission) }},
		{name: "USER ends the login", setup: reply("USER", "230 in\r\n"), want: works},
		{name: "USER 232", setup: reply("USER", "232 in\r\n"), want: works},
		{name: "account asked for", setup: func(s *ftptest.Server) { s.Reply("PASS", "332 account\r\n").Reply("ACCT", "230 in\r\n") },
			want: works, cfg: func(c *ftpx.Config) { c.Account = "x" }},
		{name: "account asked for, none there", setup: reply("PASS", "332 account\r\n"), want: fails},
		{name: "FEAT unknown", setup: reply("FEAT", "500 what\r\n"), want: works},
		{name: "FEAT without blanks", setup: reply("FEAT", "211-\r\nSIZE\r\nMLST\r\n211 end\r\n"), want: works},
		{name: "OPTS refused", setup: reply("OPTS", "500 what\r\n"), want: works},
		{name: "TYPE 226", setup: reply("TYPE", "226 fine\r\n"), want: works},
		{name: "quoted directory", setup: reply("PWD", "257 \"/a \"\"b\"\"\" is it\r\n"), do: pwd(`/a "b"`), want: works},
		{name: "directory without quotes", setup: reply("PWD", "257 /a\r\n"), do: pwd("/a"), want: protocol},

		// Uploads.
		{name: "upload refused", setup: reply("STOR", "553 no\r\n"), do: upload, want: refusedWith(553)},
		{name: "upload breaks off, 552", setup: func(s *ftptest.Server) {
			s.On("STOR", func(c *ftptest.Session, _ string) {
				c.Send(150, "go")
				d, _ := c.Data()
				io.CopyN(io.Discard, d, 100)
				d.Close()
				c.Send(552, "quota")
			})
		}, do: upload, want: refusedWith(552)},
		{name: "upload accepted, half stored", setup: func(s *ftptest.Server) {
			s.On("STOR", func(c *ftptest.Session, name string) {
				c.Transfer(func(d net.Conn) error { io.Copy(io.Discard, d); return nil })
				s.Put("up", half)
			})
		}, do: upload, want: badSize},
		{name: "upload without a final reply", setup: func(s *ftptest.Server) {
			s.On("STOR", func(c *ftptest.Session, name string) {
				c.Send(150, "go")
				d, _ := c.Data()
				io.Copy(io.Discard, d)
				c.Hang()
			})
		}, do: upload, want: timedOut},

		// Listings.
		{name: "endless listing", setup: func(s *ftptest.Server) {
			s.On("MLSD", func(c *ftptest.Session, _ string) {
				c.Transfer(func(d net.Conn) error {
					block := []byte(strings.Repeat("type=file;size=1; x\r\n", 10_000))
					for {
						if _, err := d.Write(block); err != nil {
							return err
						}
					}
				})
			})
		}, do: list, want: protocol},
		{name: "endless line in a listing", setup: func(s *ftptest.Server) {
			s.On("MLSD", func(c *ftptest.Session, _ string) {
				c.Transfer(func(d net.Conn) error { _, err := d.Write(bytes.Repeat([]byte("x"), 1<<20)); return err })
			})
		}, do: list, want: protocol},
		{name: "MLSD announced, but unknown", setup: reply("MLSD", "500 what\r\n"), do: list, want: works},
		{name: "listing stands still", setup: func(s *ftptest.Server) {
			s.On("MLSD", func(c *ftptest.Session, _ string) { c.Transfer(func(d net.Conn) error { c.Hang(); return nil }) })
		}, do: list, want: timedOut},
		{name: "listing reset", setup: func(s *ftptest.Server) {
			s.On("MLSD", func(c *ftptest.Session, _ string) {
				c.Send(150, "go")
				d, _ := c.Data()
				ftptest.Reset(d)
				c.Send(426, "broken")
			})
		}, do: list, want: truncated},
	}
}

func patient(c *ftpx.Config)     { c.ReplyTimeout = 10 * time.Second } // much to read on a busy machine
func passiveOnly(c *ftpx.Config) { c.Data = ftpx.DataPassive }
func active(c *ftpx.Config)      { c.Data = ftpx.DataActive; c.ConnectTimeout = 500 * time.Millisecond }

func bytesChunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 && yield(b[:min(n, len(b))]) {
			b = b[min(n, len(b)):]
		}
	}
}

// fetch fetches "f" into dir.
func fetch(t *testing.T, cfg ftpx.Config, dir *os.Root) error {
	c, err := ftpx.Dial(t.Context(), cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Get(t.Context(), "f", dir, "f", ftpx.GetOptions{})
	return err
}

func TestHostileServers(t *testing.T) {
	for _, b := range behaviours() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			s := (&ftptest.Server{}).Put("f", content)
			b.setup(s)
			s.Start(t)
			cfg := config(s)
			cfg.ReplyTimeout, cfg.IdleTimeout = 400*time.Millisecond, 400*time.Millisecond
			if b.cfg != nil {
				b.cfg(&cfg)
			}
			dir := target(t)
			start := time.Now()
			err := error(nil)
			if b.do != nil {
				err = b.do(t, cfg)
			} else {
				err = fetch(t, cfg, dir)
			}
			if !b.want(err) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			}
			if b.do != nil {
				return
			}
			if err == nil {
				holds(t, dir, "f", content)
				return
			}
			absent(t, dir, "f")
			if b.part > 0 {
				holds(t, dir, "f.part", content[:b.part])
			} else {
				absent(t, dir, "f.part")
			}
		})
	}
}

// A server that sends without end must not make the client grow.
func TestHostileServersCostNoMemory(t *testing.T) {
	for _, b := range behaviours() {
		if b.name != "64 MiB line" && b.name != "endless reply" {
			continue
		}
		s := (&ftptest.Server{}).Put("f", content)
		b.setup(s)
		s.Start(t)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := fetch(t, config(s), target(t))
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapSys) - int64(before.HeapSys); !protocol(err) || grown > 64<<20 {
			t.Errorf("%s: %v, the heap grew by %d bytes", b.name, err, grown)
		}
	}
}

func TestHostileTLS(t *testing.T) {
	good, other := certificate(t), certificate(t)
	half := content[:50_000]
	tlsFor := func(c *ftptest.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c.TLS}} }
	// bare starts TLS on the data connection by hand, to end it in a wrong way.
	bare := func(cfg *tls.Config, f func(c *ftptest.Session, raw net.Conn, secure *tls.Conn)) func(*ftptest.Server) {
		return func(s *ftptest.Server) {
			s.On("RETR", func(c *ftptest.Session, _ string) {
				c.Send(150, "here it comes")
				raw, err := c.BareData()
				if err != nil {
					return
				}
				secure := tls.Server(raw, cfg)
				if secure.Handshake() == nil {
					f(c, raw, secure)
				}
				raw.Close()
			})
		}
	}
	for _, b := range []behaviour{
		{name: "no close_notify, no size", setup: func(s *ftptest.Server) {
			bare(tlsFor(good), func(c *ftptest.Session, raw net.Conn, d *tls.Conn) { d.Write(half); raw.Close(); c.Send(226, "done") })(s)
			s.Reply("SIZE", "502 no\r\n")
		}, want: truncated, part: len(half)},
		{name: "no close_notify, short", setup: bare(tlsFor(good), func(c *ftptest.Session, raw net.Conn, d *tls.Conn) { d.Write(half); raw.Close(); c.Send(226, "done") }), want: badSize, part: len(half)},
		{name: "no close_notify, but the size is right", setup: bare(tlsFor(good), func(c *ftptest.Session, raw net.Conn, d *tls.Conn) {
			d.Write(content)
			raw.Close()
			c.Send(226, "done")
		}), want: works},
		{name: "cut within a record", setup: bare(tlsFor(good), func(c *ftptest.Session, raw net.Conn, d *tls.Conn) {
			d.Write(half)
			raw.Write([]byte{23, 3, 3, 0x10, 0})
			raw.Close()
			c.Send(226, "done")
		}), want: truncated, part: len(half)},
		{name: "data in clear", setup: func(s *ftptest.Server) {
			s.On("RETR", func(c *ftptest.Session, _ string) {
				c.Send(150, "here it comes")
				if d, err := c.BareData(); err == nil {
					d.Write(content)
					d.Close()
				}
				c.Send(226, "done")
			})
		}, want: func(err error) bool { return errors.Is(err, ftpx.ErrTLS) }},
		{name: "another certificate on the data connection", setup: bare(tlsFor(other), func(c *ftptest.Session, raw net.Conn, d *tls.Conn) { d.Write(content); d.Close(); c.Send(226, "done") }),
			want: func(err error) bool { return errors.Is(err, ftpx.ErrTLS) }, cfg: func(c *ftpx.Config) { c.TLS = &tls.Config{InsecureSkipVerify: true} }},
		{name: "silent handshake of the data connection", setup: func(s *ftptest.Server) {
			s.On("RETR", func(c *ftptest.Session, _ string) {
				c.Send(150, "here it comes")
				if d, err := c.BareData(); err == nil {
					defer d.Close()
				}
				c.Hang()
			})
		}, want: timedOut},
		{name: "AUTH refused", setup: reply("AUTH", "500 no\r\n"), want: func(err error) bool { return errors.Is(err, ftpx.ErrTLS) }},
		{name: "AUTH refused, TLS not required", setup: func(s *ftptest.Server) { s.TLS = nil }, want: works, cfg: func(c *ftpx.Config) { c.Security = ftpx.TryTLS }},
		{name: "clear text behind AUTH", setup: func(s *ftptest.Server) { s.Reply("AUTH", "234 go\r\n230 in already\r\n") }, want: protocol},
		{name: "no handshake after AUTH", setup: reply("AUTH", "234 go\r\n"), want: func(err error) bool { return errors.Is(err, ftpx.ErrTLS) }},
		{name: "silence after AUTH", setup: func(s *ftptest.Server) {
			s.On("AUTH", func(c *ftptest.Session, _ string) { c.Send(234, "go"); c.Hang() })
		}, want: timedOut, cfg: func(c *ftpx.Config) { c.ConnectTimeout = 500 * time.Millisecond }},
		{name: "unknown authority", setup: func(*ftptest.Server) {}, want: func(err error) bool { return errors.Is(err, ftpx.ErrTLS) }, cfg: func(c *ftpx.Config) { c.TLS = &tls.Config{RootCAs: other.Pool} }},
		{name: "PROT refused", setup: reply("PROT", "534 no\r\n"), want: refusedWith(534)},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			s := (&ftptest.Server{TLS: tlsFor(good)}).Put("f", content)
			b.setup(s)
			s.Start(t)
			cfg := config(s)
			cfg.Security, cfg.TLS = ftpx.ExplicitTLS, &tls.Config{RootCAs: good.Pool}
			if b.cfg != nil {
				b.cfg(&cfg)
			}
			dir := target(t)
			err := fetch(t, cfg, dir)
			if !b.want(err) {
				t.Errorf("got %v", err)
			}
			if err == nil {
				holds(t, dir, "f", content)
			} else if b.part > 0 {
				holds(t, dir, "f.part", content[:b.part])
			}
		})
	}
}

// Somebody else connects to the port of an active transfer first.
func TestActiveModeRefusesStrangers(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", content)
	s.On("EPRT", func(c *ftptest.Session, arg string) {
		f := strings.Split(arg, "|")
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
		if stranger, err := d.Dial("tcp", net.JoinHostPort(f[2], f[3])); err == nil {
			defer stranger.Close()
			stranger.Write([]byte("forged"))
		}
		c.Default("EPRT", arg)
	})
	s.Start(t)
	cfg := config(s)
	cfg.Data = ftpx.DataActive
	dir := target(t)
	if err := fetch(t, cfg, dir); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, "f", content)
}

func TestActivePortsAndAddress(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", content).Start(t)
	cfg := config(s)
	cfg.Data = ftpx.DataActive
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	low := uint16(busy.Addr().(*net.TCPAddr).Port)
	cfg.ActivePorts = ftpx.PortRange{Low: low, High: low + 5}
	if err := fetch(t, cfg, target(t)); err != nil {
		t.Error(err)
	}
	cfg.ActivePorts = ftpx.PortRange{Low: low, High: low}
	if err := fetch(t, cfg, target(t)); err == nil {
		t.Error("a busy port was used")
	}
}

func TestSessionStaysUsableAfterRefusals(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", content).Start(t)
	c := dial(t, config(s))
	for range 3 {
		if _, err := read(t.Context(), c, "nowhere", ftpx.OpenOptions{}); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		in, err := c.Open(t.Context(), "f", ftpx.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Pwd(t.Context()); !errors.Is(err, ftpx.ErrBusy) {
			t.Errorf("Pwd during a transfer: %v", err)
		}
		in.Read(make([]byte, 10))
		if err := in.Close(); !errors.Is(err, ftpx.ErrAborted) {
			t.Errorf("Close in the middle: %v", err)
		}
		if got, err := read(t.Context(), c, "f", ftpx.OpenOptions{}); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	if n := s.Logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
}
