package cmd

import (
	"context"
	"net"
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
	if l.LocalHost().IsUnspecified() {
		e.note("reachable at %s", exposure(l))
	}
	return o.ready.announce(ctx, name, place)
}

// exposure lists the addresses at which an unspecified address can be reached.
func exposure(l *socket.Listener) string {
	port := strconv.Itoa(int(l.LocalPort()))
	list, err := socket.Interfaces()
	if err != nil {
		return "all interfaces, port " + port
	}
	var at []string
	for _, i := range list {
		for _, a := range i.Addrs {
			if a.Addr.Is4() || !l.LocalHost().Is4() && !a.Addr.IsLinkLocalUnicast() {
				at = append(at, net.JoinHostPort(a.Addr.String(), port)+" ("+i.Name+")")
			}
		}
	}
	return strings.Join(at, ", ")
}
