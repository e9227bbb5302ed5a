package cmd

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	annotGroup  = "brio_group"
	groupEvery  = "Every command"
	groupCommon = "Common"
)

// addGroup gives c the flags that define makes, under one heading of its help.
// They keep their order. into is c.Flags() or c.PersistentFlags(), all of whose
// flags are made here.
func addGroup(c *cobra.Command, into *pflag.FlagSet, name string, define func(*pflag.FlagSet)) {
	into.SortFlags = false
	define(into)
	shared := map[string][]string{annotGroup: {name}}
	into.VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Annotations == nil:
			f.Annotations = shared
		case f.Annotations[annotGroup] == nil:
			f.Annotations[annotGroup] = shared[annotGroup]
		default:
			return
		}
		if kind := f.Value.Type(); strings.HasPrefix(kind, "int") || strings.HasPrefix(kind, "uint") {
			f.Value = decimalValue{f.Value}
		}
	})
}

// A decimalValue is a whole number whose leading zeros mean nothing: for package
// strconv port 053 is octal, and 43.
type decimalValue struct{ pflag.Value }

func (d decimalValue) Set(s string) error { return d.Value.Set(withoutZeros(s)) }

// withoutZeros takes the leading zeros off a number; 0x10 stays what it is.
func withoutZeros(s string) string {
	digits := strings.TrimLeft(s, "+-")
	sign := s[:len(s)-len(digits)]
	for len(digits) > 1 && digits[0] == '0' && '0' <= digits[1] && digits[1] <= '9' {
		digits = digits[1:]
	}
	return sign + digits
}

// ownAnnotations lets the annotations of f be changed: those of a group are one
// map, as there are many flags and few that have any of their own.
func ownAnnotations(f *pflag.Flag) {
	f.Annotations = maps.Clone(f.Annotations)
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
}

// exclusive declares that of the flags named one at most may be given.
func exclusive(c *cobra.Command, names ...string) {
	for _, name := range names {
		ownAnnotations(c.Flags().Lookup(name))
	}
	c.MarkFlagsMutuallyExclusive(names...)
}

// flagGroup is addGroup for the flags of c alone.
func flagGroup(c *cobra.Command, name string, define func(*pflag.FlagSet)) {
	addGroup(c, c.Flags(), name, define)
}

// durationVar defines a flag for a duration: 5 (seconds), 1.5s, 300ms, 2m,
// 1h30m, 30d, 2w, or none.
func durationVar(f *pflag.FlagSet, p *time.Duration, name string, value time.Duration, usage string) {
	*p = value
	f.Var((*durationValue)(p), name, usage)
}

type durationValue time.Duration

func (d *durationValue) Type() string   { return "duration" }
func (d *durationValue) String() string { return formatDuration(time.Duration(*d)) }

func (d *durationValue) Set(s string) error {
	v, err := parseDuration(s)
	if err != nil {
		return err
	}
	*d = durationValue(v)
	return nil
}

// formatDuration writes d as the flags read it: 0 is none.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parseDuration reads a duration of the command line.
func parseDuration(s string) (time.Duration, error) {
	if s == "none" {
		return 0, nil
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil && isPlainNumber(s) {
		return secondsToDuration(n, s)
	}
	var total time.Duration
	rest := s
	for rest != "" {
		i := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if i <= 0 {
			return 0, badDuration(s)
		}
		j := i + strings.IndexFunc(rest[i:]+"0", func(r rune) bool { return r == '.' || r >= '0' && r <= '9' })
		n, err := strconv.ParseFloat(rest[:i], 64)
		unit, ok := durationUnit(rest[i:j])
		if err != nil || !ok {
			return 0, badDuration(s)
		}
		part, err := secondsToDuration(n*unit.Seconds(), s)
		if err != nil || total+part < total {
			return 0, badDuration(s)
		}
		total += part
		rest = rest[j:]
	}
	if s == "" {
		return 0, badDuration(s)
	}
	return total, nil
}

func isPlainNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == ""
}

func secondsToDuration(n float64, s string) (time.Duration, error) {
	const limit = float64(1<<63-1) / float64(time.Second)
	if n >= limit {
		return 0, badDuration(s)
	}
	return time.Duration(math.Round(n * float64(time.Second))), nil // a nanosecond may be the difference
}

func durationUnit(s string) (time.Duration, bool) {
	switch s {
	case "ns":
		return time.Nanosecond, true
	case "us", "µs":
		return time.Microsecond, true
	case "ms":
		return time.Millisecond, true
	case "s":
		return time.Second, true
	case "m":
		return time.Minute, true
	case "h":
		return time.Hour, true
	case "d":
		return 24 * time.Hour, true
	case "w":
		return 7 * 24 * time.Hour, true
	}
	return 0, false
}

func badDuration(s string) error {
	return usagef("%q is not a duration", s).
		hint("use a number of seconds (2.5) or units: ms, s, m, h, d, w (1m30s), or none")
}

// sizeVar defines a flag for a number of bytes: 1500, 64k, 1M, 1GiB, 64kB.
func sizeVar(f *pflag.FlagSet, p *int64, name string, value int64, usage string) {
	*p = value
	f.Var((*sizeValue)(p), name, usage)
}

type sizeValue int64

func (v *sizeValue) Type() string   { return "size" }
func (v *sizeValue) String() string { return strconv.FormatInt(int64(*v), 10) }

func (v *sizeValue) Set(s string) error {
	n, err := parseSize(s)
	if err != nil {
		return err
	}
	*v = sizeValue(n)
	return nil
}

// parseSize reads a size: k, M, G, T and KiB ... are powers of 1024, kB ... of 1000.
func parseSize(s string) (int64, error) {
	i := strings.IndexFunc(s+"x", func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	n, err := strconv.ParseFloat(s[:i], 64)
	unit, ok := sizeUnit(s[i:])
	if err != nil || !ok || n*unit >= 1<<63 {
		return 0, usagef("%q is not a size", s).hint("use a number of bytes, or 64k, 1M, 1GiB (powers of 1024), 64kB (of 1000)")
	}
	return int64(n * unit), nil
}

func sizeUnit(s string) (float64, bool) {
	if s == "" || s == "B" {
		return 1, true
	}
	e := strings.IndexByte("kmgt", s[0]|0x20)
	if e < 0 {
		return 0, false
	}
	base := 1024.0
	switch strings.ToLower(s[1:]) {
	case "", "i", "ib":
	case "b":
		base = 1000
	default:
		return 0, false
	}
	unit := base
	for range e {
		unit *= base
	}
	return unit, true
}

// formatSize writes n bytes for people, in powers of 1024.
func formatSize(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, units := float64(n)/1024, "KMGTPE"
	for v >= 1024 && len(units) > 1 {
		v, units = v/1024, units[1:]
	}
	return fmt.Sprintf("%.1f %ciB", v, units[0])
}

// enumVar defines a flag that takes one of choices. A wrong value is an error
// that names the nearest one; completion offers them.
func enumVar(f *pflag.FlagSet, p *string, name, value string, choices []string, usage string) {
	enumVarP(f, p, name, "", value, choices, usage)
}

// enumVarP is enumVar with a shorthand.
func enumVarP(f *pflag.FlagSet, p *string, name, short, value string, choices []string, usage string) {
	*p = value
	f.VarP(&enumValue{p, choices}, name, short, usage)
}

type enumValue struct {
	p       *string
	choices []string
}

func (v *enumValue) Type() string   { return "string" }
func (v *enumValue) String() string { return *v.p }

func (v *enumValue) Set(s string) error {
	if !slices.Contains(v.choices, s) {
		return unknownValue("value", s, v.choices)
	}
	*v.p = s
	return nil
}

// unknownValue is the usage failure for a word that is not in a fixed list.
func unknownValue(what, got string, choices []string) *failure {
	f := usagef("unknown %s %q; choose one of: %s", what, got, strings.Join(choices, ", "))
	if near := nearest(got, choices); near != "" {
		f.hint("did you mean %s?", near)
	}
	return f
}

// wantArgs accepts from least to most arguments (most < 0: any number). what
// names them in the message.
func wantArgs(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least {
			return usagef("needs %s", what).hint("see: %s -h", c.CommandPath())
		}
		if most >= 0 && len(args) > most {
			return usagef("unexpected argument %q: it takes %s", args[most], what).hint("see: %s -h", c.CommandPath())
		}
		return nil
	}
}
