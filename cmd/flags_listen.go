package cmd

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The flags here are those of every command that accepts connections.

// addAccept defines the flags about whom to wait for, and how long.
func (o *listenOptions) addAccept(c *cobra.Command) {
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.BoolVarP(&o.keepOpen, "keep-open", "k", false, "serve any number of connections, not just one")
		f.IntVar(&o.maxConns, "max-conns", 0, "serve at most `N` connections at the same time")
		f.IntVar(&o.maxAccepts, "max-accepts", 0, "end after `N` connections")
		durationVar(f, &o.acceptTimeout, "accept-timeout", 0, "end with status 5 when nobody has connected for `DURATION`")
		f.BoolVar(&o.noWait, "no-wait", false, "serve only connections that wait already; status 11 if there are none")
		durationVar(f, &o.drain, "drain", 5*time.Second, "after SIGTERM let connections under way go on for `DURATION`")
	})
}

// addAnyService defines the flags of the services that go with TLS as well as
// without. What --forward does with a connection is for forward to say.
func (o *listenOptions) addAnyService(f *pflag.FlagSet, forward string) {
	o.child.add(f)
	f.StringVar(&o.forward, "forward", "", forward)
	durationVar(f, &o.connectTimeout, "connect-timeout", 10*time.Second, "with --forward: give up connecting after `DURATION`")
	f.BoolVar(&o.echo, "echo", false, "send back what is received")
	f.BoolVar(&o.discard, "discard", false, "throw away what is received")
}

// addReadiness defines the flags that tell others what happens.
func (o *listenOptions) addReadiness(c *cobra.Command) {
	flagGroup(c, "Readiness", func(f *pflag.FlagSet) {
		o.ready.add(f)
		o.events.addFlag(f)
		o.names.add(f, &o.ip)
	})
}

// addAddress defines the flags about the place to listen on, and its socket.
func (o *listenOptions) addAddress(c *cobra.Command) {
	flagGroup(c, "Address", func(f *pflag.FlagSet) {
		o.ip.add(f)
		f.Var(&o.mode, "mode", "give the UNIX socket the permissions `MODE` (octal)")
		f.BoolVar(&o.replaceStale, "replace-stale", false, "replace a UNIX socket that nobody listens on any more")
		f.BoolVar(&o.replaceStale, "unlink", false, "the same as --replace-stale")
		f.Lookup("unlink").Hidden = true
	})
	flagGroup(c, "Socket", func(f *pflag.FlagSet) {
		o.options.add(f)
		f.IntVar(&o.backlog, "backlog", 0, "let at most `N` connections wait to be accepted (0: the system's limit)")
		durationOption(f, &o.options.o.DeferAccept, "defer-accept", "accept a connection only when it has sent something, or after `DURATION`")
		f.BoolVar(&o.mptcp, "mptcp", false, "accept multipath TCP")
		o.md5.add(f, "accept from ADDR[/BITS] only segments signed with KEY: `ADDR=KEY`")
	})
}
