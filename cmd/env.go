package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// env is what a command may touch of the world outside: its streams and the
// flags that every command has.
type env struct {
	args []string // as given, without the program's name

	in  io.Reader
	out io.Writer // a failed write is an *outputError, status 12
	err io.Writer // notes, hints, progress, failures

	// The descriptors below in and out, for the byte pump. Nil in unit tests.
	stdin, stdout, stderr *os.File

	format   string // text, short, json, sh
	json     bool   // --json, the short spelling of --format json
	short    bool   // --short, likewise
	get      string // --get PATH
	writeOut string // --write-out FORMAT
	color    string // auto, always, never
	progress string // auto, always, never
	quiet    int
	verbose  int
	debug    bool
	timeout  time.Duration // 0 is none
	config   string
	profile  string

	signals signalWatch    // of those that end the run
	cmd     *cobra.Command // the command that runs, once known
	started bool           // the command's own code has begun
	emitted int            // JSON objects written to stdout
	helpErr error          // why --help could not be written: cobra does not hand it on
	origins origins        // where each setting came from
	events  *events        // of --events, nil without it

	results map[*cobra.Command][]any // values of the types that commands emit
}

func newEnv(args []string, stdin, stdout, stderr *os.File) *env {
	return &env{
		args: args,
		in:   stdin, out: &resultWriter{w: stdout}, err: stderr,
		stdin: stdin, stdout: stdout, stderr: stderr,
	}
}

func (e *env) addGlobalFlags(root *cobra.Command) {
	addGroup(root, root.PersistentFlags(), groupEvery, func(f *pflag.FlagSet) {
		enumVar(f, &e.format, "format", "text", []string{"text", "short", "json", "sh"}, "print results as `FORMAT`")
		f.BoolVar(&e.json, "json", false, "print results as JSON (the same as --format json)")
		f.BoolVar(&e.short, "short", false, "print results in short (the same as --format short)")
		f.StringVar(&e.get, "get", "", "print only the field at `PATH` of the JSON result (answers.0.data)")
		f.StringVarP(&e.writeOut, "write-out", "w", "", "print `FORMAT` with %{field} replaced by fields of the JSON result")
		enumVar(f, &e.color, "color", "auto", []string{"auto", "always", "never"}, "colour the output: `WHEN`")
		enumVar(f, &e.progress, "progress", "auto", []string{"auto", "always", "never"}, "show progress on stderr: `WHEN`")
		f.CountVarP(&e.quiet, "quiet", "q", "print no hints and notes; twice: not even the failure")
		f.CountVarP(&e.verbose, "verbose", "v", "say on stderr what is being done; twice: in detail")
		f.BoolVar(&e.debug, "debug", false, "say everything on stderr, with times")
		durationVar(f, &e.timeout, "timeout", 0, "end the whole run after `DURATION` with status 5")
		f.StringVar(&e.config, "config", "", "read settings from `FILE` (none: from no file)")
		f.StringVar(&e.profile, "profile", "", "use the settings of profile `NAME`")
		f.BoolP("help", "h", false, "show help: -h one screen, --help everything")
	})
	root.Flags().BoolP("version", "V", false, "print the version")
	root.Flags().Lookup("version").Hidden = true
}

// prepare completes the flags from environment and configuration, and checks
// what no flag can check alone. It runs before the command's own code.
func (e *env) prepare(c *cobra.Command) error {
	e.cmd = c
	if err := e.applyConfig(c); err != nil {
		return err
	}
	if err := refuseSingleDash(e, c); err != nil {
		return err
	}
	e.strongestFormat()
	if err := e.spellFormat(); err != nil {
		return err
	}
	e.warnLoose(c)
	return e.checkFormat(c)
}

// withTimeout bounds ctx by --timeout.
func (e *env) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if e.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, e.timeout, &timeoutError{what: "the whole run", after: e.timeout})
}

// name is the name of the command that runs, as the user types it: "brio connect".
func (e *env) name() string {
	if e.cmd == nil {
		return "brio"
	}
	return e.cmd.CommandPath()
}

// note prints one line on stderr that is not a failure. -q silences it.
func (e *env) note(format string, a ...any) {
	if e.quiet == 0 {
		fmt.Fprintf(e.err, "%s: %s\n", e.name(), safe(fmt.Sprintf(format, a...)))
	}
}

// verbosef prints one line on stderr with -v.
func (e *env) verbosef(format string, a ...any) {
	if e.verbose > 0 || e.debug {
		e.detail(format, a...)
	}
}

// debugf prints one line on stderr with -vv or --debug.
func (e *env) debugf(format string, a ...any) {
	if e.verbose > 1 || e.debug {
		e.detail(format, a...)
	}
}

func (e *env) detail(format string, a ...any) {
	stamp := ""
	if e.debug {
		stamp = time.Now().Format("15:04:05.000000 ")
	}
	fmt.Fprintf(e.err, "%s* %s\n", stamp, safe(fmt.Sprintf(format, a...)))
}
