package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/brio-net/brio/pkg/dnsq"
	"github.com/brio-net/brio/pkg/socket"
)

// A dnsNames lets a socket.Resolver ask brio's own DNS client. Nothing is read
// or opened before the first look-up.
type dnsNames struct {
	resolver func() (*dnsq.Resolver, error)
}

// newNameService is the resolver for --dns-mode dns.
func newNameService() socket.NameService {
	return dnsNames{sync.OnceValues(func() (*dnsq.Resolver, error) {
		return dnsq.NewResolver(dnsq.Config{Env: resolvEnv()})
	})}
}

func (d dnsNames) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	r, err := d.resolver()
	if err != nil {
		return nil, err
	}
	family := dnsq.IPv6Prefer
	switch network {
	case "ip4":
		family = dnsq.IPv4Only
	case "ip6":
		family = dnsq.IPv6Only
	}
	addrs, err := r.LookupHost(ctx, host, family, dnsq.Options{})
	return addrs, nameServiceError(host, err)
}

func (d dnsNames) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	r, err := d.resolver()
	if err != nil {
		return nil, err
	}
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, err
	}
	names, err := r.LookupAddr(ctx, a, dnsq.Options{})
	return names, nameServiceError(addr, err)
}

// nameServiceError says in the terms of package socket what kind of failure err
// is: nobody to ask, or nothing found.
func nameServiceError(name string, err error) error {
	switch {
	case errors.Is(err, dnsq.ErrNoServer):
		return fmt.Errorf("%w: %w", socket.ErrNoNameserver, err)
	case errors.Is(err, dnsq.ErrNotFound):
		return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true, UnwrapErr: err}
	}
	return err
}
