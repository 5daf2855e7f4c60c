package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/compiler/waive"
	"github.com/gwc-dev/gwc/schema/diag"
)

func newWaivers(s streams) *cobra.Command {
	c := compiling{}
	var format string
	cmd := &cobra.Command{
		Use:   "waivers",
		Short: "List the waivers of a repository and what they waive",
		Long: `waivers lists the findings that teams live with: each waiver with its rule, its place, its last day, who answers for
it and why, and whether it is used, unused, expired, about to expire, or refused. What is wrong with a waiver is told by
vet and build. The exit code is 3 where one has expired, and 1 where the repository has other errors.`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return usage("--format %s is neither text nor json", format)
			}
			_, now, err := c.check()
			if err != nil {
				return err
			}
			defer oneShot()()
			r, err := c.compile(cmd.Context(), now, "table")
			if err != nil {
				return err
			}
			if format == "json" {
				err = writeJSON(s.out, waiversJSON(r.Waivers))
			} else {
				err = waiversText(r.Waivers, s)
			}
			if err != nil {
				return err
			}
			if n := r.Report.Count(diag.Error); n > 0 {
				s.say("%s; gwc vet tells of them", render.Count(n, "error"))
			}
			return c.verdict(r)
		},
	}
	c.repository.bind(cmd.Flags())
	cmd.Flags().StringVar(&c.now, "now", "", "judge expiries as of `TIME` (2006-01-02 or RFC 3339) instead of the clock")
	cmd.Flags().StringVar(&c.env, "env", "", "add the overlays of the environment `ENV`")
	c.color = "auto"
	cmd.Flags().StringVar(&format, "format", "text", "write `FORMAT`: text or json")
	return cmd
}

// lastDay is the last day of a waiver.
func lastDay(w *waive.Waiver) string {
	return time.Unix(w.Expires, 0).UTC().Add(-time.Second).Format(time.DateOnly)
}

func waiversText(list []waive.Waiver, s streams) error {
	if len(list) == 0 {
		s.say("there are no waivers")
		return nil
	}
	rows := [][]string{{"NAME", "CODE", "AT", "STATE", "FINDINGS", "UNTIL", "BY", "REASON"}}
	for i := range list {
		w := &list[i]
		rows = append(rows, []string{w.Name, w.Code, w.At, string(w.State), fmt.Sprint(w.Findings), lastDay(w), w.By, w.Reason})
	}
	return columns(s.out, rows)
}

func waiversJSON(list []waive.Waiver) []object {
	out := make([]object, 0, len(list))
	for i := range list {
		w := &list[i]
		out = append(out, object{
			{"name", w.Name}, {"code", w.Code}, {"at", w.At}, {"state", string(w.State)}, {"findings", w.Findings}, {"expires", lastDay(w)},
			{"by", w.By}, {"reason", w.Reason}, {"tenant", w.Tenant}, {"file", w.Place.File}, {"line", w.Place.Start.Line},
		})
	}
	return out
}

// suppressed returns what waivers took out of the report, for the formats that say so.
func (r *compiled) suppressed() []render.Waived {
	var out []render.Waived
	for _, w := range r.Waived {
		out = append(out, render.Waived{Diagnostic: w.Diagnostic, Name: w.By.Name, Reason: w.By.Reason, By: w.By.By, Until: lastDay(w.By), At: w.By.Place})
	}
	return out
}
