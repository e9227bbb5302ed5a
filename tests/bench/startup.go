//go:build linux

package main

import (
	"os"
	"path/filepath"
)

// startupArea measures how long a program takes to say who it is.
func startupArea(b *bench) error {
	config := filepath.Join(b.dir, "config.yaml")
	if err := os.WriteFile(config, []byte("defaults:\n  color: never\nversion:\n  timeout: 5\n"), 0o644); err != nil {
		return err
	}
	say := func(name string, argv ...string) contender {
		return contender{name, func() (sample, error) { return b.many(20, "", argv...) }}
	}
	if err := b.compare("brio version", []contender{
		say("brio", b.brio, "version"), say("dig", "dig", "-v"), say("openssl", "openssl", "version"),
		say("curl", "curl", "--version"), say("socat", "socat", "-V"), say("ncat", "ncat", "--version"),
	},
		atMost(0.35, "dig", cpuTime).unless(goRuntime), atMost(1.1, "openssl", cpuTime).unless(goRuntime),
		beside("curl", cpuTime), beside("socat", cpuTime), beside("ncat", cpuTime),
	); err != nil {
		return err
	}
	if err := b.compare("brio --help", []contender{say("brio", b.brio, "--help"), say("curl", "curl", "--help")},
		beside("curl", cpuTime)); err != nil {
		return err
	}
	return b.compare("brio version with a configuration file",
		[]contender{say("brio", b.brio, "--config", config, "version"), say("openssl", "openssl", "version")},
		atMost(1.3, "openssl", cpuTime))
}
