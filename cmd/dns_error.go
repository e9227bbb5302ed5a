package cmd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/brio-net/brio/pkg/dnsq"
	"github.com/brio-net/brio/pkg/socket"
)

// dnsStatus is the status of an error of package dnsq, 0 for any other error.
func dnsStatus(err error) status {
	var (
		name   *dnsq.NameError
		server *dnsq.ServerError
		failed *dnsq.ServerFailedError
		lookup *net.DNSError
	)
	if s := dnsModeStatus(err); s != 0 {
		return s
	}
	switch {
	case errors.As(err, &name), errors.As(err, &server), errors.Is(err, dnsq.ErrUsage):
		return statusUsage
	case errors.Is(err, dnsq.ErrNotFound):
		return statusNotFound
	case errors.Is(err, dnsq.ErrServerFailure):
		return statusServer
	case errors.Is(err, dnsq.ErrInvalidReply):
		return statusProtocol
	case errors.Is(err, dnsq.ErrNoReply):
		return statusTimeout
	case errors.Is(err, dnsq.ErrTruncated):
		return statusBroken
	case errors.As(err, &failed) && errors.As(err, &lookup):
		return statusUnreachable // the name of the server was not found: that says nothing about the name asked for
	}
	return dnsHandshakeStatus(err)
}

// dnsHandshakeStatus tells a certificate that does not verify from other
// failures of a handshake.
func dnsHandshakeStatus(err error) status {
	var (
		pin       *dnsq.PinError
		verify    *tls.CertificateVerificationError
		unknown   x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		handshake *dnsq.HandshakeError
	)
	switch {
	case !errors.As(err, &handshake) && !errors.As(err, new(*dnsq.ServerFailedError)):
		return 0
	case errors.As(err, &pin), errors.As(err, &verify), errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		return statusVerify
	case handshake != nil:
		return statusHandshake
	}
	return 0
}

// dnsKind is the identifier of an error of package dnsq, "" for any other error.
func dnsKind(err error) string {
	if kind := dnsModeKind(err); kind != "" {
		return kind
	}
	var reply *dnsq.ReplyError
	if errors.As(err, &reply) {
		switch {
		case reply.Referral:
			return "referral"
		case reply.Rcode == "NOERROR":
			return "nodata"
		}
		return strings.ToLower(reply.Rcode)
	}
	for _, k := range []struct {
		err  error
		kind string
	}{
		{dnsq.ErrNotFound, "not-found"},
		{dnsq.ErrServerFailure, "server-failure"},
		{dnsq.ErrInvalidReply, "invalid-reply"},
		{dnsq.ErrNoReply, "no-reply"},
		{dnsq.ErrTruncated, "truncated"},
		{dnsq.ErrNoServer, "no-name-server"},
	} {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	switch dnsHandshakeStatus(err) {
	case statusVerify:
		return "certificate-verify-failed"
	case statusHandshake:
		return "tls-handshake"
	}
	return ""
}

// dnsFailed is the failure of a question: its target is the question as the user
// wrote it.
func dnsFailed(q dnsQuestion, err error) *failure {
	f := &failure{op: "query", target: q.String(), err: dnsReason{err}}
	var (
		pin   *dnsq.PinError
		host  x509.HostnameError
		reply *dnsq.ReplyError
	)
	switch {
	case errors.As(err, &reply) && reply.Referral:
		f.hint("to see where it points: --full; to go there: --trace")
	case errors.As(err, &reply) && reply.Rcode == "SERVFAIL" && mayBeDNSSEC(reply.EDE):
		f.hint("whether the signatures are bogus: --validate; what the server gives without checking them: --cd")
	case errors.Is(err, dnsq.ErrNoServer):
		f.hint("name one: brio dns-query @SERVER %s", q.text)
	case errors.As(err, &host):
		f.hint("say which name the certificate is for: --tls-name NAME")
	case errors.As(err, &pin):
		f.hint("if you trust it: --tls-pin %s", pin.Got[0])
	}
	return f
}

// mayBeDNSSEC reports that a SERVFAIL with these extended errors (RFC 8914) can
// be a matter of signatures: they say so, or nothing.
func mayBeDNSSEC(ede []string) bool {
	return len(ede) == 0 || slices.ContainsFunc(ede, func(text string) bool {
		name, _, _ := strings.Cut(text, " ")
		return slices.Contains([]string{"DNSSEC", "Signature", "DNSKEY", "RRSIGs", "NSEC"}, name)
	})
}

// String is the question as the user wrote it; type A goes without saying.
func (q dnsQuestion) String() string {
	if t := dnsq.TypeName(q.qtype); t != "A" && t != "PTR" {
		return q.text + " " + t
	}
	return q.text
}

// A dnsReason is an error of package dnsq without the question in its text, and
// without what the net package says before its causes.
type dnsReason struct{ err error }

func (r dnsReason) Unwrap() error { return r.err }

func (r dnsReason) Error() string {
	var (
		query  *dnsq.QueryError
		failed *dnsq.ServerFailedError
		reply  *dnsq.ReplyError
	)
	if errors.As(r.err, &reply) {
		return reply.Error()
	}
	text := socket.Reason(r.err)
	if errors.As(r.err, &query) {
		text = query.Unwrap().Error()
	}
	if errors.As(r.err, &failed) {
		text = failed.Server.String() + ": " + socket.Reason(failed.Err)
	}
	if query != nil && query.Tries > 1 {
		text += fmt.Sprintf(" (%d tries)", query.Tries)
	}
	return text
}
