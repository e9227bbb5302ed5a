package cmd

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

func newCompletionCmd(e *env) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	c := &cobra.Command{
		Use:   "completion SHELL",
		Short: "print the script for tab completion",
		Long: `Prints the script that teaches a shell to complete brio's commands, flags and
values. For bash the package bash-completion must be installed.`,
		Example: `  source <(brio completion bash)                  # for this shell only
  brio completion bash > brio.bash                # to be sourced in ~/.bashrc
  brio completion zsh > _brio                     # to be moved to a directory of $fpath
  mkdir -p ~/.config/fish/completions && brio completion fish > ~/.config/fish/completions/brio.fish`,
		Args:      wantArgs(1, 1, "the name of a shell: bash, zsh, fish or powershell"),
		ValidArgs: shells,
	}
	c.RunE = e.run(func(_ context.Context, args []string) error {
		return WriteCompletion(c.Root(), args[0], e.out)
	})
	setAnnotation(c, annotAboutConfig, "completion")
	return exits(c, statusLine{statusLocalIO, ""})
}

// WriteCompletion writes the completion script of root for shell: bash, zsh,
// fish or powershell.
func WriteCompletion(root *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(w)
	}
	return unknownValue("shell", shell, []string{"bash", "zsh", "fish", "powershell"})
}
