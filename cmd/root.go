// Package cmd is the command line of brio: one file a command, and the shared
// rooms they stand in. It is the only package that knows cobra, viper and exit
// statuses, and it joins the packages under pkg, which do not know one another.
package cmd

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Main runs brio with the arguments args on the given standard streams and
// returns its exit status. When a signal ended the run, Main has cleaned up and
// raises the signal again, so that the caller's shell sees a death by signal.
func Main(args []string, stdin, stdout, stderr *os.File) (status int) {
	e := newEnv(args, stdin, stdout, stderr)
	defer func() {
		if p := recover(); p != nil {
			status = e.reportPanic(p)
		}
	}()
	c, err := newRootCmd(e).ExecuteContextC(context.Background())
	return e.finish(c, err, e.signals.end())
}

// The groups of commands, in the order of the help page.
const (
	groupSockets = "sockets"
	groupNames   = "names"
	groupTLS     = "tls"
	groupFiles   = "files"
	groupItself  = "itself"
)

// newRootCmd builds the command tree, as far as this run needs it.
func newRootCmd(e *env) *cobra.Command {
	if name := e.onlyCommand(); name != "" {
		return newTree(e, []string{name})
	}
	return newTree(e, nil)
}

// newTree builds the tree of the commands named, or of all for nil.
func newTree(e *env, only []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "brio COMMAND",
		Short: "sockets, DNS, TLS, certificates and FTP from the command line",
		Example: `  brio connect example.com:80              # open a TCP connection, like nc
  brio dns-query example.com MX            # ask the DNS, like dig
  brio cert-info example.com:443           # who is it, and when does it expire?`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			return e.prepare(c)
		},
		RunE: func(c *cobra.Command, args []string) error { return runGroup(e, c, args) },
	}
	root.SetArgs(e.args)
	root.SetIn(e.in)
	root.SetOut(e.out)
	root.SetErr(e.err)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(e, c, err) })
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { e.helpErr = writeHelp(e, c) })
	root.AddGroup(
		&cobra.Group{ID: groupSockets, Title: "Sockets"},
		&cobra.Group{ID: groupNames, Title: "Names and addresses"},
		&cobra.Group{ID: groupTLS, Title: "TLS and certificates"},
		&cobra.Group{ID: groupFiles, Title: "Files"},
		&cobra.Group{ID: groupItself, Title: "brio itself"},
	)
	e.addGlobalFlags(root)

	for _, entry := range commandTable() {
		if only == nil || slices.Contains(only, entry.name) {
			c := entry.make(e)
			c.GroupID = entry.group
			root.AddCommand(c)
		}
	}
	help := newHelpCmd(e)
	help.GroupID = groupItself
	root.SetHelpCommand(help)
	if only == nil {
		completeFlags(e, root)
	}
	if len(e.args) > 0 && strings.HasPrefix(e.args[0], cobra.ShellCompRequestCmd) {
		plainUsages(root)
	}
	return root
}

// plainUsages takes the back quotes out of what is said about flags: a shell
// shows it as it is.
func plainUsages(c *cobra.Command) {
	plain := func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") }
	c.Flags().VisitAll(plain)
	c.PersistentFlags().VisitAll(plain)
	for _, sub := range c.Commands() {
		plainUsages(sub)
	}
}

// A commandEntry is a command below brio. The name is that of the command made.
type commandEntry struct {
	group string
	name  string
	make  func(*env) *cobra.Command
}

// commandTable holds the commands in the order of the help page.
func commandTable() []commandEntry {
	return []commandEntry{
		{groupSockets, "connect", newConnectCmd},
		{groupSockets, "dgram", newDgramCmd},
		{groupSockets, "listen", newListenCmd},
		{groupNames, "dns-query", newDNSQueryCmd},
		{groupNames, "ipaddr", newIPAddrCmd},
		{groupTLS, "tls-client", newTLSClientCmd},
		{groupTLS, "tls-server", newTLSServerCmd},
		{groupTLS, "cert-info", newCertInfoCmd},
		{groupFiles, "ftp-get", newFTPGetCmd},
		{groupFiles, "ftp-put", newFTPPutCmd},
		{groupFiles, "ftp-ls", newFTPLsCmd},
		{groupFiles, "ftp-transfer", newFTPTransferCmd},
		{groupItself, "config", newConfigCmd},
		{groupItself, "completion", newCompletionCmd},
		{groupItself, "version", newVersionCmd},
	}
}

// onlyCommand is the name of the one command that this run needs, empty when it
// needs the whole tree: making all flags of all commands takes longer than many
// a command runs.
func (e *env) onlyCommand() string {
	name := commandWord(e.args)
	if name == "config" || name == "completion" {
		return "" // they look at the other commands
	}
	for _, entry := range commandTable() {
		if entry.name == name {
			return name
		}
	}
	return ""
}

// commandWord is the first argument behind flags of every command, or "" where
// that cannot be told without knowing all flags.
func commandWord(args []string) string {
	for i := 0; i < len(args); i++ {
		switch a := args[i]; a {
		case "--json", "--short", "--quiet", "-q", "-qq", "--verbose", "-v", "-vv", "--debug":
		case "--format", "--get", "--write-out", "-w", "--color", "--progress", "--timeout", "--config", "--profile":
			i++ // its value
		default:
			if strings.HasPrefix(a, "-") {
				return ""
			}
			return a
		}
	}
	return ""
}

// wholeTree is a tree of all commands, to look at: none of its flags is set.
func (e *env) wholeTree() *cobra.Command { return e.treeOf(nil) }

// treeOf is the same of the commands named; nil names all.
func (e *env) treeOf(names []string) *cobra.Command {
	return newTree(newEnv(nil, e.stdin, e.stdout, e.stderr), names)
}

// run adapts a run function to cobra. A signal that asks brio to end cancels ctx.
func (e *env) run(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return e.runBriefly(func(ctx context.Context, args []string) error {
		return f(e.catchSignals(ctx), args)
	})
}

// runBriefly is run for a command that a signal may end where it stands, as it
// leaves nothing behind: catching signals takes a sixth of a short run. Where
// the command does more it calls catchSignals itself.
//
// It marks that the command's own code has begun, so that every error before it
// is known to be one of usage.
func (e *env) runBriefly(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		e.started = true
		ctx, cancel := e.withTimeout(c.Context())
		defer cancel()
		return f(ctx, args)
	}
}
