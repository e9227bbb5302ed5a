package cmd

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

// maxDatagram is the size of the largest datagram of UDP and of UNIX sockets
// with their default buffers, and then some.
const maxDatagram = 128 << 10

func newDgramCmd(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "dgram COMMAND",
		Short: "send and receive datagrams: UDP and UNIX, broadcast, multicast",
		Long: `Sends, receives and answers datagrams. ADDR is host:port, or unix:/path or
unix:@name for UNIX datagram sockets. A datagram stays a datagram: what is sent as
one is received as one, and what does not fit is reported.`,
		Example: `  echo hello | brio dgram send localhost:9000
  brio dgram send --data ping --wait 2s localhost:9000
  brio dgram recv --count 1 :5000
  brio dgram echo :7777`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return runGroup(e, c, args) },
	}
	c.AddCommand(newDgramSendCmd(e), newDgramRecvCmd(e), newDgramPipeCmd(e), newDgramEchoCmd(e))
	return exits(c)
}

// dgramFlags are the flags of every datagram command.
type dgramFlags struct {
	ip        ipFlags
	options   optionFlags
	source    string
	broadcast bool
	mcastIf   string
	mcastTTL  *int
	mcastLoop *bool
	join      []string
	events    events
}

// addSocket defines the flags about the socket.
func (d *dgramFlags) addSocket(c *cobra.Command) {
	flagGroup(c, "Address", d.ip.add)
	flagGroup(c, "Broadcast and multicast", func(f *pflag.FlagSet) {
		f.BoolVar(&d.broadcast, "broadcast", false, "permit broadcast addresses")
		f.StringVar(&d.mcastIf, "mcast-if", "", "send to groups through the interface `ID` (name or number)")
		intOption(f, &d.mcastTTL, "mcast-ttl", "let datagrams to groups pass `N`-1 routers (1 unless set)")
		boolOption(f, &d.mcastLoop, "mcast-loop", "deliver datagrams to groups on this host as well (on unless set to false)")
		f.StringArrayVar(&d.join, "join", nil, "join a group: `GROUP[%IF][,SOURCE]` (repeatable)")
	})
	flagGroup(c, "Socket", d.options.add)
	flagGroup(c, "Report", d.events.addFlag)
}

// addSource defines the flag of the address to send from.
func (d *dgramFlags) addSource(f *pflag.FlagSet) {
	f.StringVarP(&d.source, "source", "s", "", "send from `ADDR[:PORT]`, :PORT or unix:PATH")
}

// config is the configuration for socket.DialPacket and socket.ListenPacket
// that the flags describe.
func (d *dgramFlags) config() (socket.PacketConfig, error) {
	dial := dialFlags{ip: d.ip, source: d.source, options: d.options}
	from, err := dial.config()
	if err != nil {
		return socket.PacketConfig{}, err
	}
	cfg := socket.PacketConfig{
		IP: from.IP, Scope: from.Scope, LocalAddr: from.LocalAddr, LocalPort: from.LocalPort, LocalPath: from.LocalPath,
		Options: from.Options, Lookup: from.Lookup,
		Multicast: socket.MulticastConfig{Interface: d.mcastIf, TTL: d.mcastTTL, Loop: d.mcastLoop},
	}
	if d.broadcast {
		cfg.Options.Broadcast = &d.broadcast
	}
	for _, s := range d.join {
		m, err := parseMembership(s)
		if err != nil {
			return cfg, err
		}
		cfg.Join = append(cfg.Join, m)
	}
	return cfg, nil
}

// parseMembership reads GROUP[%IF][,SOURCE].
func parseMembership(s string) (m socket.Membership, err error) {
	group, source, _ := strings.Cut(s, ",")
	group, m.Interface, _ = strings.Cut(group, "%")
	if m.Group, err = socket.ParseDotted(group); err != nil {
		return m, usagef("--join: %w", err)
	}
	if !m.Group.IsMulticast() {
		return m, usagef("--join: %s is not a multicast group", m.Group).
			hint("groups are 224.0.0.0 to 239.255.255.255, and ff00::/8")
	}
	if source != "" {
		if m.Source, err = socket.ParseDotted(source); err != nil {
			return m, usagef("--join: source: %w", err)
		}
	}
	return m, nil
}

// packetTarget is the network and address for a datagram socket.
func (a address) packetTarget() (network, target string, err error) {
	switch a.scheme {
	case "unix":
		return "unixgram", a.path, nil
	case "", "udp":
		return "udp", a.String(), nil
	case "udp4", "udp6":
		return a.scheme, a.String(), nil
	case "fd":
		return "", "", usagef("a descriptor is no address to send to; a socket to receive from may be one")
	}
	return "", "", usagef("%s:// has no datagrams; use host:port, udp:// or unix:", a.scheme)
}

// checkFamily refuses what sockets of the family of a do not have.
func (d *dgramFlags) checkFamily(a address, cfg *socket.PacketConfig) error {
	switch {
	case a.isUnix() && (len(cfg.Join) > 0 || cfg.Multicast != socket.MulticastConfig{}):
		return usagef("--join, --mcast-if, --mcast-ttl and --mcast-loop are for UDP, and %s is a UNIX socket", a)
	case !a.isUnix() && cfg.Mode != 0:
		return usagef("--mode is for UNIX sockets, and %s is none", a)
	}
	return nil
}

// listen makes the socket that receives for the address of the arguments, or
// takes over the one that brio was started with.
func (d *dgramFlags) listen(ctx context.Context, args []string, cfg socket.PacketConfig) (*socket.DatagramSocket, error) {
	if fd, ok, err := inheritedFD(args); err != nil {
		return nil, err
	} else if ok {
		s, err := socket.InheritPacket(fd, cfg)
		if err != nil {
			return nil, inheritFailure(fd, err, "brio listen")
		}
		return s, nil
	}
	a, err := parseAddressArgs(args, useListen)
	if err != nil {
		return nil, err
	}
	network, target, err := a.packetTarget()
	if err != nil {
		return nil, err
	}
	if err := d.checkFamily(a, &cfg); err != nil {
		return nil, err
	}
	s, err := socket.ListenPacket(ctx, network, target, cfg)
	if err != nil {
		f := &failure{err: socket.Describe(err).Err, op: "listen", target: a.String(), status: statusOf(err), kind: string(socket.ErrorID(err))}
		if a.isUnix() && socket.ErrorID(err) == socket.AddressInUse && !cfg.ReplaceStale {
			f.hint("if no process uses the socket any more: --replace-stale")
		}
		return nil, f
	}
	return s, nil
}

// connect makes the socket that sends to a.
func (d *dgramFlags) connect(ctx context.Context, a address, cfg socket.PacketConfig) (*socket.DatagramSocket, error) {
	network, target, err := a.packetTarget()
	if err != nil {
		return nil, err
	}
	if err := d.checkFamily(a, &cfg); err != nil {
		return nil, err
	}
	if err := checkSource(d.source, a); err != nil {
		return nil, err
	}
	s, err := socket.DialPacket(ctx, network, target, cfg)
	if err != nil {
		return nil, packetFailure("connect", a.String(), err)
	}
	return s, nil
}

// packetFailure is a failure of a datagram socket, with what can be done.
func packetFailure(op, target string, err error) *failure {
	f := socketFailure(op, target, err)
	if errors.Is(err, syscall.EPROTOTYPE) {
		f.hint("it is a socket for connections: brio connect %s", target)
	}
	switch socket.ErrorID(err) {
	case socket.AccessDenied:
		if f.op == "bind" || strings.HasPrefix(target, "unix:") {
			break
		}
		f.hint("a broadcast address needs --broadcast")
	case socket.MessageTooLong:
		f.hint("a datagram over IPv4 holds at most 65507 bytes; cut the input with: --framing lines, or --framing 1400")
	}
	return f
}

// interruptible ends calls of s when ctx ends. The function returned ends that.
func interruptible(ctx context.Context, s *socket.DatagramSocket) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		past := time.Unix(1, 0)
		_ = s.SetReadDeadline(past) // fails only on a closed socket
		_ = s.SetWriteDeadline(past)
	})
}

// errNothingCame says that no datagram came in the time for it.
var errNothingCame = errors.New("nothing came in time")

// waitFor lets the next call receive wait for d, for ever when it is 0, and
// until ctx ends.
func waitFor(ctx context.Context, s *socket.DatagramSocket, d time.Duration) error {
	var until time.Time
	if d > 0 {
		until = time.Now().Add(d)
	}
	if err := s.SetReadDeadline(until); err != nil {
		return err
	}
	return context.Cause(ctx) // it may have ended before the deadline was moved
}

// received turns the error of a call that waited into what it means.
func received(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errNothingCame
	}
	return err
}

// A datagramResult is one datagram that was received.
type datagramResult struct {
	From      string  `json:"from"` // "" when the sender has no address
	Length    int     `json:"len"`
	Truncated bool    `json:"truncated"` // it was longer
	Encoding  string  `json:"encoding"`  // of data: text, hex, base64
	Data      string  `json:"data"`
	Millis    float64 `json:"elapsed_ms"` // since the start, or since what it answers was sent
}

func newDatagramResult(m socket.Message, encoding string, since time.Time) datagramResult {
	data := m.Data[:m.N]
	if encoding == "" {
		encoding = "text"
		if !utf8.Valid(data) {
			encoding = "base64"
		}
	}
	return datagramResult{
		From: placeOf(m.Addr), Length: m.N, Truncated: m.Truncated, Encoding: encoding, Data: encodeData(data, encoding),
		Millis: float64(time.Since(since).Microseconds()) / 1000,
	}
}

func encodeData(b []byte, encoding string) string {
	switch encoding {
	case "hex":
		return hex.EncodeToString(b)
	case "base64":
		return base64.StdEncoding.EncodeToString(b)
	}
	return string(b)
}

func decodeData(s, encoding string) ([]byte, error) {
	switch encoding {
	case "hex":
		return hex.DecodeString(strings.Join(strings.Fields(s), ""))
	case "base64":
		return base64.StdEncoding.DecodeString(s)
	}
	return []byte(s), nil
}

// A datagramEvent is a datagram in the events: without its data.
type datagramEvent struct {
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	Length    int    `json:"len"`
	Truncated bool   `json:"truncated"`
}

func receivedEvent(m socket.Message) datagramEvent {
	return datagramEvent{From: placeOf(m.Addr), Length: m.N, Truncated: m.Truncated}
}

// printFlags say how received datagrams are printed.
type printFlags struct {
	encoding string // "" and text: as they are
	framing  string // what follows each: whole (nothing), lines, nul
	size     int64
}

func (p *printFlags) add(f *pflag.FlagSet) {
	enumVar(f, &p.encoding, "encoding", "", []string{"text", "hex", "base64"}, "print received data as `ENCODING` (default as it is; in JSON text, or base64 if it is none)")
	enumVar(f, &p.framing, "print", "whole", []string{"whole", "lines", "nul"}, "after each received datagram print nothing, a line end or a NUL: `RULE`")
	sizeVar(f, &p.size, "size", 65535, "room of `SIZE` for a received datagram; what does not fit is lost, and reported")
}

// check refuses a room that holds nothing, or takes all memory.
func (p *printFlags) check() error {
	if p.size < 1 || p.size > maxRoom {
		return usagef("--size is from 1 to 1M")
	}
	return nil
}

// print writes one datagram. Data that are encoded are text: each has a line.
func (p *printFlags) print(w io.Writer, m socket.Message) error {
	b := m.Data[:m.N]
	end := map[string]string{"lines": "\n", "nul": "\x00"}[p.framing]
	if p.encoding == "hex" || p.encoding == "base64" {
		b = []byte(encodeData(b, p.encoding))
		if end == "" {
			end = "\n"
		}
	}
	if end != "" {
		b = append(b[:len(b):len(b)], end...)
	}
	_, err := w.Write(b)
	return err
}

// ready tells in every way that s may be used.
func (d *dgramFlags) ready(ctx context.Context, e *env, r *readyFlags, s *socket.DatagramSocket) (done func(), err error) {
	local := s.LocalAddr()
	port := local.Path
	if local.AddrPort.IsValid() {
		port = strconv.Itoa(int(local.AddrPort.Port()))
	}
	d.events.send("listening", listeningEvent{Address: placeOf(local), Port: local.AddrPort.Port(), Path: local.Path, Family: string(s.AddressFamily())})
	e.verbosef("listening on %s", placeOf(local))
	e.noteExposure(s.LocalHost(), s.LocalPort(), d.ip.only6)
	return r.announce(ctx, placeOf(local), port)
}

// reportDrops says how many datagrams s has lost, and what helps.
func (d *dgramFlags) reportDrops(e *env, s *socket.DatagramSocket) uint64 {
	n, err := s.Drops()
	if err != nil || n == 0 {
		return 0
	}
	e.note("the receive buffer was full: %s lost", plural(int(n), "datagram"))
	if o, err := socket.ReadOptions(s); err == nil && o.ReceiveBuffer != nil && *o.ReceiveBuffer < socket.DefaultReceiveBuffer {
		e.note("the buffer has %s; the system allows no more (sysctl net.core.rmem_max)", formatSize(int64(*o.ReceiveBuffer)))
	}
	return n
}

// placeOf names the address of a socket as parseAddress reads it.
func placeOf(a socket.PacketAddr) string {
	if a.Path != "" {
		return "unix:" + a.Path
	}
	return a.String()
}
