package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newConfigCmd(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "config COMMAND",
		Short: "show settings and where they come from",
		Example: `  brio config show dns-query
  brio config show --json dns-query
  brio config path
  brio config init`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return runGroup(e, c, args) },
	}
	c.AddCommand(newConfigShowCmd(e), newConfigPathCmd(e), newConfigInitCmd(e))
	return exits(c)
}

// A setting is one row of "brio config show".
type setting struct {
	Command string `json:"command"`
	Setting string `json:"setting"`
	Value   string `json:"value"`
	From    string `json:"from"` // "default", "flag", "$VARIABLE", or file and section
}

type settingList struct {
	Settings []setting `json:"settings"`
}

func newConfigShowCmd(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "show [COMMAND]",
		Short: "print the settings of a command and where each came from",
		Long:  "Prints every setting of COMMAND with its value and origin. Without COMMAND: only\nthe settings that some file or variable has changed, of all commands.",
		Example: `  brio config show
  brio config show dns-query
  BRIO_TIMEOUT=5 brio config show connect
  brio config show dns-query --json`,
		ValidArgsFunction: func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return commandNames(c.Root()), cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.RunE = e.run(func(_ context.Context, args []string) error { return runConfigShow(e, c.Root(), args) })
	return exits(results(e, answers(c), settingList{}))
}

func runConfigShow(e *env, root *cobra.Command, args []string) error {
	list := settingList{Settings: []setting{}}
	if len(args) > 0 {
		target, rest, err := root.Find(args)
		if err != nil || target == root || len(rest) > 0 {
			return unknownCommand(root, args[0])
		}
		list.Settings, err = e.settingsOf(target, true)
		if err != nil {
			return err
		}
		return emit(e, list, e.writeSettings)
	}
	for _, c := range allCommands(root) {
		s, err := e.settingsOf(c, false)
		if err != nil {
			return err
		}
		list.Settings = append(list.Settings, s...)
	}
	if len(list.Settings) == 0 {
		e.note("no file and no variable changes a setting; all of a command: brio config show COMMAND")
	}
	return emit(e, list, e.writeSettings)
}

// allCommands are the commands below c that can be run.
func allCommands(c *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			list = append(append(list, sub), allCommands(sub)...)
		}
	}
	return list
}

// settingsOf are the settings of c; without all only those that are not default.
// It works on a copy of the environment's flags: those of this run stay.
func (e *env) settingsOf(c *cobra.Command, all bool) ([]setting, error) {
	probe := newEnv(nil, e.stdin, e.stdout, e.stderr)
	path := strings.Fields(c.CommandPath())[1:]
	target, _, err := newTree(probe, path[:1]).Find(path)
	if err != nil {
		return nil, err
	}
	target.LocalFlags() // merges the persistent flags of the parents into Flags
	probe.config, probe.profile = e.config, e.profile
	if err := probe.applyConfig(target); err != nil {
		return nil, err
	}
	list := []setting{}
	target.Flags().VisitAll(func(f *pflag.Flag) {
		from := probe.origins[f.Name].text
		if !isSetting(f) || from == "" && !all {
			return
		}
		if from == "" {
			from = "default"
		}
		value := f.Value.String()
		if isSecret(f) && value != "" {
			value = "(hidden)"
		}
		list = append(list, setting{sectionOf(c), f.Name, value, from})
	})
	return list, nil
}

func (e *env) writeSettings(w io.Writer, l settingList) error {
	if len(l.Settings) == 0 {
		return nil
	}
	rows := [][]string{{"COMMAND", "SETTING", "VALUE", "FROM"}}
	for _, s := range l.Settings {
		rows = append(rows, []string{s.Command, s.Setting, s.Value, s.From})
	}
	return e.table(w, rows)
}

// A configPlace is the result of "brio config path".
type configPlace struct {
	Path   string `json:"path"`
	Exists bool   `json:"exists"`
}

func newConfigPathCmd(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "path",
		Short: "print the name of the configuration file",
		Example: `  brio config path
  brio config path --json
  brio config path --get exists
  XDG_CONFIG_HOME=/etc/xdg brio config path`,
		Args: wantArgs(0, 0, "no arguments"),
		RunE: e.run(func(context.Context, []string) error {
			p := configPlace{Path: e.wantedConfigPath()}
			_, err := os.Stat(p.Path)
			p.Exists = err == nil
			return emit(e, p, func(w io.Writer, p configPlace) error {
				_, err := fmt.Fprintln(w, safe(p.Path))
				return err
			})
		}),
	}
	setAnnotation(c, annotAboutConfig, "path")
	return exits(results(e, answers(c), configPlace{}))
}

func (e *env) wantedConfigPath() string {
	if e.config != "" && e.config != "none" {
		return e.config
	}
	return configPath()
}

func newConfigInitCmd(e *env) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "init",
		Short: "write a configuration file in which everything is explained and off",
		Example: `  brio config init
  brio config init --force
  brio --config ./brio.yaml config init
  XDG_CONFIG_HOME=~/settings brio config init`,
		Args: wantArgs(0, 0, "no arguments"),
	}
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.BoolVar(&force, "force", false, "replace an existing file")
	})
	c.RunE = e.run(func(context.Context, []string) error {
		return runConfigInit(e, c.Root(), e.wantedConfigPath(), force)
	})
	setAnnotation(c, annotAboutConfig, "init")
	return exits(c, statusLine{statusLocalIO, "the file exists, or cannot be written"})
}

func runConfigInit(e *env, root *cobra.Command, path string, force bool) error {
	if path == "" {
		return usagef("there is no home directory for the file").hint("name one: brio --config FILE config init")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return &outputError{filepath.Dir(path), plainCause(err)}
	}
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, mode, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return failf(statusLocalIO, "file-exists", "%s exists", path).hint("replace it with: brio config init --force")
	}
	if err != nil {
		return &outputError{path, plainCause(err)}
	}
	_, err = io.WriteString(f, configTemplate(root))
	if err = errors.Join(err, f.Close()); err != nil {
		return &outputError{path, plainCause(err)}
	}
	e.note("wrote %s", path)
	return nil
}

// configTemplate is a file with every setting of every command, commented out.
func configTemplate(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Settings of brio. A setting stands in the section of its command, or under\n" +
		"# defaults for all commands. Keys are the names of flags: see brio COMMAND --help.\n\n")
	writeTemplateSection(&b, sectionDefaults, root.PersistentFlags())
	for _, c := range allCommands(root) {
		own := c.LocalNonPersistentFlags()
		if own.HasAvailableFlags() {
			writeTemplateSection(&b, sectionOf(c), own)
		}
	}
	b.WriteString("# The same again, used with --profile NAME:\n#profiles:\n#  ci:\n#    defaults: {format: json, color: never}\n")
	return b.String()
}

func writeTemplateSection(b *strings.Builder, name string, flags *pflag.FlagSet) {
	fmt.Fprintf(b, "#%s:\n", name)
	flags.VisitAll(func(f *pflag.Flag) {
		if !isSetting(f) || isSecret(f) {
			return
		}
		_, text := flagUsage(f)
		value := f.Value.String()
		if value == "" {
			value = `""`
		}
		fmt.Fprintf(b, "#  # %s\n#  %s: %s\n", text, f.Name, value)
	})
	b.WriteByte('\n')
}
