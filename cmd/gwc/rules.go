package main

import (
	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/schema/rules"
)

func newRules(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "List all rules",
		Args:  arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			all := rules.All()
			if asJSON {
				list := make([]object, 0, len(all))
				for _, r := range all {
					list = append(list, object{
						{"code", r.Code}, {"severity", r.Severity.String()}, {"group", r.Group}, {"title", r.Title}, {"says", r.Says}, {"why", r.Why},
					})
				}
				return writeJSON(s.out, list)
			}
			rows := [][]string{{"CODE", "SEVERITY", "GROUP", "TITLE"}}
			for _, r := range all {
				rows = append(rows, []string{string(r.Code), r.Severity.String(), r.Group, r.Title})
			}
			return columns(s.out, rows)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}
