package cmd

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/brio-net/brio/pkg/socket"
)

// A listeningEvent tells where a listener is.
type listeningEvent struct {
	Address string `json:"address"`
	Port    uint16 `json:"port"`
	Path    string `json:"path,omitempty"`
	Family  string `json:"family"`
}

// announce tells everybody who wants to know that l listens. The function
// returned takes back what can be.
func (o *listenOptions) announce(ctx context.Context, e *env, l *socket.Listener) (done func(), err error) {
	name, place := listenerName(l), strconv.Itoa(int(l.LocalPort()))
	if l.AddressFamily() == socket.File {
		place = l.LocalFilename()
	}
	o.events.send("listening", listeningEvent{Address: name, Port: l.LocalPort(), Path: l.LocalFilename(), Family: string(l.AddressFamily())})
	e.verbosef("listening on %s", name)
	e.noteExposure(l.LocalHost(), l.LocalPort(), o.ip.only6)
	return o.ready.announce(ctx, name, place)
}

// noteExposure says where a socket can be reached that is bound to no address.
func (e *env) noteExposure(host netip.Addr, port uint16, only6 bool) {
	if host.IsUnspecified() {
		e.note("reachable at %s", exposure(host, strconv.Itoa(int(port)), only6))
	}
}

// exposure lists the addresses at which the unspecified address host is reached;
// that of IPv6 means both versions unless only6 says otherwise.
func exposure(host netip.Addr, port string, only6 bool) string {
	list, err := socket.Interfaces()
	if err != nil {
		return "all interfaces, port " + port
	}
	var at []string
	for _, i := range list {
		for _, a := range i.Addrs {
			reached := !only6
			if !a.Addr.Is4() {
				reached = !host.Is4() && !a.Addr.IsLinkLocalUnicast()
			}
			if reached {
				at = append(at, net.JoinHostPort(a.Addr.String(), port)+" ("+i.Name+")")
			}
		}
	}
	return strings.Join(at, ", ")
}
