package tests

import (
	"errors"
	"fmt"
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

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/ftptest"
)

// A peer that is not allowed is turned away before a byte of it is read.
func TestAccessBeforeFirstByte(t *testing.T) {
	needTool(t, "strace")
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
			told := strings.Contains(p.stderr.String(), "reachable at ") && strings.Contains(p.stderr.String(), "127.0.0.1:"+place+" (lo)")
			if want := where != "127.0.0.1:0"; told != want {
				t.Errorf("%v %s says %q", command, where, p.stderr.String())
			}
			p.signal(syscall.SIGKILL)
		}
	}
	p := startProgram(t, nil, "brio", "listen", "-6", "0")
	place := p.place()
	if errs := p.stderr.String(); strings.Contains(errs, "127.0.0.1:") || !strings.Contains(errs, "[::1]:"+place+" (lo)") {
		t.Errorf("listen -6 says %q", errs)
	}
}

// The mode of a UNIX socket is set before it has a name: there is no moment in
// which others could connect.
func TestUnixSocketModeHasNoRace(t *testing.T) {
	needTool(t, "strace")
	dir := t.TempDir()
	trace, path := filepath.Join(dir, "trace"), filepath.Join(dir, "socket")
	p := startProgram(t, nil, "strace", "-f", "-qq", "-o", trace, "-e", "trace=bind,listen,chmod,fchmod,fchmodat", filepath.Join(brioDir(t), "brio"),
		"listen", "unix:"+path, "--mode", "0600", "--timeout", "60")
	p.killTraced()
	p.waits("the socket", func() bool { _, err := os.Stat(path); return err == nil })
	p.waits("listen", func() bool { b, _ := os.ReadFile(trace); return strings.Contains(string(b), "listen(") })
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

// hostile is text that would colour, title, ring and reverse a terminal.
const hostile = "\x1b[31mred\x1b]0;title\x07\u202ebidi\u0085\x9b5i\x7f"

// Whatever field a peer puts control characters into: none reaches the terminal,
// in text, JSON, errors or details.
func TestHostileText(t *testing.T) {
	ftp := (&ftptest.Server{}).Put("/"+hostile, []byte("x")).Put("/f", []byte("x"))
	ftp.Reply("SITE", "550 "+hostile+"\r\n")
	ftp.Start(t)
	refusing := (&ftptest.Server{}).Reply("PASS", "530 "+hostile+"\r\n")
	refusing.Start(t)
	names := hostileNames(t)
	for _, args := range [][]string{
		{"ftp-ls", "ftp://" + ftp.HostPort() + "/"},
		{"ftp-ls", "ftp://" + refusing.HostPort() + "/"},
		{"ftp-get", "-o", "-", "ftp://" + sayer(t, "220-"+hostile+"\r\n220 x\r\n530 "+hostile+"\r\n") + "/f"},
		{"ftp-get", "-d", t.TempDir(), "-r", "ftp://" + ftp.HostPort() + "/"},
		{"connect", "--no-stdin", "--proxy", "http://" + sayer(t, "HTTP/1.1 500 "+hostile+"\r\n\r\n"), "192.0.2.1:80"},
		{"connect", "--no-stdin", "--chunked-in", sayer(t, hostile+"\r\n")},
		{"connect", "--no-stdin", "--hexdump=/dev/stdout", "-o", os.DevNull, sayer(t, hostile)},
		{"tls-client", "--no-stdin", "--starttls", "smtp", sayer(t, "220 "+hostile+"\r\n250-"+hostile+"\r\n250 STARTTLS\r\n554 "+hostile+"\r\n")},
		{"tls-client", "--no-stdin", "--starttls", "imap", sayer(t, "* BYE "+hostile+"\r\n")},
		{"tls-client", "--no-stdin", sayer(t, "HTTP/1.0 400 "+hostile+"\r\n\r\n")},
		{"dns-query", "@" + names, "a.example", "TXT"},
		{"dns-query", "@" + names, "a.example", "CNAME"},
		{"dns-query", "@" + names, "a.example", "MX"},
		{"dns-query", "@" + names, "-x", "192.0.2.1"},
		{"dns-query", "@" + names, "a.example", "TYPE65280"},
		{"ipaddr", "name", "192.0.2.1", "--dns-mode", "dns", "--dns-server", names},
		{"cert-info", "--server", sayer(t, hostile)},
	} {
		for _, detail := range []string{"-q", "--json", "-vv"} {
			t.Run(args[0]+" "+detail, func(t *testing.T) {
				t.Parallel()
				tame(t, append(append([]string{"brio"}, args...), detail)...)
			})
		}
	}
	p := startProgram(t, nil, "brio", "listen", "unix:"+filepath.Join(t.TempDir(), "s"), "--events", "json", "-o", os.DevNull, "-vv")
	hostileClient(t, p.place())
	p.status()
	checkTame(t, p)
}

// tame runs a program and looks for control characters in what it prints.
func tame(t *testing.T, argv ...string) {
	t.Helper()
	p := startProgram(t, nil, argv...)
	p.status()
	checkTame(t, p)
}

func checkTame(t *testing.T, p *program) {
	t.Helper()
	text := p.stdout.String() + p.stderr.String()
	if i := strings.IndexFunc(text, acts); i >= 0 {
		t.Errorf("%s: a control character is in %q", p, text[max(0, i-20):min(len(text), i+20)])
	}
	if text == "" {
		t.Errorf("%s prints nothing", p)
	}
}

// acts reports whether a terminal may act on a character.
func acts(r rune) bool {
	return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r == 0xfffd
}

// hostileNames answers every question with a name or text that is hostile.
func hostileNames(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	label := ""
	for _, b := range []byte(hostile) {
		label += fmt.Sprintf(`\%03d`, b)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		h := dns.RR_Header{Name: q.Question[0].Name, Rrtype: q.Question[0].Qtype, Class: dns.ClassINET, Ttl: 60}
		switch h.Rrtype {
		case dns.TypeTXT:
			m.Answer = []dns.RR{&dns.TXT{Hdr: h, Txt: []string{label}}}
		case dns.TypeCNAME:
			m.Answer = []dns.RR{&dns.CNAME{Hdr: h, Target: label + "."}}
		case dns.TypeMX:
			m.Answer = []dns.RR{&dns.MX{Hdr: h, Mx: label + "."}}
		case dns.TypePTR:
			m.Answer = []dns.RR{&dns.PTR{Hdr: h, Ptr: label + "."}}
		default:
			m.Answer = []dns.RR{&dns.RFC3597{Hdr: h, Rdata: fmt.Sprintf("%x", hostile)}}
		}
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: 1, ExtraText: hostile}, &dns.EDNS0_NSID{Nsid: fmt.Sprintf("%x", hostile)}}
		_ = w.WriteMsg(m) // the client tells when it gets none
	})}
	go s.ActivateAndServe()
	t.Cleanup(func() { s.Shutdown() })
	return pc.LocalAddr().String()
}

// hostileClient connects to a UNIX socket from one whose path is hostile.
func hostileClient(t *testing.T, path string) {
	t.Helper()
	local := &net.UnixAddr{Name: filepath.Join(filepath.Dir(path), hostile+fmt.Sprint(time.Now().UnixNano())), Net: "unix"}
	c, err := net.DialUnix("unix", local, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, hostile) // goes to a file
	c.Close()
}

// What a child of --exec learns about its peer is in a few short variables, byte
// by byte, and never part of a command.
func TestChildEnvironment(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	p := startProgram(t, nil, "brio", "listen", "unix:"+path, "--exec", "env -0")
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
