package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"crypto/tls"

	"github.com/brio-net/brio/cmd"
	"github.com/brio-net/brio/internal/docs"
	"github.com/brio-net/brio/internal/ftptest"
)

// statusTable says for every command how each of its exit statuses comes about:
// "COMMAND: STATUS SCRIPT". The scripts run in a world with these servers:
//
//	7001  silent, TCP and UDP          7005  echoes datagrams
//	7002  resets each connection       7006  TLS that ends without close_notify
//	7003  talks nonsense, TCP and UDP  7007  TLS for every second connection
//	2121  FTP with a login             2122  FTP that fails with 451, has no TLS
//	2123  FTP that answers 550         203.0.113.1, .2: unreachable, prohibited
//
// server CMD... starts a server that writes its port to $port; ends waits for it.
// powerless CMD... runs a command without the capabilities of root.
const statusTable = `
connect: 0 brio connect --probe localhost:22
connect: 2 brio connect
connect: 3 brio connect --probe nosuch.example:80
connect: 4 brio connect --probe localhost:1
connect: 5 brio connect --timeout 0.2 localhost:7001
connect: 6 brio connect --probe 203.0.113.1:80
connect: 7 brio connect localhost:7002
connect: 8 brio connect --source 127.0.0.1:22 127.0.0.1:80
connect: 9 brio connect --probe 203.0.113.2:80
connect: 10 brio connect --proxy http://localhost:7003 example.com:80
connect: 11 brio connect --expect nomatch localhost:22
connect: 12 brio connect localhost:22 >/dev/full
connect: 15 brio connect --chunked-in localhost:7003
connect: 16 brio connect --probe localhost:22,1

listen: 0 server brio listen 127.0.0.1:0; echo hi | brio connect 127.0.0.1:$port; ends
listen: 2 brio listen
listen: 4 server brio listen 127.0.0.1:0 --forward localhost:1; brio connect 127.0.0.1:$port; ends
listen: 5 brio listen 127.0.0.1:0 --accept-timeout 0.1
listen: 7 server bash -c 'yes | brio listen "$@"' - 127.0.0.1:0; timeout -s KILL 0.3 brio connect 127.0.0.1:$port >/dev/null; ends
listen: 8 brio listen 127.0.0.1:22
listen: 9 powerless brio listen 127.0.0.1:81
listen: 11 brio listen 127.0.0.1:0 --no-wait
listen: 12 server brio listen 127.0.0.1:0 >/dev/full; echo hi | brio connect 127.0.0.1:$port; ends
listen: 16 server brio listen -k --max-accepts 2 127.0.0.1:0 --forward localhost:1; brio connect 127.0.0.1:$port; brio connect 127.0.0.1:$port; ends
listen: 126 server brio listen 127.0.0.1:0 --exec /etc/passwd; brio connect 127.0.0.1:$port; ends
listen: 127 server brio listen 127.0.0.1:0 --exec /nosuch; brio connect 127.0.0.1:$port; ends

dgram send: 0 brio dgram send --data x localhost:7005
dgram send: 2 brio dgram send --nosuch
dgram send: 3 brio dgram send --data x nosuch.example:9
dgram send: 4 brio dgram send --data x --wait 2s 127.0.0.1:1
dgram send: 5 brio dgram send --data x --wait 0.1 localhost:7001
dgram send: 6 brio dgram send --data x 203.0.113.1:9
dgram send: 8 brio dgram send --source 127.0.0.1:53 --data x 127.0.0.1:7005
dgram send: 9 brio dgram send --data x 203.0.113.2:9
dgram send: 12 brio dgram send --data x --wait 1s localhost:7005 >/dev/full
dgram send: 16 brio dgram send --data x --wait 1 127.0.0.1:7005 127.0.0.1:1

dgram recv: 0 server brio dgram recv --count 1 127.0.0.1:0; brio dgram send --data x 127.0.0.1:$port; ends
dgram recv: 2 brio dgram recv
dgram recv: 5 brio dgram recv --wait 0.1 127.0.0.1:0
dgram recv: 8 brio dgram recv 127.0.0.1:53
dgram recv: 9 powerless brio dgram recv 127.0.0.1:81
dgram recv: 12 server brio dgram recv --count 1 127.0.0.1:0 >/dev/full; brio dgram send --data x 127.0.0.1:$port; ends

dgram pipe: 0 echo x | brio dgram pipe --count 1 127.0.0.1:7005
dgram pipe: 2 brio dgram pipe
dgram pipe: 3 echo x | brio dgram pipe nosuch.example:9
dgram pipe: 4 echo x | brio dgram pipe --count 1 127.0.0.1:1
dgram pipe: 5 echo x | brio dgram pipe --timeout 0.2 127.0.0.1:7001
dgram pipe: 6 echo x | brio dgram pipe 203.0.113.1:9
dgram pipe: 8 echo x | brio dgram pipe --source 127.0.0.1:53 127.0.0.1:7005
dgram pipe: 9 echo x | brio dgram pipe 203.0.113.2:9
dgram pipe: 12 echo x | brio dgram pipe --count 1 127.0.0.1:7005 >/dev/full

dgram echo: 0 server brio dgram echo --count 1 127.0.0.1:0; brio dgram send --data x --wait 1s 127.0.0.1:$port; ends
dgram echo: 2 brio dgram echo
dgram echo: 5 brio dgram echo --wait 0.1 127.0.0.1:0
dgram echo: 8 brio dgram echo 127.0.0.1:53
dgram echo: 9 powerless brio dgram echo 127.0.0.1:81
dgram echo: 12 brio dgram echo --port-file /nosuch/port --wait 0.1 127.0.0.1:0

dns-query: 0 brio dns-query example.com
dns-query: 2 brio dns-query --nosuch
dns-query: 3 brio dns-query nosuch.example
dns-query: 4 brio dns-query @127.0.0.1:1 --tcp --repeat 1 example.com
dns-query: 5 brio dns-query @127.0.0.1:7001 --try-timeout 0.1 --repeat 1 example.com
dns-query: 6 brio dns-query @203.0.113.1 --repeat 1 example.com
dns-query: 7 brio dns-query @127.0.0.1:7002 --tcp --repeat 1 example.com
dns-query: 10 brio dns-query @tls://127.0.0.1:7003 --repeat 1 example.com
dns-query: 11 brio dns-query example.com --expect 192.0.2.99
dns-query: 12 brio dns-query example.com >/dev/full
dns-query: 13 brio dns-query @tls://192.0.2.77 --repeat 1 example.com
dns-query: 14 brio dns-query servfail.example
dns-query: 15 brio dns-query @127.0.0.1:7003 --try-timeout 1 --repeat 1 example.com
dns-query: 16 brio dns-query example.com nosuch.example

ipaddr: 0 brio ipaddr 127.1
ipaddr: 2 brio ipaddr 1.2.3.256
ipaddr: 3 brio ipaddr --lookup nosuch.example
ipaddr: 5 (sleep 2; echo 127.1) | brio ipaddr --timeout 0.1
ipaddr: 11 brio ipaddr --is private 9.9.9.9
ipaddr: 12 brio ipaddr 127.1 >/dev/full
ipaddr: 16 brio ipaddr 127.1 1.2.3.256
ipaddr parse: 0 brio ipaddr parse 127.1
ipaddr parse: 2 brio ipaddr parse 1.2.3.256
ipaddr parse: 5 (sleep 2; echo 127.1) | brio ipaddr parse --timeout 0.1
ipaddr parse: 11 brio ipaddr parse --check 1.2.3.256
ipaddr parse: 12 brio ipaddr parse 127.1 >/dev/full
ipaddr parse: 16 brio ipaddr parse 127.1 1.2.3.256
ipaddr format: 0 brio ipaddr format 127.1
ipaddr format: 2 brio ipaddr format 1.2.3.256
ipaddr format: 5 (sleep 2; echo 127.1) | brio ipaddr format --timeout 0.1
ipaddr format: 12 brio ipaddr format 127.1 >/dev/full
ipaddr format: 16 brio ipaddr format 127.1 1.2.3.256
ipaddr is: 0 brio ipaddr is ip 127.1
ipaddr is: 2 brio ipaddr is nosuch 127.1
ipaddr is: 5 (sleep 2; echo 127.1) | brio ipaddr is ip --timeout 0.1
ipaddr is: 11 brio ipaddr is ipv6 127.1
ipaddr is: 12 brio ipaddr is ip 127.1 >/dev/full
ipaddr in: 0 brio ipaddr in 127.0.0.0/8 127.1
ipaddr in: 2 brio ipaddr in 127.0.0.0/8 1.2.3.256
ipaddr in: 5 (sleep 2; echo 127.1) | brio ipaddr in 127.0.0.0/8 --timeout 0.1
ipaddr in: 11 brio ipaddr in 127.0.0.0/8 9.9.9.9
ipaddr in: 12 brio ipaddr in 127.0.0.0/8 127.1 >/dev/full
ipaddr in: 16 brio ipaddr in 127.0.0.0/8 127.1 1.2.3.256
ipaddr equal: 0 brio ipaddr equal ::1 0::1
ipaddr equal: 2 brio ipaddr equal ::1
ipaddr equal: 11 brio ipaddr equal ::1 ::2
ipaddr equal: 12 brio ipaddr equal ::1 ::1 >/dev/full
ipaddr interfaces: 0 brio ipaddr interfaces lo
ipaddr interfaces: 2 brio ipaddr interfaces --nosuch
ipaddr interfaces: 3 brio ipaddr interfaces nosuch
ipaddr interfaces: 12 brio ipaddr interfaces >/dev/full
ipaddr lookup: 0 brio ipaddr lookup localhost
ipaddr lookup: 2 brio ipaddr lookup 1.2.3.256
ipaddr lookup: 3 brio ipaddr lookup nosuch.example
ipaddr lookup: 5 (sleep 2; echo 127.1) | brio ipaddr lookup --timeout 0.1
ipaddr lookup: 12 brio ipaddr lookup localhost >/dev/full
ipaddr lookup: 14 brio ipaddr lookup servfail.example
ipaddr lookup: 16 brio ipaddr lookup localhost nosuch.example
ipaddr name: 0 brio ipaddr name 192.0.2.1
ipaddr name: 2 brio ipaddr name 1.2.3.256
ipaddr name: 3 brio ipaddr name 192.0.2.66
ipaddr name: 5 (sleep 2; echo 127.1) | brio ipaddr name --timeout 0.1
ipaddr name: 12 brio ipaddr name 127.1 >/dev/full
ipaddr name: 14 brio ipaddr name 192.0.2.67
ipaddr name: 16 brio ipaddr name 192.0.2.1 192.0.2.66
ipaddr port: 0 brio ipaddr port https
ipaddr port: 2 brio ipaddr port 0
ipaddr port: 3 brio ipaddr port nosuch
ipaddr port: 5 (sleep 2; echo 127.1) | brio ipaddr port --timeout 0.1
ipaddr port: 12 brio ipaddr port https >/dev/full
ipaddr port: 16 brio ipaddr port https nosuch

tls-client: 0 brio tls-client --probe example.com
tls-client: 2 brio tls-client
tls-client: 3 brio tls-client nosuch.example:443
tls-client: 4 brio tls-client localhost:1
tls-client: 5 brio tls-client --timeout 0.2 localhost:7001
tls-client: 6 brio tls-client 203.0.113.1:443
tls-client: 7 brio tls-client localhost:7006
tls-client: 9 brio tls-client 203.0.113.2:443
tls-client: 10 brio tls-client localhost:7003
tls-client: 11 brio tls-client --expect nomatch localhost:443
tls-client: 12 brio tls-client --probe example.com >/dev/full
tls-client: 13 brio tls-client --probe expired.example.com
tls-client: 16 brio tls-client --reconnect 4 localhost:7007

tls-server: 0 server brio tls-server 127.0.0.1:0; echo hi | brio tls-client --insecure 127.0.0.1:$port; ends
tls-server: 2 brio tls-server
tls-server: 4 server brio tls-server 127.0.0.1:0 --forward localhost:1; brio tls-client --insecure 127.0.0.1:$port; ends
tls-server: 5 brio tls-server 127.0.0.1:0 --accept-timeout 0.1
tls-server: 7 server brio tls-server 127.0.0.1:0; timeout -s KILL 2 brio tls-client --insecure 127.0.0.1:$port; ends
tls-server: 8 brio tls-server 127.0.0.1:22
tls-server: 9 powerless brio tls-server 127.0.0.1:81
tls-server: 10 server brio tls-server 127.0.0.1:0; echo nonsense | brio connect 127.0.0.1:$port; ends
tls-server: 11 brio tls-server 127.0.0.1:0 --no-wait
tls-server: 12 server brio tls-server 127.0.0.1:0 >/dev/full; echo hi | brio tls-client --insecure 127.0.0.1:$port; ends
tls-server: 13 server brio tls-server 127.0.0.1:0 --verify required --ca-file ca.pem; brio tls-client --insecure --certificate expired.pem --key key.pem 127.0.0.1:$port; ends
tls-server: 16 server brio tls-server -k --max-accepts 2 127.0.0.1:0 --forward localhost:1; brio tls-client --insecure 127.0.0.1:$port; brio tls-client --insecure 127.0.0.1:$port; ends
tls-server: 126 server brio tls-server 127.0.0.1:0 --exec /etc/passwd; brio tls-client --insecure 127.0.0.1:$port; ends
tls-server: 127 server brio tls-server 127.0.0.1:0 --exec /nosuch; brio tls-client --insecure 127.0.0.1:$port; ends

cert-info: 0 brio cert-info cert.pem
cert-info: 2 brio cert-info --nosuch
cert-info: 3 brio cert-info nosuch.test:443
cert-info: 4 brio cert-info localhost:1
cert-info: 5 brio cert-info --timeout 0.2 localhost:7001
cert-info: 9 powerless brio cert-info secret/cert.pem
cert-info: 10 brio cert-info localhost:7003
cert-info: 11 brio cert-info --expires-within 3650d cert.pem
cert-info: 12 brio cert-info cert.pem >/dev/full
cert-info: 13 brio cert-info --verify --ca-file ca.pem --host www.other.test cert.pem
cert-info: 16 brio cert-info cert.pem nosuch.pem

ftp-get: 0 brio ftp-get ftp://localhost/pub/motd
ftp-get: 2 brio ftp-get
ftp-get: 3 brio ftp-get ftp://localhost/nosuch
ftp-get: 4 brio ftp-get --retries 0 ftp://localhost:1/f
ftp-get: 5 brio ftp-get --retries 0 --reply-timeout 0.2 ftp://localhost:7001/f
ftp-get: 6 brio ftp-get --retries 0 ftp://203.0.113.1/f
ftp-get: 7 brio ftp-get --retries 0 ftp://localhost:7002/f
ftp-get: 9 brio ftp-get --password-file pw ftp://me@localhost:2121/f
ftp-get: 10 brio ftp-get --retries 0 --tls explicit ftp://localhost:2122/f
ftp-get: 12 brio ftp-get -o /dev/full ftp://localhost/pub/motd
ftp-get: 13 brio ftp-get --retries 0 --tls explicit ftp://192.0.2.77/pub/motd
ftp-get: 14 brio ftp-get --retries 0 ftp://localhost:2122/f
ftp-get: 15 brio ftp-get --retries 0 ftp://localhost:7003/f
ftp-get: 16 brio ftp-get ftp://localhost/pub/motd ftp://localhost/nosuch

ftp-put: 0 brio ftp-put file.txt ftp://localhost/incoming/
ftp-put: 2 brio ftp-put
ftp-put: 3 brio ftp-put file.txt ftp://localhost:2123/f
ftp-put: 4 brio ftp-put --retries 0 file.txt ftp://localhost:1/f
ftp-put: 5 brio ftp-put --retries 0 --reply-timeout 0.2 file.txt ftp://localhost:7001/f
ftp-put: 6 brio ftp-put --retries 0 file.txt ftp://203.0.113.1/f
ftp-put: 7 brio ftp-put --retries 0 file.txt ftp://localhost:7002/f
ftp-put: 9 brio ftp-put --password-file pw file.txt ftp://me@localhost:2121/f
ftp-put: 10 brio ftp-put --retries 0 --tls explicit file.txt ftp://localhost:2122/f
ftp-put: 12 brio ftp-put nosuch.txt ftp://localhost/f
ftp-put: 13 brio ftp-put --retries 0 --tls explicit file.txt ftp://192.0.2.77/incoming/
ftp-put: 14 brio ftp-put --retries 0 file.txt ftp://localhost:2122/f
ftp-put: 15 brio ftp-put --retries 0 file.txt ftp://localhost:7003/f
ftp-put: 16 brio ftp-put file.txt nosuch.txt ftp://localhost/incoming/

ftp-ls: 0 brio ftp-ls ftp://localhost/pub/
ftp-ls: 2 brio ftp-ls
ftp-ls: 3 brio ftp-ls ftp://localhost/nosuch/
ftp-ls: 4 brio ftp-ls --retries 0 ftp://localhost:1/
ftp-ls: 5 brio ftp-ls --retries 0 --reply-timeout 0.2 ftp://localhost:7001/
ftp-ls: 6 brio ftp-ls --retries 0 ftp://203.0.113.1/
ftp-ls: 7 brio ftp-ls --retries 0 ftp://localhost:7002/
ftp-ls: 9 brio ftp-ls --password-file pw ftp://me@localhost:2121/
ftp-ls: 10 brio ftp-ls --retries 0 --tls explicit ftp://localhost:2122/
ftp-ls: 12 brio ftp-ls ftp://localhost/pub/ >/dev/full
ftp-ls: 13 brio ftp-ls --retries 0 --tls explicit ftp://192.0.2.77/
ftp-ls: 14 brio ftp-ls --retries 0 ftp://localhost:2122/
ftp-ls: 15 brio ftp-ls --retries 0 ftp://localhost:7003/
ftp-ls: 16 brio ftp-ls ftp://localhost/pub/ ftp://localhost/nosuch/

ftp-transfer: 0 brio ftp-transfer ftp://localhost/pub/f ftp://localhost/incoming/f
ftp-transfer: 2 brio ftp-transfer
ftp-transfer: 3 brio ftp-transfer ftp://localhost/nosuch ftp://localhost/incoming/f
ftp-transfer: 4 brio ftp-transfer --retries 0 ftp://localhost:1/f ftp://localhost/incoming/f
ftp-transfer: 5 brio ftp-transfer --retries 0 --reply-timeout 0.2 ftp://localhost:7001/f ftp://localhost/incoming/f
ftp-transfer: 6 brio ftp-transfer --retries 0 ftp://203.0.113.1/f ftp://localhost/incoming/f
ftp-transfer: 7 brio ftp-transfer --retries 0 ftp://localhost:7002/f ftp://localhost/incoming/f
ftp-transfer: 9 brio ftp-transfer --from-password-file pw ftp://me@localhost:2121/f ftp://localhost/incoming/f
ftp-transfer: 10 brio ftp-transfer --retries 0 --tls explicit ftp://localhost:2122/f ftp://localhost/incoming/f
ftp-transfer: 12 brio ftp-transfer --json ftp://localhost/pub/f ftp://localhost/incoming/f >/dev/full
ftp-transfer: 13 brio ftp-transfer --retries 0 --tls explicit ftp://192.0.2.77/pub/f ftp://localhost/incoming/f
ftp-transfer: 14 brio ftp-transfer --retries 0 ftp://localhost:2122/f ftp://localhost/incoming/f
ftp-transfer: 15 brio ftp-transfer --retries 0 ftp://localhost:7003/f ftp://localhost/incoming/f

dgram: 0 brio dgram --help
dgram: 2 brio dgram

config: 0 brio config --help
config: 2 brio config
config init: 0 brio config init
config init: 2 brio config init x
config init: 12 brio config init && brio config init
config path: 0 brio config path
config path: 2 brio config path x
config path: 12 brio config path >/dev/full
config show: 0 brio config show
config show: 2 brio config show nosuch
config show: 12 brio config show connect >/dev/full
completion: 0 brio completion bash
completion: 2 brio completion nosuch
completion: 12 brio completion bash >/dev/full
version: 0 brio version
version: 2 brio version x
version: 12 brio version >/dev/full
help: 0 brio help exit-codes
help: 2 brio help nosuch
help: 12 brio help exit-codes >/dev/full
`

// statusPrelude are the functions that the scripts of the table use.
const statusPrelude = `
exec 0</dev/null
server() { rm -f p; "$@" --port-file p & l=$!; while [ ! -s p ] && kill -0 $l 2>/dev/null; do sleep 0.02; done; port=$(cat p 2>/dev/null); port=${port##*:}; }
ends() { wait $l; }
powerless() { setpriv --bounding-set=-all --inh-caps=-all "$@"; }
`

// Every status that a command documents comes about as it says, and no other
// one does.
func TestStatuses(t *testing.T) { inWorld(t, insideStatuses) }

func insideStatuses(t *testing.T) {
	w := makeWorld(t)
	w.serveFaults(t)
	documented, seen := map[string][]int{}, map[string][]int{}
	for _, c := range docs.All(cmd.Doc())[1:] {
		for _, x := range c.Exits {
			documented[strings.TrimPrefix(c.Path, "brio ")] = append(documented[strings.TrimPrefix(c.Path, "brio ")], x.Status)
		}
	}
	for _, r := range statusRows() {
		name, want, script := r.name, r.status, r.script
		seen[name] = append(seen[name], want)
		t.Run(fmt.Sprintf("%s-%d", strings.ReplaceAll(name, " ", "-"), want), func(t *testing.T) { w.runStatus(t, script, want) })
		if !slices.Contains(documented[name], want) {
			t.Errorf("brio %s does not document status %d", name, want)
		}
	}
	for name, list := range documented {
		for _, s := range list {
			if !slices.Contains(seen[name], s) && !rowless(name, s) {
				t.Errorf("brio %s: no row for status %d", name, s)
			}
		}
	}
}

// A statusRow is a row of the table.
type statusRow struct {
	name   string // of the command, without "brio"
	status int
	script string
}

func statusRows() []statusRow {
	var rows []statusRow
	for line := range strings.Lines(statusTable) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ": ")
		text, script, _ := strings.Cut(rest, " ")
		if status, err := strconv.Atoi(text); ok && err == nil {
			rows = append(rows, statusRow{name, status, script})
		}
	}
	return rows
}

// With --json every failure is also told on stdout: each line there is one
// object, and that of the item that failed has an error with the exit status.
func TestFailuresAsJSON(t *testing.T) { inWorld(t, insideFailures) }

func insideFailures(t *testing.T) {
	w := makeWorld(t)
	w.serveFaults(t)
	answers := map[string]bool{}
	for _, c := range docs.All(cmd.Doc()) {
		answers[strings.TrimPrefix(c.Path, "brio ")] = slices.Contains(c.Formats, "json")
	}
	for _, r := range statusRows() {
		name, text, script := r.name, strconv.Itoa(r.status), r.script
		simple := strings.HasPrefix(script, "brio "+name) && !strings.Contains(script, ">/dev/full")
		if name == "connect" || name == "tls-client" { // else stdout carries the data
			simple = simple && (strings.Contains(script, "--probe") || strings.Contains(script, "--reconnect"))
		}
		if !answers[name] || !simple || text == "0" {
			continue
		}
		script = strings.Replace(script, "brio "+name, "brio "+name+" --json", 1)
		t.Run(strings.ReplaceAll(name, " ", "-")+"-"+text, func(t *testing.T) { w.runJSON(t, name, script, text) })
	}
}

func (w *world) runJSON(t *testing.T, name, script, want string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-c", statusPrelude+script)
	c.Dir = w.directory(t)
	c.Env = w.environ(c.Dir)
	out, _ := c.Output() // the status is compared below
	if got := fmt.Sprint(exitStatus(c.ProcessState)); got != want {
		t.Errorf("%s ends with status %s, want %s", script, got, want)
	}
	if !strings.Contains(script, "--check") { // which prints nothing
		(&everyRun{t: t, w: w, name: name}).fitsSchema(script, string(out))
	}
	var told []string
	for line := range strings.Lines(string(out)) {
		var v struct {
			Error *struct {
				Kind    string `json:"kind"`
				Message string `json:"message"`
				Exit    int    `json:"exit"`
			} `json:"error"`
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Errorf("%s: %v: %q", script, err, line)
		}
		if v.Error != nil {
			told = append(told, fmt.Sprint(v.Error.Exit))
			if v.Error.Kind == "" || v.Error.Message == "" {
				t.Errorf("%s: the error says too little: %s", script, line)
			}
		}
	}
	isBatch := want == "16" && len(told) > 0 // each item carries its own status
	isNo := want == "11"                     // the answer is no: that is no error
	if !isBatch && !isNo && !slices.Contains(told, want) {
		t.Errorf("%s: no error with exit %s on stdout: %s", script, want, out)
	}
}

// rowless reports documented statuses that no script can bring about: 1 is what
// no other status says, 141 has tests of its own, and commands that wait for
// nobody run into their --timeout only on a very slow machine. Records that do
// not decrypt take a peer that forges them, as the tests of tlsx have.
func rowless(name string, s int) bool {
	switch s {
	case 1, 141:
		return true
	case 5:
		return strings.HasPrefix(name, "config ") || name == "version" || name == "ipaddr interfaces" || name == "ipaddr equal"
	case 15:
		return name == "tls-client"
	}
	return false
}

// runStatus runs a script of the table. Each failure says why: one line on
// stderr with the command's name, except where a predicate is false.
func (w *world) runStatus(t *testing.T, script string, want int) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-c", statusPrelude+script)
	c.Dir = w.directory(t)
	c.Env = w.environ(c.Dir)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	_ = c.Run() // the status says it
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	if got := exitStatus(c.ProcessState); got != want {
		t.Errorf("%s ends with status %d, want %d:\n%s%s", script, got, want, stdout.String(), stderr.String())
	}
	if want != 0 && !strings.Contains(stderr.String(), "brio ") && !strings.Contains(script, "ipaddr") {
		t.Errorf("%s ends with status %d and does not say why: %q", script, want, stderr.String())
	}
}

// serveFaults starts the servers of the table.
func (w *world) serveFaults(t *testing.T) {
	t.Helper()
	listen := func(port int) net.Listener {
		ln, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	packets := func(port int, answer func(net.PacketConn, []byte, net.Addr)) {
		pc, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			b := make([]byte, 65536)
			for {
				n, from, err := pc.ReadFrom(b)
				if err != nil {
					return
				}
				answer(pc, b[:n], from)
			}
		}()
	}
	for _, kind := range []string{"unreachable", "prohibit"} {
		addr := map[string]string{"unreachable": "203.0.113.1", "prohibit": "203.0.113.2"}[kind]
		if out, err := exec.Command("ip", "route", "add", kind, addr).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	packets(7001, func(net.PacketConn, []byte, net.Addr) {})
	packets(7003, func(pc net.PacketConn, _ []byte, from net.Addr) { pc.WriteTo([]byte("nonsense"), from) })
	packets(7005, func(pc net.PacketConn, b []byte, from net.Addr) { pc.WriteTo(b, from) })
	go acceptAll(listen(7001), func(c net.Conn) { io.Copy(io.Discard, c) })
	go acceptAll(listen(7002), func(c net.Conn) {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	})
	go acceptAll(listen(7003), func(c net.Conn) {
		io.WriteString(c, "nonsense\r\nand more nonsense\r\n")
		c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		io.Copy(io.Discard, c)
		c.Close()
	})
	config := &tls.Config{GetCertificate: w.certificate}
	truncate := func(c net.Conn) {
		s := tls.Server(c, config)
		io.WriteString(s, "half a mess")
		c.Close()
	}
	go acceptAll(listen(7006), truncate)
	n := 0
	ln := listen(7007)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if n++; n%2 == 0 {
				c.Close()
				continue
			}
			go func() {
				s := tls.Server(c, config)
				io.Copy(io.Discard, s)
				s.Close()
			}()
		}
	}()
	(&ftptest.Server{Addr: ":2121", User: "me", Password: "other"}).Start(t)
	failing := &ftptest.Server{Addr: ":2122"}
	for _, verb := range []string{"RETR", "STOR", "LIST", "MLSD", "NLST"} {
		failing.Reply(verb, "451 not now\r\n")
	}
	failing.Put("/f", []byte("x")).Start(t)
	(&ftptest.Server{Addr: ":2123"}).Reply("STOR", "550 no\r\n").Start(t)
}

// secretFile makes a file that only root's capabilities can read.
func secretFile(t *testing.T, dir string, text []byte) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "secret"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret", "cert.pem"), text, 0o000); err != nil {
		t.Fatal(err)
	}
}
