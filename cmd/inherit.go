package cmd

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/brio-net/brio/pkg/socket"
)

// inheritedFD returns the descriptor of a socket that brio was started with:
// the one that fd:N names, or without an address the first of systemd's socket
// activation. It reports false for other addresses.
func inheritedFD(args []string) (fd int, ok bool, err error) {
	if len(args) == 0 {
		fd, err = activatedFD()
		return fd, err == nil, err
	}
	number, ok := strings.CutPrefix(args[0], "fd:")
	if !ok || len(args) > 1 {
		return 0, false, nil
	}
	if fd, err = strconv.Atoi(number); err != nil {
		return 0, false, usagef("descriptor %q is not a number", number)
	}
	return fd, true, nil
}

// activatedFD returns the first descriptor of systemd's socket activation.
func activatedFD() (int, error) {
	list, err := socket.ParseListenFDs(os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES"), os.Getpid())
	if err != nil {
		return 0, usagef("socket activation: %w", err)
	}
	if len(list) == 0 {
		return 0, usagef("needs an address to listen on").hint("this machine only: 127.0.0.1:PORT; all interfaces: PORT; a free port: 127.0.0.1:0")
	}
	return list[0].FD, nil
}

// inheritFailure says that a descriptor is no socket for this command. other is
// the command for sockets of the other type.
func inheritFailure(fd int, err error, other string) error {
	target := "fd:" + strconv.Itoa(fd)
	f := &failure{err: socket.Describe(err).Err, op: "listen", target: target, status: statusUsage}
	if errors.Is(err, socket.ErrNotSupported) {
		f.hint("for such sockets: %s %s", other, target)
	}
	return f
}
