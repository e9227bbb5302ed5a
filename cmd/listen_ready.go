package cmd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

// readyFlags say how a listener tells that it listens, and where.
type readyFlags struct {
	portFile string
	readyFD  int
}

func (r *readyFlags) add(c *cobra.Command, ev *events) {
	flagGroup(c, "Readiness", func(f *pflag.FlagSet) {
		f.StringVar(&r.portFile, "port-file", "", "write the port (or path) listened on to `FILE`, once it is")
		f.IntVar(&r.readyFD, "ready-fd", -1, "write the port (or path) and a newline to descriptor `N`, and close it")
		ev.addFlag(f)
	})
}

// A listeningEvent tells where a listener is.
type listeningEvent struct {
	Address string `json:"address"`
	Port    uint16 `json:"port"`
	Path    string `json:"path,omitempty"`
	Family  string `json:"family"`
}

// announce tells everybody who wants to know that l listens at where.
func (r *readyFlags) announce(e *env, ev *events, l *socket.Listener, where string) error {
	place := strconv.Itoa(int(l.LocalPort()))
	if l.AddressFamily() == socket.File {
		place = l.LocalFilename()
	}
	ev.send("listening", listeningEvent{Address: listenerName(l), Port: l.LocalPort(), Path: l.LocalFilename(), Family: string(l.AddressFamily())})
	e.verbosef("listening on %s", listenerName(l))
	if l.LocalHost().IsUnspecified() {
		e.note("reachable on %s", exposure(l))
	}
	if r.portFile != "" {
		if err := writeWhole(r.portFile, place+"\n"); err != nil {
			return err
		}
	}
	if r.readyFD >= 0 {
		if err := r.writeReady(place); err != nil {
			return err
		}
	}
	return notifySupervisor("READY=1\nSTATUS=listening on " + listenerName(l))
}

// withdraw tells the supervisor that brio is about to end.
func (r *readyFlags) withdraw() { _ = notifySupervisor("STOPPING=1") } // it is too late to complain

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

func (r *readyFlags) writeReady(place string) error {
	f, err := openDescriptor(r.readyFD, "ready")
	if err != nil {
		return usagef("--ready-fd: %w", err)
	}
	defer f.Close()
	if _, err := f.WriteString(place + "\n"); err != nil {
		return &outputError{fmt.Sprintf("descriptor %d", r.readyFD), plainCause(err)}
	}
	return nil
}

// writeWhole writes a file so that nobody sees a part of it.
func writeWhole(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".brio-*")
	if err != nil {
		return &outputError{name, plainCause(err)}
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error says more
		return &outputError{name, plainCause(err)}
	}
	return nil
}

// notifySupervisor sends state to the socket that NOTIFY_SOCKET names
// (sd_notify(3)), if it names one.
func notifySupervisor(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	defer c.Close()
	_, err = c.Write([]byte(state))
	return err
}
