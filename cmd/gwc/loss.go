package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/pipeline"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// pair is a route of the models and a provider behind them whose calls are translated, or adapted to a vendor: what of a
// request is lost, in the words of the route's callers, and which models meet it.
type pair struct {
	route, provider, kind, vendor string
	models                        []string // with their policy: "fast (warn)"
	table                         dialect.Losses
}

// losses lists the pairs of an artifact, in the order of its routes and providers. A provider stands there once for each
// table that its models have: Vertex serves Claude in another dialect than Gemini.
func losses(a *artifact.Artifact) (all []pair) {
	seen := map[artifact.RouteKind]bool{}
	for r := range a.Routes {
		kind := a.Routes[r].Kind
		if a.Routes[r].API >= 0 || seen[kind] {
			continue
		}
		seen[kind] = true
		for p := range a.Providers {
			from := len(all)
			for m := range a.Models {
				for t := range a.Models[m].Targets {
					to := &a.Models[m].Targets[t]
					if to.Provider != p {
						continue
					}
					table, ok := pipeline.Losses(&a.Providers[p], to.Model, kind)
					if !ok {
						continue
					}
					name := a.Models[m].Name + " (" + policy(a.Models[m].OnLoss) + ")"
					at := slices.IndexFunc(all[from:], func(x pair) bool { return slices.Equal(x.table, table) })
					if at < 0 {
						at = len(all) - from
						all = append(all, pair{route: a.Routes[r].ID, provider: a.Providers[p].Name, kind: a.Providers[p].Kind, vendor: a.Providers[p].Vendor, table: table})
					}
					if x := &all[from+at]; !slices.Contains(x.models, name) {
						x.models = append(x.models, name)
					}
				}
			}
		}
	}
	return all
}

func policy(onLoss string) string {
	if onLoss == "" {
		return "reject"
	}
	return onLoss
}

func writeLosses(w io.Writer, pairs []pair) error {
	if len(pairs) == 0 {
		fmt.Fprintln(w, "nothing is translated")
	}
	for i, p := range pairs {
		if i > 0 {
			fmt.Fprintln(w)
		}
		kind := p.kind
		if p.vendor != "" {
			kind += ", " + p.vendor
		}
		fmt.Fprintf(w, "%s → %s (%s)\nmodels: %s\n", p.route, p.provider, kind, strings.Join(p.models, " "))
		rows := [][]string{{"FIELD", "BECOMES", "HOW, OR WHY NOT"}}
		for _, l := range p.table {
			rows = append(rows, []string{l.Field, l.Fate.String(), l.Why})
		}
		if err := columns(w, rows); err != nil {
			return err
		}
	}
	return nil
}

func plainLosses(pairs []pair) []any {
	list := []any{}
	for _, p := range pairs {
		table := []any{}
		for _, l := range p.table {
			table = append(table, object{{"field", l.Field}, {"becomes", l.Fate.String()}, {"why", l.Why}})
		}
		o := object{{"route", p.route}, {"provider", p.provider}, {"kind", p.kind}}
		if p.vendor != "" {
			o = append(o, member{"vendor", p.vendor})
		}
		list = append(list, append(o, member{"models", p.models}, member{"losses", table}))
	}
	return list
}
