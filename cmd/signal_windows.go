package cmd

import (
	"errors"
	"os"
	"syscall"
)

var endingSignals = []os.Signal{os.Interrupt}

const sigPipe = syscall.Signal(13)

// raise does nothing: Windows has no death by signal, only the exit status.
func raise(syscall.Signal) {}

// isBrokenPipe reports that the reader of a pipe has gone.
func isBrokenPipe(err error) bool {
	const errorNoData = syscall.Errno(232) // ERROR_NO_DATA
	return errors.Is(err, syscall.ERROR_BROKEN_PIPE) || errors.Is(err, errorNoData)
}

// looseMode is empty: the mode that Go makes up for files says nothing about
// who has access.
const looseMode = 0
