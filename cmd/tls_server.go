package cmd

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
	"github.com/brio-net/brio/pkg/tlsx"
)

type tlsServerOptions struct {
	listenOptions
	tls       tlsFlags
	www       bool
	more      []string
	names     []string
	valid     time.Duration
	fault     string
	rootOut   string
	staple    string
	preferOwn bool // the order of cipher suites
	truncate  bool // --allow-truncation
}

func newTLSServerCmd(e *env) *cobra.Command {
	var o tlsServerOptions
	c := &cobra.Command{
		Use:   "tls-server ADDRESS",
		Short: "a TLS server for testing clients; it makes a certificate if it has none",
		Long: `Listens on ADDRESS (see brio help addresses), shakes hands, and joins one
connection (or with -k, one after the other) to stdin and stdout. A service such
as --www, --echo, --exec or --forward serves connections side by side.

Without --certificate it makes one in memory, for localhost, this machine's name
and the address listened on, and says how a client can connect. With --fault it
makes a chain, or behaves, in a way that a client must not put up with.`,
		Example: `  brio tls-server 127.0.0.1:8443
  brio tls-server -k 127.0.0.1:8443 --www
  brio tls-server -k 127.0.0.1:8443 --echo --certificate cert.pem --key key.pem
  brio tls-server -k 127.0.0.1:8443 --www --verify required --ca-file clients.pem
  brio tls-server -k 127.0.0.1:8443 --www --fault expired-chain --root-out root.pem
  brio tls-server -k 127.0.0.1:2525 --starttls smtp --echo
  brio tls-server -k 127.0.0.1:8443 --forward 127.0.0.1:8080`,
		Args: wantArgs(0, 2, "an address to listen on"),
	}
	o.addAccept(c)
	flagGroup(c, "Service", func(f *pflag.FlagSet) {
		f.BoolVar(&o.www, "www", false, "answer HTTP requests with what the handshake showed")
		o.addAnyService(f, "join each connection with one to `ADDRESS`, in the clear")
	})
	exclusive(c, "www", "exec", "sh", "forward", "echo", "discard")
	o.tls.add(c, true)
	o.addServer(c)
	o.pipe.add(c)
	o.addReadiness(c)
	o.addAddress(c)
	c.RunE = e.run(func(ctx context.Context, args []string) error { return runTLSServer(ctx, e, &o, args) })
	c.ValidArgsFunction = completeAddress
	return exits(pipesData(c),
		statusLine{statusRefused, "--forward: connection refused"},
		statusLine{statusBroken, "connection broken, or ended without close_notify"},
		statusLine{statusLocalAddr, ""},
		statusLine{statusDenied, "access denied, or wrong password of a key"},
		statusLine{statusHandshake, "TLS or STARTTLS handshake failed"},
		statusLine{statusExpectation, "nothing is pending (--no-wait), or --expect is not met"},
		statusLine{statusVerify, "the certificate of the client does not verify"},
		statusLine{statusPartial, "with -k: some connections failed"},
		statusLine{statusNoExec, ""}, statusLine{statusNoCommand, ""}, statusLine{statusPipe, ""},
	)
}

func (o *tlsServerOptions) addServer(c *cobra.Command) {
	flagGroup(c, "Certificate", func(f *pflag.FlagSet) {
		f.StringArrayVar(&o.more, "sni-certificate", nil, "serve this too, to clients that ask for its name: `FILE`[,KEYFILE] (may be repeated)")
		f.StringSliceVar(&o.names, "name", nil, "make a certificate for these names and addresses (`LIST`)")
		durationVar(f, &o.valid, "valid", 30*24*time.Hour, "make a certificate that is valid for `DURATION`")
		f.StringVar(&o.rootOut, "root-out", "", "write the root of a made chain to `FILE`, for clients to trust")
		f.StringVar(&o.staple, "ocsp-staple", "", "send the OCSP response in `FILE` (DER) with the certificate")
		enumVar(f, &o.fault, "fault", "", faultNames(), "do this wrong, for testing clients: `FAULT`")
	})
	flagGroup(c, "TLS", func(f *pflag.FlagSet) {
		f.BoolVar(&o.preferOwn, "prefer-server-cipher-order", true, "choose cipher suites in our order, not the client's")
		f.BoolVar(&o.truncate, "allow-truncation", false, "take the end of the connection for the end of data, without close_notify")
	})
	exclusive(c, "fault", "certificate")
}

func runTLSServer(ctx context.Context, e *env, o *tlsServerOptions, args []string) error {
	o.served = o.www || o.echo || o.discard || isWireFault(o.fault)
	if err := o.check(); err != nil {
		return err
	}
	if err := o.checkNeeds(e); err != nil {
		return err
	}
	if err := o.events.open(e); err != nil {
		return err
	}
	l, where, err := o.listen(ctx, args)
	if err != nil {
		return err
	}
	defer l.Close()
	s := &tlsService{e: e, o: o, where: where, listener: l}
	done, err := s.prepare()
	if err != nil {
		return err
	}
	defer done()
	serve, finish, err := s.service()
	if err != nil {
		return err
	}
	defer finish()
	unready, err := o.announce(ctx, e, l)
	if err != nil {
		return err
	}
	defer unready()
	s.tell()
	access, err := o.access.load()
	if err != nil {
		return err
	}
	srv := &server{e: e, o: &o.listenOptions, l: l, serve: serve, access: access, where: where}
	spare := make([]byte, spareHeap)
	err = srv.run(ctx)
	runtime.KeepAlive(spare)
	if cerr := finish(); err == nil {
		err = cerr
	}
	return err
}

// spareHeap is memory that is asked for and never touched, so that the system
// gives none. The garbage collector takes it for live, and waits until as much
// garbage has gathered: with the 4 MiB that it waits for by itself it would run
// after every few handshakes, for a fifth of the processor time.
const spareHeap = 16 << 20

// tlsService serves the connections of one run.
type tlsService struct {
	e        *env
	o        *tlsServerOptions
	where    string
	listener *socket.Listener
	context  *tlsx.Context
	made     *tlsx.Certificate // the certificate, when we made it
}

// prepare makes the context. The function returned closes the key log.
func (s *tlsService) prepare() (done func(), err error) {
	cfg, done, err := s.o.tls.config(s.e)
	if err != nil {
		return done, err
	}
	cfg.CipherOrder = tlsx.OrderServer
	if !s.o.preferOwn {
		cfg.CipherOrder = tlsx.OrderClient
	}
	if err := s.identities(&cfg); err != nil {
		return done, err
	}
	if s.context, err = tlsx.NewServerContext(cfg); err != nil {
		return done, s.o.tls.contextError(err)
	}
	for _, w := range s.context.Warnings() {
		s.e.note("%s", w)
	}
	return done, nil
}

func (s *tlsService) identities(cfg *tlsx.Config) error {
	if s.o.staple != "" {
		data, err := readSmall(s.o.staple)
		if err != nil {
			return err
		}
		cfg.OCSPStaple = data
	}
	for _, files := range s.o.more {
		name, keyName, _ := strings.Cut(files, ",")
		id, err := tlsx.ReadIdentity(name, keyName, cfg.Password)
		if err != nil {
			return s.o.tls.contextError(err)
		}
		cfg.Identities = append(cfg.Identities, id)
	}
	if cfg.Certificate != "" {
		return nil
	}
	id, err := s.make()
	if err != nil {
		return err
	}
	cfg.Identities = append([]tls.Certificate{id}, cfg.Identities...)
	return nil
}

// make makes a certificate, or with a fault or --root-out a chain.
func (s *tlsService) make() (tls.Certificate, error) {
	names := s.o.names
	if len(names) == 0 {
		names = s.ownNames()
	}
	var id tls.Certificate
	var err error
	if s.o.fault == "" && s.o.rootOut == "" {
		id, err = tlsx.SelfSigned(names, s.o.valid)
	} else {
		id, err = s.makeChain(names)
	}
	if err != nil {
		return id, err
	}
	s.made, err = tlsx.ParseCertificate(id.Certificate[0])
	return id, err
}

func (s *tlsService) makeChain(names []string) (tls.Certificate, error) {
	var fault tlsx.ChainFault
	if !isWireFault(s.o.fault) {
		fault = tlsx.ChainFault(s.o.fault)
	}
	id, root, err := tlsx.MakeChain(names, s.o.valid, fault)
	if err != nil || s.o.rootOut == "" {
		return id, err
	}
	if err := appear(s.o.rootOut, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}))); err != nil {
		return id, &outputError{s.o.rootOut, plainCause(err)}
	}
	return id, nil
}

// ownNames are those by which clients on this machine and others call it.
func (s *tlsService) ownNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil && host != "" {
		names = append(names, host)
	}
	if a, err := parseAddress(s.where, useListen); err == nil && a.host != "" {
		names = append(names, a.host)
	}
	if h := s.listener.LocalHost(); h.IsValid() && !h.IsUnspecified() {
		names = append(names, h.String())
	}
	slices.Sort(names[1:])
	return slices.Compact(names)
}

// A certificateEvent tells of a certificate that was made.
type certificateEvent struct {
	SHA256 string `json:"sha256"`
	Pin    string `json:"pin"`
	Fault  string `json:"fault,omitempty"`
}

// tell says how a client can connect.
func (s *tlsService) tell() {
	if s.made == nil {
		return
	}
	sum := s.made.SHA256()
	s.o.events.send("certificate", certificateEvent{SHA256: fmt.Sprintf("%x", sum), Pin: "sha256:" + s.made.Pin(), Fault: s.o.fault})
	s.e.note("made a certificate: sha256 %x", sum)
	s.e.note("its key is: sha256:%s", s.made.Pin())
	s.e.note("connect with: %s", s.clientLine())
}

// clientLine is the command that connects to this server.
func (s *tlsService) clientLine() string {
	words := []string{"brio tls-client"}
	switch {
	case s.o.rootOut != "":
		words = append(words, "--ca-file", quoteIfNeeded(s.o.rootOut))
	case s.o.fault != "":
		words = append(words, "--probe") // a client should refuse it, and say why
	default:
		words = append(words, "--allow self-signed --pin sha256:"+s.made.Pin())
	}
	if s.o.tls.startTLS != "" {
		words = append(words, "--starttls", s.o.tls.startTLS)
	}
	if s.listener.AddressFamily() == socket.File {
		return strings.Join(append(words, "unix:"+s.listener.LocalFilename()), " ")
	}
	host := s.listener.LocalHost()
	name := host.String()
	if host.IsUnspecified() {
		name = "localhost"
	}
	return strings.Join(append(words, net.JoinHostPort(name, strconv.Itoa(int(s.listener.LocalPort())))), " ")
}

func quoteIfNeeded(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+") == "" {
		return s
	}
	return quoteShell(s)
}
