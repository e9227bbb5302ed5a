package cmd

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// show prints the result of one target in the form asked for, and returns its
// failure, or why it could not be printed.
func (s *certSession) show(r *certResult, err error, many bool) error {
	switch {
	case s.e.format == "json" || s.e.format == "sh":
		return emitItem(s.e, *r, err, s.writeText)
	case len(r.Objects) == 0, s.e.quiet > 0 && s.e.format == "text" && s.checksOnly():
		return err
	case s.o.pem:
		return firstError(s.writePEM(r), err)
	case s.e.format == "short":
		return firstError(s.flush(func(b *bytes.Buffer) { s.shortLines(b, r, many) }), err)
	case s.o.tree:
		return firstError(s.flush(func(b *bytes.Buffer) { s.treeLines(b, r, many) }), err)
	}
	return firstError(s.flush(func(b *bytes.Buffer) { s.textLines(b, r, many) }), err)
}

// flush writes what fill made in one go.
func (s *certSession) flush(fill func(*bytes.Buffer)) error {
	var b bytes.Buffer
	fill(&b)
	_, err := s.e.out.Write(b.Bytes())
	return err
}

func (s *certSession) writeText(w io.Writer, r certResult) error {
	return s.flush(func(b *bytes.Buffer) { s.textLines(b, &r, false) })
}

func (s *certSession) writePEM(r *certResult) error {
	return s.flush(func(b *bytes.Buffer) {
		for i := range r.objects {
			b.Write(r.objects[i].PEM())
		}
	})
}

// A certWriter prints "name value" lines. Values from a certificate pass
// through safe.
type certWriter struct {
	b     *bytes.Buffer
	p     painter
	extra bool // everything, not only what most want to know
}

// certColumn is where values begin.
const certColumn = 16

func (w *certWriter) line(name, value string) {
	if value == "" {
		return
	}
	w.raw(name, safe(value))
}

// raw prints a line whose value is fit for a terminal already.
func (w *certWriter) raw(name, value string) {
	const blanks = "                                "
	w.b.WriteString("  ")
	w.b.WriteString(w.p.dim(name))
	w.b.WriteString(blanks[:max(certColumn-len(name), 1)])
	w.b.WriteString(value)
	w.b.WriteByte('\n')
}

func (w *certWriter) lines(name string, values []string) {
	for _, v := range values {
		w.raw(name, safe(v))
		name = ""
	}
}

func (s *certSession) textLines(b *bytes.Buffer, r *certResult, many bool) {
	w := &certWriter{b: b, p: s.e.paint(), extra: s.e.verbose > 0}
	if many || r.Server != nil {
		s.targetLines(w, r)
	}
	for i := range r.Objects {
		if i > 0 || b.Len() > 0 {
			b.WriteByte('\n')
		}
		s.objectLines(w, &r.Objects[i], len(r.Objects))
	}
	s.closingLines(w, r)
}

func (s *certSession) targetLines(w *certWriter, r *certResult) {
	fmt.Fprintf(w.b, "%s\n", w.p.bold(safe(r.Target)))
	v := r.Server
	if v == nil {
		return
	}
	if v.Protocol != "" {
		w.line("protocol", v.Protocol+", "+v.CipherSuite)
	}
	w.line("starttls", v.StartTLS)
	w.line("server name", v.ServerName)
	if v.OCSPStapled {
		w.line("ocsp", "stapled")
	}
	if !v.Authenticated {
		w.raw("note", w.p.yellow("not authenticated: ")+safe(v.Note))
	}
}

func (s *certSession) objectLines(w *certWriter, o *certObject, total int) {
	title := string(o.Kind)
	if total > 1 {
		title = strconv.Itoa(o.Index+1) + " " + title
	}
	w.b.WriteString(w.p.bold(title))
	if o.Source != "" && (total > 1 || o.Problem != "") {
		w.b.WriteString(" (" + safe(sourceText(o)) + ")")
	}
	w.b.WriteByte('\n')
	switch {
	case o.Problem != "":
		w.raw("problem", w.p.red(safe(o.Problem)))
	case o.Certificate != nil:
		s.certificateLines(w, o)
	case o.Request != nil:
		requestLines(w, o.Request)
	case o.CRL != nil:
		s.crlLines(w, o)
	case o.OCSP != nil:
		ocspLines(w, o.OCSP)
	case o.Key != nil:
		keyLines(w, o)
	case o.PublicKey != nil:
		publicKeyLines(w, o.PublicKey)
	}
}

func sourceText(o *certObject) string {
	if o.Label == "" || strings.EqualFold(o.Label, string(o.Kind)) {
		return o.Source
	}
	return o.Source + ", " + o.Label
}

func (s *certSession) certificateLines(w *certWriter, o *certObject) {
	c := o.Certificate
	w.line("subject", orNone(c.Subject))
	w.line("issuer", orNone(c.Issuer))
	w.line("serial", c.SerialHex)
	w.raw("valid from", timeOr(c.NotBefore, c.NotBeforeRaw))
	w.raw("valid until", timeOr(c.NotAfter, c.NotAfterRaw)+s.leftText(w, o.DaysLeft))
	w.lines("names", altNames(c.SubjectAltNames))
	publicKeyLines(w, &c.PublicKey)
	w.line("signature", c.SignatureAlgorithm)
	if c.Version != "v3" {
		w.line("version", c.Version)
	}
	w.line("kind", kindText(c))
	w.line("key usage", strings.Join(c.KeyUsage, ", "))
	w.line("for", strings.Join(c.ExtendedKeyUsage, ", "))
	w.line("subject key", c.SubjectKeyID)
	w.line("issuer key", c.AuthorityKeyID)
	w.lines("ocsp", c.OCSPServers)
	w.lines("ca issuers", c.CAIssuers)
	w.lines("crl", c.CRLs)
	w.line("policies", strings.Join(c.Policies, ", "))
	if n := c.NameConstraints; n != nil {
		w.line("permitted", strings.Join(n.Permitted, ", "))
		w.line("excluded", strings.Join(n.Excluded, ", "))
	}
	if c.MustStaple {
		w.line("must staple", "yes")
	}
	if len(c.SCTs) > 0 {
		w.line("timestamps", strconv.Itoa(len(c.SCTs))+" of certificate transparency logs")
	}
	if c.Trust != nil {
		w.line("trusted for", strings.Join(c.Trust.Trust, ", "))
		w.line("rejected for", strings.Join(c.Trust.Reject, ", "))
		w.line("alias", c.Trust.Alias)
	}
	w.line("sha256", c.Fingerprints.SHA256)
	w.line("sha1", c.Fingerprints.SHA1)
	w.line("subject hash", c.SubjectHash)
	otherExtensions(w, c.Extensions)
	defectLines(w, c.Defects)
	for _, l := range o.Lints {
		w.raw("lint", severity(w.p, l.Severity)+" "+safe(l.Text)+" ["+l.ID+"]")
	}
}

func severity(p painter, s string) string {
	switch s {
	case "error":
		return p.red(s)
	case "warning":
		return p.yellow(s)
	}
	return s
}

func orNone(name string) string {
	if name == "" {
		return "(empty)"
	}
	return name
}

func timeOr(t *time.Time, raw string) string {
	if t == nil {
		return safe(strconv.Quote(raw))
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func (s *certSession) leftText(w *certWriter, days *int) string {
	switch {
	case days == nil:
		return ""
	case *days < 0:
		return w.p.red(" (" + leftText(*days) + ")")
	case *days < 30:
		return w.p.yellow(" (" + leftText(*days) + ")")
	}
	return " (" + leftText(*days) + ")"
}

func altNames(names []tlsx.GeneralName) []string {
	const perLine = 4
	var lines []string
	for i := 0; i < len(names); i += perLine {
		var part []string
		for _, g := range names[i:min(i+perLine, len(names))] {
			part = append(part, g.Type+":"+g.Value)
		}
		lines = append(lines, strings.Join(part, ", "))
	}
	return lines
}

func kindText(c *tlsx.CertInfo) string {
	var parts []string
	if c.CA {
		parts = append(parts, "CA")
	}
	if c.PathLength != nil {
		parts = append(parts, fmt.Sprintf("path length %d", *c.PathLength))
	}
	switch {
	case c.SelfSigned:
		parts = append(parts, "self-signed")
	case c.SelfIssued:
		parts = append(parts, "self-issued")
	}
	return strings.Join(parts, ", ")
}

func publicKeyLines(w *certWriter, k *tlsx.PublicKeyInfo) {
	text := k.Type
	switch {
	case k.Curve != "":
		text += " " + k.Curve
	case k.Bits > 0 && (strings.HasPrefix(k.Type, "RSA") || k.Type == "DSA"):
		text += " " + strconv.Itoa(k.Bits)
	}
	if k.Exponent != "" && k.Exponent != "65537" {
		text += ", exponent " + k.Exponent
	}
	if k.Explicit {
		text += ", explicit parameters"
	}
	w.line("key", text)
	if k.Problem != "" {
		w.raw("", w.p.red(safe(k.Problem)))
	}
	w.line("pin", "sha256:"+k.PinSHA256)
}

// otherExtensions prints the extensions that the lines above leave out; with
// -v all of them.
func otherExtensions(w *certWriter, exts []tlsx.ExtensionInfo) {
	for i := range exts {
		e := &exts[i]
		if !w.extra && len(e.Text) > 0 {
			continue
		}
		text := strings.Join(e.Text, "; ")
		if text == "" {
			text = clip(e.Hex, 64)
		}
		if e.Critical {
			text = "critical: " + text
		}
		w.line("extension", e.Name+": "+text)
	}
}

func clip(s string, most int) string {
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

func defectLines(w *certWriter, defects []tlsx.Defect) {
	for _, d := range defects {
		w.raw("defect", w.p.yellow(safe(d.String())))
	}
}

func requestLines(w *certWriter, r *tlsx.RequestInfo) {
	w.line("subject", orNone(r.Subject))
	w.lines("names", altNames(r.SubjectAltNames))
	publicKeyLines(w, &r.PublicKey)
	if r.SignatureOK {
		w.line("signature", r.SignatureAlgorithm+", good")
	} else {
		w.raw("signature", safe(r.SignatureAlgorithm)+", "+w.p.red(safe(r.SignatureProblem)))
	}
	for _, e := range r.Extensions {
		text := strings.Join(e.Text, "; ")
		if text == "" {
			text = clip(e.Hex, 64)
		}
		w.line("asks for", e.Name+": "+text)
	}
	defectLines(w, r.Defects)
}

// shownRevocations is how many entries of a list the text shows.
const shownRevocations = 20

func (s *certSession) crlLines(w *certWriter, o *certObject) {
	l := o.CRL
	w.line("issuer", orNone(l.Issuer))
	w.raw("valid from", timeOr(l.ThisUpdate, ""))
	if l.NextUpdate != nil {
		w.raw("valid until", timeOr(l.NextUpdate, "")+s.leftText(w, o.DaysLeft))
	}
	w.line("number", l.Number)
	w.line("delta to", l.DeltaBase)
	w.line("signature", l.SignatureAlgorithm)
	w.lines("scope", l.Scope)
	w.line("issuer hash", l.IssuerHash)
	w.line("revoked", strconv.Itoa(len(l.Revoked)))
	for i, r := range l.Revoked {
		if i == shownRevocations && !w.extra {
			w.line("", fmt.Sprintf("and %d more (-v shows all)", len(l.Revoked)-i))
			break
		}
		w.line("", r.Serial+" since "+timeOr(r.Date, "")+" "+r.Reason)
	}
	defectLines(w, l.Defects)
}

func ocspLines(w *certWriter, r *tlsx.OCSPInfo) {
	w.line("response", r.ResponseStatus)
	for _, a := range r.Answers {
		w.line("serial", a.Serial)
		w.line("status", strings.TrimSpace(a.Status+" "+a.Reason))
		w.line("responder", a.Responder)
		w.raw("valid from", timeOr(a.ThisUpdate, ""))
		if a.NextUpdate != nil {
			w.raw("valid until", timeOr(a.NextUpdate, ""))
		}
	}
}

func keyLines(w *certWriter, o *certObject) {
	if o.Key.PublicKey == nil {
		w.line("key", "encrypted; give its password to see more")
		return
	}
	publicKeyLines(w, o.Key.PublicKey)
	if o.Key.Encrypted {
		w.line("encrypted", "yes")
	}
	for _, i := range o.KeyMatches {
		w.line("belongs to", fmt.Sprintf("certificate %d", i+1))
	}
}

// closingLines prints what concerns the whole: order, verdict, expectations.
func (s *certSession) closingLines(w *certWriter, r *certResult) {
	if len(r.Findings)+len(r.Checks) == 0 && r.Verify == nil {
		return
	}
	w.b.WriteByte('\n')
	for _, f := range r.Findings {
		w.raw("chain", w.p.yellow(f.Kind)+": "+safe(f.Text))
	}
	if v := r.Verify; v != nil {
		s.verifyLines(w, v)
	}
	for _, c := range r.Checks {
		verdict := w.p.green("ok")
		if !c.OK {
			verdict = w.p.red("failed")
		}
		w.raw("check", c.Name+": "+verdict+": "+safe(c.Text))
	}
}

func (s *certSession) verifyLines(w *certWriter, v *tlsx.VerifyResult) {
	text := w.p.green("ok")
	if !v.OK {
		text = w.p.red(fmt.Sprintf("%s (code %d, depth %d)", v.Text, v.Code, v.Depth))
	}
	w.raw("verify", text)
	for _, l := range v.Chain {
		mark := ""
		if l.Trusted {
			mark = " (trusted)"
		}
		w.line("", fmt.Sprintf("%d %s%s", l.Depth, orNone(l.Subject), mark))
	}
	for _, f := range v.Faults {
		text := fmt.Sprintf("%d at depth %d: %s", f.Code, f.Depth, f.Text)
		if f.Detail != "" {
			text += ": " + f.Detail
		}
		w.line("fault", text)
	}
	if v.OCSP != nil {
		w.line("ocsp", strings.TrimSpace(v.OCSP.Status+" "+v.OCSP.Reason))
	}
	if g := v.Go; g != nil {
		opinion := "ok"
		if !g.OK {
			opinion = g.Error
		}
		if g.Disagrees {
			opinion += " (disagrees)"
		}
		w.line("go says", opinion)
	}
}

// shortLines prints one line an object: what it is, until when, for whom, by
// whom.
func (s *certSession) shortLines(b *bytes.Buffer, r *certResult, many bool) {
	line := func(cells []string) {
		if many {
			cells = append([]string{r.Target}, cells...)
		}
		for j := range cells {
			cells[j] = safe(cells[j])
		}
		b.WriteString(strings.Join(cells, "\t"))
		b.WriteByte('\n')
	}
	for i := range r.Objects {
		line(shortCells(&r.Objects[i]))
	}
	if v := r.Verify; v != nil {
		line([]string{"verify", strconv.Itoa(int(v.Code)), v.Text})
	}
}

func shortCells(o *certObject) []string {
	until := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return t.UTC().Format(time.RFC3339)
	}
	switch {
	case o.Problem != "":
		return []string{string(o.Kind), "-", o.Problem}
	case o.Certificate != nil:
		c := o.Certificate
		return []string{string(o.Kind), until(c.NotAfter), orNone(c.Subject), orNone(c.Issuer)}
	case o.CRL != nil:
		return []string{string(o.Kind), until(o.CRL.NextUpdate), orNone(o.CRL.Issuer), fmt.Sprintf("%d revoked", len(o.CRL.Revoked))}
	case o.Request != nil:
		return []string{string(o.Kind), "-", orNone(o.Request.Subject), o.Request.PublicKey.Type}
	case o.Key != nil && o.Key.PublicKey != nil:
		return []string{string(o.Kind), "-", o.Key.PublicKey.Type, o.Key.PublicKey.PinSHA256}
	case o.PublicKey != nil:
		return []string{string(o.Kind), "-", o.PublicKey.Type, o.PublicKey.PinSHA256}
	}
	return []string{string(o.Kind), "-", o.Label}
}

// treeLines draws the certificates below their issuers.
func (s *certSession) treeLines(b *bytes.Buffer, r *certResult, many bool) {
	w := &certWriter{b: b, p: s.e.paint()}
	if many || r.Server != nil {
		s.targetLines(w, r)
	}
	for _, root := range r.bundle.Roots() {
		c := r.certs[root]
		if !c.SelfSigned() && r.bundle.Parents[root] < 0 {
			fmt.Fprintf(b, "%s %s\n", w.p.dim("(not here)"), safe(orNone(c.Issuer.String())))
			s.branch(w, r, root, "", true, 1)
			continue
		}
		s.branch(w, r, root, "", true, 0)
	}
	s.closingLines(w, r)
}

// maxTreeDepth bounds the drawing of certificates that certify each other.
const maxTreeDepth = 64

func (s *certSession) branch(w *certWriter, r *certResult, i int, indent string, last bool, depth int) {
	mark := ""
	if depth > 0 {
		mark = "├─ "
		if last {
			mark = "└─ "
		}
	}
	c := r.certs[i]
	fmt.Fprintf(w.b, "%s%s%s %s%s\n", indent, mark, w.p.bold(strconv.Itoa(i+1)), safe(orNone(c.Subject.String())), s.treeDate(w, c))
	if depth >= maxTreeDepth {
		return
	}
	if depth > 0 {
		if last {
			indent += "   "
		} else {
			indent += "│  "
		}
	}
	kids := r.bundle.Children(i)
	for n, k := range kids {
		s.branch(w, r, k, indent, n == len(kids)-1, depth+1)
	}
}

func (s *certSession) treeDate(w *certWriter, c *tlsx.Certificate) string {
	if c.NotAfter.IsZero() {
		return ""
	}
	return ", until " + c.NotAfter.UTC().Format(time.DateOnly) + s.leftText(w, s.daysLeft(c.NotAfter.Time))
}
