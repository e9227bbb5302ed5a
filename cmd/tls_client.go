package cmd

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
	"github.com/brio-net/brio/pkg/tlsx"
)

type tlsClientOptions struct {
	tlsClientFlags
	pipe            pipeFlags
	events          events
	probe           bool
	handshakeOnly   bool
	showCerts       bool
	scan            bool
	reconnect       int
	resume          int
	sessionOut      string
	allowTruncation bool
}

func newTLSClientCmd(e *env) *cobra.Command {
	var o tlsClientOptions
	c := &cobra.Command{
		Use:   "tls-client ADDR",
		Short: "connect with TLS, and say exactly what is wrong if something is",
		Long: `Connects to ADDR (host:port, host port, unix:/path; port 443 when none is given),
shakes hands, verifies the certificate, and joins the connection to stdin and
stdout. With --probe it shows what the handshake showed instead.

A certificate that does not verify ends the run with status 13 before any data is
sent. Every fault has OpenSSL's number; --allow puts up with some of them.`,
		Example: `  brio tls-client --probe example.com
  printf 'GET / HTTP/1.0\r\n\r\n' | brio tls-client example.com:443
  brio tls-client --probe --starttls smtp mail.example.com
  brio tls-client --probe --json --get verify.code expired.example.com
  brio tls-client --show-certs example.com > chain.pem
  brio tls-client --scan example.com
  brio tls-client --method tlsv1.2 --ciphers ECDHE+AESGCM example.com:443
  brio tls-client --reconnect 20 example.com`,
		Args:              wantArgs(1, 2, "one address"),
		ValidArgsFunction: completeAddress,
		RunE:              e.run(func(ctx context.Context, args []string) error { return runTLSClient(ctx, e, &o, args) }),
	}
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.BoolVarP(&o.probe, "probe", "z", false, "shake hands, show what was seen, and end")
		f.BoolVar(&o.handshakeOnly, "handshake-only", false, "shake hands and end; the status tells")
		f.BoolVar(&o.showCerts, "show-certs", false, "print the certificates that the server sends, as PEM, and end")
		f.BoolVar(&o.scan, "scan", false, "find out everything the server supports, and end")
		f.IntVar(&o.reconnect, "reconnect", 0, "shake hands `N` times and show how long it takes; a server that chose a classical group is offered no post-quantum one again")
		f.IntVar(&o.resume, "resume", 0, "resume the session `N` times and show whether the server agrees")
	})
	o.add(c)
	flagGroup(c, "TLS", func(f *pflag.FlagSet) {
		f.StringVar(&o.sessionOut, "session-out", "", "write the session to `FILE`, for --session-in (it holds secrets)")
		f.BoolVar(&o.allowTruncation, "allow-truncation", false, "take the end of the connection for the end of data, without close_notify")
	})
	o.pipe.add(c)
	flagGroup(c, "Output", func(f *pflag.FlagSet) { o.events.addFlag(f) })
	exclusive(c, "probe", "handshake-only", "show-certs", "scan", "reconnect", "resume")
	results(e, c, &tlsReport{}, &tlsStatistics{}, &tlsScan{})
	return exits(answers(c), tlsExits()...)
}

func tlsExits() []statusLine {
	return []statusLine{
		{statusNotFound, "no such name"},
		{statusRefused, ""},
		{statusUnreachable, ""},
		{statusBroken, "connection broken, or ended without close_notify"},
		{statusDenied, "access denied, or wrong password of a key"},
		{statusHandshake, "TLS, STARTTLS or proxy handshake failed"},
		{statusExpectation, "--expect is not met, or --resume did not resume"},
		{statusVerify, "the certificate does not verify, or has another key than --pin"},
		{statusProtocol, "the server sent records that do not decrypt"},
		{statusPartial, "--reconnect: some handshakes failed"},
	}
}

func runTLSClient(ctx context.Context, e *env, o *tlsClientOptions, args []string) error {
	if err := wantPositive(e, "reconnect", "resume"); err != nil {
		return err
	}
	if !o.probe && o.reconnect == 0 && o.resume == 0 && !o.scan {
		if err := e.textOnly("what the handshake shows: --probe --json; what happens: --events json"); err != nil {
			return err
		}
	}
	d, err := o.dialer(e, args)
	if err != nil {
		return err
	}
	defer d.done()
	d.probing = o.probe
	switch {
	case o.scan:
		return scanTLS(ctx, e, d)
	case o.reconnect > 0:
		return reconnectTLS(ctx, e, d, o.reconnect)
	case o.resume > 0:
		return resumeTLS(ctx, e, d, o.resume)
	case o.probe, o.handshakeOnly, o.showCerts:
		return probeTLS(ctx, e, o, d)
	}
	return pipeTLS(ctx, e, o, d)
}

// probeTLS shakes hands and shows what was seen.
func probeTLS(ctx context.Context, e *env, o *tlsClientOptions, d *tlsDialer) error {
	start := time.Now()
	link, err := d.open(ctx, tlsx.Override{})
	defer link.close()
	if err == nil {
		err = d.accepted(ctx, link)
	}
	if err == nil && o.sessionOut != "" {
		err = saveSession(ctx, link, o.sessionOut)
	}
	if o.handshakeOnly {
		return err
	}
	r := d.report(link, time.Since(start))
	if link.conn != nil && len(r.chain) == 0 && cannotTalk(err) {
		d.addRaw(ctx, link, r)
	}
	switch {
	case o.showCerts:
		if werr := writePEM(e.out, r.chain); werr != nil {
			return werr
		}
	case o.probe && (link.conn != nil || e.wantsJSON()):
		if werr := emitFailed(e, r, err, e.writeReport); werr != nil {
			return werr
		}
	}
	return err
}

// acceptanceWait is how long a probe waits for a sign that a TLS 1.3 server took
// our certificate. Servers that send session tickets give it at once.
const acceptanceWait = time.Second

// accepted waits for the late refusal of a client certificate.
func (d *tlsDialer) accepted(ctx context.Context, l *tlsLink) error {
	wctx, cancel := context.WithTimeout(ctx, acceptanceWait)
	defer cancel()
	if err := l.conn.AwaitAcceptance(wctx); err != nil {
		return d.failed(ctx, "handshake", err, l.conn)
	}
	return nil
}

// pipeTLS joins the connection to stdin and stdout.
func pipeTLS(ctx context.Context, e *env, o *tlsClientOptions, d *tlsDialer) error {
	if err := o.events.open(e); err != nil {
		return err
	}
	talk, err := o.pipe.open(e, &o.events)
	if err != nil {
		return err
	}
	defer talk.close()
	start := time.Now()
	link, err := d.open(ctx, tlsx.Override{})
	defer link.close()
	o.events.handshake(d, link, time.Since(start), err)
	if err != nil {
		return err
	}
	e.describeLink(link)
	var conn net.Conn = link.conn
	if o.allowTruncation {
		conn = tolerantConn{link.conn}
	}
	res, err := talk.run(ctx, conn, d.target.String(), 1)
	d.explainLate(err, link.conn)
	o.events.closed(1, start, res.PipeResult, err)
	if err == nil && o.sessionOut != "" {
		err = saveSession(ctx, link, o.sessionOut)
	}
	if closeErr := talk.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = link.conn.Abort() // without close_notify: the server must not take what it got for whole
	}
	return err
}

// tolerantConn takes a truncation for the end of data.
type tolerantConn struct{ *tlsx.Conn }

func (c tolerantConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, tlsx.ErrTruncated) {
		err = io.EOF
	}
	return n, err
}

// sessionWait is how long to wait for a session ticket after the handshake.
const sessionWait = time.Second

// saveSession writes the newest session to a file.
func saveSession(ctx context.Context, l *tlsLink, name string) error {
	wctx, cancel := context.WithTimeout(ctx, sessionWait)
	defer cancel()
	s := l.conn.AwaitSession(wctx)
	if s == nil {
		return failf(statusExpectation, "no-session", "the server issued no session to save")
	}
	text, err := s.MarshalText()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return &outputError{name, plainCause(err)}
	}
	return nil
}

func writePEM(w io.Writer, chain [][]byte) error {
	for _, der := range chain {
		if _, err := w.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
			return err
		}
	}
	return nil
}

// describeLink tells with -v what the connection is.
func (e *env) describeLink(l *tlsLink) {
	if e.verbose == 0 && !e.debug {
		return
	}
	i := l.conn.Info()
	e.verbosef("%s: %s, %s, %s", l.remote, i.Version, i.Cipher.Name, i.Group)
	if code, text := l.conn.VerifyResult(); code != tlsx.CodeOK {
		e.verbosef("verification: %s (code %d)", text, code)
	}
}

// A handshakeEvent tells how a handshake went.
type handshakeEvent struct {
	ID      int64        `json:"id"`
	Remote  string       `json:"remote"`
	TLS     *tlsx.Info   `json:"tls,omitempty"`
	Millis  float64      `json:"elapsed_ms"`
	Verify  int          `json:"verify_code"`
	Message string       `json:"verify_text"`
	Error   *errorObject `json:"error,omitempty"`
}

func (v *events) handshake(d *tlsDialer, l *tlsLink, took time.Duration, err error) {
	if !v.on() {
		return
	}
	ev := handshakeEvent{ID: 1, Remote: l.remote, Millis: ms(took)}
	if l.conn != nil {
		info := l.conn.Info()
		code, text := l.conn.VerifyResult()
		ev.TLS, ev.Verify, ev.Message = &info, int(code), text
	}
	if err != nil {
		ev.Error = errorObjectOf(err, statusOf(err))
	}
	v.send("handshake", ev)
}

// cannotTalk reports whether the raw prober may see more than crypto/tls did: a
// handshake that failed for another reason than the network or the verdict.
func cannotTalk(err error) bool {
	var echErr *tls.ECHRejectionError
	return statusOf(err) == statusHandshake && !errors.As(err, &echErr) && socket.ErrorID(err) != socket.ConnectionReset
}
