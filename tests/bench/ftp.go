//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ftpArea measures large and small files beside curl, lftp and wget, plain and
// over TLS.
func ftpArea(b *bench) error {
	if _, err := exec.LookPath("vsftpd"); err != nil || os.Getuid() != 0 {
		b.absent("FTP", "needs vsftpd and root")
		return nil
	}
	s, err := b.startVSFTPD()
	if err != nil {
		return err
	}
	defer s.proc.stop()
	defer os.RemoveAll(s.dir)
	if err := makeFile(filepath.Join(s.dir, "pub", "large"), b.streamSize(1)); err != nil {
		return err
	}
	if err := s.makeSmall("small", 1000); err != nil {
		return err
	}
	if err := s.makeSmall("few", 100); err != nil {
		return err
	}
	for _, measure := range []func(*ftpServer) error{
		b.ftpDownload, b.ftpUpload, b.ftpSmall, b.ftpSmallTLS, b.ftpBulkTLS, b.ftpMemory,
	} {
		if err := measure(s); err != nil {
			return err
		}
	}
	return nil
}

// makeSmall makes n files of a kilobyte in a directory under pub.
func (s *ftpServer) makeSmall(dir string, n int) error {
	for i := range n {
		if err := makeFile(filepath.Join(s.dir, "pub", dir, fmt.Sprintf("f%04d", i)), 1000); err != nil {
			return err
		}
	}
	return nil
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

// A runner runs a program to its end: once, or alone.
type runner func(argv ...string) (sample, error)

func (b *bench) onceQuiet(argv ...string) (sample, error) { return b.once(nil, nil, argv...) }

// fetch is a contender that downloads want files into an empty directory.
func (b *bench) fetch(name string, run runner, want int, argv func(dir string) []string) contender {
	return contender{name, func() (sample, error) {
		dir, err := os.MkdirTemp(b.dir, "get-")
		if err != nil {
			return sample{}, err
		}
		defer os.RemoveAll(dir)
		sample, err := run(argv(dir)...)
		if err != nil {
			return sample, err
		}
		if got, err := os.ReadDir(dir); err != nil || len(got) != want {
			return sample, fmt.Errorf("%d of %d files are there (%v)", len(got), want, err)
		}
		return sample, nil
	}}
}

// largeFile are the contenders that download the large file.
func (b *bench) largeFile(s *ftpServer, run runner) []contender {
	url := s.url("pub/large")
	return []contender{
		b.fetch("brio", run, 1, func(d string) []string { return []string{b.brio, "ftp-get", "-o", d + "/large", url} }),
		b.fetch("curl", run, 1, func(d string) []string { return []string{"curl", "-s", "-o", d + "/large", url} }),
		b.fetch("wget", run, 1, func(d string) []string { return []string{"wget", "-q", "-O", d + "/large", url} }),
		b.fetch("lftp", run, 1, func(d string) []string {
			return []string{"lftp", "-c", "set ftp:ssl-allow no; get " + url + " -o " + d + "/large"}
		}),
	}
}

func (b *bench) ftpDownload(s *ftpServer) error {
	return b.compare("FTP download, large", b.largeFile(s, b.onceQuiet),
		atMost(0.7, "curl", cpuTime), atMost(0.7, "wget", cpuTime), atMost(0.7, "lftp", cpuTime),
		atMost(0.8, "curl", wallTime), atMost(0.8, "wget", wallTime), atMost(0.8, "lftp", wallTime))
}

func (b *bench) ftpUpload(s *ftpServer) error {
	source := filepath.Join(s.dir, "pub", "large")
	n := 0
	put := func(name string, argv func(url string) []string) contender {
		return contender{name, func() (sample, error) {
			n++
			path := fmt.Sprintf("in/up%d", n)
			defer os.Remove(filepath.Join(s.dir, path))
			return b.onceQuiet(argv(s.url(path))...)
		}}
	}
	return b.compare("FTP upload, large", []contender{
		put("brio", func(u string) []string { return []string{b.brio, "ftp-put", source, u} }),
		put("curl", func(u string) []string { return []string{"curl", "-s", "-T", source, u} }),
	}, atMost(0.4, "curl", cpuTime), beside("curl", wallTime))
}

// smallFiles are the contenders that download all small files.
func (b *bench) smallFiles(s *ftpServer, urls []string, run runner) []contender {
	return []contender{
		b.fetch("brio", run, len(urls), func(d string) []string { return append([]string{b.brio, "ftp-get", "-d", d}, urls...) }),
		b.fetch("curl", run, len(urls), func(d string) []string {
			return append([]string{"curl", "-s", "--remote-name-all", "--output-dir", d}, urls...)
		}),
		b.fetch("wget", run, len(urls), func(d string) []string { return append([]string{"wget", "-q", "-P", d}, urls...) }),
		b.fetch("lftp", run, len(urls), func(d string) []string {
			return []string{"lftp", "-c", "set ftp:ssl-allow no; mirror " + s.url("pub/small") + " " + d}
		}),
	}
}

func (b *bench) ftpSmall(s *ftpServer) error {
	urls, err := s.smallURLs()
	if err != nil {
		return err
	}
	return b.compare(fmt.Sprintf("FTP download, %d small files", len(urls)), b.smallFiles(s, urls, b.onceQuiet),
		atMost(0.6, "curl", wallTime), beside("curl", cpuTime), beside("wget", wallTime), beside("lftp", wallTime))
}

// ftpSmallTLS measures fewer files: lftp waits for the delayed acknowledgements
// of each.
func (b *bench) ftpSmallTLS(s *ftpServer) error {
	lftp := fmt.Sprintf("set ftp:ssl-allow-anonymous yes; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:ca-file %s; set ssl:check-hostname no; mirror %s ", s.cert, s.url("pub/few"))
	return b.compare("FTPS download, 100 small files", []contender{
		b.fetch("brio", b.onceQuiet, 100, func(d string) []string {
			return []string{b.brio, "ftp-get", "-r", "-d", d, "--tls", "explicit", "--ca-file", s.cert, s.url("pub/few/")}
		}),
		b.fetch("lftp", b.onceQuiet, 100, func(d string) []string { return []string{"lftp", "-c", lftp + d} }),
	}, atMost(0.2, "lftp", wallTime))
}

func (b *bench) ftpBulkTLS(s *ftpServer) error {
	return b.compare("FTPS download, large", []contender{
		b.fetch("brio", b.onceQuiet, 1, func(d string) []string {
			return []string{b.brio, "ftp-get", "-o", d + "/large", "--tls", "explicit", "--ca-file", s.cert, s.url("pub/large")}
		}),
		b.fetch("curl", b.onceQuiet, 1, func(d string) []string {
			return []string{"curl", "-s", "--ssl-reqd", "--cacert", s.cert, "-o", d + "/large", s.url("pub/large")}
		}),
	}, atMost(1, "curl", cpuTime), beside("curl", wallTime))
}

// ftpMemory measures the largest memory of the clients.
func (b *bench) ftpMemory(s *ftpServer) error {
	if err := b.compare("FTP memory, large", b.largeFile(s, b.alone),
		atMost(1, "curl", peakRSS), beside("wget", peakRSS), beside("lftp", peakRSS)); err != nil {
		return err
	}
	urls, err := s.smallURLs()
	if err != nil {
		return err
	}
	return b.compare(fmt.Sprintf("FTP memory, %d small files", len(urls)), b.smallFiles(s, urls, b.alone),
		atMost(1, "curl", peakRSS), beside("wget", peakRSS), beside("lftp", peakRSS))
}
