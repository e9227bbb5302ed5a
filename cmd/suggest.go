package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// nearest is the word of list that s is most likely a misspelling of, or "".
// Numbers are never guessed.
func nearest(s string, list []string) string {
	if strings.Trim(s, "0123456789.") == "" {
		return ""
	}
	best, word := max(1, min(2, len(s)/3))+1, ""
	for _, w := range list {
		if d := distance(strings.ToLower(s), strings.ToLower(w)); d < best {
			best, word = d, w
		}
	}
	return word
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

// foreignFlag is brio's name of a flag that another tool calls name.
func foreignFlag(name string) string {
	switch name {
	case "cacert", "cafile", "CAfile", "roots", "ca", "ssl-trustfile", "x509cafile":
		return "ca-file"
	case "capath", "CApath":
		return "ca-directory"
	case "cert":
		return "certificate"
	case "servername", "sni":
		return "server-name"
	case "pass", "passin":
		return "password-file"
	case "cipher", "cipherlist":
		return "ciphers"
	case "k", "no-check-certificate", "no-verify":
		return "insecure"
	case "max-time", "wait-time", "deadline":
		return "timeout"
	case "server", "nameservers":
		return "nameserver"
	case "tls1_2", "tls1_3", "tlsv1.2", "tlsv1.3", "tls1.2", "tls1.3", "tls-min", "tls-max":
		return "method"
	case "zero", "z":
		return "probe"
	case "keep-open":
		return "keep"
	case "recursive-depth":
		return "recursive"
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
	if near := nearest(name, commandNames(c)); near != "" {
		return f.hint("did you mean: %s %s", c.CommandPath(), near)
	}
	return f.hint("see: %s --help", c.CommandPath())
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

// flagError turns pflag's errors into one line and a hint.
func flagError(e *env, c *cobra.Command, err error) error {
	e.cmd = c
	if word := firstWord(e.args); c.Parent() == nil && word != "" {
		return unknownCommand(c, word)
	}
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
		f       *failure
	)
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(e, c, unknown)
	case errors.As(err, &missing):
		return usagef("%s needs a value", flagSpelling(missing.GetFlag()))
	case errors.As(err, &invalid) && isSingleDash(e, c, invalid.GetFlag()) != "":
		return singleDash(isSingleDash(e, c, invalid.GetFlag()))
	case errors.As(err, &invalid) && errors.As(err, &f):
		return &failure{err: fmt.Errorf("%s: %w", flagSpelling(invalid.GetFlag()), f.err), status: statusUsage, kind: "usage", hints: f.hints}
	case errors.As(err, &invalid):
		return usagef("%s: %q is not a %s", flagSpelling(invalid.GetFlag()), invalid.GetValue(), invalid.GetFlag().Value.Type())
	}
	return usagef("%w", err)
}

// habitOf says what to write instead of a flag of another tool for which brio
// has none.
func habitOf(flag string) string {
	switch flag {
	case "connect", "host":
		return "the address is an argument: COMMAND HOST:PORT"
	case "in", "infile", "noout", "text", "inform":
		return "files are arguments, of any kind, and are shown as text: COMMAND FILE"
	case "showcerts":
		return "brio calls it --show-certs"
	case "p", "port":
		return "the port belongs to the address: HOST:PORT, @SERVER:PORT"
	case "lk", "lvp", "lnvp", "lvnp", "l":
		return "to listen: brio listen -k PORT"
	case "zv", "vz", "zvw":
		return "to probe: brio connect --probe -v HOST:PORT"
	}
	return ""
}

func flagSpelling(f *pflag.Flag) string { return "--" + f.Name }

// firstWord is the first argument that is no flag: the command's name, unless a
// flag with a separate value comes before it.
func firstWord(args []string) string {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return args[0]
	}
	return ""
}

func unknownFlag(e *env, c *cobra.Command, unknown *pflag.NotExistError) error {
	name := unknown.GetSpecifiedName()
	for _, word := range []string{name, unknown.GetSpecifiedShortnames()} {
		if habit := habitOf(word); habit != "" {
			return usagef("there is no flag -%s", word).hint("%s", strings.ReplaceAll(habit, "COMMAND", c.CommandPath()))
		}
	}
	if short := unknown.GetSpecifiedShortnames(); short != "" {
		if long := longOfSingleDash(c, "-"+short); long != "" {
			return singleDash(long)
		}
		if own := foreignFlag(short); own != "" && c.Flags().Lookup(own) != nil {
			return usagef("there is no flag -%s", short).hint("brio calls it --%s: %s", own, usageOf(c, own))
		}
		return usagef("there is no flag -%s", name).hint("all flags: %s --help", c.CommandPath())
	}
	f := usagef("there is no flag --%s", name)
	if own := foreignFlag(name); own != "" && c.Flags().Lookup(own) != nil {
		return f.hint("brio calls it --%s: %s", own, usageOf(c, own))
	}
	if near := nearest(name, flagNames(c)); near != "" {
		f.hint("did you mean --%s? (%s)", near, usageOf(c, near))
	} else if owners := ownersOf(e.wholeTree(), name); len(owners) > 0 {
		f.hint("--%s belongs to: %s", name, strings.Join(owners, ", "))
	}
	return f.hint("all flags: %s --help", c.CommandPath())
}

func usageOf(c *cobra.Command, flag string) string {
	_, text := pflag.UnquoteUsage(c.Flags().Lookup(flag))
	return text
}

func flagNames(c *cobra.Command) []string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// ownersOf lists the commands that have a flag of that name.
func ownersOf(c *cobra.Command, name string) []string {
	var owners []string
	for _, sub := range c.Commands() {
		if sub.LocalFlags().Lookup(name) != nil && !sub.Hidden {
			owners = append(owners, sub.CommandPath())
		}
		owners = append(owners, ownersOf(sub, name)...)
	}
	return owners
}

// isSingleDash is the long flag that was written with one dash, "" if none was:
// pflag reads -timeout as -t with the value imeout.
func isSingleDash(e *env, c *cobra.Command, f *pflag.Flag) string {
	if f.Shorthand == "" {
		return ""
	}
	for _, a := range e.args {
		if strings.HasPrefix(a, "-"+f.Shorthand) {
			if long := longOfSingleDash(c, a); long != "" {
				return long
			}
		}
	}
	return ""
}

// longOfSingleDash is the name of the long flag that "-name" or "-name=value"
// was meant to be.
func longOfSingleDash(c *cobra.Command, arg string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
	if len(name) < 2 || strings.HasPrefix(name, "-") {
		return ""
	}
	if slices.Contains(flagNames(c), name) {
		return name
	}
	if own := foreignFlag(name); own != "" && c.Flags().Lookup(own) != nil {
		return own
	}
	return ""
}

func singleDash(long string) error {
	return usagef("long flags take two dashes: --%s", long)
}
