package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
)

// realZone is the zone that all servers serve: long answers need TCP.
const realZone = `$ORIGIN example.
@ 300 IN SOA ns hostmaster 7 7200 3600 1209600 60
@ 300 IN NS ns
@ 300 IN MX 10 mail
@ 300 IN TXT "v=spf1 " "-all"
ns 300 IN A 127.0.0.1
www 300 IN A 192.0.2.1
www 300 IN A 192.0.2.2
www 300 IN AAAA 2001:db8::1
mail 300 IN A 192.0.2.25
alias 100 IN CNAME www
* .wild 300 IN A 192.0.2.7
_sip._tcp 300 IN SRV 10 60 5060 www
odd 300 IN CAA 0 issue "ca.example"
odd 300 IN HTTPS 1 . alpn=h2
odd 300 IN LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
odd 300 IN NAPTR 1 2 "u" "sip" "!^.*$!sip:x@example!" .
odd 300 IN TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
odd 300 IN SSHFP 4 2 0000000000000000000000000000000000000000000000000000000000000000
odd 300 IN TYPE65280 \# 3 010203
`

// A dnsServer is a name server of others, run by a test.
type dnsServer struct {
	name   string
	args   []string
	config string // with @DIR@, @PORT@, @TLS@, @HTTPS@ and @UPSTREAM@ for what they say
	env    string // prefix of the variables that tell its addresses
}

// dnsServers are started in this order: unbound asks nsd.
var dnsServers = []dnsServer{
	{"nsd", []string{"-d", "-c", "@DIR@/nsd.conf"}, `server:
  ip-address: 127.0.0.1@@PORT@
  username: ""
  chroot: ""
  zonesdir: "@DIR@"
  database: ""
  pidfile: "@DIR@/nsd.pid"
  xfrdfile: "@DIR@/xfrd.state"
  zonelistfile: "@DIR@/zone.list"
  xfrdir: "@DIR@"
  hide-version: yes
  nsid: "ascii_nsd-one"
remote-control:
  control-enable: no
zone:
  name: example
  zonefile: example.zone
  provide-xfr: 127.0.0.1 NOKEY
`, "NSD"},
	{"unbound", []string{"-d", "-c", "@DIR@/unbound.conf"}, `server:
  interface: 127.0.0.1@@PORT@
  interface: 127.0.0.1@@TLS@
  tls-port: @TLS@
  tls-service-key: "@DIR@/key.pem"
  tls-service-pem: "@DIR@/cert.pem"
  username: ""
  chroot: ""
  directory: "@DIR@"
  pidfile: "@DIR@/unbound.pid"
  use-syslog: no
  logfile: "@DIR@/unbound.log"
  do-not-query-localhost: no
  do-daemonize: no
  module-config: "iterator"
  local-zone: "example." nodefault
stub-zone:
  name: "example"
  stub-addr: 127.0.0.1@@UPSTREAM@
remote-control:
  control-enable: no
`, "UNBOUND"},
	{"named", []string{"-g", "-c", "@DIR@/named.conf"}, `tls local { cert-file "@DIR@/cert.pem"; key-file "@DIR@/key.pem"; };
http local { endpoints { "/dns-query"; }; };
key "tsig.example" { algorithm hmac-sha256; secret "c2VjcmV0IG9mIHRoZSB0ZXN0"; };
options {
  directory "@DIR@";
  pid-file "@DIR@/named.pid";
  session-keyfile "@DIR@/session.key";
  lock-file none;
  recursion no;
  listen-on port @PORT@ { 127.0.0.1; };
  listen-on port @TLS@ tls local { 127.0.0.1; };
  listen-on port @HTTPS@ tls local http local { 127.0.0.1; };
  listen-on-v6 { none; };
  allow-transfer { key "tsig.example"; };
};
controls { };
zone "example" { type primary; file "@DIR@/example.zone"; };
`, "NAMED"},
	{"knotd", []string{"-c", "@DIR@/knot.conf"}, `server:
  listen: 127.0.0.1@@PORT@
  rundir: "@DIR@"
database:
  storage: "@DIR@/knot"
log:
  - target: stderr
    any: warning
mod-cookies:
  - id: strict
    badcookie-slip: 1
acl:
  - id: all
    address: 127.0.0.1
    action: transfer
zone:
  - domain: example
    file: "@DIR@/example.zone"
    module: mod-cookies/strict
    acl: all
    zonefile-sync: -1
    journal-content: none
`, "KNOT"},
}

// setupRealDNS starts the servers for one script. Those that are not installed
// are left out, which the script must ask for; with CI=true that is an error.
func setupRealDNS(env *testscript.Env) error {
	dir := filepath.Join(env.WorkDir, "servers")
	if err := os.MkdirAll(filepath.Join(dir, "knot"), 0o700); err != nil {
		return err
	}
	long := strings.Builder{}
	long.WriteString(strings.Replace(realZone, "* .wild", "*.wild", 1))
	for i := range 80 {
		fmt.Fprintf(&long, "long 300 IN TXT \"%03d %s\"\n", i, strings.Repeat("x", 100))
	}
	if err := os.WriteFile(filepath.Join(dir, "example.zone"), []byte(long.String()), 0o600); err != nil {
		return err
	}
	if err := writeDNSCertificate(dir); err != nil {
		return err
	}
	env.Setenv("CA", filepath.Join(dir, "cert.pem"))
	upstream := ""
	for _, s := range dnsServers {
		path, err := exec.LookPath(s.name)
		if err != nil {
			if os.Getenv("CI") == "true" {
				return err
			}
			continue
		}
		port, err := s.start(env, path, dir, upstream)
		if err != nil {
			return err
		}
		if s.name == "nsd" {
			upstream = port
		}
	}
	return nil
}

// start runs the server and waits until it answers.
func (s dnsServer) start(env *testscript.Env, path, dir, upstream string) (port string, err error) {
	ports := make([]string, 3)
	for i := range ports {
		if ports[i], err = freeDNSPort(); err != nil {
			return "", err
		}
	}
	fill := strings.NewReplacer("@DIR@", dir, "@PORT@", ports[0], "@TLS@", ports[1], "@HTTPS@", ports[2], "@UPSTREAM@", upstream)
	args := make([]string, len(s.args))
	for i, a := range s.args {
		args[i] = fill.Replace(a)
	}
	if err := os.WriteFile(args[len(args)-1], []byte(fill.Replace(s.config)), 0o600); err != nil {
		return "", err
	}
	log, err := os.Create(filepath.Join(dir, s.name+".log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	c := exec.Command(path, args...)
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		return "", err
	}
	env.Defer(func() { stopDNSServer(c) })
	env.Setenv(s.env, "127.0.0.1:"+ports[0])
	env.Setenv(s.env+"_TLS", "127.0.0.1:"+ports[1])
	env.Setenv(s.env+"_HTTPS", "127.0.0.1:"+ports[2])
	if err := awaitDNSServer("127.0.0.1:" + ports[0]); err != nil {
		text, _ := os.ReadFile(log.Name())
		return "", fmt.Errorf("%s: %w\n%s", s.name, err, text)
	}
	return ports[0], nil
}

// stopDNSServer ends the server, at first politely: nsd has children to take along.
func stopDNSServer(c *exec.Cmd) {
	_ = c.Process.Signal(os.Interrupt)
	done := make(chan struct{})
	go func() { _ = c.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		_ = c.Process.Kill()
		<-done
	}
}

// awaitDNSServer asks until an answer comes.
func awaitDNSServer(addr string) error {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		q := new(dns.Msg).SetQuestion("www.example.", dns.TypeA)
		var m *dns.Msg
		if m, _, err = (&dns.Client{Net: "tcp", Timeout: 2 * time.Second}).Exchange(q, addr); err == nil && len(m.Answer) > 0 {
			return nil
		}
	}
	return fmt.Errorf("no answer: %w", err)
}

// freeDNSPort is a port nobody uses, for UDP and TCP.
func freeDNSPort() (string, error) {
	pc, l, err := listenBoth()
	if err != nil {
		return "", err
	}
	defer pc.Close()
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// writeDNSCertificate writes cert.pem and key.pem, for dns.test and 127.0.0.1.
func writeDNSCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"dns.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
