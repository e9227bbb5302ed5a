package dnsq

import (
	"bufio"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of the system's resolver (glibc, resolv/resolv.h and res_init.c).
const (
	maxNameservers = 3
	maxNdots       = 15
	maxConfTimeout = 30
	maxAttempts    = 5
	maxConfLine    = 64 << 10
)

// A SystemConfig is how the system's resolver is configured.
type SystemConfig struct {
	Nameservers []Server      `json:"nameservers"`
	Domain      string        `json:"domain"` // empty when none is given
	Search      []string      `json:"search"`
	Ndots       int           `json:"ndots"`
	Timeout     time.Duration `json:"timeout_ns"` // of one try; zero when not given
	Attempts    int           `json:"attempts"`   // of each server; zero when not given
	Rotate      bool          `json:"rotate"`     // begin each question at another server
	UseTCP      bool          `json:"use_vc"`
	TrustAD     bool          `json:"trust_ad"`
	EDNS        bool          `json:"edns0"`
	NoAAAA      bool          `json:"no_aaaa"`
}

// A ResolvEnv holds the values that take part in the meaning of a resolv.conf.
type ResolvEnv struct {
	LocalDomain string // value of LOCALDOMAIN: replaces the search list
	ResOptions  string // value of RES_OPTIONS: amends the options
	Hostname    string // of this machine; its domain is the search list when none is given
}

// ParseResolvConf reads a resolv.conf as resolv.conf(5) describes. As the system
// does, it passes over what it does not understand. Of the name servers the
// first three count; when there is none it is the one on this machine.
func ParseResolvConf(r io.Reader, env ResolvEnv) (*SystemConfig, error) {
	c := &SystemConfig{Nameservers: []Server{}, Search: []string{}, Ndots: 1}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxConfLine)
	for lines.Scan() {
		c.line(confFields(lines.Text()))
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if c.Domain == "" && len(c.Search) == 0 {
		if _, domain, ok := strings.Cut(env.Hostname, "."); ok {
			c.Domain = searchDomain(domain)
		}
	}
	if env.LocalDomain != "" {
		c.Domain = ""
		c.Search = searchDomains(confFields(env.LocalDomain))
	}
	for _, option := range strings.Fields(env.ResOptions) {
		c.option(option)
	}
	if len(c.Nameservers) == 0 {
		c.Nameservers = []Server{{Host: "127.0.0.1"}, {Host: "::1"}}
	}
	return c, nil
}

// confFields splits a line; a field that begins with # or ; begins a comment.
func confFields(line string) []string {
	fields := strings.Fields(line)
	for i, f := range fields {
		if f[0] == '#' || f[0] == ';' {
			return fields[:i]
		}
	}
	return fields
}

// line takes one line into account. A later domain or search line replaces both.
func (c *SystemConfig) line(fields []string) {
	if len(fields) < 2 {
		return
	}
	switch fields[0] {
	case "nameserver":
		if srv, ok := confServer(fields[1]); ok && len(c.Nameservers) < maxNameservers {
			c.Nameservers = append(c.Nameservers, srv)
		}
	case "domain":
		if d := searchDomain(fields[1]); d != "" {
			c.Domain, c.Search = d, []string{}
		}
	case "search":
		c.Domain, c.Search = "", searchDomains(fields[1:])
	case "options":
		for _, option := range fields[1:] {
			c.option(option)
		}
	}
}

// confServer reads a name server: an address, or [ADDRESS]:PORT as OpenBSD has it.
func confServer(s string) (Server, bool) {
	// ParseAddrPort wants brackets around IPv6 addresses only.
	if host, port, ok := strings.Cut(strings.TrimPrefix(s, "["), "]:"); ok && !strings.Contains(host, ":") {
		s = host + ":" + port
	}
	if ap, err := netip.ParseAddrPort(s); err == nil && ap.Port() != 0 {
		return Server{Host: ap.Addr().String(), Port: ap.Port()}, true
	}
	addr, err := netip.ParseAddr(s)
	return Server{Host: s}, err == nil && addr.IsValid()
}

// option takes one option into account; a number out of range is cut to its limit.
func (c *SystemConfig) option(s string) {
	name, value, _ := strings.Cut(s, ":")
	n, err := strconv.Atoi(value)
	number := err == nil
	switch {
	case name == "ndots" && number:
		c.Ndots = min(max(n, 0), maxNdots)
	case name == "timeout" && number:
		c.Timeout = time.Duration(min(max(n, 1), maxConfTimeout)) * time.Second
	case name == "attempts" && number:
		c.Attempts = min(max(n, 1), maxAttempts)
	case s == "rotate":
		c.Rotate = true
	case s == "use-vc", s == "usevc", s == "tcp":
		c.UseTCP = true
	case s == "trust-ad":
		c.TrustAD = true
	case s == "edns0":
		c.EDNS = true
	case s == "no-aaaa":
		c.NoAAAA = true
	}
}

// searchDomains are those of list that can be appended to a name, without
// repetitions. What cannot is left out: systemd writes "search .", and a name
// that is too long would only make bad questions.
func searchDomains(list []string) []string {
	domains := []string{}
	for _, d := range list {
		d = searchDomain(d)
		if d != "" && !slices.ContainsFunc(domains, func(s string) bool { return strings.EqualFold(s, d) }) {
			domains = append(domains, d)
		}
	}
	return domains
}

// searchDomain is d without its final dot, or empty when it cannot be appended to a name.
func searchDomain(d string) string {
	abs, err := AbsoluteName(d)
	if err != nil || abs == "." {
		return ""
	}
	return strings.TrimSuffix(abs, ".")
}
