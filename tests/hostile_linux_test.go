package tests

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/ftptest"
)

// hostile is text that would colour, title, ring and reverse a terminal.
const hostile = "\x1b[31mred\x1b]0;title\x07\u202ebidi\u0085\x9b5i\x7f"

// hostileASCII is what of it stands where only ASCII may.
const hostileASCII = "\x1b[31mred\x1b]0;title\x07\x7f\r\nfake: line"

// Whatever field a peer puts control characters into: none reaches the terminal,
// in text, JSON, errors or details.
func TestHostileText(t *testing.T) {
	for name, runs := range map[string][][]string{
		"ftp":      hostileFTP(t),
		"proxy":    hostileProxies(t),
		"starttls": hostileGreetings(t),
		"dns":      hostileAnswers(t),
		"tls":      hostileCertificates(t),
		"stream": {
			{"connect", "--no-stdin", "--chunked-in", sayer(t, hostile+"\r\n")},
			{"connect", "--no-stdin", "--chunked-in", "--events", "json", sayer(t, "0\r\nx: \u202e\x9b5i\r\n\r\n")},
			{"connect", "--no-stdin", "--chunked-in", "--events", "json", sayer(t, "0\r\nx: "+hostile+"\r\n\r\n")},
			{"connect", "--no-stdin", "--hexdump=/dev/stdout", "-o", os.DevNull, sayer(t, hostile)},
			{"connect", "--probe", "--expect", "x", sayer(t, hostile)},
		},
	} {
		for _, args := range runs {
			tryDetails(t, name, args)
		}
	}
	for _, args := range hostileDialogues(t) { // many, of which some take their time
		t.Run("starttls "+args[2], func(t *testing.T) {
			t.Parallel()
			tame(t, append(append([]string{"brio"}, args...), "-vv")...)
		})
	}
}

func tryDetails(t *testing.T, name string, args []string) {
	for _, detail := range [][]string{{"-q"}, {"--json"}, {"-vv"}, {"--debug"}, {"--short"}, {"-w", "%{error.message} %{name} %{answers}\\n"}} {
		t.Run(name+" "+args[0]+" "+detail[0], func(t *testing.T) {
			t.Parallel()
			tame(t, append(append([]string{"brio"}, args...), detail...)...)
		})
	}
}

// The name of a local file or argument may be hostile too: a file that somebody
// else has made, a word from a list.
func TestHostileNames(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, hostileASCII)
	nowhere := filepath.Join(dir, hostileASCII, "f")
	peer := sayer(t, "x")
	for _, args := range [][]string{
		{"connect", "--no-stdin", "-o", nowhere, peer},
		{"connect", "--no-stdin", "--record", nowhere, peer},
		{"connect", "--no-stdin", "--hexdump", nowhere, peer},
		{"connect", "--no-stdin", "--events", "json:" + nowhere, peer},
		{"connect", hostile + ":80"},
		{"connect", "unix:" + nowhere},
		{"listen", "unix:" + nowhere},
		{"listen", "127.0.0.1:0", "--port-file", nowhere},
		{"listen", "127.0.0.1:0", "--exec", hostile + "'"},
		{"listen", "127.0.0.1:0", "--allow-file", name},
		{"dgram", "send", "--data", "x", "unix:" + nowhere},
		{"tls-client", "--ca-file", name, peer},
		{"tls-server", "--certificate", name, "127.0.0.1:0"},
		{"dns-query", "-f", name},
		{"dns-query", "--tsig-file", name, "a.example"},
		{"dns-query", "@127.0.0.1:9", hostile + "."},
		{"cert-info", name},
		{"cert-info", "--json", name},
		{"ftp-put", name, "ftp://127.0.0.1:9/"},
		{"ftp-get", "ftp://127.0.0.1:9/" + strings.ReplaceAll(hostile, "]", "")},
		{"ftp-ls", "ftp://" + hostile + "/"},
		{"ipaddr", hostile},
		{"ipaddr", "--lookup", hostile},
		{"ipaddr", "port", hostile},
		{"config", "show", hostile},
		{"config", "path", "--config", name},
		{"version", "--config", name},
		{"version", "--profile", hostile},
		{"version", "--" + hostile},
		{"version", "--timeout", hostile},
		{hostile},
		{"help", hostile},
		{"completion", hostile},
	} {
		for _, detail := range []string{"-q", "--json", "-vv"} {
			t.Run(args[0]+" "+detail, func(t *testing.T) {
				t.Parallel()
				tame(t, append(append([]string{"brio"}, args...), detail)...)
			})
		}
	}
}

// The name that the DNS has for an address is tame too, or refused.
func TestHostileLookup(t *testing.T) {
	inWorld(t, func(t *testing.T) {
		makeWorld(t)
		for _, mode := range []string{"dns", "system"} {
			for _, detail := range []string{"-q", "--json", "-vv"} {
				tame(t, "brio", "ipaddr", "name", "192.0.2.68", "--dns-mode", mode, detail)
			}
		}
	})
}

func hostileFTP(t *testing.T) [][]string {
	ftp := (&ftptest.Server{}).Put("/"+hostile, []byte("x")).Put("/f", []byte("x"))
	ftp.Reply("SITE", "550 "+hostile+"\r\n").Reply("SYST", "215 "+hostile+"\r\n").Reply("PWD", "257 \"/"+hostile+"\" is it\r\n").
		Reply("STOR", "553 "+hostile+"\r\n").Start(t)
	refusing := (&ftptest.Server{}).Reply("PASS", "530 "+hostile+"\r\n").Start(t)
	listing := (&ftptest.Server{}).Put("/f", []byte("x")).Reply("MLSD", "500 "+hostile+"\r\n").On("LIST", func(c *ftptest.Session, _ string) {
		c.Transfer(func(conn net.Conn) error {
			_, err := io.WriteString(conn, "-rw-r--r-- 1 "+strings.ReplaceAll(hostile, " ", "")+" users 1 Jan  1 2020 "+hostile+"\r\n"+
				"lrwxrwxrwx 1 a b 1 Jan  1 2020 link -> "+hostile+"\r\n"+hostile+"\r\n")
			return err
		})
	}).Reply("FEAT", "211-"+hostile+"\r\n "+hostile+"\r\n211 end\r\n").Start(t)
	return [][]string{
		{"ftp-ls", "ftp://" + ftp.HostPort() + "/"},
		{"ftp-ls", "ftp://" + refusing.HostPort() + "/"},
		{"ftp-ls", "ftp://" + listing.HostPort() + "/"},
		{"ftp-get", "-o", "-", "ftp://" + sayer(t, "220-"+hostile+"\r\n220 x\r\n530 "+hostile+"\r\n") + "/f"},
		{"ftp-get", "--retries", "0", "-d", t.TempDir(), "-r", "ftp://" + ftp.HostPort() + "/"},
		{"ftp-get", "--retries", "0", "-d", t.TempDir(), "-r", "ftp://" + listing.HostPort() + "/"},
		{"ftp-put", "/dev/null", "ftp://" + ftp.HostPort() + "/g"},
		{"ftp-transfer", "ftp://" + ftp.HostPort() + "/f", "ftp://" + ftp.HostPort() + "/g"},
		{"ftp-transfer", "ftp://" + ftp.HostPort() + "/f", "ftp://" + refusing.HostPort() + "/g"},
	}
}

func hostileProxies(t *testing.T) [][]string {
	var runs [][]string
	for kind, answers := range map[string][]string{
		"http": {"HTTP/1.1 500 " + hostile + "\r\n\r\n", "HTTP/1.1 407 no\r\nProxy-Authenticate: " + hostile + "\r\n\r\n",
			hostile + "\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: " + hostile + "\r\n\r\n"},
		"socks5":  {"\x05\x00\x05\x05\x00\x03\x20" + hostile, "\x05\x1b", hostile},
		"socks4a": {"\x00\x5b" + hostile, hostile},
	} {
		for _, answer := range answers {
			runs = append(runs, []string{"connect", "--no-stdin", "--proxy", kind + "://" + sayer(t, answer), "192.0.2.1:80"})
		}
	}
	return runs
}

func hostileGreetings(t *testing.T) [][]string {
	return [][]string{
		{"tls-client", "--no-stdin", "--starttls", "smtp", sayer(t, "220 "+hostile+"\r\n250-"+hostile+"\r\n250 STARTTLS\r\n554 "+hostile+"\r\n")},
		{"tls-client", "--no-stdin", "--starttls", "imap", sayer(t, "* BYE "+hostile+"\r\n")},
		{"tls-client", "--no-stdin", sayer(t, "HTTP/1.0 400 "+hostile+"\r\n\r\n")},
		{"tls-client", "--scan", sayer(t, hostile)},
		{"cert-info", "--server", sayer(t, hostile)},
	}
}

// hostileDialogues are all dialogues of STARTTLS with answers of all kinds.
func hostileDialogues(t *testing.T) [][]string {
	var runs [][]string
	for _, protocol := range strings.Fields("smtp lmtp imap pop3 ftp ldap xmpp xmpp-server postgres mysql irc nntp sieve rdp tds telnet") {
		for _, answer := range []string{hostile + "\r\n", "554 " + hostile + "\r\n", "-ERR " + hostile + "\r\n", "NO \"" + hostile + "\"\r\n",
			":x 691 * :" + hostile + "\r\n", "E\x00\x00\x00\x30S" + hostile, "\x20\x00\x00\x00\xff\x10\x04#08004" + hostile, "<failure>" + hostile + "</failure>"} {
			runs = append(runs, []string{"cert-info", "--starttls", protocol, sayer(t, answer)})
		}
	}
	return runs
}

// hostileCertificates are runs against a TLS server whose certificate has hostile
// names.
func hostileCertificates(t *testing.T) [][]string {
	dir := t.TempDir()
	cert := selfSigned(t, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: hostileASCII, Organization: []string{"\u202e\u0085"}, Country: []string{hostileASCII}}
		c.DNSNames = []string{hostileASCII, "localhost"}
		c.EmailAddresses = []string{hostileASCII}
		c.OCSPServer = []string{"http://x/" + hostileASCII}
		c.IPAddresses = nil
	})
	pemFile := filepath.Join(dir, "ca.pem")
	writeFile(t, pemFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"dot"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go acceptAll(l, func(c net.Conn) {
		r := bufio.NewReader(c)
		if line, _ := r.ReadString('\n'); strings.Contains(line, " HTTP/1.") {
			_, _ = io.WriteString(c, "HTTP/1.1 500 "+hostile+"\r\nContent-Type: "+hostile+"\r\n\r\n"+hostile) // who asks may have gone
		}
	})
	addr := l.Addr().String()
	return [][]string{
		{"tls-client", "--probe", addr},
		{"tls-client", "--probe", "--insecure", addr},
		{"tls-client", "--probe", "--ca-file", pemFile, addr},
		{"tls-client", "--probe", "--ca-file", pemFile, "--server-name", "other.example", addr},
		{"tls-client", "--show-certs", "--insecure", "--handshake-only", addr},
		{"cert-info", addr},
		{"cert-info", "--ca-file", pemFile, "--verify", addr},
		{"cert-info", "--lint", "--tree", pemFile},
		{"cert-info", "--expect-subject", "x", pemFile},
		{"dns-query", "@tls://" + addr, "--repeat", "1", "a.example"},
		{"dns-query", "@https://" + addr, "--repeat", "1", "a.example"},
		{"dns-query", "@https://" + addr, "--insecure", "--repeat", "1", "a.example"},
		{"ftp-ls", "--tls", "implicit", "--retries", "0", "ftp://" + addr + "/"},
	}
}

// What --format sh prints is exact where a shell evaluates it, and runs nothing;
// on a terminal it is tame.
func TestHostileShell(t *testing.T) {
	dir := t.TempDir()
	evil := "'; touch pwned; $(touch pwned) `touch pwned` \"\\\n" + hostileASCII
	cert := selfSigned(t, func(c *x509.Certificate) { c.Subject.CommonName = evil })
	file := filepath.Join(dir, "cert.pem")
	writeFile(t, file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	in := func(c *exec.Cmd) { c.Dir = dir }
	script := filepath.Join(brioDir(t), "brio") + ` cert-info --format sh cert.pem >out; . ./out; printf %s "$BRIO_OBJECTS_0_CERTIFICATE_SUBJECT"`
	p := startProgram(t, in, "sh", "-euc", script)
	if st, got := p.status(), p.stdout.String(); st != 0 || !strings.Contains(got, evil) {
		t.Errorf("status %d, %q; want the subject as it is", st, got)
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Error("a shell ran what the certificate says")
	}
	if wild := untamed(onTerminal(t, 80, []string{"NO_COLOR=1"}, "cert-info", "--format", "sh", file)); wild != "" {
		t.Errorf("on a terminal: a control character is in %q", wild)
	}
}

// What a hostile client says in its hello, its certificate and its address is
// tame in events and details.
func TestHostileClients(t *testing.T) {
	p := startProgram(t, nil, "brio", "listen", "unix:"+filepath.Join(t.TempDir(), "s"), "--events", "json", "-o", os.DevNull, "-vv")
	hostileClient(t, p.place())
	p.status()
	checkTame(t, p)

	cert := selfSigned(t, func(c *x509.Certificate) { c.Subject.CommonName = hostileASCII; c.DNSNames = []string{hostileASCII} })
	for _, flags := range [][]string{{"-vv"}, {"--events", "json"}, {"--debug"}, {"--verify", "required"}} {
		for _, cfg := range []*tls.Config{
			{ServerName: hostile, InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}},
			{ServerName: "x", InsecureSkipVerify: true, NextProtos: []string{hostile}, Certificates: []tls.Certificate{cert}},
		} {
			port := filepath.Join(t.TempDir(), "port")
			args := append([]string{"brio", "tls-server", "127.0.0.1:0", "--port-file", port, "--alpn", "h2", "--verify", "optional", "-o", os.DevNull}, flags...)
			p := startProgram(t, nil, args...)
			p.portFile = port
			if c, err := tls.Dial("tcp", "127.0.0.1:"+p.place(), cfg); err == nil {
				_, _ = io.WriteString(c, hostile) // brio may have had enough
				c.Close()
			}
			p.status()
			checkTame(t, p)
		}
	}
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
	if text == "" {
		t.Errorf("%s prints nothing", p)
	}
	if wild := untamed(text); wild != "" {
		t.Errorf("%s: a control character is in %q", p, wild)
	}
}

// untamed is the part of a text that a terminal may act on, or "".
func untamed(text string) string {
	i := strings.IndexFunc(text, acts)
	if !utf8.ValidString(text) {
		i = max(i, 0)
	}
	if i < 0 {
		return ""
	}
	return text[max(0, i-20):min(len(text), i+20)]
}

// acts reports whether a terminal may act on a character.
func acts(r rune) bool {
	return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e
}

// hostileAnswers are questions to a name server with nothing but hostile answers.
func hostileAnswers(t *testing.T) [][]string {
	names := hostileNames(t)
	bulk, hints := filepath.Join(t.TempDir(), "bulk"), filepath.Join(t.TempDir(), "hints")
	writeFile(t, bulk, []byte("a.example TXT\n"+hostile+"\n"))
	writeFile(t, hints, []byte(". 60 NS ns.example.\nns.example. 60 A 127.0.0.1\n"))
	_, port, _ := net.SplitHostPort(names)
	runs := [][]string{
		{"dns-query", "@" + names, "-x", "192.0.2.1"},
		{"dns-query", "@" + names, "-f", bulk},
		{"dns-query", "@" + names, "-f", bulk, "--summary"},
		{"dns-query", "@" + names, "@" + names, "a.example", "TXT", "--compare"},
		{"dns-query", "@" + names, "a.example", "TXT", "--expect", "x"},
		{"dns-query", "@" + names, "a.example", "MX", "--validate"},
		{"dns-query", "@" + names, "a.example", "--lookup"},
		{"dns-query", "@" + names, "bad.example"},
		{"dns-query", "@" + names, "bad.example", "TXT", "--raw"},
		{"dns-query", "a.example", "TXT", "--trace", "--root-hints", hints, "--port", port},
		{"dns-query", "@" + names, "example", "--axfr"},
	}
	for _, kind := range strings.Fields("TXT CNAME MX NS SRV NAPTR CAA HINFO URI SOA SVCB HTTPS RP TLSA SPF DNAME TYPE65280") {
		runs = append(runs, []string{"dns-query", "@" + names, "a.example", kind})
	}
	return runs
}

// hostileNames answers every question with names or text that are hostile, over
// UDP and TCP.
func hostileNames(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: pc}, {Listener: l}} {
		s.Handler = dns.HandlerFunc(answerHostile)
		go s.ActivateAndServe()
		t.Cleanup(func() { s.Shutdown() })
	}
	return l.Addr().String()
}

// hostileLabel is the hostile text as zone files have it.
func hostileLabel() string {
	label := ""
	for _, b := range []byte(hostile) {
		label += fmt.Sprintf(`\%03d`, b)
	}
	return label
}

func answerHostile(w dns.ResponseWriter, q *dns.Msg) {
	label := hostileLabel()
	name := label + "."
	m := new(dns.Msg)
	m.SetReply(q)
	h := dns.RR_Header{Name: q.Question[0].Name, Rrtype: q.Question[0].Qtype, Class: dns.ClassINET, Ttl: 60}
	soa := h
	soa.Rrtype = dns.TypeSOA
	start := &dns.SOA{Hdr: soa, Ns: name, Mbox: name, Serial: 1}
	known := map[uint16]dns.RR{
		dns.TypeA:   &dns.CNAME{Hdr: dns.RR_Header{Name: h.Name, Rrtype: dns.TypeCNAME, Class: h.Class, Ttl: 60}, Target: name},
		dns.TypeTXT: &dns.TXT{Hdr: h, Txt: []string{label}}, dns.TypeSPF: &dns.SPF{Hdr: h, Txt: []string{label}},
		dns.TypeCNAME: &dns.CNAME{Hdr: h, Target: name}, dns.TypeDNAME: &dns.DNAME{Hdr: h, Target: name},
		dns.TypeMX: &dns.MX{Hdr: h, Mx: name}, dns.TypeNS: &dns.NS{Hdr: h, Ns: name}, dns.TypePTR: &dns.PTR{Hdr: h, Ptr: name},
		dns.TypeSRV: &dns.SRV{Hdr: h, Target: name}, dns.TypeRP: &dns.RP{Hdr: h, Mbox: name, Txt: name},
		dns.TypeNAPTR: &dns.NAPTR{Hdr: h, Flags: label, Service: label, Regexp: label, Replacement: name},
		dns.TypeCAA:   &dns.CAA{Hdr: h, Tag: label, Value: label}, dns.TypeHINFO: &dns.HINFO{Hdr: h, Cpu: label, Os: label},
		dns.TypeURI: &dns.URI{Hdr: h, Target: label}, dns.TypeSOA: start,
		dns.TypeSVCB:  &dns.SVCB{Hdr: h, Priority: 1, Target: name, Value: []dns.SVCBKeyValue{&dns.SVCBAlpn{Alpn: []string{hostile}}, &dns.SVCBDoHPath{Template: hostile}}},
		dns.TypeHTTPS: &dns.HTTPS{SVCB: dns.SVCB{Hdr: h, Priority: 1, Target: name, Value: []dns.SVCBKeyValue{&dns.SVCBLocal{KeyCode: 65280, Data: []byte(hostile)}}}},
	}
	known[dns.TypeAAAA] = known[dns.TypeA]
	if rr := known[h.Rrtype]; rr != nil {
		m.Answer = []dns.RR{rr}
	} else {
		m.Answer = []dns.RR{&dns.RFC3597{Hdr: h, Rdata: fmt.Sprintf("%x", hostile)}}
	}
	switch {
	case h.Rrtype == dns.TypeAXFR:
		start.Hdr.Name = h.Name
		txt := h
		txt.Name, txt.Rrtype = label+"."+h.Name, dns.TypeTXT
		m.Answer = []dns.RR{start, &dns.TXT{Hdr: txt, Txt: []string{label}}, start}
	case strings.HasPrefix(h.Name, "bad."):
		m.Answer, m.Rcode = nil, 14 // nobody has given it a meaning
	}
	if q.IsEdns0() != nil {
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: 1, ExtraText: hostile}, &dns.EDNS0_NSID{Nsid: fmt.Sprintf("%x", hostile)}}
	}
	_ = w.WriteMsg(m) // the client tells when it gets none
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
