package cmd

import (
	"context"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

// peerNames looks up the names of peers, if it is told to: an address without
// one can take long to find out.
type peerNames struct {
	on       bool
	ip       *ipFlags
	resolver func() *socket.Resolver // remembers names
}

// add defines the flag.
func (p *peerNames) add(f *pflag.FlagSet, ip *ipFlags) {
	p.ip = ip
	f.BoolVar(&p.on, "resolve-peer", false, "look up the peer's name, for --events, -v and commands (BRIO_REMOTE_NAME)")
	p.resolver = sync.OnceValue(func() *socket.Resolver {
		r, _ := p.ip.resolver() // flags that are wrong have been refused
		return r
	})
}

// peerNameTime is how long the look-up of one name may take.
const peerNameTime = 5 * time.Second

// of returns the name of the peer of c, "" when it has none or it is not wanted.
func (p *peerNames) of(ctx context.Context, c *socket.Conn) string {
	if !p.on || !c.RemoteHost().IsValid() {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, peerNameTime)
	defer cancel()
	names, err := p.resolver().LookupAddr(ctx, c.RemoteHost().String(), socket.LookupOptions{})
	if err != nil {
		return ""
	}
	return names[0]
}

// variables tell a command the name, if it is wanted.
func (p *peerNames) variables(ctx context.Context, c *socket.Conn) []string {
	if !p.on {
		return nil
	}
	return []string{"BRIO_REMOTE_NAME=" + p.of(ctx, c)}
}

// called puts the name behind an address in messages.
func called(address, name string) string {
	if name == "" {
		return address
	}
	return address + " (" + name + ")"
}
