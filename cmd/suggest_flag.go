package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

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
	case errors.As(err, &invalid) && longMeant(e, c, invalid.GetFlag(), invalid.GetValue()) != nil:
		return longMeant(e, c, invalid.GetFlag(), invalid.GetValue())
	case errors.As(err, &invalid) && errors.As(err, &f):
		return &failure{err: fmt.Errorf("%s: %w", flagSpelling(invalid.GetFlag()), f.err), status: statusUsage, kind: "usage", hints: f.hints}
	case errors.As(err, &invalid):
		return badValue(flagSpelling(invalid.GetFlag()), invalid)
	}
	return usagef("%w", err)
}

// badValue is the failure for a value that is not of its flag's type. source
// says where it stands.
func badValue(source string, invalid *pflag.InvalidValueError) error {
	switch kind := invalid.GetFlag().Value.Type(); {
	case kind == "bool":
		return usagef("%s: %q is neither true nor false", source, invalid.GetValue())
	case strings.HasPrefix(kind, "int"), kind == "count":
		return usagef("%s: %q is not a whole number", source, invalid.GetValue())
	case strings.HasPrefix(kind, "uint"):
		return usagef("%s: %q is not a whole number from 0", source, invalid.GetValue())
	default:
		return usagef("%s: %q is not a %s", source, invalid.GetValue(), kind)
	}
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

// unknownFlag says what may have been meant by a flag that c does not have.
func unknownFlag(e *env, c *cobra.Command, unknown *pflag.NotExistError) error {
	name, dashes := unknown.GetSpecifiedName(), "--"
	if rest := unknown.GetSpecifiedShortnames(); rest != "" {
		word := singleDashWord(e.args, rest)
		if f := singleDash(c, word); f != nil {
			return f
		}
		// -lvp is known as a whole, of -np only the letter that does not exist.
		if dashes = "-"; len(word) > 3 || habitOf(c, word) != "" {
			name = word
		}
	}
	f := usagef("there is no flag %s%s", dashes, name)
	if habit := habitOf(c, name); habit != "" {
		return f.hint("%s", strings.ReplaceAll(habit, "COMMAND", c.CommandPath()))
	}
	if own := foreignFlag(c, name); own != "" {
		return f.hint("brio calls it --%s: %s", own, usageOf(c, own))
	}
	if near := nearestFlag(c, name); near != "" {
		f.hint("did you mean --%s? (%s)", near, usageOf(c, near))
	} else if owners := ownersOf(e.wholeTree(), name); len(owners) > 0 {
		f.hint("--%s belongs to: %s", name, strings.Join(owners, ", "))
	}
	return f.hint("all flags: %s --help", c.CommandPath())
}

// nearestFlag is the flag of c that name most likely means: a misspelling, or
// the beginning of one name only.
func nearestFlag(c *cobra.Command, name string) string {
	if len(name) < 2 {
		return ""
	}
	names := flagNames(c)
	if near := nearest(name, names); near != "" {
		return near
	}
	longer := slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, name) })
	if len(longer) == 1 && len(name) > 2 {
		return longer[0]
	}
	return ""
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

// singleDashWord is the word behind one dash that ends in rest, which is what
// pflag had not yet read of it.
func singleDashWord(args []string, rest string) string {
	for _, a := range args {
		if word, ok := strings.CutPrefix(a, "-"); ok && !strings.HasPrefix(word, "-") && strings.HasSuffix(word, rest) {
			word, _, _ = strings.Cut(word, "=")
			return word
		}
	}
	return rest
}

// singleDash refuses a long flag that was written with one dash. It returns nil
// for a word that is no long flag, also not of another tool.
func singleDash(c *cobra.Command, word string) error {
	if len(word) < 2 {
		return nil
	}
	if slices.Contains(flagNames(c), word) {
		return usagef("long flags take two dashes: --%s", word)
	}
	if own := foreignFlag(c, word); own != "" {
		return usagef("there is no flag -%s", word).hint("brio calls it --%s: %s", own, usageOf(c, own))
	}
	if habit := habitOf(c, word); len(word) > 2 && habit != "" {
		return usagef("there is no flag -%s", word).hint("%s", strings.ReplaceAll(habit, "COMMAND", c.CommandPath()))
	}
	return nil
}

// longMeant refuses a long flag with one dash that pflag has read as f with the
// rest of the word as its value: -timeout as -t imeout.
func longMeant(e *env, c *cobra.Command, f *pflag.Flag, value string) error {
	if f.Shorthand == "" {
		return nil
	}
	for _, a := range e.args {
		if a == "--" {
			return nil
		}
		// -noservername is -n -o servername
		if !strings.HasPrefix(a, "-") || strings.HasPrefix(a, "--") || value == "" || !strings.HasSuffix(a, f.Shorthand+value) {
			continue
		}
		word, _, _ := strings.Cut(a[1:], "=")
		if err := singleDash(c, word); err != nil {
			return err
		}
	}
	return nil
}

// refuseSingleDash finds the long flags with one dash that pflag took for a
// shorthand with a value.
func refuseSingleDash(e *env, c *cobra.Command) error {
	var first error
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.NoOptDefVal != "" || first != nil {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = append(list.GetSlice(), strings.Join(list.GetSlice(), ","))
		}
		for _, v := range values {
			if err := longMeant(e, c, f, v); err != nil {
				first = err
				return
			}
		}
	})
	return first
}
