package socket

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A Membership is a multicast group to receive from.
type Membership struct {
	Group     netip.Addr
	Source    netip.Addr // receive from this sender only (RFC 4607); the zero Addr means all
	Interface string     // by name or number; empty leaves it to the system
}

// network returns "udp4" or "udp6", as the group is.
func (m Membership) network() string {
	if isIPv6(m.Group) {
		return "udp6"
	}
	return "udp4"
}

// MulticastConfig says how to send to multicast groups. The zero value leaves
// everything to the system.
type MulticastConfig struct {
	Interface string // by name or number
	TTL       *int   // or hop limit; the system's default is 1, this network only
	Loop      *bool  // deliver to members on this host as well
}

// Join makes the socket a member of a group. On Linux it then receives
// datagrams for its own groups only, and not those for groups that other
// sockets on the same port have joined.
func (s *DatagramSocket) Join(m Membership) error {
	return newError("join", m.Group.String(), s.join(m))
}

func (s *DatagramSocket) join(m Membership) error {
	switch {
	case s.udp == nil:
		return fmt.Errorf("group on a UNIX socket: %w", ErrNotSupported)
	case !m.Group.IsMulticast():
		return &net.AddrError{Err: "not a multicast group", Addr: m.Group.String()}
	}
	ifi, err := interfaceOf(m.Interface)
	if err != nil {
		return err
	}
	if err := control(s, ownGroupsOnly); err != nil {
		return err
	}
	group := &net.UDPAddr{IP: m.Group.AsSlice()}
	source := &net.UDPAddr{IP: m.Source.AsSlice()}
	v4, v6 := ipv4.NewPacketConn(s.udp), ipv6.NewPacketConn(s.udp)
	switch {
	case isIPv6(m.Group) && m.Source.IsValid():
		return v6.JoinSourceSpecificGroup(ifi, group, source)
	case isIPv6(m.Group):
		return v6.JoinGroup(ifi, group)
	case m.Source.IsValid():
		return v4.JoinSourceSpecificGroup(ifi, group, source)
	}
	return v4.JoinGroup(ifi, group)
}

// interfaceOf returns the interface that text names or numbers, nil for none.
func interfaceOf(text string) (*net.Interface, error) {
	if text == "" {
		return nil, nil
	}
	if index, _, ok := lookupZone(text); ok {
		if ifi, err := net.InterfaceByIndex(int(index)); err == nil {
			return ifi, nil
		}
	}
	return nil, noInterface(text)
}

// noInterface says that text neither names nor numbers an interface.
func noInterface(text string) error {
	return fmt.Errorf("no interface %q here: %w", text, syscall.ENODEV)
}

// addGroups says how to send to groups, and joins those to receive from.
func (s *DatagramSocket) addGroups(cfg MulticastConfig, join []Membership) error {
	if s.udp != nil {
		if err := s.setMulticast(cfg); err != nil {
			return err
		}
	}
	for _, m := range join {
		if err := s.Join(m); err != nil {
			return err
		}
	}
	return nil
}

func (s *DatagramSocket) setMulticast(cfg MulticastConfig) error {
	ifi, err := interfaceOf(cfg.Interface)
	if err != nil {
		return err
	}
	set := groupSenderOf(s.udp)
	if ifi != nil {
		if err := set.setInterface(ifi); err != nil {
			return fmt.Errorf("multicast interface: %w", err)
		}
	}
	if cfg.TTL != nil {
		if err := set.setTTL(*cfg.TTL); err != nil {
			return fmt.Errorf("multicast ttl: %w", err)
		}
	}
	if cfg.Loop != nil {
		if err := set.setLoop(*cfg.Loop); err != nil {
			return fmt.Errorf("multicast loop: %w", err)
		}
	}
	return nil
}

// A groupSender has the options for sending to groups of one IP version.
type groupSender struct {
	setInterface func(*net.Interface) error
	setTTL       func(int) error
	setLoop      func(bool) error
}

// groupSenderOf returns the options of the IP version that c has.
func groupSenderOf(c *net.UDPConn) groupSender {
	if c.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
		p := ipv4.NewPacketConn(c)
		return groupSender{p.SetMulticastInterface, p.SetMulticastTTL, p.SetMulticastLoopback}
	}
	p := ipv6.NewPacketConn(c)
	return groupSender{p.SetMulticastInterface, p.SetMulticastHopLimit, p.SetMulticastLoopback}
}
