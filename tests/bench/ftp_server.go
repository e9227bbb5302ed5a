//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// An ftpServer is vsftpd with anonymous access to a directory.
type ftpServer struct {
	proc *proc
	dir  string // holds pub/ and, writable, in/
	at   place
	cert string
}

func (s *ftpServer) url(path string) string { return "ftp://" + s.at.String() + "/" + path }

// startVSFTPD starts vsftpd, which wants to be root, on directories of its own.
func (b *bench) startVSFTPD() (*ftpServer, error) {
	base := filepath.Join(b.dir, "ftp")
	s := &ftpServer{dir: filepath.Join(base, "root"), cert: filepath.Join(base, "cert.pem")}
	empty, in := filepath.Join(base, "empty"), filepath.Join(s.dir, "in")
	for _, d := range []string{empty, in, filepath.Join(s.dir, "pub")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(os.Chmod(b.dir, 0o755), giveTo("ftp", in), b.selfSigned(s.cert, newP256)); err != nil {
		return nil, err
	}
	conf := filepath.Join(base, "vsftpd.conf")
	var failure, err error
	s.proc, s.at, err = b.serve(func(p place) []string {
		lines := []string{"listen=YES", "listen_address=127.0.0.1", fmt.Sprintf("listen_port=%d", p.port), "background=NO",
			"anonymous_enable=YES", "local_enable=NO", "anon_root=" + s.dir, "write_enable=YES", "anon_upload_enable=YES", "anon_mkdir_write_enable=YES",
			"anon_other_write_enable=YES", "anon_umask=022", "no_anon_password=YES", "secure_chroot_dir=" + empty, "seccomp_sandbox=NO",
			"xferlog_enable=NO", "ssl_enable=YES", "allow_anon_ssl=YES", "force_anon_data_ssl=NO", "force_anon_logins_ssl=NO",
			"rsa_cert_file=" + s.cert, "rsa_private_key_file=" + s.cert, "ssl_ciphers=HIGH", "max_per_ip=0", "max_clients=0"}
		failure = os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
		return []string{"vsftpd", conf}
	})
	return s, errors.Join(failure, err)
}

// giveTo makes a file that of a user.
func giveTo(name, file string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, uerr := strconv.Atoi(u.Uid)
	gid, gerr := strconv.Atoi(u.Gid)
	return errors.Join(uerr, gerr, os.Chown(file, uid, gid))
}
