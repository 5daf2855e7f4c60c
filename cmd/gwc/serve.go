package main

import (
	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/serve"
)

func newServe(s streams) *cobra.Command {
	var f serve.Flags
	cmd := &cobra.Command{
		Use:   "serve FILE",
		Short: "Serve an artifact",
		Long: `serve runs an artifact as gwcd does. Its folder is watched, and a new file is taken without dropping a request.
Relative paths of the artifact are relative to its own folder. SIGTERM and SIGINT finish what is in flight.`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.Check(); err != nil {
				return usage("%v", err)
			}
			if code := serve.Run(cmd.Context(), "gwc", args[0], f, s.err); code != serve.OK {
				return &exit{code: code}
			}
			return nil
		},
	}
	f.Bind(cmd.Flags())
	return cmd
}
