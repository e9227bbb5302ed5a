package docs

import (
	"bytes"
	"fmt"

	"github.com/brio-net/brio/cmd"
)

// Dirs are the directories that hold nothing but generated files.
func Dirs() []string { return []string{"man", "completions"} }

// Files returns every generated file by its path in the tree.
func Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, text := range Pages(cmd.Doc(), cmd.Topics()) {
		files["man/"+name] = text
	}
	for shell, name := range map[string]string{
		"bash":       "brio.bash",
		"zsh":        "_brio",
		"fish":       "brio.fish",
		"powershell": "brio.ps1",
	} {
		var b bytes.Buffer
		if err := cmd.Completion(shell, &b); err != nil {
			return nil, fmt.Errorf("completion for %s: %w", shell, err)
		}
		files["completions/"+name] = b.Bytes()
	}
	return files, nil
}
