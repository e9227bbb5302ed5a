package dnsq

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of a query.
const (
	DefaultRepeat  = 5
	DefaultTimeout = 5 * time.Second
)

// A Config says how a [Resolver] is configured. The zero Config takes everything
// from the system.
type Config struct {
	// Auto takes name servers, domain and search list from the system; it wins
	// over the fields for them. Without it the fields given count and the system
	// fills in the name servers when there are none, the domain and the search
	// list (if it says) when both are empty.
	Auto bool

	Nameservers []Server // asked in this order
	Domain      string   // the domain of this machine: the first of the search list
	Search      []string // domains to complete names with; what cannot be appended is left out

	// ResolvConf is the file read for the system's configuration. Empty means the
	// system's own.
	ResolvConf string
	Env        ResolvEnv

	// HostsFile is the hosts file of [Resolver.LookupHost] and
	// [Resolver.LookupAddr]. Empty means the system's own; NoHosts does without.
	HostsFile string
	NoHosts   bool

	// Header says how questions are asked.
	Header Header

	// Exchange sends a question. Nil means that of a [Client] with the zero
	// configuration, whose connections [Resolver.Close] closes.
	Exchange ExchangeFunc

	// Rotate begins each question at another name server. The system's
	// configuration can say so too.
	Rotate bool

	// Cache keeps replies. Nil means a cache of the resolver's own.
	Cache *Cache

	// Stale is how long after its time an answer of the cache may be used, while
	// a new one is fetched (RFC 8767). Zero means not at all. See [Answer.Valid].
	Stale time.Duration
}

// A Resolver answers questions with the help of name servers, and remembers what
// they said. It may be used by several goroutines. Files of the system that it
// goes by are looked at again every five seconds, and read when they changed.
type Resolver struct {
	cfg      Config
	held     atomic.Pointer[settings]
	begun    time.Time
	checked  atomic.Int64 // when files were last looked at, nanoseconds since begun
	cache    *Cache
	client   *Client // our own, nil when Exchange was given
	next     atomic.Uint32
	refresh  sync.WaitGroup
	closing  context.Context
	shutdown context.CancelFunc

	mu          sync.Mutex
	nameservers []*Nameserver // configured ones first, then others asked
	flights     map[cacheKey]*flight
}

// NewResolver makes a resolver. It fails when a file of the system that it needs
// exists and cannot be read. The caller closes it.
func NewResolver(cfg Config) (*Resolver, error) {
	r := &Resolver{cfg: cfg, cache: cfg.Cache, begun: time.Now(), flights: map[cacheKey]*flight{}}
	s, err := newSettings(&r.cfg)
	if err != nil {
		return nil, err
	}
	r.held.Store(s)
	r.countFirst(s.servers)
	if r.cache == nil {
		r.cache = new(Cache)
	}
	if cfg.Exchange == nil {
		r.client = new(Client)
		r.cfg.Exchange = r.client.Exchange
	}
	r.closing, r.shutdown = context.WithCancel(context.Background())
	return r, nil
}

// Close closes idle connections and ends what refreshes the cache.
func (r *Resolver) Close() error {
	r.shutdown()
	r.refresh.Wait()
	if r.client != nil {
		return r.client.Close()
	}
	return nil
}

// Configured reports whether at least one name server is known. Without one
// every query fails with [ErrNoServer].
func (r *Resolver) Configured() bool { return len(r.settings().servers) > 0 }

// Domain is the domain of this machine, empty when there is none.
func (r *Resolver) Domain() string { return r.settings().names().domain }

// Search is the search list, without the domain.
func (r *Resolver) Search() []string { return slices.Clone(r.settings().names().search) }

// Servers are the name servers asked when a query names none.
func (r *Resolver) Servers() []Server { return slices.Clone(r.settings().servers) }

// System is the configuration that the system's name servers were taken from,
// nil when they were given.
func (r *Resolver) System() *SystemConfig { return r.settings().system }

// Cache is the cache in use.
func (r *Resolver) Cache() *Cache { return r.cache }

// repeat is the number of tries in all when the caller gives none: what
// resolv.conf says counts per server.
func (s *settings) repeat(o Options, servers int) int {
	switch {
	case o.Repeat > 0:
		return o.Repeat
	case s.system != nil && s.system.Attempts > 0:
		return s.system.Attempts * servers
	}
	return DefaultRepeat
}

// timeout is the time of one try.
func (s *settings) timeout(o Options) time.Duration {
	switch {
	case o.Timeout > 0:
		return o.Timeout
	case s.system != nil && s.system.Timeout > 0:
		return s.system.Timeout
	}
	return DefaultTimeout
}

// A Nameserver is a server and what it was asked so far.
type Nameserver struct {
	Server   Server
	sent     atomic.Uint64
	received atomic.Uint64
	invalid  atomic.Uint64
	rtt      atomic.Int64 // of the last reply, nanoseconds
}

// NameserverStats are the counters of a name server at one moment. Many fewer
// replies than queries mean that it is hardly worth asking.
type NameserverStats struct {
	Name     string  `json:"name"`   // host name, empty when it was given as an address
	IPAddr   string  `json:"ipaddr"` // empty when it was given as a name
	Server   Server  `json:"server"`
	Sent     uint64  `json:"sent"`     // queries
	Received uint64  `json:"received"` // valid replies
	Invalid  uint64  `json:"invalid"`  // replies dropped
	RTT      float64 `json:"rtt_ms"`   // of the last valid reply
}

// Nameservers are the counters of the name servers, configured ones first.
func (r *Resolver) Nameservers() []NameserverStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := make([]NameserverStats, 0, len(r.nameservers))
	for _, ns := range r.nameservers {
		stats = append(stats, ns.stats())
	}
	return stats
}

func (ns *Nameserver) stats() NameserverStats {
	s := NameserverStats{Server: ns.Server, Sent: ns.sent.Load(), Received: ns.received.Load(),
		Invalid: ns.invalid.Load(), RTT: milliseconds(time.Duration(ns.rtt.Load()))}
	if addr, ok := ParseAddr(ns.Server.Host); ok {
		s.IPAddr = addr.String()
	} else {
		s.Name = strings.TrimSuffix(ns.Server.Host, ".")
	}
	return s
}

// count adds what one exchange with srv took.
func (r *Resolver) count(srv Server, t Timing) {
	ns := r.nameserver(srv)
	ns.sent.Add(uint64(t.Sent))
	ns.received.Add(uint64(t.Received))
	ns.invalid.Add(uint64(t.Invalid))
	if t.Received > 0 {
		ns.rtt.Store(int64(t.Query))
	}
}

func (r *Resolver) nameserver(srv Server) *Nameserver {
	r.mu.Lock()
	defer r.mu.Unlock()
	ns := known(r.nameservers, srv)
	if ns == nil {
		ns = &Nameserver{Server: srv}
		r.nameservers = append(r.nameservers, ns)
	}
	return ns
}

// known is the counters of srv in list, nil when they are not there.
func known(list []*Nameserver, srv Server) *Nameserver {
	key := srv.String()
	for _, ns := range list {
		if ns.Server.String() == key {
			return ns
		}
	}
	return nil
}

// countFirst puts the counters of servers, the configured ones, before the others.
func (r *Resolver) countFirst(servers []Server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.nameservers
	r.nameservers = nil
	for _, srv := range servers {
		if known(r.nameservers, srv) != nil {
			continue // given twice
		}
		ns := known(old, srv)
		if ns == nil {
			ns = &Nameserver{Server: srv}
		}
		r.nameservers = append(r.nameservers, ns)
	}
	for _, ns := range old {
		if !slices.Contains(r.nameservers, ns) {
			r.nameservers = append(r.nameservers, ns)
		}
	}
}
