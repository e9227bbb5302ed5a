package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// newHelpCmd is "brio help [COMMAND|TOPIC]".
func newHelpCmd(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "help on a command or a topic",
		Long:  "Shows everything about a command, or one of the topics:\n" + strings.Join(topicNames(), ", ") + ".",
		Example: `  brio help exit-codes
  brio help addresses
  brio help json version
  brio help environment`,
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 && args[0] == "json" {
				return commandNames(c.Root()), cobra.ShellCompDirectiveNoFileComp
			}
			if group, _, err := c.Root().Find(args); len(args) > 0 && err == nil && group != c.Root() {
				return commandNames(group), cobra.ShellCompDirectiveNoFileComp
			}
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return append(commandNames(c.Root()), topicNames()...), cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.RunE = func(c *cobra.Command, args []string) error { return runHelp(e, c, args) }
	setAnnotation(c, annotAboutConfig, "help")
	return exits(c, statusLine{statusLocalIO, ""})
}

func runHelp(e *env, c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return writeHelp(e, c.Root())
	}
	if args[0] == "json" && len(args) > 1 {
		return helpJSON(e, c.Root(), args[1:])
	}
	if t := topicText(args[0]); t != nil && len(args) == 1 {
		_, err := io.WriteString(e.out, t())
		return err
	}
	target, rest, err := c.Root().Find(args)
	if err != nil || target == c.Root() || len(rest) > 0 {
		return unknownTopic(c.Root(), args)
	}
	target.InitDefaultHelpFlag()
	return writeHelp(e, target)
}

func unknownTopic(root *cobra.Command, args []string) error {
	f := usagef("there is no command or topic %q", strings.Join(args, " "))
	group, rest, _ := root.Find(args)
	switch {
	case group != root && group.HasSubCommands() && len(rest) > 0:
		if near := nearest(rest[0], commandNames(group)); near != "" {
			return f.hint("did you mean: brio help %s %s", group.Name(), near)
		}
		return f.hint("see: %s -h", group.CommandPath())
	case nearest(args[0], append(commandNames(root), topicNames()...)) != "":
		f.hint("did you mean: brio help %s", nearest(args[0], append(commandNames(root), topicNames()...)))
	case foreignCommand(args[0]) != "":
		f.hint("what %s does is: brio help %s", args[0], foreignCommand(args[0]))
	}
	return f.hint("topics: %s", strings.Join(topicNames(), ", "))
}

// helpJSON prints the JSON Schema of what a command emits, one document a line.
func helpJSON(e *env, root *cobra.Command, args []string) error {
	target, rest, err := root.Find(args)
	if err != nil || target == root || len(rest) > 0 {
		return unknownCommand(root, args[0])
	}
	schemas := e.schemasOf(target)
	if len(schemas) == 0 {
		return usagef("%s prints no JSON results", target.CommandPath()).hint("what it does is told by: %s --events json", target.CommandPath())
	}
	for _, s := range schemas {
		doc, err := marshalLine(s)
		if err != nil {
			return err
		}
		if _, err := e.out.Write(append(doc, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func topicNames() []string {
	return []string{"exit-codes", "addresses", "environment", "json", "config"}
}

// topicText returns the function that makes the text of a topic, or nil.
func topicText(name string) func() string {
	switch name {
	case "exit-codes", "exit-status":
		return exitCodesTopic
	case "addresses":
		return func() string { return addressesTopic }
	case "environment":
		return func() string { return environmentTopic }
	case "json":
		return func() string { return jsonTopic }
	case "config":
		return func() string { return configTopic }
	}
	return nil
}

func exitCodesTopic() string {
	var b strings.Builder
	b.WriteString("Exit statuses of brio, the same for all commands:\n\n")
	for _, t := range statusTexts {
		fmt.Fprintf(&b, "  %-4d %s\n", t.status, t.status.explained())
	}
	b.WriteString(`  128+n ended by signal n, which is raised again, so that a shell loop stops

A number never changes its meaning. New ones may come: read an unknown one as a
failure. The "error" object of JSON results tells more: its "kind" is a stable
word, such as "connection-refused".
`)
	return b.String()
}

const addressesTopic = `One grammar for every command:

  HOST:PORT  HOST PORT      name or address, and a port
  [IPV6]:PORT               an IPv6 address with a port needs the brackets
  IPV6%ZONE                 a zone is an interface's name or number
  :PORT  PORT               where brio listens: on every interface
  unix:/PATH  unix:@NAME    UNIX socket: a file, or an abstract name (Linux)
  fd:N                      an inherited descriptor, where brio listens
  SCHEME://HOST[:PORT]      tcp, tcp4, tcp6, udp, tls, http, https, ftp, ftps,
                            imap, imaps, pop3, pop3s, smtp, smtps, ldap, ldaps

A host is a name; an IPv4 address in dotted form, also short (127.1 is
127.0.0.1), in octal or hexadecimal parts, or as one integer; or an IPv6 address.
A host whose last label is a number is an address or an error: it is never
looked up. A port is a number from 1 to 65535 (0 lets the system choose where
brio listens), or the name of a service.

See also: brio ipaddr parse ADDRESS
`

const environmentTopic = `Every flag can be set in the environment:

  BRIO_COMMAND_FLAG     for one command:   BRIO_DNS_QUERY_TIMEOUT=2s
  BRIO_FLAG             for all commands:  BRIO_TIMEOUT=30

A flag on the command line wins, then the variable for the command, then the one
for all commands, then the configuration file. An empty variable is no variable.

Further variables:
  BRIO_CONFIG           the configuration file, or "none"
  BRIO_PROFILE          the profile of it to use
  XDG_CONFIG_HOME       where the configuration file is looked for
  NO_COLOR, CLICOLOR, CLICOLOR_FORCE, FORCE_COLOR, TERM, COLUMNS
  LOCALDOMAIN, RES_OPTIONS  dns-query and look-ups: as in resolv.conf(5)
  NOTIFY_SOCKET         what listens: told when it is ready and when it ends
  LISTEN_FDS, LISTEN_PID  what listens: inherited sockets (fd:N)

Commands that brio runs (--exec, --sh) find in their environment:
  BRIO_LOCAL_ADDR BRIO_LOCAL_PORT BRIO_REMOTE_ADDR BRIO_REMOTE_PORT BRIO_PROTO,
  with --resolve-peer BRIO_REMOTE_NAME, with --exec-fd BRIO_FD, and of a UNIX
  socket that listens the peer's BRIO_PEER_PID BRIO_PEER_UID BRIO_PEER_GID.
They do not find what is for brio alone: variables with secrets (BRIO_PASSWORD,
BRIO_PROXY, BRIO_TSIG, ...), NOTIFY_SOCKET and LISTEN_*.
`

const jsonTopic = `Commands that answer print JSON with --json: exactly one object an item, on one
line of stdout, also when the item failed. Then it has a member "error":

  "error": {"kind": "connection-refused", "op": "connect", "target": "host:80",
            "errno": "ECONNREFUSED", "message": "...", "hints": [], "exit": 4}

Names are in snake_case. Times are RFC 3339, durations numbers that end in _ms,
times to live integers, lists never null. Fields keep their order; they are
added, never renamed.

Without a JSON processor:
  --get answers.0.data        prints one field; a list prints one line each
  -w '%{ip} %{form}\n'        prints a line as you like it (brio ipaddr 127.1)
  --format sh                 prints NAME='value' lines for eval

brio help json COMMAND prints the JSON Schema of what a command emits.

Commands whose stdout carries data (connect, listen, tls-client ...) tell what
happens with --events json, json:FD or json:FILE: one object an event, with
"event" and "time" first. Members of the events:
  listening   address port path family
  resolved    name addrs ms
  attempt     n addr ms ok kind            (the try to connect to one address)
  connected   id local remote remote_name family ms dns_ms connect_ms attempts
              type connect peer options
  accepted    id local remote remote_name family type connect peer options
  denied      id local remote family       (a peer that --allow or --deny turns away)
  reloaded                                 (the access lists, at SIGHUP)
  certificate sha256 pin fault             (one that tls-server has made)
  handshake   what was negotiated
  half_close  id dir                       (our half has ended)
  peer_eof    id stdin_eof                 (the peer's half has)
  chunk_eof   id trailer
  oob         id byte inline               (an out-of-band byte, a number)
  datagram    from to len truncated
  closed      id sent received elapsed_ms error
  error       kind op target errno message hints exit
  exit        status                       (always the last)
`

const configTopic = `Settings come from, in this order: the flag, the environment (brio help
environment), the profile chosen by --profile, the configuration file, the
default. brio config show prints each setting and where it came from; brio
config path the file; brio config init writes one to start from.

The file is YAML: a section for each command, "defaults" for all of them, and
"profiles" which hold the same again. Keys are the names of flags.

  defaults:
    timeout: 30
  dns-query:
    nameserver: [192.0.2.53]
  profiles:
    ci:
      defaults: {format: json, color: never}

A key that brio does not know is an error.
`
