package cmd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/brio-net/brio/pkg/ftpx"
	"github.com/brio-net/brio/pkg/socket"
)

// ftpStatus is the exit status and the kind of an error of package ftpx, zero
// and empty for other errors.
func ftpStatus(err error) (status, string) {
	var (
		local   *ftpx.LocalError
		reply   *ftpx.ReplyError
		sum     *ftpx.ChecksumError
		timeout *ftpx.TimeoutError
		unknown *ftpx.UnknownLinesError
		proxy   *socket.ProxyError
	)
	switch {
	case errors.As(err, &local):
		return statusLocalIO, "local-io"
	case errors.As(err, &sum):
		return statusVerify, "checksum-mismatch"
	case errors.As(err, &timeout):
		return statusTimeout, "timeout"
	case errors.As(err, &proxy):
		return statusHandshake, "proxy-failed"
	case isCertificateError(err):
		return statusVerify, "certificate-verify-failed"
	case errors.Is(err, ftpx.ErrTLS):
		return statusHandshake, "tls-handshake"
	case errors.Is(err, ftpx.ErrProtocol), errors.As(err, &unknown):
		return statusProtocol, "protocol-error"
	case errors.Is(err, ftpx.ErrUnsafeName), errors.Is(err, errNameTaken):
		return statusProtocol, "unsafe-name"
	case errors.Is(err, ftpx.ErrTruncated), errors.Is(err, ftpx.ErrAborted):
		return statusBroken, "truncated"
	case errors.As(err, &reply):
		return replyStatus(reply.Code)
	case errors.Is(err, ftpx.ErrNotSupported):
		return statusServer, "not-supported"
	}
	return 0, ""
}

func replyStatus(code int) (status, string) {
	switch code {
	case 550, 551:
		return statusNotFound, "no-such-remote-file"
	case 530, 532:
		return statusDenied, "login-refused"
	}
	return statusServer, "server-failure"
}

func isCertificateError(err error) bool {
	var (
		verify  *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	return errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid)
}

// ftpFailure says whom err concerns, and what a user can do about it.
func ftpFailure(target string, err error) error {
	if err == nil {
		return nil
	}
	s, kind := statusOf(err), ""
	if own, k := ftpStatus(err); own == s {
		kind = k
	}
	f := &failure{err: err, status: s, kind: kind, target: target}
	var reply *ftpx.ReplyError
	switch {
	case errors.Is(err, ftpx.ErrTLS) && errors.As(err, &reply) && reply.Code/100 == 5:
		f.hint("the server refuses TLS; to go on in the clear: --tls try, or --tls off")
	case errors.As(err, &reply) && reply.Code == 530:
		f.hint("give a login: --user NAME with --password-file FILE, or a .netrc file")
	case errors.As(err, &reply) && reply.Code == 522, errors.As(err, &reply) && reply.Code == 521:
		f.hint("the server insists on TLS for data: --tls explicit")
	case s == statusVerify && kind == "certificate-verify-failed":
		f.hint("trust the server's certificate authority with --ca-file FILE")
	case errors.Is(err, ftpx.ErrTLS) && strings.Contains(err.Error(), "certificate required"):
		f.hint("the server asks for a certificate of the client: --certificate FILE")
	case errors.Is(err, ftpx.ErrTLS):
		f.hint("the server may want another way: --tls explicit, --tls implicit, or an older protocol with --method")
	case s == statusTimeout && kind == "timeout":
		f.hint("behind a firewall another data mode may work: --data passive, or --data active")
	}
	return f
}
