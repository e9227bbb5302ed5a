package socket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/brio-net/brio/pkg/socket"
)

func TestErrorID(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want socket.Identifier
	}{
		{nil, ""},
		{errors.New("something"), socket.Unknown},
		{context.Canceled, socket.Canceled},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), socket.TimedOut},
		{os.ErrDeadlineExceeded, socket.ConnectionTimedOut},
		{&net.OpError{Op: "read", Err: net.ErrClosed}, socket.Closed},
		{io.ErrUnexpectedEOF, socket.Truncated},
		{&net.DNSError{Name: "x", IsNotFound: true}, socket.NameNotFound},
		{&net.DNSError{Name: "x", IsTimeout: true}, socket.TimedOut},
		{&net.DNSError{Name: "x", Err: "server misbehaving"}, socket.NameLookupFailed},
		{&net.AddrError{Err: "no suitable address found", Addr: "x"}, socket.NameNotFound},
		{fmt.Errorf("a: %w", socket.ErrNotSupported), socket.NotSupported},
		{os.ErrPermission, socket.AccessDenied},
		{fmt.Errorf("b: %w", &socket.Error{Identifier: socket.HostDown}), socket.HostDown},
		{errors.Join(errors.New("x"), os.ErrNotExist), socket.NoSuchFile},
	} {
		if got := socket.ErrorID(tt.err); got != tt.want {
			t.Errorf("ErrorID(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	c, err := net.Dial("tcp", "127.0.0.1:1")
	if err == nil {
		c.Close()
		t.Fatal("port 1 answers")
	}
	e := socket.Describe(fmt.Errorf("probe: %w", err))
	if e.Identifier != socket.ConnectionRefused || e.Code == 0 || e.Action != "dial" || e.Address != "127.0.0.1:1" {
		t.Errorf("Describe = %+v", e)
	}
	if got := socket.Reason(err); got != "connection refused" {
		t.Errorf("Reason = %q", got)
	}
	if got := socket.ErrnoName(err); got != "ECONNREFUSED" && got != "WSAECONNREFUSED" {
		t.Errorf("ErrnoName = %q", got)
	}
	if socket.Describe(nil) != nil || socket.Reason(nil) != "" || socket.ErrnoName(io.EOF) != "" {
		t.Error("no error has a description")
	}
}
