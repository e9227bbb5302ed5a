package socket

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// An Interface is a network interface of this machine. Its index and its name
// both serve as the scope id of an IPv6 address.
type Interface struct {
	Index    int                `json:"index"` // from 1
	Name     string             `json:"name"`
	MTU      int                `json:"mtu"`              // in bytes; 0 where there is no limit
	Flags    []string           `json:"flags"`            // "up", "broadcast", "loopback", "pointtopoint", "multicast", "running"
	Hardware string             `json:"hardware_address"` // "00:00:5e:00:53:01", or empty
	Addrs    []InterfaceAddress `json:"addresses"`
}

// An InterfaceAddress is an address of an interface with the block it lies in.
type InterfaceAddress struct {
	Addr   netip.Addr   `json:"ip"`     // link-local ones carry the interface as their zone
	Prefix netip.Prefix `json:"prefix"` // the block that is reached directly
}

// Interfaces lists the interfaces of this machine in the order of their
// indexes, with addresses in the order of the system.
func Interfaces() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	all := make([]Interface, 0, len(list))
	for _, i := range list {
		addrs, err := interfaceAddresses(i)
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s: %w", i.Name, err)
		}
		all = append(all, Interface{
			Index:    i.Index,
			Name:     i.Name,
			MTU:      i.MTU,
			Flags:    flagWords(i.Flags),
			Hardware: i.HardwareAddr.String(),
			Addrs:    addrs,
		})
	}
	return all, nil
}

func flagWords(f net.Flags) []string {
	if f == 0 {
		return []string{}
	}
	return strings.Split(f.String(), "|")
}

func interfaceAddresses(i net.Interface) ([]InterfaceAddress, error) {
	list, err := i.Addrs()
	if err != nil {
		return nil, err
	}
	addrs := make([]InterfaceAddress, 0, len(list))
	for _, l := range list {
		n, ok := l.(*net.IPNet)
		if !ok {
			continue
		}
		a, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		a = a.Unmap() // package net keeps IPv4 in 16 bytes
		bits, _ := n.Mask.Size()
		prefix := netip.PrefixFrom(a, bits).Masked()
		if needsScope(a) {
			a = a.WithZone(i.Name)
		}
		addrs = append(addrs, InterfaceAddress{Addr: a, Prefix: prefix})
	}
	return addrs, nil
}
