package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tracedSize is how much is moved under strace.
const tracedSize = 32 << 20

// Bytes in bulk stay inside the kernel: a connection moves them with sendfile
// or splice, and hardly any are read or written by brio itself.
func TestBytesStayInTheKernel(t *testing.T) {
	needTool(t, "strace")
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, make([]byte, tracedSize), 0o600); err != nil {
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
				sent, received := traced(t, plain, tt.from, tt.to, address)
				checkCalls(t, "connect", sent, tt.send)
				checkCalls(t, "listen", received, tt.received)
			}
		})
	}
}

// Nothing can be spliced into a file that is appended to; then few large reads
// and writes do it.
func TestAppendingTakesFewSystemCalls(t *testing.T) {
	needTool(t, "strace")
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, make([]byte, tracedSize), 0o600); err != nil {
		t.Fatal(err)
	}
	_, received := traced(t, plain, "< "+source, ">> out", "127.0.0.1:0")
	checkCopies(t, "listen", received)
}

// TLS gathers several records for one system call, also between pipes, which
// are small when nobody enlarges them.
func TestTLSTakesFewSystemCalls(t *testing.T) {
	needTool(t, "strace")
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, make([]byte, tracedSize), 0o600); err != nil {
		t.Fatal(err)
	}
	overTLS := movers{"tls-server -q", "tls-client -q --insecure"}
	sent, received := traced(t, overTLS, "< <(cat "+source+")", "> >(cat >/dev/null)", "127.0.0.1:0")
	checkCopies(t, "tls-client", sent)
	checkCopies(t, "tls-server", received)
}

// checkCopies fails when a command took many system calls to copy the source.
func checkCopies(t *testing.T, command, trace string) {
	t.Helper()
	calls := strings.Count(trace, " read(") + strings.Count(trace, " write(")
	if most := 20 * tracedSize >> 20; calls > most {
		t.Errorf("%s: %d reads and writes for 32 MiB; want at most %d", command, calls, most)
	}
	t.Logf("%s: %d reads and writes", command, calls)
}

// movers are the commands that receive and send.
type movers struct{ receive, send string }

var plain = movers{"listen", "connect"}

// traced moves what from gives through the two commands to to, and returns the
// system calls that either made for it.
func traced(t *testing.T, m movers, from, to, address string) (sent, received string) {
	t.Helper()
	dir := t.TempDir()
	script := `set -e
trace() { strace -f -qq -e trace=read,write,readv,writev,recvfrom,sendto,sendmsg,recvmsg,sendfile,splice -o "$@"; }
trace received brio ` + m.receive + ` ` + address + ` --port-file place </dev/null ` + to + ` &
while [ ! -s place ]; do sleep 0.02; done
place=$(cat place)
case $place in /*) place=unix:$place;; *) place=127.0.0.1:$place;; esac
trace sent brio ` + m.send + ` $place ` + from + `
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
	if moving == 0 || moving > 32*tracedSize>>20 || copying > 60 {
		t.Errorf("%s made %d calls of %s and %d that copy", command, moving, by, copying)
	}
	t.Logf("%s: %d calls of %s, %d that copy", command, moving, by, copying)
}
