package socket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// ErrNotSupported is wrapped by errors about features that this system, or
// this kind of socket, lacks.
var ErrNotSupported = errors.New("not supported")

// Identifier is a portable name for a kind of failure, in kebab case. It is
// the same on every system, whatever the error number behind it.
type Identifier string

// The identifiers. Those from [AddressInUse] to [AccessDenied] are the
// classical ones; the others tell apart what those leave together.
const (
	AddressInUse         Identifier = "address-in-use"
	AddressNotAvailable  Identifier = "address-not-available"
	NetworkDown          Identifier = "network-down"
	NetworkReset         Identifier = "network-reset"
	ConnectionAborted    Identifier = "connection-aborted"
	ConnectionReset      Identifier = "connection-reset"
	NoBufferSpace        Identifier = "no-buffer-space"
	ShutDown             Identifier = "shutdown"
	ConnectionTimedOut   Identifier = "connection-timed-out"
	ConnectionRefused    Identifier = "connection-refused"
	HostDown             Identifier = "host-down"
	HostUnreachable      Identifier = "host-unreachable"
	ProtocolNotAvailable Identifier = "protocol-not-available"
	AccessDenied         Identifier = "access-denied"

	NetworkUnreachable Identifier = "network-unreachable"
	NameNotFound       Identifier = "name-not-found"
	NameLookupFailed   Identifier = "name-lookup-failed"
	TimedOut           Identifier = "timeout" // a limit of the caller passed
	Canceled           Identifier = "canceled"
	Closed             Identifier = "closed" // by this side
	NotConnected       Identifier = "not-connected"
	BrokenPipe         Identifier = "broken-pipe"
	Truncated          Identifier = "truncated"
	MessageTooLong     Identifier = "message-too-long"
	InvalidArgument    Identifier = "invalid-argument"
	TooManyFiles       Identifier = "too-many-files"
	NoSuchFile         Identifier = "no-such-file"
	NoSpace            Identifier = "no-space" // on a device
	NotSupported       Identifier = "not-supported"
	WouldBlock         Identifier = "would-block"
	Unknown            Identifier = "unknown"
)

// An Error tells what failed, in portable and in system terms.
type Error struct {
	Identifier Identifier // the kind of failure; never empty
	Code       int        // the number of the system error, 0 if there is none
	Action     string     // what was being done: "connect", "listen", "accept", ...
	Address    string     // to what; may be empty
	Err        error      // the cause
}

// newError returns err as an *Error about action on address, nil for nil.
func newError(action, address string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return err // already told, closer to the cause
	}
	return &Error{Identifier: ErrorID(err), Code: errorCode(err), Action: action, Address: address, Err: err}
}

// Error returns action, address and reason, joined by colons.
func (e *Error) Error() string {
	parts := make([]string, 0, 3)
	if e.Action != "" {
		parts = append(parts, e.Action)
	}
	if e.Address != "" {
		parts = append(parts, e.Address)
	}
	return strings.Join(append([]string{strings.Join(parts, " ")}, Reason(e.Err)), ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether a time-out of any kind is the cause, as [net.Error]
// asks.
func (e *Error) Timeout() bool {
	return e.Identifier == TimedOut || e.Identifier == ConnectionTimedOut
}

// Temporary is part of [net.Error]; it is always false, as the word has no
// agreed meaning.
func (e *Error) Temporary() bool { return false }

// Describe returns err in the terms of [Error], whatever made it. The action is
// that of the innermost operation err tells of; it is empty when err names
// none. Describe returns nil for nil.
func Describe(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	d := &Error{Identifier: ErrorID(err), Code: errorCode(err), Err: err}
	var op *net.OpError
	if errors.As(err, &op) {
		d.Action = op.Op
		if op.Addr != nil {
			d.Address = op.Addr.String()
		}
	}
	return d
}

// ErrorID returns the identifier of err, found at any depth of wrapping. It is
// [Unknown] for an error that is not of the system or the network, and empty
// for nil. An expired context gives [TimedOut], an expired deadline of a
// connection [ConnectionTimedOut].
func ErrorID(err error) Identifier {
	if err == nil {
		return ""
	}
	var told *Error
	if errors.As(err, &told) && told.Identifier != Unknown {
		return told.Identifier
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if id := errnoID(errno); id != Unknown {
			return id
		}
	}
	if id := lookupID(err); id != "" {
		return id
	}
	return sentinelID(err)
}

// lookupID returns the identifier of a failed name look-up, "" for any other
// error.
func lookupID(err error) Identifier {
	var d *net.DNSError
	if a, ok := errors.AsType[*net.AddrError](err); ok && a.Err == "no suitable address found" {
		return NameNotFound // so the net package says it when a name has other addresses only, or is not to be asked about
	}
	switch {
	case !errors.As(err, &d):
		return ""
	case d.IsNotFound:
		return NameNotFound
	case d.IsTimeout:
		return TimedOut
	}
	return NameLookupFailed
}

// sentinelID returns the identifier of the errors that Go itself makes.
func sentinelID(err error) Identifier {
	for _, s := range []struct {
		err error
		id  Identifier
	}{
		{context.Canceled, Canceled},
		{context.DeadlineExceeded, TimedOut},
		{os.ErrDeadlineExceeded, ConnectionTimedOut},
		{net.ErrClosed, Closed},
		{fs.ErrClosed, Closed},
		{io.ErrClosedPipe, Closed},
		{io.ErrUnexpectedEOF, Truncated},
		{ErrNotSupported, NotSupported},
		{errors.ErrUnsupported, NotSupported},
		{fs.ErrPermission, AccessDenied},
		{fs.ErrNotExist, NoSuchFile},
	} {
		if errors.Is(err, s.err) {
			return s.id
		}
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return ConnectionTimedOut
	}
	return Unknown
}

// errorCode returns the number of the system error in err, 0 if there is none.
func errorCode(err error) int {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return int(errno)
	}
	return 0
}

// ErrnoName returns the name of the system error in err, such as
// "ECONNREFUSED" ("WSAECONNREFUSED" on Windows), or "" if there is none.
func ErrnoName(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errnoName(errno)
	}
	return ""
}

// Reason returns the cause of err without the operations and addresses that
// the net package puts before it: "connection refused". An error that did not
// come from the net package is returned whole.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	switch e := err.(type) {
	case *net.OpError:
		return Reason(e.Err)
	case *os.SyscallError:
		return Reason(e.Err)
	case *net.DNSError:
		return "look up " + e.Name + ": " + e.Err
	case *net.AddrError:
		return e.Err
	}
	if err == context.DeadlineExceeded || err.Error() == os.ErrDeadlineExceeded.Error() {
		return "timed out" // package net has several errors of one text
	}
	return err.Error()
}
