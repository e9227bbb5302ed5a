package cmd

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// A tlsScan is what a scan of a server found.
type tlsScan struct {
	Target        string `json:"target"`
	Authenticated bool   `json:"authenticated"` // always false: a scan proves nothing
	*tlsx.ScanResult
	Certificates [][]peerCertificate `json:"certificates"` // one chain for each kind of key
	Millis       float64             `json:"elapsed_ms"`
}

// scanPatience is how long a scan waits for one answer, unless
// --handshake-timeout is less. A server that does not like a question may just
// not answer it.
const scanPatience = 5 * time.Second

// scanTLS finds out what the server supports.
func scanTLS(ctx context.Context, e *env, d *tlsDialer) error {
	start := time.Now()
	r, err := tlsx.Scan(ctx, tlsx.ScanConfig{
		ServerName: d.name(), ProbeTimeout: min(d.flags.tls.handshakeFor, scanPatience),
		Dial: func(ctx context.Context) (net.Conn, error) {
			conn, _, err := d.raw(ctx)
			return conn, err
		},
	})
	if err != nil {
		return d.scanFailure(ctx, err)
	}
	s := &tlsScan{Target: d.target.String(), ScanResult: r, Certificates: [][]peerCertificate{}, Millis: ms(time.Since(start))}
	for _, chain := range r.Chains {
		var list []peerCertificate
		for _, der := range chain {
			list = append(list, newPeerCertificate(der))
		}
		s.Certificates = append(s.Certificates, list)
	}
	switch {
	case s.anyVersion():
	case r.Failures > 0:
		err = at(d.target.String(), &timeoutError{"every question of the scan", min(d.flags.tls.handshakeFor, scanPatience)})
	default:
		err = failf(statusHandshake, "no-tls", "%s: the server answers to no version of TLS", d.target)
	}
	if err != nil && !e.wantsJSON() {
		return err // there is nothing to show
	}
	if werr := emitFailed(e, s, err, e.writeScan); werr != nil {
		return werr
	}
	return err
}

// scanFailure is the failure of the first question, or the end of the run.
func (d *tlsDialer) scanFailure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return at(d.target.String(), context.Cause(ctx))
	}
	return err
}

func (s *tlsScan) anyVersion() bool {
	for _, v := range s.Versions {
		if v.Supported {
			return true
		}
	}
	return false
}

func (e *env) writeScan(w io.Writer, s *tlsScan) error {
	rows := [][]string{{"target", s.Target}}
	for _, v := range s.Versions {
		rows = append(rows, versionRows(&v)...)
	}
	add := func(name string, list []string) {
		if len(list) > 0 {
			rows = append(rows, []string{name, strings.Join(list, ", ")})
		}
	}
	add("groups", s.Groups)
	add("groups 1.2", s.Groups12)
	add("signatures", s.SignatureSchemes)
	add("signatures 1.2", s.SignatureSchemes12)
	add("alpn", s.ALPN)
	for _, f := range []struct {
		name  string
		value bool
	}{
		{"secure renegotiation", s.SecureRenegotiation},
		{"extended master secret", s.ExtendedMasterSecret},
		{"encrypt then MAC", s.EncryptThenMAC},
		{"session tickets", s.SessionTickets},
		{"fallback protection", s.FallbackSCSV},
		{"compression", s.Compression},
		{"heartbeat", s.Heartbeat},
		{"OCSP staple", s.OCSPStaple},
		{"client certificate", s.CertificateRequested},
	} {
		rows = append(rows, []string{f.name, map[bool]string{true: "yes", false: "no"}[f.value]})
	}
	rows = append(rows, []string{"client renegotiation", renegotiationText(s.ClientRenegotiation)})
	for i, chain := range s.Certificates {
		rows = append(rows, []string{fmt.Sprintf("chain %d", i+1), plural(len(chain), "certificate")})
		for j := range chain {
			rows = append(rows, chain[j].rows(j)...)
		}
	}
	rows = append(rows, []string{"asked", fmt.Sprintf("%d times in %.0f ms, %d without an answer", s.Probes, s.Millis, s.Failures)})
	return e.table(w, rows)
}

func renegotiationText(r tlsx.Renegotiation) string {
	switch r {
	case tlsx.RenegotiationAccepted:
		return "accepted: a client can make the server shake hands again and again"
	case tlsx.RenegotiationIgnored:
		return "no answer to it"
	case tlsx.RenegotiationNotTried:
		return "not tried"
	}
	return string(r)
}

func versionRows(v *tlsx.ScanVersion) [][]string {
	what := "yes"
	switch {
	case !v.Supported && v.Unanswered:
		return [][]string{{v.Version, "no answer"}}
	case !v.Supported:
		return [][]string{{v.Version, "no"}}
	case v.Preference != "":
		what += ", the " + v.Preference + "'s order decides"
	}
	if v.Unanswered {
		what += "; not every question was answered"
	}
	rows := [][]string{{v.Version, what}}
	for _, s := range v.Suites {
		note := ""
		if v.DHBits > 0 && s.KeyExchange == "DH" {
			note = fmt.Sprintf("(DH %d bits)", v.DHBits)
		}
		rows = append(rows, []string{"  suite", joinWords(s.Name, note)})
	}
	return rows
}
