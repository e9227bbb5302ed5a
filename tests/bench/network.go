//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	insideVariable    = "BRIO_BENCH_INSIDE"
	congestionControl = "/proc/sys/net/ipv4/tcp_congestion_control"
)

// inOwnNetwork runs this program again in a network namespace of its own, where
// that is possible and needed, and returns its exit status. A congestion control
// that paces what it sends, as bbr does, makes every transfer over the loopback
// wait for timers: then the timers are measured, and not the programs.
func inOwnNetwork(ctx context.Context) (status int, done bool) {
	if os.Getenv(insideVariable) != "" {
		if err := prepareNetwork(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: the namespace stays as it is:", err)
		}
		return 0, false
	}
	text, err := os.ReadFile(congestionControl)
	if err != nil || strings.TrimSpace(string(text)) != "bbr" {
		return 0, false
	}
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "bench: TCP paces what it sends (bbr); as root, a namespace without that would be made")
		return 0, false
	}
	c := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), insideVariable+"=yes")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) } // it cleans up
	c.WaitDelay = 20 * time.Second
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: no namespace:", err)
		return 0, false
	}
	_ = c.Wait() // it has told what went wrong
	if status = c.ProcessState.ExitCode(); status < 0 {
		status = 1
	}
	return status, true
}

// prepareNetwork brings the loopback up and takes the one congestion control that
// every namespace may use.
func prepareNetwork() error {
	out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip link set lo up: %w: %s", err, out)
	}
	return os.WriteFile(congestionControl, []byte("reno"), 0)
}
