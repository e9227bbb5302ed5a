package tests

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/brio-net/brio/internal/ftptest"
)

// A world is what the examples find around them.
type world struct {
	files         map[string][]byte // in the directory of each example
	cert, expired tls.Certificate   // of the servers
}

// makeWorld makes every address local, points names at servers of this process
// and starts them. It must run in network and mount namespaces of its own.
func makeWorld(t *testing.T) *world {
	t.Helper()
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("ip", "link", "set", "lo", "up")
	run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
	run("ip", "link", "set", "eth0", "up")
	run("ip", "address", "add", "198.51.100.1/24", "dev", "eth0")
	run("ip", "route", "add", "local", "default", "dev", "lo")
	run("ip", "-6", "route", "add", "local", "default", "dev", "lo")
	run("ip", "-6", "address", "add", "2001:db8::10/128", "dev", "lo") // servers bind to it
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	w := &world{files: map[string][]byte{
		"reply.txt": []byte("reply\n"), "request.bin": []byte("request\n"), "file.txt": []byte("text\n"),
		"pw": []byte("secret\n"), "report.csv": []byte("a,b\n"), "build.zip": []byte("PK"), "big.iso": make([]byte, 1<<16), "dir/f": []byte("f\n"),
		"file.sha256": fmt.Appendf(nil, "%x  file\n", sha256.Sum256(content("/pub/file"))),
		"src/a.c":     []byte("int a;\n"), "src/a.o": []byte("o"),
	}}
	w.certify(t)
	dir := t.TempDir()
	for target, text := range map[string]string{
		"/etc/hosts":       "127.0.0.1 localhost\n::1 localhost\n",
		"/etc/resolv.conf": "nameserver 127.0.0.1\n",
		trustFile:          string(w.files["ca.pem"]),
	} {
		source := filepath.Join(dir, filepath.Base(target))
		if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
	}
	protect(t, os.TempDir())
	w.serve(t)
	return w
}

// trustFile is where Debian keeps the roots that programs trust.
const trustFile = "/etc/ssl/certs/ca-certificates.crt"

// protect makes everything but dir read-only here: an example must not write
// beside its own directory.
func protect(t *testing.T, dir string) {
	t.Helper()
	for _, m := range []struct {
		target string
		flags  uintptr
	}{
		{dir, unix.MS_BIND | unix.MS_REC},
		{"/", unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY},
	} {
		if err := unix.Mount(m.target, m.target, "", m.flags, ""); err != nil {
			t.Fatalf("mount %s: %v", m.target, err)
		}
	}
}

// certify makes an authority and a certificate for every name and address that
// examples use.
func (w *world) certify(t *testing.T) {
	t.Helper()
	template := func(cn string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(300 * 24 * time.Hour),
			BasicConstraintsValid: true,
		}
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	sign := func(c, parent *x509.Certificate, k, parentKey *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &k.PublicKey, parentKey)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	rootKey, leafKey := key(), key()
	root := template("Example Root")
	root.IsCA, root.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	rootDER := sign(root, root, rootKey, rootKey)
	leaf := template("example.com")
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	leaf.DNSNames = []string{"localhost", "example.com", "*.example.com", "*.example", "*.example.net", "example.org", "*.example.org", "dns.google", "one.one.one.one", "dns.quad9.net"}
	for _, a := range []string{"127.0.0.1", "::1", "9.9.9.9", "1.1.1.1", "192.0.2.1", "192.0.2.10", "192.0.2.53"} {
		leaf.IPAddresses = append(leaf.IPAddresses, net.ParseIP(a))
	}
	leafDER := sign(leaf, root, leafKey, rootKey)
	w.cert = tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}
	leaf.NotAfter = time.Now().Add(-time.Minute)
	w.expired = tls.Certificate{Certificate: [][]byte{sign(leaf, root, leafKey, rootKey)}, PrivateKey: leafKey}

	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	w.files["names.txt"] = []byte("example.com\nexample.com MX\n192.0.2.1\n")
	ca, cert, private := block("CERTIFICATE", rootDER), block("CERTIFICATE", leafDER), block("PRIVATE KEY", keyDER)
	for name, text := range map[string][]byte{
		"ca.pem": ca, "root.pem": ca, "clients.pem": ca,
		"cert.pem": cert, "server.pem": cert, "chain.pem": append(cert, ca...),
		"key.pem": private, "server.key": private, "expired.pem": block("CERTIFICATE", w.expired.Certificate[0]),
	} {
		w.files[name] = text
	}
}

// certificate is what the servers show to a client.
func (w *world) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if strings.HasPrefix(h.ServerName, "expired.") {
		return &w.expired, nil
	}
	return &w.cert, nil
}

// serve starts the servers; they end with the process.
func (w *world) serve(t *testing.T) {
	t.Helper()
	config := &tls.Config{GetCertificate: w.certificate, NextProtos: []string{"http/1.1", "dot"}}
	listen := func(port int) net.Listener {
		ln, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	pc, err := net.ListenPacket("udp", ":53")
	if err != nil {
		t.Fatal(err)
	}
	zone := dns.HandlerFunc(answerAnything)
	for _, s := range []*dns.Server{
		{PacketConn: pc, Handler: zone},
		{Listener: listen(53), Handler: zone},
		{Listener: tls.NewListener(listen(853), config), Handler: zone},
	} {
		go s.ActivateAndServe()
	}
	web := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/dns-query" {
			answerHTTP(rw, r)
			return
		}
		fmt.Fprintln(rw, "hello")
	})
	quiet := log.New(io.Discard, "", 0)
	for _, ln := range []net.Listener{listen(80), tls.NewListener(listen(443), config), tls.NewListener(listen(465), config)} {
		go (&http.Server{Handler: web, ReadHeaderTimeout: 3 * time.Second, ErrorLog: quiet}).Serve(ln)
	}
	go talk(listen(22), "SSH-2.0-example\r\n")
	for _, port := range []int{5432, 6379} {
		go talk(listen(port), "")
	}
	go acceptAll(listen(25), func(c net.Conn) { talkSMTP(c, config) })
	w.serveFiles(t, config)
}

// serveFiles starts an FTP server with the files that examples fetch.
func (w *world) serveFiles(t *testing.T, config *tls.Config) {
	s := &ftptest.Server{Addr: ":21", TLS: config}
	for _, name := range []string{"/pub/file.tar.gz", "/pub/motd", "/pub/a.iso", "/pub/b.iso", "/pub/f", "/pub/file", "/pub/image.iso", "/report.csv", "/f", "/file", "/notes.txt"} {
		s.Put(name, content(name))
	}
	for _, dir := range []string{"/incoming/x", "/backup/x", "/src/x"} {
		s.Put(dir, nil)
	}
	s.Start(t)
}

func content(name string) []byte { return []byte("content of " + name + "\n") }

// around starts the peers that only some examples need, because others take
// their ports: what echoes datagrams.
func (w *world) around(t *testing.T, example string) (stop func()) {
	t.Helper()
	var open []net.PacketConn
	seen := map[string]bool{}
	add := func(network, addr string) {
		if seen[addr] {
			return
		}
		seen[addr] = true
		pc, err := net.ListenPacket(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, pc)
		go echoDatagrams(pc)
	}
	if strings.Contains(example, "dgram send") || strings.Contains(example, "dgram pipe") && !strings.Contains(example, "--listen") {
		for _, m := range udpPort.FindAllStringSubmatch(example, -1) {
			add("udp", ":"+m[1])
		}
		for _, m := range unixPath.FindAllStringSubmatch(example, -1) {
			add("unixgram", m[1])
		}
	}
	var sink net.Listener
	if strings.Contains(example, "connect localhost:9000") {
		var err error
		if sink, err = net.Listen("tcp", ":9000"); err != nil {
			t.Fatal(err)
		}
		go talk(sink, "")
	}
	return func() {
		if sink != nil {
			sink.Close()
		}
		for _, pc := range open {
			pc.Close()
			os.Remove(pc.LocalAddr().String()) // the path of a UNIX socket; else there is none
		}
	}
}

var (
	udpPort  = regexp.MustCompile(`[0-9a-z\]]:([0-9]+)`)
	unixPath = regexp.MustCompile(`unix:(/\S+)`)
)

func echoDatagrams(pc net.PacketConn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		if from != nil {
			pc.WriteTo(buf[:n], from)
		}
	}
}

// talk greets each connection and sends back what it hears until it hears
// nothing for a while.
func talk(ln net.Listener, greeting string) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.WriteString(c, greeting)
			r := bufio.NewReader(c)
			for {
				c.SetReadDeadline(time.Now().Add(2 * time.Second))
				line, err := r.ReadString('\n')
				io.WriteString(c, line)
				if err != nil {
					return
				}
			}
		}()
	}
}

// answerAnything has an answer for every question, except about names that begin
// with "no".
func answerAnything(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(answerTo(q)) }

func answerTo(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	name := m.Question[0].Name
	soa := record(name + " 300 SOA ns.example.com. host.example.com. 1 3600 600 86400 60")
	if strings.HasPrefix(name, "no") {
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{soa}
		return m
	}
	if strings.HasPrefix(name, "servfail.") || strings.HasPrefix(name, "67.") {
		m.Rcode = dns.RcodeServerFailure
		return m
	}
	if strings.HasPrefix(name, "66.") {
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{soa}
		return m
	}
	if strings.HasPrefix(name, "68.") {
		m.Answer = []dns.RR{record(name + " 300 PTR " + hostileLabel() + ".")}
		return m
	}
	if m.Question[0].Qtype == dns.TypeAXFR {
		m.Answer = []dns.RR{soa, record(name + " 300 A 192.0.2.10"), soa}
		return m
	}
	data := map[uint16]string{
		dns.TypeA: "192.0.2.10", dns.TypeAAAA: "2001:db8::10", dns.TypeMX: "10 mail.example.com.", dns.TypeNS: "ns.example.com.",
		dns.TypeTXT: `"v=spf1 -all"`, dns.TypePTR: "host.example.com.", dns.TypeSRV: "0 5 443 www.example.com.",
		dns.TypeCAA: `0 issue "ca.example"`, dns.TypeHTTPS: "1 . alpn=h2",
		dns.TypeSOA: "ns.example.com. host.example.com. 1 3600 600 86400 60",
	}[m.Question[0].Qtype]
	if data == "" {
		m.Ns = []dns.RR{soa}
		return m
	}
	m.Answer = []dns.RR{record(name + " 300 " + dns.TypeToString[m.Question[0].Qtype] + " " + data)}
	return m
}

// answerHTTP is DNS over HTTPS, RFC 8484.
func answerHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 65535))
	q := new(dns.Msg)
	if err != nil || q.Unpack(body) != nil {
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	packed, err := answerTo(q).Pack()
	if err != nil {
		rw.WriteHeader(http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/dns-message")
	rw.Write(packed)
}
