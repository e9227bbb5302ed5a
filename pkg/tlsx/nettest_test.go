package tlsx_test

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/brio-net/brio/pkg/tlsx"
)

// netTestParts are the parts of [nettest.TestConn] that a TLS stream can hold
// to. The others (PastTimeout, FutureTimeout, ConcurrentMethods) write on after
// a write that timed out, when half a record may be on its way.
const netTestParts = "BasicIO|PingPong|RacyRead|RacyWrite|ReadTimeout|WriteTimeout|PresentTimeout|CloseTimeout"

// TestNetConn has the test binary run the parts of nettest.TestConn that hold:
// it offers no choice but the flag of go test.
func TestNetConn(t *testing.T) {
	if os.Getenv("TLSX_NETTEST") == "1" {
		nettest.TestConn(t, shakenPair(t))
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestNetConn$/^("+netTestParts+")$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), "TLSX_NETTEST=1")
	out, err := cmd.CombinedOutput()
	if want, got := len(strings.Split(netTestParts, "|")), strings.Count(string(out), "    --- PASS"); err != nil || got != want {
		t.Errorf("%d of %d parts pass: %v\n%s", got, want, err, out)
	}
}

// shakenPair makes the connections for nettest.
func shakenPair(t *testing.T) nettest.MakePipe {
	_, cc, sc := good(t)
	client, server := clientContext(t, cc), serverContext(t, sc)
	return func() (c1, c2 net.Conn, stop func(), err error) {
		p := join(t, client, server, tlsx.Override{})
		if cerr, serr := p.shake(t); cerr != nil || serr != nil {
			t.Errorf("Handshake = %v, %v", cerr, serr)
		}
		return p.client, p.server, func() { p.client.Close(); p.server.Close() }, nil
	}
}
