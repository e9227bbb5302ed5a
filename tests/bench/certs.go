//go:build linux

package main

import (
	"errors"
	"io/fs"
	"os"
)

// certsArea measures how long it takes to parse and print the system's trusted
// certificates.
func certsArea(b *bench) error {
	const bundle, n = "/etc/ssl/certs/ca-certificates.crt", 10
	if _, err := os.Stat(bundle); errors.Is(err, fs.ErrNotExist) {
		return nil // nothing to read here
	} else if err != nil {
		return err
	}
	show := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.many(n, "", argv...) }}
	}
	return b.compare("print the system's CA bundle",
		append([]contender{show("brio", b.brio, "cert-info", bundle)}, have("certificates", []contender{
			show("openssl", "openssl", "storeutl", "-certs", "-noout", "-text", bundle),
			show("certtool", "certtool", "-i", "--infile", bundle),
		})...),
		target{rival: "openssl", of: cpuTime, most: 0.25},
		target{rival: "certtool", of: cpuTime, most: 0.3},
	)
}
