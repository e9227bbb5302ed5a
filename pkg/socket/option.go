package socket

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Options are the options of a socket. A nil field leaves the option as it is;
// so the zero Options changes nothing. A connection that a listener accepts has
// the options of the listener. The same struct returns the effective values:
// see [ReadOptions].
//
// One default differs from that of the system: the net package turns
// NoDelay on.
type Options struct {
	// ReuseAddress allows a local address that old connections still occupy.
	// Listeners have it on unless it is set here.
	ReuseAddress *bool

	// ReusePort lets several sockets share one local port.
	ReusePort *bool

	// Broadcast permits datagrams to broadcast addresses. It is off unless it
	// is set here.
	Broadcast *bool

	// KeepAlive makes TCP probe a silent peer: first after KeepAliveIdle, then
	// every KeepAliveInterval, giving up after KeepAliveCount probes. The
	// durations count in whole seconds.
	KeepAlive         *bool
	KeepAliveIdle     *time.Duration
	KeepAliveInterval *time.Duration
	KeepAliveCount    *int

	// NoDelay sends small segments at once.
	NoDelay *bool

	// OOBInline delivers the out-of-band byte among the others.
	OOBInline *bool

	// Linger makes Close wait that long (in whole seconds) for unsent data. Zero
	// discards the data and resets the connection, a negative value is the
	// default: Close returns at once and the kernel goes on sending.
	Linger *time.Duration

	// ReceiveBuffer and SendBuffer are sizes in bytes. Linux reports twice the
	// size asked for, because it counts its own bookkeeping.
	ReceiveBuffer *int
	SendBuffer    *int

	// UserTimeout ends a connection whose data stay unacknowledged that long,
	// in milliseconds (RFC 5482).
	UserTimeout *time.Duration

	DSCP   *int // differentiated services code point, 0-63 (RFC 2474)
	TTL    *int // time to live, or hop limit, of packets sent
	MinTTL *int // packets received with less are dropped (RFC 5082)
	Mark   *int // mark for packet filters and routing rules

	// Device is the name of the only network interface to use.
	Device *string

	// FastOpen sends data with the first segment, or accepts that (RFC 7413). A
	// connection may then not exist before something is written, which does not
	// suit protocols where the server speaks first.
	FastOpen *bool

	// DeferAccept wakes a listener only when data have come, for at most that
	// long, in whole seconds.
	DeferAccept *time.Duration

	FreeBind    *bool // allow a local address that does not exist yet
	Transparent *bool // allow a local address of another host

	// Raw are options by level and name, set after all others.
	Raw []RawOption
}

// MarshalJSON writes the fields that are set, durations in milliseconds. A
// linger that is off has no value.
func (o Options) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ReuseAddress      *bool    `json:"reuse_address,omitempty"`
		ReusePort         *bool    `json:"reuse_port,omitempty"`
		Broadcast         *bool    `json:"broadcast,omitempty"`
		KeepAlive         *bool    `json:"keepalive,omitempty"`
		KeepAliveIdle     *float64 `json:"keepalive_idle_ms,omitempty"`
		KeepAliveInterval *float64 `json:"keepalive_interval_ms,omitempty"`
		KeepAliveCount    *int     `json:"keepalive_count,omitempty"`
		NoDelay           *bool    `json:"nodelay,omitempty"`
		OOBInline         *bool    `json:"oob_inline,omitempty"`
		Linger            *float64 `json:"linger_ms,omitempty"`
		ReceiveBuffer     *int     `json:"receive_buffer,omitempty"`
		SendBuffer        *int     `json:"send_buffer,omitempty"`
		UserTimeout       *float64 `json:"user_timeout_ms,omitempty"`
		DSCP              *int     `json:"dscp,omitempty"`
		TTL               *int     `json:"ttl,omitempty"`
		MinTTL            *int     `json:"min_ttl,omitempty"`
		Mark              *int     `json:"mark,omitempty"`
		Device            *string  `json:"device,omitempty"`
		FastOpen          *bool    `json:"fast_open,omitempty"`
		DeferAccept       *float64 `json:"defer_accept_ms,omitempty"`
		FreeBind          *bool    `json:"free_bind,omitempty"`
		Transparent       *bool    `json:"transparent,omitempty"`
	}{
		o.ReuseAddress, o.ReusePort, o.Broadcast,
		o.KeepAlive, milliseconds(o.KeepAliveIdle), milliseconds(o.KeepAliveInterval), o.KeepAliveCount,
		o.NoDelay, o.OOBInline, milliseconds(o.Linger),
		o.ReceiveBuffer, o.SendBuffer, milliseconds(o.UserTimeout),
		o.DSCP, o.TTL, o.MinTTL, o.Mark, o.Device,
		o.FastOpen, milliseconds(o.DeferAccept), o.FreeBind, o.Transparent,
	})
}

// milliseconds converts a duration for JSON; nil and negative ones have no
// value.
func milliseconds(d *time.Duration) *float64 {
	if d == nil || *d < 0 {
		return nil
	}
	return new(float64(*d) / float64(time.Millisecond))
}

// An optionField connects a field of [Options] whose system value is an
// integer with its name.
type optionField struct {
	name  string // as messages spell it
	value func() (v int, set bool)
	store func(v int)
}

// fields lists the integer options of o, in the order they are set.
func (o *Options) fields() []optionField {
	return []optionField{
		boolField("reuse-address", &o.ReuseAddress),
		boolField("reuse-port", &o.ReusePort),
		boolField("broadcast", &o.Broadcast),
		boolField("keepalive", &o.KeepAlive),
		durationField("keepalive-idle", &o.KeepAliveIdle, time.Second),
		durationField("keepalive-interval", &o.KeepAliveInterval, time.Second),
		intField("keepalive-count", &o.KeepAliveCount),
		boolField("nodelay", &o.NoDelay),
		boolField("oob-inline", &o.OOBInline),
		intField("receive-buffer", &o.ReceiveBuffer),
		intField("send-buffer", &o.SendBuffer),
		durationField("user-timeout", &o.UserTimeout, time.Millisecond),
		intField("dscp", &o.DSCP),
		intField("ttl", &o.TTL),
		intField("min-ttl", &o.MinTTL),
		intField("mark", &o.Mark),
		boolField("fast-open", &o.FastOpen),
		durationField("defer-accept", &o.DeferAccept, time.Second),
		boolField("free-bind", &o.FreeBind),
		boolField("transparent", &o.Transparent),
	}
}

func boolField(name string, p **bool) optionField {
	return optionField{
		name: name,
		value: func() (int, bool) {
			if *p == nil {
				return 0, false
			}
			if **p {
				return 1, true
			}
			return 0, true
		},
		store: func(v int) { *p = new(v != 0) },
	}
}

func intField(name string, p **int) optionField {
	return optionField{
		name: name,
		value: func() (int, bool) {
			if *p == nil {
				return 0, false
			}
			return **p, true
		},
		store: func(v int) { *p = new(v) },
	}
}

// durationField rounds up, so that a short time does not become zero, which
// often means something else.
func durationField(name string, p **time.Duration, unit time.Duration) optionField {
	return optionField{
		name: name,
		value: func() (int, bool) {
			if *p == nil {
				return 0, false
			}
			return int((**p + unit - 1) / unit), true
		},
		store: func(v int) { *p = new(time.Duration(v) * unit) },
	}
}

// A socketKind says what sort of socket an option is for; several may be
// joined.
type socketKind uint8

const (
	kindTCP socketKind = 1 << iota
	kindUDP
	kindUnix
	kindUnixgram

	kindInternet = kindTCP | kindUDP
	kindFile     = kindUnix | kindUnixgram
	kindAny      = kindInternet | kindFile
)

// String returns the name of a single kind, as messages spell it.
func (k socketKind) String() string {
	switch k {
	case kindTCP:
		return "TCP"
	case kindUDP:
		return "UDP"
	case kindUnix:
		return "UNIX stream"
	case kindUnixgram:
		return "UNIX datagram"
	}
	return "unknown"
}

// A sysOption says how the system spells an option. Each system has a table
// of them, sysOptions.
type sysOption struct {
	name            string
	kinds           socketKind
	level, option   int
	level6, option6 int  // for IPv6 sockets, zero when there is no difference
	force           int  // an option to try first, which needs a privilege
	shift           uint // of the value within the system's
}

// findOption returns the row of the system's table for name and kind, or an
// error that wraps [ErrNotSupported].
func findOption(name string, kind socketKind) (sysOption, error) {
	for _, s := range sysOptions {
		if s.name != name {
			continue
		}
		if s.kinds&kind == 0 {
			return sysOption{}, fmt.Errorf("option %s on a %s socket: %w", name, kind, ErrNotSupported)
		}
		return s, nil
	}
	return sysOption{}, fmt.Errorf("option %s on this system: %w", name, ErrNotSupported)
}

// SetOptions changes the options of c that are set in o, in the order of the
// fields, and stops at the first failure, which names the option. An option
// that the system or the kind of socket lacks is an error that wraps
// [ErrNotSupported]. A [Conn], [Listener] or [DatagramSocket] will do as c, and
// so will the types of the net package.
func SetOptions(c syscall.Conn, o Options) error {
	return control(c, func(fd uintptr) error { return applyOptions(fd, &o) })
}

// ReadOptions returns the effective options of c. A field is nil when its kind
// of socket, or the system, has no such option.
func ReadOptions(c syscall.Conn) (Options, error) {
	var o Options
	err := control(c, func(fd uintptr) error {
		i, err := inspect(fd)
		if err != nil {
			return err
		}
		readOptions(fd, i, &o)
		return nil
	})
	return o, err
}

// control calls f with the descriptor of c, which stays open meanwhile.
func control(c syscall.Conn, f func(fd uintptr) error) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return controlRaw(rc, f)
}

func controlRaw(rc syscall.RawConn, f func(fd uintptr) error) error {
	var ferr error
	if err := rc.Control(func(fd uintptr) { ferr = f(fd) }); err != nil {
		return err
	}
	return ferr
}

// newSocketHook returns the hook of package net that calls set with the
// descriptor of a new socket, before that is bound or connected.
func newSocketHook(set func(fd uintptr) error) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error { return controlRaw(c, set) }
}

// socketInfo is what decides which options a socket has.
type socketInfo struct {
	kind socketKind
	ipv6 bool
}

func applyOptions(fd uintptr, o *Options) error {
	i, err := inspect(fd)
	if err != nil {
		return err
	}
	for _, f := range o.fields() {
		if v, set := f.value(); set {
			if err := setOption(fd, i, f.name, v); err != nil {
				return err
			}
		}
	}
	if o.Linger != nil {
		if err := setLinger(fd, *o.Linger); err != nil {
			return optionError("linger", err)
		}
	}
	if o.Device != nil {
		if err := setDevice(fd, i, *o.Device); err != nil {
			return optionError("device", err)
		}
	}
	for _, r := range o.Raw {
		if err := setRaw(fd, r); err != nil {
			return optionError(r.String(), err)
		}
	}
	return nil
}

func setOption(fd uintptr, i socketInfo, name string, v int) error {
	s, err := findOption(name, i.kind)
	if err != nil {
		return err
	}
	if v < 0 || (name == "dscp" && v > 63) {
		return &OptionError{name, fmt.Errorf("value %d is out of range: %w", v, syscall.EINVAL)}
	}
	v <<= s.shift
	if s.force != 0 && setInt(fd, s.level, s.force, v) == nil {
		return nil
	}
	if !i.ipv6 || s.level6 == 0 {
		return optionError(name, setInt(fd, s.level, s.option, v))
	}
	// An IPv6 socket carries IPv4 as well unless it is bound to one version;
	// where it cannot, the IPv4 half has nothing to say.
	_ = setInt(fd, s.level, s.option, v)
	return optionError(name, setInt(fd, s.level6, s.option6, v))
}

// An OptionError is a socket option that could not be set. What the system does
// not know wraps [ErrNotSupported].
type OptionError struct {
	Option string // its name, as messages spell it
	Err    error
}

func (e *OptionError) Error() string { return "option " + e.Option + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// optionError names the option in err. What the kernel does not know is not
// supported, in the terms of this package.
func optionError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotSupported):
		return &OptionError{name, err}
	}
	err = os.NewSyscallError("setsockopt", err)
	switch ErrorID(err) {
	case ProtocolNotAvailable, NotSupported:
		err = fmt.Errorf("%w: %w", ErrNotSupported, err)
	}
	return &OptionError{name, err}
}

func readOptions(fd uintptr, i socketInfo, o *Options) {
	for _, f := range o.fields() {
		s, err := findOption(f.name, i.kind)
		if err != nil {
			continue
		}
		level, option := s.level, s.option
		if i.ipv6 && s.level6 != 0 {
			level, option = s.level6, s.option6
		}
		if v, err := getInt(fd, level, option); err == nil {
			f.store(v >> s.shift)
		}
	}
	if d, err := getLinger(fd); err == nil {
		o.Linger = &d
	}
	if d, err := getDevice(fd); err == nil && i.kind&kindInternet != 0 {
		o.Device = &d
	}
}

// accepted returns the options to repeat on accepted connections: those the
// net package sets by itself, and on systems where nothing is inherited all
// that a connection can have.
func (o Options) accepted() Options {
	if acceptInherits {
		return Options{NoDelay: o.NoDelay}
	}
	o.ReuseAddress, o.ReusePort, o.DeferAccept, o.FastOpen = nil, nil, nil, nil
	o.Device, o.FreeBind, o.Transparent = nil, nil, nil
	return o
}

// isZero reports whether no option of o is set.
func (o *Options) isZero() bool {
	if o.Linger != nil || o.Device != nil || len(o.Raw) > 0 {
		return false
	}
	for _, f := range o.fields() {
		if _, set := f.value(); set {
			return false
		}
	}
	return true
}
