package cmd

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

type connectOptions struct {
	dialFlags
	pipe   pipeFlags
	oob    oobFlags
	child  childFlags
	events events
	names  peerNames

	proxies     []string
	proxyHeader string
	execFD      bool
	abort       bool

	wait     time.Duration
	retry    time.Duration
	free     bool
	probe    bool
	count    int
	interval time.Duration
	parallel int
}

func newConnectCmd(e *env) *cobra.Command {
	var o connectOptions
	c := &cobra.Command{
		Use:   "connect ADDR... [-- COMMAND...]",
		Short: "connect to TCP and UNIX sockets: as a pipe, a probe, or to wait for a service",
		Long: `Connects to ADDR (host:port, or unix:/path) and joins the connection with stdin
and stdout until both sides have ended. When stdin ends the peer is told so; when
stdin is /dev/null or closed it is not, and what the peer sends is still received.
When brio is killed in the middle of stdin the connection is reset, and so does not
look like one that has ended.

With --probe it only tries: many addresses, port lists (host:22,80) and ranges
(host:8000-8010); --short shows only what is open. With --count it measures how
long connecting takes. With --wait it tries until the address accepts, and ends;
several addresses may be waited for, and a COMMAND after -- is run when all accept.`,
		Example: `  printf 'GET / HTTP/1.0\r\n\r\n' | brio connect example.com:80
  brio connect localhost:9000 < file.txt          # to: brio listen 9000 > file.txt
  brio connect --probe example.com:22,80,443
  brio connect --wait 30s localhost:5432 localhost:6379 -- echo ready
  brio connect --count 3 --interval 100ms example.com:443
  brio connect --expect '^SSH-2' --max-bytes 1k localhost:22
  brio connect --no-stdin --hexdump - localhost:22`,
		Args:              wantArgs(1, -1, "an address to connect to"),
		ValidArgsFunction: completeAddress,
		RunE:              e.runBriefly(func(ctx context.Context, args []string) error { return runConnect(ctx, e, &o, args) }),
	}
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.BoolVarP(&o.probe, "probe", "z", false, "only try to connect, and tell whether that works")
		durationVar(f, &o.wait, "wait", 0, "wait for at most `DURATION` until it accepts; then run the COMMAND after --, or end")
		durationVar(f, &o.retry, "retry", 0, "as a pipe: try to connect again and again for at most `DURATION`")
		f.BoolVar(&o.free, "until-free", false, "with --wait: until nobody accepts there any more")
		f.IntVarP(&o.count, "count", "c", 0, "connect `N` times and tell how long it took")
		durationVar(f, &o.interval, "interval", time.Second, "with --count, wait `DURATION` in between")
		f.IntVar(&o.parallel, "parallel", 32, "with --probe, try `N` at a time")
	})
	o.dialFlags.add(c)
	flagGroup(c, "Proxy", func(f *pflag.FlagSet) {
		f.StringArrayVarP(&o.proxies, "proxy", "x", nil, "connect through `KIND://[USER:PASSWORD@]HOST:PORT`: socks5h, socks5, socks4a, socks4, http (repeatable: a chain)")
		enumVar(f, &o.proxyHeader, "proxy-protocol", "none", []string{"none", "v1", "v2"}, "begin with a header of the PROXY protocol, `VERSION`")
	})
	flagGroup(c, "Command", func(f *pflag.FlagSet) {
		o.child.add(f)
		f.BoolVar(&o.execFD, "exec-fd", false, "give the command the connection as descriptor 3 instead of its stdin and stdout")
	})
	o.pipe.add(c)
	o.oob.add(c)
	flagGroup(c, "End of data", func(f *pflag.FlagSet) {
		f.BoolVar(&o.abort, "abort", false, "end the connection with a reset")
	})
	flagGroup(c, "Report", func(f *pflag.FlagSet) {
		o.events.addFlag(f)
		o.names.add(f, &o.ip)
	})
	secretFlag(c.Flags(), "proxy")
	return exits(results(e, answers(c, "short"), probeResult{}, latencyResult{}),
		statusLine{statusNotFound, "no such name or service"},
		statusLine{statusRefused, ""},
		statusLine{statusUnreachable, ""},
		statusLine{statusBroken, ""},
		statusLine{statusLocalAddr, ""},
		statusLine{statusDenied, ""},
		statusLine{statusHandshake, "the proxy did not connect"},
		statusLine{statusExpectation, "--expect: it was not received"},
		statusLine{statusProtocol, "--chunked-in: malformed chunks"},
		statusLine{statusPartial, "some of several addresses, or of --count, failed"},
	)
}

func runConnect(ctx context.Context, e *env, o *connectOptions, args []string) error {
	command := e.argsAfterDash(&args)
	if err := o.check(e, command); err != nil {
		return err
	}
	if !o.isPlainPipe() {
		ctx = e.catchSignals(ctx)
	}
	targets, err := o.targets(args)
	if err != nil {
		return err
	}
	cfg, err := o.config()
	if err != nil {
		return err
	}
	if err := o.events.open(e); err != nil {
		return err
	}
	t := &connector{e: e, o: o, cfg: cfg}
	if t.proxies, err = o.parseProxies(); err != nil {
		return err
	}
	switch {
	case o.count > 0 && len(targets) == 1:
		return t.measure(ctx, targets[0])
	case o.probe && !o.free && len(command) == 0:
		return t.probe(ctx, targets)
	case o.wait > 0:
		return t.waitThenRun(ctx, targets, command)
	case len(targets) > 1:
		return usagef("several addresses need --probe or --wait")
	}
	return t.talk(ctx, targets[0])
}

// isPlainPipe reports that all there is to do is to join the connection with
// stdin and stdout: no file, child, socket path or event is left to see to when a
// signal comes.
func (o *connectOptions) isPlainPipe() bool {
	waits := o.probe || o.wait > 0 || o.retry > 0 || o.count > 0
	return !waits && !o.child.given() && !o.abort && o.events.spec == "" && o.source == "" && !o.pipe.writesFile()
}

// argsAfterDash takes what stands behind "--" off the arguments.
func (e *env) argsAfterDash(args *[]string) []string {
	n := e.cmd.ArgsLenAtDash()
	if n < 0 {
		return nil
	}
	command := (*args)[n:]
	*args = (*args)[:n]
	return command
}

// check refuses flags that contradict one another.
func (o *connectOptions) check(e *env, command []string) error {
	switch {
	case o.count < 1 && e.cmd.Flags().Changed("count") || o.parallel < 1:
		return usagef("--count and --parallel are positive numbers")
	case o.free && o.wait == 0:
		return usagef("--until-free needs --wait DURATION")
	case o.retry > 0 && (o.wait > 0 || o.probe || o.count > 0):
		return usagef("--retry is for a connection as a pipe: with --wait, --probe and --count it has no meaning")
	case len(command) > 0 && o.wait == 0:
		return usagef("a command after -- is for --wait; to give a command the connection use --exec")
	case !o.child.given() && (e.cmd.Flags().Changed("exec") || e.cmd.Flags().Changed("sh")):
		return usagef("--exec and --sh need a command")
	case o.execFD && !o.child.given():
		return usagef("--exec-fd needs --exec or --sh")
	case !o.probe && o.count == 0:
		if err := e.textOnly("what happens is told with: --events json"); err != nil {
			return err
		}
	}
	if err := o.checkMode(e); err != nil {
		return err
	}
	return e.checkNeeds(
		flagNeed{"exec-status", "--exec or --sh", o.child.given()},
		flagNeed{"interval", "--count", o.count > 0},
		flagNeed{"parallel", "--probe", o.probe},
	)
}

// checkMode refuses flags for data where no data are exchanged by brio.
func (o *connectOptions) checkMode(e *env) error {
	mode := ""
	switch {
	case o.child.given():
		mode = "--exec"
	case o.count > 0:
		mode = "--count"
	case o.probe:
		mode = "--probe"
	case o.wait > 0:
		mode = "--wait"
	default:
		return o.oob.check(&o.pipe, &o.options)
	}
	err := refusePipeFlags(e, mode, []string{"no-stdin"})
	if err != nil && mode == "--wait" {
		return usagef("%w", err).hint("to exchange data as soon as it accepts: --retry %s", formatDuration(o.wait))
	}
	return err
}

// targets reads the addresses. Two words are one address when the first has no
// port. Lists and ranges of ports are for probing.
func (o *connectOptions) targets(args []string) ([]address, error) {
	if len(args) == 0 {
		return nil, usagef("needs an address to connect to")
	}
	if len(args) == 2 && isHostAlone(args[0]) && !strings.ContainsAny(args[1], ":/") {
		args = []string{net.JoinHostPort(args[0], args[1])}
	} else if len(args) == 2 && !strings.HasPrefix(args[0], "unix:") && isPort(args[1]) {
		a, err := parseHostPort(args[0], args[1], useConnect)
		return []address{a}, err
	}
	if len(args) > 2 && !strings.Contains(args[0], ":") && !slices.ContainsFunc(args[1:], notPorts) {
		return nil, usagef("address %q has no port", args[0]).hint("several ports: %s:%s", args[0], strings.Join(args[1:], ","))
	}
	var list []address
	for _, s := range args {
		if err := checkPortList(s); err != nil {
			return nil, err
		}
		for _, one := range expandPorts(s) {
			a, err := parseAddress(one, useConnect)
			if err != nil {
				return nil, err
			}
			if err := a.checkStream(); err != nil {
				return nil, err
			}
			list = append(list, a)
		}
	}
	return list, nil
}

// notPorts reports that s is neither a port nor a range of them.
func notPorts(s string) bool {
	first, last, isRange := strings.Cut(s, "-")
	return !isPort(first) || isRange && !isPort(last)
}

// isHostAlone reports whether s is a host without a port: the next word is one.
func isHostAlone(s string) bool {
	return !strings.Contains(s, ":") || validHost(s) == nil
}

// checkStream refuses schemes that say another protocol.
func (a address) checkStream() error {
	switch {
	case strings.HasPrefix(a.scheme, "udp"):
		return usagef("%s:// has no connections", a.scheme).hint("datagrams are sent with: brio dgram send %s", a)
	case a.scheme == "tls" || a.scheme == "https":
		return usagef("connect speaks no TLS").hint("use: brio tls-client %s", a)
	case a.scheme == "fd":
		return usagef("a descriptor is no address to connect to")
	}
	return nil
}

// A connector connects as the flags say.
type connector struct {
	e       *env
	o       *connectOptions
	cfg     socket.Config
	proxies []socket.Proxy
}

func (o *connectOptions) parseProxies() ([]socket.Proxy, error) {
	var list []socket.Proxy
	for _, s := range o.proxies {
		p, err := socket.ParseProxy(s)
		if err != nil {
			return nil, usagef("--proxy: %w", err)
		}
		list = append(list, p)
	}
	return list, nil
}

// timings are the phases of one connection.
type timings struct {
	name     time.Duration // of the look-up, 0 when there was none
	connect  time.Duration // of the attempt that won
	total    time.Duration
	attempts int
}

// open connects to a, through the proxies if there are any.
func (t *connector) open(ctx context.Context, a address) (*socket.Conn, timings, error) {
	var (
		times timings
		start = time.Now()
		cfg   = t.cfg
		first = a
	)
	cfg.Trace = t.trace(&times)
	if len(t.proxies) > 0 {
		if a.isUnix() {
			return nil, times, usagef("no proxy connects to a UNIX socket")
		}
		var err error
		if first, err = parseAddress(t.proxies[0].Address, useConnect); err != nil {
			return nil, times, err
		}
	}
	c, err := t.o.dial(ctx, first, cfg)
	if err == nil {
		if err = t.prepare(ctx, c, a); err != nil {
			_ = c.Abort() // the first error says more
		}
	} else if f := (*failure)(nil); len(t.proxies) > 0 && errors.As(err, &f) && f.op == "connect" {
		f.op, f.target = "proxy", "proxy "+first.String()
	}
	times.total = time.Since(start)
	if err != nil {
		return nil, times, err
	}
	return c, times, nil
}

// prepare makes a connection ready for data: proxies and the PROXY header.
func (t *connector) prepare(ctx context.Context, c *socket.Conn, a address) error {
	if len(t.proxies) > 0 {
		if t.o.connectTimeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, t.o.connectTimeout, &timeoutError{"connecting through the proxy", t.o.connectTimeout})
			defer cancel()
		}
		err := socket.ThroughProxies(ctx, c.NetConn(), t.proxies, a.String(), t.cfg.Lookup)
		if err != nil {
			return t.proxyFailure(ctx, err, a)
		}
	}
	return t.sendHeader(c)
}

func (t *connector) proxyFailure(ctx context.Context, err error, a address) error {
	f := &failure{err: err, op: "proxy", target: a.String(), status: statusHandshake, kind: "proxy-failed"}
	var pe *socket.ProxyError
	if errors.As(err, &pe) {
		f.err = errors.New("proxy " + pe.Proxy + ": " + pe.Reason)
		if pe.Target != a.String() {
			f.err = errors.New("proxy " + pe.Proxy + ": connect to " + pe.Target + ": " + pe.Reason)
		}
	}
	if ctx.Err() != nil {
		f.err, f.status, f.kind = context.Cause(ctx), statusOf(context.Cause(ctx)), ""
	}
	return f
}

func (t *connector) sendHeader(c *socket.Conn) error {
	if t.o.proxyHeader == "none" {
		return nil
	}
	h := socket.HeaderOf(c.LocalAddr(), c.RemoteAddr())
	var b []byte
	switch t.o.proxyHeader {
	case "v1":
		b = h.AppendText(nil)
	case "v2":
		b, _ = h.AppendBinary(nil) // it never fails
	}
	if _, err := c.Write(b); err != nil {
		return at(peerOf(c), err)
	}
	return nil
}

// A resolvedEvent tells of a name that was looked up.
type resolvedEvent struct {
	Name   string       `json:"name"`
	Addrs  []netip.Addr `json:"addrs"`
	Millis float64      `json:"ms"`
}

// An attemptEvent tells of the try to connect to one address.
type attemptEvent struct {
	N      int     `json:"n"`
	Addr   string  `json:"addr"`
	Millis float64 `json:"ms"`
	OK     bool    `json:"ok"`
	Kind   string  `json:"kind,omitempty"` // of the failure
}

// trace notes times, and tells of what happens.
func (t *connector) trace(times *timings) socket.Trace {
	return socket.Trace{
		Resolved: func(host string, addrs []netip.Addr, took time.Duration, err error) {
			times.name = took
			if err == nil {
				t.o.events.send("resolved", resolvedEvent{host, addrs, ms(took)})
				t.e.verbosef("%s is %v", host, addrs)
			}
		},
		AttemptDone: func(a socket.Attempt) {
			times.attempts++
			times.connect = a.Took
			t.o.events.send("attempt", attemptEvent{a.N, a.Address, ms(a.Took), a.Err == nil, string(socket.ErrorID(a.Err))})
			if a.Err != nil {
				t.e.verbosef("%s: %s", a.Address, socket.Reason(a.Err))
			}
		},
	}
}

// ms is a duration for JSON.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// A connectedEvent tells of a connection.
type connectedEvent struct {
	ID            int64   `json:"id"`
	Local         string  `json:"local"`
	Remote        string  `json:"remote"`
	RemoteName    string  `json:"remote_name,omitempty"` // with --resolve-peer
	Family        string  `json:"family"`
	Millis        float64 `json:"ms"`
	NameMillis    float64 `json:"dns_ms"`
	ConnectMillis float64 `json:"connect_ms"`
	Attempts      int     `json:"attempts"`

	connectionFacts
}

// connectionFacts are what the socket of a connection says about itself.
type connectionFacts struct {
	Type    socket.Type         `json:"type,omitempty"`
	Connect socket.Connect      `json:"connect,omitempty"`
	Peer    *socket.Credentials `json:"peer,omitempty"`    // of a UNIX socket
	Options *socket.Options     `json:"options,omitempty"` // as they are in effect
}

func factsOf(c *socket.Conn) connectionFacts {
	f := connectionFacts{Type: c.Type(), Connect: c.Connect()}
	if cred, err := c.PeerCredentials(); err == nil {
		f.Peer = &cred
	}
	if o, err := socket.ReadOptions(c); err == nil {
		f.Options = &o
	}
	return f
}

// talk joins one connection with stdin and stdout, or with a command.
func (t *connector) talk(ctx context.Context, a address) error {
	start := time.Now()
	var v *conversation
	var err error
	if !t.o.child.given() {
		// Before connecting: a server must not wait for a stdout that is not there.
		if v, err = t.o.pipe.open(t.e, &t.o.events); err != nil {
			return err
		}
		v.oob, v.linger = &t.o.oob, t.o.options.o.Linger != nil
	}
	c, times, err := t.openFor(ctx, a, t.o.retry)
	if err != nil {
		return closeConversation(v, err)
	}
	t.tellConnected(ctx, c, times)
	var res talkResult
	if v != nil {
		res, err = v.run(ctx, c.NetConn(), a.String(), 1)
	} else {
		err = t.runChild(ctx, c)
		if !breaksOff(err) && !t.o.abort {
			socket.Linger(ctx, c.NetConn(), lingerTime) // the command need not have read all that came
		}
	}
	err = t.end(c, err)
	err = closeConversation(v, err)
	t.o.events.closed(1, start, res.PipeResult, err)
	return err
}

func (t *connector) tellConnected(ctx context.Context, c *socket.Conn, times timings) {
	name := t.o.names.of(ctx, c)
	t.e.verbosef("connected to %s from %s in %.3f ms", called(peerOf(c), name), c.LocalAddr(), ms(times.total))
	if !t.o.events.on() {
		return
	}
	t.o.events.send("connected", connectedEvent{
		ID: 1, Local: c.LocalAddr().String(), Remote: c.RemoteAddr().String(), RemoteName: name, Family: string(c.AddressFamily()),
		Millis: ms(times.total), NameMillis: ms(times.name), ConnectMillis: ms(times.connect), Attempts: times.attempts,
		connectionFacts: factsOf(c),
	})
}

// openFor opens a connection, again and again until limit has passed; 0 is one
// try.
func (t *connector) openFor(ctx context.Context, a address, limit time.Duration) (*socket.Conn, timings, error) {
	if limit == 0 {
		return t.open(ctx, a)
	}
	return t.retry(ctx, a, limit)
}

// end closes a connection so that its peer learns how it ended: in order, or by
// a reset where data were lost.
func (t *connector) end(c *socket.Conn, err error) error {
	if breaksOff(err) || t.o.abort {
		if aerr := c.Abort(); err == nil && aerr != nil && !errors.Is(aerr, os.ErrClosed) {
			err = aerr
		}
		return err
	}
	if cerr := c.Close(); err == nil && cerr != nil && socket.ErrorID(cerr) != socket.Closed {
		return at(peerOf(c), cerr)
	}
	return err
}

// closeConversation closes v if there is one, and returns the first failure.
func closeConversation(v *conversation, err error) error {
	if v == nil {
		return err
	}
	if cerr := v.close(); err == nil {
		err = cerr
	}
	return err
}

// runChild runs the command of --exec or --sh with the connection.
func (t *connector) runChild(ctx context.Context, c *socket.Conn) error {
	vars := connVariables("tcp", c.LocalAddr(), c.RemoteAddr())
	if c.AddressFamily() == socket.File {
		vars = connVariables("unix", c.LocalAddr(), c.RemoteAddr())
	}
	vars = append(vars, t.o.names.variables(ctx, c)...)
	f, err := connFile(c.NetConn())
	if err != nil {
		return at(peerOf(c), err)
	}
	if f == nil && t.o.execFD {
		return usagef("--exec-fd: this system cannot hand a connection on")
	}
	if f == nil {
		return t.o.child.run(ctx, t.e, c, c, vars)
	}
	defer f.Close()
	if !t.o.execFD {
		return t.o.child.run(ctx, t.e, f, f, vars)
	}
	argv, err := t.o.child.argv()
	if err != nil {
		return err
	}
	return t.e.runProgram(ctx, argv, t.e.stdin, t.e.stdout, connEnviron(append(vars, "BRIO_FD=3")), t.o.child.execStatus, f)
}

// peerOf names the peer of a connection in messages.
func peerOf(c *socket.Conn) string {
	if c.AddressFamily() == socket.File {
		return "unix:" + c.RemoteFilename()
	}
	return c.RemoteAddr().String()
}
