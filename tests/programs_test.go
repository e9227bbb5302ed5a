package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/dnstest"
	"github.com/brio-net/brio/internal/ftptest"
)

// Each package of the library has a program under examples, which does what its
// first comment says.
func TestExamplePrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: builds four programs")
	}
	t.Parallel()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./examples/...")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	suffix := ""
	if runtime.GOOS == "windows" {
		suffix = ".exe"
	}
	run := func(program string, args ...string) (stdout string, failed bool) {
		t.Helper()
		c := exec.CommandContext(t.Context(), filepath.Join(dir, program+suffix), args...)
		var errs strings.Builder
		c.Stderr = &errs
		out, err := c.Output()
		if err != nil && !strings.HasPrefix(errs.String(), program+": ") {
			t.Errorf("%s %v: %v, on stderr is %q", program, args, err, errs.String())
		}
		return string(out), err != nil
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	if _, failed := run("portwait", ln.Addr().String()); failed {
		t.Error("portwait does not see the server")
	}
	if _, failed := run("portwait", "127.0.0.1:x"); !failed {
		t.Error("portwait takes a port that is none")
	}

	file := filepath.Join(dir, "cert.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: selfSigned(t, func(*x509.Certificate) {}).Certificate[0]})
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, failed := run("expiry", file); failed || !strings.Contains(out, "19 days") {
		t.Errorf("expiry prints %q", out)
	}
	if _, failed := run("expiry", filepath.Join(dir, "nosuch.pem")); !failed {
		t.Error("expiry has no file and no complaint")
	}

	server := dnstest.Server{UDP: answerMX}.Start(t)
	if out, failed := run("mailhosts", server, "example.com"); failed || !strings.HasPrefix(out, "10 mx1.example.com") {
		t.Errorf("mailhosts prints %q", out)
	}

	ftp := (&ftptest.Server{}).Put("/motd", []byte("hello\n")).Start(t)
	if out, failed := run("fetch", "ftp://"+ftp.HostPort()+"/motd"); failed || out != "hello\n" {
		t.Errorf("fetch prints %q", out)
	}
	if _, failed := run("fetch", "ftp://"+ftp.HostPort()+"/nosuch"); !failed {
		t.Error("fetch has no file and no complaint")
	}
}

// selfSigned makes a certificate for 127.0.0.1 that ends in 19 days, unless edit
// makes it another.
func selfSigned(t *testing.T, edit func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "api.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(19*24*time.Hour + 12*time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	edit(c)
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// answerMX answers with two mail servers, the worse one first.
func answerMX(q *dns.Msg) [][]byte {
	m := new(dns.Msg).SetReply(q)
	name := q.Question[0].Name
	for _, data := range []string{"20 mx2." + name, "10 mx1." + name} {
		rr, err := dns.NewRR(name + " 300 MX " + data)
		if err != nil {
			return nil
		}
		m.Answer = append(m.Answer, rr)
	}
	wire, err := m.Pack()
	if err != nil {
		return nil
	}
	return [][]byte{wire}
}
