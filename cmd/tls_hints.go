package cmd

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"

	"github.com/brio-net/brio/pkg/tlsx"
)

// explain adds what a user can do about a failed handshake. conn is nil where
// there was none yet.
func (d *tlsDialer) explain(f *failure, conn *tlsx.Conn) {
	var (
		verdict *tlsx.VerifyError
		e       *tlsx.Error
		header  tls.RecordHeaderError
		ech     *tls.ECHRejectionError
	)
	switch {
	case errors.As(f.err, &ech):
		f.hint("the server has other ECH configurations by now: look at its HTTPS record again")
	case errors.As(f.err, &verdict):
		explainVerdict(f, verdict.Result)
		if !d.probing {
			f.hint("see every fault: brio tls-client --probe %s", d.target)
		}
		if words := wordsOf(verdict.Result); words != "" {
			f.hint("put up with it: --allow %s; or with anything: --insecure", words)
		}
	case errors.As(f.err, &header):
		f.hint("%s", plainHint(header.RecordHeader[:]))
	case errors.As(f.err, &e) && d.explainAlert(f, e.Alert, conn):
	case tlsStatus(f.err) == statusHandshake && f.op == "handshake":
		f.hint("see what the server would accept: brio tls-client --scan %s", d.target)
	}
}

// explainVerdict says what a chain lacks that does not reach a trusted root.
func explainVerdict(f *failure, r *tlsx.VerifyResult) {
	if len(r.Certificates) == 0 {
		return
	}
	last := r.Certificates[len(r.Certificates)-1]
	switch r.Code {
	case tlsx.CodeUnableToGetIssuerCert, tlsx.CodeUnableToGetIssuerCertLocally, tlsx.CodeUnableToVerifyLeafSignature:
		if len(r.Certificates) == 1 {
			f.hint("no certificate of %s came along: the server should send its intermediate certificates; if that is a root, trust it with --ca-file", last.Issuer)
			return
		}
		f.hint("no certificate of %s came along or is trusted; if that is a root, trust it with --ca-file", last.Issuer)
	case tlsx.CodeSelfSignedCertInChain:
		f.hint("the root %s is not among the trusted ones; trust it with --ca-file", last.Subject)
	}
}

// explainAlert says what a server may dislike that ended the handshake with an
// alert, if that is known.
func (d *tlsDialer) explainAlert(f *failure, alert int, conn *tlsx.Conn) bool {
	var request *tlsx.CertificateRequest
	if conn != nil {
		request = conn.Info().Request
	}
	refusals := []int{40, 42, 43, 44, 45, 46, 48, 49} // what servers say of a client's certificate
	switch {
	case alert == 116, request != nil && !request.Sent && slices.Contains(refusals, alert):
		f.hint("the server wants a client certificate: --certificate FILE --key FILE")
	case request != nil && slices.Contains(refusals, alert):
		f.hint("the server asked for a client certificate, and refuses that of --certificate")
	case alert == 70:
		f.hint("a server that speaks older versions only: --method tlsv1+; what it speaks: brio tls-client --scan %s", d.target)
	case alert == 112:
		f.hint("the server knows no such name: try --server-name NAME")
	case alert == 120:
		f.hint("the server accepts none of the protocols of --alpn")
	default:
		return false
	}
	return true
}

// explainLate does so for a refusal that comes after the handshake, as one of a
// client certificate does in TLS 1.3.
func (d *tlsDialer) explainLate(err error, conn *tlsx.Conn) {
	var (
		f *failure
		e *tlsx.Error
	)
	if tlsStatus(err) == statusHandshake && errors.As(err, &f) && errors.As(err, &e) {
		d.explainAlert(f, e.Alert, conn)
	}
}

// plainHint says what a server speaks that does not begin with TLS, by its first
// octets.
func plainHint(begin []byte) string {
	text := string(begin)
	starts := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(text, w) })
	}
	protocol := "PROTOCOL"
	switch {
	case starts("HTTP/"), starts("<!DOC", "<!doc", "<html", "<HTML"):
		return "the server speaks plain HTTP on this port"
	case starts("SSH-"):
		return "the server speaks SSH"
	case starts("220"):
		protocol = "smtp (or ftp)"
	case starts("* OK", "* BYE"):
		protocol = "imap"
	case starts("+OK"):
		protocol = "pop3"
	case starts("200 ", "201 "):
		protocol = "nntp"
	case starts(`"`):
		protocol = "sieve"
	case starts("<"):
		protocol = "xmpp"
	case starts(":", "NOTIC"):
		protocol = "irc"
	case starts("\xff"):
		protocol = "telnet"
	case len(begin) >= 5 && begin[3] == 0 && begin[4] == 10:
		protocol = "mysql"
	}
	return "the server does not begin with TLS here; if it starts in the clear: --starttls " + protocol
}

// wordsOf are the words for --allow that cover the faults of r, "" when there
// are none for some.
func wordsOf(r *tlsx.VerifyResult) string {
	var words []string
	for _, f := range r.Faults {
		i := slices.IndexFunc(faultWords(), func(w string) bool { return slices.Contains(faultCodes(w), f.Code) })
		if i < 0 {
			return ""
		}
		if w := faultWords()[i]; !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return strings.Join(words, ",")
}
