package socket

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A NameService translates between names and addresses. [*net.Resolver] is one.
type NameService interface {
	// LookupNetIP returns the addresses of host. The network is "ip", "ip4" or
	// "ip6".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)

	// LookupAddr returns the names of the address that addr is the text of.
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

// ErrNoNameserver is wrapped by a [NameService] that knows nobody to ask.
var ErrNoNameserver = errors.New("no name server is known")

// A Mode names a service that a [Resolver] asks.
type Mode string

// The modes.
const (
	ModeDNS    Mode = "dns"    // Resolver.DNS
	ModeSystem Mode = "system" // Resolver.System: the hosts file and the system's name servers
)

// A Resolver looks up hosts and addresses and remembers the answers. The zero
// Resolver asks the system. It may be used concurrently; its fields must not
// change once it is in use.
type Resolver struct {
	// Policy says which addresses to return, and in what order. AnyIP returns
	// IPv6 before IPv4.
	Policy IPPolicy

	// Modes lists the services to ask, in order. The next one is asked when one
	// has no answer. Empty means DNS, if it is there, and then the system.
	Modes []Mode

	// DNS answers for ModeDNS. Nil, or an error that wraps ErrNoNameserver,
	// makes the Resolver ask the system instead from then on.
	DNS NameService

	// System answers for ModeSystem. Nil means a net.Resolver.
	System NameService

	// CacheTime is how long an answer is used again. Zero means a minute.
	// Failures are not remembered.
	CacheTime time.Duration

	noDNS atomic.Bool
	mu    sync.Mutex
	cache map[string]cachedAnswer
}

// LookupOptions are the choices of one look-up. The zero value is what most
// want.
type LookupOptions struct {
	Policy      IPPolicy // AnyIP means the policy of the Resolver
	All         bool     // return every answer and not only the first
	IgnoreCache bool     // ask even if the answer is remembered, and remember the new one
}

// LookupHost returns addresses of host, which may be a name or an address in
// any form of [ParseHost]; nobody is asked about an address. It returns at least
// one address or an error: a [*ParseError], or an [*Error] whose identifier is
// [NameNotFound] when host has no address that the policy allows.
func (r *Resolver) LookupHost(ctx context.Context, host string, o LookupOptions) ([]netip.Addr, error) {
	h, err := ParseHost(host)
	if err != nil {
		return nil, err
	}
	policy := o.Policy
	if policy == AnyIP {
		policy = r.Policy
	}
	addrs := []netip.Addr{h.Addr()}
	if !h.IsAddr() {
		addrs, err = r.lookupName(ctx, h.Name, policy.ipNetwork(), o.IgnoreCache)
	}
	if err != nil {
		return nil, lookupError(host, err)
	}
	if addrs = policy.arrange(addrs); len(addrs) == 0 {
		return nil, lookupError(host, notFound(host, "no address of the IP version asked for"))
	}
	if !o.All {
		addrs = addrs[:1]
	}
	return addrs, nil
}

// LookupNetIP returns all addresses of host; the network is "ip", "ip4" or
// "ip6". Errors are those of [Resolver.LookupHost].
func (r *Resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	o := LookupOptions{All: true}
	switch network {
	case "ip":
	case "ip4":
		o.Policy = OnlyIPv4
	case "ip6":
		o.Policy = OnlyIPv6
	default:
		return nil, net.UnknownNetworkError(network)
	}
	return r.LookupHost(ctx, host, o)
}

// LookupAddr returns names of an address, without final dots. The address may
// be in any form of [ParseDotted]; an IPv4-mapped one is looked up as IPv4. It
// returns at least one name or an error, as [Resolver.LookupHost] does.
func (r *Resolver) LookupAddr(ctx context.Context, addr string, o LookupOptions) ([]string, error) {
	a, err := ParseDotted(addr)
	if err != nil {
		return nil, err
	}
	text := a.WithZone("").Unmap().String()
	names, err := cached(r, "addr "+text, o.IgnoreCache, func() ([]string, error) {
		return firstAnswer(ctx, r, func(s NameService) ([]string, error) {
			return s.LookupAddr(ctx, text)
		})
	})
	if err == nil && len(names) == 0 {
		err = notFound(addr, "no name")
	}
	if err != nil {
		return nil, lookupError(addr, err)
	}
	if !o.All {
		names = names[:1]
	}
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.TrimSuffix(n, ".")
	}
	return out, nil
}

func (r *Resolver) lookupName(ctx context.Context, name, network string, ignoreCache bool) ([]netip.Addr, error) {
	key := network + " " + strings.ToLower(name)
	return cached(r, key, ignoreCache, func() ([]netip.Addr, error) {
		return firstAnswer(ctx, r, func(s NameService) ([]netip.Addr, error) {
			addrs, err := s.LookupNetIP(ctx, network, name)
			return unmapped(addrs), err // net.Resolver gives IPv4 in 16 bytes for "ip"
		})
	})
}

// ipNetwork returns the network of package net for the IP version p demands.
func (p IPPolicy) ipNetwork() string {
	switch p {
	case OnlyIPv4:
		return "ip4"
	case OnlyIPv6:
		return "ip6"
	}
	return "ip"
}

// arrange returns the addresses that p allows in the order it wants, each once.
func (p IPPolicy) arrange(addrs []netip.Addr) []netip.Addr {
	var v4, v6 []netip.Addr
	for _, a := range addrs {
		list := &v6
		if a.Is4() {
			list = &v4
		}
		if !slices.Contains(*list, a) {
			*list = append(*list, a)
		}
	}
	switch p {
	case OnlyIPv4:
		return v4
	case OnlyIPv6:
		return v6
	case PreferIPv4:
		return append(v4, v6...)
	}
	return append(v6, v4...)
}

// firstAnswer asks the services of r in order until one answers. The error is
// that of the last one.
func firstAnswer[T any](ctx context.Context, r *Resolver, ask func(NameService) ([]T, error)) ([]T, error) {
	services, dns, err := r.services()
	for _, s := range services {
		var answer []T
		answer, err = ask(s)
		switch {
		case err == nil && len(answer) > 0:
			return answer, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case dns && errors.Is(err, ErrNoNameserver):
			r.noDNS.Store(true) // for the rest of the run: the services are others now
			return firstAnswer(ctx, r, ask)
		}
	}
	return nil, err
}

// services returns the services to ask, in order, and whether the DNS is one.
// The system stands in for a DNS that is not there.
func (r *Resolver) services() (list []NameService, dns bool, err error) {
	modes := r.Modes
	if len(modes) == 0 {
		modes = []Mode{ModeDNS, ModeSystem}
	}
	haveDNS := r.DNS != nil && !r.noDNS.Load()
	system := false
	for _, m := range modes {
		switch {
		case m != ModeDNS && m != ModeSystem:
			return nil, false, &ParseError{"dns mode", string(m), 0, "neither dns nor system", ""}
		case m == ModeDNS && haveDNS:
			dns = true
			list = append(list, r.DNS)
		case !system:
			system = true
			list = append(list, r.system())
		}
	}
	return list, dns, nil
}

func (r *Resolver) system() NameService {
	if r.System != nil {
		return r.System
	}
	return &net.Resolver{}
}

// A cachedAnswer is what a look-up found and until when that is used.
type cachedAnswer struct {
	value any
	until time.Time
}

// cacheLimit bounds the answers a Resolver remembers.
const cacheLimit = 4096

// cached returns the remembered answer for key, or asks and remembers.
func cached[T any](r *Resolver, key string, ignore bool, ask func() ([]T, error)) ([]T, error) {
	now := time.Now()
	if !ignore {
		r.mu.Lock()
		c, ok := r.cache[key]
		r.mu.Unlock()
		if ok && now.Before(c.until) {
			return slices.Clone(c.value.([]T)), nil
		}
	}
	answer, err := ask()
	if err != nil || len(answer) == 0 {
		return nil, err
	}
	life := r.CacheTime
	if life == 0 {
		life = time.Minute
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cache == nil || len(r.cache) >= cacheLimit {
		r.cache = make(map[string]cachedAnswer)
	}
	r.cache[key] = cachedAnswer{slices.Clone(answer), now.Add(life)}
	return answer, nil
}

// A lookupFailure tells the reason alone, because the [Error] around it names
// what was looked up.
type lookupFailure struct{ err error }

func (f lookupFailure) Error() string {
	if d, ok := errors.AsType[*net.DNSError](f.err); ok {
		return d.Err
	}
	return Reason(f.err)
}

func (f lookupFailure) Unwrap() error { return f.err }

func notFound(name, reason string) error {
	return &net.DNSError{Err: reason, Name: name, IsNotFound: true}
}

func lookupError(name string, err error) error {
	return newError("look up", name, lookupFailure{err})
}

// LookupPort returns the number of a port that is given as a number or as the
// name of a service for proto, which is "tcp" or "udp": a service may have a
// port for the one and none for the other. Numbers are 1 to 65535 and never
// wrap. Errors are a [*ParseError], or an [*Error] whose identifier is
// [NameNotFound].
func LookupPort(ctx context.Context, port, proto string) (uint16, error) {
	if proto != "tcp" && proto != "udp" {
		return 0, &ParseError{"protocol", proto, 0, "neither tcp nor udp", ""}
	}
	if port == "" {
		return 0, &ParseError{"port", port, 0, "empty", ""}
	}
	if strings.Trim(port, "0123456789") == "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return 0, &ParseError{"port", port, 0, "not from 1 to 65535", ""}
		}
		return uint16(n), nil
	}
	if at := strings.IndexFunc(port, notInService); at >= 0 {
		return 0, &ParseError{"port", port, at, "unexpected " + firstChar(port[at:]), ""}
	}
	if strings.Trim(port, "0123456789-_.+") == "" {
		return 0, &ParseError{"port", port, 0, "neither a number nor a service name", ""}
	}
	n, err := net.DefaultResolver.LookupPort(ctx, proto, port)
	if err != nil {
		if ctx.Err() != nil {
			return 0, lookupError(port+"/"+proto, context.Cause(ctx))
		}
		return 0, lookupError(port+"/"+proto, notFound(port, "no such service"))
	}
	return uint16(n), nil
}

// notInService reports what no service name holds. RFC 6335 section 5.1 allows
// letters, digits and hyphens; /etc/services has a few signs more.
func notInService(r rune) bool {
	return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.+", r))
}
