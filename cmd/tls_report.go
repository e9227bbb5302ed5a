package cmd

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// A tlsReport is what a probe of a TLS server saw.
type tlsReport struct {
	Target        string             `json:"target"`
	Address       string             `json:"address"` // of the peer, or of the proxy
	StartTLS      string             `json:"starttls"`
	Authenticated bool               `json:"authenticated"` // the handshake proved that the peer has the key
	TLS           *tlsx.Info         `json:"tls"`
	Verify        *tlsx.VerifyResult `json:"verify"`
	Certificates  []peerCertificate  `json:"certificates"`
	Timings       tlsTimings         `json:"timings"`
	Raw           *tlsx.RawResult    `json:"raw,omitempty"` // of the prober, when crypto/tls can not talk to the server

	chain [][]byte
}

// tlsTimings are in milliseconds.
type tlsTimings struct {
	Connect   float64 `json:"connect_ms"`
	StartTLS  float64 `json:"starttls_ms"`
	FirstByte float64 `json:"first_byte_ms"`
	Handshake float64 `json:"handshake_ms"`
	Total     float64 `json:"total_ms"`
}

// A peerCertificate is one certificate as the server sent it.
type peerCertificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	DaysLeft  int       `json:"days_left"`
	Key       string    `json:"key"`
	Signature string    `json:"signature"`
	Names     []string  `json:"names"`
	SHA256    string    `json:"sha256"`
	Pin       string    `json:"pin"`
	Defects   []string  `json:"defects"`
	PEM       string    `json:"pem"`
}

// report describes what has become of l.
func (d *tlsDialer) report(l *tlsLink, total time.Duration) *tlsReport {
	r := &tlsReport{
		Target: d.target.String(), Address: l.remote, StartTLS: d.flags.tls.startTLS,
		Certificates: []peerCertificate{},
		Timings:      tlsTimings{Connect: ms(l.connect), StartTLS: ms(l.startTLS), Total: ms(total)},
	}
	if l.conn == nil {
		return r
	}
	info := l.conn.Info()
	r.Timings.FirstByte, r.Timings.Handshake = ms(info.FirstByte), ms(info.Handshake)
	if info.Version != "" {
		r.TLS = &info
	}
	r.Authenticated = l.conn.ConnectionState().HandshakeComplete
	r.Verify = l.conn.Verification()
	r.setChain(l.conn.PeerChain())
	return r
}

func (r *tlsReport) setChain(chain [][]byte) {
	r.chain = chain
	r.Certificates = []peerCertificate{}
	for _, der := range chain {
		r.Certificates = append(r.Certificates, newPeerCertificate(der))
	}
}

func newPeerCertificate(der []byte) peerCertificate {
	p := peerCertificate{Names: []string{}, Defects: []string{}}
	var b strings.Builder
	_ = writePEM(&b, [][]byte{der}) // a Builder does not fail
	p.PEM = b.String()
	c, err := tlsx.ParseCertificate(der)
	if err != nil {
		p.Defects = append(p.Defects, err.Error())
		return p
	}
	p.Subject, p.Issuer = c.Subject.String(), c.Issuer.String()
	p.Serial = c.SerialNumber.String()
	p.NotBefore, p.NotAfter = c.NotBefore.Time, c.NotAfter.Time
	p.DaysLeft = wholeDays(time.Until(p.NotAfter))
	p.Key, p.Signature = c.PublicKey.String(), c.SignatureAlgorithm.String()
	p.SHA256, p.Pin = fmt.Sprintf("%x", c.SHA256()), "sha256:"+c.Pin()
	for _, n := range c.SubjectAltNames() {
		p.Names = append(p.Names, n.Type+":"+n.Value)
	}
	for _, d := range c.Defects {
		p.Defects = append(p.Defects, d.String())
	}
	return p
}

// addRaw lets the prober ask a server that crypto/tls can not talk to.
func (d *tlsDialer) addRaw(ctx context.Context, l *tlsLink, r *tlsReport) {
	conn, _, err := d.raw(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	rctx, cancel := d.bounded(ctx, "the raw probe")
	defer cancel()
	raw, err := tlsx.ProbeRaw(rctx, conn, tlsx.RawConfig{ServerName: d.name()})
	if err != nil {
		d.e.debugf("raw probe: %v", err)
		return
	}
	r.Raw = raw
	if len(raw.Chain) > 0 {
		r.setChain(raw.Chain)
		r.Verify = l.conn.Judge(raw.Chain)
	}
}

// writeReport is the text form of a report.
func (e *env) writeReport(w io.Writer, r *tlsReport) error {
	address := ifTrue(r.Address != r.Target, r.Address)
	rows := [][]string{{"target", joinWords(r.Target, parenthesized(address))}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("starttls", r.StartTLS)
	if t := r.TLS; t != nil {
		add("protocol", t.Version)
		add("cipher", t.Cipher.Name)
		add("group", joinWords(t.Group, ifTrue(t.PostQuantum, "(post-quantum)"), ifTrue(t.HelloRetry, "(after a hello retry)")))
		add("alpn", t.ALPN)
		add("sni", t.ServerName)
		add("ech", ifTrue(t.ECHAccepted, "accepted"))
		add("resumed", ifTrue(t.Resumed, "yes"))
		add("ocsp", ifTrue(t.OCSPStaple > 0, "response stapled"))
		add("scts", ifTrue(len(t.SCTs) > 0, strconv.Itoa(len(t.SCTs))))
		rows = append(rows, requestRows(t.Request)...)
	}
	rows = append(rows, rawRows(r.Raw)...)
	for i, c := range r.Certificates {
		rows = append(rows, c.rows(i)...)
	}
	rows = append(rows, verifyRows(r.Verify)...)
	if r.TLS != nil {
		add("time", fmt.Sprintf("connect %.1f ms, handshake %.1f ms, total %.1f ms", r.Timings.Connect, r.Timings.Handshake, r.Timings.Total))
	}
	return e.table(w, rows)
}

func requestRows(q *tlsx.CertificateRequest) [][]string {
	if q == nil {
		return nil
	}
	rows := [][]string{{"client cert", "requested, " + map[bool]string{true: "sent", false: "none sent"}[q.Sent]}}
	for _, ca := range q.AcceptableCAs {
		rows = append(rows, []string{"client CA", ca})
	}
	return rows
}

func rawRows(r *tlsx.RawResult) [][]string {
	if r == nil {
		return nil
	}
	return [][]string{
		{"UNAUTHENTICATED", "Go's TLS can not talk to this server; this is what it answers to a bare ClientHello"},
		{"protocol", r.Version},
		{"cipher", r.Cipher.Name},
		{"group", r.Group},
	}
}

func (c *peerCertificate) rows(depth int) [][]string {
	rows := [][]string{
		{fmt.Sprintf("%d subject", depth), c.Subject},
		{"  issuer", c.Issuer},
		{"  valid", fmt.Sprintf("%s to %s (%s)", c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly), leftText(c.DaysLeft))},
		{"  key", joinWords(c.Key+",", "signed", c.Signature)},
	}
	if len(c.Names) > 0 {
		rows = append(rows, []string{"  names", strings.Join(c.Names, ", ")})
	}
	rows = append(rows, []string{"  sha256", c.SHA256}, []string{"  pin", c.Pin})
	for _, d := range c.Defects {
		rows = append(rows, []string{"  defect", d})
	}
	return rows
}

func verifyRows(v *tlsx.VerifyResult) [][]string {
	if v == nil {
		return nil
	}
	rows := [][]string{{"verify", fmt.Sprintf("%s (code %d)", v.Text, v.Code)}}
	for _, f := range v.Faults {
		line := fmt.Sprintf("%d %s, depth %d", f.Code, f.Text, f.Depth)
		if f.Detail != "" {
			line += ": " + f.Detail
		}
		rows = append(rows, []string{"  fault", line})
	}
	if v.Go != nil && v.Go.Disagrees {
		rows = append(rows, []string{"  Go says", map[bool]string{true: "ok", false: v.Go.Error}[v.Go.OK]})
	}
	return rows
}

func ifTrue(cond bool, s string) string {
	if cond {
		return s
	}
	return ""
}

func parenthesized(s string) string { return ifTrue(s != "", "("+s+")") }

// joinWords joins the words that are not empty.
func joinWords(words ...string) string {
	var list []string
	for _, w := range words {
		if w != "" {
			list = append(list, w)
		}
	}
	return strings.Join(list, " ")
}
