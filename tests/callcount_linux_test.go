package tests

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/internal/need"
)

// A counted path is one way of bytes, datagrams or names through brio, and how
// many system calls each may take. There is no timing in it: it holds on a busy
// machine as well.
type countedPath struct {
	name   string
	script string // "trace NAME COMMAND" counts the calls of a command
	// The calls for each unit, of every command that is counted: what moves
	// data, and all attempts of it that had to wait.
	units int
	most  map[string]float64
}

// startCalls is what the start and the end of a program may read and write.
const startCalls = 60

// countedSize is how much a stream moves, in mebibytes.
const countedSize = 16

// awaitPlace waits until brio has written its port file: to $place.
const awaitPlace = `while [ ! -s port ]; do sleep 0.02; done
place=$(cat port); case $place in /*) place=unix:$place;; *) place=127.0.0.1:$place;; esac
`

// tracePrelude defines trace. Reading the configuration and the program itself
// are mmap and pread, which are not counted.
const tracePrelude = `set -e
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
trace() { local name=$1; shift; strace -f -qq -c -e trace=read,write,readv,writev,recvfrom,sendto,sendmsg,recvmsg,sendmmsg,recvmmsg,sendfile,splice,tee,copy_file_range,setsockopt,poll,ppoll -o $name "$@"; }
`

func TestSystemCallsOfEachPath(t *testing.T) {
	need.Tool(t, "strace")
	for _, p := range append(streamPaths(), append(ftpPaths(t), packetPaths(t)...)...) {
		t.Run(p.name, func(t *testing.T) {
			var over string
			for range 3 { // on a busy machine less is ready at each call
				if over = p.check(t); over == "" {
					return
				}
			}
			t.Error(over)
		})
	}
}

// check runs the script and compares what each command needed. It returns what
// was more than it may be.
func (p countedPath) check(t *testing.T) (over string) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "source"), make([]byte, countedSize<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(need.Tool(t, "timeout"), "60", need.Tool(t, "bash"), "-c", tracePrelude+p.script)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+brioDir(t)+":"+os.Getenv("PATH"), "BRIO_CONFIG=none")
	c.WaitDelay = time.Second
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, most := range p.most {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		calls, each := countCalls(t, string(text))
		if calls > startCalls+int(most*float64(p.units)) {
			over += fmt.Sprintf("%s: want at most %.4g calls for each; ", name, most)
		}
		t.Logf("%s: %d calls, %.3f for each: %s", name, calls, float64(calls)/float64(p.units), each)
	}
	return over
}

// countCalls adds up the table of strace -c: time, seconds, usecs/call, calls,
// errors if any, and the name.
func countCalls(t *testing.T, table string) (calls int, each string) {
	t.Helper()
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 || f[len(f)-1] == "total" {
			continue
		}
		n, err := strconv.Atoi(f[3])
		if err != nil {
			continue // a heading
		}
		calls += n
		each += fmt.Sprintf(" %s %d", f[len(f)-1], n)
	}
	if calls == 0 {
		t.Errorf("strace counted nothing: %q", table)
	}
	return calls, each
}

// listenAndConnect is a stream from connect to listen.
func listenAndConnect(address, from, to, listen, connect string) string {
	return `trace received brio listen ` + address + ` --port-file port ` + listen + ` </dev/null ` + to + ` &
` + awaitPlace + `trace sent brio connect $place ` + connect + ` ` + from + `
wait $!
`
}

// streamPaths are the streams, with calls for each mebibyte. How much one splice
// takes depends on how far the sender is ahead: the bounds are twice what a busy
// machine shows, and a third of what copies of 32 KiB would need.
func streamPaths() []countedPath {
	const (
		tcp, unix      = "127.0.0.1:0", "unix:$PWD/s"
		file, pipe     = "<source", "< <(cat source)"
		toFile, toPipe = ">out", "> >(cat >/dev/null)"
		toNull, toEnd  = ">/dev/null", ">>out"
		tlsServer      = "trace received brio tls-server -q --port-file port 127.0.0.1:0 </dev/null "
		tlsClient      = "trace sent brio tls-client -k -q $place "
	)
	path := func(name, script string, sent, received float64) countedPath {
		return countedPath{name, script, countedSize, map[string]float64{"sent": sent, "received": received}}
	}
	return []countedPath{
		path("file to TCP to null", listenAndConnect(tcp, file, toNull, "", ""), 4, 48),
		path("file to TCP to file", listenAndConnect(tcp, file, toFile, "", ""), 4, 48),
		path("file to TCP to the end of a file", listenAndConnect(tcp, file, toEnd, "", ""), 4, 48),
		path("pipe to TCP to pipe", listenAndConnect(tcp, pipe, toPipe, "", ""), 10, 48),
		path("file to UNIX to file", listenAndConnect(unix, file, toFile, "", ""), 10, 20),
		path("pipe to UNIX to pipe", listenAndConnect(unix, pipe, toPipe, "", ""), 10, 20),
		path("chunked", listenAndConnect(tcp, pipe, toNull, "--chunked-in", "--chunked-out"), 48, 96),
		path("TLS", tlsServer+toNull+" &\n"+awaitPlace+tlsClient+file+"\nwait $!\n", 20, 40),
		path("TLS from pipe to pipe", tlsServer+toPipe+" &\n"+awaitPlace+tlsClient+pipe+"\nwait $!\n", 22, 24),
		{"relay", `brio listen --port-file sink --discard 127.0.0.1:0 &
while [ ! -s sink ]; do sleep 0.02; done
trace relay brio listen --port-file port 127.0.0.1:0 --forward 127.0.0.1:$(cat sink) &
` + awaitPlace + `brio connect $place ` + file + `
wait
`, countedSize, map[string]float64{"relay": 48}},
	}
}

// ftpPaths are downloads and uploads of a file, with calls for each mebibyte.
func ftpPaths(t *testing.T) []countedPath {
	s := (&ftptest.Server{}).Put("/large", make([]byte, countedSize<<20)).Start(t)
	url := "ftp://" + s.HostPort()
	return []countedPath{
		{"FTP get", "trace get brio ftp-get -o out " + url + "/large\ncmp source out\n", countedSize, map[string]float64{"get": 48}},
		{"FTP put", "trace put brio ftp-put source " + url + "/up\n", countedSize, map[string]float64{"put": 4}},
	}
}

// packetPaths are datagrams, with calls for each, and names, with calls for each.
func packetPaths(t *testing.T) []countedPath {
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	const (
		packets = countedSize << 20 / 1024
		names   = 2000
	)
	send := "trace send brio dgram send " + sink.LocalAddr().String() + " --framing 1024 <source\n"
	return []countedPath{
		{"datagrams sent", send, packets, map[string]float64{"send": 0.015}},
		{"datagrams sent by the kernel's cutting", strings.Replace(send, "--framing", "--gso --framing", 1), packets, map[string]float64{"send": 0.05}},
		{"datagrams received", `trace recv brio dgram recv --count 1000 --wait 10 --port-file port 127.0.0.1:0 >/dev/null &
` + awaitPlace + `head -c 1024000 source | brio dgram send $place --framing 1024 --rate 20000
wait $!
`, 1000, map[string]float64{"recv": 2}},
		{"names in bulk", fmt.Sprintf("seq -f n%%g.example %d >names\ntrace dns brio dns-query @%s --format short -f names >/dev/null\n", names, answerAll(t)), names,
			map[string]float64{"dns": 0.3}},
	}
}

// answerAll starts a name server that has the same address for every name.
func answerAll(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(192, 0, 2, 1)}}
		_ = w.WriteMsg(m) // a lost answer is asked for again
	})}
	go s.ActivateAndServe()
	<-started
	t.Cleanup(func() { _ = s.Shutdown() })
	return pc.LocalAddr().String()
}
