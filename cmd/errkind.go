package cmd

import (
	"errors"
	"syscall"
)

// kindOf is the identifier of err in JSON: the failure's own, else the one that
// belongs to its status.
func kindOf(err error, s status) string {
	var f *failure
	if errors.As(err, &f) && f.kind != "" {
		return f.kind
	}
	switch s {
	case statusTimeout:
		return "timeout"
	case statusLocalIO:
		return "local-io"
	case statusDenied:
		return "access-denied"
	case statusUsage:
		return "usage"
	}
	return "unknown"
}

// errnoName is the system's text of the error number in err, "" without one.
func errnoName(err error) string {
	var n syscall.Errno
	if errors.As(err, &n) {
		return n.Error()
	}
	return ""
}
