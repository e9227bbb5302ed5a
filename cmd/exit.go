package cmd

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/brio-net/brio/pkg/socket"
)

// A status is an exit status of brio. Numbers never change their meaning.
type status int

// The exit statuses of all commands.
const (
	statusOK          status = 0
	statusOther       status = 1
	statusUsage       status = 2
	statusNotFound    status = 3
	statusRefused     status = 4
	statusTimeout     status = 5
	statusUnreachable status = 6
	statusBroken      status = 7
	statusLocalAddr   status = 8
	statusDenied      status = 9
	statusHandshake   status = 10
	statusExpectation status = 11
	statusLocalIO     status = 12
	statusVerify      status = 13
	statusServer      status = 14
	statusProtocol    status = 15
	statusPartial     status = 16
	statusBug         status = 70
	statusNoExec      status = 126
	statusNoCommand   status = 127
	statusSignal      status = 128 // + the signal's number
	statusPipe        status = statusSignal + 13
)

// statusTexts is the one table of statuses: messages have the text, help and man
// pages what it stands for as well.
var statusTexts = []struct {
	status     status
	text, more string
}{
	{statusOK, "done, and the answer is good", ""},
	{statusOther, "other failure", ""},
	{statusUsage, "wrong usage", ""},
	{statusNotFound, "no such name, service or remote file", " (NXDOMAIN, no such record, FTP 550)"},
	{statusRefused, "connection refused", " (also by ICMP: port unreachable)"},
	{statusTimeout, "time-out", " of any kind; the message says which"},
	{statusUnreachable, "host or network unreachable", ""},
	{statusBroken, "connection broken: reset, aborted, truncated", ""},
	{statusLocalAddr, "local address in use or not available", ""},
	{statusDenied, "access denied", ": local permission, login refused, peer not allowed"},
	{statusHandshake, "TLS or proxy handshake failed", ""},
	{statusExpectation, "expectation not met", ": the answer is no, it expires too soon, servers disagree"},
	{statusLocalIO, "local input or output failed", ": disk full, file missing or not readable"},
	{statusVerify, "verification failed", ": certificate, host name, DNSSEC, checksum"},
	{statusServer, "the server answered with a failure", ": SERVFAIL, REFUSED, FTP 4xx or 5xx"},
	{statusProtocol, "the peer broke the protocol", ""},
	{statusPartial, "part of a batch failed", "; the JSON of each item has its own status"},
	{statusBug, "a bug in brio", "; please report it"},
	{statusNoExec, "the command to run could not be started", ""},
	{statusNoCommand, "the command to run was not found", ""},
	{statusPipe, "the reader of stdout has gone", ""},
}

func (s status) text() string {
	for _, t := range statusTexts {
		if t.status == s {
			return t.text
		}
	}
	if s > statusSignal {
		return fmt.Sprintf("ended by signal %d", s-statusSignal)
	}
	return "status of the command that was run"
}

// explained is the text and what it stands for.
func (s status) explained() string {
	for _, t := range statusTexts {
		if t.status == s {
			return t.text + t.more
		}
	}
	return s.text()
}

// statusOf is the only place where errors become exit statuses.
func statusOf(err error) status {
	var (
		f    *failure
		out  *outputError
		text *socket.ParseError

		option *socket.OptionError
	)
	switch {
	case err == nil:
		return statusOK
	case errors.As(err, &f) && f.status != 0:
		return f.status
	case errors.As(err, &text):
		return statusUsage
	case errors.As(err, &option) && socket.ErrorID(err) == socket.InvalidArgument:
		return statusUsage
	case errors.Is(err, errStdoutGone):
		return statusPipe
	case errors.As(err, &out):
		return statusLocalIO
	}
	if s, _ := ftpStatus(err); s != 0 {
		return s
	}
	if s := dnsStatus(err); s != 0 {
		return s
	}
	if s := tlsStatus(err); s != 0 {
		return s
	}
	return statusOfID(socket.ErrorID(err))
}

// statusOfID is the status that belongs to an error of the system or network.
func statusOfID(id socket.Identifier) status {
	switch id {
	case socket.NameNotFound:
		return statusNotFound
	case socket.ConnectionRefused:
		return statusRefused
	case socket.TimedOut, socket.ConnectionTimedOut:
		return statusTimeout
	case socket.NetworkUnreachable, socket.HostUnreachable, socket.HostDown, socket.NetworkDown:
		return statusUnreachable
	case socket.ConnectionReset, socket.ConnectionAborted, socket.NetworkReset, socket.BrokenPipe, socket.Truncated, socket.ShutDown:
		return statusBroken
	case socket.AddressInUse, socket.AddressNotAvailable:
		return statusLocalAddr
	case socket.AccessDenied:
		return statusDenied
	case socket.NameLookupFailed:
		return statusServer
	case socket.NoSuchFile, socket.NoSpace:
		return statusLocalIO
	}
	return statusOther
}

// finish reports err, raises sig again if a signal ended the run, and returns
// the exit status.
func (e *env) finish(c *cobra.Command, err error, sig os.Signal) int {
	if e.cmd == nil {
		e.cmd = c
	}
	if n, ok := sig.(syscall.Signal); ok {
		e.endEvents(err, statusSignal+status(n))
		raise(n)
		return int(statusSignal) + int(n)
	}
	if err == nil {
		err = e.helpErr
	}
	if err == nil {
		e.endEvents(nil, statusOK)
		return int(statusOK)
	}
	if !e.started {
		err = asUsage(err)
	}
	s := statusOf(err)
	e.endEvents(err, s)
	if s == statusPipe {
		raise(sigPipe)
		return int(s)
	}
	e.report(err, s)
	return int(s)
}

// report writes the failure: one line on stderr, hints below it, and an object
// on stdout when JSON was asked for and none has been written.
func (e *env) report(err error, s status) {
	var f *failure
	if errors.As(err, &f) && f.silent {
		return
	}
	if e.quiet < 2 {
		fmt.Fprintf(e.err, "%s: %s\n", e.name(), safe(messageOf(err)))
	}
	if e.quiet == 0 {
		hints := hintsOf(err)
		for _, h := range hints[:min(len(hints), 3)] {
			fmt.Fprintf(e.err, "hint: %s\n", safe(h))
		}
	}
	if e.wantsJSON() && e.emitted == 0 {
		_ = e.writeJSON(errorOnly{Error: errorObjectOf(err, s)}) // stdout may be what failed
	}
}

// wantsJSON also holds when the failure came before the flags were parsed.
func (e *env) wantsJSON() bool {
	if e.started {
		return e.format == "json"
	}
	for i, a := range e.args {
		switch {
		case a == "--":
			return e.format == "json"
		case a == "--json", a == "--format=json", a == "json" && i > 0 && e.args[i-1] == "--format":
			return true
		}
	}
	return e.format == "json"
}

func (e *env) reportPanic(p any) int {
	fmt.Fprintf(e.err, "%s: internal error: %s\n", e.name(), safe(fmt.Sprint(p)))
	fmt.Fprintln(e.err, "hint: this is a bug in brio; please report it with the lines below and the output of: brio version --json")
	for line := range strings.Lines(string(debug.Stack())) {
		fmt.Fprintf(e.err, "  %s\n", safe(strings.TrimRight(line, "\n")))
	}
	return int(statusBug)
}
