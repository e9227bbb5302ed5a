package cmd

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A CommandDoc describes a command to the programs that write man pages and to
// the tests that compare them with help and completion. All come from the same
// command tree.
type CommandDoc struct {
	Path     string // "brio ipaddr lookup"
	Args     string // what follows the path in its usage line, flags aside
	Short    string
	Long     string
	Group    string   // heading of the list of commands it stands under; "" below another command
	Examples []string // one line each
	Formats  []string // values of --format; empty where it has no meaning
	Flags    []FlagGroupDoc
	Results  [][]FieldDoc // members of each kind of JSON object it prints
	Exits    []ExitDoc
	Groups   []string // headings of the commands below it, in the order of the help page
	Commands []CommandDoc
}

// A FlagGroupDoc is a heading of the help page with its flags.
type FlagGroupDoc struct {
	Title string
	Flags []FlagDoc
}

// A FlagDoc describes a flag.
type FlagDoc struct {
	Name    string
	Short   string   // one letter, or ""
	Value   string   // name of the value in capitals; "" when it takes none
	Text    string   // what it does
	Default string   // "" for one that says nothing
	Choices []string // of a word; nil when any text will do
	Env     []string // variables that set it, strongest first
	Setting bool     // the configuration file may set it
}

// An ExitDoc is a line of EXIT STATUS.
type ExitDoc struct {
	Status int
	Text   string
}

// A FieldDoc is a member of a JSON object.
type FieldDoc struct {
	Path string // "class.name"; "warnings[].kind" of the elements of a list
	Type string // "string", "integer", "number", "boolean", "array", "object", "object or null", or "any"
}

// A TopicDoc is a text of "brio help".
type TopicDoc struct{ Name, Text string }

// Doc describes brio and all its commands.
func Doc() CommandDoc {
	e, root := docTree()
	return describe(e, root)
}

// Topics are the texts of "brio help".
func Topics() []TopicDoc {
	var list []TopicDoc
	for _, name := range topicNames() {
		list = append(list, TopicDoc{name, topicText(name)()})
	}
	return list
}

// Completion writes the completion script for a shell: bash, zsh, fish or
// powershell.
func Completion(shell string, w io.Writer) error {
	_, root := docTree()
	return WriteCompletion(root, shell, w)
}

// docTree is the tree with the commands that cobra adds when it runs.
func docTree() (*env, *cobra.Command) {
	e := newEnv(nil, nil, nil, nil)
	root := newRootCmd(e)
	root.InitDefaultHelpCmd()
	return e, root
}

func describe(e *env, c *cobra.Command) CommandDoc {
	_, args, _ := strings.Cut(c.Use, " ")
	d := CommandDoc{
		Path: c.CommandPath(), Args: args, Short: c.Short, Long: strings.TrimSpace(c.Long),
		Formats: strings.Fields(c.Annotations[annotFormats]), Flags: describeFlags(c),
	}
	if c.Example != "" {
		for line := range strings.SplitSeq(c.Example, "\n") {
			d.Examples = append(d.Examples, strings.TrimPrefix(line, "  "))
		}
	}
	for _, g := range c.Groups() {
		d.Groups = append(d.Groups, g.Title)
	}
	for _, g := range c.Root().Groups() {
		if g.ID == c.GroupID {
			d.Group = g.Title
		}
	}
	for _, s := range e.schemasOf(c) {
		d.Results = append(d.Results, describeFields(s, ""))
	}
	for _, l := range exitLines(c) {
		d.Exits = append(d.Exits, ExitDoc{int(l.status), l.text})
	}
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			d.Commands = append(d.Commands, describe(e, sub))
		}
	}
	return d
}

func describeFlags(c *cobra.Command) []FlagGroupDoc {
	c.LocalFlags() // merges the persistent flags of the parents into Flags
	var groups []FlagGroupDoc
	if c.Parent() == nil {
		return []FlagGroupDoc{{groupEvery, describeGroup(c, c.PersistentFlags(), groupEvery)}}
	}
	for _, title := range flagGroups(c) {
		groups = append(groups, FlagGroupDoc{title, describeGroup(c, c.Flags(), title)})
	}
	return groups
}

func describeGroup(c *cobra.Command, flags *pflag.FlagSet, title string) []FlagDoc {
	var list []FlagDoc
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || groupOf(f) != title {
			return
		}
		value, text := flagUsage(f)
		d := FlagDoc{
			Name: f.Name, Short: f.Shorthand, Value: value, Text: text, Default: flagDefault(f),
			Env: environNames(c, f.Name), Setting: isSetting(f) && !isSecret(f),
		}
		if v, ok := f.Value.(*enumValue); ok {
			d.Choices = v.choices
		}
		list = append(list, d)
	})
	return list
}

// describeFields lists the members of an object, and below each those of the
// object or list that it holds. The error member is that of every command.
func describeFields(s *schema, prefix string) []FieldDoc {
	var list []FieldDoc
	for _, p := range s.Properties {
		if prefix == "" && p.name == "error" {
			continue
		}
		path, inner := prefix+p.name, p.schema
		list = append(list, FieldDoc{path, inner.Type.String()})
		for inner.Items != nil {
			path, inner = path+"[]", inner.Items
		}
		list = append(list, describeFields(inner, path+".")...)
	}
	return list
}
