package cmd

import (
	"context"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

// listenOptions are the flags of listen.
type listenOptions struct {
	ip      ipFlags
	options optionFlags
	md5     md5Flags
	pipe    pipeFlags
	oob     oobFlags
	child   childFlags
	events  events
	access  accessFlags
	ready   readyFlags
	names   peerNames

	keepOpen      bool
	maxConns      int
	maxAccepts    int
	acceptTimeout time.Duration
	noWait        bool
	drain         time.Duration

	forward        string
	connectTimeout time.Duration
	echo           bool
	discard        bool
	chargen        bool
	send           string
	broker         bool
	served         bool // another command brings a service of its own

	shared  io.Writer // where all connections of -k write, if they do
	outputs string    // template of the names of output files, one for each connection

	backlog      int
	mptcp        bool
	mode         modeValue
	replaceStale bool
}

func newListenCmd(e *env) *cobra.Command {
	var o listenOptions
	c := &cobra.Command{
		Use:   "listen ADDRESS",
		Short: "accept connections: pipe them to stdin and stdout, to a command, or to another address",
		Long: `Listens on a TCP port or a UNIX socket and joins one connection to stdin and
stdout. With -k it joins one after the other to stdout, and does not read stdin.
A service such as --exec, --forward or --echo takes the place of stdin and stdout
and serves connections side by side; so does -o FILE with {id}, {host}, {port} or
{time} in the name, which gives each connection a file of its own; connections whose
names are the same are appended to one file.

ADDRESS is PORT (all interfaces), HOST:PORT, unix:PATH, unix:@NAME, or fd:N for a
listening socket that brio was started with. Without ADDRESS the first socket of
systemd's socket activation is used. Port 0 picks a free one: see --port-file.`,
		Example: `  brio listen 127.0.0.1:9000 > received           # from: brio connect 127.0.0.1:9000 < file
  brio listen -k 127.0.0.1:9000 --echo
  brio listen -k 127.0.0.1:8080 --forward unix:/run/app.sock
  brio listen -k unix:date.sock --exec date
  brio listen 127.0.0.1:0 --port-file port.txt --accept-timeout 30 < reply.txt`,
		Args: wantArgs(0, 2, "an address to listen on"),
	}
	o.addAccept(c)
	o.addService(c)
	o.pipe.add(c)
	o.oob.add(c)
	o.access.add(c)
	o.addReadiness(c)
	o.addAddress(c)
	c.RunE = e.run(func(ctx context.Context, args []string) error { return runListen(ctx, e, &o, args) })
	c.ValidArgsFunction = completeAddress
	return exits(pipesData(c),
		statusLine{statusRefused, "--forward: connection refused"},
		statusLine{statusTimeout, "time-out: accepting, idle, reading, writing, or the whole run"},
		statusLine{statusBroken, ""},
		statusLine{statusLocalAddr, ""},
		statusLine{statusDenied, ""},
		statusLine{statusExpectation, "nothing is pending (--no-wait), or --expect is not met"},
		statusLine{statusPartial, "with -k: some connections failed"},
		statusLine{statusNoExec, ""}, statusLine{statusNoCommand, ""}, statusLine{statusPipe, ""},
	)
}

func (o *listenOptions) addService(c *cobra.Command) {
	flagGroup(c, "Service", func(f *pflag.FlagSet) {
		o.addAnyService(f, "join each connection with one to `ADDRESS`")
		f.BoolVar(&o.chargen, "chargen", false, "send lines of characters without end")
		f.StringVar(&o.send, "send", "", "send `FILE` to every connection")
		f.BoolVar(&o.broker, "broker", false, "pass what one connection sends to all others")
	})
	exclusive(c, "exec", "sh", "forward", "echo", "discard", "chargen", "send", "broker")
}

func runListen(ctx context.Context, e *env, o *listenOptions, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.checkService(e); err != nil {
		return err
	}
	if err := o.checkNeeds(e); err != nil {
		return err
	}
	if err := o.events.open(e); err != nil {
		return err
	}
	access, err := o.access.load()
	if err != nil {
		return err
	}
	serve, finish, err := o.service(e)
	if err != nil {
		return err
	}
	defer finish()
	l, where, err := o.listen(ctx, args)
	if err != nil {
		return err
	}
	defer l.Close()
	unready, err := o.announce(ctx, e, l)
	if err != nil {
		return err
	}
	defer unready()
	s := &server{e: e, o: o, l: l, serve: serve, access: access, where: where}
	err = s.run(ctx)
	if cerr := finish(); err == nil {
		err = cerr
	}
	return err
}

// check refuses flags that contradict one another.
func (o *listenOptions) check() error {
	switch {
	case o.maxConns < 0 || o.maxAccepts < 0 || o.backlog < 0:
		return usagef("--max-conns, --max-accepts and --backlog are not negative")
	case o.maxAccepts > 1:
		o.keepOpen = true
	case o.broker:
		o.keepOpen = true
	}
	if strings.Contains(o.pipe.output, "{") {
		if name := outputPlaceholders("", "", "", "").Replace(o.pipe.output); strings.Contains(name, "{") {
			return usagef("--output: %q has more in braces than {id}, {host}, {port} and {time}", o.pipe.output)
		}
		o.outputs, o.pipe.output = o.pipe.output, os.DevNull
	}
	return o.oob.check(&o.pipe, &o.options)
}

// checkNeeds refuses flags about what is not asked for.
func (o *listenOptions) checkNeeds(e *env) error {
	return e.checkNeeds(
		flagNeed{"max-conns", "-k", o.keepOpen},
		flagNeed{"drain", "-k", o.keepOpen},
		flagNeed{"connect-timeout", "--forward", o.forward != ""},
		flagNeed{"exec-status", "--exec or --sh", o.child.given()},
	)
}

// listen makes the listener, and returns the place as the user named it.
func (o *listenOptions) listen(ctx context.Context, args []string) (*socket.Listener, string, error) {
	cfg, err := o.config()
	if err != nil {
		return nil, "", err
	}
	if fd, ok, err := inheritedFD(args); err != nil {
		return nil, "", err
	} else if ok {
		l, err := socket.InheritListener(fd, cfg)
		if err != nil {
			return nil, "", inheritFailure(fd, err, "brio dgram recv")
		}
		if err := o.access.checkFamily(l.AddressFamily()); err != nil {
			_ = l.Close() // the first error says more
			return nil, "", err
		}
		return l, listenerName(l), nil
	}
	a, err := parseAddressArgs(args, useListen)
	if err != nil {
		return nil, "", err
	}
	switch a.scheme {
	case "", "tcp", "tcp4", "tcp6", "unix":
	default:
		return nil, "", usagef("listen accepts TCP and UNIX connections, not %s://", a.scheme).hint("datagrams: brio dgram recv; TLS: brio tls-server")
	}
	switch {
	case a.isUnix() && (o.mptcp || o.md5.given()):
		return nil, "", usagef("--mptcp and --tcp-md5-key are for TCP, and %s is a UNIX socket", a)
	case a.isUnix() && o.access.given():
		return nil, "", o.access.checkFamily(socket.File)
	case !a.isUnix() && o.mode.mode != 0:
		return nil, "", usagef("--mode is for UNIX sockets, and %s is none", a)
	}
	network, target := a.dialTarget()
	cfg.Options = bulkOptions(a, cfg.Options)
	l, err := socket.Listen(ctx, network, target, cfg)
	if err != nil {
		return nil, "", o.explain(err, a)
	}
	return l, a.String(), nil
}

// config is the configuration of the listener that the flags describe.
func (o *listenOptions) config() (cfg socket.ListenConfig, err error) {
	if cfg.IP, cfg.Lookup, err = o.ip.lookup(); err != nil {
		return cfg, err
	}
	cfg.Scope, cfg.MPTCP, cfg.Backlog, cfg.ReplaceStale = o.ip.scope, o.mptcp, o.backlog, o.replaceStale
	if cfg.Options, err = o.options.options(); err != nil {
		return cfg, err
	}
	if cfg.MD5, err = o.md5.peerKeys(); err != nil {
		return cfg, err
	}
	cfg.Mode = o.mode.mode
	return cfg, nil
}

// explain says what a user can do about a place that cannot be listened on.
func (o *listenOptions) explain(err error, a address) error {
	f := &failure{err: socket.Describe(err).Err, op: "listen", target: a.String(), kind: string(socket.ErrorID(err)), status: statusOf(err)}
	switch socket.ErrorID(err) {
	case socket.AddressInUse:
		if a.isUnix() && !o.replaceStale && !isNoSocket(a.path) {
			f.hint("if nobody listens there any more: --replace-stale")
		} else if !a.isUnix() {
			f.hint("see who listens: ss -ltnp 'sport = :%s'; or let the system pick a port: 0 with --port-file", a.port)
		}
	case socket.NoSuchFile: // the directory of the socket
		f.status = statusLocalAddr
	case socket.AddressNotAvailable:
		f.hint("the addresses of this machine: brio ipaddr interfaces")
	case socket.AccessDenied:
		f.hint("ports below 1024 need the capability CAP_NET_BIND_SERVICE")
		if a.isUnix() {
			f.hints = nil
		}
	}
	return f
}

// listenerName is the place l listens on, as parseAddress reads it.
func listenerName(l *socket.Listener) string {
	if l.AddressFamily() == socket.File {
		return "unix:" + l.LocalFilename()
	}
	return net.JoinHostPort(l.LocalHost().String(), strconv.Itoa(int(l.LocalPort())))
}

// peerName names the peer of a connection in messages.
func peerName(c *socket.Conn) string {
	if c.AddressFamily() == socket.Internet {
		return net.JoinHostPort(c.RemoteHost().String(), strconv.Itoa(int(c.RemotePort())))
	}
	if name := c.RemoteFilename(); name != "" {
		return "unix:" + name
	}
	return strings.TrimSuffix("peer of unix:"+c.LocalFilename(), ":")
}
