package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/brio-net/brio/internal/need"
)

// pathSize is how many bytes are moved.
const pathSize = 32 << 20

// Bytes in bulk stay inside the kernel: a connection moves them with sendfile
// or splice, and hardly any are read or written by brio itself.
func TestBytesStayInTheKernel(t *testing.T) {
	need.Tool(t, "strace")
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, make([]byte, pathSize), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name           string
		from, to       string // the sender's stdin and the receiver's stdout
		send, received string // the system call that moves the bytes
	}{
		{"file to null", "< " + source, "> /dev/null", "sendfile", "splice"},
		{"file to file", "< " + source, "> out", "sendfile", "splice"},
		{"pipe to pipe", "< <(cat " + source + ")", "> >(cat >/dev/null)", "splice", "splice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, address := range []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "s")} {
				sent, received := traced(t, tt.from, tt.to, address)
				checkCalls(t, "connect", sent, tt.send)
				checkCalls(t, "listen", received, tt.received)
			}
		})
	}
}

// traced moves what from gives from connect to listen and on to to, and returns
// the system calls that either made for it.
func traced(t *testing.T, from, to, address string) (sent, received string) {
	t.Helper()
	dir := t.TempDir()
	script := `set -e
trace() { strace -f -qq -e trace=read,write,readv,writev,recvfrom,sendto,sendmsg,recvmsg,sendfile,splice -o "$@"; }
trace received brio listen ` + address + ` --port-file place </dev/null ` + to + ` &
while [ ! -s place ]; do sleep 0.02; done
place=$(cat place)
case $place in /*) place=unix:$place;; *) place=127.0.0.1:$place;; esac
trace sent brio connect $place ` + from + `
wait $!
`
	c := exec.Command(need.Tool(t, "bash"), "-c", script)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+brioDir(t)+":"+os.Getenv("PATH"), "BRIO_CONFIG=none")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return text("sent"), text("received")
}

// checkCalls fails unless the bytes were moved by the one system call. When they
// trickle in, a part may be read and written, which is counted twice.
func checkCalls(t *testing.T, command, trace, by string) {
	t.Helper()
	moved, copied := 0, 0
	// A line is a call with its result, the beginning of one, or the end of one with its result.
	done := regexp.MustCompile(`^\d+ +(?:<\.\.\. )?(\w+).* = (\d+)$`)
	for line := range strings.Lines(trace) {
		m := done.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(m[2])
		if m[1] == by {
			moved += n
		} else {
			copied += n
		}
	}
	if moved < pathSize/2 || copied > pathSize/2 {
		t.Errorf("%s moved %d bytes by %s and copied %d", command, moved, by, copied)
	}
	t.Logf("%s moved %d bytes by %s and copied %d", command, moved, by, copied)
}
