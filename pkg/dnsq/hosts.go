package dnsq

import (
	"bufio"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// maxHostsLine bounds a line of a hosts file.
const maxHostsLine = 64 << 10

// Hosts are the names and addresses of a hosts file. Nil holds none.
type Hosts struct {
	byName map[string][]netip.Addr
	byAddr map[netip.Addr][]string
}

// ParseHosts reads a hosts file: an address and names on each line, # begins a
// comment. Lines that do not begin with an address are passed over.
func ParseHosts(r io.Reader) (*Hosts, error) {
	h := &Hosts{byName: map[string][]netip.Addr{}, byAddr: map[netip.Addr][]string{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxHostsLine)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, name := range fields[1:] {
			h.add(addr, name)
		}
	}
	return h, lines.Err()
}

func (h *Hosts) add(addr netip.Addr, name string) {
	key := hostKey(name)
	if !slices.Contains(h.byName[key], addr) {
		h.byName[key] = append(h.byName[key], addr)
	}
	addr = addr.WithZone("").Unmap()
	if !slices.Contains(h.byAddr[addr], name) {
		h.byAddr[addr] = append(h.byAddr[addr], name)
	}
}

func hostKey(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// Addrs are the addresses of name, in the order of the file.
func (h *Hosts) Addrs(name string) []netip.Addr {
	if h == nil {
		return nil
	}
	return slices.Clone(h.byName[hostKey(name)])
}

// Names are the names of addr, in the order of the file.
func (h *Hosts) Names(addr netip.Addr) []string {
	if h == nil {
		return nil
	}
	return slices.Clone(h.byAddr[addr.WithZone("").Unmap()])
}
