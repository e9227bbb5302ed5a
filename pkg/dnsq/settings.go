package dnsq

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// checkEvery is how often files of the system are looked at again, as glibc and
// Go's resolver do.
const checkEvery = 5 * time.Second

// settings are what a resolver goes by: its configuration, completed with what
// the files of the system said at one moment. They do not change; new ones take
// their place when the files do.
type settings struct {
	servers []Server
	rotate  bool
	header  Header
	hosts   *Hosts
	system  *SystemConfig // nil when the name servers were given

	names func() searchNames // read when a name is to be completed first
	realm func() string      // see newRealm

	conf, hostsFile watched
	namesFrom       atomic.Pointer[watched] // set when names are read from the system's configuration alone
}

// searchNames are what names are completed with.
type searchNames struct {
	domain string
	search []string
	ndots  int
}

// newSettings settles the name servers. Who names them needs nothing of the
// system before a name is to be completed.
func newSettings(cfg *Config) (*settings, error) {
	s := &settings{servers: cfg.Nameservers, rotate: cfg.Rotate, header: cfg.Header}
	given := !cfg.Auto && (cfg.Domain != "" || len(cfg.Search) > 0) // the search list
	own := !cfg.Auto && len(cfg.Nameservers) > 0                    // the name servers
	if !own {
		s.conf = watchSystem(cfg.ResolvConf)
		var err error
		if s.system, err = ReadSystemConfig(cfg.ResolvConf, cfg.Env); err != nil {
			return nil, fmt.Errorf("configuration of the system: %w", err)
		}
		s.useSystemServers()
	}
	s.names = sync.OnceValue(func() searchNames { return s.readNames(cfg, given) })
	s.realm = sync.OnceValue(s.newRealm)
	if cfg.NoHosts {
		return s, nil
	}
	path := cfg.HostsFile
	if path == "" {
		path = defaultHostsPath()
	}
	s.hostsFile = watch(path)
	var err error
	s.hosts, err = readHosts(path)
	return s, err
}

// useSystemServers takes the name servers of the system and the options that
// belong to them.
func (s *settings) useSystemServers() {
	s.servers = slices.Clone(s.system.Nameservers)
	for i := range s.servers {
		if s.system.UseTCP && s.servers[i].Transport == "" {
			s.servers[i].Transport = TCP
		}
	}
	s.rotate = s.rotate || s.system.Rotate
	s.header.AD = s.header.AD || s.system.TrustAD
}

// readNames finds domain, search list and ndots. A configuration that cannot be
// read has none: the name servers are known.
func (s *settings) readNames(cfg *Config, given bool) searchNames {
	n := searchNames{searchDomain(cfg.Domain), searchDomains(cfg.Search), 1}
	sys := s.system
	if sys == nil && !given {
		s.namesFrom.Store(new(watchSystem(cfg.ResolvConf)))
		sys, _ = ReadSystemConfig(cfg.ResolvConf, cfg.Env)
	}
	if sys != nil {
		n.ndots = sys.Ndots
	}
	if sys != nil && !given {
		n.domain, n.search = sys.Domain, sys.Search
	}
	return n
}

// newRealm tells apart in the cache the replies of other servers and to questions
// asked in another way.
func (s *settings) newRealm() string {
	h := sha256.New()
	for _, srv := range s.servers {
		fmt.Fprintln(h, srv)
	}
	fmt.Fprintln(h, s.header.NoRecursion, s.header.CD, s.header.DO, s.header.NoEDNS, s.header.ClientSubnet)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// settings are those that hold now.
func (r *Resolver) settings() *settings {
	s, last, now := r.held.Load(), r.checked.Load(), int64(time.Since(r.begun))
	if now-last < int64(checkEvery) || !r.checked.CompareAndSwap(last, now) {
		return s
	}
	if !s.conf.changed() && !s.hostsFile.changed() && !s.namesChanged() {
		return s
	}
	fresh, err := newSettings(&r.cfg)
	if err != nil {
		return s // what cannot be read now may be in the middle of a change
	}
	r.held.Store(fresh)
	r.countFirst(fresh.servers)
	return fresh
}

func (s *settings) namesChanged() bool {
	from := s.namesFrom.Load()
	return from != nil && from.changed()
}

// A watched is a file as it was when it was read. The zero watched never changes.
type watched struct {
	path   string
	info   fs.FileInfo // nil when there was none
	always bool        // it is no file: nothing but reading it again tells
}

func watch(path string) watched {
	if path == "" {
		return watched{}
	}
	info, _ := os.Stat(path) // what cannot be looked at counts as not there
	return watched{path: path, info: info}
}

// changed reports whether the file is another one than it was.
func (w watched) changed() bool {
	now := watch(w.path).info
	if w.always {
		return true
	}
	if now == nil || w.info == nil {
		return now != w.info
	}
	return !os.SameFile(now, w.info) || !now.ModTime().Equal(w.info.ModTime()) || now.Size() != w.info.Size()
}
