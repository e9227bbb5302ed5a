package cmd

import (
	"errors"

	"github.com/brio-net/brio/pkg/socket"
)

// kindOf is the identifier of err in JSON: the failure's own, else that of the
// system's error, else the one that belongs to its status.
func kindOf(err error, s status) string {
	var f *failure
	if errors.As(err, &f) && f.kind != "" {
		return f.kind
	}
	if _, kind := ftpStatus(err); kind != "" {
		return kind
	}
	if kind := dnsKind(err); kind != "" {
		return kind
	}
	if kind := tlsKind(err); kind != "" {
		return kind
	}
	if id := socket.ErrorID(err); id != socket.Unknown {
		return string(id)
	}
	switch s {
	case statusTimeout:
		return "timeout"
	case statusLocalIO:
		return "local-io"
	case statusUsage:
		return "usage"
	}
	return "unknown"
}

// messageOf is the text of err after "brio COMMAND: ": target, then reason. A
// socket error says what was being done first, which the command's name tells.
func messageOf(err error) string {
	if e, ok := err.(*socket.Error); ok && e.Address != "" {
		return e.Address + ": " + socket.Reason(e.Err)
	}
	return err.Error()
}
