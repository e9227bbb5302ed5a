package cmd

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

// accessFlags say who may connect.
type accessFlags struct {
	allow, deny         []string
	allowFile, denyFile string
}

func (a *accessFlags) add(c *cobra.Command) {
	flagGroup(c, "Access", func(f *pflag.FlagSet) {
		f.StringSliceVar(&a.allow, "allow", nil, "serve only peers in these blocks (`PREFIX`, ...)")
		f.StringSliceVar(&a.deny, "deny", nil, "do not serve peers in these blocks (`PREFIX`, ...)")
		f.StringVar(&a.allowFile, "allow-file", "", "read blocks of --allow from `FILE`, one a line; again at SIGHUP")
		f.StringVar(&a.denyFile, "deny-file", "", "read blocks of --deny from `FILE`, one a line; again at SIGHUP")
	})
}

// An accessList is what accessFlags came to when the files were last read.
type accessList struct {
	allow, deny []netip.Prefix
	onlyAllowed bool
}

// access is the list in force; nil lets everybody in.
type access struct{ list atomic.Pointer[accessList] }

// load reads the flags and the files.
func (a *accessFlags) load() (*access, error) {
	list, err := a.read()
	if err != nil {
		return nil, err
	}
	var acc access
	acc.list.Store(list)
	return &acc, nil
}

func (a *accessFlags) read() (*accessList, error) {
	list := &accessList{onlyAllowed: len(a.allow) > 0 || a.allowFile != ""}
	var err error
	if list.allow, err = prefixes("--allow", a.allow, a.allowFile); err != nil {
		return nil, err
	}
	list.deny, err = prefixes("--deny", a.deny, a.denyFile)
	return list, err
}

// given reports whether there is any list.
func (a *accessFlags) given() bool { return len(a.allow) > 0 || len(a.deny) > 0 || a.hasFiles() }

// checkFamily refuses lists where peers have no addresses: they would let
// everybody in.
func (a *accessFlags) checkFamily(f socket.Family) error {
	if f == socket.File && a.given() {
		return usagef("--allow and --deny are for TCP: peers of a UNIX socket have no addresses").hint("who may connect is said by: --mode, and by BRIO_PEER_UID with --sh")
	}
	return nil
}

// hasFiles reports whether there is anything to read again.
func (a *accessFlags) hasFiles() bool { return a.allowFile != "" || a.denyFile != "" }

// prefixes reads the blocks of a flag and of its file.
func prefixes(flag string, words []string, file string) ([]netip.Prefix, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, usagef("%s-file: %w", flag, err)
		}
		words = slices.Concat(words, accessWords(string(text)))
	}
	return parsePrefixes(flag, words)
}

// accessWords are the words of a file without its comments, which go from # to
// the end of the line.
func accessWords(text string) []string {
	var words []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words = append(words, strings.Fields(line)...)
	}
	return words
}

func parsePrefixes(flag string, words []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, w := range words {
		p, err := socket.ParsePrefix(w)
		if err != nil {
			return nil, usagef("%s: %w", flag, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// permits reports whether c may be served. Peers of UNIX sockets have no
// address, and there is no list for them.
func (a *access) permits(c *socket.Conn) bool {
	list := a.list.Load()
	peer := c.RemoteHost()
	if !peer.IsValid() {
		return true
	}
	in := func(p netip.Prefix) bool { return socket.Contains(p, peer) }
	if slices.ContainsFunc(list.deny, in) {
		return false
	}
	return !list.onlyAllowed || slices.ContainsFunc(list.allow, in)
}
