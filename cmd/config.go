package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// origins says where each setting of the running command came from; a flag that
// is not in it has its default.
type origins map[string]origin

// An origin is a place where a setting stood.
type origin struct {
	place source
	text  string // "flag", "$VARIABLE", or file and section
}

// onCommandLine reports whether flag was given, and not only set elsewhere.
func (e *env) onCommandLine(flag string) bool {
	o, set := e.origins[flag]
	return set && o.place == fromFlag
}

// A flagNeed says that a flag has no effect unless its need is met.
type flagNeed struct {
	flag, needs string
	met         bool
}

// checkNeeds refuses flags that would be ignored in silence. In the configuration
// they may stand for the cases where they are not.
func (e *env) checkNeeds(needs ...flagNeed) error {
	for _, n := range needs {
		if !n.met && e.onCommandLine(n.flag) {
			return usagef("--%s needs %s", n.flag, n.needs)
		}
	}
	return nil
}

// A source is a kind of origin. A lesser one wins over a greater.
type source int

const (
	fromFlag source = iota
	fromOwnVariable
	fromVariable
	fromProfileSection
	fromProfileDefaults
	fromSection
	fromDefaults
)

// general reports whether the setting stands where it is for all commands, also
// those for which it has no meaning.
func (o origin) general() bool {
	return o.place == fromVariable || o.place == fromProfileDefaults || o.place == fromDefaults
}

const (
	sectionDefaults = "defaults"
	sectionProfiles = "profiles"
	annotSecret     = "brio_secret"

	// annotAboutConfig marks commands that need no configuration file: it may be
	// missing or wrong, and they help to write it.
	annotAboutConfig = "brio_about_config"
)

// A settings is what one section of the file says: flag name to value.
type settings map[string]any

// A configFile is a configuration that has been read.
type configFile struct {
	path     string
	sections map[string]settings
	profiles map[string]map[string]settings
}

// applyConfig sets the flags of c that the command line left alone: from the
// environment, then from the profile and the file. All go through the flag's
// own parser, so that each value means the same wherever it stands.
func (e *env) applyConfig(c *cobra.Command) error {
	e.origins = origins{}
	environ := brioEnviron()
	if err := setFromEnviron(c, environ, "config", "profile"); err != nil {
		return err
	}
	file, err := e.readConfig()
	if err != nil {
		return err
	}
	if file == nil && e.profile != "" {
		return usagef("--profile %s: there is no configuration file", e.profile).hint("write one: brio config init")
	}
	var first error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			if _, known := e.origins[f.Name]; !known {
				e.origins[f.Name] = origin{fromFlag, "flag"}
			}
			return
		}
		if err := e.applySetting(c, f, environ, file); err != nil && first == nil {
			first = err
		}
	})
	e.settleExclusive(c)
	return first
}

// annotExclusive is where cobra notes which flags exclude one another.
const annotExclusive = "cobra_annotation_mutually_exclusive"

// settleExclusive gives up, of flags that exclude one another, what a weaker
// source says: --exec on the command line wins over "echo: true" in the file.
// What a file or variable sets to its default does not count.
func (e *env) settleExclusive(c *cobra.Command) {
	var weak []*pflag.Flag
	c.Flags().Visit(func(f *pflag.Flag) {
		if len(f.Annotations[annotExclusive]) == 0 {
			return
		}
		place := e.origins[f.Name].place
		if place > fromFlag && f.Value.String() == f.DefValue {
			weak = append(weak, f)
			return
		}
		for _, other := range strings.Fields(strings.Join(f.Annotations[annotExclusive], " ")) {
			if o := c.Flags().Lookup(other); o != nil && o.Changed && e.origins[other].place < place {
				weak = append(weak, f)
				return
			}
		}
	})
	for _, f := range weak {
		f.Changed = false
		delete(e.origins, f.Name)
		if list, ok := f.Value.(pflag.SliceValue); ok {
			_ = list.Replace(nil) // an empty list is one
			continue
		}
		_ = f.Value.Set(f.DefValue) // as it was before
	}
}

// applySetting sets f from the first source that has it.
func (e *env) applySetting(c *cobra.Command, f *pflag.Flag, environ map[string]string, file *configFile) error {
	if len(environ) > 0 { // their names are as much work as all flags of a command
		names := environNames(c, f.Name)
		for i, name := range names {
			if v := environ[name]; v != "" {
				e.origins[f.Name] = origin{fromVariable - source(len(names)-1-i), "$" + name}
				return setFlag(c, f, v, "$"+name)
			}
		}
	}
	if file == nil {
		return nil
	}
	v, where, place, ok := file.lookup(sectionOf(c), e.profile, f.Name)
	if !ok {
		return nil
	}
	e.origins[f.Name] = origin{place, file.path + " " + where}
	return setFlag(c, f, v, file.path+": "+where+"."+f.Name)
}

// setFlag gives f the value v, of which source tells where it stands.
func setFlag(c *cobra.Command, f *pflag.Flag, v any, source string) error {
	texts, err := settingTexts(v)
	if err != nil {
		return usagef("%s: %w", source, err)
	}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		if len(texts) == 1 {
			texts = strings.Split(texts[0], ",")
		}
		err = list.Replace(texts)
		f.Changed = true
	} else {
		err = c.Flags().Set(f.Name, strings.Join(texts, ","))
	}
	if err == nil {
		return nil
	}
	var (
		known   *failure
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &known):
		return &failure{err: fmt.Errorf("%s: %w", source, known.err), status: statusUsage, kind: "usage", hints: known.hints}
	case errors.As(err, &invalid):
		return badValue(source, invalid)
	}
	return usagef("%s: %w", source, err)
}

// settingTexts is the value of a setting as the flag's parser reads it.
func settingTexts(v any) ([]string, error) {
	switch v := v.(type) {
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = fmt.Sprint(v[i])
		}
		return texts, nil
	case map[string]any:
		return nil, errors.New("is a section, not a value")
	case nil:
		return nil, errors.New("has no value")
	}
	return []string{fmt.Sprint(v)}, nil
}

// brioEnviron is the part of the environment that begins with BRIO_.
func brioEnviron() map[string]string {
	found := map[string]string{}
	for _, kv := range os.Environ() {
		if name, value, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, "BRIO_") {
			found[name] = value
		}
	}
	return found
}

// environNames are the variables that can set a flag of c, strongest first.
func environNames(c *cobra.Command, flag string) []string {
	upper := func(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }
	all := "BRIO_" + upper(flag)
	if c.Parent() == nil {
		return []string{all}
	}
	return []string{"BRIO_" + upper(sectionOf(c)) + "_" + upper(flag), all}
}

// sectionOf is the name of c's section in the file: its path without "brio".
func sectionOf(c *cobra.Command) string {
	_, path, _ := strings.Cut(c.CommandPath(), " ")
	return strings.ReplaceAll(path, " ", "-")
}

// setFromEnviron sets the flags named, which say where to look for the rest, and
// takes their variables out of environ.
func setFromEnviron(c *cobra.Command, environ map[string]string, names ...string) error {
	for _, name := range names {
		f := c.Flags().Lookup(name)
		v := environ["BRIO_"+strings.ToUpper(name)]
		delete(environ, "BRIO_"+strings.ToUpper(name))
		if f == nil || f.Changed || v == "" {
			continue
		}
		if err := setFlag(c, f, v, "$BRIO_"+strings.ToUpper(name)); err != nil {
			return err
		}
	}
	return nil
}

// configPath is the file that is read when it exists.
func configPath() string {
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "brio", "config.yaml")
	}
	if runtime.GOOS == "windows" {
		if dir, err := os.UserConfigDir(); err == nil {
			return filepath.Join(dir, "brio", "config.yaml")
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".config", "brio", "config.yaml")
	}
	return ""
}

// readConfig reads and checks the configuration file; nil when there is none.
// No viper is made before a file is known to exist: most runs have none.
func (e *env) readConfig() (*configFile, error) {
	path, wanted := e.config, e.config != ""
	if path == "none" || e.cmd != nil && e.cmd.Annotations[annotAboutConfig] != "" {
		return nil, nil
	}
	if path == "" {
		path = configPath()
	}
	if _, err := os.Stat(path); err != nil {
		if !wanted && (path == "" || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
			return nil, nil // also where HOME is still that of the user who gave up his rights
		}
		return nil, usagef("configuration file %s: %w", path, plainCause(err))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("configuration file %s: %w", path, plainCause(err))
	}
	file, err := parseConfig(path, text)
	if err == nil {
		err = file.check(e)
	}
	if err != nil {
		return nil, err
	}
	return file, nil
}

// parseConfig reads the text of a configuration file, whose name says in which
// language it is: YAML where it has no extension.
func parseConfig(path string, text []byte) (*configFile, error) {
	v := viper.NewWithOptions(viper.KeyDelimiter("\x1f"))
	v.SetConfigFile(path)
	if filepath.Ext(path) == "" {
		v.SetConfigType("yaml")
	}
	if err := v.ReadConfig(bytes.NewReader(text)); err != nil {
		return nil, usagef("configuration file %s: %s", path, strings.TrimPrefix(err.Error(), "While parsing config: "))
	}
	return newConfigFile(path, v.AllSettings())
}

func newConfigFile(path string, all map[string]any) (*configFile, error) {
	file := &configFile{path: path, profiles: map[string]map[string]settings{}}
	if raw, ok := all[sectionProfiles]; ok {
		named, ok := raw.(map[string]any)
		if !ok {
			return nil, usagef("%s: %s is not a section", path, sectionProfiles)
		}
		for name, raw := range named {
			sections, err := sectionsOf(path, sectionProfiles+"."+name, raw)
			if err != nil {
				return nil, err
			}
			file.profiles[name] = sections
		}
		delete(all, sectionProfiles)
	}
	var err error
	file.sections, err = sectionsOf(path, "", all)
	return file, err
}

func sectionsOf(path, where string, raw any) (map[string]settings, error) {
	m, ok := raw.(map[string]any)
	if !ok {
		return nil, usagef("%s: %s is not a section", path, where)
	}
	sections := map[string]settings{}
	for name, raw := range m {
		s, ok := raw.(map[string]any)
		if !ok {
			return nil, usagef("%s: %s stands outside a section", path, strings.TrimPrefix(where+"."+name, ".")).
				hint("settings for all commands stand under %s:", sectionDefaults)
		}
		sections[name] = s
	}
	return sections, nil
}

// lookup finds the value of a flag and the section it stands in.
func (c *configFile) lookup(section, profile, flag string) (v any, where string, place source, ok bool) {
	for i, s := range []string{section, sectionDefaults} {
		if v, ok := c.profiles[profile][s][flag]; ok {
			return v, sectionProfiles + "." + profile + "." + s, fromProfileSection + source(i), true
		}
	}
	for i, s := range []string{section, sectionDefaults} {
		if v, ok := c.sections[s][flag]; ok {
			return v, s, fromSection + source(i), true
		}
	}
	return nil, "", 0, false
}

// check refuses sections, settings and a profile that do not exist.
func (c *configFile) check(e *env) error {
	if _, ok := c.profiles[e.profile]; e.profile != "" && !ok {
		if len(c.profiles) == 0 {
			return usagef("unknown profile %q: %s has none", e.profile, c.path)
		}
		return unknownValue("profile", e.profile, slices.Sorted(keysOf(c.profiles)))
	}
	// Most files speak of few commands: making all of them takes longer than
	// many a command runs.
	if c.checkAll(flagsBySection(e.treeOf(c.commands()))) == nil {
		return nil
	}
	return c.checkAll(flagsBySection(e.wholeTree()))
}

// commands are the commands that have a section, perhaps of a command below
// them.
func (c *configFile) commands() []string {
	names := []string{}
	add := func(sections map[string]settings) {
		for section := range sections {
			for _, entry := range commandTable() {
				if section == entry.name || strings.HasPrefix(section, entry.name+"-") {
					names = append(names, entry.name)
				}
			}
		}
	}
	add(c.sections)
	for _, sections := range c.profiles {
		add(sections)
	}
	return names
}

func (c *configFile) checkAll(known map[string]map[string]*pflag.Flag) error {
	if err := c.checkSections(known, "", c.sections); err != nil {
		return err
	}
	for name, sections := range c.profiles {
		if err := c.checkSections(known, sectionProfiles+"."+name+".", sections); err != nil {
			return err
		}
	}
	return nil
}

func (c *configFile) checkSections(known map[string]map[string]*pflag.Flag, prefix string, sections map[string]settings) error {
	for _, name := range slices.Sorted(keysOf(sections)) {
		flags, ok := known[name]
		if !ok {
			return c.unknownKey(prefix+name, name, slices.Sorted(keysOf(known)))
		}
		for _, key := range slices.Sorted(keysOf(sections[name])) {
			f := flags[key]
			if f == nil {
				return c.unknownKey(prefix+name+"."+key, key, slices.Sorted(keysOf(flags)))
			}
			if isSecret(f) {
				return usagef("%s: %s%s.%s is a secret, which has no place in this file", c.path, prefix, name, key).
					hint("use a file of its own (--password-file), the environment or .netrc")
			}
		}
	}
	return nil
}

func (c *configFile) unknownKey(where, key string, known []string) error {
	f := usagef("%s: unknown key %s", c.path, where)
	if near := nearest(key, known); near != "" {
		f.hint("did you mean %s?", near)
	}
	return f
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// flagsBySection holds for each section of the file the flags it may set.
func flagsBySection(root *cobra.Command) map[string]map[string]*pflag.Flag {
	known := map[string]map[string]*pflag.Flag{sectionDefaults: {}}
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if isSetting(f) {
			known[sectionDefaults][f.Name] = f
		}
	})
	addSections(root, known)
	return known
}

func addSections(c *cobra.Command, known map[string]map[string]*pflag.Flag) {
	for _, sub := range c.Commands() {
		flags := map[string]*pflag.Flag{}
		sub.LocalFlags() // merges the persistent flags of the parents into Flags
		sub.Flags().VisitAll(func(f *pflag.Flag) {
			if isSetting(f) {
				flags[f.Name] = f
				known[sectionDefaults][f.Name] = f
			}
		})
		known[sectionOf(sub)] = flags
		addSections(sub, known)
	}
}

// isSetting reports whether a file may set f.
func isSetting(f *pflag.Flag) bool {
	switch f.Name {
	case "help", "version", "config", "profile":
		return false
	}
	return !f.Hidden
}

// secretFlag marks a flag whose value no file holds and nothing prints.
func secretFlag(f *pflag.FlagSet, name string) {
	fl := f.Lookup(name)
	ownAnnotations(fl)
	fl.Annotations[annotSecret] = []string{"true"}
}

func isSecret(f *pflag.Flag) bool { return f.Annotations[annotSecret] != nil }
