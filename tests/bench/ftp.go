//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// An ftpServer is vsftpd with anonymous access to a directory.
type ftpServer struct {
	proc *proc
	dir  string // holds pub/ and, writable, in/
	port int
	cert string
}

// ftpArea measures large and small files beside curl, lftp and wget, plain and
// over TLS.
func ftpArea(b *bench) error {
	if _, err := exec.LookPath("vsftpd"); err != nil || os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "  ftp: not measured: needs vsftpd and root")
		return nil
	}
	s, err := b.startVSFTPD()
	if err != nil {
		return err
	}
	defer s.proc.stop()
	size := int64(b.scale*1024) << 20
	if err := makeFile(filepath.Join(s.dir, "pub", "large"), size); err != nil {
		return err
	}
	small := int(1000 * min(b.scale, 1))
	for i := range small {
		if err := makeFile(filepath.Join(s.dir, "pub", "small", fmt.Sprintf("f%04d", i)), 1000); err != nil {
			return err
		}
	}
	for _, measure := range []func(*ftpServer) error{b.ftpDownload, b.ftpUpload, b.ftpSmall, b.ftpSmallTLS, b.ftpBulkTLS} {
		if err := measure(s); err != nil {
			return err
		}
	}
	return nil
}

func makeFile(name string, size int64) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, min(size, 1<<20))
	for n := int64(0); n < size; n += int64(len(block)) {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) startVSFTPD() (*ftpServer, error) {
	p, err := b.newPlace(false)
	if err != nil {
		return nil, err
	}
	base := filepath.Join(b.dir, "ftp")
	s := &ftpServer{dir: filepath.Join(base, "root"), port: p.port, cert: filepath.Join(base, "cert.pem")}
	empty, in := filepath.Join(base, "empty"), filepath.Join(s.dir, "in")
	for _, d := range []string{empty, in, filepath.Join(s.dir, "pub")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return nil, err
	}
	u, err := user.Lookup("ftp")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(in, uid, gid); err != nil {
		return nil, err
	}
	if err := b.selfSigned(s.cert); err != nil {
		return nil, err
	}
	conf := filepath.Join(base, "vsftpd.conf")
	lines := []string{"listen=YES", "listen_address=127.0.0.1", fmt.Sprintf("listen_port=%d", s.port), "background=NO",
		"anonymous_enable=YES", "local_enable=NO", "anon_root=" + s.dir, "write_enable=YES", "anon_upload_enable=YES", "anon_mkdir_write_enable=YES",
		"anon_other_write_enable=YES", "anon_umask=022", "no_anon_password=YES", "secure_chroot_dir=" + empty, "seccomp_sandbox=NO",
		"xferlog_enable=NO", "ssl_enable=YES", "allow_anon_ssl=YES", "force_anon_data_ssl=NO", "force_anon_logins_ssl=NO", "rsa_cert_file=" + s.cert, "rsa_private_key_file=" + s.cert,
		"ssl_ciphers=HIGH", "max_per_ip=0", "max_clients=0"}
	if err := os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	if s.proc, err = b.spawn(nil, nil, "vsftpd", conf); err != nil {
		return nil, err
	}
	return s, awaitListener(s.proc, s.port, "")
}

// selfSigned makes a certificate for localhost and 127.0.0.1, with its key in
// the same file.
func (b *bench) selfSigned(file string) error {
	key := file + ".key"
	out, err := exec.CommandContext(b.ctx, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("openssl req: %w: %s", err, out)
	}
	text, err := os.ReadFile(key)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(text)
	return err
}

func (s *ftpServer) url(path string) string {
	return fmt.Sprintf("ftp://127.0.0.1:%d/%s", s.port, path)
}

// fetch is a contender that downloads want files into an empty directory.
func (b *bench) fetch(name string, want int, argv func(dir string) []string) contender {
	return contender{name, func() (sample, error) {
		dir, err := os.MkdirTemp(b.dir, "get-")
		if err != nil {
			return sample{}, err
		}
		defer os.RemoveAll(dir)
		sample, err := b.once(nil, nil, argv(dir)...)
		if err != nil {
			return sample, err
		}
		if got, err := os.ReadDir(dir); err != nil || len(got) != want {
			return sample, fmt.Errorf("%d of %d files are there (%v)", len(got), want, err)
		}
		return sample, nil
	}}
}

func (b *bench) ftpDownload(s *ftpServer) error {
	return b.compare("FTP download, large", have("ftp", []contender{
		b.fetch("brio", 1, func(d string) []string {
			return []string{b.brio, "ftp-get", "-o", d + "/large", s.url("pub/large")}
		}),
		b.fetch("curl", 1, func(d string) []string { return []string{"curl", "-s", "-o", d + "/large", s.url("pub/large")} }),
		b.fetch("wget", 1, func(d string) []string { return []string{"wget", "-q", "-O", d + "/large", s.url("pub/large")} }),
		b.fetch("lftp", 1, func(d string) []string {
			return []string{"lftp", "-c", "set ftp:ssl-allow no; get " + s.url("pub/large") + " -o " + d + "/large"}
		}),
	}),
		target{rival: "curl", of: cpuTime, most: 0.7}, target{rival: "wget", of: cpuTime, most: 0.7}, target{rival: "lftp", of: cpuTime, most: 0.7},
		target{rival: "curl", of: wallTime, most: 0.8}, target{rival: "wget", of: wallTime, most: 0.8}, target{rival: "lftp", of: wallTime, most: 0.8})
}

func (b *bench) ftpUpload(s *ftpServer) error {
	source := filepath.Join(s.dir, "pub", "large")
	n := 0
	put := func(name string, argv func(url string) []string) contender {
		return contender{name, func() (sample, error) {
			n++
			path := fmt.Sprintf("in/up%d", n)
			defer os.Remove(filepath.Join(s.dir, path))
			return b.once(nil, nil, argv(s.url(path))...)
		}}
	}
	return b.compare("FTP upload, large", have("ftp", []contender{
		put("brio", func(u string) []string { return []string{b.brio, "ftp-put", source, u} }),
		put("curl", func(u string) []string { return []string{"curl", "-s", "-T", source, u} }),
	}), target{rival: "curl", of: cpuTime, most: 0.4}, target{rival: "curl", of: wallTime})
}

// smallURLs are the URLs of the small files.
func (s *ftpServer) smallURLs() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "pub", "small"))
	urls := make([]string, len(entries))
	for i, e := range entries {
		urls[i] = s.url("pub/small/" + e.Name())
	}
	return urls, err
}

func (b *bench) ftpSmall(s *ftpServer) error {
	urls, err := s.smallURLs()
	if err != nil {
		return err
	}
	return b.compare(fmt.Sprintf("FTP download, %d small files", len(urls)), have("ftp", []contender{
		b.fetch("brio", len(urls), func(d string) []string { return append([]string{b.brio, "ftp-get", "-d", d}, urls...) }),
		b.fetch("curl", len(urls), func(d string) []string {
			return append([]string{"curl", "-s", "--remote-name-all", "--output-dir", d}, urls...)
		}),
		b.fetch("lftp", len(urls), func(d string) []string {
			return []string{"lftp", "-c", "set ftp:ssl-allow no; mirror " + s.url("pub/small") + " " + d}
		}),
	}), target{rival: "curl", of: wallTime, most: 0.6}, target{rival: "curl", of: cpuTime}, target{rival: "lftp", of: wallTime})
}

func (b *bench) ftpSmallTLS(s *ftpServer) error {
	urls, err := s.smallURLs()
	if err != nil {
		return err
	}
	n := len(urls)
	lftp := fmt.Sprintf("set ftp:ssl-allow-anonymous yes; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:ca-file %s; set ssl:check-hostname no; mirror %s ", s.cert, s.url("pub/small"))
	return b.compare("FTPS download, small files", have("ftp", []contender{
		b.fetch("brio", n, func(d string) []string {
			return []string{b.brio, "ftp-get", "-r", "-d", d, "--tls", "explicit", "--ca-file", s.cert, s.url("pub/small/")}
		}),
		b.fetch("lftp", n, func(d string) []string { return []string{"lftp", "-c", lftp + d} }),
	}), target{rival: "lftp", of: wallTime, most: 0.2})
}

func (b *bench) ftpBulkTLS(s *ftpServer) error {
	return b.compare("FTPS download, large", have("ftp", []contender{
		b.fetch("brio", 1, func(d string) []string {
			return []string{b.brio, "ftp-get", "-o", d + "/large", "--tls", "explicit", "--ca-file", s.cert, s.url("pub/large")}
		}),
		b.fetch("curl", 1, func(d string) []string {
			return []string{"curl", "-s", "--ssl-reqd", "--cacert", s.cert, "-o", d + "/large", s.url("pub/large")}
		}),
	}), target{rival: "curl", of: cpuTime, most: 1}, target{rival: "curl", of: wallTime})
}
