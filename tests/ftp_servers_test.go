package tests

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/internal/need"
)

// ftpHash is the crypt(3) hash of "sesame": a cheap one, since a login must not
// cost a second.
const ftpHash = "$1$brio$Z3Vx1cS74R4Vjj/vaH1wU0"

// A realFTP is a real server on the loopback, started for one test.
type realFTP struct {
	name           string
	user, password string
	dir            string // what the server serves
	prefix         string // of dir as the server sees it, with a slash
	plain          int    // port of plain sessions and of explicit TLS, on 127.0.0.1 and ::1
	implicit       int    // port of implicit TLS, 0 when the server has none
	cert           *ftptest.Certificate
	has            map[string]bool // mfmt, sscn, hash, mlsd
}

// newRealFTP prepares the files that all three servers need.
func newRealFTP(t *testing.T, name string) *realFTP {
	t.Helper()
	need.Root(t)
	base := t.TempDir()
	cert, err := ftptest.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	s := &realFTP{name: name, user: "tester", password: "sesame", dir: filepath.Join(base, "files"), cert: cert,
		plain: freePort(t), implicit: freePort(t), has: map[string]bool{}}
	for _, dir := range []string{s.dir, filepath.Join(s.dir, "sub")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		os.Chmod(dir, 0o777)
	}
	for dir := base; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	writeFile(t, filepath.Join(base, "cert.pem"), cert.CertPEM)
	writeFile(t, filepath.Join(base, "key.pem"), cert.KeyPEM)
	os.Chmod(filepath.Join(base, "key.pem"), 0o600)
	return s
}

func (s *realFTP) base(name string) string { return filepath.Join(filepath.Dir(s.dir), name) }

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// run starts a program in the foreground, waits until it listens, and ends it
// with the test.
func (s *realFTP) run(t *testing.T, addrs []string, program string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(need.Tool(t, program), args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "TZ=UTC")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-exited
	})
	for _, addr := range addrs {
		awaitListener(t, addr, exited, &out)
	}
}

func awaitListener(t *testing.T, addr string, exited <-chan struct{}, out *bytes.Buffer) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-exited:
			t.Fatalf("the server ended: %s", out)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing listens at %s: %v", addr, err)
		}
	}
}

func loopbacks(port int) []string {
	return []string{fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("[::1]:%d", port)}
}

// startVsftpd starts four vsftpd: IPv4 and IPv6, explicit and implicit TLS. Data
// connections must resume the TLS session.
func startVsftpd(t *testing.T) *realFTP {
	s := newRealFTP(t, "vsftpd")
	s.user, s.password = "anonymous", "tester@"
	s.prefix = "files/" // vsftpd does not let anybody write at the top
	if err := os.Mkdir(s.base("empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, implicit := range []bool{false, true} {
		port := s.plain
		if implicit {
			port = s.implicit
		}
		for i, listen := range []string{"listen=YES\nlisten_address=127.0.0.1", "listen=NO\nlisten_ipv6=YES\nlisten_address6=::1"} {
			conf := s.base(fmt.Sprintf("vsftpd%d.conf", port*10+i))
			writeFile(t, conf, []byte(fmt.Sprintf(`%s
listen_port=%d
implicit_ssl=%s
background=NO
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
anon_root=%s
ftp_username=daemon
nopriv_user=nobody
secure_chroot_dir=%s
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
ascii_upload_enable=YES
ascii_download_enable=YES
mdtm_write=YES
connect_from_port_20=NO
pasv_promiscuous=YES
port_promiscuous=YES
max_clients=0
max_per_ip=0
ssl_enable=YES
allow_anon_ssl=YES
require_ssl_reuse=YES
ssl_ciphers=HIGH
rsa_cert_file=%s
rsa_private_key_file=%s
`, listen, port, yesNo(implicit), filepath.Dir(s.dir), s.base("empty"), s.base("cert.pem"), s.base("key.pem"))))
			s.run(t, []string{loopbacks(port)[i]}, "vsftpd", conf)
		}
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

// startProftpd starts one ProFTPD with two virtual servers. It requires session
// reuse by default.
func startProftpd(t *testing.T) *realFTP { return startProftpdWith(t, newRealFTP(t, "proftpd"), "") }

// startProftpdWith adds lines to the configuration.
func startProftpdWith(t *testing.T, s *realFTP, more string) *realFTP {
	s.has = map[string]bool{"mlsd": true, "mfmt": true, "hash": true, "sscn": true}
	writeFile(t, s.base("passwd"), []byte(fmt.Sprintf("%s:%s:65534:65534::%s:/bin/sh\n", s.user, ftpHash, s.dir)))
	os.Chmod(s.base("passwd"), 0o600)
	server := fmt.Sprintf(`
  DefaultRoot ~
  AllowOverwrite on
  AllowStoreRestart on
  AllowRetrieveRestart on
  AllowForeignAddress on
  RequireValidShell off
  AuthUserFile %[1]s
  AuthOrder mod_auth_file.c
  TLSEngine on
  TLSRequired off
  TLSProtocol TLSv1.2 TLSv1.3
  TLSECCertificateFile %[2]s
  TLSECCertificateKeyFile %[3]s
  TLSCACertificateFile %[2]s
  TLSVerifyClient off
  DigestEngine on
  %[4]s
`, s.base("passwd"), s.base("cert.pem"), s.base("key.pem"), more)
	writeFile(t, s.base("proftpd.conf"), []byte(fmt.Sprintf(`
LoadModule mod_tls.c
LoadModule mod_digest.c
ServerType standalone
ServerName test
DefaultAddress 127.0.0.1 ::1
SocketBindTight on
UseIPv6 on
UseReverseDNS off
WtmpLog off
Port %[1]d
User root
Group root
PidFile %[2]s
ScoreboardFile none
DelayEngine off
TransferLog none
SystemLog none
TimeoutLinger 1
%[3]s
<VirtualHost 127.0.0.1 ::1>
  Port %[4]d
  TLSOptions UseImplicitSSL
%[3]s
</VirtualHost>
`, s.plain, s.base("pid"), server, s.implicit)))
	s.run(t, append(loopbacks(s.plain), loopbacks(s.implicit)...), "proftpd", "-n", "-q", "-c", s.base("proftpd.conf"))
	return s
}

// startPureftpd starts two Pure-FTPd, for IPv4 and IPv6. Debian builds it without
// implicit TLS.
func startPureftpd(t *testing.T) *realFTP {
	s := newRealFTP(t, "pure-ftpd")
	s.has = map[string]bool{"mlsd": true, "mfmt": true}
	users := s.base("users")
	writeFile(t, users, []byte(fmt.Sprintf("%s:%s:65534:65534::%s/./::::::::::::\n", s.user, ftpHash, s.dir)))
	if out, err := exec.Command(need.Tool(t, "pure-pw"), "mkdb", users+".pdb", "-f", users).CombinedOutput(); err != nil {
		t.Fatalf("pure-pw: %v: %s", err, out)
	}
	s.implicit = 0
	for i, host := range []string{"127.0.0.1", "::1"} {
		s.run(t, []string{loopbacks(s.plain)[i]}, "pure-ftpd", "-S", fmt.Sprintf("%s,%d", host, s.plain), "-l", "puredb:"+users+".pdb",
			"-E", "-w", "-W", "-Y", "1", "-2", s.base("cert.pem")+","+s.base("key.pem"), "-c", "200", "-C", "200", "-H", "-u", "1",
			"-g", s.base(fmt.Sprintf("pure%d.pid", i)), "-A")
	}
	return s
}
