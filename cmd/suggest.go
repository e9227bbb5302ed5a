package cmd

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// nearest is the word of list that s is most likely a misspelling of, or "".
// Numbers are never guessed.
func nearest(s string, list []string) string {
	if strings.Trim(s, "0123456789.") == "" {
		return ""
	}
	best, word := max(1, min(2, len(s)/3))+1, ""
	for _, w := range list {
		d := distance(strings.ToLower(s), strings.ToLower(w))
		if d < best || d == best && word != "" && commonBeginning(s, w) > commonBeginning(s, word) {
			best, word = d, w
		}
	}
	return word
}

// commonBeginning is the number of octets with which both a and b begin.
func commonBeginning(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// distance is the Damerau-Levenshtein distance (adjacent swaps count one).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// foreignCommands are the names that other tools have for what brio does.
func foreignCommand(name string) string {
	switch name {
	case "dig", "kdig", "doggo", "q", "drill", "nslookup", "host", "delv", "dns":
		return "dns-query"
	case "nc", "ncat", "netcat", "telnet", "socat", "tcping", "wait-for-it", "wait":
		return "connect"
	case "serve", "server", "accept":
		return "listen"
	case "udp", "sendto":
		return "dgram"
	case "s_client", "s-client", "openssl", "gnutls-cli", "tls", "sslscan":
		return "tls-client"
	case "s_server", "s-server", "gnutls-serv":
		return "tls-server"
	case "x509", "verify", "certigo", "certtool", "cert", "crl", "asn1parse":
		return "cert-info"
	case "curl", "lftp", "ftp", "wget", "get":
		return "ftp-get"
	case "put", "upload":
		return "ftp-put"
	case "ls":
		return "ftp-ls"
	case "ip", "ipcalc", "ifconfig":
		return "ipaddr"
	}
	return ""
}

// runGroup is what a command does that only holds others: it shows its help, or
// says which of them a mistyped word may have meant.
func runGroup(e *env, c *cobra.Command, args []string) error {
	if v, err := c.Flags().GetBool("version"); err == nil && v {
		e.started = true
		return runVersion(e)
	}
	if len(args) == 0 && c.Parent() == nil {
		return writeHelp(e, c)
	}
	if len(args) == 0 {
		return usagef("needs a command: %s", strings.Join(commandNames(c), ", ")).hint("see: %s -h", c.CommandPath())
	}
	return unknownCommand(c, args[0])
}

func unknownCommand(c *cobra.Command, name string) error {
	f := usagef("there is no command %q", name)
	if c.Parent() == nil {
		if own := foreignCommand(name); own != "" {
			return f.hint("what %s does is: brio %s", name, own)
		}
	}
	if own := dgramCommand(c, name); own != "" {
		return f.hint("%s", own)
	}
	if near := nearest(name, commandNames(c)); near != "" {
		return f.hint("did you mean: %s %s", c.CommandPath(), near)
	}
	if c.Parent() == nil {
		for _, can := range commandsFor(name) {
			f.hint("%s", can)
		}
	}
	if len(f.hints) > 0 {
		return f
	}
	return f.hint("see: %s --help", c.CommandPath())
}

// dgramCommand says what stands for a word behind "brio dgram" that is none of
// its commands, "" if nothing.
func dgramCommand(c *cobra.Command, name string) string {
	switch {
	case c.Name() != "dgram":
		return ""
	case name == "listen" || name == "receive" || name == "server":
		return "to receive: brio dgram recv; to talk with whoever sends first: brio dgram pipe --listen"
	case name == "connect" || name == "client":
		return "to send: brio dgram send; to talk: brio dgram pipe"
	case strings.Contains(name, ":"):
		return "to send: brio dgram send " + name + "; to talk: brio dgram pipe " + name
	}
	return ""
}

// commandsFor are command lines for an argument without a command: an address,
// a URL, a name or a file with certificates.
func commandsFor(arg string) []string {
	scheme, _, isURL := strings.Cut(arg, "://")
	switch {
	case strings.HasPrefix(arg, "@"):
		return []string{"to ask a name server: brio dns-query " + arg + " NAME"}
	case scheme == "ftp" || scheme == "ftps":
		return []string{"to fetch it: brio ftp-get " + arg}
	case isCertificateName(arg):
		return []string{"to show it: brio cert-info " + arg}
	case isURL || strings.Contains(arg, ":"):
		return []string{"to connect: brio connect " + arg, "with TLS: brio tls-client --probe " + arg}
	case strings.Contains(arg, "."):
		return []string{"to ask the DNS: brio dns-query " + arg, "to see its certificate: brio cert-info " + arg + ":443"}
	}
	return nil
}

// isCertificateName reports whether a name ends as those of files that cert-info
// reads do.
func isCertificateName(file string) bool {
	endings := []string{".pem", ".crt", ".cer", ".der", ".key", ".csr", ".crl", ".p7b", ".p7c", ".p12", ".pfx", ".jks"}
	return slices.Contains(endings, strings.ToLower(filepath.Ext(file)))
}

func commandNames(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	return names
}
