package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// build compiles brio and returns the path of the binary. No path, date or state
// of the source's repository gets into it.
func (r *release) build(p platform) (string, error) {
	name := "brio"
	if p.os == "windows" {
		name = "brio.exe"
	}
	path := filepath.Join(r.work, p.String(), name)
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path,
		"-ldflags=-s -w -buildid= -X github.com/brio-net/brio/cmd.version="+r.version, ".")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOFLAGS=")
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("build for %s: %w", p, err)
	}
	return path, nil
}
