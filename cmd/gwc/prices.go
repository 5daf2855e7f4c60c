package main

import (
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// priceRows lists the price book of an artifact: version, price, source, and whose it is.
func priceRows(a *artifact.Artifact) (rows [][]string) {
	for i := range a.Prices {
		p := &a.Prices[i]
		from := p.Source
		if p.Date != "" {
			from += ", " + p.Date
		}
		var of []string
		for _, m := range a.Models {
			for _, t := range m.Targets {
				if name := a.Providers[t.Provider].Name + "/" + t.Model; t.Price == i+1 && !slices.Contains(of, name) {
					of = append(of, name)
				}
			}
		}
		slices.Sort(of)
		rows = append(rows, []string{p.Version, strings.Join(of, ", "), p.String(), from})
	}
	var unknown []string
	for _, m := range a.Models {
		for _, t := range m.Targets {
			if name := a.Providers[t.Provider].Name + "/" + t.Model; t.Price == 0 && !slices.Contains(unknown, name) {
				unknown = append(unknown, name)
			}
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		rows = append(rows, []string{"unknown", strings.Join(unknown, ", ")})
	}
	return rows
}

// usual writes the usual price of a target, and names the service tiers that have others.
func usual(p *price.Price) string {
	in := price.Price{Rates: slices.DeleteFunc(slices.Clone(p.Rates), func(r price.Rate) bool { return r.Service != "" })}
	text := in.String()
	if others := services(p); len(others) > 0 {
		text += "; others for " + strings.Join(others, ", ")
	}
	return text
}

// version is the version of a target's price for JSON: null where there is none.
func version(a *artifact.Artifact, at int) any {
	if p := a.TargetPrice(artifact.Target{Price: at}); p != nil {
		return p.Version
	}
	return nil
}

// plainRate is a rate for JSON: its price in USD as a string, since it is exact.
func plainRate(r price.Rate) object {
	return object{{"service", r.Service}, {"above", r.Above}, {"kind", r.Kind.String()}, {"usd", price.FormatRate(r.Femto, r.Kind)}, {"per", r.Kind.Per()}}
}
