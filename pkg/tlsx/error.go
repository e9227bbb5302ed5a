package tlsx

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
)

// ErrTruncated is wrapped by errors about a stream that ended without the
// close_notify of RFC 8446, section 6.1: bytes may be missing.
var ErrTruncated = errors.New("the stream ended without close_notify: it may be truncated")

// An Error is the failure of an operation on a TLS connection. It wraps the
// error of the system, of crypto/tls, or a [VerifyError].
type Error struct {
	// What is the operation: "handshake", "read", "write" or "close".
	What string
	// Codes are the errors in OpenSSL's numbering, 0x0A000000 plus the reason;
	// an alert n of the peer is reason 1000+n. Empty when the network failed.
	Codes []uint32
	// Strings are the texts of Codes, in OpenSSL's form.
	Strings []string
	// VerifyResult and VerifyResultString are the verdict on the certificate
	// of the peer, CodeOK and "" when it is not what failed.
	VerifyResult       VerifyCode
	VerifyResultString string
	// Alert is the number of the alert the peer sent, or -1.
	Alert int
	// Err is the cause.
	Err error
}

// Error returns the operation and what went wrong, with the verification
// result when there is one.
func (e *Error) Error() string {
	if e.Alert >= 0 {
		return fmt.Sprintf("%s: the peer sent alert %d: %s", e.What, e.Alert, AlertText(e.Alert))
	}
	return e.What + ": " + causeText(e.Err)
}

// causeText is the text of the cause without the addresses and prefixes that
// the layers below put before it.
func causeText(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "the peer closed the connection"
	}
	var header tls.RecordHeaderError
	if errors.As(err, &header) && strings.HasPrefix(header.Msg, "first record") {
		return fmt.Sprintf("the peer does not speak TLS: it begins with %q", header.RecordHeader[:])
	}
	var op *net.OpError
	if errors.As(err, &op) && isNetworkError(err) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return trimTLS(strings.TrimPrefix(err.Error(), "local error: "))
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether a deadline ended the operation, as [net.Error] wants
// of what a connection returns.
func (e *Error) Timeout() bool {
	var cause net.Error
	return errors.As(e.Err, &cause) && cause.Timeout()
}

// Temporary is there for [net.Error] only, and the same as Timeout.
func (e *Error) Temporary() bool { return e.Timeout() }

// Reasons of OpenSSL's SSL library.
const (
	libSSL                     = 0x0A000000
	reasonCertificateVerify    = 0x86
	reasonHTTPRequest          = 0x9C
	reasonNoProtocols          = 0xBF
	reasonNoSharedCipher       = 0xC1
	reasonNoPeerCertificate    = 0xC7
	reasonUnsupportedProtocol  = 0x102
	reasonWrongVersion         = 0x10B
	reasonUnexpectedEOF        = 0x126
	reasonNoSuitableSignature  = 0x76
	reasonNoSuitableKeyShare   = 0x65
	reasonWrongCertificateType = 0x17F
	reasonBadCertificate       = 0xDC
	reasonBadRecord            = 0x119
	reasonInternal             = 0x44
)

func reasonText(reason uint32) string {
	switch reason {
	case reasonCertificateVerify:
		return "certificate verify failed"
	case reasonHTTPRequest:
		return "http request"
	case reasonNoProtocols:
		return "no protocols available"
	case reasonNoSharedCipher:
		return "no shared cipher"
	case reasonNoPeerCertificate:
		return "peer did not return a certificate"
	case reasonUnsupportedProtocol:
		return "unsupported protocol"
	case reasonWrongVersion:
		return "wrong version number"
	case reasonUnexpectedEOF:
		return "unexpected eof while reading"
	case reasonNoSuitableSignature:
		return "no suitable signature algorithm"
	case reasonNoSuitableKeyShare:
		return "no suitable key share"
	case reasonWrongCertificateType:
		return "wrong certificate type"
	case reasonBadRecord:
		return "decryption failed or bad record mac"
	case reasonBadCertificate:
		return "unable to load ssl3 certificate"
	}
	return "internal error"
}

// reasonOf finds OpenSSL's reason for an error of crypto/tls, 0 for one of the
// network. crypto/tls has no types for most of its errors, only texts.
func reasonOf(err error) uint32 {
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &header):
		if strings.HasPrefix(string(header.RecordHeader[:]), "HTTP") {
			return reasonHTTPRequest
		}
		return reasonWrongVersion
	case errors.Is(err, ErrTruncated), errors.Is(err, io.ErrUnexpectedEOF):
		return reasonUnexpectedEOF
	}
	text := err.Error()
	for _, row := range []struct {
		part   string
		reason uint32
	}{
		{"unsupported protocol version", reasonUnsupportedProtocol},
		{"unsupported versions", reasonUnsupportedProtocol},
		{"no supported versions", reasonNoProtocols},
		{"protocol version that was not asked for", reasonUnsupportedProtocol},
		{"no cipher suite supported", reasonNoSharedCipher},
		{"no ECDHE curve supported", reasonNoSuitableKeyShare},
		{"no key exchanges supported", reasonNoSuitableKeyShare},
		{"client didn't provide a certificate", reasonNoPeerCertificate},
		{"no supported signature algorithms", reasonNoSuitableSignature},
		{"failed to parse certificate", reasonBadCertificate},
		{"unsupported certificate", reasonWrongCertificateType},
		{"bad record MAC", reasonBadRecord},
	} {
		if strings.Contains(text, row.part) {
			return row.reason
		}
	}
	if strings.HasPrefix(text, "tls: ") || strings.HasPrefix(text, "local error: tls: ") {
		return reasonInternal
	}
	return 0
}

// newError wraps err as the failure of what. It returns nil for nil and leaves
// io.EOF and an *Error alone.
func newError(what string, err error) error {
	var done *Error
	if err == nil || err == io.EOF || errors.As(err, &done) {
		return err
	}
	e := &Error{What: what, Alert: peerAlert(err), Err: err}
	var verdict *VerifyError
	switch {
	case errors.As(err, &verdict):
		e.VerifyResult, e.VerifyResultString = verdict.Result.Code, verdict.Result.Text
		e.addCode(reasonCertificateVerify, reasonText(reasonCertificateVerify))
	case e.Alert >= 0:
		e.addCode(1000+uint32(e.Alert), alertReason(e.Alert))
	case !isNetworkError(err):
		if r := reasonOf(err); r != 0 {
			e.addCode(r, reasonText(r))
		}
	}
	return e
}

func (e *Error) addCode(reason uint32, text string) {
	code := uint32(libSSL + reason)
	e.Codes = append(e.Codes, code)
	e.Strings = append(e.Strings, fmt.Sprintf("error:%08X:SSL routines::%s", code, text))
}

func isNetworkError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op != "remote error" && op.Op != "local error" ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, net.ErrClosed)
}

// peerAlert returns the number of the alert that err reports, or -1. crypto/tls
// keeps the type of alerts to itself; it is a number of eight bits.
func peerAlert(err error) int {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return -1
	}
	if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
		return int(v.Uint())
	}
	return -1
}

// trimTLS is what crypto/tls says, without its name and with the messages called
// as in RFC 8446 instead of by Go's types.
func trimTLS(s string) string {
	s = strings.TrimPrefix(s, "tls: ")
	got, want, ok := strings.Cut(strings.TrimPrefix(s, "received unexpected handshake message of type "), " when waiting for ")
	if !ok {
		return s
	}
	return fmt.Sprintf("the peer sent a %s where a %s belongs", messageName(got), messageName(want))
}

// messageName is the name of the message that Go's type *tls.xxxMsg or *tls.xxxMsgTLS13
// holds.
func messageName(goType string) string {
	name := strings.TrimSuffix(strings.TrimPrefix(goType, "*tls."), "TLS13")
	name = strings.TrimSuffix(name, "Msg")
	return strings.ToUpper(name[:min(1, len(name))]) + name[min(1, len(name)):]
}
