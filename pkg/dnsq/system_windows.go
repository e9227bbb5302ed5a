package dnsq

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// ReadSystemConfig reads the configuration of the system's resolver: the name
// servers and suffixes of the adapters that are up, or, when path is not empty,
// that file as a resolv.conf.
func ReadSystemConfig(path string, env ResolvEnv) (*SystemConfig, error) {
	if path != "" {
		return readResolvConf(path, env)
	}
	first, err := adapters()
	if err != nil {
		return nil, err
	}
	c := &SystemConfig{Nameservers: []Server{}, Search: []string{}, Ndots: 1}
	var suffixes []string
	for a := first; a != nil; a = a.Next {
		if a.OperStatus != windows.IfOperStatusUp {
			continue
		}
		suffixes = append(suffixes, windows.UTF16PtrToString(a.DnsSuffix))
		c.addServers(a.FirstDnsServerAddress)
	}
	if env.LocalDomain != "" {
		suffixes = strings.Fields(env.LocalDomain)
	}
	c.Search = searchDomains(suffixes)
	for _, option := range strings.Fields(env.ResOptions) {
		c.option(option)
	}
	return c, nil
}

// watchSystem watches what [ReadSystemConfig] reads.
func watchSystem(path string) watched {
	if path == "" {
		return watched{always: true}
	}
	return watch(path)
}

// addServers adds the name servers of one adapter. Site-local addresses are
// what Windows makes up when IPv6 has no name server (RFC 3879 deprecates them).
func (c *SystemConfig) addServers(a *windows.IpAdapterDnsServerAdapter) {
	siteLocal := netip.MustParsePrefix("fec0::/10")
	for ; a != nil; a = a.Next {
		addr, ok := netip.AddrFromSlice(a.Address.IP())
		addr = addr.Unmap()
		srv := Server{Host: addr.String()}
		if ok && !siteLocal.Contains(addr) && !slices.ContainsFunc(c.Nameservers, func(s Server) bool { return s.Host == srv.Host }) {
			c.Nameservers = append(c.Nameservers, srv)
		}
	}
}

// adapters is the list of network adapters. The buffer grows until it fits: its
// size can change between two calls.
func adapters() (*windows.IpAdapterAddresses, error) {
	const flags = windows.GAA_FLAG_SKIP_UNICAST | windows.GAA_FLAG_SKIP_ANYCAST | windows.GAA_FLAG_SKIP_MULTICAST
	size := uint32(16 << 10)
	for range 4 {
		buf := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags, 0, first, &size)
		if err == nil {
			return first, nil
		}
		if !errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) {
			return nil, os.NewSyscallError("GetAdaptersAddresses", err)
		}
	}
	return nil, os.NewSyscallError("GetAdaptersAddresses", windows.ERROR_BUFFER_OVERFLOW)
}

// defaultHostsPath is where the system keeps its hosts file.
func defaultHostsPath() string {
	dir, err := windows.GetSystemDirectory()
	if err != nil {
		return ""
	}
	return dir + `\drivers\etc\hosts`
}
