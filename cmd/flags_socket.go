package cmd

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

// ipFlags choose the IP version.
type ipFlags struct {
	only4, only6 bool
	prefer       string
	scope        string
	dnsMode      []string
}

func (i *ipFlags) add(f *pflag.FlagSet) {
	f.BoolVarP(&i.only4, "ipv4", "4", false, "use IPv4 only")
	f.BoolVarP(&i.only6, "ipv6", "6", false, "use IPv6 only")
	enumVar(f, &i.prefer, "prefer", "6", []string{"4", "6"}, "try this IP `VERSION` first")
	f.StringVar(&i.scope, "scope-id", "", "the interface (name or number) of link-local addresses: `ID`")
	f.StringSliceVar(&i.dnsMode, "dns-mode", []string{"system"}, "look names up with these, in this order: dns, system (`LIST`)")
}

func (i *ipFlags) policy() (socket.IPPolicy, error) {
	switch {
	case i.only4 && i.only6:
		return 0, usagef("-4 and -6 exclude each other")
	case i.only4:
		return socket.OnlyIPv4, nil
	case i.only6:
		return socket.OnlyIPv6, nil
	case i.prefer == "4":
		return socket.PreferIPv4, nil
	}
	return socket.AnyIP, nil
}

// resolver looks names up as --dns-mode says.
func (i *ipFlags) resolver() (*socket.Resolver, error) {
	policy, err := i.policy()
	if err != nil {
		return nil, err
	}
	r := &socket.Resolver{Policy: policy}
	for _, m := range i.dnsMode {
		switch socket.Mode(m) {
		case socket.ModeDNS:
			r.DNS = newNameService()
		case socket.ModeSystem:
		default:
			return nil, unknownValue("--dns-mode", m, []string{string(socket.ModeDNS), string(socket.ModeSystem)})
		}
		r.Modes = append(r.Modes, socket.Mode(m))
	}
	return r, nil
}

// lookup is how sockets find the addresses of names.
func (i *ipFlags) lookup() (socket.IPPolicy, func(context.Context, string) ([]netip.Addr, error), error) {
	r, err := i.resolver()
	if err != nil {
		return 0, nil, err
	}
	return r.Policy, func(ctx context.Context, host string) ([]netip.Addr, error) {
		return r.LookupHost(ctx, host, socket.LookupOptions{All: true})
	}, nil
}

// dialFlags are the flags of commands that connect.
type dialFlags struct {
	ip             ipFlags
	source         string
	connectTimeout time.Duration
	mptcp          bool
	options        optionFlags
	md5            md5Flags
}

// add defines the flags of d in their groups.
func (d *dialFlags) add(c *cobra.Command) {
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		durationVar(f, &d.connectTimeout, "connect-timeout", 10*time.Second, "give up connecting after `DURATION` (none: never)")
	})
	flagGroup(c, "Address", func(f *pflag.FlagSet) {
		d.ip.add(f)
		f.StringVarP(&d.source, "source", "s", "", "connect from `ADDR[:PORT]`, :PORT or unix:PATH")
	})
	flagGroup(c, "Socket", func(f *pflag.FlagSet) {
		d.options.add(f)
		f.BoolVar(&d.mptcp, "mptcp", false, "use multipath TCP")
		d.md5.add(f, "sign segments to the peer with `KEY`, or those to ADDR[/BITS] with ADDR=KEY")
	})
}

// config is the configuration for socket.Dial that the flags describe.
func (d *dialFlags) config() (socket.Config, error) {
	var (
		cfg socket.Config
		err error
	)
	if cfg.IP, cfg.Lookup, err = d.ip.lookup(); err != nil {
		return cfg, err
	}
	cfg.Scope, cfg.MPTCP = d.ip.scope, d.mptcp
	if cfg.Options, err = d.options.options(); err != nil {
		return cfg, err
	}
	if cfg.MD5Key, err = d.md5.peerKey(); err != nil {
		return cfg, err
	}
	return cfg, d.setSource(&cfg)
}

func (d *dialFlags) setSource(cfg *socket.Config) error {
	if path, ok := strings.CutPrefix(d.source, "unix:"); ok {
		cfg.LocalPath = path
		return nil
	}
	if d.source == "" {
		return nil
	}
	a, err := splitAddress(d.source, useHostOnly)
	if err != nil {
		return err
	}
	if a.host != "" {
		if cfg.LocalAddr, err = socket.ParseDotted(a.host); err != nil {
			return usagef("--source: %w", err)
		}
	}
	if a.port != "" {
		n, err := strconv.ParseUint(a.port, 10, 16)
		if err != nil {
			return usagef("--source: port %q is not a number from 0 to 65535", a.port)
		}
		cfg.LocalPort = uint16(n)
	}
	return nil
}

// dial connects to a within --connect-timeout. cfg is what config returned,
// perhaps with a trace added.
func (d *dialFlags) dial(ctx context.Context, a address, cfg socket.Config) (*socket.Conn, error) {
	if d.connectTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d.connectTimeout, &timeoutError{"connecting", d.connectTimeout})
		defer cancel()
	}
	if a.isUnix() && (d.mptcp || d.md5.given()) {
		return nil, usagef("--mptcp and --tcp-md5-key are for TCP, and %s is a UNIX socket", a)
	}
	if err := checkSource(d.source, a); err != nil {
		return nil, err
	}
	network, target := a.dialTarget()
	cfg.Options = bulkOptions(a, cfg.Options)
	c, err := socket.Dial(ctx, network, target, cfg)
	if err == nil {
		return c, nil
	}
	f := socketFailure("connect", a.String(), err)
	if cause := context.Cause(ctx); f.status == statusTimeout && cause != nil {
		f.err = cause
	}
	return nil, d.explain(f, a)
}

// checkSource refuses an address to send from that is of another family.
func checkSource(source string, a address) error {
	if source != "" && strings.HasPrefix(source, "unix:") != a.isUnix() {
		return usagef("--source %s is not of the family of %s", source, a)
	}
	return nil
}

// socketFailure is the failure of a socket that was to reach target, unless it
// is of the address to reach it from.
func socketFailure(op, target string, err error) *failure {
	told := socket.Describe(err)
	f := &failure{err: told.Err, op: op, target: target, status: statusOf(err), kind: string(socket.ErrorID(err))}
	if told.Action != "bind" {
		return f
	}
	f.op, f.target = "bind", told.Address
	if told.Identifier == socket.AddressNotAvailable && !errors.Is(err, fs.ErrNotExist) {
		f.hint("the addresses of this machine: brio ipaddr interfaces")
	}
	return f
}

// bulkOptions gives UNIX sockets a send buffer for much data unless o names one:
// it takes a fifth of the processor time off. TCP adjusts its buffers itself.
func bulkOptions(a address, o socket.Options) socket.Options {
	if a.isUnix() && o.SendBuffer == nil {
		size := 1 << 20
		o.SendBuffer = &size
	}
	return o
}

// explain adds what a user can do about a failed connection.
func (d *dialFlags) explain(f *failure, a address) error {
	host, _ := socket.ParseHost(a.host)
	switch {
	case a.isUnix() && errors.Is(f.err, syscall.EPROTOTYPE):
		f.hint("it is a socket for datagrams: brio dgram send %s", a)
	case a.isUnix() && f.status == statusRefused && isNoSocket(a.path):
		f.hint("%s is no socket", a.path)
	case errors.Is(f.err, syscall.EINVAL) && host.Addr().IsLinkLocalUnicast() && host.Addr().Zone() == "":
		f.status = statusUsage
		f.hint("a link-local address needs its interface: [%s%%NAME]:%s", host.Addr(), a.port)
	}
	switch f.status {
	case statusNotFound:
		if !host.IsAddr() || !isPort(a.port) {
			f.hint("%s", unknownPlace(a))
		}
	case statusTimeout:
		if d.md5.given() {
			f.hint("a peer with another TCP MD5 key, or none, does not answer at all")
		}
	}
	return f
}

// unknownPlace says what to look at when a name or service is not known.
func unknownPlace(a address) string {
	if _, err := netip.ParseAddr(a.host); err == nil || !isPort(a.port) && !isService(a.port) {
		return "a port is a number, or one of the services that this machine knows: brio ipaddr port " + a.port
	}
	return "see what the DNS says: brio dns-query " + a.host
}

// isService reports whether this machine knows a TCP service of that name.
func isService(name string) bool {
	_, err := socket.LookupPort(context.Background(), name, "tcp") // reads a file
	return err == nil
}

// isNoSocket reports whether something else than a socket is at path.
func isNoSocket(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().Type() != fs.ModeSocket
}

// dialTarget is the network and address for socket.Dial.
func (a address) dialTarget() (network, target string) {
	switch {
	case a.isUnix():
		return "unix", a.path
	case strings.HasSuffix(a.scheme, "4"):
		return "tcp4", a.String()
	case strings.HasSuffix(a.scheme, "6"):
		return "tcp6", a.String()
	}
	return "tcp", a.String()
}

// optionFlags are one flag for each socket option. A flag that is not given
// leaves its option as the system has it.
type optionFlags struct {
	o   socket.Options
	raw []string
}

func (o *optionFlags) add(f *pflag.FlagSet) {
	boolOption(f, &o.o.ReuseAddress, "reuse-address", "allow a local address that old connections still occupy")
	boolOption(f, &o.o.ReusePort, "reuse-port", "let several sockets share the local port")
	boolOption(f, &o.o.KeepAlive, "keepalive", "probe a silent peer")
	durationOption(f, &o.o.KeepAliveIdle, "keepalive-idle", "probe after `DURATION` of silence (turns --keepalive on)")
	durationOption(f, &o.o.KeepAliveInterval, "keepalive-interval", "probe again every `DURATION`")
	intOption(f, &o.o.KeepAliveCount, "keepalive-count", "give up after `N` probes")
	boolOption(f, &o.o.NoDelay, "nodelay", "send small segments at once (on unless set to false)")
	boolOption(f, &o.o.OOBInline, "oob-inline", "deliver out-of-band bytes among the others (pipes and relays do, unless set to false)")
	durationOption(f, &o.o.Linger, "linger", "wait `DURATION` at close for unsent data (0s: discard and reset)")
	sizeOption(f, &o.o.ReceiveBuffer, "receive-buffer", "`SIZE` of the receive buffer")
	sizeOption(f, &o.o.SendBuffer, "send-buffer", "`SIZE` of the send buffer")
	durationOption(f, &o.o.UserTimeout, "user-timeout", "drop a connection whose data stay unacknowledged for `DURATION`")
	intOption(f, &o.o.DSCP, "dscp", "differentiated services code point `N` (0-63)")
	intOption(f, &o.o.TTL, "ttl", "time to live, or hop limit, `N`")
	intOption(f, &o.o.MinTTL, "min-ttl", "drop packets that arrive with a lower time to live than `N`")
	intOption(f, &o.o.Mark, "mark", "mark packets with `N` for routing rules")
	f.Var(&optionValue[string]{p: &o.o.Device, kind: "string", parse: func(s string) (string, error) { return s, nil }}, "device", "use only the network interface `NAME`")
	boolOption(f, &o.o.FastOpen, "fast-open", "send or accept data with the first segment")
	boolOption(f, &o.o.FreeBind, "free-bind", "allow a local address that does not exist yet")
	boolOption(f, &o.o.Transparent, "transparent", "allow a local address of another host")
	f.StringArrayVar(&o.raw, "sockopt", nil, "set an option by level and name: `LEVEL:NAME=VALUE` (repeatable)")
}

// options are the options that the flags describe. To say how to probe is to ask
// for probes.
func (o *optionFlags) options() (socket.Options, error) {
	out := o.o
	if out.KeepAlive == nil && (out.KeepAliveIdle != nil || out.KeepAliveInterval != nil || out.KeepAliveCount != nil) {
		out.KeepAlive = new(true)
	}
	for _, s := range o.raw {
		r, err := socket.ParseRawOption(s)
		if err != nil {
			return out, usagef("--sockopt: %w", err)
		}
		out.Raw = append(out.Raw, r)
	}
	return out, nil
}

// An optionValue is a flag that leaves a pointer nil until it is given.
type optionValue[T any] struct {
	p     **T
	kind  string
	parse func(string) (T, error)
}

func (v *optionValue[T]) Type() string { return v.kind }

func (v *optionValue[T]) String() string {
	if v.p == nil || *v.p == nil {
		return ""
	}
	return fmt.Sprint(**v.p)
}

func (v *optionValue[T]) Set(s string) error {
	t, err := v.parse(s)
	if err == nil {
		*v.p = &t
	}
	return err
}

func boolOption(f *pflag.FlagSet, p **bool, name, usage string) {
	f.VarPF(&optionValue[bool]{p: p, kind: "bool", parse: strconv.ParseBool}, name, "", usage).NoOptDefVal = "true"
}

func intOption(f *pflag.FlagSet, p **int, name, usage string) {
	f.Var(&optionValue[int]{p: p, kind: "number", parse: func(s string) (int, error) { return parseNumber(s) }}, name, usage)
}

func sizeOption(f *pflag.FlagSet, p **int, name, usage string) {
	f.Var(&optionValue[int]{p: p, kind: "size", parse: func(s string) (int, error) {
		n, err := parseSize(s)
		if err == nil && n > 1<<31-1 {
			return 0, usagef("%q is more than the system can set", s)
		}
		return int(n), err
	}}, name, usage)
}

func durationOption(f *pflag.FlagSet, p **time.Duration, name, usage string) {
	f.Var(&optionValue[time.Duration]{p: p, kind: "duration", parse: parseDuration}, name, usage)
}

// parseNumber reads a whole number that fits an option of a socket.
func parseNumber(s string) (int, error) {
	n, err := strconv.ParseInt(withoutZeros(s), 0, 32)
	if err != nil {
		return 0, usagef("%q is not a whole number", s)
	}
	return int(n), nil
}

// md5Flags are the keys of TCP MD5 signatures (RFC 2385).
type md5Flags struct {
	keys     []string
	file     string
	encoding string
}

func (m *md5Flags) add(f *pflag.FlagSet, usage string) {
	f.StringArrayVar(&m.keys, "tcp-md5-key", nil, usage+" (Linux)")
	f.StringVar(&m.file, "tcp-md5-file", "", "read the keys of --tcp-md5-key from `FILE`, one a line")
	enumVar(f, &m.encoding, "tcp-md5-encoding", "text", []string{"text", "hex", "base64"}, "how the keys are written: `ENCODING`")
	secretFlag(f, "tcp-md5-key")
}

func (m *md5Flags) given() bool { return len(m.keys) > 0 || m.file != "" }

// lines are the keys from the flags and the file.
func (m *md5Flags) lines() ([]string, error) {
	lines := m.keys
	if m.file == "" {
		return lines, nil
	}
	text, err := os.ReadFile(m.file)
	if err != nil {
		return nil, usagef("--tcp-md5-file: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

func (m *md5Flags) decode(s string) ([]byte, error) {
	var (
		key = []byte(s)
		err error
	)
	switch m.encoding {
	case "hex":
		key, err = hex.DecodeString(s)
	case "base64":
		key, err = base64.StdEncoding.DecodeString(s)
	}
	switch {
	case err != nil:
		return nil, usagef("--tcp-md5-key: the key is not %s", m.encoding)
	case len(key) == 0:
		return nil, usagef("--tcp-md5-key: the key is empty")
	case len(key) > socket.MaxMD5Key:
		return nil, usagef("--tcp-md5-key: the key has %d bytes, more than %d", len(key), socket.MaxMD5Key)
	}
	return key, nil
}

// peerKey is the one key for a connection: KEY, or ADDR=KEY whose address the
// command knows already.
func (m *md5Flags) peerKey() ([]byte, error) {
	lines, err := m.lines()
	if err != nil || len(lines) == 0 {
		return nil, err
	}
	if len(lines) > 1 {
		return nil, usagef("--tcp-md5-key: one connection has one key, not %d", len(lines))
	}
	if addr, key, ok := strings.Cut(lines[0], "="); ok && socket.IsIPAddr(addr) {
		return m.decode(key)
	}
	return m.decode(lines[0])
}

// peerKeys are the keys of a listener: ADDR[/BITS][%IF]=KEY each.
func (m *md5Flags) peerKeys() ([]socket.MD5Key, error) {
	lines, err := m.lines()
	if err != nil {
		return nil, err
	}
	var keys []socket.MD5Key
	for _, line := range lines {
		peer, text, ok := strings.Cut(line, "=")
		if !ok {
			return nil, usagef("--tcp-md5-key: a listener needs ADDR[/BITS]=KEY, to know whose key it is")
		}
		k := socket.MD5Key{}
		peer, k.Interface, _ = strings.Cut(peer, "%")
		if k.Peer, err = socket.ParsePrefix(peer); err != nil {
			return nil, usagef("--tcp-md5-key: %w", err)
		}
		if k.Key, err = m.decode(text); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}
