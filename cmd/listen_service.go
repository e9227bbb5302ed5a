package cmd

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// piped reports whether connections are joined to stdin and stdout.
func (o *listenOptions) piped() bool {
	return !o.served && !o.child.given() && o.forward == "" && !o.echo && !o.discard && !o.chargen && o.send == "" && !o.broker
}

// perConnection reports whether every connection has an output file of its own.
func (o *listenOptions) perConnection() bool { return o.outputs != "" }

// serviceFlags are the flags of pipeFlags that each service heeds; the pipe heeds
// all of them.
func serviceFlags(name string) []string {
	switch name {
	case "exec", "sh":
		return nil
	case "forward":
		return []string{"idle-timeout", "hexdump", "rate"}
	case "send", "chargen":
		return []string{"idle-timeout", "read-timeout", "write-timeout", "max-bytes", "half-close", "after-stdin-eof", "after-peer-eof"}
	case "broker":
		return []string{"idle-timeout", "read-timeout", "write-timeout"}
	}
	return []string{"idle-timeout", "read-timeout", "write-timeout", "max-bytes"}
}

// checkService refuses a flag that the service does not heed: nothing is to be
// ignored in silence.
func (o *listenOptions) checkService(e *env) error {
	service := ""
	for _, name := range []string{"exec", "sh", "forward", "echo", "discard", "chargen", "send", "broker"} {
		if !e.cmd.Flags().Changed(name) {
			continue
		}
		if e.cmd.Flags().Lookup(name).Value.String() == "" {
			return usagef("--%s needs a value", name)
		}
		service = name
	}
	if service == "" {
		return nil
	}
	if in := o.options.o.OOBInline; in != nil && !*in && slices.Contains([]string{"forward", "echo", "broker"}, service) {
		return usagef("--oob-inline=false has no effect with --%s: it passes everything on", service)
	}
	return refusePipeFlags(e, "--"+service, append(serviceFlags(service), "no-stdin", "recv-only"))
}

// service is what the flags say to do with connections. finish ends it, and may
// be called twice.
func (o *listenOptions) service(e *env) (serve service, finish func() error, err error) {
	finish = func() error { return nil }
	switch {
	case o.child.given():
		_, err = o.child.argv()
		return o.execService(e), finish, err
	case o.forward != "":
		return o.forwardService(e)
	case o.echo:
		return o.plain(socket.Echo), finish, nil
	case o.discard:
		return o.discardService()
	case o.chargen:
		return o.sourceService(func() (io.ReadCloser, error) { return io.NopCloser(socket.Chargen()), nil }), finish, nil
	case o.send != "":
		if st, err := os.Stat(o.send); err != nil || st.IsDir() {
			return nil, finish, usagef("--send: %s is not a file that can be read", o.send)
		}
		return o.sourceService(func() (io.ReadCloser, error) { return os.Open(o.send) }), finish, nil
	case o.broker:
		b := new(socket.Broker)
		return func(ctx context.Context, c *socket.Conn, _ int64) (socket.PipeResult, error) {
			r, err := b.Serve(ctx, c.NetConn(), o.bounds())
			return r, o.explainPump(err, c)
		}, finish, nil
	}
	return o.pipeService(e)
}

// bounds are the limits of one connection.
func (o *listenOptions) bounds() socket.PumpOptions {
	return socket.PumpOptions{Idle: o.pipe.idle, Read: o.pipe.read, Write: o.pipe.write, Limit: o.pipe.maxBytes}
}

// explainPump names the peer in the failure of a service without stdin and
// stdout.
func (o *listenOptions) explainPump(err error, c *socket.Conn) error {
	if err == nil {
		return nil
	}
	v := conversation{flags: &o.pipe}
	return v.explain(err, peerName(c))
}

// pipeService joins connections to stdin and stdout. With -k stdin is read for
// none of them: it could be sent to one only.
func (o *listenOptions) pipeService(e *env) (service, func() error, error) {
	if o.keepOpen {
		o.pipe.noStdin = true
	}
	v, err := o.pipe.open(e, &o.events)
	if err != nil {
		return nil, nil, err
	}
	v.oob, v.linger = &o.oob, o.options.o.Linger != nil
	o.share(v)
	return func(ctx context.Context, c *socket.Conn, id int64) (socket.PipeResult, error) {
		if o.perConnection() {
			f, err := o.createOutput(outputName(o.outputs, c, id))
			if err != nil {
				return socket.PipeResult{}, err
			}
			return v.runInto(ctx, c, id, f)
		}
		r, err := v.run(ctx, c.NetConn(), peerName(c), id)
		return r.PipeResult, err
	}, v.close, nil
}

// share keeps the output of v open for many connections, if there may be many.
func (o *listenOptions) share(v *conversation) {
	v.keep = o.keepOpen
	if v.keep && v.out != nil && !o.perConnection() {
		o.shared = v.out
	}
}

// outputName fills in the file name of one connection.
func outputName(template string, c *socket.Conn, id int64) string {
	host := c.RemoteFilename()
	if h := c.RemoteHost(); h.IsValid() {
		host = h.String()
	}
	return outputPlaceholders(
		strconv.FormatInt(id, 10),
		strings.ReplaceAll(host, "/", "_"),
		strconv.Itoa(int(c.RemotePort())),
		time.Now().UTC().Format("20060102T150405.000000000Z"),
	).Replace(template)
}

// outputPlaceholders replaces what may stand in braces.
func outputPlaceholders(id, host, port, now string) *strings.Replacer {
	return strings.NewReplacer("{id}", id, "{host}", host, "{port}", port, "{time}", now)
}

// createOutput opens the output file of one connection. Where several may have
// the same name each is appended, so that none destroys what another has.
func (o *listenOptions) createOutput(name string) (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if !strings.Contains(o.outputs, "{id}") && !strings.Contains(o.outputs, "{time}") {
		flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	f, err := os.OpenFile(name, flags, 0o666)
	if err != nil {
		return nil, &outputError{name, plainCause(err)}
	}
	return f, nil
}

// runInto is run with an output file of its own.
func (v *conversation) runInto(ctx context.Context, c *socket.Conn, id int64, f *os.File) (socket.PipeResult, error) {
	name := f.Name()
	flags, own := *v.flags, *v
	flags.output = name
	own.flags, own.out, own.toFile = &flags, f, true
	r, err := own.run(ctx, c.NetConn(), peerName(c), id)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = &outputError{name, plainCause(cerr)}
	}
	return r.PipeResult, err
}

// plain makes a service of a function of the socket package.
func (o *listenOptions) plain(f func(context.Context, net.Conn, socket.PumpOptions) (int64, error)) service {
	return func(ctx context.Context, c *socket.Conn, _ int64) (socket.PipeResult, error) {
		n, err := f(ctx, c.NetConn(), o.bounds())
		return socket.PipeResult{Sent: n, Received: n}, o.explainPump(err, c)
	}
}

// discardService throws away what is received, inside the kernel where it can.
func (o *listenOptions) discardService() (service, func() error, error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, c *socket.Conn, _ int64) (socket.PipeResult, error) {
		n, err := socket.Pump(ctx, null, c.NetConn(), o.bounds())
		return socket.PipeResult{Received: n}, o.explainPump(err, c)
	}, func() error { null.Close(); return nil }, nil
}

// sourceService sends what open returns to every connection, and discards what
// comes back. A peer that has had enough may leave.
func (o *listenOptions) sourceService(open func() (io.ReadCloser, error)) service {
	return func(ctx context.Context, c *socket.Conn, id int64) (socket.PipeResult, error) {
		source, err := open()
		if err != nil {
			return socket.PipeResult{}, &failure{err: plainCause(err), target: o.send, status: statusLocalIO}
		}
		defer source.Close()
		cfg := (&conversation{flags: &o.pipe, events: &o.events, class: socket.DataInput}).config(id)
		cfg.Input = source
		r, err := socket.Pipe(ctx, c.NetConn(), cfg)
		if o.chargen && (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)) {
			err = nil // it has no other end
		}
		return r, o.explainPump(err, c)
	}
}

// lingerTime is how long a command's peer may go on sending what nobody reads.
const lingerTime = time.Second

// execService runs the command of --exec or --sh for every connection.
func (o *listenOptions) execService(e *env) service {
	return func(ctx context.Context, c *socket.Conn, _ int64) (socket.PipeResult, error) {
		f, err := connFile(c.NetConn())
		if err != nil {
			return socket.PipeResult{}, at(peerName(c), err)
		}
		vars := append(peerEnviron(c), o.names.variables(ctx, c)...)
		if f == nil {
			return socket.PipeResult{}, o.child.run(ctx, e, c, c, vars)
		}
		err = o.child.run(ctx, e, f, f, vars)
		_ = f.Close() // it is a copy
		if !breaksOff(err) {
			socket.Linger(ctx, c.NetConn(), lingerTime)
		}
		return socket.PipeResult{}, err
	}
}

// peerEnviron are the variables that tell a command about its connection.
func peerEnviron(c *socket.Conn) []string {
	if c.AddressFamily() == socket.Internet {
		return connVariables("tcp", c.LocalAddr(), c.RemoteAddr())
	}
	vars := connVariables("unix", c.LocalAddr(), c.RemoteAddr())
	if cred, err := c.PeerCredentials(); err == nil {
		vars = append(vars, "BRIO_PEER_PID="+strconv.Itoa(cred.PID), "BRIO_PEER_UID="+strconv.Itoa(cred.UID), "BRIO_PEER_GID="+strconv.Itoa(cred.GID))
	}
	return vars
}

// forwardService joins every connection with one to the address of --forward.
func (o *listenOptions) forwardService(e *env) (service, func() error, error) {
	a, err := parseAddress(o.forward, useConnect)
	if err != nil {
		return nil, nil, err
	}
	d := dialFlags{ip: o.ip, connectTimeout: o.connectTimeout}
	cfg, err := d.config()
	if err != nil {
		return nil, nil, err
	}
	filters := conversation{e: e, flags: &o.pipe}
	if err := filters.openFilters(); err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, c *socket.Conn, _ int64) (socket.PipeResult, error) {
		far, err := d.dial(ctx, a, cfg)
		if err != nil {
			return socket.PipeResult{}, err
		}
		defer far.Close()
		there, back, err := socket.Relay(ctx, c.NetConn(), far.NetConn(), socket.RelayOptions{
			Idle: o.pipe.idle, FilterAtoB: filters.tap(ctx, ">"), FilterBtoA: filters.tap(ctx, "<"),
		})
		e.debugf("%s: %d bytes there, %d back", peerName(c), there, back)
		return socket.PipeResult{Sent: back, Received: there}, o.explainPump(err, c)
	}, filters.close, nil
}
