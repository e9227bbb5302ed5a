package socket

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// firstInherited is the descriptor that socket activation begins with
// (SD_LISTEN_FDS_START of sd_listen_fds(3)).
const firstInherited = 3

// An Inherited is a descriptor that the process was started with.
type Inherited struct {
	FD   int
	Name string // empty when the starter gave none
}

// ParseListenFDs reads the variables of socket activation (sd_listen_fds(3)):
// the values of LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES. It returns no
// descriptors when they are meant for a process other than self, and an error
// when they make no sense.
func ParseListenFDs(pid, fds, names string, self int) ([]Inherited, error) {
	if fds == "" || (pid != "" && pid != strconv.Itoa(self)) {
		return nil, nil
	}
	n, err := strconv.Atoi(fds)
	if err != nil || n < 0 || n > 1<<16 {
		return nil, fmt.Errorf("LISTEN_FDS=%q is not a number of descriptors", fds)
	}
	named := strings.Split(names, ":")
	list := make([]Inherited, n)
	for i := range list {
		list[i].FD = firstInherited + i
		if names != "" && i < len(named) {
			list[i].Name = named[i]
		}
	}
	return list, nil
}

// InheritListener makes a listener of a descriptor that the process was started
// with, and which belongs to the listener from then on. The file of a UNIX
// socket is not removed on Close: it is not ours. The addresses and the options
// that must be set before binding are as the starter made them; cfg.Options are
// set nevertheless.
func InheritListener(fd int, cfg ListenConfig) (*Listener, error) {
	f := os.NewFile(uintptr(fd), "listener")
	if f == nil {
		return nil, fmt.Errorf("descriptor %d is not valid", fd)
	}
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, newError("listen", "descriptor "+strconv.Itoa(fd), err)
	}
	if _, ok := ln.(bareListener); !ok {
		_ = ln.Close() // it is not for us
		return nil, fmt.Errorf("descriptor %d: %T: %w", fd, ln, ErrNotSupported)
	}
	l, err := newListener(ln, cfg, nil)
	if err != nil {
		return nil, newError("listen", "descriptor "+strconv.Itoa(fd), err)
	}
	if err := SetOptions(l, cfg.Options); err != nil {
		_ = l.Close() // the first error says more
		return nil, newError("listen", "descriptor "+strconv.Itoa(fd), err)
	}
	l.keepKeepAlive()
	return l, nil
}

// keepKeepAlive makes accepted connections probe as the listener says. The net
// package has its own idea of that for listeners it did not make.
func (l *Listener) keepKeepAlive() {
	o, err := ReadOptions(l)
	if err != nil || o.KeepAlive == nil {
		return
	}
	l.inherited.KeepAlive, l.plain = o.KeepAlive, false
	l.inherited.KeepAliveIdle, l.inherited.KeepAliveInterval, l.inherited.KeepAliveCount = o.KeepAliveIdle, o.KeepAliveInterval, o.KeepAliveCount
}

// InheritConn makes a connection of a descriptor that the process was started
// with, and which belongs to the connection from then on.
func InheritConn(fd int) (*Conn, error) {
	c, err := fileConn(fd)
	if err != nil {
		return nil, newError("inherit", "descriptor "+strconv.Itoa(fd), err)
	}
	conn, err := NewConn(c)
	if err != nil {
		_ = c.Close() // it is not for us
	}
	return conn, err
}
