package dnsq

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// A Family chooses between the families of addresses.
type Family string

// The families. The empty one means [IPv4Only].
const (
	IPv4Only   Family = "no"     // IPv4 addresses only
	IPv6Only   Family = "only"   // IPv6 addresses only
	IPv6Prefer Family = "prefer" // both, IPv6 addresses first
)

// LookupHost finds the addresses of a host: in the hosts file, else in the DNS.
// It asks for the name itself first. Only when no address came back and the name
// has no dot, the entries of the search list (not the domain) are appended in
// turn. Options.Type and Options.Search do not count. Addresses come in the
// order of the reply. The names localhost and below it are this machine's.
//
// The error wraps [ErrNotFound] when every reply says that there is no such
// name or address; one that leaves the question open comes before it.
func (r *Resolver) LookupHost(ctx context.Context, host string, family Family, o Options) ([]netip.Addr, error) {
	if addrs := ofFamily(r.settings().hosts.Addrs(host), family); len(addrs) > 0 {
		return addrs, nil
	}
	if name := hostKey(host); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		// RFC 6761 section 6.3: always this machine, and no name server is to be asked.
		return ofFamily([]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, family), nil
	}
	abs, err := AbsoluteName(host)
	if err != nil {
		return nil, err
	}
	names := []string{abs}
	if !isDotted(host) {
		for _, domain := range r.Search() {
			if c, err := AbsoluteName(host + "." + domain); err == nil {
				names = append(names, c)
			}
		}
	}
	return r.lookupAny(ctx, names, family, o)
}

// lookupAny finds the addresses of the first of names that has one.
func (r *Resolver) lookupAny(ctx context.Context, names []string, family Family, o Options) ([]netip.Addr, error) {
	var first error
	for _, name := range names {
		addrs, err := r.lookupName(ctx, name, family, o)
		if len(addrs) > 0 {
			return addrs, nil
		}
		if first == nil || errors.Is(first, ErrNotFound) && !errors.Is(err, ErrNotFound) {
			first = err
		}
		if ctx.Err() != nil || errors.Is(err, ErrNoServer) {
			break
		}
	}
	return nil, first
}

// lookupName finds the addresses of one absolute name. When one family fails and
// the other has addresses, those are the answer.
func (r *Resolver) lookupName(ctx context.Context, name string, family Family, o Options) ([]netip.Addr, error) {
	types := r.addressTypes(family)
	results := make([]addrResult, len(types))
	done := make(chan struct{}, len(types))
	for i, qtype := range types {
		go func() {
			results[i].addrs, results[i].err = r.addresses(ctx, name, qtype, o)
			done <- struct{}{}
		}()
	}
	for range types {
		<-done
	}
	var addrs []netip.Addr
	var failed error
	for _, res := range results {
		addrs = append(addrs, res.addrs...)
		if failed == nil || errors.Is(failed, ErrNotFound) && res.err != nil {
			failed = res.err
		}
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	return nil, failed
}

type addrResult struct {
	addrs []netip.Addr
	err   error
}

// addressTypes are the types of record to ask for, the preferred one first. The
// system's option no-aaaa leaves IPv6 out unless only IPv6 is wanted.
func (r *Resolver) addressTypes(family Family) []uint16 {
	sys := r.settings().system
	noAAAA := sys != nil && sys.NoAAAA
	switch {
	case family == IPv6Only:
		return []uint16{dns.TypeAAAA}
	case family == IPv6Prefer && !noAAAA:
		return []uint16{dns.TypeAAAA, dns.TypeA}
	}
	return []uint16{dns.TypeA}
}

// addresses are those of the records of one type at name.
func (r *Resolver) addresses(ctx context.Context, name string, qtype uint16, o Options) ([]netip.Addr, error) {
	o.Type, o.Search, o.Raw = qtype, NoSearch, false
	a, err := r.query(ctx, name, o, nil)
	if err == nil {
		err = a.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.TrimSuffix(name, "."), err)
	}
	addrs := []netip.Addr{}
	for _, v := range append([]any{a.Primary}, a.Others...) {
		if addr, ok := v.(netip.Addr); ok {
			addrs = append(addrs, addr)
		}
	}
	return addrs, nil
}

// ofFamily are the addresses of a family, IPv6 first when it is preferred.
func ofFamily(addrs []netip.Addr, family Family) []netip.Addr {
	switch family {
	case IPv6Only:
		return slices.DeleteFunc(addrs, netip.Addr.Is4)
	case IPv6Prefer:
		slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return b.BitLen() - a.BitLen() })
		return addrs
	}
	return slices.DeleteFunc(addrs, netip.Addr.Is6)
}

// LookupAddr finds the host names of an address: in the hosts file, else in the
// DNS (PTR). Names have no final dot. The error wraps [ErrNotFound] when there
// is none.
func (r *Resolver) LookupAddr(ctx context.Context, addr netip.Addr, o Options) ([]string, error) {
	if names := r.settings().hosts.Names(addr); len(names) > 0 {
		return names, nil
	}
	o.Type, o.Search, o.Raw = dns.TypePTR, NoSearch, false
	a, err := r.query(ctx, ReverseName(addr), o, nil)
	if err == nil {
		err = a.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	names := []string{}
	for _, v := range append([]any{a.Primary}, a.Others...) {
		if name, ok := v.(string); ok {
			names = append(names, strings.TrimSuffix(name, "."))
		}
	}
	return names, nil
}
