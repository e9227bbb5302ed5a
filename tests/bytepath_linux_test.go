package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Bytes in bulk stay inside the kernel: a connection moves them with sendfile
// or splice, and hardly any are read or written by brio itself.
func TestBytesStayInTheKernel(t *testing.T) {
	needTool(t, "strace")
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, make([]byte, 32<<20), 0o600); err != nil {
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
	c := exec.Command(needTool(t, "bash"), "-c", script)
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

// checkCalls fails unless the bytes were moved by the one system call.
func checkCalls(t *testing.T, command, trace, by string) {
	t.Helper()
	moving, copying := 0, 0
	for line := range strings.Lines(trace) {
		_, call, ok := strings.Cut(line, " ")
		call = strings.TrimSpace(call)
		switch {
		case !ok || strings.Contains(call, "EAGAIN"):
		case strings.HasPrefix(call, by+"("):
			moving++
		case strings.HasPrefix(call, "read(") || strings.HasPrefix(call, "write(") || strings.HasPrefix(call, "recv") || strings.HasPrefix(call, "send") && by != "sendfile":
			copying++
		}
	}
	if moving == 0 || copying > 60 {
		t.Errorf("%s made %d calls of %s and %d that copy", command, moving, by, copying)
	}
	t.Logf("%s: %d calls of %s, %d that copy", command, moving, by, copying)
}
