package main

import (
	"fmt"
	"io"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/pipeline"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// pair is a route of the models and a provider behind them whose calls are translated: what of a request is lost, and
// which models meet it.
type pair struct {
	route, provider, kind string
	models                []string // with their policy: "fast (warn)"
	table                 dialect.Losses
}

// losses lists the pairs of an artifact, in the order of its routes and providers.
func losses(a *artifact.Artifact) (all []pair) {
	seen := map[artifact.RouteKind]bool{}
	for r := range a.Routes {
		kind := a.Routes[r].Kind
		if a.Routes[r].API >= 0 || seen[kind] {
			continue
		}
		seen[kind] = true
		for p := range a.Providers {
			table, ok := pipeline.Losses(&a.Providers[p], kind)
			if !ok {
				continue
			}
			x := pair{route: a.Routes[r].ID, provider: a.Providers[p].Name, kind: a.Providers[p].Kind, table: table}
			for m := range a.Models {
				for t := range a.Models[m].Targets {
					if a.Models[m].Targets[t].Provider == p {
						x.models = append(x.models, a.Models[m].Name+" ("+policy(a.Models[m].OnLoss)+")")
						break
					}
				}
			}
			if len(x.models) > 0 {
				all = append(all, x)
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
		fmt.Fprintf(w, "%s → %s (%s)\nmodels:", p.route, p.provider, p.kind)
		for _, m := range p.models {
			fmt.Fprintf(w, " %s", m)
		}
		fmt.Fprintln(w)
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
		list = append(list, object{{"route", p.route}, {"provider", p.provider}, {"kind", p.kind}, {"models", p.models}, {"losses", table}})
	}
	return list
}
