package cmd

import (
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/brio-net/brio/pkg/dnsq"
	"github.com/brio-net/brio/pkg/socket"
)

// An address is a place as the command line names it. DESIGN of the grammar:
// host:port, "host port", [v6]:port, v6%zone, :port, port, unix:/path,
// unix:@name, fd:N, and scheme://host[:port].
type address struct {
	scheme string // "" when none was given; "unix" and "fd" have a path
	host   string // as written, without brackets, in ASCII; "" is every interface
	port   string // number or service name; "" when none was given
	path   string // file name or "@name" of unix, number of fd
}

// An addressUse says what an address is for, and so what it may leave out.
type addressUse int

const (
	useConnect  addressUse = iota // host and port are needed
	useListen                     // the host may be left out, port 0 picks one
	useHostOnly                   // the port may be left out: the command has a default
)

// String is the address in the spelling that parseAddress reads.
func (a address) String() string {
	switch {
	case a.path != "":
		return a.scheme + ":" + a.path
	case a.port == "":
		return a.host
	}
	return net.JoinHostPort(a.host, a.port)
}

// isUnix reports whether a names a UNIX socket.
func (a address) isUnix() bool { return a.scheme == "unix" }

// parseAddresses reads arguments that may spell one address in two words:
// "host port". It reads exactly one address.
func parseAddressArgs(args []string, use addressUse) (address, error) {
	switch len(args) {
	case 1:
		return parseAddress(args[0], use)
	case 2:
		return parseHostPort(args[0], args[1], use)
	}
	return address{}, usagef("an address is one argument (host:port) or two (host port), not %d", len(args))
}

// parseHostPort reads an address that was given in two words.
func parseHostPort(host, port string, use addressUse) (address, error) {
	a, err := parseAddress(host, useHostOnly)
	if err != nil {
		return a, err
	}
	if a.port != "" || a.path != "" {
		return a, usagef("%q is a whole address already; what is %q?", host, port)
	}
	a.port = port
	return a, a.check(host+" "+port, use)
}

// parseAddress reads one address.
func parseAddress(s string, use addressUse) (address, error) {
	a, err := splitAddress(s, use)
	if err != nil {
		return a, err
	}
	return a, a.check(s, use)
}

// splitAddress cuts s into the parts of an address, without judging them.
func splitAddress(s string, use addressUse) (address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return address{scheme: "unix", path: strings.TrimPrefix(path, "//")}, nil
	}
	if n, ok := strings.CutPrefix(s, "fd:"); ok {
		return address{scheme: "fd", path: n}, nil
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "", s
	}
	if scheme != "" && !isScheme(scheme) {
		return address{}, unknownValue("scheme", scheme, schemes())
	}
	if scheme != "" {
		rest = strings.TrimSuffix(rest, "/")
	}
	host, port, err := splitHostPort(rest, use)
	if err != nil {
		return address{}, err
	}
	if port == "" {
		port = defaultPort(scheme)
	}
	if host == "*" && use == useListen {
		host = ""
	}
	if strings.ContainsFunc(host, notASCII) && !strings.Contains(host, ":") {
		host, err = asciiName(host)
	}
	return address{scheme: scheme, host: host, port: port}, err
}

func notASCII(r rune) bool { return r >= 0x80 }

// asciiName is a domain name as the DNS has it (RFC 5890). One that is an address
// in other digits is refused: what one program takes for a name and another one for
// an address is a trap.
func asciiName(text string) (string, error) {
	name, err := dnsq.ParseName(text)
	if err != nil {
		return "", &failure{err: err, status: statusUsage, kind: "bad-name"}
	}
	if _, ok := dnsq.ParseAddr(name); ok {
		return "", usagef("%q is the address %s in other characters", text, name).hint("write %s", name)
	}
	return name, nil
}

// splitHostPort cuts host:port, [host]:port, host, :port, and where listening
// a bare port.
func splitHostPort(s string, use addressUse) (host, port string, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, after, closed := strings.Cut(rest, "]")
		switch {
		case !closed:
			return "", "", usagef("address %q: the bracket is not closed", s)
		case after == "":
			return host, "", nil
		case after[0] != ':':
			return "", "", usagef("address %q: unexpected %q after the bracket", s, after)
		}
		return host, after[1:], nil
	}
	switch colons := strings.Count(s, ":"); {
	case colons == 0 && use == useListen && isPort(s):
		return "", s, nil
	case colons == 0:
		return s, "", nil
	case colons == 1:
		host, port, _ = strings.Cut(s, ":")
		return host, port, nil
	}
	return splitBareIPv6(s, use)
}

// splitBareIPv6 judges text with several colons and no brackets. "::1:80" is an
// address as well as an address and a port: brio does not guess.
func splitBareIPv6(s string, use addressUse) (host, port string, err error) {
	if use == useHostOnly {
		return s, "", nil
	}
	i := strings.LastIndexByte(s, ':')
	head, tail := s[:i], s[i+1:]
	if strings.Contains(head, ":") && isPort(tail) && validHost(head) == nil {
		return "", "", usagef("address %q can be read as an IPv6 address alone, or as one with a port", s).
			hint("port %s of %s: [%s]:%s", tail, head, head, tail)
	}
	if validHost(s) != nil {
		return "", "", usagef("address %q has several colons, but is no IPv6 address", s)
	}
	return "", "", usagef("address %q: an IPv6 address with a port needs brackets", s).hint("write [%s]:PORT", s)
}

// isPort reports whether s can be a port: a number, or where no number a word
// that is a known service (checked when it is looked up).
func isPort(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// check judges the parts of an address for its use.
func (a address) check(s string, use addressUse) error {
	switch {
	case a.scheme == "unix":
		return checkSocketPath(s, a.path)
	case a.scheme == "fd":
		if !isPort(a.path) {
			return usagef("address %q: a descriptor is a number", s)
		}
		return nil
	case a.host == "" && use != useListen:
		return usagef("address %q has no host", s).hint("this machine is: localhost:%s", a.port)
	case a.port == "" && use != useHostOnly:
		return a.portless(s, use)
	}
	if a.host != "" {
		if err := validHost(a.host); err != nil {
			return usagef("%w", err)
		}
	}
	return checkPort(a.port, use)
}

// portless says that an address has no port, and what may have been meant.
func (a address) portless(s string, use addressUse) error {
	f := usagef("address %q has no port", s)
	switch host := strings.TrimSuffix(s, ":"); {
	case a.scheme == "" && strings.Contains(s, "/"):
		return f.hint("a UNIX socket is: unix:%s", s)
	case isPort(s) && use == useConnect:
		return f.hint("this machine is: localhost:%s", s)
	case strings.Contains(a.host, ":"):
		return f.hint("write [%s]:PORT", a.host)
	default:
		return f.hint("write %s:PORT, or %s PORT", host, host)
	}
}

// checkPort judges a port that is a number; a service name is looked up later.
func checkPort(port string, use addressUse) error {
	if strings.ContainsAny(port, ":[]/") {
		return usagef("port %q is neither a number nor a service", port)
	}
	if !isPort(port) {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return usagef("port %s is out of range: ports are 1 to 65535", port)
	}
	if n == 0 && use != useListen {
		return usagef("port 0 is no port to connect to: ports are 1 to 65535")
	}
	return nil
}

// validHost refuses a host that is neither a name nor an address.
func validHost(host string) error {
	_, err := socket.ParseHost(host)
	return err
}

// checkSocketPath refuses a path that the kernel would have to cut.
func checkSocketPath(s, path string) error {
	limit := len(syscall.RawSockaddrUnix{}.Path) - 1
	switch {
	case path == "" || path == "@":
		return usagef("address %q has no path", s)
	case len(path) > limit:
		return usagef("the path of a UNIX socket has at most %d bytes here, this one %d: %s", limit, len(path), path)
	case strings.ContainsRune(path, 0):
		return usagef("address %q: a path holds no NUL", s)
	}
	return nil
}

func schemes() []string {
	return []string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "tls", "http", "https", "ftp", "ftps", "imap", "imaps", "pop3", "pop3s", "smtp", "smtps", "submission", "ldap", "ldaps", "unix", "fd"}
}

func isScheme(s string) bool {
	for _, k := range schemes() {
		if k == s {
			return true
		}
	}
	return false
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	case "ftp":
		return "21"
	case "ftps":
		return "990"
	case "imap":
		return "143"
	case "imaps":
		return "993"
	case "pop3":
		return "110"
	case "pop3s":
		return "995"
	case "smtp":
		return "25"
	case "smtps":
		return "465"
	case "submission":
		return "587"
	case "ldap":
		return "389"
	case "ldaps":
		return "636"
	}
	return ""
}
