//go:build linux

package main

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// certsArea measures how long it takes to parse and print the system's trusted
// certificates, and to judge ten thousand chains.
func certsArea(b *bench) error {
	if err := b.bundle(); err != nil {
		return err
	}
	return b.chains(10000)
}

func (b *bench) bundle() error {
	const work, file = "print the system's CA bundle", "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(file); err != nil {
		b.absent(work, err.Error())
		return nil
	}
	show := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.many(10, "", argv...) }}
	}
	return b.compare(work, []contender{
		show("brio", b.brio, "cert-info", file),
		show("openssl", "openssl", "storeutl", "-certs", "-noout", "-text", file),
		show("certtool", "certtool", "-i", "--infile", file),
	}, atMost(0.25, "openssl", cpuTime), atMost(0.3, "certtool", cpuTime))
}

// chains measures n chains of leaf, intermediate and root, each with a leaf of
// its own: by one process, but certtool knows one chain a run.
func (b *bench) chains(n int) error {
	dir := filepath.Join(b.dir, "chains")
	if b.pass == 0 {
		if err := makeChains(dir, n); err != nil {
			return err
		}
	}
	verify := []string{"openssl", "verify", "-CAfile", dir + "/root.pem", "-untrusted", dir + "/intermediate.pem"}
	for i := range n {
		verify = append(verify, leafFile(dir, i))
	}
	judge := func(name string, n int, argv ...string) contender {
		return contender{name, func() (sample, error) {
			s, err := b.once(nil, nil, argv...)
			s.rate = float64(n) / s.wall.Seconds()
			s.cpu /= time.Duration(n)
			return s, err
		}}
	}
	return b.compare(fmt.Sprintf("judge %d certificate chains (CPU of one)", n), []contender{
		judge("brio", n, b.brio, "cert-info", "-q", "--batch", dir+"/cases.json"),
		judge("openssl", n, verify...),
		{"certtool", func() (sample, error) {
			s, err := b.many(50, "", "certtool", "--verify", "--load-ca-certificate", dir+"/root.pem", "--infile", dir+"/chain.pem")
			s.rate = 1 / s.wall.Seconds()
			return s, err
		}},
	}, beside("openssl", rate), beside("openssl", cpuTime), beside("certtool", cpuTime))
}

func leafFile(dir string, i int) string { return filepath.Join(dir, fmt.Sprintf("%d.pem", i)) }

// A chainCase is a case of brio cert-info --batch.
type chainCase struct {
	ID            string   `json:"id"`
	Trusted       []string `json:"trusted_certs"`
	Intermediates []string `json:"untrusted_intermediates"`
	Peer          string   `json:"peer_certificate"`
	Expected      string   `json:"expected_result"`
}

// makeChains writes n chains into dir: cases.json for brio; root.pem,
// intermediate.pem and a file for each leaf; one whole chain in chain.pem.
func makeChains(dir string, n int) error {
	key, err := newP256()
	if err != nil {
		return err
	}
	issue := func(t, issuer *x509.Certificate) ([]byte, error) {
		return x509.CreateCertificate(rand.Reader, t, issuer, key.Public(), key)
	}
	rootCert, middleCert := template(1, "Bench Root", true), template(2, "Bench Intermediate", true)
	root, rerr := issue(rootCert, rootCert)
	middle, merr := issue(middleCert, rootCert)
	if err := errors.Join(rerr, merr, os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	cases, err := os.Create(filepath.Join(dir, "cases.json"))
	if err != nil {
		return err
	}
	defer cases.Close()
	rootPEM, middlePEM := certificatePEM(root), certificatePEM(middle)
	enc := json.NewEncoder(cases)
	var leaf []byte
	for i := range n {
		if leaf, err = issue(template(int64(i+3), fmt.Sprintf("leaf %d", i), false), middleCert); err != nil {
			return err
		}
		text := certificatePEM(leaf)
		c := chainCase{fmt.Sprint(i), []string{string(rootPEM)}, []string{string(middlePEM)}, string(text), "SUCCESS"}
		if err := errors.Join(enc.Encode(c), os.WriteFile(leafFile(dir, i), text, 0o600)); err != nil {
			return err
		}
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "root.pem"), rootPEM, 0o600),
		os.WriteFile(filepath.Join(dir, "intermediate.pem"), middlePEM, 0o600),
		os.WriteFile(filepath.Join(dir, "chain.pem"), certificatePEM(leaf, middle, root), 0o600))
}
