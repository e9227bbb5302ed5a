package tests

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/brio-net/brio/internal/ftptest"
)

// setupFTP starts the servers of the ftp-*.txtar scripts and puts their
// addresses into the environment.
func setupFTP(env *testscript.Env) error {
	cert, err := ftptest.NewCertificate()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(env.WorkDir, "ca.pem"), cert.CertPEM, 0o644); err != nil {
		return err
	}
	secure := &tls.Config{Certificates: []tls.Certificate{cert.TLS}}
	mutual := secure.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, cert.Pool
	if err := writeIdentities(env.WorkDir, cert); err != nil {
		return err
	}
	for name, s := range map[string]*ftptest.Server{
		"FTP":     ftpTree(&ftptest.Server{}),
		"FTP2":    ftpTree(&ftptest.Server{User: "me", Password: "sesame"}),
		"FTPES":   ftpTree(&ftptest.Server{TLS: secure, RequireReuse: true}),
		"FTPS":    ftpTree(&ftptest.Server{TLS: secure, Implicit: true, RequireReuse: true}),
		"SHORT":   ftpTree(&ftptest.Server{}).On("RETR", shortRetr),
		"SILENT":  (&ftptest.Server{}).On("CONNECT", func(c *ftptest.Session, _ string) { c.Hang() }),
		"EVIL":    evilServer(),
		"FLAKY":   flakyServer(),
		"NOFXP":   ftpTree(&ftptest.Server{}).Reply("PORT", "500 illegal PORT\r\n").Reply("EPRT", "500 illegal EPRT\r\n").Reply("STOR", "553 no such directory\r\n"),
		"FTPMTLS": ftpTree(&ftptest.Server{TLS: mutual, RequireReuse: true}),
		"DEAF":    ftpTree(&ftptest.Server{}).On("RETR", deafRetr),
		"LINKS":   linkServer(),
		"STUCK":   ftpTree(&ftptest.Server{}).On("RETR", stuckRetr),
	} {
		if err := s.Listen(); err != nil {
			return err
		}
		env.Defer(s.Stop)
		env.Setenv(name, s.HostPort())
	}
	if err := startPeer(env, "PROXY", actAsProxy); err != nil {
		return err
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("CLOSED", closed.Addr().String())
	return closed.Close()
}

// writeIdentities writes a certificate and its key as one PEM file, as two, and
// as PKCS #12 with a password.
func writeIdentities(dir string, cert *ftptest.Certificate) error {
	leaf, err := x509.ParseCertificate(cert.TLS.Certificate[0])
	if err != nil {
		return err
	}
	p12, err := pkcs12.Modern.Encode(cert.TLS.PrivateKey, leaf, nil, "opensesame")
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		"both.pem": append(bytes.Clone(cert.CertPEM), cert.KeyPEM...), "key.pem": cert.KeyPEM,
		"both.p12": p12, "p12-password": []byte("opensesame\n"), "wrong-password": []byte("sesame\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ftpTree gives s some files.
func ftpTree(s *ftptest.Server) *ftptest.Server {
	return s.Put("hello.txt", []byte("hello, world\n")).Put("pub/one.txt", []byte("one\n")).
		Put("pub/two.gz", bytes.Repeat([]byte("two"), 1000)).Put("pub/deep/er/three", []byte("3")).
		Put("pub/with blank", []byte("b")).Put("empty", nil)
}

// shortRetr announces more than it sends.
func shortRetr(c *ftptest.Session, _ string) {
	c.TransferText("Opening data connection for it (13 bytes)", func(conn net.Conn) error {
		_, err := conn.Write([]byte("hello"))
		return err
	})
}

// deafRetr never connects to the client's port.
func deafRetr(c *ftptest.Session, name string) {
	if c.Active() {
		c.Send(150, "here it comes")
		c.Hang()
		return
	}
	c.Default("RETR", name)
}

// stuckRetr sends something, then nothing more.
func stuckRetr(c *ftptest.Session, _ string) {
	c.Transfer(func(conn net.Conn) error {
		_, _ = conn.Write([]byte("hello"))
		c.Hang()
		return nil
	})
}

// evilServer lists names that lead out of the directory.
func evilServer() *ftptest.Server {
	lines := []string{
		"type=file;size=1; ../escape", "type=file;size=1; /tmp/escape", "type=file;size=1; ..", "type=file;size=4; good",
		"type=file;size=4; esc\x1b[31mape", "type=dir; ../..", "gibberish",
	}
	list := func(c *ftptest.Session, dir string) {
		c.Transfer(func(conn net.Conn) error {
			_, err := fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\n")
			return err
		})
	}
	return (&ftptest.Server{}).Put("x/good", []byte("good")).Put("x/esc\x1b[31mape", []byte("evil")).
		On("MLSD", list).Reply("MLST", "250-x\r\n type=dir; x\r\n250 end\r\n")
}

// linkServer lists a link with the size and the time of the link itself.
func linkServer() *ftptest.Server {
	return ftpTree(&ftptest.Server{}).On("MLSD", func(c *ftptest.Session, _ string) {
		c.Transfer(func(conn net.Conn) error {
			_, err := fmt.Fprint(conn, "type=file;size=0; empty\r\ntype=OS.unix=symlink;size=5;modify=19990101000000; hello.txt\r\n")
			return err
		})
	}).On("MLST", func(c *ftptest.Session, name string) {
		facts := "type=dir;"
		if name != "" {
			facts = "type=OS.unix=symlink;size=5;modify=19990101000000;"
		}
		c.Raw("250-x\r\n " + facts + " " + name + "/\r\n250 end\r\n")
	})
}

// flakyServer breaks every second download off in the middle.
func flakyServer() *ftptest.Server {
	var n int
	return ftpTree(&ftptest.Server{}).On("RETR", func(c *ftptest.Session, name string) {
		if n++; n%2 == 1 {
			c.Send(150, "here it comes")
			if conn, err := c.BareData(); err == nil {
				_, _ = conn.Write([]byte("hello, "))
				time.Sleep(20 * time.Millisecond)
				ftptest.Reset(conn)
			}
			c.Send(426, "broken off")
			return
		}
		c.Default("RETR", name)
	})
}
