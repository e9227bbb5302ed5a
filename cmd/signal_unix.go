//go:build unix

package cmd

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

var endingSignals = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

const sigPipe = syscall.SIGPIPE

// raise ends the process by the default action of s, so that a shell sees a
// death by signal and its loop stops. It returns only where s is blocked.
func raise(s syscall.Signal) {
	signal.Reset(s)
	if syscall.Kill(os.Getpid(), s) == nil {
		time.Sleep(100 * time.Millisecond) // delivery to a Go process is not synchronous
	}
}

// isBrokenPipe reports that the reader of a pipe has gone. On stdout and stderr
// Go raises SIGPIPE itself; this is for the cases where that signal is ignored.
func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// looseMode are the permissions that a file with a secret should not give: to
// read or change it for everybody, to change it for the group. A group that may
// read is how several services share a key.
const looseMode = 0o026
