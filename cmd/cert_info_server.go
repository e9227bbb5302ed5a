package cmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// startTLSOf is the talk that goes before TLS with a server: that of
// --starttls, or of the scheme.
func (s *certSession) startTLSOf(a address) string {
	if s.o.startTLS != "" {
		return s.o.startTLS
	}
	return startTLSOfScheme(a.scheme)
}

// fetchServer shakes hands with a server and keeps what it sent.
func (s *certSession) fetchServer(ctx context.Context, r *certResult, a address, verify *tlsx.VerifyOptions) error {
	r.Server = &certServer{Address: a.String(), StartTLS: s.startTLSOf(a), ServerName: s.serverName(a)}
	if verify.Hostname == "" && !verify.IP.IsValid() && s.o.host != "none" && a.host != "" {
		setExpectedName(verify, a.host)
	}
	chain, staple, err := s.handshake(ctx, r.Server, a)
	if len(staple) > 0 {
		r.Server.OCSPStapled = true
		if len(verify.OCSP) == 0 {
			verify.OCSP = staple
		}
	}
	verify.MustStaple = true
	for i, der := range chain {
		r.objects = append(r.objects, serverObject(i, der))
	}
	if err == nil {
		r.Server.Authenticated = true
		return nil
	}
	if len(chain) > 0 {
		r.Server.Note = err.Error()
		return nil
	}
	return s.serverFailure(a, err)
}

func serverObject(i int, der []byte) tlsx.Object {
	c, err := tlsx.ParseCertificate(der)
	x := tlsx.Object{Kind: tlsx.ObjectCertificate, Source: fmt.Sprintf("certificate %d of the server", i+1), DER: der, Certificate: c, Err: err}
	if err != nil {
		x.Problem = err.Error()
	}
	return x
}

func (s *certSession) serverFailure(a address, err error) error {
	var f *failure
	if errors.As(err, &f) {
		return err
	}
	f = &failure{err: err, op: "handshake", target: a.String()}
	if statusOf(err) == statusOther || statusOf(err) == statusVerify {
		f.status, f.kind = statusHandshake, "tls-handshake"
	}
	var header tls.RecordHeaderError
	switch {
	case s.startTLSOf(a) == "" && startTLSPort(a.port) != "":
		f.hint("on this port TLS begins after a talk: --starttls %s", startTLSPort(a.port))
	case errors.As(err, &header):
		f.hint("%s", plainHint(header.RecordHeader[:]))
	}
	return f
}

// startTLSPort is the protocol that is spoken in the clear on a port.
func startTLSPort(port string) string {
	for _, p := range []string{"smtp", "imap", "pop3", "ftp", "ldap", "postgres", "mysql", "xmpp", "nntp", "sieve", "irc"} {
		if n := tlsx.StartTLSPort(p); n != 0 && port == fmt.Sprint(n) {
			return p
		}
	}
	if port == "587" {
		return "smtp"
	}
	return ""
}

func (s *certSession) serverName(a address) string {
	switch s.o.sni {
	case "none":
		return ""
	case "":
		if _, err := netip.ParseAddr(strings.Trim(a.host, "[]")); err == nil {
			return "" // an address is no server name: RFC 6066, section 3
		}
		return a.host
	}
	return s.o.sni
}

// handshake returns what the server sent. A server that Go cannot talk TLS with
// is asked again for its certificates alone, which proves nothing: err then
// says what was wrong.
func (s *certSession) handshake(ctx context.Context, info *certServer, a address) (chain [][]byte, staple []byte, err error) {
	conn, err := s.connect(ctx, info, a)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	ctx, cancel := s.handshakeTime(ctx)
	defer cancel()
	c, err := s.tlsConn(conn, info)
	if err != nil {
		return nil, nil, err
	}
	err = c.Handshake(ctx)
	state := c.ConnectionState()
	if err == nil {
		info.Protocol, info.CipherSuite = tlsx.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
		return c.PeerChain(), state.OCSPResponse, nil
	}
	if chain = c.PeerChain(); len(chain) == 0 && ctx.Err() == nil {
		chain = s.probe(ctx, info, a)
	}
	return chain, state.OCSPResponse, causeOf(ctx, err)
}

func (s *certSession) handshakeTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.o.handshakeTimeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, s.o.handshakeTimeout, &timeoutError{"the handshake", s.o.handshakeTimeout})
}

// connect returns a connection on which TLS may begin.
func (s *certSession) connect(ctx context.Context, info *certServer, a address) (net.Conn, error) {
	raw, err := s.o.dial.dial(ctx, a, s.dial)
	if err != nil || info.StartTLS == "" {
		return raw, err
	}
	ctx, cancel := s.handshakeTime(ctx)
	defer cancel()
	conn, err := tlsx.StartTLS(ctx, raw, info.StartTLS, a.host)
	if err != nil {
		raw.Close()
		return nil, causeOf(ctx, err)
	}
	return conn, nil
}

// tlsConn offers everything: the certificate is what matters here.
func (s *certSession) tlsConn(conn net.Conn, info *certServer) (*tlsx.Conn, error) {
	tc, err := tlsx.NewClientContext(tlsx.Config{
		Methods: tlsx.MethodSet{tlsx.MethodTLS10P}, Verify: tlsx.VerifyNone, ServerName: info.ServerName, NoServerName: info.ServerName == "",
		ExpectedName: "*", Ciphers: "ALL:COMPLEMENTOFALL:@SECLEVEL=0", NoTickets: true,
	})
	if err != nil {
		return nil, err
	}
	return tc.Client(conn, tlsx.Override{})
}

// probe has the prober fetch the certificates; none when it cannot either.
func (s *certSession) probe(ctx context.Context, info *certServer, a address) [][]byte {
	conn, err := s.connect(ctx, info, a)
	if err != nil {
		return nil
	}
	defer conn.Close()
	raw, err := tlsx.ProbeRaw(ctx, conn, tlsx.RawConfig{ServerName: info.ServerName})
	if err != nil {
		return nil
	}
	info.Protocol, info.CipherSuite = raw.Version, raw.Cipher.Name
	return raw.Chain
}

// causeOf is why ctx ended, if it did, in place of the error that came of it.
func causeOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// completeChain fetches the issuers that are missing.
func (s *certSession) completeChain(ctx context.Context, r *certResult) {
	chain := slices.Concat(certificatesOf(r.objects), s.untrusted)
	found, err := tlsx.FetchIssuers(ctx, chain, s.verify.Roots, s.fetchURL)
	for _, c := range found {
		r.objects = append(r.objects, tlsx.Object{Kind: tlsx.ObjectCertificate, Source: "fetched", DER: c.Raw, Certificate: c})
	}
	if err != nil {
		s.e.note("%s: --aia: %v", r.Target, err)
	}
}

// maxFetchedBytes bounds what one address of a certificate may answer.
const maxFetchedBytes = 1 << 20

// fetchURL fetches an issuer's certificate by HTTP.
func (s *certSession) fetchURL(ctx context.Context, url string) ([]byte, error) {
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		return nil, fmt.Errorf("%s: only http and https addresses are fetched", url)
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxFetchedBytes+1))
	if err == nil && len(data) > maxFetchedBytes {
		err = fmt.Errorf("%s: more than %d bytes", url, maxFetchedBytes)
	}
	return data, err
}
