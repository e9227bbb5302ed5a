package dnsq

import (
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxTTL bounds how long an answer is kept (RFC 8767 section 4 suggests a week).
	maxTTL = 7 * 24 * time.Hour
	// maxNegativeTTL bounds how long a negative answer is kept (RFC 2308 section 5).
	maxNegativeTTL = 3 * time.Hour
	// defaultCacheSize bounds the answers kept.
	defaultCacheSize = 10000
)

// A Cache keeps replies, positive and negative (RFC 2308), for as long as their
// records say, and for 1 to 30 seconds that a question could not be answered (RFC
// 9520). The zero Cache is ready to use, by several goroutines and resolvers. It
// must not be copied.
type Cache struct {
	// Size bounds the replies kept. Zero means 10,000.
	Size int

	mu       sync.Mutex
	entries  map[cacheKey]*cacheEntry
	failures map[cacheKey]*failure
}

// A cacheKey is what was asked. The type of a name that does not exist is zero:
// it has no record of any type (RFC 2308 section 5).
type cacheKey struct {
	realm string // who was asked, and how: other servers may give other answers
	name  string // lower case
	qtype uint16
	class uint16
}

// A cacheEntry is a reply kept. Its fields do not change.
type cacheEntry struct {
	msg     *dns.Msg
	server  Server
	stored  time.Time
	expires time.Time
}

func newCacheKey(realm string, q dns.Question) cacheKey {
	return cacheKey{realm, strings.ToLower(q.Name), q.Qtype, q.Qclass}
}

// lookup is the reply kept for key, nil when there is none or it expired more
// than stale ago.
func (c *Cache) lookup(key cacheKey, now time.Time, stale time.Duration) *cacheEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		key.qtype = 0
		e = c.entries[key]
	}
	if e == nil || !now.Before(e.expires.Add(stale)) {
		return nil
	}
	return e
}

// store keeps the reply m when its records allow that, and returns its expiry:
// the zero time when it is not kept.
func (c *Cache) store(key cacheKey, m *dns.Msg, server Server, now time.Time) time.Time {
	ttl, ok := timeToLive(m)
	if !ok {
		return time.Time{}
	}
	if m.Rcode == dns.RcodeNameError && len(answerChain(m).aliases) == 0 {
		key.qtype = 0
	}
	c.put(key, &cacheEntry{msg: m, server: server, stored: now, expires: now.Add(ttl)})
	return now.Add(ttl)
}

func (c *Cache) put(key cacheKey, e *cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[cacheKey]*cacheEntry{}
	}
	size := c.Size
	if size <= 0 {
		size = defaultCacheSize
	}
	if c.entries[key] == nil && len(c.entries) >= size {
		c.evict()
	}
	c.entries[key] = e
}

// evict drops the entry that expires first among a few: the order of a map is
// random, and a sample is nearly as good as the whole.
func (c *Cache) evict() {
	const sample = 16
	var victim cacheKey
	var first time.Time
	n := 0
	for key, e := range c.entries {
		if n == 0 || e.expires.Before(first) {
			victim, first = key, e.expires
		}
		if n++; n == sample {
			break
		}
	}
	delete(c.entries, victim)
}

// Len is the number of replies kept, expired ones included.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// timeToLive is how long m may be kept; ok is false when it may not.
func timeToLive(m *dns.Msg) (ttl time.Duration, ok bool) {
	if len(m.Question) != 1 || m.Truncated {
		return 0, false
	}
	chain := answerChain(m)
	rrs := append(append([]dns.RR(nil), chain.aliases...), chain.records...)
	limit := maxTTL
	switch {
	case m.Rcode == dns.RcodeSuccess && len(chain.records) > 0:
	case m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError:
		// RFC 2308 section 5: without SOA record nothing says for how long.
		soa := soaOf(m)
		if soa == nil {
			return 0, false
		}
		limit = min(maxNegativeTTL, seconds(soa.Minttl))
		rrs = append(rrs, soa)
	default:
		return 0, false
	}
	ttl = limit
	for _, rr := range rrs {
		ttl = min(ttl, seconds(rr.Header().Ttl))
	}
	return ttl, true
}

// seconds is a TTL as a duration. One with the top bit set is zero (RFC 2181 section 8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

// soaOf is the SOA record in the authority section of m, nil when there is none.
func soaOf(m *dns.Msg) *dns.SOA {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa
		}
	}
	return nil
}

// aged is a copy of the entry's reply with the time it was kept taken off its TTLs.
func (e *cacheEntry) aged(now time.Time) *dns.Msg {
	m := e.msg.Copy()
	takeOff(m, uint32(max(0, now.Sub(e.stored))/time.Second))
	return m
}

// takeOff takes age seconds off the TTLs of m.
func takeOff(m *dns.Msg, age uint32) {
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			if h := rr.Header(); h.Rrtype != dns.TypeOPT {
				h.Ttl -= min(h.Ttl, age)
			}
		}
	}
}
