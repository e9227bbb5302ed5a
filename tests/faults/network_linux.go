package faults

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A Path says what happens to the packets between two hosts, in per cent of
// them. The zero value passes all.
type Path struct {
	Drop   int           // are lost
	Double int           // arrive twice
	Swap   int           // arrive after the one that follows
	Delay  time.Duration // of every one
}

// A Network is two hosts, each in a network namespace of its own, and a path
// between them for the packets of all protocols. It needs root.
type Network struct {
	Near, Far *Host

	cfg Path
	cut atomic.Bool
	wg  sync.WaitGroup
}

// A Host is one end of a network.
type Host struct {
	Addr netip.Addr

	tun  *os.File
	work chan func()
}

// NewNetwork makes two hosts that reach each other over a path.
func NewNetwork(cfg Path) (*Network, error) {
	n := &Network{cfg: cfg}
	var err error
	if n.Near, err = newHost("198.18.0.1"); err != nil {
		return nil, err
	}
	if n.Far, err = newHost("198.18.0.2"); err != nil {
		_ = n.Near.close() // the first error says more
		return nil, err
	}
	n.wg.Go(func() { n.carry(n.Near, n.Far) })
	n.wg.Go(func() { n.carry(n.Far, n.Near) })
	return n, nil
}

// Cut parts the hosts, or joins them again.
func (n *Network) Cut(cut bool) { n.cut.Store(cut) }

// Close ends the network. Processes that run in it lose their connections.
func (n *Network) Close() error {
	err := n.Near.close()
	if err2 := n.Far.close(); err == nil {
		err = err2
	}
	n.wg.Wait()
	return err
}

// carry brings packets from one host to the other.
func (n *Network) carry(from, to *Host) {
	luck := rand.New(rand.NewPCG(1, uint64(from.Addr.As4()[3])))
	hits := func(percent int) bool { return luck.IntN(100) < percent }
	packet, held := make([]byte, 65536), []byte(nil)
	for {
		size, err := from.tun.Read(packet)
		if err != nil {
			return
		}
		p := packet[:size]
		time.Sleep(n.cfg.Delay)
		if n.cut.Load() || hits(n.cfg.Drop) {
			continue
		}
		if held == nil && hits(n.cfg.Swap) {
			held = append(held, p...)
			continue
		}
		for range 1 + map[bool]int{true: 1}[hits(n.cfg.Double)] {
			_, _ = to.tun.Write(p) // a lost packet is a lost packet
		}
		if held != nil {
			_, _ = to.tun.Write(held) // as above
			held = nil
		}
	}
}

// newHost makes a namespace with one interface besides the loopback.
func newHost(addr string) (*Host, error) {
	h := &Host{Addr: netip.MustParseAddr(addr), work: make(chan func())}
	made := make(chan error)
	go h.live(made)
	if err := <-made; err != nil {
		return nil, err
	}
	return h, nil
}

// live is the thread of the host. It is never given back: it ends with the
// goroutine, and the namespace with it and its processes.
func (h *Host) live(made chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread never ends, and its namespace is what /proc shows of the process.
		done := make(chan struct{})
		go func() { defer close(done); h.live(made) }()
		<-done
		runtime.UnlockOSThread()
		return
	}
	err := unix.Unshare(unix.CLONE_NEWNET)
	if err == nil {
		err = h.setUp()
	}
	made <- err
	if err != nil {
		return
	}
	for f := range h.work {
		f()
	}
}

// Do calls f on the host: sockets that it makes, and processes that it starts,
// are there. It must not start goroutines that do so.
func (h *Host) Do(f func()) {
	done := make(chan struct{})
	h.work <- func() { defer close(done); f() }
	<-done
}

func (h *Host) close() error {
	close(h.work)
	return h.tun.Close()
}

// setUp gives the host its interface: what the system sends there is read from
// a file.
func (h *Host) setUp() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	r, err := unix.NewIfreq("path")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); err != nil {
		return fmt.Errorf("TUNSETIFF: %w", err)
	}
	h.tun = os.NewFile(uintptr(fd), "/dev/net/tun")
	return h.address()
}

func (h *Host) address() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	set := func(name string, request uint, addr []byte) error {
		r, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if addr == nil {
			r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		} else if err := r.SetInet4Addr(addr); err != nil {
			return err
		}
		return unix.IoctlIfreq(s, request, r)
	}
	for _, step := range []error{
		set("path", unix.SIOCSIFADDR, h.Addr.AsSlice()),
		set("path", unix.SIOCSIFNETMASK, []byte{255, 255, 255, 0}),
		set("path", unix.SIOCSIFFLAGS, nil),
		set("lo", unix.SIOCSIFFLAGS, nil),
	} {
		if step != nil {
			return fmt.Errorf("interface: %w", step)
		}
	}
	return nil
}
