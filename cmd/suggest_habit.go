package cmd

import (
	"strings"

	"github.com/spf13/cobra"
)

// foreignFlag is c's name of a flag that another tool calls name, or "".
func foreignFlag(c *cobra.Command, name string) string {
	for _, own := range foreignFlags(name) {
		if c.Flags().Lookup(own) != nil {
			return own
		}
	}
	return ""
}

// foreignFlags are the names in brio of what nc, ncat, socat, dig, kdig, curl,
// wget, lftp, openssl and gnutls call name. Which one a command has is told by
// its flags.
func foreignFlags(name string) []string {
	switch name {
	case "cacert", "cafile", "CAfile", "roots", "ca", "ssl-trustfile", "x509cafile":
		return []string{"ca-file"}
	case "noservername":
		return []string{"no-server-name"}
	case "naccept":
		return []string{"max-accepts"}
	case "attime":
		return []string{"at"}
	case "trusted":
		return []string{"ca-file"}
	case "capath", "CApath":
		return []string{"ca-directory"}
	case "cert", "ssl-cert", "x509certfile":
		return []string{"certificate"}
	case "ssl-key", "x509keyfile", "keyfile":
		return []string{"key"}
	case "servername", "sni", "server-name", "ssl-servername", "sni-hostname":
		return []string{"server-name", "sni", "tls-name"}
	case "pass", "passin":
		return []string{"password-file"}
	case "cipher", "cipherlist", "ssl-ciphers":
		return []string{"ciphers"}
	case "curves":
		return []string{"groups"}
	case "no-check-certificate", "no-verify":
		return []string{"insecure"}
	case "k":
		return []string{"tsig-file", "insecure"}
	case "y":
		return []string{"tsig"}
	case "max-time", "wait-time", "deadline", "m":
		return []string{"timeout"}
	case "server", "nameservers":
		return []string{"nameserver"}
	case "tls1_2", "tls1_3", "tlsv1.2", "tlsv1.3", "tls1.2", "tls1.3", "tls-min", "tls-max", "min-version", "max-version", "min", "max",
		"tls1", "tls1_1", "ssl3", "no_tls1", "no_tls1_1", "no_tls1_2", "no_tls1_3", "no_ssl3", "min_protocol", "max_protocol":
		return []string{"method"}
	case "zero", "z":
		return []string{"probe"}
	case "keep":
		return []string{"keep-open"}
	case "showcerts":
		return []string{"show-certs"}
	case "verify_hostname", "checkhost", "verify-hostname":
		return []string{"expect-name", "host"}
	case "checkend", "expires", "expire":
		return []string{"expires-within"}
	case "partial_chain":
		return []string{"partial-chain"}
	case "crl_check", "crl_check_all":
		return []string{"crl-check"}
	case "CRLfile", "crlfile", "CRL":
		return []string{"crl-file"}
	case "keylogfile", "keylog":
		return []string{"key-log"}
	case "sess_in":
		return []string{"session-in"}
	case "sess_out":
		return []string{"session-out"}
	case "ssl-reqd", "ssl", "ftp-ssl", "tls-required":
		return []string{"tls"}
	case "continue", "continue-at", "C":
		return []string{"resume"}
	case "ftp-port", "P":
		return []string{"active"}
	case "limit-rate":
		return []string{"rate"}
	case "tries", "retry", "t":
		return []string{"retries", "repeat"}
	case "directory-prefix", "output-dir":
		return []string{"directory"}
	case "timestamping":
		return []string{"newer"}
	case "sh-exec":
		return []string{"sh"}
	case "interface":
		return []string{"device"}
	}
	return nil
}

// habitOf says what to write instead of a flag of another tool for which c has
// none. COMMAND stands for c's own name.
func habitOf(c *cobra.Command, flag string) string {
	command := c.Name()
	switch flag {
	case "connect", "host":
		return "the address is an argument: COMMAND HOST:PORT"
	case "accept":
		return "the address is an argument: COMMAND 127.0.0.1:PORT"
	case "in", "infile", "noout", "text", "inform":
		return "files are arguments, of any kind, and are shown as text: COMMAND FILE"
	case "subject", "issuer", "serial", "fingerprint", "startdate", "ext":
		return "all of it is shown; one field by: --get PATH, of which brio help json cert-info tells"
	case "enddate", "dates", "expiry":
		return "the end is shown in any case; to check it: --expires-within 30d; alone: --get objects.0.certificate.not_after"
	case "p", "port":
		if command == "listen" || command == "recv" {
			return "the port belongs to the address: COMMAND PORT"
		}
		return "the port belongs to the address: HOST:PORT"
	case "l", "lp", "lk", "lkp", "lvp", "lnvp", "lvnp", "nlvp":
		if command == "listen" {
			return "it listens anyway: COMMAND PORT; with -k for any number of connections"
		}
		return "to listen: brio listen PORT; with -k for any number of connections"
	case "u":
		if command == "dns-query" {
			return "a question goes over UDP unless --tcp is given"
		}
		if command == "listen" {
			return "datagrams are received by: brio dgram recv PORT"
		}
		return "datagrams are sent by: brio dgram send HOST:PORT; a conversation: brio dgram pipe HOST:PORT"
	case "U":
		return "a UNIX socket is an address: COMMAND unix:/PATH"
	case "N":
		return "the end of stdin is always handed on; see --half-close"
	case "O", "remote-name":
		return "the file keeps its name without a flag; -o FILE gives it another"
	case "T", "upload-file":
		return "to store files: brio ftp-put FILE URL"
	case "list-only":
		return "to list: brio ftp-ls URL"
	case "o", "out":
		if c.Flags().Lookup("output") == nil {
			return "the form of the result: --format json; to a file: > FILE"
		}
	case "X":
		if c.Flags().Lookup("proxy") != nil {
			return "the kind of the proxy stands before its address: --proxy socks5h://HOST:PORT"
		}
	case "status", "brief", "tlsextdebug", "msg", "state", "prexit":
		if c.Flags().Lookup("probe") != nil {
			return "what the handshake showed, also a stapled OCSP response: COMMAND --probe; all of it: --json"
		}
	case "ign_eof", "no_ign_eof":
		return "what the end of stdin means: --half-close, --after-stdin-eof"
	case "Verify":
		return "to demand a certificate of clients: --verify required --ca-file FILE"
	case "pubkey", "modulus":
		return "whether a key belongs to a certificate: COMMAND --key KEYFILE CERTIFICATE; the digest of the key is shown as pin"
	case "outform", "export", "nokeys", "nocerts", "clcerts":
		return "what is in a file, of whatever form, is printed as PEM by: COMMAND --pem FILE"
	case "hash", "subject_hash", "issuer_hash", "email":
		return "all of it is shown; one field by: --get PATH, of which brio help json cert-info tells"
	case "4", "6":
		if command == "dns-query" {
			return "a server is asked over the IP version of its address: @ADDRESS"
		}
	case "verify_return_error":
		return "what does not verify is a failure without a flag"
	case "b", "bind-address":
		if c.Flags().Lookup("source") != nil {
			return "the address to send from: --source ADDR"
		}
	}
	return ""
}

// digHint says what to do about an option of dig.
func digHint(option string) string {
	if own := digOption(option); own != "" {
		return "here it is: " + own
	}
	switch name, _, _ := strings.Cut(strings.TrimPrefix(option, "+"), "="); name {
	case "noall", "answer", "all", "cmd", "nocmd", "nostats", "noquestion", "nocomments", "noauthority", "noadditional",
		"multiline", "nomultiline":
		return "the answers alone are shown without it; --full shows all sections"
	case "cookie", "edns":
		return "both are sent unless --no-cookie or --no-edns is given"
	}
	return "see the flags: brio dns-query --help"
}

// digOption says what to write instead of an option of dig, "" if nothing.
func digOption(option string) string {
	name, value, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(option, "+")), "=")
	switch name {
	case "short", "trace", "dnssec", "tcp", "nsid", "search":
		return "--" + name
	case "vc":
		return "--tcp"
	case "do":
		return "--dnssec"
	case "norec", "norecurse", "nordflag":
		return "--no-recursion"
	case "cd", "cdflag", "ad", "adflag":
		return "--" + name[:2]
	case "noedns", "nocookie":
		return "--no-" + name[2:]
	case "time", "timeout":
		return "--try-timeout " + value
	case "tries", "retry":
		return "--repeat " + value
	case "bufsize":
		return "--udp-size " + value
	case "subnet":
		return "--subnet " + value
	case "ignore":
		return "--no-tcp-fallback"
	case "nssearch":
		return "--authoritative --compare, with type SOA"
	case "domain":
		return "--search --search-list " + value
	case "qr", "ttlid", "stats", "comments", "identify":
		return "--full"
	case "padding":
		return "--padding " + value
	case "notcp", "novc":
		return "--transport udp"
	case "json", "yaml":
		return "--json"
	case "tls", "https", "quic":
		return "@" + name + "://SERVER"
	}
	return ""
}
