package cmd

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/pflag"
)

// readyFlags tell the starter of a command that listens where, and that it may
// be used now. Nothing has to be read from a log.
type readyFlags struct {
	portFile string
	readyFD  int
}

func (r *readyFlags) add(f *pflag.FlagSet) {
	f.StringVar(&r.portFile, "port-file", "", "write the port, or the path, to `FILE` once it may be used, and remove it at the end")
	f.IntVar(&r.readyFD, "ready-fd", -1, "write the address to descriptor `N` once it may be used, and close it")
}

// announce tells of address (and of port, or the path of a UNIX socket) in the
// ways that were asked for, and tells a service manager that set NOTIFY_SOCKET
// (sd_notify(3)); the manager is told of the end as soon as ctx ends. The
// function returned takes back what can be.
func (r *readyFlags) announce(ctx context.Context, address, port string) (done func(), err error) {
	takeBack := func() {}
	if r.portFile != "" {
		if err := appear(r.portFile, port+"\n"); err != nil {
			return takeBack, &outputError{r.portFile, plainCause(err)}
		}
		takeBack = func() { _ = os.Remove(r.portFile) } // somebody may have taken it away
	}
	if r.readyFD >= 0 {
		f, err := openDescriptor(r.readyFD, "ready")
		if err == nil {
			_, err = f.WriteString(address + "\n")
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			takeBack()
			return func() {}, usagef("--ready-fd: %w", plainCause(err))
		}
	}
	notifyManager("READY=1")
	stopping := sync.OnceFunc(func() { notifyManager("STOPPING=1") })
	stop := context.AfterFunc(ctx, stopping)
	return func() {
		stop()
		stopping()
		takeBack()
	}, nil
}

// appear makes a file appear with its whole text.
func appear(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), closeFile(f))
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error says more
	}
	return err
}

// closeFile closes f. A close that a signal interrupts closes all the same, and
// must not be tried again: close(2).
func closeFile(f io.Closer) error {
	if err := f.Close(); !errors.Is(err, syscall.EINTR) {
		return err
	}
	return nil
}

// notifyManager tells the service manager of a new state. A manager that is not
// there is no failure of the command.
func notifyManager(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" || !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte(state))
}
