//go:build soak && linux

package soak

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/ftptest"
)

// TestBulk asks for a million names; memory must not grow with their number.
func TestBulk(t *testing.T) {
	const n = 1000000
	addr := answerAll(t)
	names := exec.Command("seq", "-f", "n%.0f.soak.test", "1", fmt.Sprint(n))
	c := exec.Command(brio, "dns-query", "@"+addr, "--format", "short", "-f", "-")
	var err error
	if c.Stdin, err = names.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	for _, p := range []*exec.Cmd{names, c} {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		defer p.Process.Kill()
	}
	got := 0
	for s := bufio.NewScanner(out); s.Scan(); {
		got++
	}
	if err := c.Wait(); err != nil {
		t.Errorf("brio dns-query: %v", err)
	}
	if err := names.Wait(); err != nil {
		t.Errorf("seq: %v", err)
	}
	peak := c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
	t.Logf("%d answers, %d MiB at the peak, %v of CPU", got, peak, c.ProcessState.UserTime()+c.ProcessState.SystemTime())
	if got != n {
		t.Errorf("%d of %d names were answered", got, n)
	}
	if peak > 64 {
		t.Errorf("brio grew to %d MiB; want at most 64", peak)
	}
}

// answerAll is a name server that gives every question the same address.
func answerAll(t *testing.T) string {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetReadBuffer(4 << 20) // the default loses some, which brio asks for again
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if end := bytes.IndexByte(buf[12:n], 0) + 17; n >= 17 && end <= n {
				r := append(buf[:end:end], 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1)
				r[2], r[3], r[7], r[11] = 0x81, 0x80, 1, 0
				_, _ = c.WriteToUDPAddrPort(r, from) // a lost reply is asked for again
			}
		}
	}()
	return c.LocalAddr().String()
}

// TestMirror fetches a tree of 10,000 files, killed at random and started again
// until it is complete. Then it must be identical, with nothing left over.
func TestMirror(t *testing.T) {
	const n = 10000
	s := &ftptest.Server{}
	want := map[string][32]byte{}
	for i := range n {
		name := fmt.Sprintf("d%02d/f%04d", i%50, i)
		data := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, rand.IntN(4000))
		s.Put("/tree/"+name, data)
		want[name] = sha256.Sum256(data)
	}
	s.Start(t)
	dir := t.TempDir()
	kills := 0
	for deadline := time.Now().Add(soakTime()); ; {
		c := exec.Command(brio, "ftp-get", "-q", "-r", "--resume", "--newer", "-d", dir, "ftp://"+s.HostPort()+"/tree/")
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(50+rand.IntN(1500))*time.Millisecond, func() { _ = c.Process.Kill() })
		if kills > 20 {
			kill.Stop()
		}
		err := c.Wait()
		kill.Stop()
		if err == nil {
			break
		}
		kills++
		if exitCode(err) > 0 || time.Now().After(deadline) {
			t.Fatalf("brio ftp-get: %v after %d kills", err, kills)
		}
	}
	t.Logf("complete after %d kills", kills)
	compareTree(t, dir, want)
}

func compareTree(t *testing.T, dir string, want map[string][32]byte) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := path[strings.LastIndex(path, "/d")+1:]
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if sum, ok := want[name]; !ok || sum != sha256.Sum256(data) {
			t.Errorf("%s is not what the server has", path)
		}
		seen++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen != len(want) {
		t.Errorf("%d of %d files are there", seen, len(want))
	}
}
