package socket

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// lookupRules say how to make IP addresses of a "host:port".
type lookupRules struct {
	policy  IPPolicy
	scope   string // for link-local addresses without a zone
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)
	passive bool // an empty host and port 0 are good
}

// A target is what a "host:port" stands for. Without addresses it is every
// local address.
type target struct {
	host  string
	name  bool // host is a name that was looked up
	addrs []netip.Addr
	port  uint16
}

// resolve reads address and looks up its host where that is a name. The
// addresses are in the order to try them.
func resolve(ctx context.Context, network, address string, r lookupRules) (target, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return target{}, err
	}
	t := target{host: host}
	if t.port, err = r.port(ctx, network, service); err != nil {
		return target{}, err
	}
	if host == "" {
		if r.passive {
			return t, nil
		}
		return target{}, &net.AddrError{Err: "missing host", Addr: address}
	}
	found, err := t.lookup(ctx, r)
	if err != nil {
		return target{}, err
	}
	if t.addrs = order(found, versionOf(network, r.policy)); len(t.addrs) == 0 {
		return target{}, notFound(host, "no address of the IP version asked for")
	}
	return t, nil
}

func (r lookupRules) port(ctx context.Context, network, service string) (uint16, error) {
	if r.passive && (service == "0" || service == "") {
		return 0, nil
	}
	return LookupPort(ctx, service, strings.TrimRight(network, "46"))
}

// lookup returns the addresses of the host in any order.
func (t *target) lookup(ctx context.Context, r lookupRules) ([]netip.Addr, error) {
	h, err := ParseHost(t.host)
	if err != nil {
		return nil, err
	}
	addrs := []netip.Addr{h.Addr()}
	if !h.IsAddr() {
		t.name = true
		if addrs, err = r.ask(ctx, h.Name); err != nil {
			return nil, err
		}
	}
	if r.scope == "" {
		return addrs, nil
	}
	return r.withScope(addrs)
}

func (r lookupRules) ask(ctx context.Context, name string) ([]netip.Addr, error) {
	if r.lookup != nil {
		return r.lookup(ctx, name)
	}
	return new(Resolver).LookupNetIP(ctx, "ip", name)
}

// withScope gives the scope to the addresses that need one and have none.
func (r lookupRules) withScope(addrs []netip.Addr) ([]netip.Addr, error) {
	index, name, ok := lookupZone(r.scope)
	if !ok {
		return nil, noInterface(r.scope)
	}
	if name == "" {
		name = strconv.FormatUint(uint64(index), 10)
	}
	scoped := slices.Clone(addrs)
	for i, a := range scoped {
		if needsScope(a) && a.Zone() == "" {
			scoped[i] = a.WithZone(name)
		}
	}
	return scoped, nil
}

// versionOf joins the IP version of network ("tcp4") with a policy.
func versionOf(network string, p IPPolicy) IPPolicy {
	switch {
	case strings.HasSuffix(network, "4"):
		return OnlyIPv4
	case strings.HasSuffix(network, "6"):
		return OnlyIPv6
	}
	return p
}

// order returns the addresses that p allows in the order RFC 8305 section 4
// gives: the preferred version first and then in turns, so that a version that
// does not work costs only one attempt.
func order(addrs []netip.Addr, p IPPolicy) []netip.Addr {
	arranged := p.arrange(unmapped(addrs))
	n := slices.IndexFunc(arranged, func(a netip.Addr) bool { return a.Is4() != arranged[0].Is4() })
	if n < 0 {
		return arranged
	}
	first, second := arranged[:n], arranged[n:]
	mixed := make([]netip.Addr, 0, len(arranged))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			mixed = append(mixed, first[i])
		}
		if i < len(second) {
			mixed = append(mixed, second[i])
		}
	}
	return mixed
}

// unmapped writes IPv4 addresses within IPv6 as what they are.
func unmapped(addrs []netip.Addr) []netip.Addr {
	plain := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		plain[i] = a.Unmap()
	}
	return plain
}

// addrPorts returns the addresses with the port.
func (t target) addrPorts() []netip.AddrPort {
	list := make([]netip.AddrPort, len(t.addrs))
	for i, a := range t.addrs {
		list[i] = netip.AddrPortFrom(a, t.port)
	}
	return list
}

// listenAddress returns the address to listen on, as package net writes it.
func (t target) listenAddress() string {
	if len(t.addrs) == 0 {
		return net.JoinHostPort("", strconv.Itoa(int(t.port)))
	}
	return netip.AddrPortFrom(t.addrs[0], t.port).String()
}
