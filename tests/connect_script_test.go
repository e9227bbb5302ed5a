package tests

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/brio-net/brio/pkg/socket"
)

// setupConnect starts the peers of the connect-*.txtar scripts, each with a
// habit of its own, and puts their addresses into the environment.
func setupConnect(env *testscript.Env) error {
	half, chatty := filepath.Join(env.WorkDir, "half.out"), filepath.Join(env.WorkDir, "chatty.out")
	for name, serve := range map[string]func(*net.TCPConn){
		"ECHO":   func(c *net.TCPConn) { io.Copy(c, c) },
		"GREET":  func(c *net.TCPConn) { io.WriteString(c, "hello\n") },
		"SILENT": func(c *net.TCPConn) { io.Copy(io.Discard, c) },
		"LATE":   replyLate,
		"RESET":  resetMidway,
		"HALF":   func(c *net.TCPConn) { endFirst(c, half) },
		"CHATTY": func(c *net.TCPConn) { answerWhileReading(c, chatty) },
		"DRIP":   drip,
		"CHUNKS": func(c *net.TCPConn) { io.WriteString(c, "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\nafter") },
		"BROKEN": func(c *net.TCPConn) { io.WriteString(c, "5\r\nhel") },
		"BAD":    func(c *net.TCPConn) { io.WriteString(c, "no chunk\r\n") },
		"PROXY":  actAsProxy,
	} {
		if err := startPeer(env, name, serve); err != nil {
			return err
		}
	}
	if err := startUnixEcho(env); err != nil {
		return err
	}
	env.Setenv("FULL", fullListener(env))
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("DEAD", closed.Addr().String())
	return closed.Close()
}

// startPeer serves connections until the script ends.
func startPeer(env *testscript.Env, name string, serve func(*net.TCPConn)) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Defer(func() { l.Close() })
	env.Setenv(name, l.Addr().String())
	_, port, _ := net.SplitHostPort(l.Addr().String())
	env.Setenv(name+"_PORT", port)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c.(*net.TCPConn)) }()
		}
	}()
	return nil
}

// startUnixEcho serves at the path echo.sock.
func startUnixEcho(env *testscript.Env) error {
	l, err := net.Listen("unix", filepath.Join(env.WorkDir, "echo.sock"))
	if err != nil {
		return nil // a work directory with too long a path; the scripts say so
	}
	env.Defer(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	return nil
}

// replyLate hears everything before it says something.
func replyLate(c *net.TCPConn) {
	b, _ := io.ReadAll(c)
	time.Sleep(700 * time.Millisecond)
	io.WriteString(c, "late reply to "+string(b))
}

// resetMidway breaks off in the middle of an answer.
func resetMidway(c *net.TCPConn) {
	bufio.NewReader(c).ReadString('\n')
	io.WriteString(c, "part of the ans")
	time.Sleep(50 * time.Millisecond)
	c.SetLinger(0)
}

// endFirst ends its half before it hears, and keeps what it hears.
func endFirst(c *net.TCPConn, file string) {
	c.CloseWrite()
	b, _ := io.ReadAll(c)
	os.WriteFile(file, b, 0o644)
}

// answerWhileReading greets at once, reads late, answers every piece, and notes
// how much it got. A client that closes without hearing it out cuts it off.
func answerWhileReading(c *net.TCPConn, file string) {
	io.WriteString(c, "hello\n")
	time.Sleep(200 * time.Millisecond)
	buf, total := make([]byte, 1000), 0
	n, err := c.Read(buf)
	for ; err == nil; n, err = c.Read(buf) {
		total += n
		io.WriteString(c, "ok\n")
		time.Sleep(time.Millisecond)
	}
	os.WriteFile(file, fmt.Appendf(nil, "%d bytes, %v\n", total, err), 0o644)
}

// drip never ends and never pauses for long.
func drip(c *net.TCPConn) {
	for {
		if _, err := io.WriteString(c, "."); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// actAsProxy speaks SOCKS5 and HTTP CONNECT, without logins.
func actAsProxy(c *net.TCPConn) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(c, first); err != nil {
		return
	}
	var target, grant, refuse string
	if first[0] == 5 {
		target, grant, refuse = socks5Target(c), "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"
	} else {
		r := bufio.NewReader(c)
		line, _ := r.ReadString('\n')
		for l := line; strings.TrimSpace(l) != ""; l, _ = r.ReadString('\n') {
		}
		target, grant, refuse = strings.Fields(line)[1], "HTTP/1.1 200 Connected\r\n\r\n", "HTTP/1.1 502 Bad Gateway\r\n\r\n"
	}
	out, err := net.Dial("tcp", target)
	if err != nil {
		io.WriteString(c, refuse)
		return
	}
	defer out.Close()
	io.WriteString(c, grant)
	go func() { io.Copy(out, c); out.(*net.TCPConn).CloseWrite() }()
	io.Copy(c, out)
}

func socks5Target(c io.ReadWriter) string {
	b := make([]byte, 256)
	io.ReadFull(c, b[:1])
	io.ReadFull(c, b[:b[0]])
	c.Write([]byte{5, 0})
	io.ReadFull(c, b[:4])
	var host string
	if b[3] == 1 {
		io.ReadFull(c, b[:4])
		a, _ := netip.AddrFromSlice(b[:4])
		host = a.String()
	} else {
		io.ReadFull(c, b[:1])
		n := int(b[0])
		io.ReadFull(c, b[:n])
		host = string(b[:n])
	}
	io.ReadFull(c, b[:2])
	a, err := netip.ParseAddr(host)
	if err != nil {
		a = netip.MustParseAddr("127.0.0.1")
	}
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(b)).String()
}

// fullListener returns an address that does not answer: the queue of its
// listener is full. Where the system takes any number, it is "".
func fullListener(env *testscript.Env) string {
	l, err := socket.Listen(context.Background(), "tcp", "127.0.0.1:0", socket.ListenConfig{Backlog: 1})
	if err != nil {
		return ""
	}
	env.Defer(func() { l.Close() })
	for range 8 {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 100*time.Millisecond)
		if err != nil {
			return l.Addr().String()
		}
		env.Defer(func() { c.Close() })
	}
	return ""
}
