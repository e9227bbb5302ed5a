package tests

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/need"
)

// tlsRig is a directory with certificates, and brio.
type tlsRig struct {
	t    *testing.T
	dir  string
	brio string
}

// newTLSRig makes root.pem, server.pem with server.key for localhost, and
// client.pem with client.key.
func newTLSRig(t *testing.T) *tlsRig {
	t.Helper()
	r := &tlsRig{t: t, dir: t.TempDir(), brio: filepath.Join(brioDir(t), "brio")}
	m := &certMaker{dir: r.dir}
	root, err := m.make("Root", nil, asCA)
	r.check(err)
	r.check(m.write("root.pem", pemOf(root)))
	for name, usage := range map[string]x509.ExtKeyUsage{"server": x509.ExtKeyUsageServerAuth, "client": x509.ExtKeyUsageClientAuth} {
		c, err := m.make(name, root, func(c *x509.Certificate) {
			c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
			c.DNSNames = []string{"localhost"}
		})
		r.check(err)
		key, err := keyPEM(c)
		r.check(err)
		r.check(m.write(name+".pem", pemOf(c)))
		r.check(m.write(name+".key", key))
	}
	return r
}

func (r *tlsRig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// outcome is how a program ended.
type outcome struct {
	status         int
	stdout, stderr string
}

// run runs a program in the directory with text as its stdin.
func (r *tlsRig) run(text, name string, args ...string) outcome {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	var out, errs bytes.Buffer
	c.Dir, c.Stdin, c.Stdout, c.Stderr = r.dir, strings.NewReader(text), &out, &errs
	c.Env = append(os.Environ(), "OPENSSL_CONF=/dev/null")
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatalf("%s %q: %v", name, args, err)
	}
	return outcome{c.ProcessState.ExitCode(), out.String(), errs.String()}
}

// start starts a server in the directory and waits until it listens on its port,
// which the arguments name as PORT.
func (r *tlsRig) start(name string, args ...string) (port string) {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r.check(err)
	port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	args = append([]string{}, args...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "PORT", port)
	}
	c := exec.Command(name, args...)
	c.Dir = r.dir
	c.Env = append(os.Environ(), "OPENSSL_CONF=/dev/null")
	in, err := c.StdinPipe() // some servers end with their stdin
	r.check(err)
	r.check(c.Start())
	r.t.Cleanup(func() { in.Close(); c.Process.Kill(); c.Wait() })
	r.await(port)
	return port
}

// await waits until somebody listens.
func (r *tlsRig) await(port string) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
			return
		}
	}
	r.t.Fatalf("nobody listens on port %s", port)
}

const httpRequest = "GET / HTTP/1.0\r\n\r\n"

func (r *tlsRig) opensslServer(args ...string) string {
	r.t.Helper()
	return r.start(need.Tool(r.t, "openssl"), append([]string{"s_server", "-accept", "127.0.0.1:PORT", "-www", "-cert", "server.pem", "-key", "server.key"}, args...)...)
}

func (r *tlsRig) gnutlsServer(priority string, args ...string) string {
	r.t.Helper()
	return r.start(need.Tool(r.t, "gnutls-serv"), append([]string{"--http", "-q", "-p", "PORT", "--x509certfile", "server.pem", "--x509keyfile", "server.key", "--priority", priority}, args...)...)
}

func (r *tlsRig) brioServer(args ...string) string {
	r.t.Helper()
	return r.start(r.brio, append([]string{"tls-server", "-qk", "127.0.0.1:PORT", "--www", "--certificate", "server.pem", "--key", "server.key"}, args...)...)
}

// interopMethods are brio's methods by the names of the peers.
func interopMethods() []struct{ brio, openssl, gnutls, shown string } {
	return []struct{ brio, openssl, gnutls, shown string }{
		{"tlsv1", "-tls1", "NORMAL:-VERS-ALL:+VERS-TLS1.0", "TLSv1"},
		{"tlsv1.1", "-tls1_1", "NORMAL:-VERS-ALL:+VERS-TLS1.1", "TLSv1.1"},
		{"tlsv1.2", "-tls1_2", "NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLSv1.2"},
		{"tlsv1.3", "-tls1_3", "NORMAL:-VERS-ALL:+VERS-TLS1.3", "TLSv1.3"},
	}
}

// Each method, brio as the client.
func TestTLSClientMethods(t *testing.T) {
	r := newTLSRig(t)
	for _, m := range interopMethods() {
		for who, port := range map[string]string{
			"openssl": r.opensslServer(m.openssl, "-cipher", "ALL:@SECLEVEL=0"),
			"gnutls":  r.gnutlsServer(m.gnutls),
		} {
			o := r.run("", r.brio, "tls-client", "-4", "--probe", "--method", m.brio, "--ca-file", "root.pem", "localhost:"+port)
			if o.status != 0 || !strings.Contains(o.stdout, "protocol\t"+m.shown+"\n") {
				t.Errorf("%s with %s: status %d\n%s%s", m.brio, who, o.status, o.stdout, o.stderr)
			}
			if o := r.run(httpRequest, r.brio, "tls-client", "-4", "--allow-truncation", "--method", m.brio, "--ca-file", "root.pem", "localhost:"+port); o.status != 0 || !strings.Contains(o.stdout, "HTTP/1.0 200") {
				t.Errorf("%s with %s: GET: status %d\n%s%s", m.brio, who, o.status, o.stdout, o.stderr)
			}
		}
	}
}

// Each method, brio as the server.
func TestTLSServerMethods(t *testing.T) {
	r := newTLSRig(t)
	for _, m := range interopMethods() {
		port := r.brioServer("--method", m.brio)
		o := r.run(httpRequest, need.Tool(t, "openssl"), "s_client", "-quiet", "-connect", "localhost:"+port, m.openssl, "-cipher", "ALL:@SECLEVEL=0", "-CAfile", "root.pem", "-verify_return_error")
		if !strings.Contains(o.stdout, "protocol     "+m.shown+"\n") {
			t.Errorf("%s with openssl: status %d\n%s%s", m.brio, o.status, o.stdout, o.stderr)
		}
		o = r.run(httpRequest, need.Tool(t, "gnutls-cli"), "--priority", m.gnutls, "--x509cafile", "root.pem", "-p", port, "localhost")
		if !strings.Contains(o.stdout, "protocol     "+m.shown+"\n") {
			t.Errorf("%s with gnutls: status %d\n%s%s", m.brio, o.status, o.stdout, o.stderr)
		}
	}
}

func tls13Suites() []string {
	return []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
}

// The suites of TLS 1.3 in both roles: only equal ones agree.
func TestTLS13SuiteMatrix(t *testing.T) {
	r := newTLSRig(t)
	openssl := need.Tool(t, "openssl")
	for _, server := range tls13Suites() {
		theirs, ours := r.opensslServer("-tls1_3", "-ciphersuites", server), r.brioServer("--ciphersuites", server)
		for _, client := range tls13Suites() {
			want := client == server
			o := r.run("", r.brio, "tls-client", "-4", "--probe", "--method", "tlsv1.3", "--ciphersuites", client, "--ca-file", "root.pem", "localhost:"+theirs)
			if (o.status == 0) != want || want && !strings.Contains(o.stdout, "cipher\t"+client+"\n") || !want && o.status != 10 {
				t.Errorf("brio %s, openssl server %s: status %d\n%s", client, server, o.status, o.stderr)
			}
			o = r.run(httpRequest, openssl, "s_client", "-quiet", "-tls1_3", "-ciphersuites", client, "-connect", "localhost:"+ours)
			if strings.Contains(o.stdout, "cipher       "+client+"\n") != want {
				t.Errorf("openssl %s, brio server %s: %s%s", client, server, o.stdout, o.stderr)
			}
		}
	}
}

// Client certificates, both roles, TLS 1.2 and 1.3, accepted and refused.
func TestTLSClientCertificates(t *testing.T) {
	r := newTLSRig(t)
	openssl := need.Tool(t, "openssl")
	for _, method := range []struct{ brio, openssl, gnutls string }{
		{"tlsv1.2", "-tls1_2", "NORMAL:-VERS-ALL:+VERS-TLS1.2"},
		{"tlsv1.3", "-tls1_3", "NORMAL:-VERS-ALL:+VERS-TLS1.3"},
	} {
		gnutls := r.gnutlsServer(method.gnutls, "--require-client-cert", "--verify-client-cert", "--x509cafile", "root.pem")
		theirs := r.opensslServer(method.openssl, "-Verify", "3", "-verify_return_error", "-CAfile", "root.pem")
		ours := r.brioServer("--method", method.brio, "--verify", "required", "--ca-file", "root.pem")
		for _, port := range []string{theirs, ours, gnutls} {
			o := r.run("", r.brio, "tls-client", "-4", "--probe", "--ca-file", "root.pem", "--certificate", "client.pem", "--key", "client.key", "localhost:"+port)
			if o.status != 0 || !strings.Contains(o.stdout, "client cert\trequested, sent\n") || !strings.Contains(o.stdout, "client CA\tCN=Root") && !strings.Contains(o.stdout, "Root") {
				t.Errorf("%s: with a certificate: status %d\n%s%s", method.brio, o.status, o.stdout, o.stderr)
			}
			if o := r.run("", r.brio, "tls-client", "-4", "--probe", "--ca-file", "root.pem", "localhost:"+port); o.status != 10 {
				t.Errorf("%s: without a certificate: status %d; want 10\n%s", method.brio, o.status, o.stderr)
			}
		}
		o := r.run(httpRequest, openssl, "s_client", "-quiet", "-connect", "localhost:"+ours, "-cert", "client.pem", "-key", "client.key")
		if !strings.Contains(o.stdout, "client       ") || !strings.Contains(o.stdout, "verify       ok (code 0)") {
			t.Errorf("%s: openssl with a certificate: %s%s", method.brio, o.stdout, o.stderr)
		}
		if o := r.run(httpRequest, openssl, "s_client", "-quiet", "-connect", "localhost:"+ours); strings.Contains(o.stdout, "200 OK") {
			t.Errorf("%s: openssl without a certificate is served", method.brio)
		}
		o = r.run(httpRequest, need.Tool(t, "gnutls-cli"), "--priority", method.gnutls, "--x509cafile", "root.pem", "--x509certfile", "client.pem", "--x509keyfile", "client.key", "-p", ours, "localhost")
		if !strings.Contains(o.stdout, "client       ") || !strings.Contains(o.stdout, "verify       ok (code 0)") {
			t.Errorf("%s: gnutls with a certificate: %s%s", method.brio, o.stdout, o.stderr)
		}
	}
}

// Resumption, both roles.
func TestTLSResumption(t *testing.T) {
	r := newTLSRig(t)
	openssl := need.Tool(t, "openssl")
	for _, m := range []struct{ brio, openssl, gnutls string }{
		{"tlsv1.2", "-tls1_2", "NORMAL:-VERS-ALL:+VERS-TLS1.2"},
		{"tlsv1.3", "-tls1_3", "NORMAL:-VERS-ALL:+VERS-TLS1.3"},
	} {
		for who, port := range map[string]string{
			"openssl": r.opensslServer(m.openssl),
			"gnutls":  r.gnutlsServer(m.gnutls),
			"brio":    r.brioServer("--method", m.brio),
		} {
			if o := r.run("", r.brio, "tls-client", "-4", "--resume", "3", "--ca-file", "root.pem", "localhost:"+port); o.status != 0 {
				t.Errorf("%s with %s: status %d\n%s%s", m.brio, who, o.status, o.stdout, o.stderr)
			}
		}
		port := r.brioServer("--method", m.brio)
		r.run(httpRequest, openssl, "s_client", "-quiet", "-connect", "localhost:"+port, "-sess_out", "session")
		o := r.run(httpRequest, openssl, "s_client", "-quiet", "-connect", "localhost:"+port, "-sess_in", "session")
		if !strings.Contains(o.stdout, "resumed      yes\n") {
			t.Errorf("%s: openssl does not resume: %s%s", m.brio, o.stdout, o.stderr)
		}
		o = r.run(httpRequest, need.Tool(t, "gnutls-cli"), "--priority", m.gnutls, "--resume", "--waitresumption", "--x509cafile", "root.pem", "-p", port, "localhost")
		if !strings.Contains(o.stdout, "resumed      yes\n") {
			t.Errorf("%s: gnutls does not resume: %s%s", m.brio, o.stdout, o.stderr)
		}
	}
}

// STARTTLS of openssl's client against our server, for the protocols both know.
func TestStartTLSWithOpenSSL(t *testing.T) {
	r := newTLSRig(t)
	openssl := need.Tool(t, "openssl")
	for brio, name := range map[string]string{
		"smtp": "smtp", "lmtp": "lmtp", "imap": "imap", "pop3": "pop3", "ftp": "ftp", "ldap": "ldap", "xmpp": "xmpp",
		"xmpp-server": "xmpp-server", "postgres": "postgres", "mysql": "mysql", "irc": "irc", "nntp": "nntp", "sieve": "sieve", "telnet": "telnet",
	} {
		port := r.brioServer("--starttls", brio)
		o := r.run(httpRequest, openssl, "s_client", "-quiet", "-connect", "localhost:"+port, "-starttls", name, "-CAfile", "root.pem", "-verify_return_error")
		if !strings.Contains(o.stdout, "protocol     TLSv1.3\n") {
			t.Errorf("%s: status %d\n%s%s", brio, o.status, o.stdout, o.stderr)
		}
		o = r.run("", r.brio, "tls-client", "-4", "--probe", "--starttls", brio, "--ca-file", "root.pem", "localhost:"+port)
		if o.status != 0 || !strings.Contains(o.stdout, "starttls\t"+brio+"\n") {
			t.Errorf("%s with brio: status %d\n%s%s", brio, o.status, o.stdout, o.stderr)
		}
	}
}

// A TDS server wraps the handshake in packets of its own. This one stands
// between brio and a plain TLS server.
func TestStartTLSTDS(t *testing.T) {
	r := newTLSRig(t)
	back := r.brioServer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r.check(err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveTDS(c, "127.0.0.1:"+back)
		}
	}()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	for _, method := range []string{"tlsv1.2", "tlsv1.3"} {
		o := r.run(httpRequest, r.brio, "tls-client", "-4", "--starttls", "tds", "--method", method, "--ca-file", "root.pem", "localhost:"+port)
		if o.status != 0 || !strings.Contains(o.stdout, "HTTP/1.0 200 OK") {
			t.Errorf("%s: status %d\n%s%s", method, o.status, o.stdout, o.stderr)
		}
	}
}

// serveTDS answers PRELOGIN, then passes the TLS inside of packets on to a
// server until bare records come.
func serveTDS(c net.Conn, back string) {
	defer c.Close()
	r := bufio.NewReader(c)
	if _, err := readTDS(r); err != nil {
		return
	}
	if _, err := c.Write([]byte{4, 1, 0, 15, 0, 0, 1, 0, 1, 0, 6, 0, 1, 0xff, 1}); err != nil {
		return
	}
	far, err := net.Dial("tcp", back)
	if err != nil {
		return
	}
	defer far.Close()
	bare := make(chan struct{})
	go func() { // towards the client: packets until it has gone bare
		b := make([]byte, 4000)
		for {
			n, err := far.Read(b)
			if err != nil {
				c.Close()
				return
			}
			select {
			case <-bare:
				c.Write(b[:n])
			default:
				c.Write(append([]byte{0x12, 1, byte((n + 8) >> 8), byte(n + 8), 0, 0, 1, 0}, b[:n]...))
			}
		}
	}()
	for {
		first, err := r.Peek(1)
		if err != nil {
			return
		}
		if first[0] != 0x12 {
			close(bare)
			io.Copy(far, r)
			return
		}
		p, err := readTDS(r)
		if err != nil {
			return
		}
		far.Write(p)
	}
}

func readTDS(r io.Reader) ([]byte, error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := int(head[2])<<8 | int(head[3])
	if n < 8 {
		return nil, fmt.Errorf("a packet of %d bytes", n)
	}
	body := make([]byte, n-8)
	_, err := io.ReadFull(r, body)
	return body, err
}

// TLS through a proxy.
func TestTLSThroughProxy(t *testing.T) {
	r := newTLSRig(t)
	port := r.brioServer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r.check(err)
	t.Cleanup(func() { l.Close() })
	go acceptAll(l, func(c net.Conn) { actAsProxy(c.(*net.TCPConn)) })
	for _, kind := range []string{"socks5h", "http"} {
		o := r.run(httpRequest, r.brio, "tls-client", "--proxy", kind+"://"+l.Addr().String(), "--ca-file", "root.pem", "--server-name", "localhost", "127.0.0.1:"+port)
		if o.status != 0 || !strings.Contains(o.stdout, "sni          localhost") {
			t.Errorf("%s: status %d\n%s%s", kind, o.status, o.stdout, o.stderr)
		}
	}
}

// A stalled or chatty peer does not hold brio up, and what is cut off is not
// taken for whole.
func TestTLSLimits(t *testing.T) {
	r := newTLSRig(t)
	port := r.brioServer("--method", "tls")
	if o := r.run("", r.brio, "tls-client", "-4", "--no-stdin", "--idle-timeout", "200ms", "--ca-file", "root.pem", "localhost:"+port); o.status != 5 || !strings.Contains(o.stderr, "idle time-out") {
		t.Errorf("idle: status %d\n%s", o.status, o.stderr)
	}
	if o := r.run("", r.brio, "tls-client", "-4", "--no-stdin", "--timeout", "200ms", "--ca-file", "root.pem", "localhost:"+port); o.status != 5 {
		t.Errorf("timeout: status %d\n%s", o.status, o.stderr)
	}
	if o := r.run(httpRequest, r.brio, "tls-client", "-4", "--expect", "200 OK", "--ca-file", "root.pem", "localhost:"+port); o.status != 0 {
		t.Errorf("expect: status %d\n%s", o.status, o.stderr)
	}
}

// What has been sent arrives although the server sends too, and nobody reads
// that: a socket closed with bytes unread resets the connection.
func TestTLSSendOnlyDelivers(t *testing.T) {
	r := newTLSRig(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r.check(err)
	t.Cleanup(func() { l.Close() })
	pair, err := tls.LoadX509KeyPair(filepath.Join(r.dir, "server.pem"), filepath.Join(r.dir, "server.key"))
	r.check(err)
	arrived := make(chan int64, 1)
	go acceptAll(l, func(c net.Conn) {
		conn := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
		conn.Write(make([]byte, 100_000)) // never read
		time.Sleep(200 * time.Millisecond)
		n, _ := io.Copy(io.Discard, conn)
		arrived <- n
	})
	const size = 32 << 20 // more than buffers hold: brio cannot end before the server has sent
	o := r.run(strings.Repeat("x", size), r.brio, "tls-client", "-4", "--send-only", "--ca-file", "root.pem", "localhost:"+strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	if n := <-arrived; o.status == 0 && n != size {
		t.Errorf("status 0, and %d of %d bytes arrived\n%s", n, size, o.stderr)
	}
}
