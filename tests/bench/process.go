//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a program may take that should end by itself.
const patience = time.Minute

// A proc is a program that a round runs.
type proc struct {
	cmd   *exec.Cmd
	start time.Time
}

// spawn starts argv with the given streams; nil is the null device.
func (b *bench) spawn(stdin io.Reader, stdout io.Writer, argv ...string) (*proc, error) {
	c := exec.CommandContext(b.ctx, argv[0], argv[1:]...)
	c.Stdin, c.Stdout = stdin, stdout
	c.Env = b.environ()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := &proc{cmd: c, start: time.Now()}
	return p, c.Start()
}

// environ is an environment in which no program finds its user's configuration.
func (b *bench) environ() []string {
	return append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(b.dir, "no-config"), "BRIO_CONFIG=")
}

// wait waits for the end of p and returns what it cost.
func (p *proc) wait() (sample, error) {
	t := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer t.Stop()
	err := p.cmd.Wait()
	return usage(p.start, p.cmd.ProcessState), err
}

// stop ends p, which runs until it is told to, and returns what it cost.
func (p *proc) stop() sample {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	t := time.AfterFunc(3*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer t.Stop()
	_ = p.cmd.Wait() // it ends by the signal
	return usage(p.start, p.cmd.ProcessState)
}

func usage(start time.Time, state *os.ProcessState) sample {
	s := sample{wall: time.Since(start)}
	if u, ok := state.SysUsage().(*syscall.Rusage); ok {
		s.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
		s.rss = u.Maxrss << 10
	}
	return s
}

// once runs argv to its end, which must be a success.
func (b *bench) once(stdin io.Reader, stdout io.Writer, argv ...string) (sample, error) {
	p, err := b.spawn(stdin, stdout, argv...)
	if err != nil {
		return sample{}, err
	}
	s, err := p.wait()
	if err != nil {
		return s, fmt.Errorf("%s: %w", argv[0], err)
	}
	return s, nil
}

// many runs argv n times and returns the cost of one.
func (b *bench) many(n int, input string, argv ...string) (sample, error) {
	var sum sample
	for range n {
		s, err := b.once(strings.NewReader(input), nil, argv...)
		if err != nil {
			return sum, err
		}
		sum.wall += s.wall
		sum.cpu += s.cpu
	}
	sum.wall /= time.Duration(n)
	sum.cpu /= time.Duration(n)
	return sum, nil
}

// alone runs argv to its end as once does, and its memory is its own. For the
// kernel, the peak of a process includes that of the memory it had before exec,
// and Go starts programs in its own memory: all would look as large as the
// bench. A shell, which is small, starts this one and leaves it an orphan, that
// is a child of the bench. It begins when the shell has ended, which would wait
// for it otherwise if it were quick.
func (b *bench) alone(argv ...string) (sample, error) {
	told, tell, err := os.Pipe()
	if err != nil {
		return sample{}, err
	}
	defer told.Close()
	gate, open, err := os.Pipe()
	if err != nil {
		tell.Close()
		return sample{}, err
	}
	defer open.Close()
	sh := exec.CommandContext(b.ctx, "sh", append([]string{"-c", `{ read -r go <&4; exec "$@" 3>&- 4<&-; } & echo $! >&3`, "sh"}, argv...)...)
	sh.Env = b.environ()
	sh.ExtraFiles = []*os.File{tell, gate}
	err = sh.Run()
	tell.Close()
	gate.Close()
	if err != nil {
		return sample{}, err
	}
	var pid int
	if _, err := fmt.Fscan(told, &pid); err != nil {
		return sample{}, err
	}
	start := time.Now()
	if _, err := io.WriteString(open, "go\n"); err != nil {
		return sample{}, err
	}
	return b.adopted(start, pid, argv[0])
}

// adopted waits for the end of an orphan.
func (b *bench) adopted(start time.Time, pid int, name string) (sample, error) {
	p, err := os.FindProcess(pid)
	if err != nil {
		return sample{}, err
	}
	defer context.AfterFunc(b.ctx, func() { _ = p.Kill() })() // or it ends by itself
	t := time.AfterFunc(patience, func() { _ = p.Kill() })
	defer t.Stop()
	state, err := p.Wait()
	if err != nil {
		return sample{}, err
	}
	if !state.Success() {
		err = fmt.Errorf("%s: %s", name, state)
	}
	return usage(start, state), err
}

// memoryOf is the proportional set size of a process and its descendants, now.
func memoryOf(pid int) (int64, error) {
	sum := int64(0)
	found := false
	for _, p := range append(descendants(pid), pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		if err != nil {
			continue // a process may have ended meanwhile
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				kb, _ := strconv.ParseInt(f[1], 10, 64)
				sum += kb << 10
				found = true
			}
		}
	}
	if !found {
		return 0, errors.New("the kernel tells no Pss")
	}
	return sum, nil
}
