package dnsq

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// The file of a cache begins with this line; each other line is one reply:
// expiry and time of storing in seconds since 1970, server, realm, message in base64.
const (
	cacheFileHeader = "brio dns cache 1"
	maxCacheLine    = 128 << 10
)

// Load adds the replies kept in the file path that have not expired more than
// stale ago. A file that does not exist is empty; lines that cannot be read are
// passed over.
func (c *Cache) Load(path string, stale time.Duration) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return c.read(f, time.Now().Add(-stale))
}

// read adds the replies in r that expire after oldest.
func (c *Cache) read(r io.Reader, oldest time.Time) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxCacheLine)
	if !lines.Scan() {
		return lines.Err()
	}
	if lines.Text() != cacheFileHeader {
		return errors.New("not a DNS cache file")
	}
	for lines.Scan() {
		key, e, ok := parseCacheLine(lines.Text())
		if ok && e.expires.After(oldest) && c.older(key, e) {
			c.put(key, e)
		}
	}
	return lines.Err()
}

// older reports whether what is kept for key, if anything, is older than e.
func (c *Cache) older(key cacheKey, e *cacheEntry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.entries[key]
	return old == nil || old.stored.Before(e.stored)
}

// parseCacheLine reads one line of the file.
func parseCacheLine(line string) (cacheKey, *cacheEntry, bool) {
	f := strings.Split(line, "\t")
	if len(f) != 5 {
		return cacheKey{}, nil, false
	}
	expires, err1 := strconv.ParseInt(f[0], 10, 64)
	stored, err2 := strconv.ParseInt(f[1], 10, 64)
	server, err3 := ParseServer(f[2])
	wire, err4 := base64.StdEncoding.DecodeString(f[4])
	m := new(dns.Msg)
	if errors.Join(err1, err2, err3, err4) != nil || m.Unpack(wire) != nil || len(m.Question) != 1 {
		return cacheKey{}, nil, false
	}
	e := &cacheEntry{msg: m, server: server, stored: time.Unix(stored, 0), expires: time.Unix(expires, 0)}
	// The line may be damaged: never keep a reply longer than its records allow.
	ttl, ok := timeToLive(m)
	if !ok || e.expires.After(e.stored.Add(ttl)) || e.stored.After(time.Now().Add(time.Minute)) {
		return cacheKey{}, nil, false
	}
	key := newCacheKey(f[3], m.Question[0])
	if m.Rcode == dns.RcodeNameError && len(answerChain(m).aliases) == 0 {
		key.qtype = 0
	}
	return key, e, true
}

// Save merges the replies kept into the file path, which other processes may be
// doing at the same time: each takes a lock (PATH.lock), reads what is there,
// and replaces the file by a new one. Replies that expired more than stale ago
// are left out. Only the owner may read the file: it tells what was looked up.
func (c *Cache) Save(path string, stale time.Duration) error {
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	// What cannot be read is replaced, but not what is not ours.
	if err := c.Load(path, stale); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return replaceFile(path, func(w io.Writer) error { return c.write(w, time.Now().Add(-stale)) })
}

// write writes the replies that expire after oldest.
func (c *Cache) write(w io.Writer, oldest time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := fmt.Fprintln(w, cacheFileHeader); err != nil {
		return err
	}
	for key, e := range c.entries {
		if !e.expires.After(oldest) {
			continue
		}
		wire, err := e.msg.Pack()
		if err != nil {
			continue // a reply that was read need not be one that can be written
		}
		_, err = fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\n", e.expires.Unix(), e.stored.Unix(), e.server, key.realm,
			base64.StdEncoding.EncodeToString(wire))
		if err != nil {
			return err
		}
	}
	return nil
}

// replaceFile writes a new file beside path and moves it there, so that a
// reader sees the old or the new one and never a part.
func replaceFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the first error counts
		}
	}()
	b := bufio.NewWriter(f)
	if err := errors.Join(write(b), b.Flush(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
