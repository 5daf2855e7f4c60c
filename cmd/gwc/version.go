package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/schema/artifact"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/release"
)

func newVersion(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			platform := runtime.GOOS + "/" + runtime.GOARCH
			if asJSON {
				return writeJSON(s.out, object{
					{"version", release.Version}, {"go", runtime.Version()}, {"platform", platform},
					{"artifact_format", artifact.Format}, {"runtime", artifact.Runtime}, {"language", language.Digest()},
				})
			}
			_, err := fmt.Fprintf(s.out, "gwc %s (%s, %s, artifact format %d)\n", release.Version, runtime.Version(), platform, artifact.Format)
			if err != nil {
				return unreachable(err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}
