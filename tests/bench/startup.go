//go:build linux

package main

import (
	"os"
	"path/filepath"
)

// startupArea measures how long a program takes to say who it is.
func startupArea(b *bench) error {
	const n = 40
	config := filepath.Join(b.dir, "config.yaml")
	if err := os.WriteFile(config, []byte("defaults:\n  color: never\nversion:\n  timeout: 5\n"), 0o644); err != nil {
		return err
	}
	say := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.many(n, "", argv...) }}
	}
	rivals := have("start-up", []contender{
		say("dig", "dig", "-v"), say("openssl", "openssl", "version"), say("curl", "curl", "--version"),
		say("socat", "socat", "-V"), say("ncat", "ncat", "--version"),
	})
	if err := b.compare("brio version", append([]contender{say("brio", b.brio, "version")}, rivals...),
		target{rival: "dig", of: cpuTime, most: 0.35},
		target{rival: "openssl", of: cpuTime, most: 1.1},
		target{rival: "curl", of: cpuTime},
		target{rival: "socat", of: cpuTime},
		target{rival: "ncat", of: cpuTime},
	); err != nil {
		return err
	}
	if err := b.compare("brio --help", []contender{say("brio", b.brio, "--help"), say("curl", "curl", "--help")},
		target{rival: "curl", of: cpuTime}); err != nil {
		return err
	}
	return b.compare("brio version with a configuration file",
		[]contender{say("brio", b.brio, "--config", config, "version"), say("openssl", "openssl", "version")},
		target{rival: "openssl", of: cpuTime, most: 1.3})
}
