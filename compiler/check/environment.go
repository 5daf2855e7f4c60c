package check

import (
	"fmt"
	"strings"

	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/schema/diag"
)

// perEnvironment adds to findings about what is missing, where no environment was chosen, which environments give it.
func perEnvironment(src *load.Sources, report diag.Report) diag.Report {
	if src.Environment != "" || len(src.Environments) == 0 {
		return report
	}
	var out diag.Report
	for _, d := range report.All() {
		if d.Code == codeIncomplete || d.Code == codeMissing && len(d.Path) > 0 {
			if givers := src.Givers(d.Path); len(givers) > 0 {
				var names []string
				d.Notes = append([]string(nil), d.Notes...)
				for _, g := range givers {
					names = append(names, g.Environment)
					d.Notes = append(d.Notes, fmt.Sprintf("environment %q gives it: %s:%d", g.Environment, g.At.File, g.At.Start.Line))
				}
				d.Help = []string{"it is given per environment: choose one with --env, of " + strings.Join(names, ", ")}
			}
		}
		out.Add(d)
	}
	return out
}
