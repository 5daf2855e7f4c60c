package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// shells are those that completion knows, in the order in which they are listed.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script that completes commands and flags in a shell",
		Long: `completion prints a script for bash, zsh, fish or powershell. With it, the shell completes gwc's commands and flags.

  bash         source <(gwc completion bash)                 in ~/.bashrc, with the package bash-completion
  zsh          source <(gwc completion zsh)                  in ~/.zshrc, behind compinit
  fish         gwc completion fish > ~/.config/fish/completions/gwc.fish
  powershell   gwc completion powershell | Out-String | Invoke-Expression`,
		Args:      arguments(1, 1),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			var b bytes.Buffer
			var err error
			switch args[0] {
			case "bash":
				err = root.GenBashCompletionV2(&b, true)
			case "zsh":
				err = root.GenZshCompletion(&b)
			case "fish":
				err = root.GenFishCompletion(&b, true)
			case "powershell":
				err = root.GenPowerShellCompletionWithDesc(&b)
			default:
				return usage("there is no completion for %q: the shells are %s", args[0], strings.Join(shells, ", "))
			}
			if err == nil {
				_, err = s.out.Write(b.Bytes())
			}
			if err != nil {
				return unreachable(fmt.Errorf("cannot write: %w", cause(err)))
			}
			return nil
		},
	}
}
