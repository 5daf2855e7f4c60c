package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/schema/rules"
)

func newExplain(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "explain CODE",
		Short: "Explain a finding: the rule, a failing example, the fix",
		Args:  arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			r, ok := rules.Get(args[0])
			if !ok {
				return &exit{code: serve.Usage, err: fmt.Errorf("there is no rule %q", args[0]), hints: []string{"gwc rules lists all of them"}}
			}
			if _, err := fmt.Fprintf(s.out, "%s[%s]: %s\n\n%s", r.Severity, r.Code, r.Title, r.Page); err != nil {
				return unreachable(err)
			}
			return nil
		},
	}
}
