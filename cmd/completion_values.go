package cmd

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/dnsq"
	"github.com/brio-net/brio/pkg/tlsx"
)

// completeFlags gives every flag below c what a shell offers for its value:
// words of a fixed list, names of this system, files, directories, or nothing.
// What a command has registered itself stays.
func completeFlags(e *env, c *cobra.Command) {
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if complete := e.completer(f); complete != nil {
			_ = c.RegisterFlagCompletionFunc(f.Name, complete) // fails where the command has its own
		}
	})
	for _, sub := range c.Commands() {
		completeFlags(e, sub)
	}
}

// completer is what completes the value of f; nil leaves it to files.
func (e *env) completer(f *pflag.Flag) cobra.CompletionFunc {
	if v, ok := f.Value.(*enumValue); ok {
		return completeList(f, func() []string { return v.choices })
	}
	switch f.Name {
	case "device", "mcast-if", "scope-id":
		return completeInterfaces
	case "profile":
		return e.completeProfiles
	case "nameserver":
		return completeNameservers
	case "type":
		return completeList(f, typeNames)
	case "ciphers":
		return completeCiphers
	case "allow":
		if strings.Contains(f.Usage, "faults") { // that of listen takes addresses
			return completeList(f, faultWords)
		}
	}
	if words := flagWords(f.Name); words != nil {
		return completeList(f, func() []string { return words })
	}
	switch value, _ := flagUsage(f); {
	case strings.Contains(value, "FILE"), value == "COMMAND", value == "SCRIPT":
		return nil
	case value == "DIR":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	}
	return cobra.NoFileCompletions
}

// flagWords are the words of flags that also take what is in no list.
func flagWords(name string) []string {
	switch name {
	case "dns-mode":
		return []string{"dns", "system"}
	case "events":
		return []string{"json", "json:2", "json:events.jsonl"}
	case "class":
		return []string{"IN", "CH", "HS"}
	case "tsig":
		return []string{"hmac-sha256:", "hmac-sha224:", "hmac-sha384:", "hmac-sha512:", "hmac-sha1:"}
	case "checksum":
		return []string{"sha256:", "sha512:", "sha1:", "md5:", "crc32:"}
	case "alpn":
		return []string{"h2", "http/1.1", "h3", "dot", "doq", "imap", "pop3", "ftp", "acme-tls/1"}
	case "proxy":
		return []string{"socks5h://", "socks5://", "socks4a://", "socks4://", "http://"}
	case "expect-key":
		return []string{"rsa", "rsa-2048", "rsa-3072", "rsa-4096", "ec", "p-256", "p-384", "p-521", "ed25519"}
	}
	return nil
}

// completeList offers words, and in a list that is separated by commas words
// for its last element. What ends in a colon or a slash goes on.
func completeList(f *pflag.Flag, words func() []string) cobra.CompletionFunc {
	_, isList := f.Value.(pflag.SliceValue)
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		offered := words()
		if i := strings.LastIndexByte(typed, ','); isList && i >= 0 {
			offered = slices.Clone(offered)
			for j := range offered {
				offered[j] = typed[:i+1] + offered[j]
			}
		}
		goesOn := func(word string) bool { return strings.HasSuffix(word, ":") || strings.HasSuffix(word, "/") }
		if slices.ContainsFunc(offered, goesOn) {
			return offered, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		return offered, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeCiphers offers the suites and words of a cipher string, of which the
// last element counts.
func completeCiphers(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	start := strings.LastIndexAny(typed, ":,") + 1
	start += len(typed[start:]) - len(strings.TrimLeft(typed[start:], "!+-"))
	head := typed[:start]
	words := []string{"ALL", "COMPLEMENTOFDEFAULT", "DEFAULT", "HIGH", "MEDIUM", "ECDHE", "DHE", "RSA", "ECDSA", "AESGCM", "AES128", "AES256", "CHACHA20", "@STRENGTH", "@SECLEVEL=2"}
	if list, err := tlsx.ParseCiphers("ALL"); err == nil {
		for _, s := range list.Suites {
			words = append(words, s.Name)
		}
	}
	for i := range words {
		words[i] = head + words[i]
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// completeAddress says how an address is written: there are too many to offer.
func completeAddress(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) > 0 && strings.Contains(c.Use, "COMMAND"):
		return nil, cobra.ShellCompDirectiveDefault // its files
	case len(args) > 0 || typed != "":
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return cobra.AppendActiveHelp(nil, "HOST:PORT, HOST PORT, [IPV6]:PORT or unix:/PATH; see: brio help addresses"), cobra.ShellCompDirectiveNoFileComp
}

// completeProfiles offers the profiles of the configuration file.
func (e *env) completeProfiles(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	if err := setFromEnviron(c, brioEnviron(), "config"); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	file, err := e.readConfig()
	if err != nil || file == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp // a shell has no place for the reason
	}
	return slices.Sorted(keysOf(file.profiles)), cobra.ShellCompDirectiveNoFileComp
}

// completeNameservers offers the name servers of the system, and the kinds of
// transport that an address may begin with.
func completeNameservers(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if system, err := dnsq.ReadSystemConfig("", resolvEnv()); err == nil {
		for _, s := range system.Nameservers {
			list = append(list, s.String()+"\tof the system")
		}
	}
	for _, scheme := range []string{"udp", "tcp", "tls", "https", "quic"} {
		list = append(list, scheme+"://")
	}
	return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
