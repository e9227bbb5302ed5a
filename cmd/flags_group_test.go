package cmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The annotations of a group are one map, so that nothing may be noted in them
// about one flag: all would have it.
func TestAnnotationsBelongToTheirFlag(t *testing.T) {
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if groupOf(f) == "Other" && f.Name != "version" {
				t.Errorf("%s --%s has no group", c.Name(), f.Name)
			}
			for _, names := range f.Annotations[annotExclusive] {
				if !slices.Contains(strings.Fields(names), f.Name) {
					t.Errorf("%s --%s is said to exclude %s", c.Name(), f.Name, names)
				}
			}
			if isSecret(f) && !strings.Contains(f.Name, "password") && !slices.Contains([]string{"proxy", "tsig", "tcp-md5-key"}, f.Name) {
				t.Errorf("%s --%s is a secret", c.Name(), f.Name)
			}
		})
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(newTree(newEnv(nil, nil, nil, nil), nil))
}
