//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// lifetime is the context of the run. It ends with a signal, also that of a
// closed pipe, and when whoever started the program ends: go run hands on no
// SIGTERM. Orphans of what the bench starts become its own children, so that
// killDescendants finds them.
func lifetime() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	for _, option := range [][2]uintptr{{unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM)}, {unix.PR_SET_CHILD_SUBREAPER, 1}} {
		if err := unix.Prctl(int(option[0]), option[1], 0, 0, 0); err != nil {
			fmt.Fprintln(os.Stderr, "bench: prctl:", err)
		}
	}
	return ctx, stop
}

// killDescendants ends what is left of all that the bench started: children of
// servers, mostly.
func killDescendants() {
	for {
		left := descendants(os.Getpid())
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // unless it has just ended
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, 0, nil); err != nil || pid <= 0 {
				break
			}
		}
		if len(left) == 0 {
			return
		}
	}
}

func descendants(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var all []int
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for _, word := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(word); err == nil && !slices.Contains(all, n) {
				all = append(append(all, n), descendants(n)...)
			}
		}
	}
	return all
}
