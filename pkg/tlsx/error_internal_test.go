package tlsx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Failures are told in the words of the protocol: without Go's types, without
// addresses twice, with the code OpenSSL has for them.
func TestErrorText(t *testing.T) {
	record := func(s string) error {
		e := tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}
		copy(e.RecordHeader[:], s)
		return e
	}
	alert := &net.OpError{Op: "remote error", Err: tls.AlertError(40)}
	for _, tt := range []struct {
		err  error
		want string
		code uint32
	}{
		{io.ErrUnexpectedEOF, "handshake: the peer closed the connection", reasonUnexpectedEOF},
		{record("HTTP/"), `handshake: the peer does not speak TLS: it begins with "HTTP/"`, reasonHTTPRequest},
		{record("220 x"), `handshake: the peer does not speak TLS: it begins with "220 x"`, reasonWrongVersion},
		{&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "handshake: connection reset by peer", 0},
		{alert, "handshake: the peer sent alert 40: " + AlertText(40), 1040},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: odd")}, "handshake: remote error: tls: odd", 0},
		{&net.OpError{Op: "local error", Err: errors.New("tls: bad record MAC")}, "handshake: bad record MAC", reasonBadRecord},
		{errors.New("tls: received unexpected handshake message of type *tls.serverHelloMsg when waiting for *tls.finishedMsg"),
			"handshake: the peer sent a ServerHello where a Finished belongs", reasonInternal},
		{errors.New("tls: received unexpected handshake message of type *tls.certificateMsgTLS13 when waiting for *tls.certificateRequestMsgTLS13"),
			"handshake: the peer sent a Certificate where a CertificateRequest belongs", reasonInternal},
		{errors.New("tls: no supported versions satisfy MinVersion and MaxVersion"), "handshake: no supported versions satisfy MinVersion and MaxVersion", reasonNoProtocols},
		{errors.New("tls: peer doesn't support the certificate's signature algorithms: no supported signature algorithms"),
			"handshake: peer doesn't support the certificate's signature algorithms: no supported signature algorithms", reasonNoSuitableSignature},
		{errors.New("tls: no ECDHE curve supported by both client and server"), "handshake: no ECDHE curve supported by both client and server", reasonNoSuitableKeyShare},
		{errors.New("tls: unsupported certificate key"), "handshake: unsupported certificate key", reasonWrongCertificateType},
		{errors.New("tls: failed to parse certificate from server"), "handshake: failed to parse certificate from server", reasonBadCertificate},
		{errors.New("of the caller"), "handshake: of the caller", 0},
	} {
		err := newError("handshake", tt.err)
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("newError(%v) = %T", tt.err, err)
		}
		if e.Error() != tt.want {
			t.Errorf("newError(%v) is told as %q; want %q", tt.err, e, tt.want)
		}
		switch {
		case tt.code == 0 && len(e.Codes) != 0, tt.code != 0 && (len(e.Codes) != 1 || e.Codes[0] != libSSL+tt.code):
			t.Errorf("newError(%v) has the codes %x; want the reason %#x", tt.err, e.Codes, tt.code)
		case tt.code != 0 && !strings.HasPrefix(e.Strings[0], fmt.Sprintf("error:%08X:SSL routines::", libSSL+tt.code)):
			t.Errorf("newError(%v) has the text %q", tt.err, e.Strings)
		}
		if e.Timeout() || e.Temporary() {
			t.Errorf("newError(%v) is a timeout", tt.err)
		}
	}
	late := newError("read", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}).(*Error)
	if !late.Timeout() || !late.Temporary() || len(late.Codes) != 0 {
		t.Errorf("a read after its deadline: %+v", late)
	}
	if newError("read", io.EOF) != io.EOF || newError("close", nil) != nil || newError("close", late) != error(late) {
		t.Error("newError wraps io.EOF, nil or what is wrapped already")
	}
}

// The texts are those of OpenSSL for the same numbers.
func TestReasonTexts(t *testing.T) {
	for reason, want := range map[uint32]string{
		101: "no suitable key share", 118: "no suitable signature algorithm", 134: "certificate verify failed", 156: "http request",
		191: "no protocols available", 193: "no shared cipher", 199: "peer did not return a certificate", 220: "unable to load ssl3 certificate",
		258: "unsupported protocol", 267: "wrong version number", 281: "decryption failed or bad record mac", 294: "unexpected eof while reading",
		383: "wrong certificate type", 68: "internal error",
	} {
		if got := reasonText(reason); got != want {
			t.Errorf("reasonText(%d) = %q; want %q", reason, got, want)
		}
	}
}
