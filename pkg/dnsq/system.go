package dnsq

import (
	"errors"
	"io/fs"
	"os"
)

// readResolvConf reads the file path as a resolv.conf.
func readResolvConf(path string, env ResolvEnv) (*SystemConfig, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &SystemConfig{Nameservers: []Server{}, Search: []string{}, Ndots: 1}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ParseResolvConf(f, env)
}

// readHosts reads the hosts file path; one that does not exist is empty.
func readHosts(path string) (*Hosts, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ParseHosts(f)
}
