package socket

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
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
	l, err := inheritListener(fd, cfg)
	if err != nil {
		return nil, newError("listen", "descriptor "+strconv.Itoa(fd), err)
	}
	return l, nil
}

func inheritListener(fd int, cfg ListenConfig) (*Listener, error) {
	f, err := inheritFile(fd, kindTCP|kindUnix)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	l, err := newListener(ln, cfg, nil)
	if err != nil {
		return nil, err
	}
	if err := SetOptions(l, cfg.Options); err != nil {
		_ = l.Close() // the first error says more
		return nil, err
	}
	l.keepKeepAlive()
	return l, nil
}

// inheritFile makes a file of a descriptor, which must be a socket of one of
// the kinds.
func inheritFile(fd int, kinds socketKind) (*os.File, error) {
	f := os.NewFile(uintptr(fd), "socket")
	if f == nil {
		return nil, os.NewSyscallError("dup", syscall.EBADF)
	}
	i, err := inspect(uintptr(fd))
	if err == nil && i.kind&kinds == 0 {
		err = fmt.Errorf("it is a %s socket: %w", i.kind, ErrNotSupported)
	}
	if err != nil {
		_ = f.Close() // it is not for us
		return nil, err
	}
	return f, nil
}

// InheritPacket makes a datagram socket of a descriptor that the process was
// started with, and which belongs to the socket from then on. The file of a
// UNIX socket is not removed on Close: it is not ours. The address is as the
// starter made it; of cfg Options, Join and Multicast are heeded.
func InheritPacket(fd int, cfg PacketConfig) (*DatagramSocket, error) {
	s, err := inheritPacket(fd, &cfg)
	if err != nil {
		return nil, newError("listen", "descriptor "+strconv.Itoa(fd), err)
	}
	return s, nil
}

func inheritPacket(fd int, cfg *PacketConfig) (*DatagramSocket, error) {
	f, err := inheritFile(fd, kindUDP|kindUnixgram)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	s := &DatagramSocket{network: "unixgram", rules: cfg.rules(false)}
	switch c := c.(type) {
	case *net.UDPConn:
		s.udp, s.network = c, "udp"
	case *net.UnixConn:
		s.unix = c
	}
	err = SetOptions(s, cfg.Options)
	if err == nil {
		err = s.addGroups(cfg.Multicast, cfg.Join)
	}
	if err != nil {
		_ = s.Close() // the first error says more
		return nil, err
	}
	return s, nil
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
