package tests

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/internal/need"
)

// A peer that is not allowed is turned away before a byte of it is read.
func TestAccessBeforeFirstByte(t *testing.T) {
	need.Tool(t, "strace")
	for _, command := range [][]string{{"listen", "-k", "--echo"}, {"listen", "-k", "--exec", "cat"}, {"listen", "-k", "--forward", "127.0.0.1:9"}} {
		dir := t.TempDir()
		trace, port := filepath.Join(dir, "trace"), filepath.Join(dir, "port")
		args := append([]string{"strace", "-f", "-qq", "-o", trace, "-e", "trace=accept4,read,recvfrom,recvmsg,splice,sendfile,clone,execve,close",
			filepath.Join(brioDir(t), "brio")}, command...)
		p := startProgram(t, nil, append(args, "127.0.0.1:0", "--deny", "127.0.0.0/8", "--timeout", "60", "--port-file", port)...)
		p.portFile = port
		p.killTraced()
		for range 3 {
			c, err := net.Dial("tcp", "127.0.0.1:"+p.place())
			if errors.Is(err, syscall.ECONNRESET) {
				continue // turned away before Dial was done
			}
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, "secret words") // it may be closed already
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if b, err := io.ReadAll(c); len(b) > 0 || os.IsTimeout(err) {
				t.Errorf("%v: a denied peer gets %q, %v", command, b, err)
			}
			c.Close()
		}
		text, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		accepted := regexp.MustCompile(`accept4\(.*\) += (\d+)\n`).FindAllStringSubmatch(string(text), -1)
		if len(accepted) < 3 {
			t.Fatalf("%v accepted %d connections", command, len(accepted))
		}
		_, after, _ := strings.Cut(string(text), accepted[0][0])
		if touched := regexp.MustCompile(`(?:read|recvfrom|recvmsg|splice)\(` + accepted[0][1] + `,.*`).FindString(after); touched != "" {
			t.Errorf("%v reads from a denied peer: %s", command, touched)
		}
		if strings.Contains(after, "execve") || strings.Contains(string(text), "secret words") {
			t.Errorf("%v serves a denied peer", command)
		}
	}
}

// What listens on all interfaces says where it can be reached; one that is bound
// to an address has nothing to say.
func TestExposureIsTold(t *testing.T) {
	for _, command := range [][]string{{"listen"}, {"tls-server"}, {"dgram", "recv"}, {"dgram", "echo"}} {
		for _, where := range []string{"0", "0.0.0.0:0", "[::]:0", "127.0.0.1:0"} {
			port := filepath.Join(t.TempDir(), "port")
			p := startProgram(t, nil, append(append([]string{"brio"}, command...), where, "--port-file", port)...)
			p.portFile = port
			place := p.place()
			told := func() bool {
				return strings.Contains(p.stderr.String(), "reachable at ") && strings.Contains(p.stderr.String(), "127.0.0.1:"+place+" (lo)")
			}
			if where != "127.0.0.1:0" {
				p.waits("the address", told)
			}
			p.signal(syscall.SIGTERM)
			p.status()
			if where == "127.0.0.1:0" && told() {
				t.Errorf("%v %s says %q", command, where, p.stderr.String())
			}
		}
	}
	p := startProgram(t, nil, "brio", "listen", "-6", "0")
	place := p.place()
	p.waits("the address", func() bool { return strings.Contains(p.stderr.String(), "[::1]:"+place+" (lo)") })
	p.signal(syscall.SIGTERM)
	p.status()
	if errs := p.stderr.String(); strings.Contains(errs, "127.0.0.1:") {
		t.Errorf("listen -6 says %q", errs)
	}
}

// The mode of a UNIX socket is set before it has a name: there is no moment in
// which others could connect.
func TestUnixSocketModeHasNoRace(t *testing.T) {
	need.Tool(t, "strace")
	for _, command := range [][]string{{"listen"}, {"tls-server"}, {"dgram", "recv"}, {"dgram", "echo"}, {"dgram", "pipe", "--listen", "--no-stdin"}} {
		t.Run(strings.Join(command, " "), func(t *testing.T) { modeBeforeName(t, command) })
	}
}

func modeBeforeName(t *testing.T, command []string) {
	dir := t.TempDir()
	trace, path := filepath.Join(dir, "trace"), filepath.Join(dir, "socket")
	argv := append([]string{"strace", "-f", "-qq", "-o", trace, "-e", "trace=bind,chmod,fchmod,fchmodat", filepath.Join(brioDir(t), "brio")}, command...)
	p := startProgram(t, nil, append(argv, "unix:"+path, "--mode", "0600", "--timeout", "60")...)
	p.killTraced()
	p.waits("the socket", func() bool { _, err := os.Stat(path); return err == nil })
	p.waits("bind", func() bool { b, _ := os.ReadFile(trace); return strings.Contains(string(b), "AF_UNIX") })
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "bind(")
	if !regexp.MustCompile(`fchmod\(\d+, 0?600\)`).MatchString(before) {
		t.Errorf("the mode is not set before bind:\n%s", text)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
}

// A secret that comes from a file or the environment is on no command line, in
// no message however detailed, in no result, and not in what a crash leaves.
func TestSecretsStaySecret(t *testing.T) {
	const secret = "Tr0ub4dor-and-3" // also as base64 of a key
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tsig := filepath.Join(dir, "tsig")
	if err := os.WriteFile(tsig, []byte("key.:VHIwdWI0ZG9yLWFuZC0z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := (&ftptest.Server{}).Put("/f", []byte("data"))
	s.Start(t)
	server := nameServer(t, map[string]string{"a.example.": "192.0.2.1"})
	for _, args := range [][]string{
		{"ftp-get", "-o", "-", "--user", "u", "--password-file", file, "ftp://" + s.HostPort() + "/f"},
		{"ftp-get", "-o", "-", "ftp://u:" + secret + "@" + s.HostPort() + "/none"},
		{"ftp-ls", "ftp://u:" + secret + "@127.0.0.1:9/"},
		{"ftp-ls", "ftp://u:" + secret + "/x@127.0.0.1:9/"},
		{"ftp-ls", "ftp:/u:" + secret + "@127.0.0.1:9/"},
		{"ftp-transfer", "ftp://u:" + secret + "@127.0.0.1:9/", "ftp://127.0.0.1:9/f"},
		{"dns-query", "--tsig-file", tsig, "@" + server, "a.example", "--try-timeout", "300ms", "--repeat", "1"},
		{"connect", "--no-stdin", "--proxy", "socks5://u:" + secret + "@127.0.0.1:9", "192.0.2.1:80"},
		{"connect", "--no-stdin", "--proxy", "http://u:" + secret + "@" + sayer(t, "HTTP/1.1 407 no\r\n\r\n"), "192.0.2.1:80"},
		{"tls-client", "--certificate", file, "--password-file", file, "127.0.0.1:9"},
		{"config", "show", "ftp-get"},
		{"config", "show", "tls-client", "--json"},
	} {
		for _, detail := range [][]string{{"--debug"}, {"-vv"}, {"--json"}} {
			p := startProgram(t, func(c *exec.Cmd) { c.Env = append(c.Env, "BRIO_PASSWORD="+secret) }, append(append([]string{"brio"}, args...), detail...)...)
			p.status()
			for _, text := range []string{p.stdout.String(), p.stderr.String()} {
				if strings.Contains(text, secret) || strings.Contains(text, "VHIwdWI0ZG9yLWFuZC0z") {
					t.Errorf("%v %v tells the secret:\n%s", args, detail, text)
				}
			}
		}
	}
	for _, crash := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV} {
		where := t.TempDir()
		script := "ulimit -c unlimited; cd " + where + "; exec " + filepath.Join(brioDir(t), "brio") + " connect --no-stdin --proxy \"$P\" 192.0.2.1:80"
		proxy, spoken := silentPeer(t)
		p := startProgram(t, func(c *exec.Cmd) { c.Env = append(c.Env, "P=socks5://u:"+secret+"@"+proxy) }, "sh", "-c", script)
		<-spoken
		p.signal(crash)
		p.status()
		if strings.Contains(p.stderr.String(), secret) {
			t.Errorf("%v tells the secret:\n%s", crash, p.stderr.String())
		}
		if left, _ := filepath.Glob(where + "/*"); len(left) > 0 {
			t.Errorf("%v leaves %v", crash, left)
		}
	}
}

// silentPeer says nothing to who connects, and tells of the first word from him.
func silentPeer(t *testing.T) (addr string, spoken <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	first := make(chan struct{})
	go func() {
		defer close(first)
		c, err := l.Accept()
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
		_, _ = c.Read(make([]byte, 1)) // or he is gone
	}()
	return l.Addr().String(), first
}

// What a child of --exec learns about its peer is in a few short variables, byte
// by byte, and never part of a command.
func TestChildEnvironment(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	secrets := func(c *exec.Cmd) {
		c.Env = append(c.Env, "BRIO_PASSWORD=sesame", "BRIO_CONNECT_PROXY=http://u:sesame@p:1")
	}
	p := startProgram(t, secrets, "brio", "listen", "unix:"+path, "--exec", "env -0")
	p.place()
	evil := "@'; touch " + "pwned; $(touch pwned)`touch pwned`\n\x1b[31m" + strings.Repeat("x", 40)
	c, err := net.DialUnix("unix", &net.UnixAddr{Name: evil, Net: "unix"}, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	_ = c.CloseWrite()
	text, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	seen := map[string]string{}
	size := 0
	for v := range strings.SplitSeq(string(text), "\x00") {
		if strings.Contains(v, "sesame") {
			t.Errorf("the child learns a secret: %s", v)
		}
		if name, value, ok := strings.Cut(v, "="); ok && strings.HasPrefix(name, "BRIO_") {
			seen[name] = value
			size += len(v)
		}
	}
	if seen["BRIO_REMOTE_ADDR"] != evil || size > 2000 {
		t.Errorf("the child learns %q", seen)
	}
	if st := p.status(); st != 0 {
		t.Errorf("status %d: %s", st, p.stderr.String())
	}
	if _, err := os.Stat("pwned"); err == nil {
		os.Remove("pwned")
		t.Error("a shell ran what the peer said")
	}
}

// A signal ends what only reads, though its input never ends.
func TestSignalEndsReaders(t *testing.T) {
	for _, command := range [][]string{{"cert-info", "-"}, {"cert-info", "--verify", "-"}, {"dns-query", "-f", "-"}, {"ipaddr", "parse", "-"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p := startProgram(t, func(c *exec.Cmd) { c.Stdin = r }, append([]string{"brio"}, command...)...)
		r.Close()
		if _, err := w.Write(bytes.Repeat([]byte("\n"), 100<<10)); err != nil { // more than a pipe holds: it reads
			t.Errorf("%v: %v", command, err)
		}
		p.signal(syscall.SIGTERM)
		if got := p.status(); got != 128+int(syscall.SIGTERM) {
			t.Errorf("%v ends with %d: %s", command, got, p.stderr.String())
		}
		w.Close()
	}
}
