package tlsx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	_ "unsafe" // for go:linkname
)

// Go has no setting for the cipher suites of TLS 1.3: it offers, and as a
// server prefers, what these two lists of crypto/tls hold. They are reachable
// by name because other programs depend on it (crypto/tls/defaults.go says so),
// and they are read at two moments only: when a client builds its ClientHello
// and when a server answers one.
//
//go:linkname goSuites13 crypto/tls.defaultCipherSuitesTLS13
var goSuites13 []uint16

//go:linkname goSuites13NoAES crypto/tls.defaultCipherSuitesTLS13NoAES
var goSuites13NoAES []uint16

// suites13Lock guards the two lists. A handshake that is content with them
// holds it for reading, one that changes them for writing; both between the
// reading of the list and the next write to the network, which is computation
// only, so nobody waits for a peer.
var suites13Lock sync.RWMutex

// withSuites13 makes list the offered and preferred suites of this process
// until done is called. An empty list keeps Go's own.
func withSuites13(list []uint16) (done func()) {
	if len(list) == 0 {
		suites13Lock.RLock()
		return sync.OnceFunc(suites13Lock.RUnlock)
	}
	suites13Lock.Lock()
	aes, noAES := goSuites13, goSuites13NoAES
	goSuites13, goSuites13NoAES = list, list
	return sync.OnceFunc(func() {
		goSuites13, goSuites13NoAES = aes, noAES
		suites13Lock.Unlock()
	})
}

// ErrCiphersuiteUnavailable is wrapped by errors about TLS 1.3 suites that
// exist and Go does not have.
var ErrCiphersuiteUnavailable = errors.New("not available in Go")

// ParseCiphersuites reads a list of TLS 1.3 suites, joined by colons. The empty
// string gives nil, which stands for the default. An unknown or unavailable
// suite is an error that lists the known ones.
func ParseCiphersuites(s string) ([]uint16, error) {
	if s == "" {
		return nil, nil
	}
	var ids []uint16
	for word := range strings.SplitSeq(s, ":") {
		id, err := suite13ID(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Ciphersuites returns the names of the TLS 1.3 suites that can be used.
func Ciphersuites() []string {
	var names []string
	for _, c := range suites13Table() {
		if goHasSuite(c.id) {
			names = append(names, c.name)
		}
	}
	return names
}

func suite13ID(name string) (uint16, error) {
	reason := errors.New("unknown")
	for _, c := range suites13Table() {
		if c.name != name {
			continue
		}
		if goHasSuite(c.id) {
			return c.id, nil
		}
		reason = ErrCiphersuiteUnavailable
	}
	return 0, fmt.Errorf("ciphersuite %q: %w; known are %s", name, reason, strings.Join(Ciphersuites(), ", "))
}
