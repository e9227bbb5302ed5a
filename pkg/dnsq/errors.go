package dnsq

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

var (
	// ErrNotFound is wrapped by errors about a name that does not exist
	// (NXDOMAIN) or that has no record of the type asked for (NODATA).
	ErrNotFound = errors.New("not found")

	// ErrServerFailure is wrapped by errors about replies with another rcode
	// than NOERROR and NXDOMAIN: SERVFAIL, REFUSED, NOTIMP, FORMERR, ...
	ErrServerFailure = errors.New("server failure")

	// ErrNoReply is wrapped when no reply at all came within the time allowed.
	ErrNoReply = errors.New("no reply")

	// ErrInvalidReply is wrapped when only replies came that do not belong to
	// the question or cannot be parsed: see [InvalidReplyError].
	ErrInvalidReply = errors.New("invalid reply")

	// errForged ends a wait for a reply in which too many came that do not belong
	// to the question: somebody is guessing.
	errForged = errors.New("too many invalid replies")

	// ErrTruncated is wrapped by errors about replies that are cut off.
	ErrTruncated = errors.New("the reply is truncated")

	// ErrNoServer is wrapped when no name server is known to ask.
	ErrNoServer = errors.New("no name server")

	// ErrUsage is wrapped by errors about options that contradict each other.
	ErrUsage = errors.New("wrong usage")

	// ErrNotSupported is wrapped by errors about features this build or system lacks.
	ErrNotSupported = errors.New("not supported")
)

// An InvalidReplyError reports that within the time allowed only replies came
// that do not belong to the question or cannot be parsed. It wraps [ErrInvalidReply].
type InvalidReplyError struct {
	Count  int    // how many were dropped
	Reason string // what was wrong with the last one
}

func (e *InvalidReplyError) Error() string {
	if e.Count == 1 {
		return "only an invalid reply: " + e.Reason
	}
	return fmt.Sprintf("only invalid replies (%d): %s", e.Count, e.Reason)
}

// Unwrap returns [ErrInvalidReply].
func (e *InvalidReplyError) Unwrap() error { return ErrInvalidReply }

// A ReplyError is what a well-formed reply says when it is no answer. It wraps
// [ErrNotFound] for NXDOMAIN and NODATA, [ErrServerFailure] for any other rcode. A
// referral is the one or the other as recursion was asked for or not.
type ReplyError struct {
	Name   string   // the name asked for
	Type   string   // the type asked for
	Rcode  string   // "NXDOMAIN", "SERVFAIL", ...; "NOERROR" means NODATA
	EDE    []string // the extended errors of the reply (RFC 8914)
	Server string   // who said so

	Referral bool // the reply only names other servers
	lame     bool // and it should not: it was asked to recurse
}

func (e *ReplyError) Error() string {
	what := "the server answered " + e.Rcode
	switch {
	case e.Referral:
		what = "the server answered with a referral"
	case e.Rcode == "NXDOMAIN":
		what = "no such name (NXDOMAIN)"
	case e.Rcode == "NOERROR":
		what = "no " + e.Type + " records (NODATA)"
	}
	if len(e.EDE) > 0 {
		what += ": " + strings.Join(e.EDE, "; ")
	}
	return what
}

// Unwrap returns [ErrNotFound] or [ErrServerFailure].
func (e *ReplyError) Unwrap() error {
	if !e.lame && (e.Rcode == "NXDOMAIN" || e.Rcode == "NOERROR") {
		return ErrNotFound
	}
	return ErrServerFailure
}

// A ServerFailedError says which server an exchange failed with.
type ServerFailedError struct {
	Server Server
	Err    error
}

func (e *ServerFailedError) Error() string { return e.Server.String() + ": " + reasonText(e.Err) }

// Unwrap returns the cause.
func (e *ServerFailedError) Unwrap() error { return e.Err }

// reasonText is the text of err without the addresses and names of system calls
// that the net package puts before its causes: the server is told beside it.
func reasonText(err error) string {
	var (
		op  *net.OpError
		sys *os.SyscallError
	)
	text := err.Error()
	switch {
	case !errors.As(err, &op):
		return text
	case errors.As(op.Err, &sys):
		return strings.Replace(text, op.Error(), sys.Err.Error(), 1)
	}
	return strings.Replace(text, op.Error(), op.Err.Error(), 1)
}
